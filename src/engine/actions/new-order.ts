/** new-order (trade.md 2.1; W11, W41 to W43). */
import { MSAT_MAX, type Msat, satsToMsat, subMsat, ZERO_MSAT } from '../../core/money.ts'
import { checkTerms, type Terms, withinLimits } from '../../core/order/create.ts'
import { newOrderView } from '../../core/order/view.ts'
import { feePerPartyMsat, quoteMsat } from '../../core/pricing.ts'
import type { CantDoReason, SmallOrder } from '../../core/protocol.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { payoutOwner } from '../invoices.ts'
import { wantOrder } from '../public-orders.ts'
import { destinationJson, orderFrom } from '../rows.ts'
import { answerRequest, queueMessage } from '../say.ts'
import { type ActionHandler, causeOf, DONE, drop, openRequest, originOf, type Request, refuse } from './action.ts'
import { type AddressProbe, admitDestination, checkDestination, probeDestination } from './destination.ts'
import { checkTradeIndex, lacksIndex } from './trade-index.ts'

function asked(request: Request): SmallOrder | null {
  const { payload } = request.inbound.message
  return payload?.kind === 'order' ? payload.order : null
}

/** What a buyer would be paid for fixed sats; null with a market price, where only the take knows (W11). */
function payoutOf(ctx: Ctx, order: SmallOrder): Msat | null {
  if (order.amount <= 0n || order.amount > BigInt(MSAT_MAX) / 1000n) return null
  const amountMsat = satsToMsat(Number(order.amount))
  const fee = feePerPartyMsat(amountMsat, ctx.settings.feeRate)
  return amountMsat > fee ? subMsat(amountMsat, fee) : ZERO_MSAT
}

/** The destination that the maker of a buy order gives; what a seller writes there has no meaning. */
const givenDestination = (order: SmallOrder): string | null => (order.kind === 'sell' ? null : order.buyerInvoice)

/** Check 7: every amount that could be traded lies within the limits; a market price is quoted without premium. */
function limitsRefusal(ctx: Ctx, terms: Terms, now: number): CantDoReason | null {
  const { settings } = ctx
  if (terms.price.kind === 'fixed')
    return withinLimits(terms.price.amountMsat, settings.order) ? null : 'out_of_range_sats_amount'
  const rate = ctx.rates.rate(terms.fiatCode, now, settings.maxPriceStalenessS)
  if (!rate.ok) return rate.error === 'price-too-stale' ? 'price_too_stale' : 'invalid_parameters'
  const amounts = terms.fiat.kind === 'single' ? [terms.fiat.amount] : [terms.fiat.min, terms.fiat.max]
  for (const fiat of amounts) {
    const quote = quoteMsat(fiat, rate.value, 0)
    if (!quote.ok || !withinLimits(quote.value, settings.order)) return 'out_of_range_sats_amount'
  }
  return null
}

function openOrders(tx: Tx, identity: string): number {
  const row = tx.store.get<{ n: number }>(
    `SELECT COUNT(*) AS n FROM orders WHERE maker_identity = :identity AND status = 'pending'
        AND status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')`,
    { identity },
  )
  return row?.n ?? 0
}

export const newOrder: ActionHandler<AddressProbe> = {
  mutation: true,

  prepare(ctx, request, tools) {
    const order = asked(request)
    return order === null ? null : probeDestination(ctx, givenDestination(order), payoutOf(ctx, order), tools)
  },

  handle(ctx, tx, request, probe) {
    const order = asked(request)
    if (order === null) return drop('a new order without an order')
    const { inbound } = request
    const gate = checkTradeIndex(tx, inbound)
    if (gate.kind === 'stale') return refuse('invalid_trade_index')
    // An order id is derived from the event: a replay after a restore meets the same order.
    const id = ctx.seed.orderId(inbound.innerId)
    const text = givenDestination(order)
    const amountMsat = payoutOf(ctx, order)
    if (text !== null && !checkDestination(ctx, text, amountMsat, probe).ok) return refuse('invalid_invoice')
    const checked = checkTerms(order, ctx.settings.order, tx.nowS)
    if (!checked.ok) return refuse(checked.error)
    const terms = checked.value
    const reason = limitsRefusal(ctx, terms, tx.nowS)
    if (reason !== null) return refuse(reason)
    if (lacksIndex(inbound, gate.index)) return refuse('invalid_trade_index')
    if (openOrders(tx, inbound.identity) >= ctx.settings.limits.openOrdersPerIdentity)
      return refuse('too_many_requests')
    const fullPrivacy = inbound.identity === inbound.sender
    const destination =
      text === null
        ? null
        : admitDestination(ctx, tx, text, { amountMsat, owner: payoutOwner(id), payee: inbound.sender, probe })
    if (text !== null && destination === null) return refuse('invalid_invoice')
    const inserted = tx.store.insertOrder({
      id,
      kind: terms.kind,
      status: 'pending',
      phase: 'steady',
      maker_pubkey: inbound.sender,
      maker_identity: inbound.identity,
      maker_index: gate.index ?? (fullPrivacy ? 0 : null),
      fiat_code: terms.fiatCode,
      fiat_amount: terms.fiat.kind === 'single' ? terms.fiat.amount : 0,
      min_amount: terms.fiat.kind === 'range' ? terms.fiat.min : null,
      max_amount: terms.fiat.kind === 'range' ? terms.fiat.max : null,
      payment_method: terms.paymentMethod,
      premium: terms.premium,
      price_from_api: terms.price.kind === 'market' ? 1 : 0,
      amount_msat: terms.price.kind === 'market' ? ZERO_MSAT : terms.price.amountMsat,
      maker_destination: destinationJson(destination),
      created_at: tx.nowS,
      expires_at: terms.expiresAtS,
    })
    if (inserted === undefined) return drop('this order exists')
    openRequest(tx, request, id)
    if (!fullPrivacy && gate.index !== null)
      tx.s.index_burn({ identity: inbound.identity, index: gate.index, now: tx.nowS })
    const made = orderFrom(inserted)
    const origin = originOf(request)
    const answer = queueMessage(ctx, tx, causeOf(request), {
      to: inbound.sender,
      action: 'new-order',
      payload: { kind: 'order', order: newOrderView(made) },
      requestId: origin.requestId,
      tradeIndex: made.maker.tradeIndex,
      id,
      asks: false,
      lane: 0,
      orderId: id,
      obligationId: null,
    })
    answerRequest(tx, origin, answer)
    wantOrder(ctx, tx, made)
    tx.after(() => ctx.log.info('order made', { order: id, kind: terms.kind, fiat: terms.fiatCode }))
    return DONE
  },
}
