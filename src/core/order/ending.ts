/** Cancels, timeouts and escrows that end without us (trade.md 2.7, 1.4 T14 to T24, 1.5; DEC-08, DEC-10, DEC-39). */
import { type CancelWhy, type Decision, type Effect, moved, refused, say } from './decision.ts'
import { makerSide, type Order, partyOf, sideOf, type WaitingOrder } from './order.ts'
import { refusal } from './rules.ts'
import { backToBook } from './take.ts'
import { alertLost, tellBothEscrowGone } from './trade.ts'
import { escrowMsat } from './view.ts'

/** What is known of the escrow when a trader or a timer ends something. */
export type EscrowStanding =
  /** none was ever planned, or the last one is over */
  | 'none'
  /** planned or open: nobody has paid it, as far as we know */
  | 'unpaid'
  /** LND holds the seller's sats */
  | 'held'

/** A trader's `cancel`, in every status. */
export function decideCancel(order: Order, sender: string, escrow: EscrowStanding): Decision {
  const reason = refusal('cancel', order)
  if (reason !== null) return refused(reason)
  switch (order.status) {
    case 'pending':
      if (order.phase === 'steady') return cancelPending(order, sender)
      return order.phase === 'opening' ? cancelOpening(order, sender) : refused('not_allowed_by_status')
    case 'waiting-buyer-invoice':
    case 'waiting-payment':
      return order.phase === 'review' || order.phase === 'timing-out'
        ? refused('not_allowed_by_status')
        : cancelWaiting(order, sender, escrow)
    case 'active':
    case 'fiat-sent':
    case 'dispute':
      return cancelLive(order, sender)
    case 'waiting-maker-bond':
    case 'waiting-taker-bond':
    case 'settled-hold-invoice':
    case 'success':
    case 'canceled':
    case 'cooperatively-canceled':
    case 'canceled-by-admin':
    case 'expired':
      return refused('not_allowed_by_status')
  }
}

function cancelPending(order: Order, sender: string): Decision {
  if (sender !== order.maker.pubkey) return refused('is_not_your_order')
  return moved({ status: 'canceled', phase: 'steady' }, say(sender, 'canceled', { echo: true }))
}

/** `cancel` is the one message that an opening order takes: it decides the planned hold (DEC-24). */
function cancelOpening(order: Extract<Order, { status: 'pending'; phase: 'opening' }>, sender: string): Decision {
  const taker = order.take.taker.pubkey
  if (sender === order.maker.pubkey) {
    return moved(
      { status: 'canceled', phase: 'steady', take: null, duty: 'clear' },
      { kind: 'cancel-escrow', why: 'maker-canceled' },
      say(sender, 'canceled', { echo: true }),
      { kind: 'refuse-waiting', to: taker, reason: 'pending_order_exists' },
    )
  }
  if (sender !== taker) return refused('is_not_your_order')
  return moved(
    { status: 'pending', phase: 'steady', take: null, duty: 'clear' },
    { kind: 'cancel-escrow', why: 'taker-canceled' },
    say(taker, 'canceled', { echo: true }),
    { kind: 'refuse-waiting', to: taker, reason: 'pending_order_exists' },
  )
}

function endEscrow(escrow: EscrowStanding, why: CancelWhy): readonly Effect[] {
  return escrow === 'none' ? [] : [{ kind: 'cancel-escrow', why }]
}

/** While the escrow invoice is awaited, the taker's own `add-invoice` is still open and comes to nothing. */
function refuseOpen(order: WaitingOrder): readonly Effect[] {
  if (order.phase !== 'opening') return []
  return [{ kind: 'refuse-waiting', to: order.take.taker.pubkey, reason: 'not_allowed_by_status' }]
}

function cancelWaiting(order: WaitingOrder, sender: string, escrow: EscrowStanding): Decision {
  if (sender === order.maker.pubkey) {
    return moved(
      { status: 'canceled', phase: escrow === 'held' ? 'refunding' : 'steady', duty: 'clear' },
      ...endEscrow(escrow, 'maker-canceled'),
      say(sender, 'canceled', { echo: true }),
      say(order.take.taker.pubkey, 'canceled'),
      ...refuseOpen(order),
    )
  }
  if (sender !== order.take.taker.pubkey) return refused('invalid_pubkey')
  return moved(
    { status: 'pending', phase: 'steady', take: null, duty: 'clear' },
    ...endEscrow(escrow, 'taker-canceled'),
    ...backToBook(order, true),
    ...refuseOpen(order),
  )
}

function cancelLive(order: Order, sender: string): Decision {
  if (
    (order.status !== 'active' && order.status !== 'fiat-sent' && order.status !== 'dispute') ||
    order.phase === 'review'
  )
    return refused('not_allowed_by_status')
  const side = sideOf(order, sender)
  if (side === null || order.cancelInitiator === side) return refused('invalid_pubkey')
  const other = partyOf(order, side === 'buyer' ? 'seller' : 'buyer').pubkey
  if (order.cancelInitiator === null) {
    return moved(
      { status: order.status, phase: 'steady', cancelInitiator: side },
      say(sender, 'cooperative-cancel-initiated-by-you', { echo: true }),
      say(other, 'cooperative-cancel-initiated-by-peer'),
    )
  }
  return moved(
    { status: 'cooperatively-canceled', phase: 'refunding' },
    { kind: 'cancel-escrow', why: 'cooperative' },
    say(sender, 'cooperative-cancel-accepted', { echo: true }),
    say(other, 'cooperative-cancel-accepted'),
  )
}

/** The refund that a cancelled order waited for is confirmed by LND. */
export function decideRefunded(order: Order): Decision {
  if (order.phase !== 'refunding') return { kind: 'ignored', why: 'no refund pending' }
  return moved({ status: order.status, phase: 'steady' })
}

/** The take window is over and nobody took the order (T25). The maker is told, unlike in the reference. */
export function decideWindowOver(order: Order): Decision {
  if (order.status !== 'pending' || order.phase !== 'steady') return { kind: 'ignored', why: 'not open' }
  return moved({ status: 'expired', phase: 'steady' }, say(order.maker.pubkey, 'canceled'))
}

/** Who owes the next act of a waiting order. */
export function dutySide(order: WaitingOrder): 'buyer' | 'seller' {
  return order.status === 'waiting-payment' ? 'seller' : 'buyer'
}

/**
 * A duty is over (T17, T18). The maker's fault ends the order, the taker's puts it back on the book. The caller has
 * asked LND first: an escrow that turns out to be paid is an acceptance, not a timeout (money-path.md 4.1 A4).
 */
export function decideDutyOver(order: Order, escrow: EscrowStanding): Decision {
  if ((order.status !== 'waiting-payment' && order.status !== 'waiting-buyer-invoice') || order.phase !== 'steady')
    return { kind: 'ignored', why: 'nobody owes an act' }
  if (dutySide(order) === makerSide(order)) {
    return moved(
      { status: 'canceled', phase: escrow === 'held' ? 'refunding' : 'steady', duty: 'clear' },
      ...endEscrow(escrow, 'duty-over'),
      say(order.maker.pubkey, 'canceled'),
      say(order.take.taker.pubkey, 'canceled'),
    )
  }
  return moved(
    { status: 'pending', phase: 'steady', take: null, duty: 'clear' },
    ...endEscrow(escrow, 'duty-over'),
    ...backToBook(order, false),
  )
}

/** LND reports the escrow cancelled and we did not decide it (DEC-09, DEC-10, C-12). */
export function decideEscrowGone(order: Order, facts: { readonly reissues: number }): Decision {
  switch (order.status) {
    case 'waiting-payment':
      if (order.phase !== 'steady' || facts.reissues > 0) return { kind: 'ignored', why: 'the duty ends by its clock' }
      return moved(
        { status: 'waiting-payment', phase: 'steady' },
        { kind: 'plan-escrow', amountMsat: escrowMsat(order.take), answers: false },
      )
    case 'waiting-buyer-invoice':
    case 'active':
      if (order.phase !== 'steady') return { kind: 'ignored', why: 'something is under way' }
      return moved(
        { status: 'canceled', phase: 'steady', duty: 'clear' },
        ...tellBothEscrowGone(order),
        say(order.maker.pubkey, 'canceled'),
        say(order.take.taker.pubkey, 'canceled'),
        alertLost(order, `LND cancelled the escrow of an order in ${order.status}`),
      )
    case 'fiat-sent':
    case 'dispute':
      if (order.phase === 'review') return { kind: 'ignored', why: 'in review' }
      return moved(
        { status: order.status, phase: 'review' },
        ...tellBothEscrowGone(order),
        alertLost(order, `LND cancelled the escrow of an order in ${order.status}`),
      )
    case 'waiting-maker-bond':
    case 'pending':
    case 'waiting-taker-bond':
    case 'settled-hold-invoice':
    case 'success':
    case 'canceled':
    case 'cooperatively-canceled':
    case 'canceled-by-admin':
    case 'expired':
      return { kind: 'ignored', why: 'no escrow is expected' }
  }
}

/**
 * Far too much arrived (DEC-26): it goes back, and the payer is asked again. The duty stays the same one: a payer who
 * overpays again and again gains no time.
 */
export function decideOverpaid(order: Order): Decision {
  if (order.status !== 'waiting-payment' || order.phase !== 'steady') return { kind: 'ignored', why: 'not waiting' }
  return moved(
    { status: 'waiting-payment', phase: 'steady' },
    { kind: 'cancel-escrow', why: 'overpaid' },
    { kind: 'plan-escrow', amountMsat: escrowMsat(order.take), answers: false },
    {
      kind: 'alert',
      key: `overpaid:${order.id}`,
      severity: 1,
      detail: 'a seller overpaid by more than 1 %: sent back',
    },
  )
}

/** The escrow nears the height at which LND refunds it by itself (DEC-30, without disputes). */
export function decideHeightMargin(order: Order): Decision {
  if ((order.status !== 'active' && order.status !== 'waiting-buyer-invoice') || order.phase !== 'steady')
    return { kind: 'ignored', why: 'nothing that the guard may end' }
  return moved(
    { status: 'canceled', phase: 'refunding', duty: 'clear' },
    { kind: 'cancel-escrow', why: 'height-guard' },
    say(order.maker.pubkey, 'canceled'),
    say(order.take.taker.pubkey, 'canceled'),
  )
}

/**
 * A person looked at an order in review and ends it. The caller has checked that it is true: `success` only when the buyer
 * was paid, `canceled` only when nothing was settled (DEC-39).
 */
export function decideOperatorEnds(order: Order, as: 'canceled' | 'success'): Decision {
  if (order.phase !== 'review') return { kind: 'ignored', why: 'not in review' }
  const { take } = order
  if (as === 'success') {
    if (take === null) return { kind: 'ignored', why: 'nobody took it' }
    const buyer = partyOf({ ...order, take }, 'buyer').pubkey
    return moved(
      { status: 'success', phase: 'steady', duty: 'clear' },
      say(buyer, 'purchase-completed'),
      say(buyer, 'rate'),
    )
  }
  return moved(
    { status: 'canceled', phase: 'steady', duty: 'clear' },
    { kind: 'cancel-escrow', why: 'order-ended' },
    say(order.maker.pubkey, 'canceled'),
    ...(take === null ? [] : [say(take.taker.pubkey, 'canceled')]),
  )
}
