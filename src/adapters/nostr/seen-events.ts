import { BoundedMap } from '../../core/bounded-map.ts'

/** A bounded memory of keys; the one that was not met for longest is forgotten first. */
export class SeenEvents {
  readonly #keys: BoundedMap<string, true>

  constructor(capacity: number) {
    this.#keys = new BoundedMap(capacity)
  }

  /** Remembers the key; true when it was not known. */
  add(key: string): boolean {
    return this.#keys.set(key, true)
  }
}
