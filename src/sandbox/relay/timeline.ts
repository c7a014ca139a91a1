import type { NostrEvent } from '../../core/protocol.ts'

/** The order in which relays answer (NIP-01): newest first, on equal times the lowest id first. */
export function compareNewestFirst(a: NostrEvent, b: NostrEvent): number {
  if (a.created_at !== b.created_at) return b.created_at - a.created_at
  if (a.id === b.id) return 0
  return a.id < b.id ? -1 : 1
}

/** Events in the order in which relays answer, each once. Kept the other way round: what is new is added at the end. */
export class Timeline {
  readonly #oldestFirst: NostrEvent[] = []

  get length(): number {
    return this.#oldestFirst.length
  }

  get oldest(): NostrEvent | undefined {
    return this.#oldestFirst[0]
  }

  all(): readonly NostrEvent[] {
    return this.#oldestFirst.toReversed()
  }

  /** The event must not be there yet. */
  add(event: NostrEvent): void {
    this.#oldestFirst.splice(this.#positionOf(event), 0, event)
  }

  /** The event must be there. */
  remove(event: NostrEvent): void {
    this.#oldestFirst.splice(this.#positionOf(event), 1)
  }

  clear(): void {
    this.#oldestFirst.length = 0
  }

  /** Events between two times, both included, unix seconds; reads no further than it is asked to go on. */
  *between(sinceS: number, untilS: number): Iterable<NostrEvent> {
    for (let at = this.#lowestWhere((event) => event.created_at > untilS) - 1; at >= 0; at -= 1) {
      const event = this.#oldestFirst[at]
      if (event === undefined || event.created_at < sinceS) return
      yield event
    }
  }

  #positionOf(event: NostrEvent): number {
    return this.#lowestWhere((other) => compareNewestFirst(other, event) <= 0)
  }

  /** The lowest index whose event has a property that, once it holds, holds for all that follow. */
  #lowestWhere(holds: (event: NostrEvent) => boolean): number {
    let low = 0
    let high = this.#oldestFirst.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const event = this.#oldestFirst[middle]
      if (event !== undefined && holds(event)) high = middle
      else low = middle + 1
    }
    return low
  }
}
