/** The trade index of a new order or a take (trade.md 0.3, DEC-22): checked before all else, burnt at adoption. */
import type { InboundMessage } from '../../core/protocol.ts'
import type { Tx } from '../door.ts'

export type TradeIndex =
  /** null: none was sent that could be used; see {@link lacksIndex} */
  | { readonly kind: 'fine'; readonly index: number | null }
  /** zero from a newcomer, used up, or in use by a take that still opens */
  | { readonly kind: 'stale' }

/** What the gate says, before any check of the order. In full privacy an index is noted and nothing more. */
export function checkTradeIndex(tx: Tx, inbound: InboundMessage): TradeIndex {
  const asked = inbound.message.tradeIndex
  const index = asked === null || asked < 0n || asked > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(asked)
  if (inbound.identity === inbound.sender) return { kind: 'fine', index }
  const user = tx.s.user_get({ identity: inbound.identity })
  if (index === 0 && user === undefined) return { kind: 'stale' }
  if (index === null || index === 0) return { kind: 'fine', index: null }
  if (user !== undefined && index <= user.last_trade_index) return { kind: 'stale' }
  // A take that still opens has not burnt its index yet; it is in use all the same.
  const opening = tx.store.get(
    `SELECT 1 FROM orders WHERE taker_identity = :identity AND taker_index = :index AND phase = 'opening'
        AND status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')`,
    { identity: inbound.identity, index },
  )
  return opening === undefined ? { kind: 'fine', index } : { kind: 'stale' }
}

/** Whether the keys of the trade could never be found again: an identity needs an index, full privacy does not. */
export function lacksIndex(inbound: InboundMessage, index: number | null): boolean {
  return index === null && inbound.identity !== inbound.sender
}
