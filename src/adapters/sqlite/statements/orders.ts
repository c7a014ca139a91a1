import type { Status } from '../../../core/order/order.ts'
import type { OrderRow } from '../schema.ts'
import { many, type NoParams, one } from '../statement.ts'

export const orders = {
  /** Unconditional: a confirmed fact does not fit the order any more. No row: no such order: a bug. */
  order_review: one<{ id: string }, { status: Status; version: number }>(`
    UPDATE orders SET phase = 'review', version = version + 1 WHERE id = :id RETURNING status, version
  `),

  /** A relay took the request of this duty. No version: no party can notice it. No row: known, or another asking. */
  duty_ok: one<{ id: string; epoch: number; now: number }, { id: string }>(`
    UPDATE orders SET duty_ok_at = :now
     WHERE id = :id AND duty_epoch = :epoch AND duty_anchor_at IS NOT NULL AND duty_ok_at IS NULL RETURNING id
  `),

  /** Duties asked for at or before a time, oldest first; what is due then depends on blind time. No row: none. */
  duty_due: many<{ anchored_by: number }, OrderRow>(`
    SELECT * FROM orders
     WHERE phase = 'steady' AND status IN ('waiting-maker-bond','waiting-taker-bond','waiting-buyer-invoice','waiting-payment')
       AND duty_anchor_at <= :anchored_by ORDER BY duty_anchor_at
  `),

  /** Duties that no relay took the request of, oldest first. No row: none. */
  duty_unheard: many<
    NoParams,
    Pick<OrderRow, 'id' | 'duty_epoch' | 'duty_anchor_at' | 'maker_pubkey' | 'taker_pubkey'>
  >(`
    SELECT id, duty_epoch, duty_anchor_at, maker_pubkey, taker_pubkey FROM orders
     WHERE phase = 'steady' AND status IN ('waiting-maker-bond','waiting-taker-bond','waiting-buyer-invoice','waiting-payment')
       AND duty_anchor_at > 0 AND duty_ok_at IS NULL ORDER BY duty_anchor_at
  `),

  /** The trade keys of orders that have not ended. Reads all of those; for rare questions. No row: no open order. */
  orders_open_keys: many<NoParams, { key: string }>(`
    SELECT maker_pubkey AS key FROM orders
     WHERE status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')
     UNION
    SELECT taker_pubkey FROM orders
     WHERE status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')
       AND taker_pubkey IS NOT NULL
  `),

  /** Orders in the book whose take window is over. No row: none. */
  book_over: many<{ now: number }, OrderRow>(`
    SELECT * FROM orders WHERE status = 'pending' AND expires_at <= :now ORDER BY expires_at
  `),

  /** The orders that a range order left behind, oldest first. No row: none. */
  orders_of_parent: many<{ parent: string }, OrderRow>(`
    SELECT * FROM orders WHERE range_parent = :parent ORDER BY created_at
  `),
}
