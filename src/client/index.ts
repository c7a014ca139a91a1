/**
 * A client for traders of any Mostro node.
 *
 * ```ts
 * import { randomMnemonic, TraderClient } from 'fianza/client'
 *
 * const client = new TraderClient({
 *   relays: ['wss://relay.example.com'],
 *   nodePubkey: '8fab0dfa27361db8e978858ab32dae36cc697ff5e012e99fefbffe58b28c14b8',
 *   mnemonic: randomMnemonic(),
 * })
 * await client.book.waitForInfo(10_000)
 * const [offer] = client.book.offers().filter(({ kind }) => kind === 'sell')
 * if (offer !== undefined) {
 *   await client.takeSell(offer.orderId)
 *   await client.addInvoice(offer.orderId, 'me@example.com')
 *   await client.next('hold-invoice-payment-accepted', offer.orderId, { deadlineMs: 900_000 })
 *   // pay the seller, then say so
 *   await client.fiatSent(offer.orderId)
 *   await client.next('purchase-completed', offer.orderId, { deadlineMs: 3_600_000 })
 * }
 * await client.close()
 * ```
 */
export type { Action, CantDoReason, Message, Payload, SmallOrder, Transport } from '../core/protocol.ts'
export type { BookEntry } from './book-entry.ts'
export type { ClientLog } from './correspondence.ts'
export { CantDoError, ClosedError, DeadlineError, PublishError } from './errors.ts'
export type { Clock, Random } from './host.ts'
export { type Privacy, randomMnemonic } from './keys.ts'
export type { Received } from './mailbox.ts'
export type { NodeInfo } from './node-info.ts'
export { OrderBook, type OrderBookOptions } from './order-book.ts'
export { isReputationNotice, type Offer, type TraderRequest } from './requests.ts'
export {
  type CallOptions,
  type RestoredSession,
  TraderClient,
  type TraderClientOptions,
} from './trader.ts'
