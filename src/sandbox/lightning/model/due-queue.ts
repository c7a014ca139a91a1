import type { Due } from './records.ts'

type Entry = { readonly due: Due; readonly order: number }

/** Dues by time, first come first served within one millisecond: a binary heap. */
export class DueQueue {
  readonly #heap: Entry[] = []
  #order = 0

  push(due: Due): void {
    const heap = this.#heap
    const entry = { due, order: this.#order++ }
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || before(above, entry)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  /** When the first one is due; null when there is none. */
  nextAtMs(): number | null {
    return this.#heap[0]?.due.atMs ?? null
  }

  /** Takes the first one that is due by now; null when none is. */
  take(nowMs: number): Due | null {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.due.atMs > nowMs) return null
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) this.#sink(last)
    return first.due
  }

  clear(): void {
    this.#heap.length = 0
  }

  #sink(entry: Entry): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      const child = right !== undefined && left !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1
      const below = heap[child]
      if (below === undefined || before(entry, below)) break
      heap[at] = below
      at = child
    }
    heap[at] = entry
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.due.atMs < b.due.atMs || (a.due.atMs === b.due.atMs && a.order < b.order)
}
