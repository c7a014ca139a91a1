import { assert } from './assert.ts'

/** A map that forgets the entry that was set least recently when it holds too many. Every call takes constant time. */
export class BoundedMap<K, V> {
  readonly #capacity: number
  readonly #entries = new Map<K, V>()
  /**
   * Walks on from the last entry that was forgotten. A new walk from the start would pass over the places of all that
   * were deleted since the map was last laid out anew, which is as many as it holds.
   */
  readonly #eldest = this.#entries.keys()

  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity > 0, 'a memory needs room')
    this.#capacity = capacity
  }

  /** How many entries are held now; never more than the capacity. */
  get size(): number {
    return this.#entries.size
  }

  has(key: K): boolean {
    return this.#entries.has(key)
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  /** Keeps the value under the key as the newest entry. True when the key was not known. */
  set(key: K, value: V): boolean {
    const isNew = !this.#entries.delete(key)
    if (isNew && this.#entries.size === this.#capacity) this.#forgetEldest()
    this.#entries.set(key, value)
    return isNew
  }

  #forgetEldest(): void {
    const { value: key, done } = this.#eldest.next()
    assert(done !== true, 'a full map has an eldest entry')
    this.#entries.delete(key)
  }
}
