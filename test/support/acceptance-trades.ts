/** Steps of a trade, as the acceptance tests' own traders take them. */

import { satsToMsat } from '../../src/core/money.ts'
import type { SimWallet, WalletPayment } from '../../src/sandbox/lightning/control.ts'
import { at, type Heard, type Sent, type Trader } from './trader.ts'
import type { Json } from './trader-json.ts'

export type Offer = {
  readonly kind: 'buy' | 'sell'
  /** 0: market price */
  readonly amount?: number
  readonly fiat?: number
  readonly range?: readonly [min: number, max: number]
  readonly premium?: number
  readonly buyerInvoice?: string
  readonly fiatCode?: string
}

/** An order's payload in the field order of the protocol. */
export function offerPayload({
  kind,
  amount = 50_000,
  fiat = 50,
  range,
  premium = 0,
  buyerInvoice,
  fiatCode = 'USD',
}: Offer): Json {
  return {
    order: {
      kind,
      status: 'pending',
      amount,
      fiat_code: fiatCode,
      min_amount: range?.[0] ?? null,
      max_amount: range?.[1] ?? null,
      fiat_amount: range === undefined ? fiat : 0,
      payment_method: 'face to face',
      premium,
      ...(buyerInvoice === undefined ? {} : { buyer_invoice: buyerInvoice }),
      created_at: null,
      expires_at: null,
    },
  }
}

/** A buyer's invoice or address as a payload. */
export const invoicePayload = (request: string, amount: number | null = null): Json => ({
  payment_request: [null, request, amount],
})

/** One side of a trade. */
export type Side = { readonly trader: Trader; readonly key: number; readonly wallet: SimWallet }

/** A trade and who takes part. */
export type Trade = { readonly id: string; readonly seller: Side; readonly buyer: Side }

/** Sends under this side's key. */
export const say = (side: Side, action: string, id: string, payload: Json = null): Promise<Sent> =>
  side.trader.send(action, { id, payload, key: side.key })

/** Puts an order on the book and gives its id. */
export async function makes(maker: Side, offer: Offer): Promise<string> {
  const sent = await maker.trader.send('new-order', { key: maker.key, payload: offerPayload(offer) })
  const { id } = await maker.trader.answer(sent, 'new-order')
  if (id === null) throw new Error('a new order has an id')
  return id
}

/** The bolt11 of a message that asks to pay. */
export function requestIn(heard: Heard): string {
  const request = at(heard.payload, 'payment_request', 1)
  if (typeof request !== 'string') throw new Error(`${heard.action} without an invoice`)
  return request
}

/** The sats that a message's order is about. */
export function amountIn(heard: Heard): number {
  const amount = at(heard.payload, 'order', 'amount') ?? at(heard.payload, 'payment_request', 0, 'amount')
  if (typeof amount !== 'bigint') throw new Error(`${heard.action} without an amount`)
  return Number(amount)
}

/** An invoice of this side's wallet over so many sats. */
export const invoiceOf = ({ wallet }: Side, amountSats: number): string =>
  wallet.invoice({ amountMsat: satsToMsat(amountSats), expiryS: 86_400 })

/** Pays a hold invoice; resolves when LND has the sats, `end` with how it ended. */
export async function locks({ wallet }: Side, request: string): Promise<{ readonly end: Promise<WalletPayment> }> {
  const { held, end } = await wallet.startPayment(request)
  if (!held) throw new Error(`not held: ${JSON.stringify(await end)}`)
  return { end }
}

/** A sell order that the buyer has taken: he is asked for his invoice. */
export async function takenSell(
  seller: Side,
  buyer: Side,
  offer: Partial<Offer> = {},
): Promise<Trade & { readonly payoutSats: number }> {
  const id = await makes(seller, { kind: 'sell', ...offer })
  const taken = await say(buyer, 'take-sell', id)
  const asked = await buyer.trader.answer(taken, 'add-invoice')
  await seller.trader.expect('waiting-buyer-invoice', { id })
  return { id, seller, buyer, payoutSats: amountIn(asked) }
}

/** A sell order that waits for the seller's sats. */
export async function awaitedSell(
  seller: Side,
  buyer: Side,
  offer: Partial<Offer> = {},
): Promise<Trade & { readonly payoutSats: number; readonly invoice: string; readonly escrow: string }> {
  const trade = await takenSell(seller, buyer, offer)
  const invoice = invoiceOf(buyer, trade.payoutSats)
  const given = await say(buyer, 'add-invoice', trade.id, invoicePayload(invoice))
  await buyer.trader.answer(given, 'waiting-seller-to-pay')
  const pay = await expectPayInvoice(seller, trade.id)
  return { ...trade, invoice, escrow: requestIn(pay) }
}

/** The request to pay; a reputation notice of the same name is no such thing. */
export async function expectPayInvoice(seller: Side, id: string): Promise<Heard> {
  for (;;) {
    const heard = await seller.trader.expect('pay-invoice', { id })
    if (at(heard.payload, 'payment_request') !== undefined) return heard
  }
}

/** A sell order whose sats are locked. */
export async function activeSell(seller: Side, buyer: Side, offer: Partial<Offer> = {}) {
  const trade = await awaitedSell(seller, buyer, offer)
  const { end } = await locks(seller, trade.escrow)
  await buyer.trader.expect('hold-invoice-payment-accepted', { id: trade.id })
  await seller.trader.expect('buyer-took-order', { id: trade.id })
  return { ...trade, escrowEnd: end }
}

/** A sell order whose fiat the buyer has sent. */
export async function fiatSentSell(seller: Side, buyer: Side, offer: Partial<Offer> = {}) {
  const trade = await activeSell(seller, buyer, offer)
  const sent = await say(buyer, 'fiat-sent', trade.id)
  await buyer.trader.answer(sent, 'fiat-sent-ok')
  await seller.trader.expect('fiat-sent-ok', { id: trade.id })
  return trade
}

/** The seller releases, the buyer is paid, both are asked to rate. */
export async function completes({ id, seller, buyer }: Trade, deadlineMs = 15_000): Promise<void> {
  const released = await say(seller, 'release', id)
  await seller.trader.answer(released, 'hold-invoice-payment-settled')
  await seller.trader.expect('rate', { id })
  await buyer.trader.expect('released', { id })
  await buyer.trader.expect('purchase-completed', { id }, deadlineMs)
  await buyer.trader.expect('rate', { id })
}
