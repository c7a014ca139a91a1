/** Rows of the database as the core's types, and back. A row that breaks a rule of its state is a bug: assert. */
import type { HoldRow, OrderRow } from '../adapters/sqlite/schema.ts'
import type { OrderChange as Columns, Store } from '../adapters/sqlite/store.ts'
import { assert } from '../core/assert.ts'
import { msat, ZERO_MSAT } from '../core/money.ts'
import type { OrderChange } from '../core/order/decision.ts'
import type { EscrowStanding } from '../core/order/ending.ts'
import type { Destination, Duty, Fiat, NextTrade, Offer, Order, Take } from '../core/order/order.ts'

/** Destinations as stored: version, kind, text. */
export function destinationJson(destination: Destination | null): string | null {
  if (destination === null) return null
  const text = destination.kind === 'bolt11' ? { request: destination.request } : { address: destination.address }
  return JSON.stringify({ v: 1, kind: destination.kind, ...text })
}

/** Reads {@link destinationJson} back. */
export function destinationFrom(json: string | null): Destination | null {
  if (json === null) return null
  const value: unknown = JSON.parse(json)
  assert(typeof value === 'object' && value !== null && 'v' in value && value.v === 1, 'a destination of version 1')
  if ('request' in value && typeof value.request === 'string') return { kind: 'bolt11', request: value.request }
  assert('address' in value && typeof value.address === 'string', 'a destination has a request or an address')
  return { kind: 'address', address: value.address }
}

function offerFrom(row: OrderRow): Offer {
  const fiat: Fiat =
    row.min_amount !== null && row.max_amount !== null
      ? { kind: 'range', min: row.min_amount, max: row.max_amount }
      : { kind: 'single', amount: row.fiat_amount }
  return {
    id: row.id,
    kind: row.kind,
    maker: { pubkey: row.maker_pubkey, identity: row.maker_identity, tradeIndex: row.maker_index },
    price: row.price_from_api === 1 ? { kind: 'market' } : { kind: 'fixed', amountMsat: msat(row.amount_msat) },
    fiat,
    fiatCode: row.fiat_code,
    paymentMethod: row.payment_method,
    premium: row.premium,
    makerDestination: destinationFrom(row.maker_destination),
    rangeParent: row.range_parent,
    createdAtS: row.created_at,
    expiresAtS: row.expires_at,
    version: row.version,
  }
}

function takeFrom(row: OrderRow): Take | null {
  if (row.taker_pubkey === null) return null
  assert(row.taker_identity !== null && row.taken_at !== null, `order ${row.id}: a take has an identity and a time`)
  return {
    taker: { pubkey: row.taker_pubkey, identity: row.taker_identity, tradeIndex: row.taker_index },
    fiatAmount: row.fiat_amount,
    amountMsat: msat(row.amount_msat),
    feeMsat: msat(row.fee_msat),
    devFeeMsat: msat(row.dev_fee_msat),
    takenAtS: row.taken_at,
    buyerDestination: destinationFrom(row.buyer_destination),
  }
}

function nextTradeFrom(row: OrderRow): NextTrade | null {
  return row.next_trade_pubkey === null || row.next_trade_index === null
    ? null
    : { pubkey: row.next_trade_pubkey, index: row.next_trade_index }
}

/** An order's row as its state. */
export function orderFrom(row: OrderRow): Order {
  const offer = offerFrom(row)
  const take = takeFrom(row)
  const { status, phase } = row
  if (phase === 'review') return { ...offer, status, phase, take }
  switch (status) {
    case 'pending':
      if (phase === 'steady') return { ...offer, status, phase }
      assert(phase === 'opening' && take !== null, `order ${row.id}: opening with a take`)
      return { ...offer, status, phase, take }
    case 'waiting-buyer-invoice':
    case 'waiting-payment': {
      assert(phase === 'steady' || phase === 'opening' || phase === 'timing-out', `order ${row.id}: ${status}/${phase}`)
      assert(take !== null, `order ${row.id}: waiting with a take`)
      const duty: Duty = {
        epoch: row.duty_epoch,
        anchorAtS: row.duty_anchor_at ?? row.taken_at ?? 0,
        okAtS: row.duty_ok_at,
      }
      return { ...offer, status, phase, take, duty }
    }
    case 'active':
    case 'fiat-sent':
    case 'dispute':
      assert(
        phase === 'steady' || phase === 'releasing' || phase === 'resolving',
        `order ${row.id}: ${status}/${phase}`,
      )
      assert(take !== null, `order ${row.id}: ${status} with a take`)
      return { ...offer, status, phase, take, cancelInitiator: row.cancel_initiator, nextTrade: nextTradeFrom(row) }
    case 'settled-hold-invoice':
    case 'success':
      assert(phase === 'steady' && take !== null, `order ${row.id}: ${status}/${phase} with a take`)
      return { ...offer, status, phase, take }
    case 'canceled':
    case 'cooperatively-canceled':
    case 'canceled-by-admin':
    case 'expired':
      assert(phase === 'steady' || phase === 'refunding', `order ${row.id}: ${status}/${phase}`)
      return { ...offer, status, phase, take }
    case 'waiting-maker-bond':
    case 'waiting-taker-bond':
      assert(phase === 'steady' || phase === 'opening', `order ${row.id}: ${status}/${phase}`)
      return { ...offer, status, phase }
  }
}

/** The row of an order, or undefined. */
export function orderRow(store: Store, id: string): OrderRow | undefined {
  return store.get<OrderRow>('SELECT * FROM orders WHERE id = :id', { id })
}

/** An order by id, or null. */
export function loadOrder(store: Store, id: string): Order | null {
  const row = orderRow(store, id)
  return row === undefined ? null : orderFrom(row)
}

/** The columns that a decided change sets. */
export function columnsOf(order: Order, change: OrderChange, nowS: number): Columns {
  return {
    ...(change.take === undefined ? {} : change.take === null ? undoneColumns(order) : takeColumns(change.take)),
    ...(change.buyerDestination === undefined ? {} : { buyer_destination: destinationJson(change.buyerDestination) }),
    ...(change.cancelInitiator === undefined ? {} : { cancel_initiator: change.cancelInitiator }),
    ...(change.nextTrade === undefined
      ? {}
      : { next_trade_pubkey: change.nextTrade.pubkey, next_trade_index: change.nextTrade.index }),
    ...(change.makerPubkey === undefined ? {} : { maker_pubkey: change.makerPubkey }),
    ...(change.duty === 'start' ? { duty_epoch: 'next' as const, duty_anchor_at: nowS, duty_ok_at: null } : {}),
    ...(change.duty === 'clear' ? { duty_anchor_at: null, duty_ok_at: null } : {}),
    ...(change.status === 'settled-hold-invoice' && order.status !== 'settled-hold-invoice'
      ? { settled_at: nowS }
      : {}),
  }
}

function takeColumns(take: Take): Columns {
  return {
    taker_pubkey: take.taker.pubkey,
    taker_identity: take.taker.identity,
    taker_index: take.taker.tradeIndex,
    fiat_amount: take.fiatAmount,
    amount_msat: take.amountMsat,
    fee_msat: take.feeMsat,
    dev_fee_msat: take.devFeeMsat,
    taken_at: take.takenAtS,
    buyer_destination: destinationJson(take.buyerDestination),
  }
}

/** The offer as it was before the take; what its maker gave at creation survives. */
function undoneColumns(order: Order): Columns {
  return {
    taker_pubkey: null,
    taker_identity: null,
    taker_index: null,
    ...(order.fiat.kind === 'range' ? { fiat_amount: 0 } : {}),
    ...(order.price.kind === 'market' ? { amount_msat: ZERO_MSAT } : {}),
    fee_msat: ZERO_MSAT,
    dev_fee_msat: ZERO_MSAT,
    taken_at: null,
    buyer_destination: null,
    cancel_initiator: null,
  }
}

/** The escrow hold of an order that is neither given back nor being given back, or undefined. */
export function currentEscrow(store: Store, orderId: string): HoldRow | undefined {
  return store.get<HoldRow>(
    `SELECT * FROM hold WHERE order_id = :orderId AND purpose = 'escrow' AND decision <> 'cancel'
        AND (final IS NULL OR final = 'settled')`,
    { orderId },
  )
}

/** A hold by payment hash. */
export function holdRow(store: Store, hash: string): HoldRow | undefined {
  return store.get<HoldRow>('SELECT * FROM hold WHERE hash = :hash', { hash })
}

/** What the decisions of traders and timers need to know of an order's escrow. */
export function escrowStanding(store: Store, orderId: string): EscrowStanding {
  const hold = currentEscrow(store, orderId)
  if (hold === undefined) return 'none'
  return hold.rank >= 2 ? 'held' : 'unpaid'
}
