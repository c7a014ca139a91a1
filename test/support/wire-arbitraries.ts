/** Any message that the protocol can express, for property tests. */
import fc from 'fast-check'
import {
  ACTIONS,
  CANT_DO_REASONS,
  type Message,
  ORDER_KINDS,
  ORDER_STATUSES,
  OUTER_KEYS,
  type Payload,
  type SmallOrder,
  type SolverDisputeInfo,
} from '../../src/core/protocol.ts'

const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const f64 = fc.double({ noNaN: true, noDefaultInfinity: true })
const uuid = fc.uuid()
/** Well-formed, with every kind of character that JSON escapes or leaves alone. */
export const wireText = fc.string({ unit: 'binary', maxLength: 24 })
const orNone = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })

const smallOrder: fc.Arbitrary<SmallOrder> = fc.record({
  id: orNone(uuid),
  kind: orNone(fc.constantFrom(...ORDER_KINDS)),
  status: orNone(fc.constantFrom(...ORDER_STATUSES)),
  amount: i64,
  fiatCode: wireText,
  minAmount: orNone(i64),
  maxAmount: orNone(i64),
  fiatAmount: i64,
  paymentMethod: wireText,
  premium: i64,
  buyerTradePubkey: orNone(wireText),
  sellerTradePubkey: orNone(wireText),
  buyerInvoice: orNone(wireText),
  createdAt: orNone(i64),
  expiresAt: orNone(i64),
})

const userInfo = fc.record({ rating: f64, reviews: i64, operatingDays: u64 })

const disputeInfo: fc.Arbitrary<SolverDisputeInfo> = fc.record({
  id: uuid,
  kind: wireText,
  status: wireText,
  hash: orNone(wireText),
  preimage: orNone(wireText),
  orderPreviousStatus: wireText,
  initiatorPubkey: wireText,
  buyerPubkey: orNone(wireText),
  sellerPubkey: orNone(wireText),
  initiatorFullPrivacy: fc.boolean(),
  counterpartFullPrivacy: fc.boolean(),
  initiatorInfo: orNone(userInfo),
  counterpartInfo: orNone(userInfo),
  premium: i64,
  paymentMethod: wireText,
  amount: i64,
  fiatAmount: i64,
  fee: i64,
  routingFee: i64,
  buyerInvoice: orNone(wireText),
  invoiceHeldAt: i64,
  takenAt: i64,
  createdAt: i64,
})

const few = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 3 })

const payloads: { readonly [K in Payload['kind']]: fc.Arbitrary<Extract<Payload, { kind: K }>> } = {
  order: fc.record({ kind: fc.constant('order'), order: smallOrder }),
  payment_request: fc.record({
    kind: fc.constant('payment_request'),
    order: orNone(smallOrder),
    request: wireText,
    amount: orNone(i64),
  }),
  text_message: fc.record({ kind: fc.constant('text_message'), text: wireText }),
  peer: fc.record({
    kind: fc.constant('peer'),
    peer: fc.record({ pubkey: wireText, reputation: orNone(userInfo) }),
  }),
  rating_user: fc.record({ kind: fc.constant('rating_user'), rating: fc.integer({ min: 0, max: 255 }) }),
  amount: fc.record({ kind: fc.constant('amount'), amount: i64 }),
  dispute: fc.record({ kind: fc.constant('dispute'), disputeId: uuid, info: orNone(disputeInfo) }),
  cant_do: fc.record({ kind: fc.constant('cant_do'), reason: orNone(fc.constantFrom(...CANT_DO_REASONS)) }),
  next_trade: fc.record({ kind: fc.constant('next_trade'), pubkey: wireText, index: u32 }),
  payment_failed: fc.record({ kind: fc.constant('payment_failed'), attempts: u32, retriesIntervalS: u32 }),
  restore_data: fc.record({
    kind: fc.constant('restore_data'),
    orders: few(fc.record({ orderId: uuid, tradeIndex: i64, status: wireText })),
    disputes: few(
      fc.record({
        disputeId: uuid,
        orderId: uuid,
        tradeIndex: i64,
        status: wireText,
        initiator: orNone(fc.constantFrom('buyer', 'seller')),
        solverPubkey: orNone(wireText),
      }),
    ),
  }),
  ids: fc.record({ kind: fc.constant('ids'), ids: few(uuid) }),
  orders: fc.record({ kind: fc.constant('orders'), orders: few(smallOrder) }),
  bond_resolution: fc.record({
    kind: fc.constant('bond_resolution'),
    resolution: fc.record({ slashSeller: fc.boolean(), slashBuyer: fc.boolean() }),
  }),
  bond_payout_request: fc.record({ kind: fc.constant('bond_payout_request'), order: smallOrder, slashedAt: i64 }),
  cashu_lock_proof: fc.record({
    kind: fc.constant('cashu_lock_proof'),
    proof: fc.record({
      token: wireText,
      mintUrl: wireText,
      buyerPubkey: wireText,
      sellerPubkey: wireText,
      mostroPubkey: wireText,
      feeToken: orNone(wireText),
    }),
  }),
  cashu_signatures: fc.record({
    kind: fc.constant('cashu_signatures'),
    signatures: few(fc.record({ secret: wireText, signature: wireText })),
  }),
}

const anyPayload: fc.Arbitrary<Payload> = fc.oneof(...Object.values(payloads))

export const anyMessage: fc.Arbitrary<Message> = fc.record({
  outer: fc.constantFrom(...OUTER_KEYS),
  version: fc.integer({ min: 0, max: 255 }),
  requestId: orNone(u64),
  tradeIndex: orNone(i64),
  id: orNone(uuid),
  action: fc.constantFrom(...ACTIONS),
  payload: orNone(anyPayload),
})
