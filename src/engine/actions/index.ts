/** Which handler serves which inbound action; null: accepted on the wire and without a meaning here. */
import type { Action } from '../../core/protocol.ts'
import type { ActionHandler } from './action.ts'
import { newOrder } from './new-order.ts'
import { lastTradeIndex, orders, restoreSession } from './queries.ts'
import { rateUser } from './rate.ts'
import { takeBuy, takeSell } from './take.ts'
import { addInvoice, cancel, fiatSent, release, tradePubkey } from './trade.ts'

/** A handler with its facts' type closed over: preparation and handling fit each other by construction. */
export type AnyHandler = <Result>(use: <Facts>(handler: ActionHandler<Facts>) => Result) => Result

const close =
  <Facts>(handler: ActionHandler<Facts>): AnyHandler =>
  (use) =>
    use(handler)

const HANDLERS: Partial<Readonly<Record<Action, AnyHandler>>> = {
  'new-order': close(newOrder),
  'take-sell': close(takeSell),
  'take-buy': close(takeBuy),
  'add-invoice': close(addInvoice),
  'fiat-sent': close(fiatSent),
  release: close(release),
  cancel: close(cancel),
  'trade-pubkey': close(tradePubkey),
  'rate-user': close(rateUser),
  orders: close(orders),
  'restore-session': close(restoreSession),
  'last-trade-index': close(lastTradeIndex),
}

/** The handler of an action, or null. */
export function handlerOf(action: Action): AnyHandler | null {
  return HANDLERS[action] ?? null
}
