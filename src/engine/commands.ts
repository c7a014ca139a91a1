/**
 * What an operator may tell the engine to do. A command is a row that waits for the engine, so that it enters by the same
 * door as everything else and survives a restart; it is carried out once.
 */
import type { Store } from '../adapters/sqlite/store.ts'
import { decideOperatorEnds } from '../core/order/ending.ts'
import { applyDecision } from './apply.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { payoutOwner } from './invoices.ts'
import { loadOrder } from './rows.ts'
import { Cause } from './say.ts'

/** How an order in review ends. */
export type OrderEnd = 'canceled' | 'success'

const PREFIX = 'command:end-order:'

/**
 * Why an order can not be ended so, or null when it can: an operator may not tell traders what is not true.
 * Only reads.
 */
export function refusalToEnd(store: Store, orderId: string, as: OrderEnd): string | null {
  const order = loadOrder(store, orderId)
  if (order === null) return `no order ${orderId}`
  if (order.phase !== 'review') return `order ${orderId} is ${order.status}/${order.phase}, not in review`
  const settled = store.get(
    `SELECT 1 FROM hold WHERE order_id = :orderId AND purpose = 'escrow' AND final = 'settled'`,
    { orderId },
  )
  const paid = store.get(`SELECT 1 FROM obligation WHERE id = :id AND state = 'paid'`, { id: payoutOwner(orderId) })
  if (as === 'success' && paid === undefined) return `the buyer of order ${orderId} was not paid: it is no success`
  if (as === 'canceled' && settled !== undefined)
    return `the escrow of order ${orderId} was settled: its sats are owed to somebody; end its obligations first, it can not be canceled`
  return null
}

/** Writes the command down; the engine carries it out when it runs. In the caller's transaction. Repeat: the last one counts. */
export function requestOrderEnd(store: Store, orderId: string, as: OrderEnd): void {
  store.s.meta_put({ key: `${PREFIX}${orderId}`, value: as })
}

/** Carries out what waits. Repeat: safe, a command that was carried out says so in its row. */
export function runCommands(ctx: Ctx, tx: Tx): void {
  const rows = tx.store.all<{ key: string; value: string }>(
    `SELECT key, value FROM meta WHERE key >= '${PREFIX}' AND key < '${PREFIX}~' AND value IN ('canceled', 'success')`,
  )
  for (const { key, value } of rows) {
    const orderId = key.slice(PREFIX.length)
    const as = value === 'success' ? 'success' : 'canceled'
    tx.s.meta_put({ key, value: endOrder(ctx, tx, orderId, as) })
  }
}

function endOrder(ctx: Ctx, tx: Tx, orderId: string, as: OrderEnd): string {
  const reason = refusalToEnd(tx.store, orderId, as)
  const order = loadOrder(tx.store, orderId)
  if (reason !== null || order === null) {
    ctx.log.warn('an operator’s command does not fit any more', { order: orderId, why: reason })
    return `refused: ${reason ?? 'no such order'}`
  }
  const decision = decideOperatorEnds(order, as)
  if (decision.kind !== 'moved') return 'refused: nothing to end'
  applyDecision(ctx, tx, order, decision, { cause: new Cause(`operator:${orderId}:${order.version}`), origin: null })
  tx.s.alert_close({ key: `order-review:${orderId}`, now: tx.nowS })
  tx.s.alert_close({ key: `escrow-lost:${orderId}`, now: tx.nowS })
  return `done: ${as}`
}
