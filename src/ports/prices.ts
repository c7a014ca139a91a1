/** Where exchange rates come from. */
import type { Result } from '../core/result.ts'

/** Fiat units for one bitcoin, by upper-case currency code. */
export type Quotes = ReadonlyMap<string, number>

export interface PriceProvider {
  /** the protocol's name of the source: yadio, coingecko, currency_api, blockchain, nostr */
  readonly id: string
  /** quotes of this source are used only for currencies that no other source knows */
  readonly lastResort: boolean
  /** One poll, bounded in time and size. Never throws. */
  fetch(): Promise<Result<Quotes, string>>
}
