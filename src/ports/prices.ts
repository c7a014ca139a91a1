/** Where exchange rates come from. */
import type { Result } from '../core/result.ts'

/** Fiat units for one bitcoin, by upper-case currency code. */
export type Quotes = ReadonlyMap<string, number>

export type PricePoll = {
  /** as the stranger sent them: not yet checked for plausibility */
  readonly quotes: Quotes
  /** when the source saw these prices, unix seconds, if it says so; null = now */
  readonly observedAtS: number | null
}

export interface PriceProvider {
  /** the protocol's name of the source: yadio, coingecko, currency_api, blockchain, nostr */
  readonly id: string
  /** quotes of this source are used only for currencies that no other source knows */
  readonly lastResort: boolean
  /** One poll, bounded in time and size. Never throws. Repeat: safe. */
  fetch(): Promise<Result<PricePoll, string>>
}
