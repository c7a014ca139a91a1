import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFiatCode } from '../../src/core/fiat.ts'
import { msat, satsToMsat } from '../../src/core/money.ts'
import {
  aggregate,
  type Breaker,
  breakerAfterFailure,
  breakerAllows,
  CLOSED_BREAKER,
  combineQuotes,
  devFeeMsat,
  feePerPartyMsat,
  freshRate,
  mergeRates,
  publishableRates,
  quoteMsat,
  type Rate,
  routingFeeCapMsat,
  type SourceQuotes,
  selectCurrencies,
} from '../../src/core/pricing.ts'
import { roundHalfAway } from '../../src/core/round.ts'

const NOW = 1_785_000_000

function source(name: string, quotes: Record<string, number>, more: Partial<SourceQuotes> = {}): SourceQuotes {
  return { source: name, lastResort: false, observedAtS: null, quotes: new Map(Object.entries(quotes)), ...more }
}

function rate(value: number, asOfS: number, more: Partial<Rate> = {}): Rate {
  return { value, asOfS, sources: ['yadio'], lastResort: false, ...more }
}

describe('combining quotes of one currency', () => {
  it.each([
    ['one source is believed', [50_000], 50_000],
    ['two sources meet in the middle', [50_000, 51_000], 50_500],
    ['two sources far apart meet in the middle all the same', [50_000, 90_000], 70_000],
    ['three that agree are averaged', [50_000, 50_300, 50_600], 50_300],
    ['an outlier among three is left out', [50_000, 50_400, 500_000], 50_200],
    ['outliers on both sides are left out', [1, 50_000, 50_400, 50_800, 1e9], 50_400],
    ['a value exactly at the threshold counts', [95, 100, 102], 99],
    ['a value just beyond the threshold does not', [94, 100, 102], 101],
    ['when nobody is near the median of four, the median stands', [10, 20, 40, 80], 30],
  ])('%s', (_, candidates, expected) => {
    expect(combineQuotes(candidates, 5)).toBe(expected)
  })

  it('needs a quote', () => {
    expect(() => combineQuotes([], 5)).toThrow('no quotes')
  })

  it('never leaves the span of the candidates and does not depend on their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), { minLength: 1, maxLength: 9 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        (candidates, threshold) => {
          const value = combineQuotes(candidates, threshold)
          const slack = 1e-9 * value
          expect(value).toBeGreaterThanOrEqual(Math.min(...candidates) - slack)
          expect(value).toBeLessThanOrEqual(Math.max(...candidates) + slack)
          expect(Math.abs(combineQuotes([...candidates].reverse(), threshold) - value)).toBeLessThanOrEqual(slack)
        },
      ),
    )
  })

  it('is not moved by one liar among five that agree', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), (lie) => {
        const value = combineQuotes([100, 101, lie, 102, 103], 5)
        expect(value).toBeGreaterThan(95)
        expect(value).toBeLessThan(108)
      }),
    )
  })
})

describe('one tick of rates', () => {
  it('drops what is no fiat currency, not finite or not above zero', () => {
    const rates = aggregate(
      [source('yadio', { USD: 50_000, EUR: Number.NaN, ARS: 0, BRL: -1, JPY: Infinity, BTC: 1, XAU: 15, VEF: 1e12 })],
      5,
      NOW,
    )
    expect([...rates.keys()]).toEqual(['USD'])
  })

  it('says who was asked, sorted, and as of when', () => {
    const rates = aggregate([source('yadio', { USD: 50_000 }), source('blockchain', { USD: 50_200 })], 5, NOW)
    expect(rates.get('USD')).toEqual({
      value: 50_100,
      asOfS: NOW,
      sources: ['blockchain', 'yadio'],
      lastResort: false,
    })
  })

  it('is as old as the oldest observation in it', () => {
    const observed = (name: string, agoS: number) => source(name, { USD: 50_000 }, { observedAtS: NOW - agoS })
    const rates = aggregate([observed('a', 20), observed('b', 90), observed('c', 50)], 5, NOW)
    expect(rates.get('USD')?.asOfS).toBe(NOW - 90)
  })

  it('listens to other nodes only for currencies that nobody else resolves', () => {
    const nodes = source('nostr', { USD: 1, CUP: 9_000_000 }, { lastResort: true, observedAtS: NOW - 600 })
    const rates = aggregate([nodes, source('yadio', { USD: 50_000, CUP: Number.NaN })], 5, NOW)
    expect(rates.get('USD')?.value).toBe(50_000)
    expect(rates.get('CUP')).toEqual({ value: 9_000_000, asOfS: NOW - 600, sources: ['nostr'], lastResort: true })
  })

  it('does not believe an observation from the future', () => {
    const rates = aggregate([source('nostr', { USD: 1 }, { lastResort: true, observedAtS: NOW + 999 })], 5, NOW)
    expect(rates.get('USD')?.asOfS).toBe(NOW)
  })

  it('has no value where the sum of quotes overflows', () => {
    expect(aggregate([source('a', { USD: 1e308 }), source('b', { USD: 1.7e308 })], 5, NOW).size).toBe(0)
  })

  it('keeps the last value of a silent currency with its old time', () => {
    const before = new Map([
      ['USD', rate(50_000, NOW - 300)],
      ['CUP', rate(9e6, NOW - 300)],
    ])
    const after = mergeRates(before, aggregate([source('yadio', { USD: 51_000 })], 5, NOW), NOW)
    expect(after.get('USD')).toMatchObject({ value: 51_000, asOfS: NOW })
    expect(after.get('CUP')).toEqual(rate(9e6, NOW - 300))
  })

  it('learns a currency that was never quoted before', () => {
    const merged = mergeRates(new Map([['USD', rate(1, NOW)]]), new Map([['CUP', rate(2, NOW)]]), NOW)
    expect([...merged.keys()].sort()).toEqual(['CUP', 'USD'])
  })

  it.each([
    ['an older observation does not replace one of this very second', NOW, NOW - 600, 1],
    ['an older observation does not replace a newer one', NOW - 60, NOW - 600, 1],
    ['an observation of the same second does', NOW - 60, NOW - 60, 2],
    ['a rate from the future is replaced by any', NOW + 3600, NOW - 600, 2],
  ])('%s', (_, keptAsOfS, freshAsOfS, expected) => {
    const merged = mergeRates(new Map([['USD', rate(1, keptAsOfS)]]), new Map([['USD', rate(2, freshAsOfS)]]), NOW)
    expect(merged.get('USD')?.value).toBe(expected)
  })

  it('publishes the tick’s own rates, sorted, and neither hearsay nor leftovers', () => {
    const rates = new Map([
      ['USD', rate(50_000, NOW, { sources: ['coingecko', 'yadio'] })],
      ['ARS', rate(1e8, NOW)],
      ['COP', rate(2e8, NOW)],
      ['CUP', rate(9e6, NOW, { sources: ['nostr'], lastResort: true })],
      ['EUR', rate(45_000, NOW - 300, { sources: ['blockchain'] })],
    ])
    const { quotes, sources } = publishableRates(rates, NOW)
    expect([...quotes]).toEqual([
      ['ARS', 1e8],
      ['COP', 2e8],
      ['USD', 50_000],
    ])
    expect(sources).toEqual(['coingecko', 'yadio'])
  })

  it.each([
    ['all without a filter', {}, ['USD', 'EUR', 'CUP']],
    ['only those named', { only: ['CUP', 'ARS'] }, ['CUP']],
    ['all but those named', { except: ['CUP'] }, ['USD', 'EUR']],
  ])('uses of a source %s', (_, filter, expected) => {
    const quotes = new Map([
      ['USD', 1],
      ['EUR', 2],
      ['CUP', 3],
    ])
    expect([...selectCurrencies(quotes, filter).keys()]).toEqual(expected)
  })
})

describe('the age of a rate', () => {
  const rates = new Map([['USD', rate(50_000, NOW)]])

  it.each([
    ['is fresh at once', 'USD', 0, { ok: true, value: 50_000 }],
    ['is found whatever its case', 'usd', 0, { ok: true, value: 50_000 }],
    ['is fresh at the last second', 'USD', 1800, { ok: true, value: 50_000 }],
    ['is stale one second later', 'USD', 1801, { ok: false, error: 'price-too-stale' }],
    ['is fresh when the clock went back a little', 'USD', -5, { ok: true, value: 50_000 }],
    ['is stale when the clock went back a day', 'USD', -86_400, { ok: false, error: 'price-too-stale' }],
    ['is missing for a currency that nobody quoted', 'CUP', 0, { ok: false, error: 'no-price' }],
  ])('%s', (_, currency, elapsedS, expected) => {
    expect(freshRate(rates, currency, NOW + elapsedS, 1800)).toEqual(expected)
  })

  it('knows the currencies that people trade without ISO’s blessing', () => {
    for (const code of ['USD', 'IRT', 'GGP', 'IMP', 'JEP', 'MLC', 'VES']) expect(isFiatCode(code)).toBe(true)
    for (const code of ['usd', 'VEF', 'XAU', 'BTC', '', 'constructor']) expect(isFiatCode(code)).toBe(false)
  })
})

describe('a quote', () => {
  it.each([
    // the worked example of trade.md 3.6
    [100, 5_000_000, 3, 1940],
    [100, 5_000_000, 0, 2000],
    [100, 5_000_000, -3, 2060],
    [1, 3, 0, 33_333_333],
    [100, 5_000_000, 100, 0],
    [0, 50_000, 0, 0],
  ])('of %i fiat at %d with premium %i is %i sats', (fiat, price, premium, sats) => {
    expect(quoteMsat(fiat, price, premium)).toEqual({ ok: true, value: satsToMsat(sats) })
  })

  it.each([
    ['a premium above 100 percent turns it negative', 100, 5_000_000, 101],
    ['it is more than bitcoin has', 1e15, 1e-9, 0],
    ['the fiat amount is negative', -5, 50_000, 0],
  ])('is out of range when %s', (_, fiat, price, premium) => {
    expect(quoteMsat(fiat, price, premium)).toEqual({ ok: false, error: 'out-of-range' })
  })

  it('never gives more sats for a higher premium', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        fc.integer({ min: -99, max: 98 }),
        (fiat, price, premium) => {
          const cheap = quoteMsat(fiat, price, premium)
          const dear = quoteMsat(fiat, price, premium + 1)
          if (cheap.ok && dear.ok) expect(dear.value).toBeLessThanOrEqual(cheap.value)
        },
      ),
    )
  })

  it('refuses a rate that is none', () => {
    for (const price of [0, -1, Number.NaN, Infinity]) expect(() => quoteMsat(100, price, 0)).toThrow('not a rate')
  })
})

describe('fees', () => {
  it.each([
    [100_000, 0.006, 300],
    [1940, 0.006, 6],
    [100, 0.01, 1],
    [99, 0.01, 0],
    [100_000, 0, 0],
  ])('of a trade over %i sats at rate %d are %i sats a party', (sats, feeRate, fee) => {
    expect(feePerPartyMsat(satsToMsat(sats), feeRate)).toBe(satsToMsat(fee))
  })

  it('of the developers are a share of what both parties paid', () => {
    expect(devFeeMsat(satsToMsat(300), 0.3)).toBe(satsToMsat(180))
    expect(devFeeMsat(satsToMsat(300), 0)).toBe(0)
    expect(devFeeMsat(satsToMsat(300), 1)).toBe(satsToMsat(600))
    expect(devFeeMsat(satsToMsat(5), 0.25)).toBe(satsToMsat(3))
  })

  it('are never more than what the node earns, for the developers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e8 }), fc.double({ min: 0, max: 1, noNaN: true }), (fee, share) => {
        expect(devFeeMsat(satsToMsat(fee), share)).toBeLessThanOrEqual(satsToMsat(2 * fee))
      }),
    )
  })

  it.each([-0.1, 1, Number.NaN])('refuse the rate %d', (feeRate) => {
    expect(() => feePerPartyMsat(satsToMsat(1), feeRate)).toThrow('not a fee rate')
  })

  it.each([-0.1, 1.1, Number.NaN])('refuse the share %d for the developers', (share) => {
    expect(() => devFeeMsat(satsToMsat(1), share)).toThrow('not a share')
  })

  it('round halves away from zero', () => {
    expect([0.5, 1.5, 2.5, 0.49999999999999994, -0.5, -1.5, -0.4, 0].map(roundHalfAway)).toEqual([
      1, 2, 3, 0, -1, -2, 0, 0,
    ])
  })
})

describe('the routing fee cap', () => {
  it.each([
    [99_700, 0.002, 199],
    [1000, 0.002, 10],
    [1001, 0.002, 10],
    [5000, 0.002, 10],
    [5500, 0.002, 11],
    [1, 0.002, 10],
    [100_000, 0, 10],
    [100_000, 1, 100_000],
  ])('for %i sats at rate %d is %i sats', (sats, maxRoutingFee, cap) => {
    expect(routingFeeCapMsat(satsToMsat(sats), maxRoutingFee)).toBe(satsToMsat(cap))
  })

  it.each([-0.1, 1.1, Number.NaN])('is not known for the rate %d', (maxRoutingFee) => {
    expect(() => routingFeeCapMsat(satsToMsat(1), maxRoutingFee)).toThrow('not a routing fee rate')
  })

  it('never falls where amounts grow (W20)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e11 }),
        fc.integer({ min: 0, max: 1e7 }),
        fc.double({ min: 0, max: 0.1, noNaN: true }),
        (amount, more, maxRoutingFee) => {
          expect(routingFeeCapMsat(msat(amount + more), maxRoutingFee)).toBeGreaterThanOrEqual(
            routingFeeCapMsat(msat(amount), maxRoutingFee),
          )
        },
      ),
    )
  })
})

describe('a price source that keeps failing', () => {
  const limits = { failureThreshold: 3, cooldownS: 120 }

  function afterFailures(count: number): Breaker {
    let breaker = CLOSED_BREAKER
    for (let i = 0; i < count; i += 1) breaker = breakerAfterFailure(breaker, NOW, limits)
    return breaker
  }

  it.each([
    [0, 0],
    [2, 0],
    [3, 120],
    [4, 240],
    [5, 480],
    [6, 960],
    [7, 1800],
    [2000, 1800],
  ])('after %i failures in a row is left alone for %i s', (failures, pauseS) => {
    const breaker = afterFailures(failures)
    expect(breakerAllows(breaker, NOW + pauseS)).toBe(true)
    if (pauseS > 0) {
      expect(breakerAllows(breaker, NOW)).toBe(false)
      expect(breakerAllows(breaker, NOW + pauseS - 1)).toBe(false)
    }
  })

  it('is asked again when the clock was set back further than any pause', () => {
    expect(breakerAllows(afterFailures(3), NOW - 86_400)).toBe(true)
  })
})
