/** What is shown of a trader's past. */
import type { UserRow } from '../adapters/sqlite/schema.ts'
import type { Order, Party } from '../core/order/order.ts'
import type { Payload, UserInfo } from '../core/protocol.ts'
import type { Tx } from './door.ts'

const DAY_S = 86_400

/** The reputation of a party; zeros for a newcomer and in full privacy, whose identity is the trade key itself. */
export function reputationOf(tx: Pick<Tx, 's' | 'nowS'>, party: Party): UserInfo {
  const row: UserRow | undefined =
    party.identity === party.pubkey ? undefined : tx.s.user_get({ identity: party.identity })
  if (row === undefined) return { rating: 0, reviews: 0n, operatingDays: 0n }
  return {
    rating: row.total_rating,
    reviews: BigInt(row.total_reviews),
    operatingDays: BigInt(Math.max(0, Math.floor((tx.nowS - row.created_at) / DAY_S))),
  }
}

/** The notice that tells a maker about his taker: a `peer` without a key (wire.md 3.2). */
export function takerReputation(tx: Pick<Tx, 's' | 'nowS'>, order: Order): Payload {
  const taker = 'take' in order && order.take !== null ? order.take.taker : null
  const reputation = taker === null ? { rating: 0, reviews: 0n, operatingDays: 0n } : reputationOf(tx, taker)
  return { kind: 'peer', peer: { pubkey: '', reputation } }
}
