/** Whether an answer that was given may be given again although its order has moved on (DEC-05). */
import type { Status } from '../../core/order/order.ts'
import type { Action } from '../../core/protocol.ts'

/**
 * Answers about what can not be undone, and where they are the truth: sats that moved stay moved, a hold that is given
 * back is never taken again (DEC-39). All other answers are true only of the order as it was.
 */
const LASTING: ReadonlyMap<Action, readonly Status[]> = new Map([
  // To the invoice that was taken he was paid: a refusal would make him doubt that.
  ['invoice-updated', ['success']],
  ['hold-invoice-payment-settled', ['settled-hold-invoice', 'success']],
  ['canceled', ['canceled']],
  ['cooperative-cancel-accepted', ['cooperatively-canceled']],
])

/** Whether `action` is still true of an order that is now in `status`. */
export const isLasting = (action: Action, status: Status): boolean => LASTING.get(action)?.includes(status) ?? false
