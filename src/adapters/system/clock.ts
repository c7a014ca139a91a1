import type { SteadyClock } from '../../ports/system.ts'

/** Node fires a timer at once when its delay is longer than this, 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The host's time and timers. A waiting task keeps the process alive until it ran or was forgotten. */
export const systemClock: SteadyClock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    if (delayMs <= 0) {
      // A timer of 0 ms takes one.
      const soon = setImmediate(task)
      return () => clearImmediate(soon)
    }
    let left = delayMs
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const step = Math.min(left, LONGEST_TIMER_MS)
      left -= step
      timer = setTimeout(left > 0 ? wait : task, step)
    }
    wait()
    return () => clearTimeout(timer)
  },
}
