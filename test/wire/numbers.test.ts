import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonFloat, tagFloat, tagInteger } from '../../src/wire/numbers.ts'

const finite = fc.double({ noNaN: true, noDefaultInfinity: true })

describe('A float', () => {
  test.each<[number, string, string]>([
    [0, '0.0', '0'],
    [-0, '-0.0', '-0'],
    [5, '5.0', '5'],
    [-2.5, '-2.5', '-2.5'],
    [105_000_000, '105000000.0', '105000000'],
    [0.00001, '0.00001', '0.00001'],
    [0.000001, '1e-6', '0.000001'],
    [1.5e-7, '1.5e-7', '0.00000015'],
    [123456789012345680, '1.2345678901234568e17', '123456789012345680'],
    [1e15, '1000000000000000.0', '1000000000000000'],
    [1e16, '1e16', '10000000000000000'],
    [1e21, '1e21', '1000000000000000000000'],
    [4.833333333333333, '4.833333333333333', '4.833333333333333'],
  ])('%d is %s in JSON and %s in a tag', (value, json, tag) => {
    expect(jsonFloat(value)).toBe(json)
    expect(tagFloat(value)).toBe(tag)
  })

  test('reads back as itself from either form', () => {
    fc.assert(
      fc.property(finite, (value) => {
        expect(Number(jsonFloat(value))).toBe(value)
        expect(Number(tagFloat(value))).toBe(value)
        expect(JSON.parse(jsonFloat(value))).toBe(value)
        expect(tagFloat(value)).not.toContain('e')
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%d is never written', (value) => {
    expect(() => jsonFloat(value)).toThrow('finite')
    expect(() => tagFloat(value)).toThrow('finite')
  })
})

test.each([0.5, 2 ** 53, Number.NaN])('%d is no whole number', (value) => {
  expect(() => tagInteger(value)).toThrow('whole number')
})
