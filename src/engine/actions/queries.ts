/** orders, restore-session, last-trade-index: what a client may learn of its own trades (trade.md 2.10, DEC-13). */
import type { OrderRow, UserRow } from '../../adapters/sqlite/schema.ts'
import { storedView } from '../../core/order/view.ts'
import type { Action, Payload, RestoredOrder } from '../../core/protocol.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { orderFrom } from '../rows.ts'
import { queueMessage } from '../say.ts'
import { type ActionHandler, causeOf, DONE, type Outcome, type Request, refuse } from './action.ts'

const query = (handle: (ctx: Ctx, tx: Tx, request: Request) => Outcome): ActionHandler<null> => ({
  mutation: false,
  answersOnly: true,
  prepare: () => null,
  handle: (ctx, tx, request) => handle(ctx, tx, request),
})

function reply(
  ctx: Ctx,
  tx: Tx,
  request: Request,
  action: Action,
  rest: { payload: Payload | null; echo: boolean; tradeIndex?: number },
): Outcome {
  queueMessage(ctx, tx, causeOf(request), {
    to: request.inbound.sender,
    action,
    payload: rest.payload,
    requestId: rest.echo ? request.inbound.message.requestId : null,
    tradeIndex: rest.tradeIndex ?? null,
    id: null,
    asks: false,
    lane: 1,
    orderId: null,
    obligationId: null,
  })
  return DONE
}

/** The orders of an identity, as one of its parties. */
function ownOrder(tx: Tx, id: string, identity: string): OrderRow | undefined {
  return tx.store.get<OrderRow>(
    'SELECT * FROM orders WHERE id = :id AND (maker_identity = :identity OR taker_identity = :identity)',
    { id, identity },
  )
}

export const orders: ActionHandler<null> = query((ctx, tx, request) => {
  const { payload } = request.inbound.message
  if (payload?.kind !== 'ids' || payload.ids.length === 0) return refuse('invalid_parameters')
  if (payload.ids.length > ctx.settings.limits.ordersPerResponse) return refuse('too_many_requests')
  const found = [...new Set(payload.ids)].flatMap((id) => {
    const row = ownOrder(tx, id, request.inbound.identity)
    return row === undefined ? [] : [storedView(orderFrom(row))]
  })
  if (found.length === 0) return refuse('not_found')
  return reply(ctx, tx, request, 'orders', { payload: { kind: 'orders', orders: found }, echo: true })
})

const OPEN = `status <> 'dispute' AND status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')`

/** Orders under way, by identity; those without a trade index can not be restored and are left out (DEC-13). */
export const restoreSession: ActionHandler<null> = query((ctx, tx, request) => {
  const { identity } = request.inbound
  const rows = tx.store.all<{ id: string; status: string; trade_index: number | null }>(
    `SELECT id, status, maker_index AS trade_index FROM orders WHERE maker_identity = :identity AND ${OPEN}
      UNION SELECT id, status, taker_index AS trade_index FROM orders WHERE taker_identity = :identity AND ${OPEN}`,
    { identity },
  )
  const restored: RestoredOrder[] = []
  for (const row of rows) {
    if (row.trade_index === null) ctx.log.warn('order without a trade index left out of a restore', { order: row.id })
    else restored.push({ orderId: row.id, tradeIndex: BigInt(row.trade_index), status: row.status })
  }
  return reply(ctx, tx, request, 'restore-session', {
    payload: { kind: 'restore_data', orders: restored, disputes: [] },
    echo: false,
  })
})

export const lastTradeIndex: ActionHandler<null> = query((ctx, tx, request) => {
  const user: UserRow | undefined = tx.s.user_get({ identity: request.inbound.identity })
  if (user === undefined) return refuse('not_found')
  if (user.last_trade_index === 0) return refuse('invalid_trade_index')
  return reply(ctx, tx, request, 'last-trade-index', { payload: null, echo: true, tradeIndex: user.last_trade_index })
})
