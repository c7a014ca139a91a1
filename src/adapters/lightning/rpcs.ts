/**
 * Every RPC of LND that fianza calls: this list is the adapter's surface and its macaroon (money-path.md 1.11, 1.12).
 */

/**
 * `channel`: payments and their look-ups travel on a connection of their own, so that an answered look-up proves that an
 * earlier payment request was read (money-path.md 3.6). `deadline` names a duration of `timings.ts`; streams that stay open have none.
 */
export type RpcSpec = {
  readonly service: string
  readonly method: string
  readonly kind: 'unary' | 'stream'
  readonly channel: 'main' | 'payments'
  readonly deadline: 'readMs' | 'effectMs' | null
}

const lightning = (method: string): RpcSpec => ({
  service: 'lnrpc.Lightning',
  method,
  kind: 'unary',
  channel: 'main',
  deadline: 'readMs',
})

const invoices = (method: string, kind: RpcSpec['kind'], deadline: RpcSpec['deadline']): RpcSpec => ({
  service: 'invoicesrpc.Invoices',
  method,
  kind,
  channel: 'main',
  deadline,
})

const router = (method: string, deadline: RpcSpec['deadline']): RpcSpec => ({
  service: 'routerrpc.Router',
  method,
  kind: 'stream',
  channel: 'payments',
  deadline,
})

export const RPCS = {
  getInfo: lightning('GetInfo'),
  lookupInvoice: lightning('LookupInvoice'),
  listInvoices: lightning('ListInvoices'),
  listPayments: lightning('ListPayments'),
  lookupHtlcResolution: lightning('LookupHtlcResolution'),
  addHoldInvoice: invoices('AddHoldInvoice', 'unary', 'effectMs'),
  settleInvoice: invoices('SettleInvoice', 'unary', 'effectMs'),
  cancelInvoice: invoices('CancelInvoice', 'unary', 'effectMs'),
  subscribeSingleInvoice: invoices('SubscribeSingleInvoice', 'stream', null),
  /** without a deadline of gRPC's: the verb watches it, and LND pays on when the watch ends */
  sendPayment: router('SendPaymentV2', null),
  trackPayment: router('TrackPaymentV2', 'readMs'),
  blocks: {
    service: 'chainrpc.ChainNotifier',
    method: 'RegisterBlockEpochNtfn',
    kind: 'stream',
    channel: 'main',
    deadline: null,
  },
} as const satisfies Record<string, RpcSpec>

export type RpcName = keyof typeof RPCS

/** All names, in the order of the table. */
export const RPC_NAMES = Object.keys(RPCS) as readonly RpcName[]

/** The path of an RPC, which is also the name of its right in a macaroon. */
export function rpcUri(name: RpcName): string {
  const { service, method } = RPCS[name]
  return `/${service}/${method}`
}
