import { assert } from '../../core/assert.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import type { Page, PublishAnswer, RelayFilter, RelayHandlers, Relays } from '../../ports/relays.ts'
import type { Clock, Random } from '../../ports/system.ts'
import { eventId } from '../../wire/event.ts'
import { RELAY_LIMITS } from './limits.ts'
import { NO_PAGE } from './page-requests.ts'
import { silent } from './pending-publishes.ts'
import { type FetchRelayInfo, httpRelayInfo } from './relay-info.ts'
import { RelayLink, type RelayTiming } from './relay-link.ts'
import type { Authenticate } from './relay-session.ts'
import type { RelayStats } from './relay-stats.ts'
import { normalizeRelayUrl } from './relay-url.ts'
import { SeenEvents } from './seen-events.ts'
import type { OpenSocket } from './socket.ts'
import { openWebSocket } from './web-socket.ts'

const RELAY_TIMING: RelayTiming = {
  connectMs: 10_000,
  settleMs: 5_000,
  pingMs: 30_000,
  retryFirstMs: 1_000,
  retryMaxMs: 60_000,
  stableMs: 60_000,
}

export type NostrRelaysOptions = {
  /** `ws://` or `wss://`; repeats after normalisation are one relay */
  readonly urls: readonly string[]
  readonly clock: Clock
  /** scatters the waits between attempts to connect */
  readonly random: Random
  /** answers NIP-42 challenges; without it, relays that insist stay down */
  readonly authenticate?: Authenticate
  readonly timing?: Partial<RelayTiming>
  /** how connections are made; WebSockets when absent */
  readonly openSocket?: OpenSocket
  /** how NIP-11 documents are fetched; HTTP when absent */
  readonly fetchInfo?: FetchRelayInfo
}

/** The port `Relays` over WebSockets. See the port for what each method promises. */
export class NostrRelays implements Relays {
  readonly #options: NostrRelaysOptions
  readonly #urls: readonly string[]
  readonly #links = new Map<string, RelayLink>()
  readonly #seen = new SeenEvents(RELAY_LIMITS.seenEvents)
  #state: 'new' | 'open' | 'closed' = 'new'

  constructor(options: NostrRelaysOptions) {
    this.#options = options
    const urls = options.urls.map((text) => {
      const url = normalizeRelayUrl(text)
      assert(url.ok, `not a relay: ${text}`)
      return url.value
    })
    this.#urls = [...new Set(urls)]
  }

  open(live: RelayFilter, handlers: RelayHandlers): void {
    assert(this.#state === 'new', 'relays are opened once')
    this.#state = 'open'
    const { clock, random, authenticate, timing, openSocket, fetchInfo } = this.#options
    for (const url of this.#urls) {
      const link: RelayLink = new RelayLink(
        {
          url,
          clock,
          random,
          timing: { ...RELAY_TIMING, ...timing },
          openSocket: openSocket ?? openWebSocket,
          fetchInfo: fetchInfo ?? httpRelayInfo(clock),
          authenticate: authenticate ?? null,
        },
        live,
        {
          onLive: (event, stored) => {
            if (handlers.isWorth?.(event) === false || !this.#isNew(event, link.stats)) return
            handlers.onEvent(event, { url, stored, receivedAtMs: clock.nowMs() })
          },
          onUp: () => handlers.onUp(url),
          onDown: (why) => handlers.onDown(url, why),
        },
      )
      this.#links.set(url, link)
    }
  }

  /** Replaces the filter given to `open` on every relay, now and after reconnects. */
  follow(live: RelayFilter): void {
    for (const link of this.#links.values()) link.follow(live)
  }

  urls(): readonly string[] {
    return this.#urls
  }

  connected(): readonly string[] {
    return this.#urls.filter((url) => this.#links.get(url)?.isUp ?? false)
  }

  page(url: string, filter: RelayFilter, deadlineMs: number): Promise<Page> {
    return this.#links.get(url)?.page(filter, deadlineMs) ?? Promise.resolve(NO_PAGE)
  }

  pageLimit(url: string): number {
    return this.#links.get(url)?.pageLimit ?? RELAY_LIMITS.pageEvents
  }

  publish(url: string, event: NostrEvent, deadlineMs: number): Promise<PublishAnswer> {
    return this.#links.get(url)?.publish(event, deadlineMs) ?? Promise.resolve(silent('not a connected relay'))
  }

  pause(paused: boolean): void {
    for (const link of this.#links.values()) link.pause(paused)
  }

  /** What each relay sent and what of it was dropped, for metrics. */
  stats(): ReadonlyMap<string, Readonly<RelayStats>> {
    return new Map([...this.#links].map(([url, link]) => [url, { ...link.stats }]))
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    await Promise.all([...this.#links.values()].map((link) => link.close()))
  }

  /**
   * Whether this live event was not handed on before. A relay knows id and signature of what others will send us, and
   * could burn them with a body of its own; so they are remembered only when the id is the hash of the body, and the
   * signature is part of the key. A false signature therefore hides nothing, and is found out by the engine.
   */
  #isNew(event: NostrEvent, stats: RelayStats): boolean {
    const key = event.id + event.sig
    if (this.#seen.has(key)) {
      stats.duplicates += 1
      return false
    }
    if (eventId(event, event.pubkey) !== event.id) {
      stats.forged += 1
      return false
    }
    this.#seen.add(key)
    stats.delivered += 1
    return true
  }
}
