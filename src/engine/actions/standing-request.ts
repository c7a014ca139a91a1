/** A taker who takes again the order that waits for him is told once more what he owes (DEC-05, W29). */
import { dutySide } from '../../core/order/ending.ts'
import { type Order, partyOf } from '../../core/order/order.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { askForDuty } from '../duty-request.ts'
import { causeOf, type Request } from './action.ts'

/** Says the standing request again, when the sender is the one for whom the order waits. Changes nothing. */
export function sayStandingRequest(ctx: Ctx, tx: Tx, request: Request, order: Order): boolean {
  if (order.status !== 'waiting-buyer-invoice' && order.status !== 'waiting-payment') return false
  if (order.phase !== 'steady' || partyOf(order, dutySide(order)).pubkey !== request.inbound.sender) return false
  return askForDuty(ctx, tx, order, causeOf(request), request.inbound.message.requestId)
}
