import type { InboxVerdict } from '../schema.ts'
import { always, many, type NoParams, one } from '../statement.ts'

export const inbox = {
  /** Handled once, by outer and by inner id. No row: handled before: nothing happens. */
  inbox_take: one<
    { outer: string; inner: string | null; sender: string | null; verdict: InboxVerdict; now: number },
    { outer_id: string }
  >(`
    INSERT INTO inbox(outer_id, inner_id, sender, verdict, received_at) VALUES (:outer, :inner, :sender, :verdict, :now)
    ON CONFLICT DO NOTHING RETURNING outer_id
  `),

  /** The verdict is known only after the decision; same transaction as inbox_take. No row: never taken: a bug. */
  inbox_verdict: one<{ verdict: InboxVerdict; outer: string }, { verdict: InboxVerdict }>(`
    UPDATE inbox SET verdict = :verdict WHERE outer_id = :outer RETURNING verdict
  `),

  /** Poison guard: committed before the message is handled. No row: in hand already. */
  in_hand_put: one<{ outer: string }, { outer_id: string }>(`
    INSERT INTO in_hand(outer_id) VALUES (:outer)
    ON CONFLICT(outer_id) DO UPDATE SET held = 1 WHERE held = 0
    RETURNING outer_id
  `),

  /**
   * At every start: counts an unclean exit against what was alone in the last process's hand. What was there together
   * with others is only named: whichever of them it was, they are handled one by one now. No row: nothing was in hand.
   */
  in_hand_boot: many<NoParams, { outer_id: string; exits: number }>(`
    WITH hand AS MATERIALIZED (SELECT COUNT(*) AS messages FROM in_hand WHERE held = 1)
    UPDATE in_hand SET exits = exits + (held = 1 AND (SELECT messages FROM hand) = 1), held = 0
    RETURNING outer_id, exits
  `),

  /** At every start, before in_hand_boot: what the last process could blame for nothing. No row: nothing of the kind. */
  in_hand_clear: many<NoParams, { outer_id: string }>(`
    DELETE FROM in_hand WHERE held = 0 AND exits = 0 RETURNING outer_id
  `),

  /** Handled. No row: was not in hand. */
  in_hand_drop: one<{ outer: string }, { outer_id: string }>(`
    DELETE FROM in_hand WHERE outer_id = :outer RETURNING outer_id
  `),

  /**
   * No row = new; pending = absorb; same = send the answer again; stale = handle from the present state. No row:
   * new.
   */
  request_look: one<
    { key: string; now: number },
    { verdict: 'pending' | 'same' | 'stale'; answer_msg: number | null }
  >(`
    SELECT CASE WHEN r.answer_msg IS NULL THEN 'pending' WHEN o.version = r.order_version THEN 'same' ELSE 'stale' END AS verdict, r.answer_msg
      FROM request r JOIN orders o ON o.id = r.order_id
     WHERE r.key = :key AND r.created_at > :now - 86400
  `),

  /** A stale or day-old one is opened again. Always a row. */
  request_open: always<{ key: string; order_id: string; now: number }, { key: string }>(`
    INSERT INTO request(key, order_id, created_at) VALUES (:key, :order_id, :now)
    ON CONFLICT(key) DO UPDATE SET order_id = excluded.order_id, order_version = NULL, answer_msg = NULL, created_at = excluded.created_at
    RETURNING key
  `),

  /** No row: answered before, or not kept. */
  request_answer: one<{ msg: number; key: string }, { order_version: number }>(`
    UPDATE request SET answer_msg = :msg, order_version = (SELECT version FROM orders o WHERE o.id = request.order_id)
     WHERE key = :key AND answer_msg IS NULL RETURNING order_version
  `),

  /** Refused, or undone at the answer deadline: a repeat is a new try. No row: not kept. */
  request_drop: one<{ key: string }, { key: string }>(`
    DELETE FROM request WHERE key = :key RETURNING key
  `),

  /** Kept for 24 h. No row: none is old. */
  request_gc: many<{ now: number }, { key: string }>(`
    DELETE FROM request WHERE created_at <= :now - 86400 RETURNING key
  `),

  /** Ids are kept for 30 days; older inner events are refused. No row: none is old. */
  inbox_gc: many<{ now: number }, { outer_id: string }>(`
    DELETE FROM inbox WHERE outer_id IN (SELECT outer_id FROM inbox WHERE received_at <= :now - 2592000 ORDER BY received_at LIMIT 500)
    RETURNING outer_id
  `),

  /** A configured relay, its cursor at `cursor` when it is new. No row: configured already. */
  relay_add: one<{ url: string; cursor: number }, { cursor: number }>(`
    INSERT INTO relay(url, cursor) VALUES (:url, :cursor)
    ON CONFLICT(url) DO UPDATE SET configured = 1 WHERE relay.configured = 0 RETURNING cursor
  `),

  /** A relay that is not configured any more; its cursor stays for its return. No row: was not configured. */
  relay_drop: one<{ url: string }, { url: string }>(`
    UPDATE relay SET configured = 0 WHERE url = :url AND configured = 1 RETURNING url
  `),

  /** Everything up to here has been read, without a gap. No row: unknown relay, or no progress. */
  relay_cursor: one<{ url: string; cursor: number }, { cursor: number }>(`
    UPDATE relay SET cursor = :cursor WHERE url = :url AND cursor < :cursor RETURNING cursor
  `),

  /** What we believed to have read after this time has to be read again: the clock was wrong. No row: nothing was. */
  relay_cursors_back: many<{ cursor: number }, { url: string }>(`
    UPDATE relay SET cursor = :cursor WHERE cursor > :cursor RETURNING url
  `),
}
