import type { BlindKind, BlindRow, ProcessRow } from '../schema.ts'
import { always, many, type NoParams, one } from '../statement.ts'

export const daemon = {
  /** From here on nobody's clock runs. No row: blind in this way already. */
  blind_open: one<{ kind: BlindKind; at: number }, { id: number }>(`
    INSERT INTO blind(kind, from_at) VALUES (:kind, :at) ON CONFLICT DO NOTHING RETURNING id
  `),

  /** It is over; a clock that went back gives an empty interval. No row: was not blind in this way. */
  blind_close: one<{ kind: BlindKind; at: number }, { from_at: number; to_at: number }>(`
    UPDATE blind SET to_at = MAX(from_at, :at) WHERE kind = :kind AND to_at IS NULL RETURNING from_at, to_at
  `),

  /** Intervals that reach past a time, in order; they may overlap. No row: we saw everything since. */
  blind_since: many<{ since: number }, BlindRow>(`
    SELECT * FROM blind WHERE to_at > :since
     UNION ALL
    SELECT * FROM blind WHERE to_at IS NULL
     ORDER BY from_at
  `),

  /** The clock went back: what waits or is claimed waits no longer for it. No row: nothing waited. */
  ops_sooner: many<{ by: number; now: number }, { id: string }>(`
    UPDATE ln_op SET next_at = next_at - :by, lease_until = lease_until - :by, version = version + 1
     WHERE state IN ('planned','dispatching','unknown','in_flight') AND (next_at > :now OR lease_until > :now) RETURNING id
  `),

  /** The same for messages. No row: none waited. */
  outbox_sooner: many<{ by: number; now: number }, { id: number }>(`
    UPDATE outbox_msg SET next_at = next_at - :by WHERE state < 2 AND next_at > :now RETURNING id
  `),

  /** The same for public events. No row: none waited. */
  pubs_sooner: many<{ by: number; now: number }, { coord: string }>(`
    UPDATE outbox_pub SET next_at = next_at - :by WHERE want_rev > done_rev AND next_at > :now RETURNING coord
  `),

  /** The same for look-ups of addresses. No row: none waited. */
  resolves_sooner: many<{ by: number; now: number }, { id: string }>(`
    UPDATE obligation SET next_at = next_at - :by, version = version + 1
     WHERE state = 'ready' AND state NOT IN ('paid','forfeited','void') AND next_at > :now RETURNING id
  `),

  /** Nor were we blind in time to come. No row: nothing reached beyond. */
  blind_sooner: many<{ now: number }, { id: number }>(`
    UPDATE blind SET from_at = MIN(from_at, :now), to_at = MIN(to_at, :now)
     WHERE to_at > :now OR to_at IS NULL AND from_at > :now RETURNING id
  `),

  /** Nobody was asked at a time to come. No version: no party can notice it. No row: none was. */
  duties_sooner: many<{ now: number }, { id: string }>(`
    UPDATE orders SET duty_anchor_at = :now
     WHERE phase = 'steady' AND status IN ('waiting-maker-bond','waiting-taker-bond','waiting-buyer-invoice','waiting-payment')
       AND duty_anchor_at > :now RETURNING id
  `),

  /** The newest incarnation: read it before process_start. No row: the first start. */
  process_last: one<NoParams, ProcessRow>(`
    SELECT * FROM process
  `),

  /** A new incarnation takes the place of the last one. Always a row. */
  process_start: always<{ boot: string; pid: number; now: number }, { boot_id: string }>(`
    INSERT INTO process(id, boot_id, pid, started_at, alive_at) VALUES (1, :boot, :pid, :now, :now)
    ON CONFLICT(id) DO UPDATE SET boot_id = excluded.boot_id, pid = excluded.pid, started_at = excluded.started_at,
           alive_at = excluded.alive_at, clean = 0
    RETURNING boot_id
  `),

  /** Heartbeat. No row: another incarnation has started. */
  process_alive: one<{ boot: string; now: number }, { alive_at: number }>(`
    UPDATE process SET alive_at = MAX(alive_at, :now) WHERE boot_id = :boot RETURNING alive_at
  `),

  /** It stopped in order. No row: another incarnation has started. */
  process_stop: one<{ boot: string; now: number }, { alive_at: number }>(`
    UPDATE process SET alive_at = MAX(alive_at, :now), clean = 1 WHERE boot_id = :boot RETURNING alive_at
  `),

  /** Always a row. */
  meta_put: always<{ key: string; value: string }, { value: string }>(`
    INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT(key) DO UPDATE SET value = excluded.value RETURNING value
  `),

  /** No row: never put. */
  meta_get: one<{ key: string }, { value: string }>(`
    SELECT value FROM meta WHERE key = :key
  `),

  /** The last aggregate of a currency. No row: a newer one is stored. */
  price_put: one<{ currency: string; value: number; as_of: number }, { currency: string }>(`
    INSERT INTO price(currency, value, as_of) VALUES (:currency, :value, :as_of)
    ON CONFLICT(currency) DO UPDATE SET value = excluded.value, as_of = excluded.as_of WHERE excluded.as_of >= price.as_of
    RETURNING currency
  `),

  /** What an operator did. Always a row. */
  ops_log_add: always<{ at: number; who: string; what: string; detail: string }, { id: number }>(`
    INSERT INTO ops_log(at, who, what, detail) VALUES (:at, :who, :what, :detail) RETURNING id
  `),
}
