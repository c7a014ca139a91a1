import { BoundedMap } from '../../core/bounded-map.ts'

/** A bounded memory of keys; the one that was not met for longest is forgotten first. */
export class SeenEvents {
  readonly #keys: BoundedMap<string, true>

  constructor(capacity: number) {
    this.#keys = new BoundedMap(capacity)
  }

  /** Whether the key is remembered. Met again, it is remembered for longer. */
  has(key: string): boolean {
    if (!this.#keys.has(key)) return false
    this.#keys.set(key, true)
    return true
  }

  /** Remembers the key; true when it was not known. */
  add(key: string): boolean {
    return this.#keys.set(key, true)
  }
}
