/** Writes a decision: the order's compare-and-swap and every effect, in the open transaction (design.md 2). */
import { assert } from '../core/assert.ts'
import type { Decision, Effect } from '../core/order/decision.ts'
import type { Order } from '../core/order/order.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'
import { cancelEscrow, holdParams, planEscrow, settleEscrow } from './journal/escrow-intents.ts'
import { planPayout } from './journal/obligations.ts'
import { wantOrder } from './public-orders.ts'
import { columnsOf, currentEscrow, orderFrom } from './rows.ts'
import { alert, answerRequest, type Cause, type Origin, originFrom, queueCantDo, queueMessage } from './say.ts'

/** On whose word a decision is written. */
export type By = {
  readonly cause: Cause
  /** who is answered; null for facts and timers */
  readonly origin: Origin | null
}

export type Moved = Extract<Decision, { readonly kind: 'moved' }>

/**
 * Moves an order as decided. Throws when the row is not the one that the decision was made from: in one synchronous
 * writer that is a bug, and the message is rolled back.
 */
export function applyDecision(ctx: Ctx, tx: Tx, order: Order, decision: Moved, by: By): void {
  // A take that is undone takes its waiting request with it: read whom to tell before the row changes.
  const isUndone = decision.effects.some(({ kind }) => kind === 'refuse-waiting')
  const waiting = isUndone ? waitingRequest(tx, order) : null
  // The escrow is decided while the order still names its take; the move comes first only for a new escrow.
  const endings = decision.effects.filter((e) => e.kind === 'cancel-escrow')
  for (const effect of endings) cancelEscrow(ctx, tx, order.id, effect.why, by.cause.id)
  const moved = tx.store.moveOrder(
    { id: order.id, status: order.status, phase: order.phase, version: order.version },
    { status: decision.change.status, phase: decision.change.phase },
    columnsOf(order, decision.change, tx.nowS),
  )
  assert(moved !== undefined, `order ${order.id}: decided on an older row`)
  const next = orderFrom(moved)
  for (const effect of decision.effects) runEffect(ctx, tx, next, effect, by, waiting)
  wantOrder(ctx, tx, next)
  tx.after(() =>
    ctx.log.info('order moved', {
      order: order.id,
      from: `${order.status}/${order.phase}`,
      to: `${decision.change.status}/${decision.change.phase}`,
      cause: by.cause.id,
    }),
  )
}

function waitingRequest(tx: Tx, order: Order): Origin | null {
  if (order.phase !== 'opening') return null
  const hold = currentEscrow(tx.store, order.id)
  if (hold === undefined) return null
  const op = tx.store.get<{ params: string }>('SELECT params FROM ln_op WHERE id = :id', {
    id: `hold_create:${hold.hash}`,
  })
  return op === undefined ? null : originFrom(holdParams(op.params).origin)
}

function runEffect(ctx: Ctx, tx: Tx, order: Order, effect: Effect, by: By, waiting: Origin | null): void {
  switch (effect.kind) {
    case 'say': {
      const id = queueMessage(ctx, tx, by.cause, {
        to: effect.to,
        action: effect.action,
        payload: effect.payload,
        requestId: effect.echo ? (by.origin?.requestId ?? null) : null,
        tradeIndex: effect.tradeIndex,
        id: effect.about ?? order.id,
        asks: effect.asks,
        lane: 0,
        orderId: order.id,
        obligationId: null,
      })
      if (effect.echo && effect.to === by.origin?.sender) answerRequest(tx, by.origin, id)
      return
    }
    case 'plan-escrow':
      planEscrow(ctx, tx, order, { amountMsat: effect.amountMsat, answers: effect.answers, origin: by.origin })
      return
    case 'cancel-escrow':
      return
    case 'settle-escrow': {
      const hold = settleEscrow(ctx, tx, order.id, effect.why, by.cause.id, by.origin)
      planPayout(ctx, tx, order, effect.why, hold.hash)
      return
    }
    case 'burn-index':
      tx.s.index_burn({ identity: effect.identity, index: effect.index, now: tx.nowS })
      return
    case 'refuse-waiting':
      queueCantDo(ctx, tx, by.cause, {
        to: effect.to,
        reason: effect.reason,
        requestId: waiting?.requestId ?? null,
        id: order.id,
      })
      if (waiting?.requestKey != null) tx.s.request_drop({ key: waiting.requestKey })
      return
    case 'alert':
      alert(ctx, tx, effect.key, effect.severity, effect.detail)
  }
}
