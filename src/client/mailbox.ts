import type { Message, Transport } from '../core/protocol.ts'
import { DeadlineError } from './errors.ts'
import type { Clock } from './host.ts'
import type { TraderRequest } from './requests.ts'
import { Waits } from './waits.ts'

/** A message from the node, proved to be its own. */
export type Received = {
  readonly message: Message
  /** index of the trade key that it was sent to */
  readonly tradeIndex: number
  readonly transport: Transport
  /** when the node wrote it, unix seconds */
  readonly createdAtS: number
  readonly eventId: string
}

export type Sought = {
  readonly matches: (received: Received) => boolean
  /** what is awaited, in words */
  readonly what: string
  readonly deadlineMs: number
  /** the request that it answers; such a wait goes before others */
  readonly request?: TraderRequest
  /** ends the wait with its reason */
  readonly signal?: AbortSignal
}

/** Messages kept, read and unread together. Beyond it the oldest are forgotten. */
const MAX_MESSAGES = 10_000
/** Messages named in the error at a deadline. */
const MAX_NAMED = 10

/**
 * What the node sent, in the order in which it wrote. A message stays until somebody takes it, so none is lost between
 * two waits; what was taken remains in the history.
 */
export class Mailbox {
  readonly #waits: Waits
  #history: readonly Received[] = []
  #unread: readonly Received[] = []

  constructor(clock: Clock) {
    this.#waits = new Waits(clock)
  }

  /** Files messages that were not there before. */
  add(received: readonly Received[]): void {
    if (received.length === 0) return
    this.#history = filed(this.#history, received)
    this.#unread = filed(this.#unread, received)
    this.#waits.changed()
  }

  /** Takes the first unread message that matches, or the next one to come. Rejects with {@link DeadlineError}. */
  take({ matches, what, deadlineMs, request, signal }: Sought): Promise<Received> {
    const unreadBefore = new Set(this.#unread)
    const probe = (): Received | null => {
      const found = this.#unread.find(matches) ?? null
      if (found !== null) this.#unread = this.#unread.filter((other) => other !== found)
      return found
    }
    const late = (): DeadlineError => {
      const instead = this.#unread.filter((received) => !unreadBefore.has(received)).slice(-MAX_NAMED)
      return new DeadlineError(
        what,
        deadlineMs,
        instead.map(({ message }) => message),
        request ?? null,
      )
    }
    return this.#waits.until(probe, {
      deadlineMs,
      late,
      isUrgent: request !== undefined,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** Everything that came, or what came about one order, oldest first. */
  history(orderId?: string): readonly Received[] {
    return orderId === undefined ? this.#history : this.#history.filter(({ message }) => message.id === orderId)
  }

  /** What nobody has taken yet, oldest first. */
  unread(): readonly Received[] {
    return this.#unread
  }

  /** Ends every wait with a `ClosedError`. Repeat: safe. */
  close(): void {
    this.#waits.close()
  }
}

/** Sorted by the time of writing; within a second, as they came. */
function filed(former: readonly Received[], added: readonly Received[]): readonly Received[] {
  return [...former, ...added].toSorted((a, b) => a.createdAtS - b.createdAtS).slice(-MAX_MESSAGES)
}
