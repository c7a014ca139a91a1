import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterRating, isRating, type Reputation } from '../../src/core/reputation.ts'

const NONE: Reputation = { reviews: 0, rating: 0, last: 0, min: 0, max: 0 }
const rated = (...stars: readonly number[]): Reputation => stars.reduce(afterRating, NONE)

describe('the reputation of a trader', () => {
  test.each([
    [[5], 2.5],
    [[5, 1], 1.75],
    [[5, 4, 1], 2.5],
    [[3, 5, 1], 2.5],
    [[5, 5, 5, 5, 5, 5, 5, 5, 5, 5], 4.75],
    [[5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1], 4.409090909090909],
  ])('after %j is %d to the last bit (DEC-12)', (stars, rating) => {
    expect(rated(...stars).rating).toBe(rating)
  })

  test('keeps the last, the least and the most', () => {
    expect(rated(3, 5, 1, 4)).toMatchObject({ reviews: 4, last: 4, min: 1, max: 5 })
    expect(rated(4)).toMatchObject({ reviews: 1, last: 4, min: 4, max: 4 })
  })

  test('stays between nothing and five, and moves towards every new rating', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 }), (stars) => {
        const before = rated(...stars.slice(0, -1))
        const last = stars.at(-1) ?? 1
        const now = rated(...stars)
        expect(now.rating).toBeGreaterThan(0)
        expect(now.rating).toBeLessThanOrEqual(5)
        const pull = last - before.rating
        // A mean that would be a whole number may lie a last bit beside it.
        if (before.reviews > 0 && Math.abs(pull) > 1e-9)
          expect(Math.sign(now.rating - before.rating)).toBe(Math.sign(pull))
        expect(now.min).toBe(Math.min(...stars))
        expect(now.max).toBe(Math.max(...stars))
      }),
    )
  })

  test('is made of whole stars from one to five', () => {
    expect([0, 1, 2.5, 5, 6, Number.NaN].map(isRating)).toEqual([false, true, false, true, false, false])
    expect(() => afterRating(NONE, 6)).toThrow(/not a rating/)
  })
})
