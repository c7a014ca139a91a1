import type { NostrEvent } from '../../core/protocol.ts'
import type { Page, RelayFilter } from '../../ports/relays.ts'
import type { Clock } from '../../ports/system.ts'
import { admitEvent } from './event-gate.ts'
import { isWithin } from './filter.ts'
import { prefixOf } from './frames.ts'
import { RELAY_LIMITS } from './limits.ts'
import type { RelayStats } from './relay-stats.ts'

type PageRequest = {
  readonly filter: RelayFilter
  readonly finish: (complete: boolean) => void
  readonly events: NostrEvent[]
  received: number
  oldestS: number | null
  isParked: boolean
  wasResent: boolean
}

/** A page about which nothing is known. */
export const NO_PAGE: Page = { events: [], complete: false, oldestS: null }

/** One-shot requests of one connection, each until EOSE, CLOSED, its deadline or the end of the connection. */
export class PageRequests {
  readonly #clock: Clock
  readonly #stats: RelayStats
  readonly #send: (frame: readonly unknown[]) => void
  readonly #byId = new Map<string, PageRequest>()
  #nextId = 1

  constructor(clock: Clock, stats: RelayStats, send: (frame: readonly unknown[]) => void) {
    this.#clock = clock
    this.#stats = stats
    this.#send = send
  }

  /** Asks for stored events. Never rejects. */
  start(filter: RelayFilter, deadlineMs: number): Promise<Page> {
    const id = `page-${this.#nextId++}`
    return new Promise((resolve) => {
      const request: PageRequest = {
        filter,
        finish: (complete) => {
          cancelDeadline()
          this.#byId.delete(id)
          resolve({ events: request.events, complete, oldestS: request.oldestS })
        },
        events: [],
        received: 0,
        oldestS: null,
        isParked: false,
        wasResent: false,
      }
      const cancelDeadline = this.#clock.after(deadlineMs, () => this.#end(id, request, false))
      this.#byId.set(id, request)
      this.#send(['REQ', id, filter])
    })
  }

  /** An event came for a subscription; false when it is no page of ours. */
  event(id: string, value: unknown, frameChars: number): boolean {
    const request = this.#byId.get(id)
    if (request === undefined) return false
    request.received += 1
    if (request.received > RELAY_LIMITS.pageFloodEvents) {
      this.#end(id, request, false)
      return true
    }
    const mismatchedBefore = this.#stats.mismatched
    const event = admitEvent(value, frameChars, request.filter, this.#stats)
    if (event !== null) request.events.push(event)
    if (this.#stats.mismatched === mismatchedBefore) noteAge(request, value)
    return true
  }

  /** EOSE came; false when it is no page of ours. */
  eose(id: string): boolean {
    const request = this.#byId.get(id)
    if (request === undefined) return false
    this.#end(id, request, true)
    return true
  }

  /** CLOSED came; false when it is no page of ours. `mayAuthenticate`: it is not final if it asks for that. */
  closed(id: string, message: string, mayAuthenticate: boolean): boolean {
    const request = this.#byId.get(id)
    if (request === undefined) return false
    if (prefixOf(message) === 'auth-required' && mayAuthenticate && !request.wasResent) request.isParked = true
    else request.finish(false)
    return true
  }

  /** The connection is authenticated: what was refused for the lack of it is asked once more. */
  resendParked(): void {
    for (const [id, request] of this.#byId) {
      if (!request.isParked) continue
      request.isParked = false
      request.wasResent = true
      this.#send(['REQ', id, request.filter])
    }
  }

  /** The relay refused our authentication: what waited for it gets nothing. */
  refuseParked(): void {
    for (const request of [...this.#byId.values()]) if (request.isParked) request.finish(false)
  }

  /** The connection ended. */
  abandon(): void {
    for (const request of [...this.#byId.values()]) request.finish(false)
  }

  #end(id: string, request: PageRequest, complete: boolean): void {
    request.finish(complete)
    this.#send(['CLOSE', id])
  }
}

/**
 * An event that we drop for its size or shape still tells how far back the page reaches: otherwise a stranger who fills
 * a page with such events would hide every older message.
 */
function noteAge(request: PageRequest, value: unknown): void {
  if (typeof value !== 'object' || value === null || !('created_at' in value)) return
  const createdAtS = value.created_at
  if (typeof createdAtS !== 'number' || !Number.isSafeInteger(createdAtS) || createdAtS < 0) return
  if (isWithin(request.filter, createdAtS)) request.oldestS = Math.min(request.oldestS ?? createdAtS, createdAtS)
}
