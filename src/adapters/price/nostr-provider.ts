import type { NostrEvent } from '../../core/protocol.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { PricePoll, PriceProvider } from '../../ports/prices.ts'
import type { RelayFilter } from '../../ports/relays.ts'
import type { Clock } from '../../ports/system.ts'
import { member, readQuotes } from './read-quotes.ts'

const RATES_KIND = 30078
const RATES_ADDRESS = 'mostro-rates'
const MAX_CONTENT_CHARS = 64 * 1024

/** How many stored events are asked for and, however many come, how many signatures are checked at most. */
const MAX_EVENTS = 64

/** How much a trusted node's clock may run ahead of ours, seconds. */
const CLOCK_SKEW_S = 60

export type NostrProviderOptions = {
  /** nodes whose rates we believe, x-only hex */
  readonly trustedPubkeys: readonly string[]
  /** asks relays for stored events; may throw, may answer with anything */
  readonly query: (filter: RelayFilter) => Promise<readonly NostrEvent[]>
  /** whether id and signature of the event hold */
  readonly verify: (event: NostrEvent) => boolean
  readonly clock: Clock
  /** older events are no news; `price.max_price_staleness_seconds` */
  readonly maxAgeS: number
  readonly timeoutMs: number
}

function tagValue(event: NostrEvent, name: string): string | undefined {
  return event.tags.find((tag) => tag[0] === name)?.[1]
}

function parse(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

/**
 * Rates that trusted nodes publish (kind 30078, wire.md 7.6), for places where price servers are blocked and relays are
 * not. The freshest event that holds wins, and its time goes along, so that its age is not forgotten.
 */
export class NostrPriceProvider implements PriceProvider {
  readonly id = 'nostr'
  readonly lastResort = true
  readonly #options: NostrProviderOptions

  constructor(options: NostrProviderOptions) {
    this.#options = options
  }

  async fetch(): Promise<Result<PricePoll, string>> {
    const events = await this.#ask()
    if (!events.ok) return events
    const candidates = events.value.filter((event) => this.#isNews(event)).sort((a, b) => b.created_at - a.created_at)
    for (const event of candidates.slice(0, MAX_EVENTS)) {
      const quotes = readQuotes(member(parse(event.content), 'BTC'))
      if (quotes.size > 0 && this.#options.verify(event)) return ok({ quotes, observedAtS: event.created_at })
    }
    return err('no fresh rates of a trusted node')
  }

  async #ask(): Promise<Result<readonly NostrEvent[], string>> {
    const { query, clock, timeoutMs, trustedPubkeys } = this.#options
    let forget = (): void => {}
    const late = new Promise<Result<never, string>>((resolve) => {
      forget = clock.after(timeoutMs, () => resolve(err('relays did not answer in time')))
    })
    const filter = { kinds: [RATES_KIND], authors: trustedPubkeys, '#d': [RATES_ADDRESS], limit: MAX_EVENTS }
    try {
      return await Promise.race([query(filter).then(ok), late])
    } catch (error) {
      return err(error instanceof Error ? error.message : String(error))
    } finally {
      forget()
    }
  }

  /** Relays may send what nobody asked for: everything that the filter says is checked again. */
  #isNews(event: NostrEvent): boolean {
    const { trustedPubkeys, maxAgeS, clock } = this.#options
    const nowS = Math.floor(clock.nowMs() / 1000)
    const expiration = tagValue(event, 'expiration')
    return (
      event.kind === RATES_KIND &&
      trustedPubkeys.includes(event.pubkey) &&
      tagValue(event, 'd') === RATES_ADDRESS &&
      event.content.length <= MAX_CONTENT_CHARS &&
      event.created_at >= nowS - maxAgeS &&
      event.created_at <= nowS + CLOCK_SKEW_S &&
      (expiration === undefined || Number(expiration) > nowS)
    )
  }
}
