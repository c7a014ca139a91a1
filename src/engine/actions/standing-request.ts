/** A taker who takes again the order that waits for him is told once more what he owes (DEC-05, W29). */
import { dutySide } from '../../core/order/ending.ts'
import { type Order, partyOf, type WaitingOrder } from '../../core/order/order.ts'
import { askBuyerView, askSellerView } from '../../core/order/view.ts'
import type { Action, Payload } from '../../core/protocol.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { currentEscrow } from '../rows.ts'
import { queueMessage } from '../say.ts'
import { causeOf, type Request } from './action.ts'

/** What the order waits for, as the request that asks for it; null while there is nothing to ask with. */
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

/** Says the standing request again, when the sender is the one for whom the order waits. Changes nothing. */
export function sayStandingRequest(ctx: Ctx, tx: Tx, request: Request, order: Order): boolean {
  if (order.status !== 'waiting-buyer-invoice' && order.status !== 'waiting-payment') return false
  if (order.phase !== 'steady' || partyOf(order, dutySide(order)).pubkey !== request.inbound.sender) return false
  const asked = requestOf(tx, order)
  if (asked === null) return false
  const party = partyOf(order, dutySide(order))
  queueMessage(ctx, tx, causeOf(request), {
    to: party.pubkey,
    action: asked.action,
    payload: asked.payload,
    requestId: request.inbound.message.requestId,
    tradeIndex: party.tradeIndex,
    id: order.id,
    asks: true,
    lane: 0,
    orderId: order.id,
    obligationId: null,
  })
  return true
}
