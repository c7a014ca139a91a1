/** What the outside is shown of an order: the `order` payloads of trade.md 0.1 and the public event of 1.3. */
import { addMsat, type Msat, msatToSats, subMsat, ZERO_MSAT } from '../money.ts'
import type { SmallOrder, WireStatus } from '../protocol.ts'
import { type Destination, makerSide, type Offer, type Order, partyOf, type Side, type Take, takeOf } from './order.ts'

/** The text of a destination as its owner wrote it. */
export function destinationText(destination: Destination): string {
  return destination.kind === 'bolt11' ? destination.request : destination.address
}

/** What the seller pays into escrow: amount + fee (trade.md 3.1). */
export function escrowMsat(take: Take): Msat {
  return addMsat(take.amountMsat, take.feeMsat)
}

/** What the buyer is paid: amount − fee, never below zero (trade.md 3.1). */
export function payoutMsat(take: Take): Msat {
  return take.amountMsat > take.feeMsat ? subMsat(take.amountMsat, take.feeMsat) : ZERO_MSAT
}

type Shape = {
  readonly status: WireStatus | null
  readonly amountMsat: Msat
  readonly pubkeys: boolean
  readonly invoice: string | null
  readonly expires: boolean
}

/** The trade key on one side, or null while nobody stands there. */
function keyOn(order: Offer, take: Take | null, side: Side): string | null {
  if (take !== null) return partyOf({ ...order, take }, side).pubkey
  return makerSide(order) === side ? order.maker.pubkey : null
}

function smallOrder(order: Offer, take: Take | null, shape: Shape): SmallOrder {
  const single = order.fiat.kind === 'single' ? order.fiat.amount : 0
  return {
    id: order.id,
    kind: order.kind,
    status: shape.status,
    amount: BigInt(msatToSats(shape.amountMsat)),
    fiatCode: order.fiatCode,
    minAmount: order.fiat.kind === 'range' ? BigInt(order.fiat.min) : null,
    maxAmount: order.fiat.kind === 'range' ? BigInt(order.fiat.max) : null,
    fiatAmount: BigInt(take === null ? single : take.fiatAmount),
    paymentMethod: order.paymentMethod,
    premium: BigInt(order.premium),
    buyerTradePubkey: shape.pubkeys ? keyOn(order, take, 'buyer') : null,
    sellerTradePubkey: shape.pubkeys ? keyOn(order, take, 'seller') : null,
    buyerInvoice: shape.invoice,
    createdAt: BigInt(order.createdAtS),
    expiresAt: shape.expires ? BigInt(order.expiresAtS) : null,
  }
}

/** The sats that an untaken order shows: fixed, or 0 for a market price. */
export function offeredMsat(order: Offer): Msat {
  return order.price.kind === 'fixed' ? order.price.amountMsat : ZERO_MSAT
}

function bookView(order: Offer, pubkeys: boolean): SmallOrder {
  return smallOrder(order, null, {
    status: 'pending',
    amountMsat: offeredMsat(order),
    pubkeys,
    invoice: order.makerDestination === null ? null : destinationText(order.makerDestination),
    expires: true,
  })
}

/** SO.new: the acknowledgement of a new order or of a child. Only the maker sees it. */
export function newOrderView(order: Offer): SmallOrder {
  return bookView(order, false)
}

/** SO.full of an order that is back on the book: it names its maker's key. Only the maker sees it. */
export function republishedView(order: Offer): SmallOrder {
  return bookView(order, true)
}

/** SO.ask: what a taker-buyer is asked an invoice for. */
export function askBuyerView(order: Offer, take: Take): SmallOrder {
  return smallOrder(order, take, {
    status: 'waiting-buyer-invoice',
    amountMsat: payoutMsat(take),
    pubkeys: false,
    invoice: null,
    expires: order.kind === 'buy',
  })
}

/** SO.ask2: what the seller is asked to pay. */
export function askSellerView(order: Offer, take: Take): SmallOrder {
  return smallOrder(order, take, {
    status: 'waiting-payment',
    amountMsat: escrowMsat(take),
    pubkeys: false,
    invoice: null,
    expires: true,
  })
}

/** SO.pub: what both parties are told when the escrow is locked; amounts as each side sees them. */
export function activeView(order: Offer, take: Take, side: 'buyer' | 'seller'): SmallOrder {
  return smallOrder(order, take, {
    status: 'active',
    amountMsat: side === 'seller' ? escrowMsat(take) : payoutMsat(take),
    pubkeys: true,
    invoice: null,
    expires: true,
  })
}

/** SO.full after the payout attempts are used up: the buyer is asked for another invoice. */
export function payoutAskView(order: Offer, take: Take): SmallOrder {
  return smallOrder(order, take, {
    status: 'settled-hold-invoice',
    amountMsat: payoutMsat(take),
    pubkeys: true,
    invoice: take.buyerDestination === null ? null : destinationText(take.buyerDestination),
    expires: true,
  })
}

/** What `orders` answers: the stored amount, the internal status, no invoice (trade.md 2.10); an opening take is no take yet. */
export function storedView(order: Order): SmallOrder {
  const take = order.status === 'pending' ? null : takeOf(order)
  return smallOrder(order, take, {
    status: order.status,
    amountMsat: take === null ? offeredMsat(order) : take.amountMsat,
    pubkeys: true,
    invoice: null,
    expires: true,
  })
}
