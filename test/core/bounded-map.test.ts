import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BoundedMap } from '../../src/core/bounded-map.ts'

/** The same promise, kept slowly: newest last. */
class Plain {
  #entries: (readonly [number, string])[] = []
  readonly #capacity: number
  constructor(capacity: number) {
    this.#capacity = capacity
  }
  get entries(): ReadonlyMap<number, string> {
    return new Map(this.#entries)
  }
  set(key: number, value: string): boolean {
    const others = this.#entries.filter(([k]) => k !== key)
    const isNew = others.length === this.#entries.length
    this.#entries = [...others, [key, value] as const].slice(-this.#capacity)
    return isNew
  }
}

test('a bounded map keeps the entries that were set last, in whatever order they come and come again', () => {
  const sets = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.string({ maxLength: 2 })), { maxLength: 400 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), sets, (capacity, writes) => {
      const map = new BoundedMap<number, string>(capacity)
      const plain = new Plain(capacity)
      for (const [key, value] of writes) {
        expect(map.set(key, value)).toBe(plain.set(key, value))
        expect(map.size).toBe(plain.entries.size)
        for (let k = 0; k <= 40; k += 1) {
          expect(map.get(k)).toBe(plain.entries.get(k))
          expect(map.has(k)).toBe(plain.entries.has(k))
        }
      }
    }),
    { numRuns: 60 },
  )
})

test('a bounded map needs room', () => {
  for (const capacity of [0, -1, 1.5]) expect(() => new BoundedMap(capacity)).toThrow('room')
})
