/** The market rates in memory, kept across restarts in the store; asked for synchronously by decisions. */

import type { PriceRow } from '../adapters/sqlite/schema.ts'
import type { Store } from '../adapters/sqlite/store.ts'
import { freshRate, mergeRates, type Rates } from '../core/pricing.ts'
import type { Result } from '../core/result.ts'

export class RateBook {
  #rates: Rates

  constructor(store: Store) {
    this.#rates = new Map(
      store
        .all<PriceRow>('SELECT * FROM price')
        .map((row) => [row.currency, { value: row.value, asOfS: row.as_of, sources: [], lastResort: true }]),
    )
  }

  /** All rates, fresh and old. */
  get all(): Rates {
    return this.#rates
  }

  /** Takes over the rates of a tick; those it does not name stay as they are. */
  merge(fresh: Rates, nowS: number): void {
    this.#rates = mergeRates(this.#rates, fresh, nowS)
  }

  /** Fiat units for one bitcoin, or why there is none to trade at. */
  rate(currency: string, nowS: number, maxStalenessS: number): Result<number, 'no-price' | 'price-too-stale'> {
    return freshRate(this.#rates, currency, nowS, maxStalenessS)
  }
}
