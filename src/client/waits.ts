import { ClosedError } from './errors.ts'
import type { Clock } from './host.ts'

type Wait = {
  /** Looks, takes what it finds, and settles the promise; false: not yet. */
  readonly look: () => boolean
  readonly abandon: (error: unknown) => void
  /** looks before those that are not */
  readonly isUrgent: boolean
}

export type WaitOptions = {
  readonly deadlineMs: number
  /** the error at the deadline */
  readonly late: () => Error
  readonly isUrgent?: boolean
  /** ends the wait with its reason */
  readonly signal?: AbortSignal
}

/** Waits for a condition over what somebody collects. Each has a deadline; of several, the first one that looks takes. */
export class Waits {
  readonly #clock: Clock
  #waiting: readonly Wait[] = []
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The first thing that `probe` finds, now or after a later {@link changed}. */
  until<T>(probe: () => T | null, { deadlineMs, late, isUrgent = false, signal }: WaitOptions): Promise<T> {
    if (this.#isClosed) return Promise.reject(new ClosedError())
    const found = probe()
    if (found !== null) return Promise.resolve(found)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        cancelTimer()
        signal?.removeEventListener('abort', giveUp)
        this.#waiting = this.#waiting.filter((other) => other !== wait)
      }
      const abandon = (error: unknown): void => {
        leave()
        reject(error)
      }
      const giveUp = (): void => abandon(signal?.reason)
      signal?.addEventListener('abort', giveUp)
      const cancelTimer = this.#clock.after(deadlineMs, () => abandon(late()))
      const look = (): boolean => {
        const value = probe()
        if (value === null) return false
        leave()
        resolve(value)
        return true
      }
      const wait: Wait = { look, abandon, isUrgent }
      this.#waiting = [...this.#waiting, wait]
    })
  }

  /** Something new is there: everybody who waits looks again. */
  changed(): void {
    const urgentFirst = this.#waiting.toSorted((a, b) => Number(b.isUrgent) - Number(a.isUrgent))
    for (const wait of urgentFirst) wait.look()
  }

  /** Rejects every wait with {@link ClosedError}, also later ones. Repeat: safe. */
  close(): void {
    this.#isClosed = true
    for (const wait of this.#waiting) wait.abandon(new ClosedError())
  }
}
