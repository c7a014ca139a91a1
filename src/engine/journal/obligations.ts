/**
 * What we owe, from the decision to settle until it is paid: rows, intents to pay, failures, prompts. All of it happens
 * inside the transaction of the fact that caused it (money-path.md 3.5, 4.2; R-22).
 */
import type { LnOpRow, ObligationRow } from '../../adapters/sqlite/schema.ts'
import { assert } from '../../core/assert.ts'
import { addMsat, type Msat, subMsat } from '../../core/money.ts'
import {
  afterFailure,
  givenUp,
  isPayeeFault,
  promptCadenceS,
  RESOLVE_FAILURES_MAX,
  resolveBackoffS,
} from '../../core/obligation.ts'
import type { SettleWhy } from '../../core/order/decision.ts'
import { type Order, takeOf } from '../../core/order/order.ts'
import { payoutAskView } from '../../core/order/view.ts'
import { routingFeeCapMsat } from '../../core/pricing.ts'
import type { PaymentFailure } from '../../ports/lightning.ts'
import { decodeBolt11 } from '../../wire/bolt11.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { MIN_LIFE_TO_DISPATCH_S, payoutOwner } from '../invoices.ts'
import { destinationFrom, destinationJson, loadOrder } from '../rows.ts'
import { alert, Cause, queueMessage } from '../say.ts'
import { ourNode } from './escrow-intents.ts'

/** Parameters of a payment, complete: a retry needs nothing else. */
export type PayParams = {
  readonly v: 1
  readonly request: string
  readonly amountMsat: number
  readonly invoiceHasAmount: boolean
  readonly maxFeeMsat: number
}

const DEV_FEE_WINDOW_S = 7 * 86_400
/** Clock difference to LND that we allow for, in seconds. */
export const CLOCK_SKEW_S = 30
/** How long an unread request may survive in a dead connection's buffers (money-path.md 3.6 c). */
const QUIESCE_S = 900
/** Pause when the budget of an obligation that nobody can be asked about is used up. */
const SLOW_RETRY_S = 3600
/** Pause after a failure that was ours, not the payee's. */
const NODE_FAULT_RETRY_S = 60
/** Pause between two looks at a payment that the fence still holds. */
const FENCE_LOOK_S = 30

/** An obligation's row, or undefined. */
export function obligationRow(tx: Tx, id: string): ObligationRow | undefined {
  return tx.store.get<ObligationRow>('SELECT * FROM obligation WHERE id = :id', { id })
}

/** The intent to pay an obligation that is neither refused nor withdrawn, or undefined. */
function livePayment(tx: Tx, oid: string): LnOpRow | undefined {
  return tx.store.get<LnOpRow>(
    `SELECT * FROM ln_op WHERE obligation_id = :oid AND kind = 'pay' AND state NOT IN ('refused', 'void')`,
    { oid },
  )
}

/** With the decision to settle: what the buyer will be owed once LND confirms it (money-path.md 4.2 B1). */
export function planPayout(ctx: Ctx, tx: Tx, order: Order, why: SettleWhy, fundedBy: string): void {
  const take = takeOf(order)
  tx.s.obligation_plan({
    oid: payoutOwner(order.id),
    kind: 'buyer_payout',
    order_id: order.id,
    bond_id: null,
    payee: why.buyer,
    amount_msat: why.payoutMsat,
    max_fee_msat: routingFeeCapMsat(why.payoutMsat, ctx.settings.maxRoutingFeeRate),
    funded_by: fundedBy,
    window_s: null,
    attempts_max: ctx.settings.payoutAttempts,
    retry_s: ctx.settings.payoutRetryS,
    destination: destinationJson(take?.buyerDestination ?? null),
    now: tx.nowS,
  })
}

/**
 * The escrow is ours: books what arrived, plans the node's own obligations, and funds everything that hangs on the hold.
 * Nothing here can fail on a condition.
 */
export function fundFromHold(ctx: Ctx, tx: Tx, order: Order, why: SettleWhy, hash: string, heldMsat: Msat): void {
  const devFee = ctx.settings.devFee
  const devFeeMsat = devFee === null ? 0 : why.devFeeMsat
  const expected = addMsat(why.payoutMsat, why.feeMsat, why.feeMsat)
  const cause = `settle:${hash}`
  let n = 0
  const credit = (account: string, amountMsat: number) => {
    if (amountMsat > 0) {
      tx.s.ledger_post({
        cause,
        n,
        debit: 'ln',
        credit: account,
        msat: amountMsat as Msat,
        order_id: order.id,
        now: tx.nowS,
      })
      n += 1
    }
  }
  if (devFee !== null && devFeeMsat > 0) {
    tx.s.obligation_plan({
      oid: `dev_fee:${order.id}`,
      kind: 'dev_fee',
      order_id: order.id,
      bond_id: null,
      payee: devFee.address,
      amount_msat: why.devFeeMsat,
      max_fee_msat: routingFeeCapMsat(why.devFeeMsat, ctx.settings.maxRoutingFeeRate),
      funded_by: hash,
      window_s: DEV_FEE_WINDOW_S,
      attempts_max: ctx.settings.payoutAttempts,
      retry_s: ctx.settings.payoutRetryS,
      destination: destinationJson({ kind: 'address', address: devFee.address }),
      now: tx.nowS,
    })
  }
  const overpaid = heldMsat > expected ? subMsat(heldMsat, expected) : 0
  if (overpaid > 0) {
    tx.s.obligation_plan({
      oid: `overpayment:${order.id}`,
      kind: 'overpayment',
      order_id: order.id,
      bond_id: null,
      payee: sellerOf(order),
      amount_msat: overpaid as Msat,
      max_fee_msat: routingFeeCapMsat(overpaid as Msat, ctx.settings.maxRoutingFeeRate),
      funded_by: hash,
      window_s: null,
      attempts_max: ctx.settings.payoutAttempts,
      retry_s: ctx.settings.payoutRetryS,
      destination: null,
      now: tx.nowS,
    })
    alert(
      ctx,
      tx,
      `overpayment:${order.id}`,
      1,
      `the seller of order ${order.id} paid ${overpaid} msat too much: owed, operator pays`,
    )
  }
  credit(`owed:${payoutOwner(order.id)}`, why.payoutMsat)
  credit('fee', why.feeMsat * 2 - devFeeMsat)
  credit(`owed:dev_fee:${order.id}`, devFeeMsat)
  credit(`owed:overpayment:${order.id}`, overpaid)
  for (const funded of tx.s.obligation_fund({ hash, now: tx.nowS })) startPaying(ctx, tx, funded.id)
}

function sellerOf(order: Order): string {
  const take = takeOf(order)
  assert(take !== null, `order ${order.id}: its escrow was settled, so somebody took it`)
  return order.kind === 'sell' ? order.maker.pubkey : take.taker.pubkey
}

/** Takes an obligation that has become payable to its next step, whatever that is. Repeat: safe. */
export function startPaying(ctx: Ctx, tx: Tx, oid: string): void {
  const row = obligationRow(tx, oid)
  if (row === undefined) return
  if (row.state === 'need_destination') {
    prompt(ctx, tx, row, 0)
    return
  }
  if (row.state !== 'ready' || livePayment(tx, oid) !== undefined) return
  const destination = destinationFrom(row.destination)
  assert(destination !== null, `obligation ${oid}: ready without a destination`)
  if (destination.kind === 'address') {
    tx.after(ctx.poke.resolver)
    return
  }
  if (planPayment(ctx, tx, row, destination.request)) return
  tellFailure(ctx, tx, row, 0)
  askAgain(ctx, tx, oid)
}

/** Plans the payment of one invoice. False: it can not be paid for this obligation (expired, not reserved for it). */
function planPayment(ctx: Ctx, tx: Tx, row: ObligationRow, request: string): boolean {
  const decoded = decodeBolt11(request, ctx.key.curves)
  const node = ourNode(tx)
  if (!decoded.ok || node === null) return false
  const invoice = decoded.value
  if (invoice.expiresAtS <= tx.nowS + MIN_LIFE_TO_DISPATCH_S) return false
  const params: PayParams = {
    v: 1,
    request,
    amountMsat: row.amount_msat,
    invoiceHasAmount: invoice.amountMsat !== null,
    maxFeeMsat: row.max_fee_msat,
  }
  const planned = tx.s.pay_plan({
    hash: invoice.hash,
    node,
    params: JSON.stringify(params),
    dest: invoice.payee,
    expires: invoice.expiresAtS,
    now: tx.nowS,
    oid: row.id,
  })
  if (planned === undefined) return false
  tx.after(ctx.poke.executor)
  return true
}

/** The payee is asked for another invoice; the anchor of his claim stays. */
function askAgain(ctx: Ctx, tx: Tx, oid: string): void {
  if (tx.s.obligation_reask({ oid }) === undefined) return
  const row = obligationRow(tx, oid)
  assert(row !== undefined, `obligation ${oid} exists`)
  prompt(ctx, tx, row, 0)
}

/** Asks the payee for an invoice, when the last time was `cadenceS` ago or never. */
export function prompt(ctx: Ctx, tx: Tx, row: ObligationRow, cadenceS: number): void {
  const order = loadOrder(tx.store, row.order_id)
  const take = order === null ? null : takeOf(order)
  if (order === null || take === null || row.payee === null || row.kind !== 'buyer_payout') return
  const prompted = tx.s.obligation_prompt({ oid: row.id, now: tx.nowS, cadence: cadenceS })
  if (prompted === undefined) return
  queueMessage(ctx, tx, new Cause(`prompt:${row.id}:${prompted.prompts}`), {
    to: row.payee,
    action: 'add-invoice',
    payload: { kind: 'order', order: payoutAskView(order, take) },
    requestId: null,
    tradeIndex: null,
    id: order.id,
    asks: true,
    lane: 0,
    orderId: order.id,
    obligationId: row.id,
  })
}

/** Prompts every payee whose last prompt is long enough ago (X-5, DEC-27). */
export function promptDue(ctx: Ctx, tx: Tx): void {
  const rows = tx.store.all<ObligationRow>(
    `SELECT * FROM obligation WHERE state = 'need_destination' AND state NOT IN ('paid','forfeited','void')`,
  )
  for (const row of rows) prompt(ctx, tx, row, promptCadenceS(row.prompts))
}

/** A verified failure of one attempt, or an invoice that LND refuses while it has no record of a payment. */
export type PaymentVerdict = {
  readonly reason: PaymentFailure | 'unpayable'
  readonly tried: boolean
  /** the lookup found no payment under this hash */
  readonly notFound: boolean
  /** the connection that carried the attempt is gone: LND may have restarted, and tries no further route then (C-26) */
  readonly reconnected: boolean
}

function isFaultOfPayee({ reason, tried, reconnected }: PaymentVerdict): boolean {
  return isPayeeFault(reason, tried) && !(reason === 'no-route' && reconnected)
}

/** Chooses and writes what follows a failed payment (money-path.md 3.5 `verdict`). */
export function paymentFailed(ctx: Ctx, tx: Tx, op: LnOpRow, verdict: PaymentVerdict): void {
  const oid = op.obligation_id
  assert(oid !== null, `intent ${op.id}: a payment has an obligation`)
  const row = obligationRow(tx, oid)
  assert(row !== undefined, `obligation ${oid} exists`)
  if (row.state !== 'ready') {
    // Not payable any more: only the intent can still end, under its own fence.
    if (!abandon(tx, op, verdict)) lookLater(tx, op)
    return
  }
  const payeeFault = isFaultOfPayee(verdict)
  const failures = Math.min(row.failures + (payeeFault ? 1 : 0), row.attempts_max)
  const path = afterFailure({
    kind: row.kind,
    destination: destinationFrom(row.destination)?.kind ?? 'bolt11',
    dead:
      verdict.reason === 'unpayable' || (op.request_expires_at ?? 0) <= tx.nowS + MIN_LIFE_TO_DISPATCH_S + row.retry_s,
    failures,
    attemptsMax: row.attempts_max,
    resolveFailures: row.resolve_failures,
    windowOver: row.claim_until !== null && row.claim_until <= tx.nowS,
  })
  // While the fence holds, an earlier attempt may still start: nothing is counted and nothing is said.
  const ended = path === 'same-again' ? sendAgain(tx, op, verdict, row, payeeFault) : abandon(tx, op, verdict)
  if (!ended) {
    lookLater(tx, op)
    return
  }
  tx.s.obligation_failure({ oid, payee_fault: payeeFault ? 1 : 0 })
  const attemptsLeft = path === 'same-again' || path === 'fresh-invoice' ? row.attempts_max - failures : 0
  if (payeeFault && row.failures === 0) tellFailure(ctx, tx, row, attemptsLeft)
  if (!payeeFault) alert(ctx, tx, `payout-node-fault:${oid}`, 2, `paying ${oid} fails on our side: ${verdict.reason}`)
  if (path === 'same-again') tx.after(ctx.poke.executor)
  else takePath(ctx, tx, { ...row, failures }, path)
}

/** The same invoice again after a pause. False: the attempt was judged before. */
function sendAgain(tx: Tx, op: LnOpRow, verdict: PaymentVerdict, row: ObligationRow, payeeFault: boolean): boolean {
  const again = tx.s.op_again({
    id: op.id,
    attempt: op.attempt,
    next: tx.nowS + (payeeFault ? row.retry_s : NODE_FAULT_RETRY_S),
    sure_not_sent: 0,
    class: 'T-attempt',
    detail: verdict.reason,
    not_found: verdict.notFound ? 1 : 0,
  })
  return again !== undefined
}

/** The intent could not end now: asked for again, nothing else. */
function lookLater(tx: Tx, op: LnOpRow): void {
  const next = tx.nowS + FENCE_LOOK_S
  tx.s.op_unknown({ id: op.id, attempt: op.attempt, lost_at: null, next, detail: 'fence' })
  tx.s.op_look_later({ id: op.id, attempt: op.attempt, next })
}

function takePath(ctx: Ctx, tx: Tx, row: ObligationRow, path: ReturnType<typeof givenUp>): void {
  switch (path) {
    case 'fresh-invoice':
      // Used up, and yet nobody can be asked: slowly, until its window is over.
      tx.s.obligation_refetch({
        oid: row.id,
        next: tx.nowS + (row.failures >= row.attempts_max ? SLOW_RETRY_S : row.retry_s),
      })
      tx.after(ctx.poke.resolver)
      return
    case 'ask-again':
      askAgain(ctx, tx, row.id)
      return
    case 'give-up-review':
      tx.s.obligation_review({ oid: row.id, why: 'payee-exhausted' })
      alert(ctx, tx, `obligation-review:${row.id}`, 2, `${row.id}: attempts used up, a person must look`)
      return
    case 'give-up-void':
      if (tx.s.obligation_void({ oid: row.id, operator: 0 }) === undefined) return
      tx.s.ledger_post({
        cause: `void:${row.id}`,
        n: 0,
        debit: `owed:${row.id}`,
        credit: 'share',
        msat: row.amount_msat,
        order_id: row.order_id,
        now: tx.nowS,
      })
      alert(ctx, tx, `obligation-void:${row.id}`, 1, `${row.id} could not be paid and stays with the node`)
  }
}

function abandon(tx: Tx, op: LnOpRow, verdict: PaymentVerdict): boolean {
  const abandoned = tx.s.op_abandon_pay({
    id: op.id,
    attempt: op.attempt,
    looked_up: 1,
    not_found: verdict.notFound ? 1 : 0,
    now: tx.surelyS,
    skew: CLOCK_SKEW_S,
    quiesce: QUIESCE_S,
    detail: verdict.reason,
  })
  return abandoned !== undefined
}

/** Ends an intent of which surely no request is on its way, without asking LND. False: one may be. */
function withdraw(tx: Tx, op: LnOpRow, detail: string): boolean {
  const withdrawn =
    tx.s.op_void({ id: op.id, v: op.version }) ??
    tx.s.op_abandon_pay({
      id: op.id,
      attempt: op.attempt,
      looked_up: 0,
      not_found: 0,
      now: tx.surelyS,
      skew: CLOCK_SKEW_S,
      quiesce: QUIESCE_S,
      detail,
    })
  return withdrawn !== undefined
}

/** `payment-failed`, once a series: what it says is what happens (DEC-40). */
function tellFailure(ctx: Ctx, tx: Tx, row: ObligationRow, attemptsLeft: number): void {
  if (row.kind !== 'buyer_payout' || row.payee === null) return
  queueMessage(ctx, tx, new Cause(`payment-failed:${row.id}:${row.destination_rev}`), {
    to: row.payee,
    action: 'payment-failed',
    payload: { kind: 'payment_failed', attempts: attemptsLeft, retriesIntervalS: row.retry_s },
    requestId: null,
    tradeIndex: null,
    id: row.order_id,
    asks: false,
    lane: 0,
    orderId: row.order_id,
    obligationId: row.id,
  })
}

/** A planned payment whose invoice has too little life left to be sent (W10): the payee is asked at once. */
export function expireUnsent(ctx: Ctx, tx: Tx, op: LnOpRow): void {
  if (op.state !== 'planned' || (op.request_expires_at ?? 0) > tx.nowS + MIN_LIFE_TO_DISPATCH_S) return
  const oid = op.obligation_id
  const row = oid === null ? undefined : obligationRow(tx, oid)
  if (row === undefined) return
  if (!withdraw(tx, op, 'expired before it was sent')) {
    // An earlier request may still be on its way: only a look-up can end this.
    tx.s.op_look_first({ id: op.id, v: op.version, now: tx.nowS, min_left: MIN_LIFE_TO_DISPATCH_S })
    tx.after(ctx.poke.executor)
    return
  }
  const destination = destinationFrom(row.destination)
  if (destination?.kind === 'address') {
    tx.s.obligation_refetch({ oid: row.id, next: tx.nowS })
    tx.after(ctx.poke.resolver)
    return
  }
  tellFailure(ctx, tx, row, 0)
  takePath(ctx, tx, row, givenUp(row.kind, row.claim_until !== null && row.claim_until <= tx.nowS))
}

/** An address gave no invoice: back off, and after a few in a row take the next path. */
export function addressFailed(ctx: Ctx, tx: Tx, oid: string, rev: number, detail: string): void {
  const before = obligationRow(tx, oid)
  if (before === undefined) return
  const counted = tx.s.resolve_result({
    oid,
    rev,
    failed: 1,
    next: tx.nowS + resolveBackoffS(before.resolve_failures + 1),
  })
  if (counted === undefined) return
  ctx.log.info('address gave no invoice', { obligation: oid, failures: counted.resolve_failures, detail })
  if (counted.resolve_failures < RESOLVE_FAILURES_MAX) return
  const path = givenUp(before.kind, before.claim_until !== null && before.claim_until <= tx.nowS)
  // A fresh invoice is what the back-off leads to anyway.
  if (path !== 'fresh-invoice') takePath(ctx, tx, before, path)
}

/** An address gave a checked invoice: it is reserved and planned in one step (money-path.md 4.8 H5). */
export function addressAnswered(ctx: Ctx, tx: Tx, oid: string, rev: number, request: string, hash: string): void {
  const row = obligationRow(tx, oid)
  if (row === undefined || row.state !== 'ready' || row.destination_rev !== rev || row.payee === null) return
  const reserved = tx.s.hash_reserve({ hash, owner: oid, payee: row.payee, now: tx.nowS }) !== undefined
  if (!reserved || !planPayment(ctx, tx, row, request)) {
    addressFailed(ctx, tx, oid, rev, reserved ? 'its invoice can not be paid' : 'its invoice is not new')
    return
  }
  tx.s.resolve_result({ oid, rev, failed: 0, next: tx.nowS })
}

/** The payee gives an invoice or address while the sats are owed (T13, money-path.md C-24). */
export function changeDestination(
  ctx: Ctx,
  tx: Tx,
  row: ObligationRow,
  sender: string,
  destination: { readonly json: string; readonly hash: string | null },
): 'changed' | 'reserved-elsewhere' | 'payment-under-way' {
  // Reserved first: a refusal must not have ended the intent that is there.
  if (
    destination.hash !== null &&
    tx.s.hash_reserve({ hash: destination.hash, owner: row.id, payee: sender, now: tx.nowS }) === undefined
  )
    return 'reserved-elsewhere'
  const live = livePayment(tx, row.id)
  // One that can not be withdrawn bars the change: the statement sees it.
  if (live !== undefined) withdraw(tx, live, 'swapped by the payee')
  const changed = tx.s.obligation_destination({ dest: destination.json, oid: row.id, sender })
  if (changed === undefined) return 'payment-under-way'
  startPaying(ctx, tx, row.id)
  return 'changed'
}
