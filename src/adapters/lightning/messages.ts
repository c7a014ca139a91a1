/**
 * LND's messages as `protos.ts` gives them: enums are strings, bytes are buffers, absent fields have their default. Only
 * the fields that fianza uses are named.
 */

/** A whole number of 64 bits: a text, or where a list has many of them a number, which is exact up to 2^53. */
export type Int64 = string | number

export type GetInfoResponse = {
  readonly identity_pubkey: string
  readonly alias: string
  readonly version: string
  readonly commit_hash: string
  readonly uris: readonly string[]
  readonly block_height: number
  readonly synced_to_chain: boolean
  readonly chains: readonly { readonly network: string }[]
}

export type InvoiceHtlcMessage = {
  readonly chan_id: string
  readonly htlc_index: Int64
  readonly amt_msat: Int64
  readonly expiry_height: number
  readonly state: string
}

export type InvoiceMessage = {
  readonly r_hash: Uint8Array
  readonly memo: string
  readonly value_msat: Int64
  readonly amt_paid_msat: Int64
  readonly creation_date: Int64
  readonly expiry: Int64
  readonly cltv_expiry: Int64
  readonly payment_request: string
  readonly settle_index: Int64
  readonly state: string
  readonly htlcs: readonly InvoiceHtlcMessage[]
}

/** An invoice in a list: its HTLCs have no channel, whose id a number can not hold. */
export type ListedInvoice = Omit<InvoiceMessage, 'htlcs'> & {
  readonly htlcs: readonly Omit<InvoiceHtlcMessage, 'chan_id'>[]
}

export type PaymentMessage = {
  readonly payment_hash: string
  readonly payment_preimage: string
  readonly value_msat: Int64
  readonly fee_msat: Int64
  readonly creation_time_ns: string
  readonly status: string
  readonly failure_reason: string
  readonly htlcs: readonly unknown[]
}

/** Request and response (of a stream: each message) of every RPC in `rpcs.ts`. */
export type RpcMessages = {
  getInfo: { request: Record<string, never>; response: GetInfoResponse }
  lookupInvoice: { request: { r_hash: Uint8Array }; response: InvoiceMessage }
  listInvoices: {
    request: { pending_only: boolean; index_offset: string; num_max_invoices: number; creation_date_start: number }
    response: { readonly invoices: ListedInvoice[]; readonly last_index_offset: Int64 }
  }
  listPayments: {
    request: { include_incomplete: true; index_offset: string; max_payments: number; creation_date_start: number }
    response: { readonly payments: PaymentMessage[]; readonly last_index_offset: string }
  }
  lookupHtlcResolution: {
    request: { chan_id: string; htlc_index: Int64 }
    response: { readonly settled: boolean }
  }
  addHoldInvoice: {
    request: { hash: Uint8Array; value_msat: string; memo: string; expiry: number; cltv_expiry: number }
    response: { readonly payment_request: string }
  }
  settleInvoice: { request: { preimage: Uint8Array }; response: unknown }
  cancelInvoice: { request: { payment_hash: Uint8Array }; response: unknown }
  subscribeSingleInvoice: { request: { r_hash: Uint8Array }; response: InvoiceMessage }
  sendPayment: {
    request: {
      payment_request: string
      amt_msat?: string
      fee_limit_msat: string
      timeout_seconds: number
      max_parts: number
      cltv_limit: number
      allow_self_payment: false
      cancelable: false
      no_inflight_updates: false
    }
    response: PaymentMessage
  }
  trackPayment: { request: { payment_hash: Uint8Array; no_inflight_updates: false }; response: PaymentMessage }
  blocks: { request: Record<string, never>; response: { readonly height: number } }
}
