/**
 * One lane per sender: his messages are handled one after the other in the order of their inner time, preparation
 * included. Different senders never wait for each other (design.md 2).
 */

type Waiting = { readonly atS: number; readonly seq: number; readonly start: () => void }

export class Lanes {
  readonly #depth: number
  readonly #lanes = new Map<string, Waiting[]>()
  #seq = 0

  /** `depth`: how many live messages of one sender may wait; stored ones wait on disk at the relays anyway. */
  constructor(depth: number) {
    this.#depth = depth
  }

  /** Runs `work` when the sender's earlier messages are done; `overflow` instead when too many of them wait. */
  run<T>(sender: string, atS: number, stored: boolean, work: () => Promise<T>, overflow: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(sender)
    if (lane !== undefined && !stored && lane.length >= this.#depth) return overflow()
    return new Promise<T>((resolve, reject) => {
      const start = () => {
        work()
          .then(resolve, reject)
          .finally(() => this.#next(sender))
      }
      if (lane === undefined) {
        this.#lanes.set(sender, [])
        // Not at once: messages that arrived together are ordered before the first of them starts.
        queueMicrotask(() => this.#next(sender))
        this.#wait(sender, { atS, seq: this.#seq++, start })
      } else this.#wait(sender, { atS, seq: this.#seq++, start })
    })
  }

  #wait(sender: string, waiting: Waiting): void {
    const lane = this.#lanes.get(sender) ?? []
    lane.push(waiting)
    lane.sort((a, b) => a.atS - b.atS || a.seq - b.seq)
    this.#lanes.set(sender, lane)
  }

  #next(sender: string): void {
    const next = this.#lanes.get(sender)?.shift()
    if (next === undefined) this.#lanes.delete(sender)
    else next.start()
  }
}
