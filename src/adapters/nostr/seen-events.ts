import { assert } from '../../core/assert.ts'

/** A bounded memory of keys; the one that was not met for longest is forgotten first. */
export class SeenEvents {
  readonly #capacity: number
  readonly #keys = new Set<string>()

  constructor(capacity: number) {
    assert(capacity > 0, 'a memory needs room')
    this.#capacity = capacity
  }

  /** Remembers the key; true when it was not known. */
  add(key: string): boolean {
    const isNew = !this.#keys.delete(key)
    this.#keys.add(key)
    if (this.#keys.size > this.#capacity) {
      const [oldest] = this.#keys
      if (oldest !== undefined) this.#keys.delete(oldest)
    }
    return isNew
  }
}
