import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { satsToMsat } from '../../../src/core/money.ts'
import { checkTerms, type OrderLimits, windowEndS, withinLimits } from '../../../src/core/order/create.ts'
import type { SmallOrder } from '../../../src/core/protocol.ts'
import { NOW } from './world.ts'

const DAY_S = 86_400
const LIMITS: OrderLimits = {
  fiatCurrencies: ['EUR', 'VES', 'E1R'],
  minOrderMsat: satsToMsat(100),
  maxOrderMsat: satsToMsat(1_000_000),
  windowS: DAY_S,
  maxWindowS: 15 * DAY_S,
}

const FIXED: SmallOrder = {
  id: null,
  kind: 'sell',
  status: 'pending',
  amount: 100_000n,
  fiatCode: 'EUR',
  minAmount: null,
  maxAmount: null,
  fiatAmount: 50n,
  paymentMethod: 'SEPA',
  premium: 0n,
  buyerTradePubkey: null,
  sellerTradePubkey: null,
  buyerInvoice: null,
  createdAt: null,
  expiresAt: null,
}
const MARKET: SmallOrder = { ...FIXED, amount: 0n, premium: 3n }
const RANGE: SmallOrder = { ...MARKET, fiatAmount: 0n, minAmount: 10n, maxAmount: 100n }

const check = (asked: SmallOrder, limits = LIMITS) => checkTerms(asked, limits, NOW)
const reason = (asked: SmallOrder) => {
  const checked = check(asked)
  return checked.ok ? 'fine' : checked.error
}

describe('the terms of a new order', () => {
  test.each([
    ['fixed sats', FIXED, { price: { kind: 'fixed', amountMsat: 100_000_000 }, fiat: { kind: 'single', amount: 50 } }],
    ['the market price', MARKET, { price: { kind: 'market' }, fiat: { kind: 'single', amount: 50 }, premium: 3 }],
    ['a range', RANGE, { price: { kind: 'market' }, fiat: { kind: 'range', min: 10, max: 100 } }],
    [
      'the most sats that can be counted',
      { ...FIXED, amount: 9_007_199_254_740n },
      { price: { kind: 'fixed', amountMsat: 9_007_199_254_740_000 } },
    ],
    ['the largest fiat amount', { ...MARKET, fiatAmount: 10n ** 12n }, { fiat: { kind: 'single', amount: 1e12 } }],
    ['the widest range', { ...RANGE, minAmount: 1n, maxAmount: 10n ** 12n }, { fiat: { min: 1, max: 1e12 } }],
    [
      'a range that also says an amount, which is ignored',
      { ...RANGE, fiatAmount: 7n },
      { fiat: { min: 10, max: 100 } },
    ],
  ])('are %s', (_, asked, expected) => {
    expect(check(asked)).toMatchObject({ ok: true, value: expected })
  })

  test('are checked one after the other: the first that fails is the answer', () => {
    const bad: SmallOrder = {
      ...FIXED,
      fiatCode: 'USD',
      fiatAmount: 0n,
      premium: 1n,
      paymentMethod: ' ',
      kind: null,
    }
    expect(reason(bad)).toBe('invalid_fiat_currency')
    expect(reason({ ...bad, fiatCode: 'EUR' })).toBe('invalid_amount')
    expect(reason({ ...bad, fiatCode: 'EUR', fiatAmount: 1n })).toBe('invalid_parameters')
    expect(reason({ ...bad, fiatCode: 'EUR', fiatAmount: 1n, premium: 0n })).toBe('invalid_parameters')
    const almost = { ...bad, fiatCode: 'EUR', fiatAmount: 1n, premium: 0n, paymentMethod: 'cash' }
    expect(reason(almost)).toBe('invalid_order_kind')
    expect(reason({ ...almost, kind: 'buy' })).toBe('fine')
  })

  test('name a currency that the operator takes; no list takes every code', () => {
    expect(check({ ...FIXED, fiatCode: 'USD' }, { ...LIMITS, fiatCurrencies: [] }).ok).toBe(true)
    for (const fiatCode of ['', 'eu', 'E1R', 'EUR ', 'EUROS', 'eur'])
      expect(reason({ ...FIXED, fiatCode }), fiatCode).toBe('invalid_fiat_currency')
  })

  test.each<[string, SmallOrder]>([
    ['no fiat', { ...FIXED, fiatAmount: 0n }],
    ['negative fiat', { ...FIXED, fiatAmount: -1n }],
    ['more fiat than there is', { ...FIXED, fiatAmount: 10n ** 12n + 1n }],
    ['negative sats', { ...FIXED, amount: -1n }],
    ['one sat more than can be counted', { ...FIXED, amount: 9_007_199_254_741n }],
    ['more sats than can be counted', { ...FIXED, amount: 2n ** 63n - 1n }],
    ['a range with fixed sats', { ...RANGE, amount: 100n, premium: 0n }],
    ['a range from nothing', { ...RANGE, minAmount: 0n }],
    ['a range from less than nothing', { ...RANGE, minAmount: -5n }],
    ['a range of one amount', { ...RANGE, maxAmount: 10n }],
    ['a range backwards', { ...RANGE, minAmount: 101n }],
    ['a range without end', { ...RANGE, maxAmount: 2n ** 62n }],
  ])('are refused with %s', (_, asked) => {
    expect(reason(asked)).toBe('invalid_amount')
  })

  test.each<[string, SmallOrder]>([
    ['only a least amount', { ...FIXED, fiatAmount: -3n, minAmount: 10n }],
    ['only a largest amount', { ...FIXED, fiatAmount: 0n, maxAmount: 10n }],
    ['only a least amount beside a good one', { ...MARKET, minAmount: 10n }],
  ])('W42: are refused with %s', (_, asked) => {
    expect(reason(asked)).toBe('invalid_amount')
  })

  test.each([
    [-900n, 'invalid_parameters'],
    [-100n, 'invalid_parameters'],
    [-99n, 'fine'],
    [99n, 'fine'],
    [100n, 'invalid_parameters'],
    [2n ** 63n - 1n, 'invalid_parameters'],
  ])('W41: a premium of %i percent: %s', (premium, expected) => {
    expect(reason({ ...MARKET, premium })).toBe(expected)
  })

  test('W41: what is traded lies within the limits, both ends included', () => {
    const [min, max] = [100, 1_000_000]
    const within = [0, min - 1, min, max, max + 1].map((sats) => withinLimits(satsToMsat(sats), LIMITS))
    expect(within).toEqual([false, false, true, true, false])
  })

  test('say how to pay, in a text of bounded length', () => {
    expect(reason({ ...FIXED, paymentMethod: 'x'.repeat(500) })).toBe('fine')
    for (const paymentMethod of ['', ' \t', 'x'.repeat(501)])
      expect(reason({ ...FIXED, paymentMethod })).toBe('invalid_parameters')
  })

  test('fit into whole numbers, whatever a stranger sends', () => {
    const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    const some = fc.oneof(i64, fc.bigInt({ min: -200n, max: 2000n }))
    const stranger = fc.record({
      amount: some,
      fiatAmount: some,
      premium: some,
      minAmount: fc.option(some, { nil: null }),
      maxAmount: fc.option(some, { nil: null }),
      expiresAt: fc.option(some, { nil: null }),
    })
    fc.assert(
      fc.property(stranger, (asked) => {
        const checked = check({ ...FIXED, ...asked })
        if (!checked.ok) return
        const { price, fiat, premium, expiresAtS } = checked.value
        if (price.kind === 'fixed') expect(premium).toBe(0)
        const amounts = fiat.kind === 'single' ? [fiat.amount] : [fiat.min, fiat.max]
        for (const amount of amounts) expect(Number.isSafeInteger(amount) && amount > 0).toBe(true)
        expect(fiat.kind === 'range' && price.kind === 'fixed').toBe(false)
        expect(expiresAtS > NOW && expiresAtS <= NOW + LIMITS.maxWindowS).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('W43: the take window', () => {
  test.each([
    ['is the default when nothing is asked', null, NOW + DAY_S],
    ['is the default for 0, which some clients send', 0n, NOW + DAY_S],
    ['is the default for the past', BigInt(NOW - 1), NOW + DAY_S],
    ['is the default for this very second', BigInt(NOW), NOW + DAY_S],
    ['is the default for nonsense', -(2n ** 63n), NOW + DAY_S],
    ['is what was asked', BigInt(NOW + 60), NOW + 60],
    ['may be longer than the default', BigInt(NOW + 2 * DAY_S), NOW + 2 * DAY_S],
    ['is at most the largest', BigInt(NOW + 15 * DAY_S), NOW + 15 * DAY_S],
    ['is cut to the largest', BigInt(NOW + 16 * DAY_S), NOW + 15 * DAY_S],
    ['is cut to the largest beyond all numbers', 2n ** 63n - 1n, NOW + 15 * DAY_S],
  ])('%s', (_, asked, expected) => {
    expect(windowEndS(asked, LIMITS, NOW)).toBe(expected)
  })
})
