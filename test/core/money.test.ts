import { describe, expect, test } from 'vitest'
import { AssertionError, unreachable } from '../../src/core/assert.ts'
import {
  addMsat,
  MSAT_MAX,
  maxMsat,
  msat,
  msatToSats,
  msatToSatsRoundedDown,
  satsToMsat,
  subMsat,
} from '../../src/core/money.ts'

describe('an amount', () => {
  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MSAT_MAX + 1])('is never %d msat', (value) => {
    expect(() => msat(value)).toThrow(AssertionError)
  })

  test('is exact or refused when it is turned into sats, added and subtracted', () => {
    expect(msatToSats(satsToMsat(21))).toBe(21)
    expect(() => msatToSats(msat(1001))).toThrow(/whole number of sats/)
    expect(msatToSatsRoundedDown(msat(1999))).toBe(1)
    expect(() => satsToMsat(MSAT_MAX)).toThrow(AssertionError)
    expect(addMsat()).toBe(0)
    expect(addMsat(msat(1), msat(2), msat(3))).toBe(6)
    expect(() => addMsat(msat(MSAT_MAX), msat(1))).toThrow(AssertionError)
    expect(subMsat(msat(3), msat(3))).toBe(0)
    expect(() => subMsat(msat(2), msat(3))).toThrow(AssertionError)
    expect(maxMsat(msat(2), msat(3))).toBe(3)
  })
})

test('a broken rule names itself as ours, and says which', () => {
  expect(() => msat(-1)).toThrow(AssertionError)
  expect(String(new AssertionError('a rule'))).toBe('AssertionError: a rule')
})

test('a case that can not be is a bug, and says which', () => {
  expect(() => unreachable('x' as never)).toThrow('unreachable: "x"')
})
