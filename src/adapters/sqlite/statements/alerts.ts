import { always, many, one } from '../statement.ts'

export const alerts = {
  /** Raises, or raises again. Always a row. */
  alert_open: always<{ key: string; sev: number; detail: string; now: number }, { hits: number }>(`
    INSERT INTO alert(key, severity, detail, opened_at, last_at) VALUES (:key, :sev, :detail, :now, :now)
    ON CONFLICT(key) DO UPDATE SET last_at = excluded.last_at, hits = alert.hits + 1, detail = excluded.detail, closed_at = NULL
    RETURNING hits
  `),

  /** Closes. No row: not open. */
  alert_close: one<{ now: number; key: string }, { key: string }>(`
    UPDATE alert SET closed_at = :now WHERE key = :key AND closed_at IS NULL RETURNING key
  `),

  /** Closed for 90 days. No row: nothing is old. */
  alert_gc: many<{ now: number }, { key: string }>(`
    DELETE FROM alert WHERE closed_at <= :now - 7776000 RETURNING key
  `),
}
