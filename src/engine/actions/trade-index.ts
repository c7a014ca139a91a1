/** The trade index of a new order or a take (trade.md 0.3, DEC-22): checked before the handler, burnt at adoption. */
import type { CantDoReason, InboundMessage } from '../../core/protocol.ts'
import type { Tx } from '../door.ts'

export type IndexVerdict =
  | { readonly kind: 'fine'; readonly index: number | null }
  | { readonly kind: 'refused'; readonly reason: CantDoReason }
  | { readonly kind: 'dropped'; readonly why: string }

/** What the gate says; in full privacy an index is noted and nothing more. */
export function checkTradeIndex(tx: Tx, inbound: InboundMessage): IndexVerdict {
  const asked = inbound.message.tradeIndex
  const fullPrivacy = inbound.identity === inbound.sender
  const index = asked === null || asked < 0n || asked > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(asked)
  if (fullPrivacy) return { kind: 'fine', index }
  const user = tx.s.user_get({ identity: inbound.identity })
  if (user === undefined && index === 0) return { kind: 'dropped', why: 'a newcomer with trade index 0' }
  if (index === null || index === 0) return { kind: 'refused', reason: 'invalid_trade_index' }
  if (user !== undefined && !inbound.signed) return { kind: 'dropped', why: 'a known user without a signature' }
  if (user !== undefined && index <= user.last_trade_index) return { kind: 'refused', reason: 'invalid_trade_index' }
  // A take that still opens has not burnt its index yet; it is in use all the same.
  const opening = tx.store.get(
    `SELECT 1 FROM orders WHERE phase = 'opening' AND taker_identity = :identity AND taker_index = :index`,
    { identity: inbound.identity, index },
  )
  if (opening !== undefined) return { kind: 'refused', reason: 'invalid_trade_index' }
  return { kind: 'fine', index }
}
