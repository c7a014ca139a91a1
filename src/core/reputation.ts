/** What ratings add up to (DEC-12, disputes-sessions-admin.md 6.4 variant B). */
import { assert } from './assert.ts'

export type Reputation = {
  readonly reviews: number
  /** running mean, 0 to 5 */
  readonly rating: number
  readonly last: number
  readonly min: number
  readonly max: number
}

/** The least and the most that a trader can give. */
const STARS_MIN = 1
const STARS_MAX = 5

/** Whether a number can be a rating. */
export function isRating(stars: number): boolean {
  return Number.isInteger(stars) && stars >= STARS_MIN && stars <= STARS_MAX
}

/** The reputation after one more rating: the first counts half, every later one enters the mean at once. */
export function afterRating(before: Reputation, stars: number): Reputation {
  assert(isRating(stars), `not a rating: ${stars}`)
  const reviews = before.reviews + 1
  if (reviews === 1) return { reviews, rating: stars / 2, last: stars, min: stars, max: stars }
  return {
    reviews,
    rating: before.rating + (stars - before.rating) / reviews,
    last: stars,
    min: Math.min(before.min, stars),
    max: Math.max(before.max, stars),
  }
}
