import type { Msat } from '../../../core/money.ts'
import { one } from '../statement.ts'

export const ledger = {
  /** A repeat is the same transfer: ignored. No row: posted before. */
  ledger_post: one<
    { cause: string; n: number; debit: string; credit: string; msat: Msat; order_id: string | null; now: number },
    { id: string }
  >(`
    INSERT INTO ledger(id, debit, credit, msat, cause, order_id, at) VALUES (:cause || ':' || CAST(:n AS INTEGER), :debit, :credit, :msat, :cause, :order_id, :now)
    ON CONFLICT(id) DO NOTHING RETURNING id
  `),
}
