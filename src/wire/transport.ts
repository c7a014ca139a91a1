/**
 * Messages in and out of Nostr events, by both transports (wire.md 1.1, 5.1, 5.2): 1 = gift wrap (kinds 1059, 13, 1),
 * 2 = NIP-44 direct (kind 14). Which tuple is inside is decided by the event's kind alone.
 */
import type { EventTemplate, InboundMessage, Message, NostrEvent, Transport } from '../core/protocol.ts'
import { err, ok, type Result } from '../core/result.ts'
import { nullable, text, tuple } from './codec.ts'
import { type Curves, portableCurves } from './curves.ts'
import { checkEventShape, checkRumorShape, eventId, mine, type Rumor, signEvent, verifyEvent } from './event.ts'
import { bytesToHex, hexToBytes, sha256 } from './hex.ts'
import { messageCodec, readWith, serializeMessage } from './message.ts'
import { ConversationKeyCache, conversationKey, decrypt, encrypt, type OwnKey } from './nip44.ts'

/** A message of transport 2, from and to traders. */
export const KIND_DIRECT = 14
/** The outer event of transport 1. */
export const KIND_GIFT_WRAP = 1059
const KIND_SEAL = 13
const KIND_RUMOR = 1

/** How far back the visible times of a gift wrap are moved at most (NIP-59). */
const MAX_JITTER_S = 2 * 24 * 3600

/** Where a message was refused; all of these are silent towards the sender (wire.md 5.0). `bug`: we failed, not he. */
export type OpenStage = 'event' | 'bug' | 'kind' | 'decrypt' | 'unwrap' | 'parse' | 'signature'
export type OpenFailure = { readonly stage: OpenStage; readonly why: string }

/** Our key pair, and the conversation keys derived from it. */
export type Recipient = OwnKey & { readonly keys: ConversationKeyCache }

const refuse = (stage: OpenStage, why: string) => err<OpenFailure>({ stage, why })

/** `[message, trade signature]` */
const tupleV1 = tuple<readonly [Message, string | null]>(messageCodec, nullable(text))
/** `[message, trade signature, [identity key, identity signature]]` */
const tupleV2 = tuple<readonly [Message, string | null, readonly [string, string] | null]>(
  messageCodec,
  nullable(text),
  nullable(tuple<readonly [string, string]>(text, text)),
)

const messageDigest = (canonicalJson: string): Uint8Array => sha256(canonicalJson)

/** The domain of an identity proof holds the trade key, so that a proof fits no other trade key. */
const identityDigest = (tradePubkey: string, canonicalJson: string): Uint8Array =>
  sha256(`mostro-transport-v2-identity:${tradePubkey}:${canonicalJson}`)

const HEX = /^[0-9a-f]*$/i

/** Whether a signature as written in a tuple, hex in any case, holds. */
function holds(curves: Curves, signature: string, digest: Uint8Array, pubkey: string): boolean {
  return signature.length === 128 && HEX.test(signature) && curves.verify(hexToBytes(signature), digest, pubkey)
}

function fromJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** What a gift wrap held: who sealed it, and the unsigned event inside. */
type Unwrapped = { readonly sealer: string; readonly rumor: Rumor }

/**
 * Opens both layers of a verified gift wrap and verifies the seal. The rumor's author may differ from the sealer: that is
 * trade key and identity key, and for the caller to judge.
 */
function unwrapGift(event: NostrEvent, own: OwnKey, keys: ConversationKeyCache): Result<Unwrapped, OpenFailure> {
  const sealJson = decrypt(event.content, conversationKey(own.curves, own.secretKey, event.pubkey))
  if (!sealJson.ok) return refuse('decrypt', `gift wrap: ${sealJson.error}`)
  const seal = checkEventShape(fromJson(sealJson.value))
  if (!seal.ok) return refuse('unwrap', `seal: ${seal.error}`)
  if (seal.value.kind !== KIND_SEAL) return refuse('unwrap', `seal: kind ${seal.value.kind}`)
  if (!verifyEvent(seal.value, own.curves)) return refuse('signature', 'seal')
  const rumorJson = decrypt(seal.value.content, keys.of(own, seal.value.pubkey))
  if (!rumorJson.ok) return refuse('decrypt', `seal: ${rumorJson.error}`)
  const rumor = checkRumorShape(fromJson(rumorJson.value))
  if (!rumor.ok) return refuse('unwrap', `rumor: ${rumor.error}`)
  if (rumor.value.kind !== KIND_RUMOR) return refuse('unwrap', `rumor: kind ${rumor.value.kind}`)
  return ok({ sealer: seal.value.pubkey, rumor: rumor.value })
}

function openGiftWrap(event: NostrEvent, node: Recipient): Result<InboundMessage, OpenFailure> {
  const unwrapped = unwrapGift(event, node, node.keys)
  if (!unwrapped.ok) return unwrapped
  const { sealer: identity, rumor } = unwrapped.value
  const content = readWith(tupleV1, rumor.content)
  if (!content.ok) return refuse('parse', content.error)
  const [message, signature] = content.value
  const sender = rumor.pubkey
  if (signature === null && identity !== sender) return refuse('signature', 'no signature by the trade key')
  const canonicalJson = serializeMessage(message)
  if (signature !== null && !holds(node.curves, signature, messageDigest(canonicalJson), sender)) {
    return refuse('signature', 'trade key')
  }
  return ok({
    transport: 1,
    outerId: event.id,
    innerId: eventId(rumor, sender),
    sender,
    identity,
    signed: signature !== null,
    createdAtS: rumor.created_at,
    message,
    canonicalJson,
  })
}

function openDirect(event: NostrEvent, node: Recipient): Result<InboundMessage, OpenFailure> {
  const plaintext = decrypt(event.content, node.keys.of(node, event.pubkey))
  if (!plaintext.ok) return refuse('decrypt', plaintext.error)
  const content = readWith(tupleV2, plaintext.value)
  if (!content.ok) return refuse('parse', content.error)
  const [message, signature, proof] = content.value
  const sender = event.pubkey
  const identity = proof === null ? sender : proof[0].toLowerCase()
  if (signature === null && identity !== sender) return refuse('signature', 'no signature by the trade key')
  const canonicalJson = serializeMessage(message)
  if (signature !== null && !holds(node.curves, signature, messageDigest(canonicalJson), sender)) {
    return refuse('signature', 'trade key')
  }
  if (proof !== null && !holds(node.curves, proof[1], identityDigest(sender, canonicalJson), identity)) {
    return refuse('signature', 'identity proof')
  }
  return ok({
    transport: 2,
    outerId: event.id,
    innerId: event.id,
    sender,
    identity,
    signed: signature !== null,
    createdAtS: event.created_at,
    message,
    canonicalJson,
  })
}

/**
 * Opens a trader's event addressed to us: decryption, tuple, and every inner signature once, over the canonical message
 * (wire.md 1.5, steps 6 and 8 of 5.0). The outer event must have passed `verifyEvent` already: an author that is not on the curve makes
 * this throw. Freshness, replay and payload rules are the caller's. Changes nothing, so a repeat is safe.
 */
export function openInbound(event: NostrEvent, node: Recipient): Result<InboundMessage, OpenFailure> {
  switch (event.kind) {
    case KIND_DIRECT:
      return openDirect(event, node)
    case KIND_GIFT_WRAP:
      return openGiftWrap(event, node)
    default:
      return refuse('kind', `kind ${event.kind}`)
  }
}

/**
 * As {@link openInbound}, for any event that passed `checkEventShape`: its own id and signature are checked first, and
 * the stage `event` says that they do not hold.
 */
export function openSigned(event: NostrEvent, node: Recipient): Result<InboundMessage, OpenFailure> {
  return verifyEvent(event, node.curves) ? openInbound(event, node) : refuse('event', 'id or signature')
}

/** 32 bytes for a purpose; different labels must give unrelated bytes. */
type Derive = (label: string) => Uint8Array

const jitterS = (bytes: Uint8Array): number => Buffer.from(bytes).readUInt32BE() % (MAX_JITTER_S + 1)

type GiftWrap = {
  readonly rumor: Rumor
  readonly sealer: OwnKey
  /** of sealer and recipient */
  readonly sealKey: Uint8Array
  readonly recipient: string
  readonly pow: number
  readonly derive: Derive
}

/** Both layers of NIP-59 around a rumor, with visible times up to two days back. */
function giftWrap({ rumor, sealer, sealKey, recipient, pow, derive }: GiftWrap): NostrEvent {
  const { curves } = sealer
  const rumorJson = JSON.stringify({ id: eventId(rumor, rumor.pubkey), ...rumor })
  const sealTemplate: EventTemplate = {
    kind: KIND_SEAL,
    created_at: rumor.created_at - jitterS(derive('seal-time')),
    tags: [],
    content: encrypt(rumorJson, sealKey, derive('seal-nonce')),
  }
  const seal = signEvent(sealTemplate, sealer.secretKey, sealer.pubkey, derive('seal-aux'), curves)
  const ephemeralKey = derive('ephemeral')
  const ephemeral = curves.publicKey(ephemeralKey)
  const wrapKey = conversationKey(curves, ephemeralKey, recipient)
  const wrapTemplate: EventTemplate = {
    kind: KIND_GIFT_WRAP,
    created_at: rumor.created_at - jitterS(derive('wrap-time')),
    tags: [['p', recipient]],
    content: encrypt(JSON.stringify(seal), wrapKey, derive('wrap-nonce')),
  }
  return signEvent(mine(wrapTemplate, ephemeral, pow), ephemeralKey, ephemeral, derive('wrap-aux'), curves)
}

export type TraderWrap = Recipient & {
  readonly transport: Transport
  /** the serialized message */
  readonly body: string
  /** trade key of the receiver; must be on the curve (`isPublicKey`) */
  readonly recipient: string
  /** inner time; what the receiver orders messages by */
  readonly createdAtS: number
  /** NIP-40 time at which relays may forget the event, unix seconds. Transport 1 carries none (wire.md 5.1) */
  readonly expirationS: number
  /** 32 bytes for a label, the same for every wrapping of this message and unlike those of any other */
  readonly derive: Derive
}

/**
 * Wraps a message of ours for a trader. Nothing but the input decides the event: the same input gives the same bytes,
 * so that a resend is the same event (money-path.md 3.8). Throws when the message is too long for NIP-44 or the
 * recipient is not on the curve.
 */
export function wrapForTrader(plan: TraderWrap): NostrEvent {
  const { transport, body, recipient, createdAtS, expirationS, derive, keys, secretKey, pubkey, curves } = plan
  const key = keys.of(plan, recipient)
  if (transport === 1) {
    const rumor = { pubkey, created_at: createdAtS, kind: KIND_RUMOR, tags: [], content: `[${body},null]` }
    return giftWrap({ rumor, sealer: plan, sealKey: key, recipient, pow: 0, derive })
  }
  const template: EventTemplate = {
    kind: KIND_DIRECT,
    created_at: createdAtS,
    tags: [
      ['p', recipient],
      ['expiration', String(expirationS)],
    ],
    content: encrypt(`[${body},null,null]`, key, derive('nonce')),
  }
  return signEvent(template, secretKey, pubkey, derive('aux'), curves)
}

export type NodeWrap = {
  readonly transport: Transport
  readonly message: Message
  readonly tradeSecretKey: Uint8Array
  /** null: full privacy, the trade key stands for itself */
  readonly identitySecretKey: Uint8Array | null
  readonly nodePubkey: string
  readonly createdAtS: number
  /** leading zero bits that the node asks of the outer id */
  readonly pow: number
  /** that many bytes that nobody can guess */
  readonly random: (bytes: number) => Uint8Array
  readonly curves?: Curves
}

const hexSignature = (curves: Curves, digest: Uint8Array, secretKey: Uint8Array, aux: Uint8Array): string =>
  bytesToHex(curves.sign(digest, secretKey, aux))

/**
 * Wraps a trader's message for the node, signed by the trade key and, with an identity, proved to be that identity's.
 * Every call gives another event. Throws when the message is too long for NIP-44 or a key is not on the curve.
 */
export function wrapForNode(plan: NodeWrap): NostrEvent {
  const { transport, tradeSecretKey, nodePubkey, createdAtS, pow, random, curves = portableCurves } = plan
  const derive: Derive = () => random(32)
  const canonicalJson = serializeMessage(plan.message)
  const sender = curves.publicKey(tradeSecretKey)
  const signature = hexSignature(curves, messageDigest(canonicalJson), tradeSecretKey, random(32))
  const identitySecretKey = plan.identitySecretKey ?? tradeSecretKey
  const identity = plan.identitySecretKey === null ? sender : curves.publicKey(identitySecretKey)
  if (transport === 1) {
    const content = `[${canonicalJson},"${signature}"]`
    return giftWrap({
      rumor: { pubkey: sender, created_at: createdAtS, kind: KIND_RUMOR, tags: [], content },
      sealer: { secretKey: identitySecretKey, pubkey: identity, curves },
      sealKey: conversationKey(curves, identitySecretKey, nodePubkey),
      recipient: nodePubkey,
      pow,
      derive,
    })
  }
  const proof =
    identity === sender
      ? 'null'
      : `["${identity}","${hexSignature(curves, identityDigest(sender, canonicalJson), identitySecretKey, random(32))}"]`
  const key = conversationKey(curves, tradeSecretKey, nodePubkey)
  const template: EventTemplate = {
    kind: KIND_DIRECT,
    created_at: createdAtS,
    tags: [['p', nodePubkey]],
    content: encrypt(`[${canonicalJson},"${signature}",${proof}]`, key, random(32)),
  }
  return signEvent(mine(template, sender, pow), tradeSecretKey, sender, random(32), curves)
}

/** A message that the node sent to one of our trade keys. */
export type FromNode = {
  readonly transport: Transport
  readonly message: Message
  /** inner time, unix seconds */
  readonly createdAtS: number
}

/**
 * Opens an event for a trader's key and proves that the node wrote it: outer event, and on transport 1 the seal and the
 * rumor's author. For events that passed `checkEventShape`. Changes nothing, so a repeat is safe.
 */
export function openFromNode(
  event: NostrEvent,
  tradeSecretKey: Uint8Array,
  nodePubkey: string,
  { curves = portableCurves, keys = new ConversationKeyCache() }: Partial<Pick<Recipient, 'curves' | 'keys'>> = {},
): Result<FromNode, OpenFailure> {
  if (event.kind !== KIND_DIRECT && event.kind !== KIND_GIFT_WRAP) return refuse('kind', `kind ${event.kind}`)
  if (event.kind === KIND_DIRECT && event.pubkey !== nodePubkey) return refuse('signature', 'not by the node')
  if (!verifyEvent(event, curves)) return refuse('signature', 'event')
  const trader: OwnKey = { secretKey: tradeSecretKey, pubkey: curves.publicKey(tradeSecretKey), curves }
  if (event.kind === KIND_DIRECT) {
    const plaintext = decrypt(event.content, keys.of(trader, nodePubkey))
    if (!plaintext.ok) return refuse('decrypt', plaintext.error)
    const content = readWith(tupleV2, plaintext.value)
    if (!content.ok) return refuse('parse', content.error)
    return ok({ transport: 2, message: content.value[0], createdAtS: event.created_at })
  }
  const unwrapped = unwrapGift(event, trader, keys)
  if (!unwrapped.ok) return unwrapped
  const { sealer, rumor } = unwrapped.value
  if (sealer !== nodePubkey || rumor.pubkey !== nodePubkey) return refuse('signature', 'not by the node')
  const content = readWith(tupleV1, rumor.content)
  if (!content.ok) return refuse('parse', content.error)
  return ok({ transport: 1, message: content.value[0], createdAtS: rumor.created_at })
}
