/**
 * What an answer of Lightning means for the intent that asked: done, again, unknown, refused, given up. In the transaction
 * that records it (money-path.md 3.5, 3.7).
 */
import type { HoldRow, LnOpRow } from '../../adapters/sqlite/schema.ts'
import { lookBackoffS } from '../../core/obligation.ts'
import type { CallTrouble, HoldFact, PaymentFact, PayOutcome } from '../../ports/lightning.ts'
import { decodeBolt11 } from '../../wire/bolt11.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { MIN_LIFE_TO_DISPATCH_S } from '../invoices.ts'
import { holdRow } from '../rows.ts'
import { alert } from '../say.ts'
import { createNotSent, halt, holdCreated, observeHold } from './hold-facts.ts'
import { CLOCK_SKEW_S, paymentFailed } from './obligations.ts'
import { paymentSucceeded } from './payment-facts.ts'

const BLOCKED_RETRY_S = 300
/** How long the end of a hold is tried before an operator should know. */
const UNENDED_S = 600

/** An intent's row, or undefined. */
export function opRow(tx: Tx, id: string): LnOpRow | undefined {
  return tx.store.get<LnOpRow>('SELECT * FROM ln_op WHERE id = :id', { id })
}

/** What LND said to a payment of ours. */
export function paymentAnswered(ctx: Ctx, tx: Tx, op: LnOpRow, attempt: number, out: PayOutcome): void {
  switch (out.class) {
    case 'A':
      paymentSucceeded(ctx, tx, op.id, out.preimage, out.feeMsat)
      return
    case 'T': {
      tx.s.op_ack({ id: op.id, attempt, alive: 0, known: out.known ? 1 : 0 })
      const row = opRow(tx, op.id)
      // Judged before, by a look-up after its lease.
      if (row === undefined || row.attempt !== attempt || row.state === 'planned') return
      if (row.known === 1 && !out.known) {
        amnesia(ctx, tx, row)
        return
      }
      paymentFailed(ctx, tx, row, {
        reason: out.reason,
        tried: out.tried,
        notFound: !out.known,
        reconnected: false,
      })
      return
    }
    default:
      troubled(ctx, tx, op, attempt, out)
  }
}

/** S: again soon. U: only a lookup comes next. B: our own fault, again later, with an alert. */
export function troubled(ctx: Ctx, tx: Tx, op: LnOpRow, attempt: number, trouble: CallTrouble): void {
  if (trouble.class !== 'B') alertUnended(ctx, tx, op, trouble.detail)
  switch (trouble.class) {
    case 'S': {
      const next = tx.nowS + Math.min(2 ** Math.min(op.attempt, 5), 30)
      tx.s.op_again({ id: op.id, attempt, next, sure_not_sent: 1, class: 'S', detail: trouble.detail, not_found: 0 })
      if (op.kind === 'hold_create') createNotSent(ctx, tx, op.hash)
      return
    }
    case 'U':
      tx.s.op_unknown({
        id: op.id,
        attempt,
        lost_at: trouble.connectionLost ? tx.nowS : null,
        next: tx.nowS,
        detail: trouble.detail,
      })
      return
    case 'B':
      blocked(ctx, tx, op, attempt, trouble.detail)
  }
}

/** A hold whose end is decided and that LND does not end: somebody waits for sats. */
function alertUnended(ctx: Ctx, tx: Tx, { id, kind, created_at }: LnOpRow, detail: string): void {
  const waitedS = tx.nowS - created_at
  if ((kind === 'hold_settle' || kind === 'hold_cancel') && waitedS > UNENDED_S)
    alert(ctx, tx, `slow:${id}`, 2, `${id} waits since ${waitedS} s: ${detail}`)
}

/** LND refuses what we chose: our own fault, tried again slowly, with an alert. */
function blocked(ctx: Ctx, tx: Tx, op: LnOpRow, attempt: number, detail: string): void {
  tx.s.op_again({
    id: op.id,
    attempt,
    next: tx.nowS + BLOCKED_RETRY_S,
    sure_not_sent: 1,
    class: 'B',
    detail,
    not_found: 0,
  })
  if (op.kind === 'hold_create') createNotSent(ctx, tx, op.hash)
  alert(ctx, tx, `lightning-refused:${op.kind}`, 3, `LND refuses ${op.kind}: ${detail}`)
}

/**
 * LND told us that it holds sats, and denies it now that we take them: said at once, tried again slowly; the second time
 * all money halts (money-path.md 1.3).
 */
export function settleContradicted(ctx: Ctx, tx: Tx, op: LnOpRow, attempt: number, detail: string): void {
  const key = `conflict:${op.hash}`
  const next = tx.nowS + BLOCKED_RETRY_S
  tx.s.op_again({ id: op.id, attempt, next, sure_not_sent: 1, class: 'B', detail, not_found: 0 })
  const isRepeated = tx.store.get('SELECT 1 FROM alert WHERE key = :key AND closed_at IS NULL', { key }) !== undefined
  if (isRepeated) halt(ctx, tx, op.node_pubkey, key, detail)
  else alert(ctx, tx, key, 3, detail)
}

/** LND forgot a payment that it had spoken of: nothing is paid until a person has looked. */
function amnesia(ctx: Ctx, tx: Tx, op: LnOpRow): void {
  halt(
    ctx,
    tx,
    op.node_pubkey,
    `amnesia:${op.hash}`,
    `LND knew payment ${op.hash} and does not know it any more: restored from a backup?`,
  )
  tx.s.op_look_later({ id: op.id, attempt: op.attempt, next: tx.nowS + BLOCKED_RETRY_S })
}

/** When to look next, and an alert when it takes too long (money-path.md 3.5). */
export function lookLater(ctx: Ctx, tx: Tx, op: LnOpRow, looks: number): void {
  tx.s.op_look_later({ id: op.id, attempt: op.attempt, next: tx.nowS + lookBackoffS(looks) })
  alertSlow(ctx, tx, op)
}

function alertSlow(ctx: Ctx, tx: Tx, op: LnOpRow): void {
  const since = op.attempt_at ?? op.created_at
  const limitS = op.state === 'unknown' ? 600 : 3600
  if (tx.nowS - since > limitS)
    alert(ctx, tx, `slow:${op.id}`, 2, `${op.id} is ${op.state} since ${tx.nowS - since} s; hash ${op.hash}`)
}

function again(tx: Tx, op: LnOpRow, next: number): void {
  tx.s.op_again({
    id: op.id,
    attempt: op.attempt,
    next,
    sure_not_sent: 1,
    class: 'S',
    detail: 'looked up: not executed',
    not_found: 0,
  })
}

/** Whether the payer of this request would pay the hold that we planned. */
function asksForHold(ctx: Ctx, hold: HoldRow, request: string): boolean {
  const decoded = decodeBolt11(request, ctx.key.curves)
  return decoded.ok && decoded.value.hash === hold.hash && decoded.value.amountMsat === hold.amount_msat
}

/** A look-up's answer about a hold whose intent is unknown. `watch`: the hold was given out and is worth watching. */
export function holdResolved(
  ctx: Ctx,
  tx: Tx,
  op: LnOpRow,
  seen: HoldFact | 'not-found',
  next: { readonly later: (tx: Tx) => void; readonly watch: (hash: string) => void },
): void {
  const hold = holdRow(tx.store, op.hash)
  if (hold === undefined) return
  if (op.kind === 'hold_create') {
    if (seen !== 'not-found') {
      if (asksForHold(ctx, hold, seen.request)) holdCreated(ctx, tx, op, seen)
      else halt(ctx, tx, op.node_pubkey, `conflict:${op.hash}`, `LND asks for something else under hash ${op.hash}`)
      tx.after(() => next.watch(op.hash))
    } else if (hold.decision === 'none') again(tx, op, tx.nowS)
    else if (tx.surelyS > (hold.expires_at ?? 0) + CLOCK_SKEW_S) {
      tx.s.op_refused_hold({ id: op.id, attempt: op.attempt, detail: 'never arrived, and decided meanwhile' })
      tx.after(ctx.poke.executor)
    } else next.later(tx)
    return
  }
  if (op.kind === 'hold_cancel') {
    if (seen === 'not-found') next.later(tx)
    else if (seen.state === 'open' || seen.state === 'accepted') again(tx, op, tx.nowS)
    else observeHold(ctx, tx, seen)
    return
  }
  if (seen === 'not-found') {
    halt(ctx, tx, op.node_pubkey, `conflict:${op.hash}`, `LND does not know hold ${op.hash}, which is to be settled`)
    next.later(tx)
  } else if (seen.state === 'accepted' || seen.state === 'open') again(tx, op, tx.nowS)
  else observeHold(ctx, tx, seen)
}

/** A look-up's answer about a payment whose outcome is unknown. `epoch`: the connection that was asked. */
export function paymentResolved(
  ctx: Ctx,
  tx: Tx,
  op: LnOpRow,
  seen: PaymentFact | 'not-found',
  epoch: number,
  later: (tx: Tx) => void,
): void {
  if (seen === 'not-found') {
    if (op.known === 1) amnesia(ctx, tx, op)
    else notRecorded(ctx, tx, op, 1)
    return
  }
  switch (seen.state) {
    case 'alive':
      tx.s.op_ack({ id: op.id, attempt: op.attempt, alive: 1, known: 1 })
      later(tx)
      return
    case 'succeeded':
      paymentSucceeded(ctx, tx, op.id, seen.preimage, seen.feeMsat)
      return
    case 'failed': {
      const ours = seen.startedAtMs >= ((op.attempt_at ?? 0) - CLOCK_SKEW_S) * 1000
      if (ours) tx.s.op_ack({ id: op.id, attempt: op.attempt, alive: 0, known: 1 })
      const row = opRow(tx, op.id)
      if (row === undefined) return
      if (ours || row.unacked === 0)
        paymentFailed(ctx, tx, row, {
          reason: seen.reason,
          tried: seen.tried,
          notFound: false,
          reconnected: row.conn !== epoch,
        })
      else notRecorded(ctx, tx, row, 0)
    }
  }
}

/** LND has nothing of this attempt, at most of an earlier one: it is not recorded, or still in a buffer (money-path.md 0.3 point 5). */
function notRecorded(ctx: Ctx, tx: Tx, op: LnOpRow, notFound: 0 | 1): void {
  if ((op.request_expires_at ?? 0) <= tx.nowS + MIN_LIFE_TO_DISPATCH_S) {
    paymentFailed(ctx, tx, op, { reason: 'unpayable', tried: false, notFound: notFound === 1, reconnected: false })
    return
  }
  // Only the same hash may be sent again: LND pays it once, however many attempts arrive.
  tx.s.op_again({
    id: op.id,
    attempt: op.attempt,
    next: tx.nowS + lookBackoffS(op.attempt),
    sure_not_sent: 0,
    class: 'S',
    detail: 'no record',
    not_found: notFound,
  })
}
