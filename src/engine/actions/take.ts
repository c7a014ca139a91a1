/** take-sell and take-buy (trade.md 2.2, 2.3): the same checks in the same order, the sides exchanged. */
import { satsToMsat } from '../../core/money.ts'
import type { Destination, Order, Party } from '../../core/order/order.ts'
import { decideTake, takeRefusal } from '../../core/order/take.ts'
import { payoutMsat } from '../../core/order/view.ts'
import type { CantDoReason, Payload } from '../../core/protocol.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import type { Tx } from '../door.ts'
import { payoutOwner } from '../invoices.ts'
import { loadOrder } from '../rows.ts'
import { type ActionHandler, conclude, DONE, namedOrder, type Outcome, type Request, refuse } from './action.ts'
import { type AddressProbe, admitDestination, checkDestination, probeDestination } from './destination.ts'
import { takeTerms } from './pricing.ts'
import { sayStandingRequest } from './standing-request.ts'
import { checkTradeIndex, lacksIndex } from './trade-index.ts'

type TakeEvent = 'take-sell' | 'take-buy'

/** The fiat amount that a taker names, whichever payload carries it. */
function askedFiat(payload: Payload | null): bigint | null {
  if (payload?.kind === 'amount') return payload.amount
  return payload?.kind === 'payment_request' ? payload.amount : null
}

/** The destination that a taker-buyer brings along. */
function broughtDestination(event: TakeEvent, payload: Payload | null): string | null {
  if (event !== 'take-sell' || payload?.kind !== 'payment_request' || payload.request === '') return null
  return payload.request
}

/** Check 2: an identity that already owes the act that this take would ask for must do it first. */
function owesAnAct(tx: Tx, event: TakeEvent, identity: string): boolean {
  const status = event === 'take-sell' ? 'waiting-buyer-invoice' : 'waiting-payment'
  const [asTaker, asMaker] = event === 'take-sell' ? ['sell', 'buy'] : ['buy', 'sell']
  const row = tx.store.get(
    `SELECT 1 FROM orders WHERE taker_identity = :identity AND kind = :asTaker AND status = :status
        AND status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')
      UNION ALL SELECT 1 FROM orders WHERE maker_identity = :identity AND kind = :asMaker AND status = :status
        AND status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired') LIMIT 1`,
    { identity, asTaker: asTaker ?? '', asMaker: asMaker ?? '', status },
  )
  return row !== undefined
}

function openings(tx: Tx, sender: string): number {
  const row = tx.store.get<{ n: number }>(
    `SELECT COUNT(*) AS n FROM orders WHERE taker_pubkey = :sender AND phase = 'opening'
        AND status NOT IN ('canceled','cooperatively-canceled','canceled-by-admin','expired')`,
    { sender },
  )
  return row?.n ?? 0
}

/** The checks that need no invoice, in the order of the specification; the first that fails is the answer. */
function refusalOf(ctx: Ctx, tx: Tx, event: TakeEvent, request: Request, order: Order): CantDoReason | null {
  const { sender, identity } = request.inbound
  if (owesAnAct(tx, event, identity)) return 'pending_order_exists'
  const byOrder = takeRefusal(order, event, sender, tx.nowS)
  if (byOrder !== null) return byOrder
  if (openings(tx, sender) >= ctx.settings.limits.pendingTakesPerKey) return 'too_many_requests'
  // Every take ends at the escrow: without Lightning it can not be served (DEC-35).
  return ctx.lightning.serving ? null : 'pending_order_exists'
}

function handleTake(event: TakeEvent, ctx: Ctx, tx: Tx, request: Request, probe: AddressProbe): Outcome {
  const order = namedOrder(tx, request)
  if (order !== null && sayStandingRequest(ctx, tx, request, order)) return DONE
  const gate = checkTradeIndex(tx, request.inbound)
  if (gate.kind === 'stale') return refuse('invalid_trade_index')
  if (order === null) return refuse('not_found')
  const { payload } = request.inbound.message
  const reason = refusalOf(ctx, tx, event, request, order)
  if (reason !== null) return refuse(reason)
  const terms = takeTerms(ctx, order, askedFiat(payload), tx.nowS)
  if (!terms.ok) return refuse(terms.error)
  const taker: Party = {
    pubkey: request.inbound.sender,
    identity: request.inbound.identity,
    tradeIndex: gate.index ?? (request.inbound.identity === request.inbound.sender ? 0 : null),
  }
  const amountMsat = payoutMsat({ ...terms.value, taker, takenAtS: tx.nowS, buyerDestination: null })
  const text = broughtDestination(event, payload)
  if (text !== null && !checkDestination(ctx, text, amountMsat, probe).ok) return refuse('invalid_invoice')
  if (lacksIndex(request.inbound, gate.index)) return refuse('invalid_trade_index')
  let destination: Destination | null = null
  if (text !== null) {
    const owner = payoutOwner(order.id)
    destination = admitDestination(ctx, tx, text, { amountMsat, owner, payee: taker.pubkey, probe })
    if (destination === null) return refuse('invalid_invoice')
  }
  return conclude(ctx, tx, request, order, decideTake(order, taker, terms.value, destination, tx.nowS))
}

async function prepareTake(
  event: TakeEvent,
  ctx: Ctx,
  request: Request,
  mayLookUp: (address: string) => boolean,
): Promise<AddressProbe> {
  const { id, payload } = request.inbound.message
  const text = broughtDestination(event, payload)
  if (text === null || id === null) return null
  const order = loadOrder(ctx.store, id)
  if (order?.status !== 'pending') return null
  const terms = takeTerms(ctx, order, askedFiat(payload), nowS(ctx))
  if (!terms.ok) return null
  const taker: Party = { pubkey: request.inbound.sender, identity: request.inbound.identity, tradeIndex: null }
  const amount = payoutMsat({ ...terms.value, taker, takenAtS: 0, buyerDestination: null })
  return probeDestination(ctx, text, amount > 0 ? amount : satsToMsat(1), { mayLookUp })
}

const take = (event: TakeEvent): ActionHandler<AddressProbe> => ({
  mutation: true,
  prepare: (ctx, request, tools) => prepareTake(event, ctx, request, tools.mayLookUp),
  handle: (ctx, tx, request, probe) => handleTake(event, ctx, tx, request, probe),
})

export const takeSell: ActionHandler<AddressProbe> = take('take-sell')
export const takeBuy: ActionHandler<AddressProbe> = take('take-buy')
