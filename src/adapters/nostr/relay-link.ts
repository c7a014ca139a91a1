import type { NostrEvent } from '../../core/protocol.ts'
import type { Page, PublishAnswer, RelayFilter } from '../../ports/relays.ts'
import type { Clock, Random } from '../../ports/system.ts'
import { RELAY_LIMITS } from './limits.ts'
import { NO_PAGE } from './page-requests.ts'
import { silent } from './pending-publishes.ts'
import type { FetchRelayInfo } from './relay-info.ts'
import { type Authenticate, RelaySession, type SessionTiming } from './relay-session.ts'
import { newRelayStats, type RelayStats } from './relay-stats.ts'
import type { OpenSocket } from './socket.ts'

export type RelayTiming = SessionTiming & {
  /** wait before the second attempt to connect; doubled with each failure, up to `retryMaxMs` */
  readonly retryFirstMs: number
  readonly retryMaxMs: number
  /** a connection that lasted this long makes the next wait short again */
  readonly stableMs: number
}

export type LinkSetup = {
  readonly url: string
  readonly clock: Clock
  readonly random: Random
  readonly timing: RelayTiming
  readonly openSocket: OpenSocket
  readonly fetchInfo: FetchRelayInfo
  readonly authenticate: Authenticate | null
}

export type LinkHandlers = {
  readonly onLive: (event: NostrEvent, stored: boolean) => void
  readonly onUp: () => void
  readonly onDown: (why: string) => void
}

/** One configured relay for as long as we run: a session after the other, with growing, scattered waits between. */
export class RelayLink {
  readonly stats: RelayStats = newRelayStats()
  readonly #setup: LinkSetup
  readonly #handlers: LinkHandlers
  #live: RelayFilter
  #session: RelaySession | null = null
  #failures = 0
  #reported: 'nothing' | 'up' | 'down' = 'nothing'
  #isPaused = false
  #isClosed = false
  #pageLimit: number = RELAY_LIMITS.pageEvents
  #knowsInfo = false
  #cancelInfo = (): void => {}
  /** the next attempt, or the moment from which the connection counts as stable */
  #cancelTimer = (): void => {}

  /** Starts connecting. No handler is called before it returned. */
  constructor(setup: LinkSetup, live: RelayFilter, handlers: LinkHandlers) {
    this.#setup = setup
    this.#live = live
    this.#handlers = handlers
    this.#connect()
  }

  get isUp(): boolean {
    return this.#session?.isUp ?? false
  }

  get pageLimit(): number {
    return this.#pageLimit
  }

  /** Never rejects. */
  publish(event: NostrEvent, deadlineMs: number): Promise<PublishAnswer> {
    return this.#session?.publish(event, deadlineMs) ?? Promise.resolve(silent('not connected'))
  }

  /** Never rejects. */
  page(filter: RelayFilter, deadlineMs: number): Promise<Page> {
    return this.#session?.page(filter, deadlineMs) ?? Promise.resolve(NO_PAGE)
  }

  follow(live: RelayFilter): void {
    this.#live = live
    this.#session?.follow(live)
  }

  pause(paused: boolean): void {
    this.#isPaused = paused
    this.#session?.pause(paused)
  }

  /** Repeat: safe. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    this.#cancelInfo()
    await this.#session?.close()
  }

  #connect(): void {
    const { url, clock, timing, openSocket, authenticate } = this.#setup
    this.#session = new RelaySession({
      url,
      live: this.#live,
      clock,
      timing,
      stats: this.stats,
      openSocket,
      authenticate,
      isPaused: this.#isPaused,
      onLive: this.#handlers.onLive,
      onUp: () => this.#cameUp(),
      onEnd: (why) => this.#wentDown(why),
    })
  }

  #cameUp(): void {
    const { clock, timing } = this.#setup
    this.#cancelTimer = clock.after(timing.stableMs, () => {
      this.#failures = 0
    })
    if (!this.#knowsInfo) this.#askInfo()
    this.#reported = 'up'
    this.#handlers.onUp()
  }

  #wentDown(why: string): void {
    this.#session = null
    this.#cancelTimer()
    this.#cancelTimer = this.#setup.clock.after(this.#nextWaitMs(), () => this.#connect())
    if (this.#reported === 'down') return
    this.#reported = 'down'
    this.#handlers.onDown(why)
  }

  #nextWaitMs(): number {
    const { retryFirstMs, retryMaxMs } = this.#setup.timing
    const fullMs = Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(this.#failures, 30))
    this.#failures += 1
    const [byte = 0] = this.#setup.random.bytes(1)
    return Math.ceil(fullMs * (0.5 + byte / 512))
  }

  #askInfo(): void {
    this.#cancelInfo()
    this.#cancelInfo = this.#setup.fetchInfo(this.#setup.url, (info) => {
      if (info === null || this.#isClosed) return
      this.#knowsInfo = true
      this.#pageLimit = Math.min(info.maxLimit ?? RELAY_LIMITS.pageEvents, RELAY_LIMITS.pageEvents)
    })
  }
}
