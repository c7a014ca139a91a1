import { assert } from './assert.ts'

/**
 * The one money type: a whole, non-negative number of millisatoshi that a double holds exactly
 * (up to 9.007e15 msat, about 90,000 BTC). Names of amounts end in `Msat`; sats exist on the wire only.
 */
export type Msat = number & { readonly __unit: 'msat' }

/** The largest amount that {@link Msat} can hold. */
export const MSAT_MAX = Number.MAX_SAFE_INTEGER

/** Checks and brands a number of millisats. Throws on fractions, negatives and amounts beyond {@link MSAT_MAX}. */
export function msat(value: number): Msat {
  assert(Number.isSafeInteger(value) && value >= 0, `not an amount in msat: ${value}`)
  return value as Msat
}

/** Zero. */
export const ZERO_MSAT: Msat = msat(0)

/** Whole sats as millisats. Throws when the result would not be exact. */
export function satsToMsat(sats: number): Msat {
  return msat(sats * 1000)
}

/** Millisats as whole sats. Throws when the amount is not a whole number of sats: nothing is rounded away silently. */
export function msatToSats(amountMsat: Msat): number {
  assert(amountMsat % 1000 === 0, `not a whole number of sats: ${amountMsat} msat`)
  return amountMsat / 1000
}

/** Whole sats in an amount, the rest dropped. For display and for limits that favour the payer. */
export function msatToSatsRoundedDown(amountMsat: Msat): number {
  return Math.floor(amountMsat / 1000)
}

/** Sum of amounts. */
export function addMsat(...amounts: readonly Msat[]): Msat {
  return msat(amounts.reduce<number>((sum, x) => sum + x, 0))
}

/** Difference; throws when it would be negative. */
export function subMsat(a: Msat, b: Msat): Msat {
  return msat(a - b)
}

/** The larger of two amounts. */
export function maxMsat(a: Msat, b: Msat): Msat {
  return a > b ? a : b
}
