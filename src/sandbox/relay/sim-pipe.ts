import type { Clock } from '../../ports/system.ts'

/** One direction of a simulated connection: what is pushed happens later, in order, unless held or stopped. */
export class SimPipe {
  readonly #clock: Clock
  readonly #latencyMs: () => number
  readonly #inFlight: (() => void)[] = []
  #arrived = 0
  #isHeld = false
  #isStopped = false

  constructor(clock: Clock, latencyMs: () => number) {
    this.#clock = clock
    this.#latencyMs = latencyMs
  }

  /** Does nothing once stopped. */
  push(arrive: () => void): void {
    if (this.#isStopped) return
    this.#inFlight.push(arrive)
    this.#clock.after(this.#latencyMs(), () => {
      this.#arrived += 1
      this.#drain()
    })
  }

  /** While held, what arrives waits at the far end. */
  hold(held: boolean): void {
    this.#isHeld = held
    if (!held) this.#clock.after(0, () => this.#drain())
  }

  /** Drops what is in flight and takes nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#inFlight.length = 0
  }

  #drain(): void {
    while (this.#arrived > 0 && !this.#isHeld) {
      this.#arrived -= 1
      this.#inFlight.shift()?.()
    }
  }
}
