import { err, ok, type Result } from '../../core/result.ts'
import type { PricePoll, PriceProvider, Quotes } from '../../ports/prices.ts'
import type { Clock } from '../../ports/system.ts'

export type FakePriceProviderOptions = {
  readonly id: string
  readonly lastResort?: boolean
  readonly clock: Clock
  /** what the source would say now */
  readonly quotes: () => Quotes
  /** when it saw them, unix seconds; null = now */
  readonly observedAtS?: () => number | null
  /** why the source fails now; null = it does not */
  readonly fault?: () => string | null
  /** how long a poll takes, milliseconds of the clock */
  readonly latencyMs?: () => number
}

/** {@link PriceProvider} without a network: a table that the simulation or the sandbox owns. */
export class FakePriceProvider implements PriceProvider {
  readonly id: string
  readonly lastResort: boolean
  readonly #options: FakePriceProviderOptions

  constructor(options: FakePriceProviderOptions) {
    this.id = options.id
    this.lastResort = options.lastResort ?? false
    this.#options = options
  }

  async fetch(): Promise<Result<PricePoll, string>> {
    const { clock, latencyMs, fault, quotes, observedAtS } = this.#options
    await new Promise<void>((resolve) => clock.after(latencyMs?.() ?? 0, resolve))
    const failure = fault?.() ?? null
    return failure === null ? ok({ quotes: quotes(), observedAtS: observedAtS?.() ?? null }) : err(failure)
  }
}
