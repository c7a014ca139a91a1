import type { NostrEvent } from '../../core/protocol.ts'
import type { PublishAnswer } from '../../ports/relays.ts'
import type { Clock } from '../../ports/system.ts'
import { prefixOf } from './frames.ts'
import { RELAY_LIMITS } from './limits.ts'

type Waiter = { readonly settle: (answer: PublishAnswer) => void }
type Pending = {
  readonly event: NostrEvent
  readonly waiters: Set<Waiter>
  /** the refusal that authentication may lift, while we wait for it */
  parkedOn: PublishAnswer | null
  wasResent: boolean
}

/** Events on their way to one connection, each until its OK, its deadline or the end of the connection. */
export class PendingPublishes {
  readonly #clock: Clock
  readonly #send: (event: NostrEvent) => void
  readonly #byId = new Map<string, Pending>()

  constructor(clock: Clock, send: (event: NostrEvent) => void) {
    this.#clock = clock
    this.#send = send
  }

  /**
   * Sends the event, unless the same one is on its way; resolves with its answer. Never rejects. A relay that leaves too
   * many unanswered is sent no more of them.
   */
  add(event: NostrEvent, deadlineMs: number): Promise<PublishAnswer> {
    const known = this.#byId.get(event.id)
    if (known === undefined && this.#byId.size >= RELAY_LIMITS.unansweredPublishes)
      return Promise.resolve(silent('the relay does not answer'))
    return new Promise((resolve) => {
      const pending = known ?? { event, waiters: new Set<Waiter>(), parkedOn: null, wasResent: false }
      const waiter: Waiter = {
        settle: (answer) => {
          cancelDeadline()
          pending.waiters.delete(waiter)
          resolve(answer)
        },
      }
      const cancelDeadline = this.#clock.after(deadlineMs, () => {
        waiter.settle(pending.parkedOn ?? silent('no OK in time'))
        if (pending.waiters.size === 0) this.#byId.delete(event.id)
      })
      pending.waiters.add(waiter)
      if (known !== undefined) return
      this.#byId.set(event.id, pending)
      this.#send(event)
    })
  }

  /**
   * An OK came. `mayAuthenticate`: a refusal for lack of authentication is not final yet. False when nobody waits for
   * this event.
   */
  answer(eventId: string, accepted: boolean, message: string, mayAuthenticate: boolean): boolean {
    const pending = this.#byId.get(eventId)
    if (pending === undefined) return false
    const answer = answerOf(accepted, message)
    if (answer.kind === 'refused' && answer.prefix === 'auth-required' && mayAuthenticate && !pending.wasResent) {
      pending.parkedOn = answer
      return true
    }
    this.#settle(pending, answer)
    return true
  }

  /** The connection is authenticated: what was refused for the lack of it is sent once more. */
  resendParked(): void {
    for (const pending of this.#byId.values()) {
      if (pending.parkedOn === null) continue
      pending.parkedOn = null
      pending.wasResent = true
      this.#send(pending.event)
    }
  }

  /** The relay refused our authentication: what waited for it is refused. */
  refuseParked(): void {
    for (const pending of [...this.#byId.values()]) {
      if (pending.parkedOn !== null) this.#settle(pending, pending.parkedOn)
    }
  }

  /** The connection ended: what is unanswered stays unknown. */
  abandon(why: string): void {
    for (const pending of [...this.#byId.values()]) this.#settle(pending, silent(why))
  }

  #settle(pending: Pending, answer: PublishAnswer): void {
    this.#byId.delete(pending.event.id)
    for (const waiter of [...pending.waiters]) waiter.settle(answer)
  }
}

/** Nothing is known about what the relay has. */
export const silent = (why: string): PublishAnswer => ({ kind: 'silent', why })

/** NIP-01: a relay that has the event already may answer false with `duplicate:`. */
function answerOf(accepted: boolean, message: string): PublishAnswer {
  const prefix = prefixOf(message)
  return accepted || prefix === 'duplicate' ? { kind: 'accepted' } : { kind: 'refused', prefix, message }
}
