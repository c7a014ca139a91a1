import type { Flag, HoldOpKind, LnOpRow, OpClass, OpKind } from '../schema.ts'
import { many, one } from '../statement.ts'

export const intents = {
  /** The intent of a hold. No row: planned before. */
  op_plan_hold: one<
    { id: string; kind: HoldOpKind; hash: string; node: string; params: string; now: number },
    { id: string }
  >(`
    INSERT INTO ln_op(id, kind, hash, node_pubkey, params, next_at, created_at)
    VALUES (:id, :kind, :hash, :node, :params, :now, :now)
    ON CONFLICT DO NOTHING RETURNING id
  `),

  /**
   * Never fails, so that a transaction with a confirmed fact can not fail here. No row: not payable with this
   * invoice: obligation_reask or obligation_review in the same transaction.
   */
  pay_plan: one<
    { hash: string; node: string; params: string; dest: string | null; expires: number; now: number; oid: string },
    { id: string }
  >(`
    INSERT INTO ln_op(id, kind, hash, obligation_id, node_pubkey, params, dest_pubkey, request_expires_at, next_at, created_at)
    SELECT 'pay:' || o.id || ':' || o.destination_rev, 'pay', :hash, o.id, :node, :params, :dest, :expires, :now, :now
      FROM obligation o
     WHERE o.id = :oid AND o.state = 'ready'
       AND EXISTS (SELECT 1 FROM payout_hash h WHERE h.hash = :hash AND h.owner = o.id AND h.payee = o.payee)
    ON CONFLICT DO NOTHING RETURNING id
  `),

  /**
   * A create only for an undecided hold; a cancel only when the create of its hash has come to rest. No row: not
   * due, claimed by another, connection not verified, halted, or the decision forbids it.
   */
  claim_hold_op: one<
    { now: number; boot: string; conn: number; until: number; id: string; v: number; node: string },
    { attempt: number; version: number }
  >(`
    UPDATE ln_op SET state = 'dispatching', attempt = attempt + 1, attempt_at = :now,
           unacked = unacked + (kind = 'hold_create'), boot_id = :boot, conn = :conn, lease_until = :until, version = version + 1
     WHERE id = :id AND kind <> 'pay' AND state = 'planned' AND version = :v AND next_at <= :now
       AND EXISTS (SELECT 1 FROM ln_node n WHERE n.node_pubkey = ln_op.node_pubkey AND n.node_pubkey = :node
                      AND n.conn_epoch = :conn AND n.verified_epoch = :conn AND n.halted = 0)
       AND EXISTS (SELECT 1 FROM hold h WHERE h.hash = ln_op.hash AND CASE ln_op.kind
                      WHEN 'hold_create' THEN h.decision = 'none'   AND h.final IS NULL
                      WHEN 'hold_settle' THEN h.decision = 'settle' AND h.final IS NULL
                      ELSE h.decision = 'cancel' AND h.final IS NOT 'settled' END)
       AND (kind <> 'hold_cancel' OR NOT EXISTS (SELECT 1 FROM ln_op c WHERE c.hash = ln_op.hash AND c.kind = 'hold_create'
                      AND c.state IN ('planned','dispatching','unknown')))
    RETURNING attempt, version
  `),

  /**
   * A payment is claimed under caps, with expiry left, on a verified connection. No row: as claim_hold_op, or a cap
   * is reached, or the invoice ends too soon: it stays planned.
   */
  claim_pay: one<
    {
      now: number
      boot: string
      conn: number
      until: number
      id: string
      v: number
      min_left: number
      node: string
      cap: number
      dest_cap: number
    },
    { attempt: number; version: number }
  >(`
    UPDATE ln_op SET state = 'dispatching', attempt = attempt + 1, attempt_at = :now, unacked = unacked + 1,
           boot_id = :boot, conn = :conn, lease_until = :until, version = version + 1
     WHERE id = :id AND kind = 'pay' AND state = 'planned' AND version = :v AND next_at <= :now
       AND request_expires_at > :now + :min_left
       AND EXISTS (SELECT 1 FROM ln_node n WHERE n.node_pubkey = ln_op.node_pubkey AND n.node_pubkey = :node
                      AND n.conn_epoch = :conn AND n.verified_epoch = :conn AND n.halted = 0)
       AND EXISTS (SELECT 1 FROM obligation o WHERE o.id = ln_op.obligation_id AND o.state = 'ready')
       AND (SELECT COUNT(*) FROM ln_op x WHERE x.kind = 'pay' AND x.state IN ('dispatching','unknown','in_flight')) < :cap
       AND (SELECT COUNT(*) FROM ln_op x WHERE x.kind = 'pay' AND x.state IN ('dispatching','unknown','in_flight')
                                           AND x.dest_pubkey = ln_op.dest_pubkey) < :dest_cap
    RETURNING attempt, version
  `),

  /** An intent that could not be claimed now is looked at again later. No row: claimed or ended meanwhile. */
  op_defer: one<{ id: string; v: number; next: number }, { version: number }>(`
    UPDATE ln_op SET next_at = :next, version = version + 1 WHERE id = :id AND state = 'planned' AND version = :v
    RETURNING version
  `),

  /**
   * LND spoke about this attempt: alive = a payment is under way, known = LND has (had) a payment record for the
   * hash. No row: nothing new, or another attempt.
   */
  op_ack: one<{ alive: Flag; known: Flag; attempt: number; id: string }, { version: number }>(`
    UPDATE ln_op SET state = CASE WHEN :alive = 1 THEN 'in_flight' ELSE state END, known = MAX(known, :known),
           unacked = CASE WHEN acked_attempt < :attempt THEN MAX(unacked - 1, 0) ELSE unacked END,
           acked_attempt = MAX(acked_attempt, :attempt), version = version + 1
     WHERE id = :id AND attempt = :attempt AND state IN ('dispatching','unknown','in_flight')
       AND (acked_attempt < :attempt OR known < :known OR (:alive = 1 AND state <> 'in_flight'))
    RETURNING version
  `),

  /** Class U: only a lookup leaves it. No row: not dispatching any more. */
  op_unknown: one<
    { lost_at: number | null; next: number; detail: string; id: string; attempt: number },
    { version: number }
  >(`
    UPDATE ln_op SET state = 'unknown', last_lost_at = COALESCE(:lost_at, last_lost_at), next_at = :next, last_class = 'U', last_detail = :detail, version = version + 1
     WHERE id = :id AND attempt = :attempt AND state IN ('dispatching','in_flight')
    RETURNING version
  `),

  /** What an earlier process had claimed. No row: the last process left nothing behind. */
  boot_unknown: many<{ now: number; boot: string }, { id: string }>(`
    UPDATE ln_op SET state = 'unknown', last_lost_at = :now, next_at = :now, version = version + 1
     WHERE state = 'dispatching' AND boot_id <> :boot
    RETURNING id
  `),

  /** Claims whose call should have answered long ago. No row: no lease is over. */
  lease_over: many<{ now: number }, { id: string; kind: OpKind }>(`
    UPDATE ln_op SET state = 'unknown', next_at = :now, last_class = 'U', last_detail = 'lease', version = version + 1
     WHERE state = 'dispatching' AND lease_until <= :now
    RETURNING id, kind
  `),

  /**
   * Class S or B, or a verified failed attempt with budget left: same hash again. No row: another attempt; or a
   * payment that LND knew and does not find: amnesia, halt.
   */
  op_again: one<
    { next: number; sure_not_sent: Flag; class: OpClass; detail: string; id: string; attempt: number; not_found: Flag },
    { version: number }
  >(`
    UPDATE ln_op SET state = 'planned', next_at = :next, unacked = MAX(unacked - :sure_not_sent, 0), last_class = :class, last_detail = :detail, version = version + 1
     WHERE id = :id AND attempt = :attempt AND state IN ('dispatching','unknown','in_flight')
       AND NOT (kind = 'pay' AND known = 1 AND :not_found = 1)
    RETURNING version
  `),

  /** When to look next. No row: resolved meanwhile. */
  op_look_later: one<{ next: number; id: string; attempt: number }, { version: number }>(`
    UPDATE ln_op SET next_at = :next, version = version + 1
     WHERE id = :id AND attempt = :attempt AND state IN ('unknown','in_flight') RETURNING version
  `),

  /**
   * Success is not fenced by attempt: the preimage is the proof. No row: done before (nothing to do), or refused or
   * void: a late success.
   */
  op_done: one<{ result: string; id: string }, { version: number }>(`
    UPDATE ln_op SET state = 'done', result = :result, unacked = 0, version = version + 1
     WHERE id = :id AND state IN ('planned','dispatching','unknown','in_flight')
    RETURNING version
  `),

  /**
   * T: LND will not do it; or a create of a decided hold is NotFound after expires_at + skew. No row: resolved
   * meanwhile.
   */
  op_refused_hold: one<{ detail: string; id: string; attempt: number }, { version: number }>(`
    UPDATE ln_op SET state = 'refused', last_class = 'T', last_detail = :detail, version = version + 1
     WHERE id = :id AND kind <> 'pay' AND attempt = :attempt AND attempt > 0 AND state IN ('planned','dispatching','unknown')
    RETURNING version
  `),

  /**
   * The only road to another invoice; looked_up = 1: a lookup was done for this call (money-path.md 3.6 point 1). No
   * row: the fence holds: stay and look again; or a payment that LND knew and does not find: halt.
   */
  op_abandon_pay: one<
    {
      detail: string
      id: string
      attempt: number
      looked_up: Flag
      not_found: Flag
      now: number
      skew: number
      quiesce: number
    },
    { version: number }
  >(`
    UPDATE ln_op SET state = 'refused', last_class = 'T', last_detail = :detail, version = version + 1
     WHERE id = :id AND kind = 'pay' AND attempt = :attempt AND state IN ('planned','dispatching','unknown','in_flight')
       AND (:looked_up = 1 OR (state = 'planned' AND unacked = 0))
       AND NOT (known = 1 AND :not_found = 1)
       AND (unacked = 0 OR :now >= request_expires_at + :skew OR (last_lost_at IS NOT NULL AND :now >= last_lost_at + :quiesce))
    RETURNING version
  `),

  /**
   * A payment whose earlier request may still be on its way, and whose invoice is too old to be sent again: only a
   * look-up ends it. No row: it may be withdrawn or sent as it is.
   */
  op_look_first: one<{ id: string; v: number; now: number; min_left: number }, { version: number }>(`
    UPDATE ln_op SET state = 'unknown', next_at = :now, last_class = 'U', last_detail = 'too old to be sent again', version = version + 1
     WHERE id = :id AND kind = 'pay' AND state = 'planned' AND version = :v AND unacked > 0 AND request_expires_at <= :now + :min_left
    RETURNING version
  `),

  /** Withdraws what was never claimed. No row: it may have left. */
  op_void: one<{ id: string; v: number }, { version: number }>(`
    UPDATE ln_op SET state = 'void', version = version + 1 WHERE id = :id AND state = 'planned' AND attempt = 0 AND version = :v RETURNING version
  `),

  /** The create provably never reached LND. No row: the create may have left: plan hold_cancel. */
  create_void: one<{ hash: string }, { id: string }>(`
    UPDATE ln_op SET state = 'void', version = version + 1
     WHERE hash = :hash AND kind = 'hold_create' AND state = 'planned' AND unacked = 0
    RETURNING id
  `),

  /**
   * LND shows a live invoice for a hold that we cancelled: cancel it once more (idempotent at LND). No row: already
   * due.
   */
  cancel_again: one<{ now: number; hash: string }, { id: string }>(`
    UPDATE ln_op SET state = 'planned', next_at = :now, version = version + 1
     WHERE hash = :hash AND kind = 'hold_cancel' AND state = 'done'
    RETURNING id
  `),

  /** Intents to begin or to look up now, oldest first; those that were claimed have their lease. No row: nothing is due. */
  op_due: many<{ now: number; n: number }, LnOpRow>(`
    SELECT * FROM ln_op WHERE state IN ('planned','dispatching','unknown','in_flight') AND next_at <= :now
       AND state <> 'dispatching' ORDER BY next_at LIMIT :n
  `),
}
