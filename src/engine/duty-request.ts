/** The request that a waiting order stands on: what its owing party was asked, as it can be asked again. */
import { dutySide } from '../core/order/ending.ts'
import { partyOf, type WaitingOrder } from '../core/order/order.ts'
import { askBuyerView, askSellerView } from '../core/order/view.ts'
import type { Action, Payload } from '../core/protocol.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { currentEscrow } from './rows.ts'
import { type Cause, queueMessage } from './say.ts'

function requestOf(tx: Tx, order: WaitingOrder): { action: Action; payload: Payload } | null {
  if (dutySide(order) === 'buyer')
    return { action: 'add-invoice', payload: { kind: 'order', order: askBuyerView(order, order.take) } }
  const hold = currentEscrow(tx.store, order.id)
  if (hold === undefined || hold.request === null) return null
  return {
    action: 'pay-invoice',
    payload: { kind: 'payment_request', order: askSellerView(order, order.take), request: hold.request, amount: null },
  }
}

/** Asks the owing party once more, from the present rows. False: there is nothing to ask with yet. Moves nothing. */
export function askForDuty(ctx: Ctx, tx: Tx, order: WaitingOrder, cause: Cause, requestId: bigint | null): boolean {
  const asked = requestOf(tx, order)
  if (asked === null) return false
  const party = partyOf(order, dutySide(order))
  queueMessage(ctx, tx, cause, {
    to: party.pubkey,
    action: asked.action,
    payload: asked.payload,
    requestId,
    tradeIndex: party.tradeIndex,
    id: order.id,
    asks: true,
    lane: 0,
    orderId: order.id,
    obligationId: null,
  })
  return true
}
