/**
 * What Lightning says about a hold, believed and written: the fact first, then what follows from it. A transaction that
 * records a confirmed fact never depends on a condition that can fail: what does not fit goes to review.
 */
import type { HoldRow, LnOpRow } from '../../adapters/sqlite/schema.ts'
import { type Msat, subMsat, ZERO_MSAT } from '../../core/money.ts'
import type { Decision } from '../../core/order/decision.ts'
import { decideEscrowGone, decideOverpaid, decideRefunded } from '../../core/order/ending.ts'
import type { Order } from '../../core/order/order.ts'
import { sideOf } from '../../core/order/order.ts'
import { decideAdopted } from '../../core/order/take.ts'
import { decideAccepted, decideSettled, decideSettleRefused } from '../../core/order/trade.ts'
import type { HoldFact } from '../../ports/lightning.ts'
import { applyDecision, type By } from '../apply.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { createChild } from '../range.ts'
import { takerReputation } from '../reputation.ts'
import { holdRow, loadOrder } from '../rows.ts'
import { alert, Cause, type Origin, originFrom } from '../say.ts'
import { ensureCancel, holdParams, intentDone, originOfOp, planEscrow, settleWhy } from './escrow-intents.ts'
import { fundFromHold } from './obligations.ts'

/** Over 1 % and over 100 sats too much is sent back (DEC-26). */
function isFarTooMuch(receivedMsat: Msat, askedMsat: Msat): boolean {
  if (receivedMsat <= askedMsat) return false
  const over = subMsat(receivedMsat, askedMsat)
  return over > askedMsat / 100 && over > 100_000
}

function decided(ctx: Ctx, tx: Tx, order: Order, decision: Decision, by: By): void {
  if (decision.kind === 'moved') applyDecision(ctx, tx, order, decision, by)
  else
    ctx.log.debug('nothing follows', {
      order: order.id,
      cause: by.cause.id,
      why: decision.kind === 'ignored' ? decision.why : decision.reason,
    })
}

/** A fact that contradicts what the order says: it is kept, and a person must look. */
function toReview(ctx: Ctx, tx: Tx, orderId: string, detail: string): void {
  tx.s.order_review({ id: orderId })
  alert(ctx, tx, `order-review:${orderId}`, 3, detail)
}

/** Halts all money operations: another database or another daemon uses our Lightning node. */
export function halt(ctx: Ctx, tx: Tx, node: string, key: string, why: string): void {
  tx.s.node_halt({ node, why })
  alert(ctx, tx, key, 3, why)
}

/**
 * The invoice of a create exists at LND (A). Gives it out, unless the hold was decided meanwhile. Repeat: safe, an
 * invoice is adopted once.
 */
export function holdCreated(ctx: Ctx, tx: Tx, op: LnOpRow, fact: HoldFact): void {
  const hold = holdRow(tx.store, op.hash)
  if (hold === undefined) return
  const differs = fact.amountMsat !== hold.amount_msat || fact.cltvDelta !== hold.cltv_delta || fact.memo !== hold.memo
  if (differs || fact.state === 'settled') {
    halt(
      ctx,
      tx,
      op.node_pubkey,
      `conflict:${op.hash}`,
      `LND has an invoice under hash ${op.hash} that is not the one we planned`,
    )
    return
  }
  intentDone(tx, op.id, 'hold_create', { request: fact.request })
  const origin = originFrom(holdParams(op.params).origin)
  if (fact.state === 'canceled' && hold.decision === 'none') {
    replaceDead(ctx, tx, hold, origin)
    return
  }
  const adopted = tx.s.hold_adopt({ hash: op.hash, request: fact.request, expires_at: fact.expiresAt })
  if (adopted === undefined) return
  if (adopted.decision !== 'none') {
    tx.after(ctx.poke.executor)
    return
  }
  const order = loadOrder(tx.store, adopted.order_id)
  if (order === null) return
  const side =
    origin !== null && 'take' in order && order.take !== null
      ? sideOf({ ...order, take: order.take }, origin.sender)
      : null
  const decision = decideAdopted(order, fact.request, takerReputation(tx, order), side ?? 'seller')
  decided(ctx, tx, order, decision, { cause: new Cause(`${op.id}/done`), origin })
  // That it is open is what was just adopted.
  if (fact.state !== 'open') observeHold(ctx, tx, fact)
}

/** An invoice that ended at LND before anybody was given it: another one takes its place. */
function replaceDead(ctx: Ctx, tx: Tx, hold: HoldRow, origin: Origin | null): void {
  tx.s.hold_final({ hash: hold.hash, final: 'canceled', msat: null, settle_index: null, now: tx.nowS })
  const order = loadOrder(tx.store, hold.order_id)
  if (order === null || (order.phase !== 'opening' && order.status !== 'waiting-payment')) return
  planEscrow(ctx, tx, order, { amountMsat: hold.amount_msat, answers: order.status === 'pending', origin })
}

/** Any fact about a hold of ours, from a lookup, a list or a stream. Repeat: safe, rank only rises. */
export function observeHold(ctx: Ctx, tx: Tx, fact: HoldFact): void {
  const hold = holdRow(tx.store, fact.hash)
  if (hold === undefined) return
  switch (fact.state) {
    case 'open':
      tx.s.hold_observe({ hash: fact.hash, rank: 1, msat: null, held_at: null, height: null })
      if (hold.decision === 'cancel') ensureCancel(ctx, tx, fact.hash)
      return
    case 'accepted':
      observeAccepted(ctx, tx, hold, fact)
      return
    case 'settled':
      observeSettled(ctx, tx, hold, fact)
      return
    case 'canceled':
      observeCanceled(ctx, tx, hold, fact)
  }
}

function observeAccepted(ctx: Ctx, tx: Tx, hold: HoldRow, fact: HoldFact): void {
  if (hold.final !== null) {
    ensureCancel(ctx, tx, hold.hash)
    return
  }
  // Nobody was given this request yet: it is adopted first, by its create.
  if (hold.request === null) return
  const seen = tx.s.hold_observe({
    hash: hold.hash,
    rank: 2,
    msat: fact.receivedMsat,
    held_at: tx.nowS,
    height: fact.minHtlcHeight,
  })
  if (hold.decision === 'cancel') {
    ensureCancel(ctx, tx, hold.hash)
    return
  }
  if (seen === undefined || hold.decision !== 'none') return
  const order = loadOrder(tx.store, hold.order_id)
  if (order === null) return
  const by: By = { cause: new Cause(`accepted:${hold.hash}`), origin: null }
  const decision = isFarTooMuch(fact.receivedMsat, hold.amount_msat)
    ? decideOverpaid(order)
    : decideAccepted(order, takerReputation(tx, order))
  if (decision.kind === 'moved') applyDecision(ctx, tx, order, decision, by)
  else toReview(ctx, tx, order.id, `an escrow of order ${order.id} was paid while it is ${order.status}/${order.phase}`)
}

function observeSettled(ctx: Ctx, tx: Tx, hold: HoldRow, fact: HoldFact): void {
  if (hold.final === 'canceled') {
    halt(ctx, tx, hold.node_pubkey, `conflict:${hold.hash}`, `hold ${hold.hash}: LND settled what it had cancelled`)
    return
  }
  const settleOp = `hold_settle:${hold.hash}`
  const settled = tx.s.hold_final({
    hash: hold.hash,
    final: 'settled',
    msat: fact.receivedMsat,
    settle_index: fact.settleIndex,
    now: tx.nowS,
  })
  if (settled === undefined) return
  if (hold.decision !== 'settle') {
    toReview(ctx, tx, hold.order_id, `hold ${hold.hash} was settled at LND and we did not decide it`)
    halt(
      ctx,
      tx,
      hold.node_pubkey,
      'rival-instance',
      `hold ${hold.hash} was settled and we did not decide it: is a second daemon running?`,
    )
    return
  }
  intentDone(tx, settleOp, 'hold_settle', { receivedMsat: fact.receivedMsat })
  const order = loadOrder(tx.store, hold.order_id)
  if (order === null) return
  const why = settleWhy(hold)
  fundFromHold(ctx, tx, order, why, hold.hash, fact.receivedMsat)
  const origin = originFrom(originOfOp(tx, settleOp))
  const cause = new Cause(`${settleOp}/done`)
  const child = why.child === null ? null : createChild(ctx, tx, order, why.child)
  const decision = decideSettled(
    order,
    child,
    why.childRefused || (why.child !== null && child === null) ? ctx.seed.childId(order.id) : null,
  )
  if (decision.kind === 'moved') applyDecision(ctx, tx, order, decision, { cause, origin })
  else
    toReview(
      ctx,
      tx,
      order.id,
      `the escrow of order ${order.id} was settled while it is ${order.status}/${order.phase}`,
    )
}

function observeCanceled(ctx: Ctx, tx: Tx, hold: HoldRow, fact: HoldFact): void {
  if (hold.final === 'canceled') {
    intentDone(tx, `hold_cancel:${hold.hash}`, 'hold_cancel', {})
    return
  }
  if (hold.final === 'settled') {
    halt(ctx, tx, hold.node_pubkey, `conflict:${hold.hash}`, `hold ${hold.hash}: LND cancelled what it had settled`)
    return
  }
  // Nobody was given this request yet: its create must come to rest first, and adopts what LND has.
  if (hold.request === null && hold.decision === 'none') return
  tx.s.hold_final({
    hash: hold.hash,
    final: 'canceled',
    msat: fact.receivedMsat > 0 ? fact.receivedMsat : null,
    settle_index: null,
    now: tx.nowS,
  })
  const order = loadOrder(tx.store, hold.order_id)
  if (order === null) return
  if (hold.decision === 'cancel') {
    intentDone(tx, `hold_cancel:${hold.hash}`, 'hold_cancel', {})
    refundConfirmed(ctx, tx, order, hold.hash)
    return
  }
  const everHeld = (hold.held_msat ?? 0) > 0 || fact.receivedMsat > 0
  if (hold.decision === 'settle') {
    settleImpossible(ctx, tx, hold, order)
    return
  }
  if (everHeld)
    alert(ctx, tx, `escrow-lost:${order.id}`, 3, `LND cancelled the paid escrow of order ${order.id} by itself`)
  decided(ctx, tx, order, decideEscrowGone(order, { reissues: endedBefore(tx, order, hold.hash) }), {
    cause: new Cause(`gone:${hold.hash}`),
    origin: null,
  })
}

/** How many other escrows of the present take LND ended by itself: one is replaced (DEC-09). */
function endedBefore(tx: Tx, order: Order, hash: string): number {
  const since = 'take' in order && order.take !== null ? order.take.takenAtS : 0
  const row = tx.store.get<{ n: number }>(
    `SELECT COUNT(*) AS n FROM hold WHERE order_id = :id AND purpose = 'escrow' AND created_at >= :since
        AND final = 'canceled' AND decision = 'none' AND request IS NOT NULL AND hash <> :hash`,
    { id: order.id, since, hash },
  )
  return row?.n ?? 0
}

/** LND confirmed a cancel that we decided: an order that waited for its refund rests now. */
function refundConfirmed(ctx: Ctx, tx: Tx, order: Order, hash: string): void {
  decided(ctx, tx, order, decideRefunded(order), { cause: new Cause(`refunded:${hash}`), origin: null })
}

/** The settle that we decided can not happen: the escrow is gone, nothing was taken, nothing is owed (C-16). */
function settleImpossible(ctx: Ctx, tx: Tx, hold: HoldRow, order: Order): void {
  const op = tx.store.get<LnOpRow>('SELECT * FROM ln_op WHERE id = :id', { id: `hold_settle:${hold.hash}` })
  if (op !== undefined && op.attempt > 0)
    tx.s.op_refused_hold({ id: op.id, attempt: op.attempt, detail: 'the hold is canceled' })
  else if (op !== undefined) tx.s.op_void({ id: op.id, v: op.version })
  tx.s.obligation_unfund({ hash: hold.hash })
  decided(ctx, tx, order, decideSettleRefused(order), { cause: new Cause(`settle-refused:${hold.hash}`), origin: null })
}

/** A hold that LND ended or threw away, as the fact that it would have told. */
export function canceledFact(hold: HoldRow): HoldFact {
  return {
    hash: hold.hash,
    state: 'canceled',
    request: hold.request ?? '',
    amountMsat: hold.amount_msat,
    receivedMsat: hold.held_msat ?? ZERO_MSAT,
    cltvDelta: hold.cltv_delta,
    memo: hold.memo,
    expiresAt: hold.expires_at ?? 0,
    minHtlcHeight: null,
    settleIndex: null,
  }
}

/**
 * LND does not know a hold that we are cancelling, and it is the node that we know: its create never arrived, or LND threw
 * the cancelled invoice away. The cancel is done (money-path.md 1.4).
 */
export function cancelNotFound(ctx: Ctx, tx: Tx, op: LnOpRow): void {
  const hold = holdRow(tx.store, op.hash)
  if (hold === undefined) return
  intentDone(tx, op.id, 'hold_cancel', { notFound: true })
  tx.s.hold_final({ hash: op.hash, final: 'canceled', msat: null, settle_index: null, now: tx.nowS })
  const order = loadOrder(tx.store, hold.order_id)
  if (order !== null) refundConfirmed(ctx, tx, order, op.hash)
}

/**
 * LND has nothing of a create: if its hold was decided meanwhile, both are over, and so is the cancel that waited for the
 * create. Should a request that was long on its way arrive after all, the cancel is sent again when LND shows the invoice.
 */
export function createNotSent(ctx: Ctx, tx: Tx, hash: string): void {
  const hold = holdRow(tx.store, hash)
  if (hold === undefined || hold.decision !== 'cancel' || tx.s.create_void({ hash }) === undefined) return
  tx.s.hold_final({ hash, final: 'canceled', msat: null, settle_index: null, now: tx.nowS })
  intentDone(tx, `hold_cancel:${hash}`, 'hold_cancel', { notSent: true })
  const order = loadOrder(tx.store, hold.order_id)
  if (order !== null) refundConfirmed(ctx, tx, order, hash)
}
