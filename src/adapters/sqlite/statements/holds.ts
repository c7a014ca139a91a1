import type { Msat } from '../../../core/money.ts'
import type { HoldDecision, HoldFinal, HoldPurpose } from '../schema.ts'
import { always, many, one } from '../statement.ts'

export const holds = {
  /** Never the same counter twice, not even after a restore: time has moved on. Always a row. */
  hold_counter: always<{ now_ms: number }, { counter: number }>(`
    SELECT MAX(COALESCE((SELECT MAX(counter) FROM hold), 0) + 1, :now_ms) AS counter
  `),

  /** Same transaction as the claim of a create: life counts from dispatch. No row: adopted meanwhile. */
  hold_dispatch: one<{ now: number; hash: string }, { expires_at: number }>(`
    UPDATE hold SET expires_at = :now + life_s, version = version + 1 WHERE hash = :hash AND request IS NULL AND final IS NULL RETURNING expires_at
  `),

  /**
   * The invoice exists at LND and nobody was given it yet; RETURNING decision says whether it may be given out. No
   * row: adopted before, or final.
   */
  hold_adopt: one<
    { request: string; expires_at: number; hash: string },
    {
      decision: HoldDecision
      purpose: HoldPurpose
      order_id: string
      bond_id: string | null
      request_key: string | null
    }
  >(`
    UPDATE hold SET request = :request, expires_at = :expires_at, rank = MAX(rank, 1), answer_by = NULL, version = version + 1
     WHERE hash = :hash AND request IS NULL AND final IS NULL
    RETURNING decision, purpose, order_id, bond_id, request_key
  `),

  /** Requests whose first hold is not adopted in time: each is undone in one transaction. No row: nothing is late. */
  hold_late: many<
    { now: number },
    { hash: string; purpose: HoldPurpose; order_id: string; bond_id: string | null; request_key: string | null }
  >(`
    SELECT hash, purpose, order_id, bond_id, request_key FROM hold
     WHERE answer_by IS NOT NULL AND answer_by <= :now AND request IS NULL AND decision = 'none'
  `),

  /** A fact about an OPEN or ACCEPTED hold; rank only rises. No row: nothing new. */
  hold_observe: one<
    { rank: 1 | 2; msat: Msat | null; held_at: number | null; height: number | null; hash: string },
    { decision: HoldDecision; purpose: HoldPurpose; order_id: string; bond_id: string | null }
  >(`
    UPDATE hold SET rank = :rank, held_msat = COALESCE(:msat, held_msat), held_at = COALESCE(held_at, :held_at),
           min_htlc_height = COALESCE(:height, min_htlc_height), version = version + 1
     WHERE hash = :hash AND final IS NULL AND rank < :rank
    RETURNING decision, purpose, order_id, bond_id
  `),

  /** A final fact. No row: known; a different stored final is a contradiction. */
  hold_final: one<
    { final: HoldFinal; msat: Msat | null; settle_index: number | null; now: number; hash: string },
    { decision: HoldDecision; purpose: HoldPurpose; order_id: string; bond_id: string | null; held_msat: Msat }
  >(`
    UPDATE hold SET rank = 3, final = :final, held_msat = COALESCE(:msat, held_msat), settle_index = :settle_index,
           final_at = :now, answer_by = NULL, version = version + 1
     WHERE hash = :hash AND final IS NULL
    RETURNING decision, purpose, order_id, bond_id, COALESCE(held_msat, 0) AS held_msat
  `),

  /** The one decision of a hold. No row: somebody decided, or nothing is held: answer from the stored decision. */
  decide_settle: one<{ now: number; by: string; why: string; hash: string }, { version: number }>(`
    UPDATE hold SET decision = 'settle', decided_at = :now, decided_by = :by, decided_why = :why, version = version + 1
     WHERE hash = :hash AND decision = 'none' AND final IS NULL AND rank = 2
    RETURNING version
  `),

  /**
   * Same transaction: create_void; a row there -> hold_final(canceled) and no cancel intent, none -> plan
   * hold_cancel. No row: somebody decided, or it is final: answer from the stored decision.
   */
  decide_cancel: one<{ now: number; by: string; why: string; hash: string }, { version: number }>(`
    UPDATE hold SET decision = 'cancel', decided_at = :now, decided_by = :by, decided_why = :why, answer_by = NULL, version = version + 1
     WHERE hash = :hash AND decision = 'none' AND final IS NULL
    RETURNING version
  `),

  /** LND saw the claim of the HTLC confirmed. No row: known. */
  hold_resolved: one<{ hash: string }, { version: number }>(`
    UPDATE hold SET htlc_resolved = 1, version = version + 1 WHERE hash = :hash AND final = 'settled' AND htlc_resolved = 0 RETURNING version
  `),

  /** A planned hold. No row: this epoch was planned before; a second live escrow or a used counter throws. */
  hold_plan: one<
    {
      hash: string
      purpose: HoldPurpose
      counter: number
      order_id: string
      bond_id: string | null
      epoch: number
      amount_msat: Msat
      cltv_delta: number
      life_s: number
      memo: string
      request_key: string | null
      answer_by: number | null
      node: string
      now: number
    },
    { hash: string }
  >(`
    INSERT INTO hold(hash, purpose, counter, order_id, bond_id, epoch, amount_msat, cltv_delta, life_s, memo, request_key, answer_by,
                     node_pubkey, created_at)
    VALUES (:hash, :purpose, :counter, :order_id, :bond_id, :epoch, :amount_msat, :cltv_delta, :life_s, :memo, :request_key, :answer_by,
            :node, :now)
    ON CONFLICT(order_id, purpose, COALESCE(bond_id, ''), epoch) DO NOTHING RETURNING hash
  `),
}
