import type { Msat } from '../../../core/money.ts'
import type { ObligationKind } from '../../../core/obligation.ts'
import type { Flag, ObligationState, ReviewWhy } from '../schema.ts'
import { many, one } from '../statement.ts'

export const obligations = {
  /**
   * Reserves the hash for us, or once more for us. No row: reserved for another, dispatched before, or a hold of
   * ours: invalid_invoice.
   */
  hash_reserve: one<{ hash: string; owner: string; payee: string; now: number }, { hash: string }>(`
    INSERT INTO payout_hash(hash, owner, payee, admitted_at)
    SELECT :hash, :owner, :payee, :now WHERE NOT EXISTS (SELECT 1 FROM hold WHERE hold.hash = :hash)
    ON CONFLICT(hash) DO UPDATE SET admitted_at = excluded.admitted_at
     WHERE payout_hash.owner = excluded.owner AND payout_hash.payee = excluded.payee
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.hash = excluded.hash AND p.kind = 'pay' AND p.attempt > 0)
    RETURNING hash
  `),

  /** The maker of a buy order changes his trade key: what he reserved goes with him. No row: he reserved nothing. */
  hash_follow: one<{ owner: string; from: string; to: string }, { hash: string }>(`
    UPDATE payout_hash SET payee = :to WHERE owner = :owner AND payee = :from RETURNING hash
  `),

  /**
   * In the transaction that records hold final = settled; the anchor is now, because now the money is ours. No row:
   * nothing hangs on this hold, or done before.
   */
  obligation_fund: many<{ now: number; hash: string }, { id: string; kind: ObligationKind; state: ObligationState }>(`
    UPDATE obligation SET
           state = CASE WHEN payee IS NULL OR kind = 'overpayment' THEN 'review' WHEN destination IS NULL THEN 'need_destination' ELSE 'ready' END,
           review_why = CASE WHEN kind = 'overpayment' THEN 'operator-pays' WHEN payee IS NULL THEN 'awaiting-verdict' END,
           anchor_at = :now, claim_until = :now + window_s, version = version + 1
     WHERE funded_by = :hash AND state = 'blocked'
       AND EXISTS (SELECT 1 FROM hold h WHERE h.hash = :hash AND h.final = 'settled')
    RETURNING id, kind, state
  `),

  /**
   * The funding hold is gone: nothing was taken, nothing is owed. No row: nothing hangs on this hold, or done
   * before.
   */
  obligation_unfund: many<{ hash: string }, { id: string; kind: ObligationKind }>(`
    UPDATE obligation SET state = 'void', version = version + 1
     WHERE funded_by = :hash AND state = 'blocked'
       AND EXISTS (SELECT 1 FROM hold h WHERE h.hash = :hash AND h.final = 'canceled')
    RETURNING id, kind
  `),

  /**
   * In the transaction that reserved the hash. Any live intent must have been voided or abandoned before, under its
   * own fence. No row: not his, terminal, closed, or a live intent: refuse from the state read.
   */
  obligation_destination: one<
    { dest: string; oid: string; sender: string },
    { state: ObligationState; destination_rev: number }
  >(`
    UPDATE obligation SET state = CASE WHEN state = 'blocked' THEN 'blocked' ELSE 'ready' END, review_why = NULL,
           destination = :dest, destination_rev = destination_rev + 1, failures = 0, resolve_failures = 0, looking_up = 0, next_at = 0, version = version + 1
     WHERE id = :oid AND payee = :sender
       AND (state IN ('blocked','need_destination','ready') OR (state = 'review' AND review_why = 'payee-exhausted'))
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING state, destination_rev
  `),

  /** With op_again or before op_abandon_pay, same transaction. No row: not ready: a bug. */
  obligation_failure: one<
    { payee_fault: Flag; oid: string },
    { failures: number; attempts_max: number; retry_s: number }
  >(`
    UPDATE obligation SET failures = MIN(failures + :payee_fault, attempts_max), version = version + 1
     WHERE id = :oid AND state = 'ready'
    RETURNING failures, attempts_max, retry_s
  `),

  /** Clears the destination, keeps the anchor. No row: a live intent, or not ready. */
  obligation_reask: one<{ oid: string }, { prompts: number; anchor_at: number }>(`
    UPDATE obligation SET state = 'need_destination', destination = NULL, failures = 0, resolve_failures = 0,
           last_prompt_at = NULL, prompt_ok_at = NULL, version = version + 1
     WHERE id = :oid AND state = 'ready'
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING prompts, anchor_at
  `),

  /**
   * Address destination whose invoice died: keeps address and count, asks for a fresh invoice under a new op id. No
   * row: a live intent, or not ready.
   */
  obligation_refetch: one<{ next: number; oid: string }, { destination_rev: number }>(`
    UPDATE obligation SET destination_rev = destination_rev + 1, next_at = :next, version = version + 1
     WHERE id = :oid AND state = 'ready'
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING destination_rev
  `),

  /** One owner of an address lookup at a time. No row: another owner, or not due. */
  resolve_claim: one<
    { until: number; oid: string; v: number; now: number },
    { destination: string; destination_rev: number; version: number }
  >(`
    UPDATE obligation SET looking_up = 1, next_at = :until, version = version + 1
     WHERE id = :oid AND state = 'ready' AND version = :v AND next_at <= :now
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING destination, destination_rev, version
  `),

  /**
   * Look-ups that an earlier process had begun and never ended: they may begin again at once, whatever failed before.
   * A pause after a failure stays. No row: the last process left nothing behind.
   */
  resolve_abandoned: many<{ now: number }, { id: string }>(`
    UPDATE obligation SET looking_up = 0, next_at = :now, version = version + 1
     WHERE state = 'ready' AND state NOT IN ('paid','forfeited','void') AND looking_up = 1
    RETURNING id
  `),

  /** Failed = 1: back off; failed = 0: an invoice was planned. No row: the destination changed meanwhile. */
  resolve_result: one<{ failed: Flag; next: number; oid: string; rev: number }, { resolve_failures: number }>(`
    UPDATE obligation SET resolve_failures = CASE WHEN :failed = 1 THEN resolve_failures + 1 ELSE 0 END, looking_up = 0, next_at = :next, version = version + 1
     WHERE id = :oid AND state = 'ready' AND destination_rev = :rev
    RETURNING resolve_failures
  `),

  /**
   * With its outbox row; the key of that row is prompt:<id>:<prompts>. No row: the cadence is not over, or nothing
   * is asked.
   */
  obligation_prompt: one<
    { now: number; oid: string; cadence: number },
    { prompts: number; anchor_at: number; claim_until: number | null }
  >(`
    UPDATE obligation SET prompts = prompts + 1, last_prompt_at = :now, version = version + 1
     WHERE id = :oid AND state = 'need_destination' AND (last_prompt_at IS NULL OR last_prompt_at <= :now - :cadence)
    RETURNING prompts, anchor_at, claim_until
  `),

  /** No row: known, or nothing was asked. */
  obligation_prompt_ok: one<{ now: number; oid: string }, { version: number }>(`
    UPDATE obligation SET prompt_ok_at = :now, version = version + 1
     WHERE id = :oid AND state = 'need_destination' AND prompt_ok_at IS NULL AND last_prompt_at IS NOT NULL
    RETURNING version
  `),

  /** No row: not payable any more: obligation_review('late-success'). */
  obligation_paid: one<{ op: string; oid: string }, { version: number }>(`
    UPDATE obligation SET state = 'paid', review_why = NULL, paid_op = :op, version = version + 1
     WHERE id = :oid AND state IN ('ready','need_destination','review')
       AND EXISTS (SELECT 1 FROM ln_op p WHERE p.id = :op AND p.obligation_id = obligation.id AND p.state = 'done')
    RETURNING version
  `),

  /** Freezes for a person. No row: paid, already in review, or never funded. */
  obligation_review: one<{ why: ReviewWhy; oid: string }, { state: ObligationState }>(`
    UPDATE obligation SET state = 'review', review_why = :why, version = version + 1
     WHERE id = :oid AND state NOT IN ('paid','review') AND anchor_at IS NOT NULL
    RETURNING state
  `),

  /**
   * The window is over, a prompt of the present asking reached a relay a day ago, nothing is under way. No row: one
   * of the conditions does not hold.
   */
  obligation_forfeit: one<{ oid: string; now: number }, { version: number }>(`
    UPDATE obligation SET state = 'forfeited', version = version + 1
     WHERE id = :oid AND state = 'need_destination' AND kind = 'bond_payout' AND claim_until <= :now AND prompt_ok_at <= :now - 86400
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING version
  `),

  /** Development fee and reward end unpaid; an operator closes a review. No row: a live intent, or not such a kind. */
  obligation_void: one<{ oid: string; operator: Flag }, { version: number }>(`
    UPDATE obligation SET state = 'void', review_why = NULL, version = version + 1
     WHERE id = :oid
       AND ((kind IN ('dev_fee','solver_reward') AND state IN ('need_destination','ready')) OR (:operator = 1 AND state = 'review'))
       AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = obligation.id AND p.kind = 'pay' AND p.state NOT IN ('refused','void'))
    RETURNING version
  `),

  /** Custody: the verdict names who is owed. No row: named before, or not custody. */
  obligation_name_payee: one<{ payee: string; oid: string }, { state: ObligationState }>(`
    UPDATE obligation SET payee = :payee, state = CASE WHEN state = 'review' THEN 'need_destination' ELSE state END, review_why = NULL, version = version + 1
     WHERE id = :oid AND kind = 'custody' AND payee IS NULL AND (state = 'blocked' OR (state = 'review' AND review_why = 'awaiting-verdict'))
    RETURNING state
  `),

  /** Sats that will be owed once the hold named by funded_by is settled. No row: planned before. */
  obligation_plan: one<
    {
      oid: string
      kind: ObligationKind
      order_id: string
      bond_id: string | null
      payee: string | null
      amount_msat: Msat
      max_fee_msat: Msat
      funded_by: string
      window_s: number | null
      attempts_max: number
      retry_s: number
      destination: string | null
      now: number
    },
    { id: string }
  >(`
    INSERT INTO obligation(id, kind, order_id, bond_id, payee, amount_msat, max_fee_msat, state, funded_by, window_s, attempts_max,
                           retry_s, destination, created_at)
    VALUES (:oid, :kind, :order_id, :bond_id, :payee, :amount_msat, :max_fee_msat, 'blocked', :funded_by, :window_s, :attempts_max,
            :retry_s, :destination, :now)
    ON CONFLICT(id) DO NOTHING RETURNING id
  `),
}
