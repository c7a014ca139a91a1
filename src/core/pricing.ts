/**
 * What a bitcoin costs and what a trade costs: market rates from many sources, quotes in sats, fees and caps.
 * The arithmetic is IEEE-754 doubles in the order of trade.md 3, so that every implementation of the protocol
 * comes to the same sat.
 */
import { assert } from './assert.ts'
import { isFiatCode } from './fiat.ts'
import { type Msat, maxMsat, msatToSats, msatToSatsRoundedDown, satsToMsat } from './money.ts'
import { err, ok, type Result } from './result.ts'
import { roundHalfAway } from './round.ts'

const SATS_PER_BTC = 1e8

/** What one source said in one poll. */
export type SourceQuotes = {
  readonly source: string
  /** used only for currencies that no other source resolves */
  readonly lastResort: boolean
  /** fiat units for one bitcoin by upper-case code, as the stranger sent them */
  readonly quotes: ReadonlyMap<string, number>
  /** when the source saw these prices, unix seconds; null = at the poll */
  readonly observedAtS: number | null
}

/** The market rate of one currency. */
export type Rate = {
  /** fiat units for one bitcoin; finite, above zero */
  readonly value: number
  /** unix seconds at which `value` was true: the oldest observation in it */
  readonly asOfS: number
  /** who was asked, sorted */
  readonly sources: readonly string[]
  /** comes from last-resort sources only, hence is not ours to publish */
  readonly lastResort: boolean
}

/** Market rates by upper-case currency code. */
export type Rates = ReadonlyMap<string, Rate>

/** Which currencies of a source are used; at most one of the lists is given. Codes are upper-case. */
export type CurrencyFilter = { readonly only?: readonly string[]; readonly except?: readonly string[] }

/** The quotes that pass the operator's filter (`price.providers.ID.only` and `.except`). */
export function selectCurrencies(quotes: ReadonlyMap<string, number>, filter: CurrencyFilter): Map<string, number> {
  const { only, except } = filter
  return new Map([...quotes].filter(([code]) => (only?.includes(code) ?? true) && !(except?.includes(code) ?? false)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return mean(sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1))
}

/**
 * One value out of the candidates for one currency (trade.md 3.3): the only one, the mean of two, or with three and
 * more the mean of those within `thresholdPct` percent of the median, which stands alone when none is.
 *
 * @param candidates finite numbers above zero, at least one
 */
export function combineQuotes(candidates: readonly number[], thresholdPct: number): number {
  assert(candidates.length > 0, 'no quotes to combine')
  if (candidates.length < 3) return mean(candidates)
  const middle = median(candidates)
  const near = candidates.filter((x) => Math.abs(x - middle) <= (middle * thresholdPct) / 100)
  return near.length === 0 ? middle : mean(near)
}

type Candidate = { readonly source: string; readonly value: number; readonly observedAtS: number }

function candidatesByCurrency(sources: readonly SourceQuotes[], nowS: number): Map<string, Candidate[]> {
  const byCurrency = new Map<string, Candidate[]>()
  for (const { source, quotes, observedAtS } of sources) {
    for (const [code, value] of quotes) {
      if (!isFiatCode(code) || !Number.isFinite(value) || value <= 0) continue
      const candidate = { source, value, observedAtS: Math.min(observedAtS ?? nowS, nowS) }
      const known = byCurrency.get(code)
      if (known === undefined) byCurrency.set(code, [candidate])
      else known.push(candidate)
    }
  }
  return byCurrency
}

/**
 * The market rates that one tick's polls give (trade.md 3.3). Unknown codes and quotes that are not finite and above
 * zero are dropped; last-resort sources speak only where nobody else does.
 */
export function aggregate(sources: readonly SourceQuotes[], thresholdPct: number, nowS: number): Map<string, Rate> {
  const rates = new Map<string, Rate>()
  for (const lastResort of [false, true]) {
    const asked = sources.filter((s) => s.lastResort === lastResort)
    for (const [code, candidates] of candidatesByCurrency(asked, nowS)) {
      if (rates.has(code)) continue
      const value = combineQuotes(
        candidates.map((c) => c.value),
        thresholdPct,
      )
      if (!Number.isFinite(value)) continue
      rates.set(code, {
        value,
        asOfS: Math.min(...candidates.map((c) => c.observedAtS)),
        sources: candidates.map((c) => c.source).sort(),
        lastResort,
      })
    }
  }
  return rates
}

/**
 * The rates after a tick: fresh ones replace old ones, a currency without a fresh value keeps the old one with its old
 * time. A fresh rate that was observed earlier than the one we have does not replace it, unless the one we have
 * is from the future, which a clock set backwards leaves behind.
 */
export function mergeRates(previous: Rates, fresh: Rates, nowS: number): Rates {
  const merged = new Map(previous)
  for (const [code, rate] of fresh) {
    const kept = previous.get(code)
    if (kept === undefined || kept.asOfS <= rate.asOfS || kept.asOfS > nowS) merged.set(code, rate)
  }
  return merged
}

/**
 * The rate to price an order with. The currency's case does not matter. A time in the future ages like one in the past:
 * after a clock was set backwards, old rates must not pass for fresh ones.
 *
 * @returns fiat units for one bitcoin; `no-price` when none was ever known; `price-too-stale` when the last one is older
 *   than `maxStalenessS`
 */
export function freshRate(
  rates: Rates,
  currency: string,
  nowS: number,
  maxStalenessS: number,
): Result<number, 'no-price' | 'price-too-stale'> {
  const rate = rates.get(currency.toUpperCase())
  if (rate === undefined) return err('no-price')
  return Math.abs(nowS - rate.asOfS) <= maxStalenessS ? ok(rate.value) : err('price-too-stale')
}

/** What the node may publish as its own rates (kind 30078, wire.md 7.6). */
export type PublishableRates = {
  /** fiat units for one bitcoin, sorted by code */
  readonly quotes: ReadonlyMap<string, number>
  /** ids of the sources behind them, sorted */
  readonly sources: readonly string[]
}

/**
 * The rates of the tick that began at `tickS`, without those that came from other nodes: what we only heard must not come
 * back to its author as a second opinion (trade.md 3.3).
 */
export function publishableRates(rates: Rates, tickS: number): PublishableRates {
  const own = [...rates]
    .filter(([, rate]) => !rate.lastResort && rate.asOfS >= tickS)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    quotes: new Map(own.map(([code, rate]) => [code, rate.value])),
    sources: [...new Set(own.flatMap(([, rate]) => rate.sources))].sort(),
  }
}

/**
 * What a fiat amount is worth (trade.md 3.3), in whole sats, the rest dropped. A positive premium gives fewer sats for
 * the same fiat. The check of limits at an order's creation passes premium 0.
 *
 * @param fiatAmount whole fiat units
 * @param rate fiat units for one bitcoin, above zero
 * @param premiumPct percent
 * @returns `out-of-range` when the result is negative or beyond what {@link Msat} holds. Zero is a valid answer: the order
 *   limits decide about it
 */
export function quoteMsat(fiatAmount: number, rate: number, premiumPct: number): Result<Msat, 'out-of-range'> {
  assert(Number.isFinite(rate) && rate > 0, `not a rate: ${rate}`)
  const atMarket = (fiatAmount / rate) * SATS_PER_BTC
  const sats = Math.trunc(atMarket - (premiumPct / 100) * atMarket)
  return sats >= 0 && Number.isSafeInteger(sats * 1000) ? ok(satsToMsat(Math.abs(sats))) : err('out-of-range')
}

/**
 * What each party pays the node (trade.md 3.1): half the fee rate of the amount, rounded to whole sats.
 *
 * @param amountMsat the order's amount, whole sats
 * @param feeRate fraction for both parties together, 0.006 = 0.6 %
 */
export function feePerPartyMsat(amountMsat: Msat, feeRate: number): Msat {
  assert(feeRate >= 0 && feeRate < 1, `not a fee rate: ${feeRate}`)
  return satsToMsat(roundHalfAway((feeRate * msatToSats(amountMsat)) / 2))
}

/**
 * The developers' part of what the node earns with one trade (trade.md 3.2, DEC-18); nobody else pays it.
 *
 * @param feePerParty what each party pays, see {@link feePerPartyMsat}
 * @param devFeePercentage fraction, 0 = off to 1 = all of it
 */
export function devFeeMsat(feePerParty: Msat, devFeePercentage: number): Msat {
  assert(devFeePercentage >= 0 && devFeePercentage <= 1, `not a share: ${devFeePercentage}`)
  return satsToMsat(roundHalfAway(msatToSats(feePerParty) * 2 * devFeePercentage))
}

const LEAST_ROUTING_CAP = satsToMsat(10)

/**
 * The most that the node pays to route an amount: the configured rate of it in whole sats, and never less than 10 sats,
 * so that the cap does not fall where amounts grow (trade.md 3.5, W20).
 */
export function routingFeeCapMsat(amountMsat: Msat, maxRoutingFee: number): Msat {
  assert(maxRoutingFee >= 0 && maxRoutingFee <= 1, `not a routing fee rate: ${maxRoutingFee}`)
  return maxMsat(LEAST_ROUTING_CAP, satsToMsat(Math.trunc(msatToSatsRoundedDown(amountMsat) * maxRoutingFee)))
}

/** Whether a price source is left alone for a while because it keeps failing. */
export type Breaker = {
  /** failures in a row */
  readonly failures: number
  /** unix seconds; polls before it are skipped */
  readonly skipUntilS: number
}

/** `price.provider_failure_threshold` and `price.provider_failure_cooldown_seconds`. */
export type BreakerLimits = { readonly failureThreshold: number; readonly cooldownS: number }

/** A source that has not failed; also what every success leads back to. */
export const CLOSED_BREAKER: Breaker = { failures: 0, skipUntilS: 0 }

const LONGEST_COOLDOWN_S = 1800

/** Whether the source is polled in this tick. A pause that only a clock set backwards can explain is ignored. */
export function breakerAllows(breaker: Breaker, nowS: number): boolean {
  return nowS >= breaker.skipUntilS || breaker.skipUntilS - nowS > LONGEST_COOLDOWN_S
}

/** After the threshold the source pauses, twice as long with every further failure, at most half an hour (trade.md 3.3). */
export function breakerAfterFailure(breaker: Breaker, nowS: number, limits: BreakerLimits): Breaker {
  const failures = breaker.failures + 1
  const extra = failures - limits.failureThreshold
  if (extra < 0) return { failures, skipUntilS: 0 }
  return { failures, skipUntilS: nowS + Math.min(limits.cooldownS * 2 ** extra, LONGEST_COOLDOWN_S) }
}
