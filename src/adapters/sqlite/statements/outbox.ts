import type { Transport } from '../../../core/protocol.ts'
import type { Flag, Lane } from '../schema.ts'
import { always, many, one } from '../statement.ts'

export const outbox = {
  /** The transport that a key last used, by inner created_at. No row: an older message. */
  transport_seen: one<{ r: string; transport: Transport; inner_at: number; now: number }, { transport: Transport }>(`
    INSERT INTO outbox_seq(recipient, transport, transport_at, touched_at) VALUES (:r, :transport, :inner_at, :now)
    ON CONFLICT(recipient) DO UPDATE SET transport = excluded.transport, transport_at = excluded.transport_at, touched_at = excluded.touched_at
     WHERE excluded.transport_at >= outbox_seq.transport_at
    RETURNING transport
  `),

  /** Number and inner time of the next message to a recipient. Always a row. */
  outbox_seq: always<{ r: string; now: number }, { n: number; last_created_at: number; transport: Transport | null }>(`
    INSERT INTO outbox_seq(recipient, n, last_created_at, touched_at) VALUES (:r, 1, :now, :now)
    ON CONFLICT(recipient) DO UPDATE SET n = outbox_seq.n + 1, last_created_at = MAX(excluded.last_created_at, outbox_seq.last_created_at + 1), touched_at = excluded.touched_at
    RETURNING n, last_created_at, transport
  `),

  /** The finished message of one cause. No row: this cause said it before; anything but an equal body is a bug. */
  outbox_put: one<
    {
      r: string
      seq: number
      cause: string
      n: number
      order_id: string | null
      oid: string | null
      lane: Lane
      asks: Flag
      transport: Transport
      ev_at: number
      body: string
      now: number
    },
    { id: number }
  >(`
    INSERT INTO outbox_msg(recipient, seq, dedup_key, order_id, obligation_id, lane, asks, transport, ev_created_at, body, next_at, created_at)
    VALUES (:r, :seq, :cause || '/' || CAST(:n AS INTEGER), :order_id, :oid, :lane, :asks, :transport, :ev_at, :body, :now, :now)
    ON CONFLICT(dedup_key) DO NOTHING RETURNING id
  `),

  /** What waits before a more urgent message becomes as urgent. No row: nothing to lift. */
  outbox_lift: many<{ lane: Lane; r: string }, { id: number }>(`
    UPDATE outbox_msg SET lane = :lane WHERE recipient = :r AND state < 2 AND lane > :lane RETURNING id
  `),

  /** One message per recipient at a time, in seq order. No row: nothing is due. */
  outbox_next: many<{ lane: Lane; now: number; n: number }, { id: number }>(`
    SELECT m.id FROM outbox_msg m
     WHERE m.state < 2 AND m.lane = :lane AND m.next_at <= :now
       AND NOT EXISTS (SELECT 1 FROM outbox_msg p WHERE p.recipient = m.recipient AND p.seq < m.seq AND p.state < 2)
     ORDER BY m.next_at LIMIT :n
  `),

  /** A relay took it. No row: known. */
  delivered: one<{ ref: string; relay: string; rev: number; now: number }, { rev: number }>(`
    INSERT INTO delivery(ref, relay, rev, at) VALUES (:ref, :relay, :rev, :now)
    ON CONFLICT(ref, relay) DO UPDATE SET rev = excluded.rev, at = excluded.at WHERE excluded.rev > delivery.rev
    RETURNING rev
  `),

  /**
   * A relay's acceptance is a fact: the first one starts what hangs on "the request was delivered". Where more than one
   * is needed, `delivered` counts them. No row: already sent or dead.
   */
  outbox_ok: one<
    { now: number; min_ok: number; id: number },
    { state: 1 | 2; asks: Flag; order_id: string | null; obligation_id: string | null; dedup_key: string }
  >(`
    UPDATE outbox_msg SET first_ok_at = COALESCE(first_ok_at, :now),
           state = CASE WHEN :min_ok <= 1 OR (SELECT COUNT(*) FROM delivery d WHERE d.ref = 'm:' || outbox_msg.id) >= :min_ok THEN 2 ELSE 1 END
     WHERE id = :id AND state < 2
    RETURNING state, asks, order_id, obligation_id, dedup_key
  `),

  /** Back-off. No row: already sent or dead. */
  outbox_retry: one<{ next: number; id: number }, { tries: number }>(`
    UPDATE outbox_msg SET tries = tries + 1, next_at = :next WHERE id = :id AND state < 2 RETURNING tries
  `),

  /**
   * A message that no relay took, and all that waits behind it, get dates of today, after what the reader has. No row: a
   * relay took it meanwhile.
   */
  outbox_redate: many<{ r: string; seq: number; today: number; now: number }, { id: number; ev_created_at: number }>(`
    UPDATE outbox_msg SET next_at = :now, ev_created_at = seq - :seq + MAX(:today, 1 + COALESCE((
             SELECT p.ev_created_at FROM outbox_msg p
              WHERE p.recipient = :r AND p.seq < :seq AND p.first_ok_at IS NOT NULL ORDER BY p.seq DESC LIMIT 1), 0))
     WHERE recipient = :r AND seq >= :seq AND state = 0 AND state < 2 AND first_ok_at IS NULL RETURNING id, ev_created_at
  `),

  /** The next message to this reader is dated after these. No row: never written to. */
  outbox_seq_redate: one<{ r: string; newest: number }, { n: number }>(`
    UPDATE outbox_seq SET last_created_at = :newest WHERE recipient = :r RETURNING n
  `),

  /**
   * Every configured relay refused it as invalid, blocked or too large: dead at once, the queue goes on. No row:
   * already sent or dead.
   */
  outbox_dead: one<
    { why: string; id: number },
    { recipient: string; asks: Flag; order_id: string | null; obligation_id: string | null }
  >(`
    UPDATE outbox_msg SET state = 3, dead_why = :why WHERE id = :id AND state < 2 RETURNING recipient, asks, order_id, obligation_id
  `),

  /** Sent or dead for 30 days and no answer that may be asked for again. No row: nothing is old. */
  outbox_gc: many<{ now: number }, { id: number }>(`
    DELETE FROM outbox_msg WHERE id IN (SELECT m.id FROM outbox_msg m WHERE m.state >= 2 AND m.created_at <= :now - 2592000
       AND NOT EXISTS (SELECT 1 FROM request r WHERE r.answer_msg = m.id) ORDER BY m.created_at LIMIT 500)
    RETURNING id
  `),

  /** 30 idle days. No row: nothing is idle. */
  outbox_seq_gc: many<{ now: number }, { recipient: string }>(`
    DELETE FROM outbox_seq WHERE touched_at <= :now - 2592000
       AND NOT EXISTS (SELECT 1 FROM outbox_msg m WHERE m.recipient = outbox_seq.recipient) RETURNING recipient
  `),

  /** The newest wanted content of an address wins. Always a row. */
  pub_want: always<{ coord: string; body: string; now: number; refresh_at: number | null }, { want_rev: number }>(`
    INSERT INTO outbox_pub(coord, want_rev, body, next_at, refresh_at) VALUES (:coord, 1, :body, :now, :refresh_at)
    ON CONFLICT(coord) DO UPDATE SET want_rev = outbox_pub.want_rev + 1, body = excluded.body, next_at = excluded.next_at, tries = 0, refresh_at = excluded.refresh_at
    RETURNING want_rev
  `),

  /** What to send. No row: nothing is due. */
  pub_due: many<{ now: number; n: number }, { coord: string; want_rev: number }>(`
    SELECT coord, want_rev FROM outbox_pub WHERE want_rev > done_rev AND next_at <= :now ORDER BY next_at LIMIT :n
  `),

  /**
   * Once a revision: strictly rising created_at, so that relays keep the newest. No row: this revision has its time.
   */
  pub_stamp: one<{ now: number; coord: string }, { last_created_at: number; stamped_rev: number }>(`
    UPDATE outbox_pub SET prior_created_at = last_created_at, last_created_at = MAX(last_created_at + 1, :now), stamped_rev = want_rev
     WHERE coord = :coord AND stamped_rev < want_rev RETURNING last_created_at, stamped_rev
  `),

  /**
   * Every relay refused a revision for its date: it was never stamped, and is at the next try. No row: it is known by
   * another date.
   */
  pub_unstamp: one<{ coord: string; at: number }, { stamped_rev: number }>(`
    UPDATE outbox_pub SET last_created_at = prior_created_at, stamped_rev = stamped_rev - 1
     WHERE coord = :coord AND last_created_at = :at AND last_created_at > prior_created_at RETURNING stamped_rev
  `),

  /** Every relay that is configured now has this revision. No row: a configured relay still lacks it, or known. */
  pub_done: one<{ rev: number; coord: string }, { want_rev: number }>(`
    UPDATE outbox_pub SET done_rev = :rev
     WHERE coord = :coord AND done_rev < :rev
       AND NOT EXISTS (SELECT 1 FROM relay r WHERE r.configured = 1
             AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.ref = :coord AND d.relay = r.url AND d.rev >= :rev))
    RETURNING want_rev
  `),

  /** A relay still lacks this revision: back-off. No row: done, or a newer revision is wanted. */
  pub_retry: one<{ coord: string; rev: number; next: number }, { tries: number }>(`
    UPDATE outbox_pub SET tries = tries + 1, next_at = :next
     WHERE coord = :coord AND want_rev = :rev AND done_rev < :rev RETURNING tries
  `),

  /** A relay is still asked for this revision: nobody else waits for it. No row: done, or a newer one is wanted. */
  pub_defer: one<{ coord: string; rev: number; next: number }, { tries: number }>(`
    UPDATE outbox_pub SET next_at = :next
     WHERE coord = :coord AND want_rev = :rev AND done_rev < :rev RETURNING tries
  `),

  /** A relay that is new to us gets every public event that still counts. No row: there is none. */
  pub_again: many<{ now: number }, { coord: string }>(`
    UPDATE outbox_pub SET done_rev = 0, next_at = :now WHERE done_rev > 0 AND refresh_at IS NOT NULL RETURNING coord
  `),

  /** Clients read 48 h back: the same content once more, as a new revision. No row: none is due. */
  pub_refresh: many<{ now: number }, { coord: string }>(`
    UPDATE outbox_pub SET want_rev = want_rev + 1, next_at = :now, tries = 0, refresh_at = :now + 86400 WHERE refresh_at <= :now RETURNING coord
  `),

  /** Deliveries of messages, a day old, unless the message still waits for more relays. No row: nothing is old. */
  delivery_gc: many<{ now: number }, { ref: string }>(`
    DELETE FROM delivery WHERE rev = 0 AND (ref, relay) IN (SELECT d.ref, d.relay FROM delivery d WHERE d.rev = 0 AND d.at <= :now - 86400
       AND NOT EXISTS (SELECT 1 FROM outbox_msg m WHERE m.id = CAST(substr(d.ref, 3) AS INTEGER) AND m.state < 2)
       ORDER BY d.at LIMIT 500)
    RETURNING ref
  `),
}
