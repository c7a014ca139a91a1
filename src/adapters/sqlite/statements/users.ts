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
}
