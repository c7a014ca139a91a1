/**
 * What deployed clients make of a node's messages (wire.md 9): the rules that each of them enforces by refusing,
 * ignoring or crashing. Written from the protocol alone, with nothing of the code that it judges.
 */
import { Digits, isInteger, isObject, type Json } from './trader-json.ts'

export const STRICT_CLIENTS = ['mobile', 'mostro-cli', 'mostrix'] as const
export type StrictClient = (typeof STRICT_CLIENTS)[number]

export type Violation = { readonly clients: readonly StrictClient[]; readonly rule: string }

const ALL: readonly StrictClient[] = STRICT_CLIENTS
const RUST: readonly StrictClient[] = ['mostro-cli', 'mostrix']
const MOBILE: readonly StrictClient[] = ['mobile']

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

const OUTER = words('order dispute cant-do rate dm restore')
const MOBILE_OUTER = words('order restore cant-do')

const ACTIONS = words(`
  new-order take-sell take-buy pay-invoice pay-bond-invoice fiat-sent fiat-sent-ok release released cancel canceled
  cooperative-cancel-initiated-by-you cooperative-cancel-initiated-by-peer dispute-initiated-by-you
  dispute-initiated-by-peer cooperative-cancel-accepted buyer-invoice-accepted purchase-completed
  bond-invoice-accepted bond-payout-completed bond-slashed hold-invoice-payment-accepted hold-invoice-payment-settled
  hold-invoice-payment-canceled waiting-seller-to-pay waiting-buyer-invoice add-invoice add-bond-invoice
  buyer-took-order rate rate-user rate-received cant-do dispute admin-cancel admin-canceled admin-settle admin-settled
  admin-add-solver admin-take-dispute admin-took-dispute payment-failed invoice-updated send-dm trade-pubkey
  restore-session last-trade-index orders add-cashu-escrow cashu-escrow-locked cashu-pm-signature`)
const NOT_MOBILE_ACTIONS = words('add-cashu-escrow cashu-escrow-locked cashu-pm-signature')

const STATUSES = words(`
  active canceled canceled-by-admin settled-by-admin completed-by-admin dispute expired fiat-sent settled-hold-invoice
  pending success waiting-buyer-invoice waiting-payment cooperatively-canceled in-progress waiting-taker-bond
  waiting-maker-bond`)
const NOT_MOBILE_STATUSES = words('waiting-maker-bond')

const REASONS = words(`
  invalid_signature invalid_trade_index invalid_amount invalid_invoice invalid_payment_request invalid_peer
  invalid_rating invalid_text_message invalid_order_kind invalid_order_status invalid_pubkey invalid_parameters
  invalid_payload order_already_canceled cant_create_user is_not_your_order not_allowed_by_status
  out_of_range_fiat_amount out_of_range_sats_amount price_too_stale is_not_your_dispute dispute_taken_by_admin
  not_authorized dispute_creation_error not_found invalid_dispute_status invalid_action pending_order_exists
  invalid_fiat_currency too_many_requests invalid_cashu_token cashu_mint_unavailable invalid_mint_url
  cashu_escrow_not_locked cashu_signature_missing`)
const NOT_MOBILE_REASONS = words(`
  invalid_payload price_too_stale dispute_taken_by_admin not_authorized invalid_cashu_token cashu_mint_unavailable
  invalid_mint_url cashu_escrow_not_locked cashu_signature_missing`)

/** Payloads that mobile reads in the answers of a restore only. */
const MOBILE_RESTORE_PAYLOADS: ReadonlyMap<string, string> = new Map([
  ['restore_data', 'restore-session'],
  ['orders', 'orders'],
])
const NOT_MOBILE_PAYLOADS = words('amount ids bond_resolution cashu_lock_proof cashu_signatures')

/** Answers that the Rust clients accept with a null request id; all others must echo it. */
const NULL_ID_ANSWERS = words(`
  buyer-took-order hold-invoice-payment-accepted hold-invoice-payment-settled hold-invoice-payment-canceled
  waiting-seller-to-pay waiting-buyer-invoice buyer-invoice-accepted purchase-completed released fiat-sent-ok canceled
  cooperative-cancel-initiated-by-peer cooperative-cancel-accepted dispute-initiated-by-peer admin-settled
  admin-canceled admin-took-dispute payment-failed invoice-updated rate rate-received send-dm bond-slashed
  cashu-escrow-locked cashu-pm-signature`)

/** Requests whose answer mostrix takes by the exact request id only. */
const MOSTRIX_EXACT = words(
  'new-order take-sell take-buy cancel admin-settle admin-cancel admin-add-solver rate-user add-invoice',
)

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const U64_MAX = 2n ** 64n - 1n
const U32_MAX = 2n ** 32n - 1n

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const HEX_KEY = /^[0-9a-f]{64}$/

const isUuid = (value: Json | undefined): boolean => typeof value === 'string' && UUID.test(value)
const isI64 = (value: Json | undefined): value is Digits => isInteger(value, I64_MIN, I64_MAX)
const isText = (value: Json | undefined): value is string => typeof value === 'string'
const isNullOr = (value: Json | undefined, test: (value: Json) => boolean): boolean =>
  value === undefined || value === null || test(value)

/** Collects what is broken in one message. */
class Findings {
  readonly list: Violation[] = []

  expect(holds: boolean, rule: string, clients: readonly StrictClient[] = ALL): void {
    if (!holds) this.list.push({ clients, rule })
  }
}

const ORDER_KEYS = `id kind status amount fiat_code min_amount max_amount fiat_amount payment_method premium
  buyer_trade_pubkey seller_trade_pubkey buyer_invoice created_at expires_at`
const ORDER_FIELDS = words(ORDER_KEYS)

function judgeOrder(found: Findings, order: Json | undefined): void {
  if (!isObject(order)) return found.expect(false, 'an order is an object')
  const unknown = Object.keys(order).filter((key) => !ORDER_FIELDS.has(key))
  found.expect(unknown.length === 0, `SmallOrder denies unknown fields: ${unknown.join(', ')}`)
  found.expect(isNullOr(order['id'], isUuid), 'the id of an order is a UUID')
  found.expect(
    isNullOr(order['kind'], (kind) => kind === 'buy' || kind === 'sell'),
    'the kind is buy or sell',
  )
  found.expect(
    isNullOr(order['status'], (status) => isText(status) && STATUSES.has(status)),
    'the status is known',
  )
  for (const name of ['amount', 'fiat_amount', 'premium']) found.expect(isI64(order[name]), `${name} is an integer`)
  for (const name of ['min_amount', 'max_amount', 'created_at', 'expires_at']) {
    found.expect(isNullOr(order[name], isI64), `${name} is null or an integer`)
  }
  for (const name of ['fiat_code', 'payment_method']) found.expect(isText(order[name]), `${name} is a text`)
  for (const name of ['buyer_trade_pubkey', 'seller_trade_pubkey']) {
    const isKey = isNullOr(order[name], (key) => isText(key) && (key === '' || HEX_KEY.test(key)))
    found.expect(isKey, `${name} is empty or 64 hex digits`)
  }
  found.expect(isNullOr(order['buyer_invoice'], isText), 'buyer_invoice is a text')
  judgeOrderAsMobile(found, order)
}

function judgeOrderAsMobile(found: Findings, order: { [key: string]: Json }): void {
  for (const name of ['kind', 'fiat_code', 'payment_method']) {
    const value = order[name]
    found.expect(isText(value) && value !== '', `${name} of an order is neither null nor empty`, MOBILE)
  }
  const { status } = order
  found.expect(
    !(isText(status) && NOT_MOBILE_STATUSES.has(status)),
    `it does not know the status ${String(status)}`,
    MOBILE,
  )
  const number = (name: string): bigint => (isI64(order[name]) ? BigInt(order[name].text) : 0n)
  for (const name of ['amount', 'fiat_amount', 'min_amount', 'max_amount']) {
    found.expect(number(name) >= 0n, `${name} is not negative`, MOBILE)
  }
  if (isI64(order['min_amount']) && isI64(order['max_amount'])) {
    found.expect(number('min_amount') <= number('max_amount'), 'min_amount is not above max_amount', MOBILE)
  }
}

function judgePeer(found: Findings, peer: Json): void {
  if (!isObject(peer)) return found.expect(false, 'a peer is an object')
  const { pubkey, reputation } = peer
  found.expect(isText(pubkey), 'a peer has a pubkey')
  found.expect(
    isText(pubkey) && (pubkey === '' || HEX_KEY.test(pubkey)),
    'a peer pubkey is empty or 64 hex digits',
    MOBILE,
  )
  if (reputation === null || reputation === undefined) return
  if (!isObject(reputation)) return found.expect(false, 'a reputation is an object')
  found.expect(reputation['rating'] instanceof Digits, 'rating is a number')
  found.expect(isI64(reputation['reviews']), 'reviews is an integer')
  found.expect(isInteger(reputation['operating_days'], 0n, U64_MAX), 'operating_days is an integer')
}

function judgeRestored(found: Findings, data: Json): void {
  if (!isObject(data)) return found.expect(false, 'restore_data is an object')
  const { orders, disputes } = data
  if (!Array.isArray(orders) || !Array.isArray(disputes)) return found.expect(false, 'restore_data has two lists')
  for (const order of orders) {
    if (!isObject(order)) return found.expect(false, 'a restored order is an object')
    found.expect(isUuid(order['order_id']), 'order_id of a restored order is a UUID')
    found.expect(isI64(order['trade_index']), 'trade_index of a restored order is an integer')
    found.expect(isText(order['status']) && STATUSES.has(order['status']), 'status of a restored order is known')
  }
  for (const dispute of disputes) {
    if (!isObject(dispute)) return found.expect(false, 'a restored dispute is an object')
    for (const name of ['dispute_id', 'order_id']) found.expect(isUuid(dispute[name]), `${name} is a UUID`)
    found.expect(isI64(dispute['trade_index']), 'trade_index of a restored dispute is an integer')
    found.expect(isText(dispute['status']), 'status of a restored dispute is a text')
    const isSide = isNullOr(dispute['initiator'], (side) => side === 'buyer' || side === 'seller')
    found.expect(isSide, 'initiator is buyer, seller or null')
    found.expect(isNullOr(dispute['solver_pubkey'], isText), 'solver_pubkey is a text or null')
  }
}

function judgePaymentRequest(found: Findings, value: Json): void {
  if (!Array.isArray(value) || value.length !== 3) return found.expect(false, 'payment_request has exactly 3 elements')
  const [order, request, amount] = value
  if (order !== null) judgeOrder(found, order)
  found.expect(isText(request), 'the second element of payment_request is a text')
  found.expect(request !== '', 'the invoice of a payment_request is not empty', MOBILE)
  found.expect(isNullOr(amount, isI64), 'the third element of payment_request is null or an integer')
}

const PAYLOADS: Readonly<Record<string, (found: Findings, value: Json) => void>> = {
  order: judgeOrder,
  payment_request: judgePaymentRequest,
  text_message: (found, value) => found.expect(isText(value), 'text_message is a text'),
  peer: judgePeer,
  rating_user: (found, value) => found.expect(isInteger(value, 0n, 255n), 'rating_user is a small integer'),
  amount: (found, value) => found.expect(isI64(value), 'amount is an integer'),
  dispute(found, value) {
    if (!Array.isArray(value) || value.length !== 2) return found.expect(false, 'dispute has exactly 2 elements')
    found.expect(isUuid(value[0]), 'the first element of dispute is a UUID')
    found.expect(value[1] === null || isObject(value[1]), 'the second element of dispute is null or an object')
  },
  cant_do(found, value) {
    found.expect(isText(value) && REASONS.has(value), `the reason is known: ${String(value)}`)
    found.expect(
      !(isText(value) && NOT_MOBILE_REASONS.has(value)),
      `it does not know the reason ${String(value)}`,
      MOBILE,
    )
  },
  next_trade(found, value) {
    const isPair = Array.isArray(value) && value.length === 2 && isText(value[0]) && isInteger(value[1], 0n, U32_MAX)
    found.expect(isPair, 'next_trade is a key and an index')
  },
  payment_failed(found, value) {
    if (!isObject(value)) return found.expect(false, 'payment_failed is an object')
    for (const name of ['payment_attempts', 'payment_retries_interval']) {
      found.expect(isInteger(value[name], 0n, U32_MAX), `${name} is a u32`)
    }
  },
  restore_data: judgeRestored,
  ids: (found, value) => found.expect(Array.isArray(value) && value.every(isUuid), 'ids are UUIDs'),
  orders(found, value) {
    if (!Array.isArray(value)) return found.expect(false, 'orders is a list')
    for (const order of value) {
      judgeOrder(found, order)
      for (const name of ['id', 'kind', 'status']) {
        found.expect(isObject(order) && isText(order[name]), `${name} of a restored order is not null`, MOBILE)
      }
    }
  },
  bond_resolution: (found, value) => found.expect(isObject(value), 'bond_resolution is an object'),
  bond_payout_request(found, value) {
    if (!isObject(value)) return found.expect(false, 'bond_payout_request is an object')
    judgeOrder(found, value['order'])
    found.expect(isI64(value['slashed_at']), 'slashed_at is an integer')
  },
}

function judgePayload(found: Findings, action: string, payload: Json | undefined): void {
  if (payload === undefined || payload === null) return
  const [entry, ...more] = isObject(payload) ? Object.entries(payload) : []
  if (entry === undefined || more.length > 0) return found.expect(false, 'a payload has exactly one key')
  const [kind, value] = entry
  const judge = PAYLOADS[kind]
  if (judge === undefined) return found.expect(false, `the payload ${kind} is known`)
  judge(found, value)
  const restores = MOBILE_RESTORE_PAYLOADS.get(kind)
  const isForMobile = !NOT_MOBILE_PAYLOADS.has(kind) && (restores === undefined || restores === action)
  found.expect(isForMobile, `it does not know the payload ${kind} of ${action}`, MOBILE)
}

const INNER_KEYS = 'version,request_id,trade_index,id,action,payload'

function judgeInner(found: Findings, outer: string, inner: { [key: string]: Json }, transport: 1 | 2): void {
  const { version, request_id: requestId, trade_index: tradeIndex, id, action, payload } = inner
  const keys = INNER_KEYS.split(',').filter((key) => key !== 'id' || id !== undefined)
  found.expect(
    Object.keys(inner).join() === keys.join(),
    'fields stand in the order of the protocol, id left out if none',
  )
  found.expect(
    isInteger(version, BigInt(transport), BigInt(transport)),
    `version is that of the transport, ${transport}`,
  )
  found.expect(
    isNullOr(requestId, (value) => isInteger(value, 0n, U64_MAX)),
    'request_id is null or a u64',
  )
  found.expect(isNullOr(tradeIndex, isI64), 'trade_index is null or an integer')
  found.expect(isNullOr(id, isUuid), 'id is a UUID')
  if (!isText(action) || !ACTIONS.has(action)) return found.expect(false, `the action is known: ${String(action)}`)
  found.expect(!NOT_MOBILE_ACTIONS.has(action), `it does not know the action ${action}`, MOBILE)
  found.expect((outer === 'cant-do') === (action === 'cant-do'), 'cant-do stands in a cant-do', MOBILE)
  const isRestore = action === 'restore-session' || action === 'last-trade-index'
  found.expect((outer === 'restore') === isRestore, `${action} stands in ${isRestore ? 'restore' : 'order'}`, MOBILE)
  if (action === 'last-trade-index') found.expect(isI64(tradeIndex), 'last-trade-index has an integer', MOBILE)
  if (action === 'cant-do') {
    found.expect(isObject(payload) && 'cant_do' in payload, 'cant-do has a reason')
    found.expect(tradeIndex === null, 'cant-do has no trade_index')
  }
  judgePayload(found, action, payload)
}

/** What is wrong with the first element of a tuple from the node. */
export function judgeMessage(message: Json | undefined, transport: 1 | 2): readonly Violation[] {
  const found = new Findings()
  const [entry, ...more] = isObject(message) ? Object.entries(message) : []
  if (entry === undefined || more.length > 0) return [{ clients: ALL, rule: 'a message has exactly one outer key' }]
  const [outer, inner] = entry
  found.expect(OUTER.has(outer), `the outer key is known: ${outer}`)
  found.expect(MOBILE_OUTER.has(outer), `it does not know the outer key ${outer}`, MOBILE)
  if (isObject(inner)) judgeInner(found, outer, inner, transport)
  else found.expect(false, 'the message is an object')
  return found.list
}

export type Exchange = {
  readonly sent: { readonly action: string; readonly id: string | null; readonly requestId: bigint | null }
  readonly got: { readonly action: string; readonly id: string | null; readonly requestId: bigint | null }
}

/** What is wrong with the first message that came to the asking key after a request. */
export function judgeAnswer({ sent, got }: Exchange): readonly Violation[] {
  const found = new Findings()
  const isExact = got.requestId === sent.requestId
  const isNullAllowed = got.requestId === null && (NULL_ID_ANSWERS.has(got.action) || got.action === 'restore-session')
  found.expect(isExact || isNullAllowed, `${got.action} in answer to ${sent.action} echoes the request_id`, RUST)
  if (MOSTRIX_EXACT.has(sent.action)) {
    found.expect(isExact, `the answer to ${sent.action} has exactly its request_id`, ['mostrix'])
  }
  if (sent.id !== null) found.expect(got.id === sent.id, `the answer to ${sent.action} names its order`, MOBILE)
  return found.list
}

const PUBLIC_STATUSES = words('pending in-progress success canceled completed-by-admin')

const isWhole = (text: string | undefined): boolean => text !== undefined && /^-?[0-9]+$/.test(text)

/** What is wrong with a public event of the node, order (38383) or info (38385); others are not judged. */
export function judgePublicEvent(event: {
  readonly kind: number
  readonly tags: readonly (readonly string[])[]
}): readonly Violation[] {
  const found = new Findings()
  const value = (name: string): string | undefined => event.tags.find(([tag]) => tag === name)?.[1]
  if (event.kind === 38383) {
    found.expect(UUID.test(value('d') ?? ''), 'd of an order is a UUID')
    found.expect(value('k') === 'buy' || value('k') === 'sell', 'k is buy or sell')
    found.expect(PUBLIC_STATUSES.has(value('s') ?? ''), 's is known')
    found.expect(value('z') === 'order', 'an order has z')
    for (const name of ['amt', 'fa', 'premium']) found.expect(isWhole(value(name)), `${name} is an integer`)
    found.expect(value('f') !== undefined && value('pm') !== undefined, 'an order has f and pm')
    for (const name of ['expiration', 'expires_at']) found.expect(isWhole(value(name)), `${name} is an integer`, MOBILE)
    found.expect(value('y') === 'mostro', 'y begins with mostro', MOBILE)
  }
  if (event.kind === 38385) {
    found.expect(value('z') === 'info' && HEX_KEY.test(value('d') ?? ''), 'an info event has z and the key of the node')
    const integers = words(`pow max_order_amount min_order_amount expiration_hours expiration_seconds
      hold_invoice_expiration_window invoice_expiration_window hold_invoice_cltv_delta max_orders_per_response`)
    for (const name of integers) found.expect(isWhole(value(name)), `${name} of the info event is an integer`, MOBILE)
    found.expect(Number.isFinite(Number(value('fee') ?? 'none')), 'fee of the info event is a number', MOBILE)
    found.expect(['1', '2'].includes(value('protocol_version') ?? ''), 'protocol_version is 1 or 2')
  }
  return found.list
}
