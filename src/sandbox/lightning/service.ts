/** LND's RPCs in its own messages: what each method does with a request. Both doors call this table. */
import { assert } from '../../core/assert.ts'
import type { LndMethod } from './control.ts'
import type { Lnd, Sink, StopStream } from './lnd.ts'
import {
  blockMessage,
  channelBalanceMessage,
  channelsMessage,
  decodedMessage,
  infoMessage,
  invoiceMessage,
  type Message,
  paymentMessage,
  SIM_VERSION,
} from './messages.ts'
import { GATES, RpcError, STATUS } from './rpc-error.ts'

export type Service = { readonly lnd: Lnd; readonly nowMs: () => number }

type Unary = (service: Service, request: Fields) => Message
type Streaming = (service: Service, request: Fields, sink: Sink<Message>) => StopStream

export type StreamMethod = Extract<
  LndMethod,
  | 'SubscribeInvoices'
  | 'SubscribeSingleInvoice'
  | 'SendPaymentV2'
  | 'TrackPaymentV2'
  | 'TrackPayments'
  | 'RegisterBlockEpochNtfn'
>
export type UnaryMethod = Exclude<LndMethod, StreamMethod>

export const UNARY: Readonly<Record<UnaryMethod, Unary>> = {
  GetInfo: ({ lnd, nowMs }) => infoMessage(lnd, nowMs()),
  GetVersion: () => ({
    commit: 'v0.20.0-beta',
    commit_hash: '',
    version: SIM_VERSION,
    app_major: 0,
    app_minor: 20,
    app_patch: 0,
    app_pre_release: 'beta',
    build_tags: ['invoicesrpc', 'routerrpc', 'chainrpc'],
    go_version: 'go1.24',
  }),
  WalletBalance: () => ({
    total_balance: '0',
    confirmed_balance: '0',
    unconfirmed_balance: '0',
    locked_balance: '0',
    reserved_balance_anchor_chan: '0',
    account_balance: {},
  }),
  ChannelBalance: ({ lnd }) => channelBalanceMessage(lnd),
  ListChannels: ({ lnd }) => channelsMessage(lnd),
  DecodePayReq: ({ lnd }, request) => decodedMessage(lnd.decode(request.text('pay_req'))),

  AddHoldInvoice: ({ lnd }, request) => {
    const valueMsat = request.integer('value_msat')
    const value = request.integer('value')
    if (value !== 0 && valueMsat !== 0) throw unknown('sat and msat arguments are mutually exclusive')
    const descriptionHash = request.hex('description_hash')
    const {
      request: text,
      addIndex,
      secret,
    } = lnd.addHoldInvoice({
      hash: request.hex('hash'),
      memo: request.text('memo'),
      descriptionHash: descriptionHash === '' ? null : descriptionHash,
      valueMsat: valueMsat === 0 ? value * 1000 : valueMsat,
      expiryS: request.integer('expiry'),
      cltvDelta: request.integer('cltv_expiry'),
    })
    return { payment_request: text, add_index: String(addIndex), payment_addr: Buffer.from(secret, 'hex') }
  },
  SettleInvoice: ({ lnd }, request) => {
    const preimage = request.hex('preimage')
    if (preimage.length !== 64) throw unknown(`invalid preimage length of ${preimage.length / 2}, want 32`)
    lnd.settleInvoice(preimage)
    return {}
  },
  CancelInvoice: ({ lnd }, request) => {
    lnd.cancelInvoice(request.hash('payment_hash'))
    return {}
  },
  LookupInvoice: ({ lnd }, request) => {
    const hash = request.text('r_hash_str') === '' ? request.hash('r_hash') : request.text('r_hash_str')
    return invoiceMessage(lnd, lnd.lookupInvoice(hash))
  },
  LookupInvoiceV2: ({ lnd }, request) => invoiceMessage(lnd, lnd.lookupInvoice(request.hash('payment_hash'))),
  ListInvoices: ({ lnd }, request) => {
    const { items, firstIndex, lastIndex } = lnd.listInvoices({
      pendingOnly: request.flag('pending_only'),
      indexOffset: request.integer('index_offset'),
      max: request.integer('num_max_invoices'),
      reversed: request.flag('reversed'),
      createdFromS: request.integer('creation_date_start'),
      createdToS: request.integer('creation_date_end'),
    })
    return {
      invoices: items.map((invoice) => invoiceMessage(lnd, invoice)),
      first_index_offset: String(firstIndex),
      last_index_offset: String(lastIndex),
    }
  },
  LookupHtlcResolution: ({ lnd }, request) =>
    lnd.htlcResolution(request.text('chan_id'), request.integer('htlc_index')),

  ListPayments: ({ lnd }, request) => {
    const { items, firstIndex, lastIndex } = lnd.listPayments({
      includeIncomplete: request.flag('include_incomplete'),
      indexOffset: request.integer('index_offset'),
      max: request.integer('max_payments'),
      reversed: request.flag('reversed'),
      createdFromS: request.integer('creation_date_start'),
      createdToS: request.integer('creation_date_end'),
    })
    return {
      payments: items.map((payment) => paymentMessage(lnd, payment)),
      first_index_offset: String(firstIndex),
      last_index_offset: String(lastIndex),
      total_num_payments: '0',
    }
  },
  DeletePayment: ({ lnd }, request) => {
    lnd.deletePayment(request.hash('payment_hash'))
    return { status: 'payment deleted' }
  },
  EstimateRouteFee: ({ lnd }, request) => {
    const estimate = lnd.estimateFee(request.text('payment_request'))
    return estimate === null
      ? { routing_fee_msat: '0', time_lock_delay: '0', failure_reason: 'FAILURE_REASON_NO_ROUTE' }
      : {
          routing_fee_msat: String(estimate.feeMsat),
          time_lock_delay: String(estimate.timeLock),
          failure_reason: 'FAILURE_REASON_NONE',
        }
  },
}

export const STREAMING: Readonly<Record<StreamMethod, Streaming>> = {
  SubscribeInvoices: ({ lnd }, request, sink) =>
    lnd.watchInvoices(
      { addIndex: request.integer('add_index'), settleIndex: request.integer('settle_index') },
      mapped(sink, (invoice) => invoiceMessage(lnd, invoice)),
    ),
  SubscribeSingleInvoice: ({ lnd }, request, sink) =>
    lnd.watchInvoice(
      request.hash('r_hash'),
      mapped(sink, (invoice) => invoiceMessage(lnd, invoice)),
    ),
  SendPaymentV2: ({ lnd }, request, sink) => {
    const amountSats = request.integer('amt')
    const amountMsat = request.integer('amt_msat')
    const feeSats = request.integer('fee_limit_sat')
    const feeMsat = request.integer('fee_limit_msat')
    if (amountSats !== 0 && amountMsat !== 0) throw unknown('sat and msat arguments are mutually exclusive')
    if (feeSats !== 0 && feeMsat !== 0) throw unknown('sat and msat arguments are mutually exclusive')
    return lnd.sendPayment(
      {
        request: request.text('payment_request'),
        amountMsat: amountMsat === 0 ? amountSats * 1000 : amountMsat,
        feeLimitMsat: feeMsat === 0 ? feeSats * 1000 : feeMsat,
        timeoutS: request.integer('timeout_seconds'),
        maxParts: request.integer('max_parts'),
        cltvLimit: request.integer('cltv_limit'),
        allowSelfPayment: request.flag('allow_self_payment'),
        cancelable: request.flag('cancelable'),
        noInflightUpdates: request.flag('no_inflight_updates'),
      },
      mapped(sink, (payment) => paymentMessage(lnd, payment)),
    )
  },
  TrackPaymentV2: ({ lnd }, request, sink) =>
    lnd.trackPayment(
      request.hash('payment_hash'),
      request.flag('no_inflight_updates'),
      mapped(sink, (payment) => paymentMessage(lnd, payment)),
    ),
  TrackPayments: ({ lnd }, request, sink) =>
    lnd.trackPayments(
      request.flag('no_inflight_updates'),
      mapped(sink, (payment) => paymentMessage(lnd, payment)),
    ),
  RegisterBlockEpochNtfn: ({ lnd }, _request, sink) => lnd.watchBlocks(mapped(sink, blockMessage)),
}

const METHODS = Object.keys({ ...UNARY, ...STREAMING }) as (StreamMethod | UnaryMethod)[]

/** Reads a request with protobuf's defaults for what is absent; throws an {@link RpcError} on what it can not read. */
export class Fields {
  readonly #message: Message

  constructor(message: Message) {
    this.#message = message
  }

  text(name: string): string {
    const value = this.#message[name]
    return typeof value === 'string' ? value : ''
  }

  flag(name: string): boolean {
    return this.#message[name] === true
  }

  integer(name: string): number {
    const value = Number(this.#message[name] ?? 0)
    // "No limit" is often said with the largest 64 bit number; here every sum fits a double.
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number.isNaN(value) ? 0 : value))
  }

  hex(name: string): string {
    const value = this.#message[name]
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : ''
  }

  /** 32 bytes. */
  hash(name: string): string {
    const hash = this.hex(name)
    if (hash.length !== 64) throw unknown(`invalid hash length of ${hash.length / 2}, want 32`)
    return hash
  }
}

/** The method of this name; throws when the simulated LND does not serve it. */
export function methodNamed(name: string): StreamMethod | UnaryMethod {
  const found = METHODS.find((method) => method === name)
  assert(found !== undefined, `the simulated LND does not serve ${name}`)
  return found
}

/** Whether a method answers with one message. */
export function isUnary(method: StreamMethod | UnaryMethod): method is UnaryMethod {
  return method in UNARY
}

/** What LND's gate says in this state; null: calls pass. */
export function gateOf(state: 'ready' | 'locked' | 'starting' | 'stopped'): RpcError | null {
  if (state === 'ready') return null
  const { code, details } = GATES[state === 'stopped' ? 'no-connection' : state]
  return new RpcError(code, details)
}

function mapped<T>(sink: Sink<Message>, map: (value: T) => Message): Sink<T> {
  return { next: (value) => sink.next(map(value)), end: (error) => sink.end(error) }
}

function unknown(details: string): RpcError {
  return new RpcError(STATUS.unknown, details)
}
