/**
 * The vocabulary of the Mostro protocol: closed sets of words and the shapes of messages, one definition each
 * (wire.md 1 to 4). Bytes are the business of `src/wire`. Integers that are i64 or u64 on the wire are bigint here,
 * so that a client's `request_id` comes back bit for bit.
 */

export const ACTIONS = [
  'new-order',
  'take-sell',
  'take-buy',
  'pay-invoice',
  'pay-bond-invoice',
  'fiat-sent',
  'fiat-sent-ok',
  'release',
  'released',
  'cancel',
  'canceled',
  'cooperative-cancel-initiated-by-you',
  'cooperative-cancel-initiated-by-peer',
  'dispute-initiated-by-you',
  'dispute-initiated-by-peer',
  'cooperative-cancel-accepted',
  'buyer-invoice-accepted',
  'purchase-completed',
  'bond-invoice-accepted',
  'bond-payout-completed',
  'bond-slashed',
  'hold-invoice-payment-accepted',
  'hold-invoice-payment-settled',
  'hold-invoice-payment-canceled',
  'waiting-seller-to-pay',
  'waiting-buyer-invoice',
  'add-invoice',
  'add-bond-invoice',
  'buyer-took-order',
  'rate',
  'rate-user',
  'rate-received',
  'cant-do',
  'dispute',
  'admin-cancel',
  'admin-canceled',
  'admin-settle',
  'admin-settled',
  'admin-add-solver',
  'admin-take-dispute',
  'admin-took-dispute',
  'payment-failed',
  'invoice-updated',
  'send-dm',
  'trade-pubkey',
  'restore-session',
  'last-trade-index',
  'orders',
  'add-cashu-escrow',
  'cashu-escrow-locked',
  'cashu-pm-signature',
] as const
export type Action = (typeof ACTIONS)[number]

export const ORDER_KINDS = ['buy', 'sell'] as const
/** The maker's side, in bitcoin terms. */
export type OrderKind = (typeof ORDER_KINDS)[number]

export const ORDER_STATUSES = [
  'active',
  'canceled',
  'canceled-by-admin',
  'settled-by-admin',
  'completed-by-admin',
  'dispute',
  'expired',
  'fiat-sent',
  'settled-hold-invoice',
  'pending',
  'success',
  'waiting-buyer-invoice',
  'waiting-payment',
  'cooperatively-canceled',
  'in-progress',
  'waiting-taker-bond',
  'waiting-maker-bond',
] as const
/** Every order status that can stand on the wire. */
export type WireStatus = (typeof ORDER_STATUSES)[number]

export const DISPUTE_STATUSES = ['initiated', 'in-progress', 'seller-refunded', 'settled', 'released'] as const
export type DisputeStatus = (typeof DISPUTE_STATUSES)[number]

export const CANT_DO_REASONS = [
  'invalid_signature',
  'invalid_trade_index',
  'invalid_amount',
  'invalid_invoice',
  'invalid_payment_request',
  'invalid_peer',
  'invalid_rating',
  'invalid_text_message',
  'invalid_order_kind',
  'invalid_order_status',
  'invalid_pubkey',
  'invalid_parameters',
  'invalid_payload',
  'order_already_canceled',
  'cant_create_user',
  'is_not_your_order',
  'not_allowed_by_status',
  'out_of_range_fiat_amount',
  'out_of_range_sats_amount',
  'price_too_stale',
  'is_not_your_dispute',
  'dispute_taken_by_admin',
  'not_authorized',
  'dispute_creation_error',
  'not_found',
  'invalid_dispute_status',
  'invalid_action',
  'pending_order_exists',
  'invalid_fiat_currency',
  'too_many_requests',
  'invalid_cashu_token',
  'cashu_mint_unavailable',
  'invalid_mint_url',
  'cashu_escrow_not_locked',
  'cashu_signature_missing',
] as const
export type CantDoReason = (typeof CANT_DO_REASONS)[number]

export const OUTER_KEYS = ['order', 'dispute', 'cant-do', 'rate', 'dm', 'restore'] as const
/** The single key around a message. Inbound it is ignored, outbound clients look at it (wire.md 1.2). */
export type OuterKey = (typeof OUTER_KEYS)[number]

export type SmallOrder = {
  readonly id: string | null
  readonly kind: OrderKind | null
  readonly status: WireStatus | null
  /** sats; 0 = market price */
  readonly amount: bigint
  readonly fiatCode: string
  readonly minAmount: bigint | null
  readonly maxAmount: bigint | null
  readonly fiatAmount: bigint
  readonly paymentMethod: string
  readonly premium: bigint
  readonly buyerTradePubkey: string | null
  readonly sellerTradePubkey: string | null
  readonly buyerInvoice: string | null
  readonly createdAt: bigint | null
  readonly expiresAt: bigint | null
}

export type UserInfo = { readonly rating: number; readonly reviews: bigint; readonly operatingDays: bigint }
export type Peer = { readonly pubkey: string; readonly reputation: UserInfo | null }
export type RestoredOrder = { readonly orderId: string; readonly tradeIndex: bigint; readonly status: string }
export type RestoredDispute = {
  readonly disputeId: string
  readonly orderId: string
  readonly tradeIndex: bigint
  readonly status: string
  readonly initiator: 'buyer' | 'seller' | null
  readonly solverPubkey: string | null
}
export type BondResolution = { readonly slashSeller: boolean; readonly slashBuyer: boolean }
export type CashuLockProof = {
  readonly token: string
  readonly mintUrl: string
  readonly buyerPubkey: string
  readonly sellerPubkey: string
  readonly mostroPubkey: string
  readonly feeToken: string | null
}
export type CashuProofSignature = { readonly secret: string; readonly signature: string }
export type SolverDisputeInfo = {
  readonly id: string
  readonly kind: string
  readonly status: string
  readonly hash: string | null
  readonly preimage: string | null
  readonly orderPreviousStatus: string
  readonly initiatorPubkey: string
  readonly buyerPubkey: string | null
  readonly sellerPubkey: string | null
  readonly initiatorFullPrivacy: boolean
  readonly counterpartFullPrivacy: boolean
  readonly initiatorInfo: UserInfo | null
  readonly counterpartInfo: UserInfo | null
  readonly premium: bigint
  readonly paymentMethod: string
  readonly amount: bigint
  readonly fiatAmount: bigint
  readonly fee: bigint
  readonly routingFee: bigint
  readonly buyerInvoice: string | null
  readonly invoiceHeldAt: bigint
  readonly takenAt: bigint
  readonly createdAt: bigint
}

/** One member per snake_case payload key of wire.md 3; `kind` is that key. */
export type Payload =
  | { readonly kind: 'order'; readonly order: SmallOrder }
  | {
      readonly kind: 'payment_request'
      readonly order: SmallOrder | null
      /** bolt11, Lightning address or lnurl */
      readonly request: string
      /** fiat on take-sell, sats on add-invoice */
      readonly amount: bigint | null
    }
  | { readonly kind: 'text_message'; readonly text: string }
  | { readonly kind: 'peer'; readonly peer: Peer }
  | { readonly kind: 'rating_user'; readonly rating: number }
  | { readonly kind: 'amount'; readonly amount: bigint }
  | { readonly kind: 'dispute'; readonly disputeId: string; readonly info: SolverDisputeInfo | null }
  | { readonly kind: 'cant_do'; readonly reason: CantDoReason | null }
  | { readonly kind: 'next_trade'; readonly pubkey: string; readonly index: number }
  | { readonly kind: 'payment_failed'; readonly attempts: number; readonly retriesIntervalS: number }
  | {
      readonly kind: 'restore_data'
      readonly orders: readonly RestoredOrder[]
      readonly disputes: readonly RestoredDispute[]
    }
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'orders'; readonly orders: readonly SmallOrder[] }
  | { readonly kind: 'bond_resolution'; readonly resolution: BondResolution }
  | { readonly kind: 'bond_payout_request'; readonly order: SmallOrder; readonly slashedAt: bigint }
  | { readonly kind: 'cashu_lock_proof'; readonly proof: CashuLockProof }
  | { readonly kind: 'cashu_signatures'; readonly signatures: readonly CashuProofSignature[] }

export type Message = {
  readonly outer: OuterKey
  readonly version: number
  readonly requestId: bigint | null
  readonly tradeIndex: bigint | null
  readonly id: string | null
  readonly action: Action
  readonly payload: Payload | null
}

/** 1 = gift wrap (kind 1059), 2 = NIP-44 direct (kind 14). */
export type Transport = 1 | 2

/** A signed Nostr event, NIP-01. */
export type NostrEvent = {
  readonly id: string
  readonly pubkey: string
  readonly created_at: number
  readonly kind: number
  readonly tags: readonly (readonly string[])[]
  readonly content: string
  readonly sig: string
}

/** What is signed: a {@link NostrEvent} before it has an author, an id and a signature. */
export type EventTemplate = Pick<NostrEvent, 'created_at' | 'kind' | 'tags' | 'content'>

/** An opened, verified message from a trader (wire.md 5.0 steps 3 to 8). */
export type InboundMessage = {
  readonly transport: Transport
  /** id of the event on the relay */
  readonly outerId: string
  /** id of the decrypted inner event: recomputed rumor id on v1, the outer id on v2 */
  readonly innerId: string
  /** trade key, x-only hex */
  readonly sender: string
  /** identity key; equals `sender` in full-privacy mode */
  readonly identity: string
  /** whether the inner tuple carried a (valid) signature of the trade key */
  readonly signed: boolean
  /** inner time, unix seconds: rumor on v1, event on v2 */
  readonly createdAtS: number
  readonly message: Message
  /** canonical JSON of the message, outer key included: what is hashed and signed */
  readonly canonicalJson: string
}
