/**
 * Every RPC of LND that fianza calls: this list is the adapter's surface and its macaroon (money-path.md 1.11, 1.12).
 */

/** Reads answer from LND's memory or store: ten seconds are generous. */
const READ_MS = 10_000
/** Effects may wait for LND's registry lock and its disk. */
const EFFECT_MS = 30_000

/**
 * `channel`: payments and their look-ups travel on a connection of their own, so that an answered look-up proves that an
 * earlier payment request was read (money-path.md 3.6). `deadlineMs`: null for streams that stay open.
 */
export type RpcSpec = {
  readonly service: string
  readonly method: string
  readonly kind: 'unary' | 'stream'
  readonly channel: 'main' | 'payments'
  readonly deadlineMs: number | null
}

const lightning = (method: string): RpcSpec => ({
  service: 'lnrpc.Lightning',
  method,
  kind: 'unary',
  channel: 'main',
  deadlineMs: READ_MS,
})

const invoices = (method: string, kind: RpcSpec['kind'], deadlineMs: number | null): RpcSpec => ({
  service: 'invoicesrpc.Invoices',
  method,
  kind,
  channel: 'main',
  deadlineMs,
})

const router = (method: string, deadlineMs: number | null): RpcSpec => ({
  service: 'routerrpc.Router',
  method,
  kind: 'stream',
  channel: 'payments',
  deadlineMs,
})

export const RPCS = {
  getInfo: lightning('GetInfo'),
  lookupInvoice: lightning('LookupInvoice'),
  listInvoices: lightning('ListInvoices'),
  listPayments: lightning('ListPayments'),
  lookupHtlcResolution: lightning('LookupHtlcResolution'),
  addHoldInvoice: invoices('AddHoldInvoice', 'unary', EFFECT_MS),
  settleInvoice: invoices('SettleInvoice', 'unary', EFFECT_MS),
  cancelInvoice: invoices('CancelInvoice', 'unary', EFFECT_MS),
  subscribeSingleInvoice: invoices('SubscribeSingleInvoice', 'stream', null),
  /** without a deadline of gRPC's: the verb watches it, and LND pays on when the watch ends */
  sendPayment: router('SendPaymentV2', null),
  trackPayment: router('TrackPaymentV2', READ_MS),
  blocks: {
    service: 'chainrpc.ChainNotifier',
    method: 'RegisterBlockEpochNtfn',
    kind: 'stream',
    channel: 'main',
    deadlineMs: null,
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
