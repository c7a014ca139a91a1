/** A runner that sleeps until somebody pokes it or its next work is due. Owns its timer; `stop` forgets it. */
import type { Clock, Log } from '../ports/system.ts'

export class Loop {
  readonly #name: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #work: () => number | null
  #cancel: (() => void) | null = null
  #running = false
  /** poked, and not yet run */
  #isPoked = false

  /** `work` starts what is due, without waiting for it, and says in how many ms it wants to look again (null: when poked). */
  constructor(name: string, clock: Clock, log: Log, work: () => number | null) {
    this.#name = name
    this.#clock = clock
    this.#log = log
    this.#work = work
  }

  /** Runs from now on. */
  start(): void {
    this.#running = true
    this.poke()
  }

  /** There may be work. Cheap; many pokes are one run. */
  poke(): void {
    if (!this.#running || this.#isPoked) return
    this.#isPoked = true
    this.#arm(0)
  }

  /** Nothing runs any more; what `work` had started goes on. */
  stop(): void {
    this.#running = false
    this.#isPoked = false
    this.#cancel?.()
    this.#cancel = null
  }

  #arm(delayMs: number): void {
    this.#cancel?.()
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#cancel = null
      this.#run()
    })
  }

  #run(): void {
    if (!this.#running) return
    this.#isPoked = false
    let nextMs: number | null = null
    try {
      nextMs = this.#work()
    } catch (error) {
      // A loop never dies of one bad turn (W27).
      this.#log.error('a runner failed', {
        runner: this.#name,
        error: error instanceof Error ? (error.stack ?? '') : String(error),
      })
      nextMs = 5000
    }
    if (nextMs !== null && this.#running && this.#cancel === null) this.#arm(nextMs)
  }
}
