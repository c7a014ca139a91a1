/** Planning what is to be done with an order's escrow: hold rows and intents, in the transaction of the decision. */
import type { HoldRow, OpKind } from '../../adapters/sqlite/schema.ts'
import { assert } from '../../core/assert.ts'
import type { Msat } from '../../core/money.ts'
import type { CancelWhy, SettleWhy } from '../../core/order/decision.ts'
import type { Order } from '../../core/order/order.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { currentEscrow, holdRow } from '../rows.ts'
import { type Origin, type OriginJson, originJson } from '../say.ts'
import { memoTail } from '../seed.ts'

/** Parameters of a hold's intents, complete: a retry needs nothing else. */
export type HoldParams = { readonly v: 1; readonly origin: OriginJson | null }

/** Reads an intent's parameters. */
export function holdParams(json: string): HoldParams {
  const value: unknown = JSON.parse(json)
  assert(typeof value === 'object' && value !== null && 'v' in value && value.v === 1, 'hold parameters of version 1')
  return value as HoldParams
}

/** Longest memo of a hold invoice in bytes (BOLT 11 description). */
const MEMO_MAX_BYTES = 639

function escrowMemo(order: Order, tail: string): string {
  const fiat = 'take' in order && order.take !== null ? `${order.fiatCode} ${order.take.fiatAmount}` : order.fiatCode
  const text = `Escrow for order ${order.id}: SELL BTC for ${fiat}. Your sats are frozen until the trade ends.`
  return text.slice(0, MEMO_MAX_BYTES - Buffer.byteLength(tail)) + tail
}

/** The Lightning node whose holds we make: the one that this data directory has met; null before the first meeting. */
export function ourNode(tx: Tx): string | null {
  const row = tx.store.get<{ node_pubkey: string }>('SELECT node_pubkey FROM ln_node LIMIT 1')
  return row?.node_pubkey ?? null
}

/**
 * Plans an escrow invoice (money-path.md 4.1 A1). `answers`: it is the first hold of a request, which must be answered
 * within the deadline. The invoice lives as long as the duty that it serves (DEC-09).
 */
export function planEscrow(
  ctx: Ctx,
  tx: Tx,
  order: Order,
  wanted: { readonly amountMsat: Msat; readonly answers: boolean; readonly origin: Origin | null },
): void {
  const node = ourNode(tx)
  assert(node !== null, 'an escrow is planned only after Lightning was met')
  const { counter } = tx.s.hold_counter({ now_ms: tx.nowMs })
  const hash = ctx.seed.hash('escrow', counter)
  const epochs = tx.store.get<{ n: number }>(
    `SELECT COALESCE(MAX(epoch), 0) AS n FROM hold WHERE order_id = :id AND purpose = 'escrow'`,
    { id: order.id },
  )
  const planned = tx.s.hold_plan({
    hash,
    purpose: 'escrow',
    counter,
    order_id: order.id,
    bond_id: null,
    epoch: (epochs?.n ?? 0) + 1,
    amount_msat: wanted.amountMsat,
    cltv_delta: ctx.settings.holdCltvDelta,
    life_s: ctx.settings.dutyS + 60,
    memo: escrowMemo(order, memoTail(ctx.seed.marker(), 'escrow', counter)),
    request_key: wanted.origin?.requestKey ?? null,
    answer_by: wanted.answers ? tx.nowS + Math.ceil(ctx.settings.answerDeadlineMs / 1000) : null,
    node,
    now: tx.nowS,
  })
  assert(planned !== undefined, `order ${order.id}: a hold of this epoch exists`)
  const params: HoldParams = { v: 1, origin: originJson(wanted.origin) }
  const op = tx.s.op_plan_hold({
    id: `hold_create:${hash}`,
    kind: 'hold_create',
    hash,
    node,
    params: JSON.stringify(params),
    now: tx.nowS,
  })
  assert(op !== undefined, `hold ${hash}: its create was planned before`)
  tx.after(ctx.poke.executor)
}

/**
 * Decides that an order's escrow is given back, and plans the cancel. Does nothing when there is no escrow that could
 * be; answers whether LND still has to be told.
 */
export function cancelEscrow(
  ctx: Ctx,
  tx: Tx,
  orderId: string,
  why: CancelWhy,
  by: string,
): 'nothing' | 'void' | 'planned' {
  const hold = currentEscrow(tx.store, orderId)
  if (hold === undefined) return 'nothing'
  return cancelHold(ctx, tx, hold, why, by)
}

/** Decides cancel for one hold (money-path.md 4.1 A4). */
export function cancelHold(
  ctx: Ctx,
  tx: Tx,
  hold: HoldRow,
  why: CancelWhy,
  by: string,
): 'nothing' | 'void' | 'planned' {
  const decided = tx.s.decide_cancel({ hash: hold.hash, now: tx.nowS, by, why: JSON.stringify({ v: 1, reason: why }) })
  if (decided === undefined) return 'nothing'
  if (tx.s.create_void({ hash: hold.hash }) !== undefined) {
    tx.s.hold_final({ hash: hold.hash, final: 'canceled', msat: null, settle_index: null, now: tx.nowS })
    return 'void'
  }
  const params: HoldParams = { v: 1, origin: null }
  tx.s.op_plan_hold({
    id: `hold_cancel:${hold.hash}`,
    kind: 'hold_cancel',
    hash: hold.hash,
    node: hold.node_pubkey,
    params: JSON.stringify(params),
    now: tx.nowS,
  })
  tx.after(ctx.poke.executor)
  return 'planned'
}

/** Decides that an order's escrow is taken, and plans the settle. Throws when nothing is held: the caller checked. */
export function settleEscrow(
  ctx: Ctx,
  tx: Tx,
  orderId: string,
  why: SettleWhy,
  by: string,
  origin: Origin | null,
): HoldRow {
  const hold = currentEscrow(tx.store, orderId)
  assert(hold !== undefined, `order ${orderId}: nothing to settle`)
  const decided = tx.s.decide_settle({ hash: hold.hash, now: tx.nowS, by, why: JSON.stringify(why) })
  assert(decided !== undefined, `order ${orderId}: its escrow is not held or already decided`)
  const params: HoldParams = { v: 1, origin: originJson(origin) }
  tx.s.op_plan_hold({
    id: `hold_settle:${hold.hash}`,
    kind: 'hold_settle',
    hash: hold.hash,
    node: hold.node_pubkey,
    params: JSON.stringify(params),
    now: tx.nowS,
  })
  tx.after(ctx.poke.executor)
  return hold
}

/** Reads a frozen settle decision. */
export function settleWhy(hold: HoldRow): SettleWhy {
  assert(hold.decided_why !== null, `hold ${hold.hash}: a decision has its reason`)
  const value: unknown = JSON.parse(hold.decided_why)
  assert(
    typeof value === 'object' && value !== null && 'v' in value && value.v === 1 && 'payoutMsat' in value,
    'a settle decision of version 1',
  )
  return value as SettleWhy
}

/** The request that a hold's intent answers. */
export function originOfOp(tx: Tx, opId: string): OriginJson | null {
  const row = tx.store.get<{ params: string }>('SELECT params FROM ln_op WHERE id = :id', { id: opId })
  return row === undefined ? null : holdParams(row.params).origin
}

/** Makes sure that a hold which was decided `cancel` and is alive at LND is being cancelled (money-path.md 3.7). */
export function ensureCancel(ctx: Ctx, tx: Tx, hash: string): void {
  const hold = holdRow(tx.store, hash)
  if (hold === undefined || hold.decision !== 'cancel') return
  const params: HoldParams = { v: 1, origin: null }
  tx.s.op_plan_hold({
    id: `hold_cancel:${hash}`,
    kind: 'hold_cancel',
    hash,
    node: hold.node_pubkey,
    params: JSON.stringify(params),
    now: tx.nowS,
  })
  tx.s.cancel_again({ hash, now: tx.nowS })
  tx.after(ctx.poke.executor)
}

/** An intent is in effect: what was said about its slowness or refusal is resolved by this fact. Repeat: safe. */
export function intentDone(tx: Tx, id: string, kind: OpKind, result: Readonly<Record<string, unknown>>): boolean {
  const done = tx.s.op_done({ id, result: JSON.stringify({ v: 1, ...result }) }) !== undefined
  tx.s.alert_close({ key: `slow:${id}`, now: tx.nowS })
  if (done) tx.s.alert_close({ key: `lightning-refused:${kind}`, now: tx.nowS })
  return done
}
