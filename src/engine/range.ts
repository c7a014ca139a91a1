/** The remainder of a range order, created in the transaction that records the parent's settled escrow (DEC-21, W31 to W33). */
import type { RangeChild } from '../core/order/decision.ts'
import type { Offer, Order } from '../core/order/order.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { wantOrder } from './public-orders.ts'
import { orderFrom } from './rows.ts'

/**
 * Inserts the child: the parent's offer with fresh times and clean flags. Null when it can not be (its id is taken): the
 * release stands all the same.
 */
export function createChild(ctx: Ctx, tx: Tx, parent: Order, child: RangeChild): Offer | null {
  const id = ctx.seed.childId(parent.id)
  const range = child.fiat.kind === 'range' ? child.fiat : null
  const inserted = tx.store.insertOrder({
    id,
    kind: parent.kind,
    status: 'pending',
    phase: 'steady',
    maker_pubkey: child.maker.pubkey,
    maker_identity: child.maker.identity,
    maker_index: child.maker.tradeIndex,
    fiat_code: parent.fiatCode,
    fiat_amount: child.fiat.kind === 'single' ? child.fiat.amount : 0,
    min_amount: range?.min ?? null,
    max_amount: range?.max ?? null,
    payment_method: parent.paymentMethod,
    premium: parent.premium,
    price_from_api: 1,
    range_parent: parent.id,
    created_at: tx.nowS,
    expires_at: tx.nowS + ctx.settings.order.windowS,
  })
  if (inserted === undefined) return null
  if (child.maker.identity !== child.maker.pubkey)
    tx.s.index_burn({ identity: child.maker.identity, index: child.maker.tradeIndex, now: tx.nowS })
  inheritTransport(tx, parent.maker.pubkey, child.maker.pubkey)
  const made = orderFrom(inserted)
  wantOrder(ctx, tx, made)
  return made
}

/** A key that never wrote is answered in the transport of the key that announced it (DEC-02). */
function inheritTransport(tx: Tx, from: string, to: string): void {
  const row = tx.store.get<{ transport: 1 | 2 | null }>('SELECT transport FROM outbox_seq WHERE recipient = :from', {
    from,
  })
  if (row?.transport == null) return
  tx.s.transport_seen({ r: to, transport: row.transport, inner_at: 0, now: tx.nowS })
}
