/** Ends trades before their escrow nears the height at which LND would refund it by itself (DEC-10, DEC-30). */
import type { HoldRow } from '../../adapters/sqlite/schema.ts'
import { decideHeightMargin } from '../../core/order/ending.ts'
import { applyDecision } from '../apply.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { loadOrder, orderRow } from '../rows.ts'
import { alert, Cause } from '../say.ts'

/** Looks at every paid escrow that is too near to its height. Repeat: safe. */
export function guardHeights(ctx: Ctx, tx: Tx, height: number): void {
  const near = tx.store.all<HoldRow>(
    `SELECT * FROM hold WHERE final IS NULL AND rank = 2 AND purpose = 'escrow' AND min_htlc_height <= :limit`,
    { limit: height + ctx.settings.actionMarginBlocks },
  )
  for (const hold of near) guardOne(ctx, tx, hold, height)
}

function guardOne(ctx: Ctx, tx: Tx, hold: HoldRow, height: number): void {
  const left = (hold.min_htlc_height ?? 0) - height
  if (hold.decision !== 'none') {
    alert(
      ctx,
      tx,
      `height:${hold.hash}`,
      3,
      `the escrow of order ${hold.order_id} is decided (${hold.decision}) and LND refunds it in ${left} blocks`,
    )
    return
  }
  const order = loadOrder(tx.store, hold.order_id)
  if (order === null || orderRow(tx.store, hold.order_id) === undefined) return
  const decision = decideHeightMargin(order)
  if (decision.kind === 'moved') {
    applyDecision(ctx, tx, order, decision, { cause: new Cause(`height:${hold.hash}`), origin: null })
    return
  }
  alert(
    ctx,
    tx,
    `height:${hold.hash}`,
    3,
    `LND refunds the escrow of order ${order.id} (${order.status}) in ${left} blocks: a person must decide`,
  )
}
