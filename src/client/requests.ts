/** What a trader asks of the node: each action's message, and which actions answer it (wire.md 2, trade.md 2). */
import type { Action, Message, OrderKind, OuterKey, Payload, SmallOrder } from '../core/protocol.ts'
import type { KeyPair } from './keys.ts'

/** An order for the book. Amounts are whole numbers. */
export type Offer = {
  readonly kind: OrderKind
  readonly fiatCode: string
  /** one amount, or the bounds between which the taker chooses */
  readonly fiatAmount: number | { readonly min: number; readonly max: number }
  /** sats; absent or 0: market price at the time of the take */
  readonly amountSats?: number
  /** percent on the market price */
  readonly premium?: number
  /** comma-separated, not empty */
  readonly paymentMethod: string
  /** bolt11 or Lightning address where a buyer wants to be paid */
  readonly buyerInvoice?: string
  /** until when it may be taken, unix seconds; the node's own window when absent */
  readonly expiresAtS?: number
}

/** What the node is asked, before it has a key, a request id and a version. */
export type Draft = {
  readonly outer: OuterKey
  readonly action: Action
  readonly id: string | null
  readonly payload: Payload | null
  /** whether the message names the index of its trade key: a new trade begins */
  readonly namesIndex: boolean
  /** which actions answer it; `cant-do` always does */
  readonly replies: readonly Action[]
}

/** A request as it was sent; sending it again asks the very same thing (DEC-05). */
export type TraderRequest = {
  readonly message: Message
  /** index of the trade key that asks */
  readonly tradeIndex: number
  readonly replies: readonly Action[]
}

type DraftOptions = { readonly payload?: Payload | null; readonly namesIndex?: boolean; readonly outer?: OuterKey }

const draft = (action: Action, id: string | null, replies: readonly Action[], options: DraftOptions = {}): Draft => ({
  outer: 'order',
  payload: null,
  namesIndex: false,
  action,
  id,
  replies,
  ...options,
})

const bigOrNull = (value: number | undefined): bigint | null => (value === undefined ? null : BigInt(value))

function smallOrder(offer: Offer): SmallOrder {
  const range = typeof offer.fiatAmount === 'number' ? null : offer.fiatAmount
  return {
    id: null,
    kind: offer.kind,
    status: 'pending',
    amount: BigInt(offer.amountSats ?? 0),
    fiatCode: offer.fiatCode,
    minAmount: bigOrNull(range?.min),
    maxAmount: bigOrNull(range?.max),
    fiatAmount: typeof offer.fiatAmount === 'number' ? BigInt(offer.fiatAmount) : 0n,
    paymentMethod: offer.paymentMethod,
    premium: BigInt(offer.premium ?? 0),
    buyerTradePubkey: null,
    sellerTradePubkey: null,
    buyerInvoice: offer.buyerInvoice ?? null,
    createdAt: 0n,
    expiresAt: bigOrNull(offer.expiresAtS),
  }
}

const paymentRequest = (request: string, amount: number | undefined): Payload => ({
  kind: 'payment_request',
  order: null,
  request,
  amount: bigOrNull(amount),
})

const nextTrade = (key: KeyPair | null): Payload | null =>
  key === null ? null : { kind: 'next_trade', pubkey: key.pubkey, index: key.index }

export const drafts = {
  newOrder: (offer: Offer): Draft =>
    draft('new-order', null, ['new-order', 'pay-bond-invoice'], {
      payload: { kind: 'order', order: smallOrder(offer) },
      namesIndex: true,
    }),

  takeSell(orderId: string, fiatAmount: number | undefined, invoice: string | undefined): Draft {
    const amount: Payload | null = fiatAmount === undefined ? null : { kind: 'amount', amount: BigInt(fiatAmount) }
    const payload = invoice === undefined ? amount : paymentRequest(invoice, fiatAmount)
    const replies = ['add-invoice', 'waiting-seller-to-pay', 'pay-bond-invoice'] as const
    return draft('take-sell', orderId, replies, { payload, namesIndex: true })
  },

  takeBuy: (orderId: string, fiatAmount: number | undefined): Draft =>
    draft('take-buy', orderId, ['pay-invoice', 'pay-bond-invoice'], {
      payload: fiatAmount === undefined ? null : { kind: 'amount', amount: BigInt(fiatAmount) },
      namesIndex: true,
    }),

  addInvoice(orderId: string, invoice: string, amountSats: number | undefined): Draft {
    const replies = ['waiting-seller-to-pay', 'hold-invoice-payment-accepted', 'invoice-updated'] as const
    return draft('add-invoice', orderId, replies, { payload: paymentRequest(invoice, amountSats) })
  },

  addBondInvoice: (orderId: string, invoice: string): Draft =>
    draft('add-bond-invoice', orderId, ['bond-invoice-accepted'], { payload: paymentRequest(invoice, undefined) }),

  fiatSent: (orderId: string, next: KeyPair | null): Draft =>
    draft('fiat-sent', orderId, ['fiat-sent-ok'], { payload: nextTrade(next) }),

  release: (orderId: string, next: KeyPair | null): Draft =>
    draft('release', orderId, ['hold-invoice-payment-settled'], { payload: nextTrade(next) }),

  cancel: (orderId: string): Draft =>
    draft('cancel', orderId, ['canceled', 'cooperative-cancel-initiated-by-you', 'cooperative-cancel-accepted']),

  dispute: (orderId: string): Draft => draft('dispute', orderId, ['dispute-initiated-by-you']),

  rateUser: (orderId: string, rating: number): Draft =>
    draft('rate-user', orderId, ['rate-received'], { payload: { kind: 'rating_user', rating } }),

  tradePubkey: (orderId: string): Draft => draft('trade-pubkey', orderId, ['trade-pubkey']),

  orders: (ids: readonly string[]): Draft => draft('orders', null, ['orders'], { payload: { kind: 'ids', ids } }),

  restoreSession: (): Draft => draft('restore-session', null, ['restore-session'], { outer: 'restore' }),

  lastTradeIndex: (): Draft => draft('last-trade-index', null, ['last-trade-index'], { outer: 'restore' }),
} as const

/** A notice about the taker's reputation: it looks like a request for an invoice, and is none (wire.md 3.2). */
export const isReputationNotice = ({ action, payload }: Message): boolean =>
  (action === 'add-invoice' || action === 'pay-invoice') && payload?.kind === 'peer'

/**
 * Whether a message to the asking key is the direct answer. The request id decides; where the protocol echoes none, or
 * none was sent, action and order do.
 */
export function answers(request: TraderRequest, message: Message): boolean {
  const { id, requestId } = request.message
  if (message.action !== 'cant-do' && !request.replies.includes(message.action)) return false
  if (isReputationNotice(message)) return false
  if (message.requestId !== null) return message.requestId === requestId
  if (requestId !== null && message.action !== 'restore-session') return false
  return id === null || message.id === null || message.id === id
}
