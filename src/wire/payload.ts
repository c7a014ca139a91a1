/** The payloads of messages, field by field in the order of the wire (wire.md 3). */
import {
  type BondResolution,
  CANT_DO_REASONS,
  type CashuLockProof,
  type CashuProofSignature,
  ORDER_KINDS,
  ORDER_STATUSES,
  type Payload,
  type Peer,
  type RestoredDispute,
  type RestoredOrder,
  type SmallOrder,
  type SolverDisputeInfo,
  type UserInfo,
} from '../core/protocol.ts'
import {
  boolean,
  type Codec,
  f64,
  i64,
  list,
  Malformed,
  map,
  nullable,
  omitted,
  only,
  optional,
  required,
  struct,
  text,
  tuple,
  u8,
  u32,
  u64,
  uuid,
  word,
} from './codec.ts'

/** The only struct in which the reference refuses unknown keys. */
const smallOrder = struct<SmallOrder>(
  {
    id: omitted('id', uuid),
    kind: optional('kind', word(ORDER_KINDS)),
    status: optional('status', word(ORDER_STATUSES)),
    amount: required('amount', i64),
    fiatCode: required('fiat_code', text),
    minAmount: optional('min_amount', i64),
    maxAmount: optional('max_amount', i64),
    fiatAmount: required('fiat_amount', i64),
    paymentMethod: required('payment_method', text),
    premium: required('premium', i64),
    buyerTradePubkey: omitted('buyer_trade_pubkey', text),
    sellerTradePubkey: omitted('seller_trade_pubkey', text),
    buyerInvoice: omitted('buyer_invoice', text),
    createdAt: optional('created_at', i64),
    expiresAt: optional('expires_at', i64),
  },
  { closed: true },
)

const userInfo = struct<UserInfo>({
  rating: required('rating', f64),
  reviews: required('reviews', i64),
  operatingDays: required('operating_days', u64),
})

const peer = struct<Peer>({ pubkey: required('pubkey', text), reputation: optional('reputation', userInfo) })

const restoredOrder = struct<RestoredOrder>({
  orderId: required('order_id', uuid),
  tradeIndex: required('trade_index', i64),
  status: required('status', text),
})

const restoredDispute = struct<RestoredDispute>({
  disputeId: required('dispute_id', uuid),
  orderId: required('order_id', uuid),
  tradeIndex: required('trade_index', i64),
  status: required('status', text),
  initiator: optional('initiator', word(['buyer', 'seller'])),
  solverPubkey: optional('solver_pubkey', text),
})

const bondResolution = struct<BondResolution>({
  slashSeller: required('slash_seller', boolean),
  slashBuyer: required('slash_buyer', boolean),
})

const cashuLockProof = struct<CashuLockProof>({
  token: required('token', text),
  mintUrl: required('mint_url', text),
  buyerPubkey: required('buyer_pubkey', text),
  sellerPubkey: required('seller_pubkey', text),
  mostroPubkey: required('mostro_pubkey', text),
  feeToken: omitted('fee_token', text),
})

const cashuProofSignature = struct<CashuProofSignature>({
  secret: required('secret', text),
  signature: required('signature', text),
})

const solverDisputeInfo = struct<SolverDisputeInfo>({
  id: required('id', uuid),
  kind: required('kind', text),
  status: required('status', text),
  hash: optional('hash', text),
  preimage: optional('preimage', text),
  orderPreviousStatus: required('order_previous_status', text),
  initiatorPubkey: required('initiator_pubkey', text),
  buyerPubkey: optional('buyer_pubkey', text),
  sellerPubkey: optional('seller_pubkey', text),
  initiatorFullPrivacy: required('initiator_full_privacy', boolean),
  counterpartFullPrivacy: required('counterpart_full_privacy', boolean),
  initiatorInfo: optional('initiator_info', userInfo),
  counterpartInfo: optional('counterpart_info', userInfo),
  premium: required('premium', i64),
  paymentMethod: required('payment_method', text),
  amount: required('amount', i64),
  fiatAmount: required('fiat_amount', i64),
  fee: required('fee', i64),
  routingFee: required('routing_fee', i64),
  buyerInvoice: optional('buyer_invoice', text),
  invoiceHeldAt: required('invoice_held_at', i64),
  takenAt: required('taken_at', i64),
  createdAt: required('created_at', i64),
})

type PayloadKind = Payload['kind']
type PayloadOf<K extends PayloadKind> = Extract<Payload, { readonly kind: K }>
type Body<K extends PayloadKind> = Omit<PayloadOf<K>, 'kind'>

/** A variant whose value is a struct of its own. */
const fields = <K extends PayloadKind>(kind: K, codec: Codec<Body<K>>): Codec<PayloadOf<K>> =>
  map(
    codec,
    (body) => ({ kind, ...body }) as unknown as PayloadOf<K>,
    (payload) => payload,
  )

const variants: { readonly [K in PayloadKind]: Codec<PayloadOf<K>> } = {
  order: map(
    smallOrder,
    (order) => ({ kind: 'order', order }),
    (payload) => payload.order,
  ),
  payment_request: map(
    tuple<readonly [SmallOrder | null, string, bigint | null]>(nullable(smallOrder), text, nullable(i64)),
    ([order, request, amount]) => ({ kind: 'payment_request', order, request, amount }),
    ({ order, request, amount }) => [order, request, amount] as const,
  ),
  text_message: map(
    text,
    (message) => ({ kind: 'text_message', text: message }),
    (payload) => payload.text,
  ),
  peer: map(
    peer,
    (body) => ({ kind: 'peer', peer: body }),
    (payload) => payload.peer,
  ),
  rating_user: map(
    u8,
    (rating) => ({ kind: 'rating_user', rating }),
    (payload) => payload.rating,
  ),
  amount: map(
    i64,
    (amount) => ({ kind: 'amount', amount }),
    (payload) => payload.amount,
  ),
  dispute: map(
    tuple<readonly [string, SolverDisputeInfo | null]>(uuid, nullable(solverDisputeInfo)),
    ([disputeId, info]) => ({ kind: 'dispute', disputeId, info }),
    ({ disputeId, info }) => [disputeId, info] as const,
  ),
  cant_do: map(
    nullable(word(CANT_DO_REASONS)),
    (reason) => ({ kind: 'cant_do', reason }),
    (payload) => payload.reason,
  ),
  next_trade: map(
    tuple<readonly [string, number]>(text, u32),
    ([pubkey, index]) => ({ kind: 'next_trade', pubkey, index }),
    ({ pubkey, index }) => [pubkey, index] as const,
  ),
  payment_failed: fields(
    'payment_failed',
    struct<Body<'payment_failed'>>({
      attempts: required('payment_attempts', u32),
      retriesIntervalS: required('payment_retries_interval', u32),
    }),
  ),
  restore_data: fields(
    'restore_data',
    struct<Body<'restore_data'>>({
      orders: required('orders', list(restoredOrder)),
      disputes: required('disputes', list(restoredDispute)),
    }),
  ),
  ids: map(
    list(uuid),
    (ids) => ({ kind: 'ids', ids }),
    (payload) => payload.ids,
  ),
  orders: map(
    list(smallOrder),
    (orders) => ({ kind: 'orders', orders }),
    (payload) => payload.orders,
  ),
  bond_resolution: map(
    bondResolution,
    (resolution) => ({ kind: 'bond_resolution', resolution }),
    (payload) => payload.resolution,
  ),
  bond_payout_request: fields(
    'bond_payout_request',
    struct<Body<'bond_payout_request'>>({
      order: required('order', smallOrder),
      slashedAt: required('slashed_at', i64),
    }),
  ),
  cashu_lock_proof: map(
    cashuLockProof,
    (proof) => ({ kind: 'cashu_lock_proof', proof }),
    (payload) => payload.proof,
  ),
  cashu_signatures: map(
    list(cashuProofSignature),
    (signatures) => ({ kind: 'cashu_signatures', signatures }),
    (payload) => payload.signatures,
  ),
}

const isKind = (key: string): key is PayloadKind => Object.hasOwn(variants, key)

/** Any payload: an object with the variant's key alone. */
export const payload: Codec<Payload> = {
  read(value) {
    const [key, body] = only(value)
    if (!isKind(key)) throw new Malformed('unknown payload')
    return variants[key].read(body)
  },
  write(value) {
    const codec = variants[value.kind] as unknown as Codec<Payload>
    return `{"${value.kind}":${codec.write(value)}}`
  },
}
