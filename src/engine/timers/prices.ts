/** Polls the price sources, keeps their aggregate across restarts, and publishes it (trade.md 3.3, wire.md 7.6). */
import {
  aggregate,
  type Breaker,
  breakerAfterFailure,
  breakerAllows,
  CLOSED_BREAKER,
  type CurrencyFilter,
  publishableRates,
  type SourceQuotes,
  selectCurrencies,
} from '../../core/pricing.ts'
import type { PriceProvider } from '../../ports/prices.ts'
import { KIND_RATES, ratesEvent } from '../../wire/public-events.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import { Loop } from '../loop.ts'
import { coordinate } from '../public-orders.ts'

/** A source and which of its currencies are used. */
export type PriceSource = CurrencyFilter & { readonly provider: PriceProvider }

export class PriceTicks {
  readonly #ctx: Ctx
  readonly #sources: readonly PriceSource[]
  /** The sources are polled while it runs. */
  readonly loop: Loop
  readonly #breakers = new Map<string, Breaker>()
  #ticking: Promise<void> | null = null

  constructor(ctx: Ctx, sources: readonly PriceSource[]) {
    this.#ctx = ctx
    this.#sources = sources
    this.loop = new Loop('prices', ctx.clock, ctx.log, () => {
      this.tick().catch((error: unknown) => ctx.log.error('a price tick failed', { error: String(error) }))
      return ctx.settings.priceIntervalS * 1000
    })
  }

  /** One round; a second call joins the one that runs. */
  tick(): Promise<void> {
    this.#ticking ??= this.#round().finally(() => {
      this.#ticking = null
    })
    return this.#ticking
  }

  async #round(): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const tickS = nowS(ctx)
    const polls = await Promise.all(this.#sources.map((source) => this.#poll(source, tickS)))
    const quotes = polls.filter((poll) => poll !== null)
    const fresh = aggregate(quotes, ctx.settings.outlierThresholdPct, nowS(ctx))
    if (fresh.size === 0) return
    await ctx.door.submit({
      name: 'prices',
      run: (tx) => {
        for (const [currency, rate] of fresh) tx.s.price_put({ currency, value: rate.value, as_of: rate.asOfS })
        tx.after(() => ctx.rates.merge(fresh, tx.nowS))
        if (!ctx.settings.publishRates) return
        const own = publishableRates(fresh, tickS)
        if (own.quotes.size === 0) return
        const { kind, tags, content } = ratesEvent(
          { rates: own.quotes, sources: own.sources, intervalS: ctx.settings.priceIntervalS },
          tx.nowS,
        )
        // Rates are news each time, also when they say the same.
        tx.s.pub_want({
          coord: coordinate(ctx, KIND_RATES, 'mostro-rates'),
          body: JSON.stringify({ kind, tags, content }),
          now: tx.nowS,
          refresh_at: null,
        })
        tx.after(ctx.poke.broadcaster)
      },
    })
  }

  async #poll({ provider, ...filter }: PriceSource, tickS: number): Promise<SourceQuotes | null> {
    const breaker = this.#breakers.get(provider.id) ?? CLOSED_BREAKER
    if (!breakerAllows(breaker, tickS)) return null
    const polled = await provider.fetch()
    if (!polled.ok) {
      const { settings } = this.#ctx
      this.#breakers.set(provider.id, breakerAfterFailure(breaker, tickS, settings.priceBreaker))
      this.#ctx.log.warn('a price source failed', { source: provider.id, why: polled.error })
      return null
    }
    this.#breakers.set(provider.id, CLOSED_BREAKER)
    return {
      source: provider.id,
      lastResort: provider.lastResort,
      quotes: selectCurrencies(polled.value.quotes, filter),
      observedAtS: polled.value.observedAtS,
    }
  }
}
