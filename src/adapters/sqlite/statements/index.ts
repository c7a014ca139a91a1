import { alerts } from './alerts.ts'
import { daemon } from './daemon.ts'
import { holds } from './holds.ts'
import { inbox } from './inbox.ts'
import { intents } from './intents.ts'
import { ledger } from './ledger.ts'
import { node } from './node.ts'
import { obligations } from './obligations.ts'
import { orders } from './orders.ts'
import { outbox } from './outbox.ts'
import { users } from './users.ts'

/**
 * Every statement that changes the money engine's rows, by name, and the reads that must not scan (money-path.md 3.3).
 * An update of orders, hold, obligation or ln_op raises `version`; parameters are `:named`.
 */
export const STATEMENTS = {
  ...orders,
  ...node,
  ...holds,
  ...intents,
  ...obligations,
  ...ledger,
  ...inbox,
  ...outbox,
  ...alerts,
  ...users,
  ...daemon,
}
