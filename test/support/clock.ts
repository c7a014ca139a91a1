import type { Clock } from '../../src/ports/system.ts'

type Timer = { readonly dueMs: number; readonly sequence: number; readonly task: () => void }

/** A clock that stands still until the test moves it. Tasks run in order of time, then of being set. */
export class TestClock implements Clock {
  #nowMs: number
  #sequence = 0
  #timers: readonly Timer[] = []

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): () => void {
    this.#sequence += 1
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence, task }
    this.#timers = [...this.#timers, timer]
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** How many tasks wait. */
  get pendingCount(): number {
    return this.#timers.length
  }

  /** Moves time on and runs what falls due, also what those tasks set; promises settle between two tasks. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      const due = next
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#nowMs = Math.max(this.#nowMs, due.dueMs)
      due.task()
      await settled()
    }
    this.#nowMs = untilMs
    await settled()
  }

  /** The host's clock is set to another time: nothing runs because of it. */
  jumpTo(nowMs: number): void {
    const byMs = nowMs - this.#nowMs
    this.#nowMs = nowMs
    this.#timers = this.#timers.map((timer) => ({ ...timer, dueMs: timer.dueMs + byMs }))
  }

  #next(untilMs: number): Timer | undefined {
    const due = this.#timers.filter((timer) => timer.dueMs <= untilMs)
    return due.sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence)[0]
  }
}

/** One turn of the event loop, so that every promise that could settle has. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
