/** Messages as JSON (wire.md 1 to 3): what the reference's serde reads and writes, byte for byte. */
import { ACTIONS, type Action, type Message, OUTER_KEYS, type Payload } from '../core/protocol.ts'
import { err, ok, type Result } from '../core/result.ts'
import { type Codec, i64, Malformed, omitted, only, optional, required, struct, u8, u64, uuid, word } from './codec.ts'
import { type JsonValue, readJson } from './json.ts'
import { payload } from './payload.ts'

const inner = struct<Omit<Message, 'outer'>>({
  version: required('version', u8),
  requestId: optional('request_id', u64),
  tradeIndex: optional('trade_index', i64),
  id: omitted('id', uuid),
  action: required('action', word(ACTIONS)),
  payload: optional('payload', payload),
})

const outerKey = word(OUTER_KEYS)

/** A message, outer key included. */
export const messageCodec: Codec<Message> = {
  read(value) {
    const [key, body] = only(value)
    return { outer: outerKey.read(key), ...inner.read(body) }
  },
  write: ({ outer, ...body }) => `{"${outer}":${inner.write(body)}}`,
}

/** Reads a stranger's text with a codec. Never throws. */
export function readWith<T>(codec: Codec<T>, text: string): Result<T, string> {
  const json: Result<JsonValue, string> = readJson(text)
  if (!json.ok) return json
  try {
    return ok(codec.read(json.value))
  } catch (error) {
    if (error instanceof Malformed) return err(error.message)
    throw error
  }
}

/** Reads one message. Unknown keys are dropped where the reference drops them; everything else unknown is refused. */
export const parseMessage = (text: string): Result<Message, string> => readWith(messageCodec, text)

/** The canonical text: what is sent, hashed and signed. Throws when a number does not fit its type on the wire. */
export const serializeMessage = (message: Message): string => messageCodec.write(message)

type PayloadRule = {
  readonly needsId: boolean
  /** which payloads are allowed; `null` stands for none */
  readonly allows: (payload: Payload | null) => boolean
}

const among =
  (...kinds: readonly (Payload['kind'] | null)[]) =>
  (payload: Payload | null): boolean =>
    kinds.includes(payload?.kind ?? null)

/** What holds for every action without a rule of its own. */
const GENERAL: PayloadRule = {
  needsId: true,
  allows: (payload) => payload?.kind !== 'bond_resolution' && payload?.kind !== 'bond_payout_request',
}

const RULES: ReadonlyMap<Action, PayloadRule> = new Map<Action, PayloadRule>([
  ['new-order', { needsId: false, allows: among('order') }],
  ['pay-invoice', { needsId: true, allows: among('payment_request') }],
  ['pay-bond-invoice', { needsId: true, allows: among('payment_request') }],
  ['add-invoice', { needsId: true, allows: among('payment_request') }],
  ['add-bond-invoice', { needsId: true, allows: among('payment_request', 'bond_payout_request') }],
  ['rate-user', { needsId: false, allows: among('rating_user') }],
  ['cant-do', { needsId: false, allows: among('cant_do') }],
  ['admin-settle', { needsId: true, allows: among(null, 'bond_resolution') }],
  ['admin-cancel', { needsId: true, allows: among(null, 'bond_resolution') }],
  ['payment-failed', { needsId: true, allows: among('payment_failed') }],
  ['restore-session', { needsId: false, allows: among(null) }],
  ['last-trade-index', { needsId: false, allows: among(null) }],
  ['orders', { needsId: false, allows: among('ids', 'orders') }],
  ['add-cashu-escrow', { needsId: true, allows: among('cashu_lock_proof') }],
  [
    'cashu-pm-signature',
    { needsId: true, allows: (payload) => payload?.kind === 'cashu_signatures' && payload.signatures.length > 0 },
  ],
])

/**
 * Whether a message from outside carries what its action needs: the reference's `MessageKind::verify` (wire.md 2). Not
 * for messages of our own: clients expect some that this refuses.
 */
export function checkPayload(message: Message): Result<void, string> {
  const rule = RULES.get(message.action) ?? GENERAL
  if (rule.needsId && message.id === null) return err(`${message.action} needs an id`)
  if (!rule.allows(message.payload))
    return err(`${message.action} does not take ${message.payload?.kind ?? 'no payload'}`)
  return ok(undefined)
}
