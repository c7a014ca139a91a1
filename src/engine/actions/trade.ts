/** add-invoice, fiat-sent, release, cancel, trade-pubkey: a party moves his own trade (trade.md 2.4 to 2.7, 2.9). */
import type { Msat } from '../../core/money.ts'
import { moved, say } from '../../core/order/decision.ts'
import { decideCancel } from '../../core/order/ending.ts'
import { type NextTrade, type Order, partyOf, type Take } from '../../core/order/order.ts'
import { refusal } from '../../core/order/rules.ts'
import { decideAddInvoice } from '../../core/order/take.ts'
import { decideFiatSent, decideRelease, decideTradePubkey } from '../../core/order/trade.ts'
import { payoutMsat } from '../../core/order/view.ts'
import type { Payload } from '../../core/protocol.ts'
import { isPublicKey } from '../../wire/curves.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { payoutOwner } from '../invoices.ts'
import { changeDestination, obligationRow } from '../journal/obligations.ts'
import { currentEscrow, destinationJson, escrowStanding, loadOrder } from '../rows.ts'
import {
  type ActionHandler,
  conclude,
  isOlderThanTake,
  namedOrder,
  type Outcome,
  type Request,
  refuse,
} from './action.ts'
import { type AddressProbe, admitDestination, checkDestination, probeDestination } from './destination.ts'

type Taken = Order & { readonly take: Take }

function taken(order: Order): Taken | null {
  return 'take' in order && order.take !== null ? { ...order, take: order.take } : null
}

function buyerOf(order: Order): string | null {
  const t = taken(order)
  return t === null ? (order.kind === 'buy' ? order.maker.pubkey : null) : partyOf(t, 'buyer').pubkey
}

function givenRequest(payload: Payload | null): string | null {
  return payload?.kind === 'payment_request' ? payload.request : null
}

/** What the buyer's invoice must be over: the take's payout. */
function owedToBuyer(order: Order): Msat | null {
  const t = taken(order)
  return t === null ? null : payoutMsat(t.take)
}

export const addInvoice: ActionHandler<AddressProbe> = {
  mutation: true,

  prepare(ctx, request, tools) {
    const { id, payload } = request.inbound.message
    const order = id === null ? null : loadOrder(ctx.store, id)
    if (order === null || buyerOf(order) !== request.inbound.sender) return null
    return probeDestination(ctx, givenRequest(payload), owedToBuyer(order), tools)
  },

  handle(ctx, tx, request, probe) {
    const order = namedOrder(tx, request)
    if (order === null) return refuse('not_found')
    const { sender } = request.inbound
    if (buyerOf(order) !== sender) return refuse('invalid_peer')
    const text = givenRequest(request.inbound.message.payload)
    const amountMsat = owedToBuyer(order)
    if (text === null || !checkDestination(ctx, text, amountMsat, probe).ok) return refuse('invalid_invoice')
    const reason = refusal('add-invoice', order)
    if (reason !== null) return refuse(reason)
    if (isOlderThanTake(order, request)) return refuse('not_allowed_by_status')
    if (order.status === 'settled-hold-invoice') return swap(ctx, tx, request, order, text, amountMsat, probe)
    const destination = admitDestination(ctx, tx, text, {
      amountMsat,
      owner: payoutOwner(order.id),
      payee: sender,
      probe,
    })
    if (destination === null) return refuse('invalid_invoice')
    // The escrow of a buy order is checked once more: what it locks must still be locked (W14).
    if (order.kind === 'buy' && currentEscrow(tx.store, order.id)?.rank !== 2) return refuse('not_allowed_by_status')
    return conclude(ctx, tx, request, order, decideAddInvoice(order, destination))
  },
}

/** The buyer gives another invoice while the sats are owed to him (T13). */
function swap(
  ctx: Ctx,
  tx: Tx,
  request: Request,
  order: Order,
  text: string,
  amountMsat: Msat | null,
  probe: AddressProbe,
): Outcome {
  const obligation = obligationRow(tx, payoutOwner(order.id))
  const checked = checkDestination(ctx, text, amountMsat, probe)
  if (obligation === undefined || !checked.ok) return refuse('not_allowed_by_status')
  const { destination, hash } = checked.value
  const json = destinationJson(destination) ?? ''
  const { sender } = request.inbound
  const changed = changeDestination(ctx, tx, obligation, sender, { json, hash })
  if (changed !== 'changed')
    return refuse(changed === 'reserved-elsewhere' ? 'invalid_invoice' : 'not_allowed_by_status')
  const decision = moved({ status: order.status, phase: order.phase }, say(sender, 'invoice-updated', { echo: true }))
  return conclude(ctx, tx, request, order, decision)
}

/** Handlers that need nothing from outside. */
const plain = (handle: (ctx: Ctx, tx: Tx, request: Request) => Outcome): ActionHandler<null> => ({
  mutation: true,
  prepare: () => null,
  handle: (ctx, tx, request) => handle(ctx, tx, request),
})

/** `next_trade`, or null when there is none; a payload of another kind is no answer to what was asked. */
function nextTradeOf(payload: Payload | null): NextTrade | null | 'other-payload' {
  if (payload === null) return null
  if (payload.kind !== 'next_trade') return 'other-payload'
  // A key off the curve can never be written to: index 0 marks it unusable.
  return isPublicKey(payload.pubkey) ? { pubkey: payload.pubkey, index: payload.index } : { pubkey: '', index: 0 }
}

export const fiatSent: ActionHandler<null> = plain((ctx, tx, request) => {
  const order = namedOrder(tx, request)
  if (order === null) return refuse('not_found')
  const next = nextTradeOf(request.inbound.message.payload)
  const reason = refusal('fiat-sent', order)
  if (reason !== null) return refuse(reason)
  if (isOlderThanTake(order, request)) return refuse('not_allowed_by_status')
  if (buyerOf(order) !== request.inbound.sender) return refuse('invalid_pubkey')
  if (next === 'other-payload') return refuse('invalid_parameters')
  return conclude(ctx, tx, request, order, decideFiatSent(order, request.inbound.sender, next))
})

export const release: ActionHandler<null> = plain((ctx, tx, request) => {
  const order = namedOrder(tx, request)
  if (order === null) return refuse('not_found')
  const next = nextTradeOf(request.inbound.message.payload)
  const given = next === 'other-payload' ? null : next
  const decision = decideRelease(order, request.inbound.sender, given)
  if (decision.kind === 'refused') return refuse(decision.reason)
  if (next === 'other-payload') return refuse('invalid_parameters')
  if (isOlderThanTake(order, request)) return refuse('not_allowed_by_status')
  return conclude(ctx, tx, request, order, decision)
})

export const cancel: ActionHandler<null> = plain((ctx, tx, request) => {
  const order = namedOrder(tx, request)
  if (order === null) return refuse('not_found')
  if (isOlderThanTake(order, request)) return refuse('not_allowed_by_status')
  const decision = decideCancel(order, request.inbound.sender, escrowStanding(tx.store, order.id))
  return conclude(ctx, tx, request, order, decision)
})

export const tradePubkey: ActionHandler<null> = plain((ctx, tx, request) => {
  const order = namedOrder(tx, request)
  if (order === null) return refuse('not_found')
  const { sender, identity } = request.inbound
  const decision = decideTradePubkey(order, sender, identity)
  // What the maker reserved under his old key stays his.
  if (decision.kind === 'moved' && order.maker.pubkey !== sender)
    tx.s.hash_follow({ owner: payoutOwner(order.id), from: order.maker.pubkey, to: sender })
  return conclude(ctx, tx, request, order, decision)
})
