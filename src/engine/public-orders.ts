/** The public event that an order should have: wanted in the transaction that changes the order, sent by a runner. */
import type { OutboxPubRow } from '../adapters/sqlite/schema.ts'
import { assert } from '../core/assert.ts'
import { msatToSats } from '../core/money.ts'
import { type Order, takeOf } from '../core/order/order.ts'
import { offeredMsat } from '../core/order/view.ts'
import type { EventTemplate } from '../core/protocol.ts'
import { KIND_ORDER, orderEvent, type PublicOrder, publicStatus } from '../wire/public-events.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { reputationOf } from './reputation.ts'

/** Pending orders and the info event are published again after this long: clients read 48 h back (DEC-41). */
export const REFRESH_S = 86_400

const DAY_S = 86_400

/** A wanted event without its time, which is stamped when it is sent. */
export type WantedBody = Pick<EventTemplate, 'kind' | 'tags' | 'content'>

/** Reads a stored body. */
export function wantedBody(json: string): WantedBody {
  const value: unknown = JSON.parse(json)
  assert(typeof value === 'object' && value !== null && 'kind' in value && 'tags' in value, 'a wanted event')
  return value as WantedBody
}

/** The name of an addressable event: kind:pubkey:d. */
export const coordinate = (ctx: Ctx, kind: number, d: string): string => `${kind}:${ctx.key.pubkey}:${d}`

/** The chains that the node is on, for public tags; empty before Lightning was met. */
export function networksOf(tx: Pick<Tx, 'store'>): readonly string[] {
  const row = tx.store.get<{ network: string }>('SELECT network FROM ln_node LIMIT 1')
  return row === undefined ? [] : [row.network]
}

/** The expiration tag in a body's JSON; within a text its quotes would be escaped. */
const EXPIRATION = /\["expiration","\d+"\]/

const withoutExpiration = (json: string): string => json.replace(EXPIRATION, '[]')

/** Wants an event, unless the same is wanted already (its retention time aside). `refresh`: again every 24 h. */
export function wantEvent(ctx: Ctx, tx: Tx, coord: string, body: WantedBody, refresh: boolean): void {
  const current = tx.store.get<OutboxPubRow>('SELECT * FROM outbox_pub WHERE coord = :coord', { coord })
  const json = JSON.stringify(body)
  const same = current !== undefined && withoutExpiration(current.body) === withoutExpiration(json)
  if (same && (current.refresh_at !== null) === refresh) return
  tx.s.pub_want({ coord, body: json, now: tx.nowS, refresh_at: refresh ? tx.nowS + REFRESH_S : null })
  tx.after(ctx.poke.broadcaster)
}

/** Wants the event that shows the order as it now is; nothing where its status is not published. */
export function wantOrder(ctx: Ctx, tx: Tx, order: Order): void {
  const view = publicView(ctx, tx, order)
  if (view === null) return
  const { kind, tags, content } = orderEvent(view, nodeIdentity(ctx), 0)
  wantEvent(ctx, tx, coordinate(ctx, KIND_ORDER, order.id), { kind, tags, content }, view.status === 'pending')
}

/** Who signs our public events. */
export const nodeIdentity = (ctx: Ctx) => ({ pubkey: ctx.key.pubkey, instanceName: ctx.settings.instanceName })

function publicView(ctx: Ctx, tx: Tx, order: Order): PublicOrder | null {
  const status = publicStatus(order.status)
  if (status === null) return null
  // An opening order is still the offer that it was: nothing is shown of a take that may come to nothing (DEC-35).
  const take = order.status === 'pending' ? null : takeOf(order)
  const offered = order.fiat.kind === 'single' ? order.fiat.amount : 0
  const common = {
    id: order.id,
    kind: order.kind,
    fiatCode: order.fiatCode,
    amountSats: msatToSats(take === null ? offeredMsat(order) : take.amountMsat),
    fiatAmount: take === null ? offered : take.fiatAmount,
    paymentMethod: order.paymentMethod,
    premium: order.premium,
    networks: networksOf(tx),
    expiresAtS: order.expiresAtS,
    retainedUntilS: tx.nowS + ctx.settings.retentionDays.order * DAY_S,
  }
  if (status !== 'pending') return { ...common, status }
  const { rating, reviews, operatingDays } = reputationOf(tx, order.maker)
  return {
    ...common,
    status,
    range: order.fiat.kind === 'range' ? { min: order.fiat.min, max: order.fiat.max } : null,
    reputation: { days: Number(operatingDays), totalRating: rating, totalReviews: Number(reviews) },
    relays: ctx.relays.urls(),
  }
}
