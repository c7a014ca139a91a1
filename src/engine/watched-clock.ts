/**
 * The host's clock under observation (ADR 0014). Wall time may be set, and stands still for nobody; monotonic time can not
 * be set, but stands still while the host sleeps. Where the two disagree nobody here can say which is right.
 */
import type { SteadyClock } from '../ports/system.ts'

/** Wall time that moved this much against monotonic time has jumped. */
export const JUMP_MS = 60_000
/** A jump that was not taken back for so long is believed. */
const DOUBT_MS = 86_400_000

/**
 * Alerts to the operator: the clock was set; the clock seems to be behind; relays refuse our dates. A start, and a clock
 * that is right, end them.
 */
export const CLOCK_JUMPED = 'clock'
export const CLOCK_BEHIND = 'clock-behind'
export const CLOCK_REFUSED = 'clock-refused'
export const CLOCK_ALERTS = [CLOCK_JUMPED, CLOCK_BEHIND, CLOCK_REFUSED] as const

export type Jump = {
  /** how far wall time moved; negative: back */
  readonly byMs: number
  /** how far it is now from where monotonic time says it should be; less than a minute either way: right again */
  readonly driftMs: number
}

/** Tells its owner of every jump, before anybody can act on the time after it. */
export class WatchedClock implements SteadyClock {
  readonly #clock: SteadyClock
  readonly #jumped: (jump: Jump) => void
  /** wall time minus monotonic time, as it was believed first, and as it was seen last */
  #believedMs: number
  #seenMs: number
  #jumpedAtMs: number | null = null

  /** `jumped` is called from within a reading of the time: it may hand in a job, it must not wait for one. */
  constructor(clock: SteadyClock, jumped: (jump: Jump) => void) {
    this.#clock = clock
    this.#jumped = jumped
    this.#believedMs = clock.nowMs() - clock.monotonicMs()
    this.#seenMs = this.#believedMs
  }

  nowMs(): number {
    const wallMs = this.#clock.nowMs()
    this.#look(wallMs)
    return wallMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#clock.after(delayMs, task)
  }

  /** How far wall time is ahead of where it should be; 0 when it never jumped, or long ago. */
  get driftMs(): number {
    this.nowMs()
    return this.#jumpedAtMs === null ? 0 : this.#seenMs - this.#believedMs
  }

  /** Unix seconds that have surely come, whichever of the two is right. */
  get surelyS(): number {
    const driftMs = Math.max(0, this.driftMs)
    return Math.floor((this.#clock.nowMs() - driftMs) / 1000)
  }

  #look(wallMs: number): void {
    const nowMs = this.#clock.monotonicMs()
    const byMs = wallMs - nowMs - this.#seenMs
    if (Math.abs(byMs) >= JUMP_MS) {
      this.#seenMs += byMs
      this.#jumpedAtMs = nowMs
      this.#jumped({ byMs, driftMs: this.#seenMs - this.#believedMs })
    } else if (this.#jumpedAtMs !== null && nowMs - this.#jumpedAtMs >= DOUBT_MS) {
      this.#jumpedAtMs = null
      this.#believedMs = this.#seenMs
    }
  }
}
