/** Taking an order, and what undoes a take (trade.md 2.2 to 2.4, 1.5; DEC-22, DEC-35). */
import type { Msat } from '../money.ts'
import type { CantDoReason, Payload } from '../protocol.ts'
import { type Decision, type Effect, moved, refused, say } from './decision.ts'
import {
  type Destination,
  type Offer,
  type OpeningOrder,
  type Order,
  type Party,
  partyOf,
  type Take,
  type WaitingOrder,
} from './order.ts'
import { refusal } from './rules.ts'
import { activeView, askBuyerView, askSellerView, destinationText, escrowMsat, republishedView } from './view.ts'

/** What a take costs, worked out before the decision from committed rates and settings. */
export type TakeTerms = {
  readonly fiatAmount: number
  readonly amountMsat: Msat
  readonly feeMsat: Msat
  readonly devFeeMsat: Msat
}

/** The fiat amount that a taker gets: the order's, or the slice of a range that he names (trade.md 2.2 check 8). */
export function takenFiat(order: Offer, asked: bigint | null): number | 'out_of_range_sats_amount' {
  if (order.fiat.kind === 'single') return order.fiat.amount
  if (asked === null) return 'out_of_range_sats_amount'
  return asked >= BigInt(order.fiat.min) && asked <= BigInt(order.fiat.max) ? Number(asked) : 'out_of_range_sats_amount'
}

/** Checks 3 to 6 of a take: kind, status, window, not one's own. Evaluated in this order; the first decides. */
export function takeRefusal(
  order: Order,
  event: 'take-sell' | 'take-buy',
  taker: string,
  nowS: number,
): CantDoReason | null {
  if (order.kind !== (event === 'take-sell' ? 'sell' : 'buy')) return 'invalid_order_kind'
  const byState = refusal(event, order)
  if (byState !== null) return byState
  if (order.expiresAtS <= nowS) return 'invalid_order_status'
  if (order.maker.pubkey === taker) return 'invalid_pubkey'
  return null
}

/** A take that passed its checks. Without a destination a buyer is asked for one; else the escrow invoice is planned. */
export function decideTake(
  order: Order,
  taker: Party,
  terms: TakeTerms,
  destination: Destination | null,
  nowS: number,
): Decision {
  const event = order.kind === 'sell' ? 'take-sell' : 'take-buy'
  const reason = takeRefusal(order, event, taker.pubkey, nowS)
  if (reason !== null) return refused(reason)
  const take: Take = {
    ...terms,
    taker,
    takenAtS: nowS,
    buyerDestination: order.kind === 'sell' ? destination : order.makerDestination,
  }
  if (order.kind === 'sell' && destination === null) {
    return moved(
      { status: 'waiting-buyer-invoice', phase: 'steady', take, duty: 'start' },
      ...burn(taker),
      say(taker.pubkey, 'add-invoice', {
        payload: { kind: 'order', order: askBuyerView(order, take) },
        echo: true,
        tradeIndex: taker.tradeIndex,
        asks: true,
      }),
      say(order.maker.pubkey, 'waiting-buyer-invoice', { tradeIndex: order.maker.tradeIndex }),
    )
  }
  return moved(
    { status: 'pending', phase: 'opening', take },
    { kind: 'plan-escrow', amountMsat: escrowMsat(take), answers: true },
  )
}

function burn(party: Party): readonly Effect[] {
  if (party.tradeIndex === null || party.identity === party.pubkey) return []
  return [{ kind: 'burn-index', identity: party.identity, index: party.tradeIndex }]
}

/** A buyer's destination for an order that waits for it. The caller has checked sender and invoice. */
export function decideAddInvoice(order: Order, destination: Destination): Decision {
  const reason = refusal('add-invoice', order)
  if (reason !== null) return refused(reason)
  if (order.status !== 'waiting-buyer-invoice' || order.phase === 'review') return refused('not_allowed_by_status')
  const take: Take = { ...order.take, buyerDestination: destination }
  if (order.kind === 'sell') {
    return moved(
      { status: 'waiting-buyer-invoice', phase: 'opening', buyerDestination: destination, duty: 'clear' },
      { kind: 'plan-escrow', amountMsat: escrowMsat(take), answers: false },
    )
  }
  return moved(
    { status: 'active', phase: 'steady', buyerDestination: destination, duty: 'clear' },
    say(order.take.taker.pubkey, 'buyer-took-order', {
      payload: { kind: 'order', order: activeView(order, take, 'seller') },
    }),
    say(order.maker.pubkey, 'hold-invoice-payment-accepted', {
      payload: {
        kind: 'order',
        order: { ...activeView(order, take, 'buyer'), buyerInvoice: destinationText(destination) },
      },
      echo: true,
    }),
  )
}

/** The escrow invoice is at LND: the seller is asked to pay it, and only now the take is real. */
export function decideAdopted(
  order: Order,
  request: string,
  takerReputation: Payload,
  origin: 'buyer' | 'seller',
): Decision {
  if (order.status === 'waiting-payment' && order.phase === 'steady') return moved(...reissue(order, request))
  const opening =
    (order.status === 'pending' || order.status === 'waiting-buyer-invoice') && order.phase === 'opening' ? order : null
  if (opening === null || !('take' in opening)) return { kind: 'ignored', why: `adopted in ${order.status}` }
  const { take } = opening
  const seller = partyOf(opening, 'seller')
  const buyer = partyOf(opening, 'buyer')
  const afterInvoice = opening.status === 'waiting-buyer-invoice'
  return moved(
    { status: 'waiting-payment', phase: 'steady', duty: 'start' },
    ...(afterInvoice ? [say(seller.pubkey, 'pay-invoice', { payload: takerReputation })] : burn(take.taker)),
    say(seller.pubkey, 'pay-invoice', {
      payload: payInvoice(opening, take, request),
      echo: origin === 'seller',
      tradeIndex: seller.tradeIndex,
      asks: true,
    }),
    say(buyer.pubkey, 'waiting-seller-to-pay', { echo: origin === 'buyer', tradeIndex: buyer.tradeIndex }),
  )
}

/** A new invoice for the same duty (DEC-09): only the seller hears of it; nothing else changes. */
function reissue(order: WaitingOrder, request: string): [Parameters<typeof moved>[0], Effect] {
  const seller = partyOf(order, 'seller')
  return [
    { status: 'waiting-payment', phase: 'steady' },
    say(seller.pubkey, 'pay-invoice', {
      payload: payInvoice(order, order.take, request),
      tradeIndex: seller.tradeIndex,
      asks: true,
    }),
  ]
}

function payInvoice(order: Offer, take: Take, request: string): Payload {
  return { kind: 'payment_request', order: askSellerView(order, take), request, amount: null }
}

/** The escrow invoice did not come within the answer deadline: as if the take had never been (DEC-35, DEC-04). */
export function decideAnswerLate(order: Order): Decision {
  if (order.status !== 'pending' || order.phase !== 'opening') return { kind: 'ignored', why: 'not opening' }
  return moved(
    { status: 'pending', phase: 'steady', take: null, duty: 'clear' },
    { kind: 'cancel-escrow', why: 'answer-late' },
    { kind: 'refuse-waiting', to: order.take.taker.pubkey, reason: 'pending_order_exists' },
  )
}

/** The messages of "back on the book": the taker is out, the maker's order is takeable again. */
export function backToBook(order: OpeningOrder | WaitingOrder, takerEcho: boolean): readonly Effect[] {
  return [
    say(order.take.taker.pubkey, 'canceled', { echo: takerEcho }),
    say(order.maker.pubkey, 'new-order', { payload: { kind: 'order', order: republishedView(order) } }),
  ]
}
