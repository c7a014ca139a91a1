/** What strangers can cost, counted in memory (money-path.md 3.9, DEC-04). Everything here is bounded and forgets. */
import { BoundedMap } from '../../core/bounded-map.ts'
import type { Clock } from '../../ports/system.ts'
import type { StrangerLimits } from '../settings.ts'

const KEYS_MAX = 20_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Counts events per key in fixed windows; forgets the oldest keys when there are too many. */
class Windows {
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #max: number
  readonly #counts = new BoundedMap<string, { readonly window: number; readonly n: number }>(KEYS_MAX)

  constructor(clock: Clock, windowMs: number, max: number) {
    this.#clock = clock
    this.#windowMs = windowMs
    this.#max = max
  }

  /** Whether one more is allowed; counts it when it is. */
  take(key: string): boolean {
    const window = Math.floor(this.#clock.nowMs() / this.#windowMs)
    const known = this.#counts.get(key)
    const n = known?.window === window ? known.n : 0
    if (n >= this.#max) return false
    this.#counts.set(key, { window, n: n + 1 })
    return true
  }
}

const LOOKUPS_PER_HOST_PER_MINUTE = 10

export class Limits {
  readonly #answersPerKey: Windows
  readonly #answersInAll: Windows
  readonly #lookupsPerKey: Windows
  readonly #lookupsPerHost: Windows

  constructor(clock: Clock, limits: StrangerLimits) {
    this.#answersPerKey = new Windows(clock, MINUTE_MS, limits.answersPerKeyPerMinute)
    this.#answersInAll = new Windows(clock, 1000, limits.answersPerSecond)
    this.#lookupsPerKey = new Windows(clock, HOUR_MS, limits.addressLookupsPerKeyPerHour)
    this.#lookupsPerHost = new Windows(clock, MINUTE_MS, LOOKUPS_PER_HOST_PER_MINUTE)
  }

  /** Whether a refusal may be answered: 6 a minute per key, 50 a second in all (DEC-04). */
  mayAnswer(sender: string): boolean {
    return this.#answersPerKey.take(sender) && this.#answersInAll.take('all')
  }

  /** Whether a stranger's address may be looked up for this key. */
  mayLookUp(sender: string, address: string): boolean {
    const host = address.split('@').at(-1)?.toLowerCase() ?? ''
    return this.#lookupsPerKey.take(sender) && this.#lookupsPerHost.take(host.slice(0, 255))
  }
}
