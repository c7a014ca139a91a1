/** The model in LND's messages, with every field that LND's clients insist on (money-path.md 6.3). */
import { createHash } from 'node:crypto'
import type { PaymentFailure } from '../../ports/lightning.ts'
import type { Bolt11 } from './bolt11.ts'
import type { Lnd } from './lnd.ts'
import { feeOf, HUB_CLTV_DELTA, statusOf } from './model/payer.ts'
import type { Attempt, Invoice, InvoiceHtlc, Payment } from './model/records.ts'

/**
 * A message as `@grpc/proto-loader` takes it: keepCase, enums as strings, bytes as buffers, 64 bit integers as numbers, or
 * as strings where a number is not exact.
 */
export type Message = Readonly<Record<string, unknown>>

export const SIM_VERSION = '0.20.0-beta commit=v0.20.0-beta'

const HUB_PUBKEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const HUB_SCID = '769658139444707328'
const NO_PREIMAGE = '0'.repeat(64)
const NO_BYTES = Buffer.alloc(0)

const INVOICE_STATES = { open: 'OPEN', accepted: 'ACCEPTED', settled: 'SETTLED', canceled: 'CANCELED' } as const
const HTLC_STATES = { accepted: 'ACCEPTED', settled: 'SETTLED', canceled: 'CANCELED' } as const
const ATTEMPT_STATES = { 'in-flight': 'IN_FLIGHT', succeeded: 'SUCCEEDED', failed: 'FAILED' } as const

const FAILURE_REASONS: Readonly<Record<PaymentFailure, string>> = {
  'no-route': 'FAILURE_REASON_NO_ROUTE',
  'incorrect-details': 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS',
  timeout: 'FAILURE_REASON_TIMEOUT',
  'insufficient-balance': 'FAILURE_REASON_INSUFFICIENT_BALANCE',
  error: 'FAILURE_REASON_ERROR',
  canceled: 'FAILURE_REASON_CANCELED',
}

const FEATURE_NAMES: Readonly<Record<number, string>> = {
  8: 'tlv-onion',
  14: 'payment-addr',
  17: 'multi-path-payments',
}

export function invoiceMessage(lnd: Lnd, invoice: Invoice): Message {
  return {
    memo: invoice.memo,
    r_preimage: invoice.preimage === null ? Buffer.alloc(32) : Buffer.from(invoice.preimage, 'hex'),
    r_hash: Buffer.from(invoice.hash, 'hex'),
    value: sats(invoice.amountMsat),
    value_msat: invoice.amountMsat,
    settled: invoice.state === 'settled',
    creation_date: seconds(invoice.createdAtMs),
    settle_date: seconds(invoice.settledAtMs ?? 0),
    payment_request: invoice.request,
    description_hash: invoice.descriptionHash === null ? NO_BYTES : Buffer.from(invoice.descriptionHash, 'hex'),
    expiry: invoice.expiryS,
    fallback_addr: '',
    cltv_expiry: invoice.cltvDelta,
    route_hints: [],
    private: false,
    add_index: invoice.addIndex,
    settle_index: invoice.settleIndex ?? 0,
    amt_paid: invoice.receivedMsat,
    amt_paid_sat: sats(invoice.receivedMsat),
    amt_paid_msat: invoice.receivedMsat,
    state: INVOICE_STATES[invoice.state],
    htlcs: invoice.htlcs.map((part) => invoiceHtlcMessage(lnd, part)),
    features: featuresMessage(invoice.features),
    is_keysend: false,
    payment_addr: Buffer.from(invoice.secret, 'hex'),
    is_amp: false,
    amp_invoice_state: {},
    is_blinded: false,
    blinded_path_config: null,
  }
}

function invoiceHtlcMessage(lnd: Lnd, part: InvoiceHtlc): Message {
  return {
    chan_id: lnd.channel().scid,
    htlc_index: part.channelIndex,
    amt_msat: part.amountMsat,
    accept_height: part.acceptHeight,
    accept_time: seconds(part.acceptedAtMs),
    resolve_time: seconds(part.resolvedAtMs ?? 0),
    expiry_height: part.expiryHeight,
    state: HTLC_STATES[part.state],
    custom_records: {},
    mpp_total_amt_msat: part.totalMsat,
    amp: null,
    custom_channel_data: NO_BYTES,
  }
}

export function paymentMessage(lnd: Lnd, payment: Payment): Message {
  const status = statusOf(payment)
  const statuses = {
    initiated: lnd.reportsInitiated() ? 'INITIATED' : 'IN_FLIGHT',
    'in-flight': 'IN_FLIGHT',
    succeeded: 'SUCCEEDED',
    failed: 'FAILED',
  }
  const feeMsat = feeOf(payment)
  return {
    payment_hash: payment.hash,
    value: sats(payment.amountMsat),
    creation_date: seconds(payment.createdAtMs),
    path: [],
    fee: sats(feeMsat),
    payment_preimage: (status === 'succeeded' ? payment.preimage : null) ?? NO_PREIMAGE,
    value_sat: sats(payment.amountMsat),
    value_msat: String(payment.amountMsat),
    payment_request: payment.request,
    status: statuses[status],
    fee_sat: sats(feeMsat),
    fee_msat: String(feeMsat),
    creation_time_ns: nanoseconds(payment.createdAtMs),
    htlcs: payment.attempts.map((attempt) => attemptMessage(lnd, payment, attempt)),
    payment_index: String(payment.index),
    failure_reason: payment.failure === null ? 'FAILURE_REASON_NONE' : FAILURE_REASONS[payment.failure],
    first_hop_custom_records: {},
  }
}

function attemptMessage(lnd: Lnd, payment: Payment, attempt: Attempt): Message {
  const totalMsat = attempt.amountMsat + attempt.feeMsat
  const hop = (pubkey: string, scid: string, feeMsat: number): Message => ({
    chan_id: scid,
    chan_capacity: sats(lnd.channel().capacityMsat),
    amt_to_forward: sats(attempt.amountMsat),
    fee: sats(feeMsat),
    expiry: attempt.expiryHeight,
    amt_to_forward_msat: String(attempt.amountMsat),
    fee_msat: String(feeMsat),
    pub_key: pubkey,
    tlv_payload: true,
    mpp_record: null,
    amp_record: null,
    custom_records: {},
    metadata: NO_BYTES,
    blinding_point: NO_BYTES,
    encrypted_data: NO_BYTES,
    total_amt_msat: '0',
  })
  return {
    attempt_id: String(attempt.htlcId),
    status: ATTEMPT_STATES[attempt.status],
    route: {
      total_time_lock: attempt.expiryHeight + HUB_CLTV_DELTA,
      total_fees: sats(attempt.feeMsat),
      total_amt: sats(totalMsat),
      hops: [hop(HUB_PUBKEY, lnd.channel().scid, attempt.feeMsat), hop(payment.payee, HUB_SCID, 0)],
      total_fees_msat: String(attempt.feeMsat),
      total_amt_msat: String(totalMsat),
      first_hop_amount_msat: '0',
      custom_channel_data: NO_BYTES,
    },
    attempt_time_ns: nanoseconds(attempt.startedAtMs),
    resolve_time_ns: nanoseconds(attempt.resolvedAtMs ?? 0),
    failure:
      attempt.failure === null
        ? null
        : {
            code: attempt.failure,
            channel_update: null,
            htlc_msat: '0',
            onion_sha_256: NO_BYTES,
            cltv_expiry: 0,
            flags: 0,
            failure_source_index: attempt.failure === 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS' ? 2 : 1,
            height: lnd.height(),
          },
    preimage:
      attempt.status === 'succeeded' && payment.preimage !== null ? Buffer.from(payment.preimage, 'hex') : NO_BYTES,
  }
}

export function infoMessage(lnd: Lnd, nowMs: number): Message {
  const pubkey = lnd.pubkey()
  return {
    version: SIM_VERSION,
    commit_hash: 'a7a70e4a1b8b7a6a8f1d9e8c3a6a6b0f4e0d2c1b',
    identity_pubkey: pubkey,
    alias: 'fianza-sandbox',
    color: '#f7931a',
    num_pending_channels: 0,
    num_active_channels: 1,
    num_inactive_channels: 0,
    num_peers: 1,
    block_height: lnd.height(),
    block_hash: blockHash(lnd.height()).toString('hex'),
    best_header_timestamp: seconds(nowMs),
    synced_to_chain: true,
    synced_to_graph: true,
    testnet: false,
    chains: [{ chain: 'bitcoin', network: 'regtest' }],
    uris: [`${pubkey}@127.0.0.1:9735`],
    features: featuresMessage([8, 14, 17]),
    require_htlc_interceptor: false,
    store_final_htlc_resolutions: lnd.storesFinalHtlcs(),
  }
}

export function blockMessage(height: number): Message {
  return { hash: blockHash(height), height }
}

export function decodedMessage(invoice: Bolt11): Message {
  const amountMsat = invoice.amountMsat ?? 0
  return {
    destination: invoice.payee,
    payment_hash: invoice.hash,
    num_satoshis: sats(amountMsat),
    num_msat: String(amountMsat),
    timestamp: String(invoice.createdAtS),
    expiry: String(invoice.expiryS),
    description: invoice.memo,
    description_hash: invoice.descriptionHash ?? '',
    fallback_addr: '',
    cltv_expiry: String(invoice.finalCltv),
    route_hints: [],
    payment_addr: Buffer.from(invoice.secret, 'hex'),
    features: featuresMessage(invoice.features),
    blinded_paths: [],
  }
}

export function channelBalanceMessage(lnd: Lnd): Message {
  const { localMsat, hubMsat, pendingInMsat, pendingOutMsat } = lnd.channel()
  const amount = (msat: number): Message => ({ sat: sats(msat), msat: String(msat) })
  return {
    balance: sats(localMsat),
    pending_open_balance: '0',
    local_balance: amount(localMsat),
    remote_balance: amount(hubMsat),
    unsettled_local_balance: amount(pendingInMsat),
    unsettled_remote_balance: amount(pendingOutMsat),
    pending_open_local_balance: amount(0),
    pending_open_remote_balance: amount(0),
    custom_channel_data: NO_BYTES,
  }
}

export function channelsMessage(lnd: Lnd): Message {
  const { scid, localMsat, hubMsat, capacityMsat, pendingInMsat, pendingOutMsat } = lnd.channel()
  const constraints = {
    csv_delay: 144,
    chan_reserve_sat: '0',
    dust_limit_sat: '354',
    max_pending_amt_msat: String(capacityMsat),
    min_htlc_msat: '1',
    max_accepted_htlcs: 483,
  }
  return {
    channels: [
      {
        active: true,
        remote_pubkey: HUB_PUBKEY,
        channel_point: `${'0'.repeat(63)}1:0`,
        chan_id: scid,
        capacity: sats(capacityMsat),
        local_balance: sats(localMsat),
        remote_balance: sats(hubMsat),
        commit_fee: '0',
        commit_weight: '724',
        fee_per_kw: '253',
        unsettled_balance: sats(pendingInMsat + pendingOutMsat),
        total_satoshis_sent: '0',
        total_satoshis_received: '0',
        num_updates: '0',
        pending_htlcs: [],
        csv_delay: 144,
        private: false,
        initiator: true,
        chan_status_flags: 'ChanStatusDefault',
        local_chan_reserve_sat: '0',
        remote_chan_reserve_sat: '0',
        commitment_type: 'ANCHORS',
        lifetime: '0',
        uptime: '0',
        push_amount_sat: '0',
        alias_scids: [],
        local_constraints: constraints,
        remote_constraints: constraints,
      },
    ],
  }
}

function blockHash(height: number): Buffer {
  return createHash('sha256').update(`block ${height}`).digest()
}

function featuresMessage(bits: readonly number[]): Message {
  return Object.fromEntries(
    bits.map((bit) => [
      bit,
      { name: FEATURE_NAMES[bit] ?? 'unknown', is_required: bit % 2 === 0, is_known: FEATURE_NAMES[bit] !== undefined },
    ]),
  )
}

function sats(msat: number): number {
  return Math.floor(msat / 1000)
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.floor(ms)) * 1_000_000n)
}
