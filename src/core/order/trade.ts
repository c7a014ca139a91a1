/** From the locked escrow to the paid buyer (trade.md 1.4 T6 to T11; DEC-21, DEC-39). */
import type { Payload } from '../protocol.ts'
import { type Decision, type Effect, moved, type RangeChild, refused, type SettleWhy, say } from './decision.ts'
import {
  type LiveOrder,
  makerSide,
  type NextTrade,
  type Offer,
  type Order,
  partyOf,
  sideOf,
  type Take,
} from './order.ts'
import { refusal } from './rules.ts'
import { activeView, askBuyerView, newOrderView, payoutMsat } from './view.ts'

const TRADE_KEY = /^[0-9a-f]{64}$/

/** Whether a `next_trade` names a usable key: x-only hex and a positive index. */
export function isUsableNextTrade(next: NextTrade): boolean {
  return TRADE_KEY.test(next.pubkey) && Number.isSafeInteger(next.index) && next.index > 0
}

/** Whether the remainder of an order can go on under this key: usable, and nobody's in the order that it comes from. */
function canGoOnAs(order: Offer & { readonly take: Take }, next: NextTrade): boolean {
  return isUsableNextTrade(next) && sideOf(order, next.pubkey) === null
}

/** The maker goes on under another trade key of the same identity, before anybody took his offer (trade.md 2.9). */
export function decideTradePubkey(order: Order, sender: string, identity: string): Decision {
  const reason = refusal('trade-pubkey', order)
  if (reason !== null) return refused(reason)
  if (identity !== order.maker.identity) return refused('invalid_pubkey')
  return moved(
    { status: order.status, phase: order.phase, makerPubkey: sender },
    say(sender, 'trade-pubkey', { echo: true }),
  )
}

/** LND holds the seller's sats: the trade is on, or the buyer owes an invoice first (T6, T7). */
export function decideAccepted(order: Order, takerReputation: Payload): Decision {
  if (order.status !== 'waiting-payment' || order.phase !== 'steady')
    return { kind: 'ignored', why: `accepted in ${order.status}` }
  const { take } = order
  const seller = partyOf(order, 'seller')
  const buyer = partyOf(order, 'buyer')
  if (take.buyerDestination === null) {
    return moved(
      { status: 'waiting-buyer-invoice', phase: 'steady', duty: 'start' },
      say(buyer.pubkey, 'add-invoice', { payload: { kind: 'order', order: askBuyerView(order, take) }, asks: true }),
      say(seller.pubkey, 'waiting-buyer-invoice'),
      say(buyer.pubkey, 'add-invoice', { payload: takerReputation }),
    )
  }
  return moved(
    { status: 'active', phase: 'steady', duty: 'clear' },
    say(seller.pubkey, 'buyer-took-order', { payload: { kind: 'order', order: activeView(order, take, 'seller') } }),
    say(buyer.pubkey, 'hold-invoice-payment-accepted', {
      payload: { kind: 'order', order: activeView(order, take, 'buyer') },
    }),
  )
}

/** The buyer says that the fiat is on its way (T9). `nextTrade` is kept only where the buyer is a range's maker. */
export function decideFiatSent(order: Order, sender: string, nextTrade: NextTrade | null): Decision {
  const reason = refusal('fiat-sent', order)
  if (reason !== null) return refused(reason)
  if (order.status !== 'active' || order.phase === 'review') return refused('not_allowed_by_status')
  const buyer = partyOf(order, 'buyer').pubkey
  const seller = partyOf(order, 'seller').pubkey
  if (sender !== buyer) return refused('invalid_pubkey')
  const keeps = nextTrade !== null && order.fiat.kind === 'range' && makerSide(order) === 'buyer'
  if (keeps && !canGoOnAs(order, nextTrade)) return refused('invalid_parameters')
  return moved(
    { status: 'fiat-sent', phase: 'steady', ...(keeps ? { nextTrade } : {}) },
    say(buyer, 'fiat-sent-ok', { payload: { kind: 'peer', peer: { pubkey: seller, reputation: null } }, echo: true }),
    say(seller, 'fiat-sent-ok', { payload: { kind: 'peer', peer: { pubkey: buyer, reputation: null } } }),
  )
}

/** What is left of a range after a slice (trade.md 2.6). */
export function remainder(order: Offer, taken: number): RangeChild['fiat'] | null {
  if (order.fiat.kind !== 'range') return null
  const rest = order.fiat.max - taken
  if (rest < order.fiat.min) return null
  return rest === order.fiat.min ? { kind: 'single', amount: rest } : { kind: 'range', min: order.fiat.min, max: rest }
}

/** The child that a release leaves, or why there is none. A bad key costs the remainder, never the release (DEC-21). */
function childOf(order: LiveOrder, given: NextTrade | null): { child: RangeChild | null; refused: boolean } {
  const fiat = remainder(order, order.take.fiatAmount)
  if (fiat === null) return { child: null, refused: false }
  const next = makerSide(order) === 'seller' ? given : order.nextTrade
  if (next === null) return { child: null, refused: false }
  if (!canGoOnAs(order, next)) return { child: null, refused: true }
  const fullPrivacy = order.maker.identity === order.maker.pubkey
  const maker = {
    pubkey: next.pubkey,
    identity: fullPrivacy ? next.pubkey : order.maker.identity,
    tradeIndex: next.index,
  }
  return { child: { fiat, maker }, refused: false }
}

/** The seller has the fiat: settle the escrow. What follows is frozen beside the decision (R-07, T10). */
export function decideRelease(order: Order, sender: string, nextTrade: NextTrade | null): Decision {
  if (!('take' in order) || order.take === null) return refused(refusal('release', order) ?? 'not_allowed_by_status')
  if (sender !== partyOf({ ...order, take: order.take }, 'seller').pubkey) return refused('invalid_peer')
  const reason = refusal('release', order)
  if (reason !== null) return refused(reason)
  if ((order.status !== 'fiat-sent' && order.status !== 'dispute') || order.phase === 'review')
    return refused('not_allowed_by_status')
  const { child, refused: childRefused } = childOf(order, nextTrade)
  const why: SettleWhy = {
    v: 1,
    reason: 'released',
    buyer: partyOf(order, 'buyer').pubkey,
    payoutMsat: payoutMsat(order.take),
    feeMsat: order.take.feeMsat,
    devFeeMsat: order.take.devFeeMsat,
    child,
    childRefused,
  }
  return moved({ status: order.status, phase: 'releasing' }, { kind: 'settle-escrow', why })
}

/** LND settled the escrow: the sats are ours to pay on (T10). `child` is the order that the remainder became. */
export function decideSettled(order: Order, child: Offer | null, refusedChildId: string | null): Decision {
  if ((order.status !== 'fiat-sent' && order.status !== 'dispute') || order.phase !== 'releasing')
    return { kind: 'ignored', why: `settled in ${order.status}` }
  const seller = partyOf(order, 'seller').pubkey
  const effects: Effect[] = [
    say(seller, 'hold-invoice-payment-settled', { echo: true }),
    say(partyOf(order, 'buyer').pubkey, 'released'),
    say(seller, 'rate'),
  ]
  if (child !== null) {
    effects.push(
      say(child.maker.pubkey, 'new-order', {
        payload: { kind: 'order', order: newOrderView(child) },
        echo: makerSide(order) === 'seller',
        tradeIndex: child.maker.tradeIndex,
        about: child.id,
      }),
    )
  }
  // Only the remainder comes to nothing: under the parent's id a client would take its trade for canceled.
  if (refusedChildId !== null) effects.push(say(order.maker.pubkey, 'canceled', { about: refusedChildId }))
  return moved({ status: 'settled-hold-invoice', phase: 'steady' }, ...effects)
}

/** LND paid the buyer (T11). */
export function decidePaid(order: Order): Decision {
  if (order.status !== 'settled-hold-invoice' || order.phase !== 'steady')
    return { kind: 'ignored', why: `paid in ${order.status}` }
  const buyer = partyOf(order, 'buyer').pubkey
  return moved({ status: 'success', phase: 'steady' }, say(buyer, 'purchase-completed'), say(buyer, 'rate'))
}

/** LND refuses the settle because the escrow is already gone (C-16): nothing was taken, a person must look. */
export function decideSettleRefused(order: Order): Decision {
  if ((order.status !== 'fiat-sent' && order.status !== 'dispute') || order.phase !== 'releasing')
    return { kind: 'ignored', why: `settle refused in ${order.status}` }
  return moved(
    { status: order.status, phase: 'review' },
    ...tellBothEscrowGone(order),
    alertLost(order, 'settle refused: the escrow was already canceled'),
  )
}

/** Both parties learn the truth about a vanished escrow. */
export function tellBothEscrowGone(order: Offer & { readonly take: Take }): readonly Effect[] {
  return [
    say(partyOf(order, 'buyer').pubkey, 'hold-invoice-payment-canceled'),
    say(partyOf(order, 'seller').pubkey, 'hold-invoice-payment-canceled'),
  ]
}

/** The alert of a hold that LND ended by itself (DEC-10). */
export function alertLost(order: Pick<Offer, 'id'>, detail: string): Effect {
  return { kind: 'alert', key: `escrow-lost:${order.id}`, severity: 3, detail }
}
