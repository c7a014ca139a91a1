/** What makes a new order acceptable (trade.md 2.1, corrected by W11, W41 to W43; DEC-21). */
import { type Msat, satsToMsat } from '../money.ts'
import type { CantDoReason, SmallOrder } from '../protocol.ts'
import { err, ok, type Result } from '../result.ts'
import type { Fiat, Price } from './order.ts'

/** The operator's limits that a new order must keep. */
export type OrderLimits = {
  /** empty = every currency */
  readonly fiatCurrencies: readonly string[]
  readonly minOrderMsat: Msat
  readonly maxOrderMsat: Msat
  /** seconds that an order stays takeable unless its maker says otherwise */
  readonly windowS: number
  readonly maxWindowS: number
}

/** The largest fiat amount of an order; far beyond any price, small enough to compute with. */
const FIAT_MAX = 1_000_000_000_000n
const PAYMENT_METHOD_MAX = 500
const FIAT_CODE = /^[A-Za-z]{3,4}$/

/** The terms that a maker asked for, checked. */
export type Terms = {
  readonly kind: 'buy' | 'sell'
  readonly price: Price
  readonly fiat: Fiat
  readonly fiatCode: string
  readonly paymentMethod: string
  readonly premium: number
  readonly expiresAtS: number
}

function fiatOf(asked: SmallOrder): Fiat | null {
  const { minAmount: min, maxAmount: max, fiatAmount, amount } = asked
  if ((min === null) !== (max === null)) return null
  if (min === null || max === null)
    return fiatAmount > 0n && fiatAmount <= FIAT_MAX ? { kind: 'single', amount: Number(fiatAmount) } : null
  if (min < 1n || max > FIAT_MAX || min >= max || amount !== 0n) return null
  return { kind: 'range', min: Number(min), max: Number(max) }
}

/** The end of the take window: what the maker asked for, capped; nonsense counts as not asked (W43). */
export function windowEndS(askedS: bigint | null, limits: OrderLimits, nowS: number): number {
  if (askedS === null || askedS <= BigInt(nowS)) return nowS + limits.windowS
  const latest = nowS + limits.maxWindowS
  return askedS > BigInt(latest) ? latest : Number(askedS)
}

/** Whether an amount of sats may be traded here. */
export function withinLimits(amountMsat: Msat, limits: Pick<OrderLimits, 'minOrderMsat' | 'maxOrderMsat'>): boolean {
  return amountMsat >= limits.minOrderMsat && amountMsat <= limits.maxOrderMsat
}

/**
 * Checks 2 to 6 and 10 of a new order, in their order; the first that fails is the answer. Limits in sats (check 7)
 * need a price and are the caller's.
 */
export function checkTerms(asked: SmallOrder, limits: OrderLimits, nowS: number): Result<Terms, CantDoReason> {
  if (limits.fiatCurrencies.length > 0 && !limits.fiatCurrencies.includes(asked.fiatCode))
    return err('invalid_fiat_currency')
  if (!FIAT_CODE.test(asked.fiatCode)) return err('invalid_fiat_currency')
  const fiat = fiatOf(asked)
  if (fiat === null) return err('invalid_amount')
  const market = asked.amount === 0n
  if (asked.amount < 0n || asked.amount > BigInt(Number.MAX_SAFE_INTEGER) / 1000n) return err('invalid_amount')
  if (asked.premium !== 0n && !market) return err('invalid_parameters')
  if (asked.premium <= -100n || asked.premium >= 100n) return err('invalid_parameters')
  if (asked.paymentMethod.trim() === '' || asked.paymentMethod.length > PAYMENT_METHOD_MAX)
    return err('invalid_parameters')
  if (asked.kind === null) return err('invalid_order_kind')
  return ok({
    kind: asked.kind,
    price: market ? { kind: 'market' } : { kind: 'fixed', amountMsat: satsToMsat(Number(asked.amount)) },
    fiat,
    fiatCode: asked.fiatCode,
    paymentMethod: asked.paymentMethod,
    premium: Number(asked.premium),
    expiresAtS: windowEndS(asked.expiresAt, limits, nowS),
  })
}
