import type { SteadyClock } from '../../src/ports/system.ts'

/** `dueMs` counts from the clock's making, so that setting the host's clock moves no timer. */
type Timer = { readonly dueMs: number; readonly sequence: number; task: (() => void) | null }

/** A clock that stands still until the test moves it. Tasks run in order of time, then of being set. */
export class TestClock implements SteadyClock {
  readonly #timers = new TimerHeap()
  #elapsedMs = 0
  #startMs: number
  #sequence = 0
  #pending = 0

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs
  }

  /** Milliseconds since the clock was made, whatever the host's clock was set to meanwhile. */
  get elapsedMs(): number {
    return this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, task: () => void): () => void {
    this.#sequence += 1
    this.#pending += 1
    const timer: Timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), sequence: this.#sequence, task }
    this.#timers.push(timer)
    return () => {
      if (timer.task === null) return
      timer.task = null
      this.#pending -= 1
    }
  }

  /** How many tasks wait. */
  get pendingCount(): number {
    return this.#pending
  }

  /** Moves time on and runs what falls due, also what those tasks set; promises settle between two tasks. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#timers.pop()
      const { task } = timer
      if (task === null) continue
      timer.task = null
      this.#pending -= 1
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs)
      task()
      await settled()
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs)
    await settled()
  }

  /** Something blocks the process for so long: time passes, and nothing runs. */
  blockFor(ms: number): void {
    this.#elapsedMs += ms
  }

  /** The host's clock is set to another time: nothing runs because of it. */
  jumpTo(nowMs: number): void {
    this.#startMs = nowMs - this.#elapsedMs
  }

  #next(untilMs: number): Timer | undefined {
    const first = this.#timers.first
    return first !== undefined && first.dueMs <= untilMs ? first : undefined
  }
}

/** A binary heap; the first timer is the one that is due next. */
class TimerHeap {
  readonly #heap: Timer[] = []

  get first(): Timer | undefined {
    return this.#heap[0]
  }

  push(timer: Timer): void {
    const heap = this.#heap
    let at = heap.push(timer) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isBefore(parent, timer)) break
      heap[at] = parent
      at = above
    }
    heap[at] = timer
  }

  pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = heap[below]
      if (child === undefined) break
      const right = heap[below + 1]
      if (right !== undefined && isBefore(right, child)) {
        below += 1
        child = right
      }
      if (isBefore(last, child)) break
      heap[at] = child
      at = below
    }
    heap[at] = last
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence)

/** One turn of the event loop, so that every promise that could settle has. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
