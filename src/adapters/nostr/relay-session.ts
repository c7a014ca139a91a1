import type { EventTemplate, NostrEvent } from '../../core/protocol.ts'
import type { Page, PublishAnswer, RelayFilter } from '../../ports/relays.ts'
import type { Clock } from '../../ports/system.ts'
import { admitEvent } from './event-gate.ts'
import { parseFrame, prefixOf, type RelayFrame } from './frames.ts'
import { RELAY_LIMITS } from './limits.ts'
import { NO_PAGE, PageRequests } from './page-requests.ts'
import { PendingPublishes, silent } from './pending-publishes.ts'
import { nonsenseOf, type RelayStats } from './relay-stats.ts'
import type { OpenSocket, RelaySocket } from './socket.ts'

/** Signs a NIP-42 event (kind 22242) with the key that the relay should know us by. */
export type Authenticate = (template: EventTemplate) => NostrEvent | Promise<NostrEvent>

export type SessionTiming = {
  /** from the start of connecting to an open socket */
  readonly connectMs: number
  /** from the open socket until a relay that says nothing counts as listening */
  readonly settleMs: number
  /** between two pings; a relay that stays silent from one to the next is gone */
  readonly pingMs: number
}

export type SessionSetup = {
  readonly url: string
  readonly live: RelayFilter
  readonly clock: Clock
  readonly timing: SessionTiming
  readonly stats: RelayStats
  readonly openSocket: OpenSocket
  readonly authenticate: Authenticate | null
  readonly isPaused: boolean
  readonly onLive: (event: NostrEvent, stored: boolean) => void
  /** The live subscription is in place. At most once. */
  readonly onUp: () => void
  /** The session is over. Once, and last; not after `close`. */
  readonly onEnd: (why: string) => void
}

type LiveSubscription = { readonly id: string; readonly filter: RelayFilter; isStored: boolean; isClosed: boolean }

/**
 * One connection from its first packet to its last: the live subscription, pages, publishes, authentication (NIP-42)
 * and liveness. It never reconnects; whoever made it does.
 */
export class RelaySession {
  readonly #setup: SessionSetup
  readonly #socket: RelaySocket
  readonly #publishes: PendingPublishes
  readonly #pages: PageRequests
  #phase: 'connecting' | 'settling' | 'up' | 'over' = 'connecting'
  #live: LiveSubscription
  /** Replaced, but events for it may still be on the way. */
  #formerLive: LiveSubscription | null = null
  #auth: 'none' | 'pending' | 'done' | 'refused' = 'none'
  #authEventId = ''
  #challenges = 0
  #isPaused: boolean
  #isPongDue = false
  #nonsenseBefore: number
  #cancelTimer: () => void
  #gone: Promise<void> | null = null

  constructor(setup: SessionSetup) {
    const { clock, stats, timing } = setup
    this.#setup = setup
    this.#isPaused = setup.isPaused
    this.#nonsenseBefore = nonsenseOf(stats)
    this.#live = { id: 'live-1', filter: setup.live, isStored: true, isClosed: false }
    this.#publishes = new PendingPublishes(clock, (event) => this.#send(['EVENT', event]))
    this.#pages = new PageRequests(clock, stats, (frame) => this.#send(frame))
    this.#cancelTimer = clock.after(timing.connectMs, () => this.#end('no connection in time'))
    this.#socket = setup.openSocket(setup.url, {
      onOpen: () => this.#opened(),
      onText: (text) => this.#received(text),
      onPong: () => {
        this.#isPongDue = false
      },
      onClose: (why) => this.#end(why),
    })
    if (this.#isPaused) this.#socket.pause(true)
  }

  get isUp(): boolean {
    return this.#phase === 'up'
  }

  /** Sends an event and waits for its OK. Never rejects. */
  publish(event: NostrEvent, deadlineMs: number): Promise<PublishAnswer> {
    if (!this.#isOpen()) return Promise.resolve(silent('not connected'))
    if (this.#socket.bufferedBytes() > RELAY_LIMITS.sendBufferBytes) {
      return Promise.resolve(silent('the relay does not read'))
    }
    return this.#publishes.add(event, deadlineMs)
  }

  /** Asks for one page of stored events. Never rejects. */
  page(filter: RelayFilter, deadlineMs: number): Promise<Page> {
    return this.#isOpen() ? this.#pages.start(filter, deadlineMs) : Promise.resolve(NO_PAGE)
  }

  /** Replaces the live filter. Nothing that matches both is missed on the way. */
  follow(live: RelayFilter): void {
    const former = this.#live
    const number = Number(former.id.slice('live-'.length)) + 1
    this.#live = { id: `live-${number}`, filter: live, isStored: true, isClosed: false }
    if (!this.#isOpen()) return
    this.#formerLive = former
    this.#send(['REQ', this.#live.id, live])
    if (!former.isClosed) this.#send(['CLOSE', former.id])
  }

  pause(paused: boolean): void {
    this.#isPaused = paused
    this.#isPongDue = false
    this.#socket.pause(paused)
  }

  /** Ends the session without a word. What is unanswered is silent or incomplete. Repeat: safe. */
  close(): Promise<void> {
    this.#finish('closed by us')
    return this.#gone ?? Promise.resolve()
  }

  #isOpen(): boolean {
    return this.#phase === 'settling' || this.#phase === 'up'
  }

  #send(frame: readonly unknown[]): void {
    if (this.#isOpen()) this.#socket.send(JSON.stringify(frame))
  }

  #end(why: string): void {
    if (this.#phase === 'over') return
    this.#finish(why)
    this.#setup.onEnd(why)
  }

  #finish(why: string): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#cancelTimer()
    this.#gone = this.#socket.close()
    this.#publishes.abandon(why)
    this.#pages.abandon()
  }

  #opened(): void {
    this.#phase = 'settling'
    this.#send(['REQ', this.#live.id, this.#live.filter])
    this.#cancelTimer()
    this.#cancelTimer = this.#setup.clock.after(this.#setup.timing.settleMs, () => {
      if (this.#live.isClosed) this.#end('the relay asks for authentication and does not complete it')
      else this.#becomeUp()
    })
  }

  /** Up once the relay has answered for the live subscription and no authentication is under way. */
  #settle(): void {
    if (this.#phase === 'settling' && !this.#live.isStored && this.#auth !== 'pending') this.#becomeUp()
  }

  #becomeUp(): void {
    this.#phase = 'up'
    this.#cancelTimer()
    this.#watchLiveness()
    this.#setup.onUp()
  }

  #watchLiveness(): void {
    this.#cancelTimer = this.#setup.clock.after(this.#setup.timing.pingMs, () => {
      if (this.#isPongDue) return this.#end('no pong in time')
      this.#nonsenseBefore = nonsenseOf(this.#setup.stats)
      if (!this.#isPaused) {
        this.#isPongDue = true
        this.#socket.ping()
      }
      this.#watchLiveness()
    })
  }

  #received(text: string): void {
    if (!this.#isOpen()) return
    const { stats } = this.#setup
    stats.frames += 1
    this.#isPongDue = false
    const frame = parseFrame(text)
    if (frame === null) stats.malformed += 1
    else this.#handle(frame, text.length)
    if (nonsenseOf(stats) - this.#nonsenseBefore > RELAY_LIMITS.nonsenseFrames) this.#end('the relay sends nonsense')
  }

  #handle(frame: RelayFrame, chars: number): void {
    const { stats } = this.#setup
    switch (frame.kind) {
      case 'event':
        return this.#handleEvent(frame.subscription, frame.event, chars)
      case 'eose':
        return this.#handleEose(frame.subscription)
      case 'closed':
        return this.#handleClosed(frame.subscription, frame.message)
      case 'ok':
        if (frame.eventId === this.#authEventId) return this.#handleAuthenticated(frame.accepted, frame.message)
        if (!this.#publishes.answer(frame.eventId, frame.accepted, frame.message, this.#mayAuthenticate())) {
          stats.unknownOk += 1
        } else if (this.#auth === 'done') {
          this.#publishes.resendParked()
        }
        return
      case 'auth':
        return this.#handleChallenge(frame.challenge)
      case 'notice':
        stats.notices += 1
        return
    }
  }

  #handleEvent(subscription: string, value: unknown, chars: number): void {
    const { stats, onLive } = this.#setup
    if (this.#pages.event(subscription, value, chars)) return
    const live = this.#liveOf(subscription)
    if (live === null) {
      stats.unasked += 1
      return
    }
    const event = admitEvent(value, chars, live.filter, stats)
    if (event !== null) onLive(event, live.isStored)
  }

  #handleEose(subscription: string): void {
    if (this.#pages.eose(subscription)) return
    const live = this.#liveOf(subscription)
    if (live === null) {
      this.#setup.stats.unasked += 1
      return
    }
    live.isStored = false
    this.#settle()
  }

  #handleClosed(subscription: string, message: string): void {
    if (this.#pages.closed(subscription, message, this.#mayAuthenticate())) {
      if (this.#auth === 'done') this.#pages.resendParked()
      return
    }
    // The end of a subscription that we no longer have is no news.
    if (subscription !== this.#live.id) return
    this.#live.isClosed = true
    const mayStillOpen = prefixOf(message) === 'auth-required' && this.#phase === 'settling' && this.#auth !== 'done'
    if (!mayStillOpen || !this.#mayAuthenticate()) this.#end(`the relay closed our subscription: ${message}`)
  }

  #liveOf(subscription: string): LiveSubscription | null {
    if (subscription === this.#live.id) return this.#live
    return subscription === this.#formerLive?.id ? this.#formerLive : null
  }

  #mayAuthenticate(): boolean {
    return this.#setup.authenticate !== null && this.#auth !== 'refused'
  }

  #handleChallenge(challenge: string): void {
    const { authenticate, clock, url } = this.#setup
    this.#challenges += 1
    if (authenticate === null || this.#challenges > RELAY_LIMITS.challenges) return
    this.#auth = 'pending'
    const signed = authenticate({
      kind: 22_242,
      created_at: Math.floor(clock.nowMs() / 1000),
      tags: [
        ['relay', url],
        ['challenge', challenge],
      ],
      content: '',
    })
    if (!(signed instanceof Promise)) return this.#answerChallenge(signed)
    signed.then(
      (event) => this.#answerChallenge(event),
      () => this.#handleAuthenticated(false, 'could not sign'),
    )
  }

  #answerChallenge(event: NostrEvent): void {
    this.#authEventId = event.id
    this.#send(['AUTH', event])
  }

  /** A relay may have judged what we asked before it knew us, so everything is asked again. */
  #handleAuthenticated(accepted: boolean, message: string): void {
    if (!this.#isOpen()) return
    this.#authEventId = ''
    if (accepted) {
      this.#auth = 'done'
      this.follow(this.#live.filter)
      this.#publishes.resendParked()
      this.#pages.resendParked()
      return
    }
    this.#auth = 'refused'
    this.#publishes.refuseParked()
    this.#pages.refuseParked()
    if (this.#live.isClosed) this.#end(`the relay refused our authentication: ${message}`)
    else this.#settle()
  }
}
