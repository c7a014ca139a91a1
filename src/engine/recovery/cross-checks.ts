/**
 * What the rows imply and must therefore be there (money-path.md 3.7 ). A gap is filled when the repair is only
 * "insert the missing intent"; anything else is an alert. Runs at start and in every sweep; a quiet system is not changed.
 */
import type { HoldRow, ObligationRow } from '../../adapters/sqlite/schema.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { askForDuty } from '../duty-request.ts'
import { cancelHold, ensureCancel } from '../journal/escrow-intents.ts'
import { prompt, promptDue, startPaying } from '../journal/obligations.ts'
import { holdRow, loadOrder } from '../rows.ts'
import { alert, Cause } from '../say.ts'

const ENDED = `('success', 'canceled', 'cooperatively-canceled', 'canceled-by-admin', 'expired')`
const UNDELIVERED_S = 600

/** Open holds looked at in one round: a big node has tens of thousands, and everybody waits for a round. */
const HOLDS_A_ROUND = 2000

export class CrossChecks {
  /** the order whose holds were looked at last: they may have been cut off */
  #openFrom = ''

  /** All checks, in one transaction; of very many open holds some, the next ones in the next round. */
  run(ctx: Ctx, tx: Tx): void {
    fundsWithoutOwner(ctx, tx)
    readyWithoutIntent(ctx, tx)
    promptDue(ctx, tx)
    this.#openFrom = openHolds(ctx, tx, this.#openFrom)
    doneWithoutLedger(ctx, tx)
    undelivered(ctx, tx)
    askAgainAfterDeadLetter(ctx, tx)
    askForDutyAgain(ctx, tx)
  }
}

/** a settled hold funds what hangs on it. */
function fundsWithoutOwner(ctx: Ctx, tx: Tx): void {
  const blocked = tx.store.all<{ hash: string }>(
    `SELECT DISTINCT h.hash FROM obligation o JOIN hold h ON h.hash = o.funded_by
      WHERE o.state = 'blocked' AND o.state NOT IN ('paid','forfeited','void') AND h.final IS NOT NULL`,
  )
  for (const { hash } of blocked) {
    for (const funded of tx.s.obligation_fund({ hash, now: tx.nowS })) startPaying(ctx, tx, funded.id)
    tx.s.obligation_unfund({ hash })
  }
}

/** ready and nobody pays. */
function readyWithoutIntent(ctx: Ctx, tx: Tx): void {
  const rows = tx.store.all<ObligationRow>(
    `SELECT o.* FROM obligation o WHERE o.state = 'ready' AND o.state NOT IN ('paid','forfeited','void') AND NOT EXISTS
       (SELECT 1 FROM ln_op p WHERE p.obligation_id = o.id AND p.kind = 'pay' AND p.state NOT IN ('refused', 'void'))`,
  )
  for (const row of rows) startPaying(ctx, tx, row.id)
}

/**
 * an order that is over keeps no undecided hold. X-8: a decision has an intent that ends the hold. Gives the order to
 * go on with; `''` when all were looked at.
 */
function openHolds(ctx: Ctx, tx: Tx, from: string): string {
  const looked = tx.store.all<Pick<HoldRow, 'hash' | 'order_id' | 'decision'> & { readonly amiss: 0 | 1 }>(
    `SELECT h.hash, h.order_id, h.decision, CASE h.decision WHEN 'none' THEN o.status IN ${ENDED}
            ELSE NOT EXISTS (SELECT 1 FROM ln_op p
              WHERE p.hash = h.hash AND p.kind IN ('hold_settle', 'hold_cancel') AND p.state <> 'void') END AS amiss
       FROM hold h JOIN orders o ON o.id = h.order_id
      WHERE h.final IS NULL AND h.order_id >= :from ORDER BY h.order_id LIMIT ${HOLDS_A_ROUND}`,
    { from },
  )
  for (const { hash, decision, amiss } of looked) {
    if (amiss === 0) continue
    if (decision === 'cancel') ensureCancel(ctx, tx, hash)
    else if (decision === 'settle')
      alert(ctx, tx, `no-settle-intent:${hash}`, 3, `hold ${hash} is decided settle and has no intent`)
    else {
      const hold = holdRow(tx.store, hash)
      if (hold !== undefined) cancelHold(ctx, tx, hold, 'order-ended', 'cross-check')
    }
  }
  return looked.length < HOLDS_A_ROUND ? '' : (looked.at(-1)?.order_id ?? '')
}

/** what moved is booked. The newest suffice: every gap is met while it is young. */
function doneWithoutLedger(ctx: Ctx, tx: Tx): void {
  const rows = tx.store.all<{ id: string }>(
    `SELECT p.id FROM (SELECT id FROM ln_op WHERE kind = 'pay' AND state = 'done' ORDER BY created_at DESC LIMIT 500) p
      WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.cause = 'paid:' || p.id)
      UNION ALL
     SELECT h.hash FROM (SELECT hash FROM hold WHERE final = 'settled' ORDER BY settle_index DESC LIMIT 500) h
      WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.cause = 'settle:' || h.hash)`,
  )
  for (const { id } of rows) alert(ctx, tx, `no-ledger:${id}`, 3, `${id} moved sats and is not in the ledger`)
}

/** X-12, first half: what waits for a relay too long. */
function undelivered(ctx: Ctx, tx: Tx): void {
  const row = tx.store.get<{ n: number }>(
    'SELECT COUNT(*) AS n FROM outbox_msg WHERE state < 2 AND first_ok_at IS NULL AND created_at <= :before',
    {
      before: tx.nowS - UNDELIVERED_S,
    },
  )
  if ((row?.n ?? 0) > 0)
    alert(ctx, tx, 'undelivered', 2, `${row?.n ?? 0} messages wait for a relay since more than ${UNDELIVERED_S} s`)
  else tx.s.alert_close({ key: 'undelivered', now: tx.nowS })
}

/** X-12, second half: a request that no relay ever took is asked again, at most three times (money-path.md 3.8). */
function askAgainAfterDeadLetter(ctx: Ctx, tx: Tx): void {
  const rows = tx.store.all<ObligationRow>(
    `SELECT o.* FROM obligation o WHERE o.state = 'need_destination' AND o.state NOT IN ('paid','forfeited','void')
        AND o.prompt_ok_at IS NULL AND o.prompts <= 3 AND o.last_prompt_at <= :before
        AND EXISTS (SELECT 1 FROM outbox_msg m WHERE m.obligation_id = o.id AND m.state = 3)`,
    { before: tx.nowS - 60 },
  )
  for (const row of rows) prompt(ctx, tx, row, 60)
}

/** Times that a duty is asked for again when every relay refused the request. */
const DUTY_ASKS_MAX = 3

/** X-12 for trades: a duty that no relay ever took the request of is asked for again; then a person must look. */
function askForDutyAgain(ctx: Ctx, tx: Tx): void {
  for (const { id, duty_epoch, duty_anchor_at, maker_pubkey, taker_pubkey } of tx.s.duty_unheard()) {
    const asks = tx.store.all<{ state: number }>(
      'SELECT state FROM outbox_msg WHERE recipient IN (:maker, :taker) AND order_id = :id AND asks = 1 AND created_at >= :since',
      { maker: maker_pubkey, taker: taker_pubkey, id, since: duty_anchor_at },
    )
    const dead = asks.length
    if (dead === 0 || asks.some((ask) => ask.state !== 3)) continue
    const order = loadOrder(tx.store, id)
    if (order === null || !('duty' in order)) continue
    if (dead > DUTY_ASKS_MAX)
      alert(ctx, tx, `duty-unheard:${id}`, 3, `no relay takes the request that order ${id} waits for: ${order.status}`)
    else askForDuty(ctx, tx, order, new Cause(`duty:${id}:${duty_epoch}:${dead}`), null)
  }
}
