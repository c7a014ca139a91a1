import { assert } from '../../core/assert.ts'
import type { Fault, FaultPlan, LndMethod } from './control.ts'

/** The one book of faults; both doors ask it once for each call. */
export class FaultBook implements FaultPlan {
  readonly #queued = new Map<LndMethod, Fault[]>()
  readonly #standing = new Map<LndMethod, Fault>()
  readonly #calls = new Map<LndMethod, number>()
  #chooser: ((method: LndMethod) => Fault | null) | null = null

  next(method: LndMethod, fault: Fault, times = 1): void {
    assert(Number.isInteger(times) && times > 0, 'a fault happens at least once')
    const queue = this.#queued.get(method) ?? []
    for (let time = 0; time < times; time++) queue.push(fault)
    this.#queued.set(method, queue)
  }

  always(method: LndMethod, fault: Fault): void {
    this.#standing.set(method, fault)
  }

  choose(chooser: ((method: LndMethod) => Fault | null) | null): void {
    this.#chooser = chooser
  }

  clear(method?: LndMethod): void {
    if (method === undefined) {
      this.#queued.clear()
      this.#standing.clear()
      this.#chooser = null
    } else {
      this.#queued.delete(method)
      this.#standing.delete(method)
    }
  }

  calls(method: LndMethod): number {
    return this.#calls.get(method) ?? 0
  }

  /** Counts a call and says what goes wrong with it; null: nothing. */
  draw(method: LndMethod): Fault | null {
    this.#calls.set(method, this.calls(method) + 1)
    return this.#queued.get(method)?.shift() ?? this.#standing.get(method) ?? this.#chooser?.(method) ?? null
  }
}
