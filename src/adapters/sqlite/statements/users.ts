import type { Side } from '../../../core/order/order.ts'
import type { UserRow } from '../schema.ts'
import { always, one } from '../statement.ts'

export const users = {
  /** A trade index is used up: inserts the user, or raises the index; never lowers it (DEC-22). Always a row. */
  index_burn: always<{ identity: string; index: number; now: number }, { last_trade_index: number }>(`
    INSERT INTO users(identity, last_trade_index, created_at) VALUES (:identity, :index, :now)
    ON CONFLICT(identity) DO UPDATE SET last_trade_index = MAX(users.last_trade_index, excluded.last_trade_index)
    RETURNING last_trade_index
  `),

  /** What we know of an identity. No row: it never traded here. */
  user_get: one<{ identity: string }, UserRow>(`
    SELECT * FROM users WHERE identity = :identity
  `),

  /** One rating a side and order. No row: this side has rated. */
  rate_once: one<{ order_id: string; rater: Side; stars: number; now: number }, { stars: number }>(`
    INSERT INTO rating(order_id, rater, stars, at) VALUES (:order_id, :rater, :stars, :now)
    ON CONFLICT DO NOTHING RETURNING stars
  `),

  /** The reputation after one more rating; the number of reviews is the fence. No row: rated meanwhile, or unknown. */
  user_rated: one<
    { identity: string; reviews: number; rating: number; last: number; min: number; max: number },
    { total_reviews: number }
  >(`
    UPDATE users SET total_reviews = :reviews, total_rating = :rating, last_rating = :last, min_rating = :min, max_rating = :max
     WHERE identity = :identity AND total_reviews = :reviews - 1
    RETURNING total_reviews
  `),
}
