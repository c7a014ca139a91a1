/** Nostr events: shape, id, signature and proof of work (NIP-01, NIP-13). */
import { assert } from '../core/assert.ts'
import type { EventTemplate, NostrEvent } from '../core/protocol.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { Curves } from './curves.ts'
import { bytesToHex, hexToBytes, isHex, sha256, sha256Hex } from './hex.ts'

/** What an event may be at most. Content: the longest NIP-44 payload has 87,472 characters. */
export const EVENT_LIMITS = {
  contentChars: 100_000,
  tags: 256,
  tagValues: 128,
  tagValueChars: 8_192,
  tagCharsInAll: 65_536,
} as const

const LONE_SURROGATE = /\p{Surrogate}/u

/** The unsigned part of an event as it lies in JSON: the content of a gift wrap's seal has no `sig` and maybe no `id`. */
export type Rumor = EventTemplate & { readonly pubkey: string }

const isText = (value: unknown, maxChars: number): value is string =>
  typeof value === 'string' && value.length <= maxChars && !LONE_SURROGATE.test(value)

const isCount = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max

function checkTags(value: unknown): Result<readonly (readonly string[])[], string> {
  if (!Array.isArray(value)) return err('tags: not a list')
  if (value.length > EVENT_LIMITS.tags) return err('tags: too many')
  let chars = 0
  const tags: (readonly string[])[] = []
  for (const tag of value as readonly unknown[]) {
    if (!Array.isArray(tag) || tag.length > EVENT_LIMITS.tagValues) return err('tags: not a short list of texts')
    const texts: string[] = []
    for (const text of tag as readonly unknown[]) {
      if (!isText(text, EVENT_LIMITS.tagValueChars)) return err('tags: a value is not a short, well-formed text')
      chars += text.length
      texts.push(text)
    }
    tags.push(texts)
  }
  return chars <= EVENT_LIMITS.tagCharsInAll ? ok(tags) : err('tags: too long in all')
}

/**
 * Whether a parsed JSON value has the fields of an unsigned event, each within {@link EVENT_LIMITS}. Returns a fresh
 * object with just these fields.
 */
export function checkRumorShape(value: unknown): Result<Rumor, string> {
  if (typeof value !== 'object' || value === null) return err('not an object')
  const { pubkey, created_at, kind, tags, content } = value as Record<string, unknown>
  if (typeof pubkey !== 'string' || !isHex(pubkey, 32)) return err('pubkey: not 32 bytes in lower-case hex')
  if (!isCount(created_at, Number.MAX_SAFE_INTEGER)) return err('created_at: not a time')
  if (!isCount(kind, 65_535)) return err('kind: not a number up to 65535')
  if (!isText(content, EVENT_LIMITS.contentChars)) return err('content: not a well-formed text within the limit')
  const checkedTags = checkTags(tags)
  return checkedTags.ok ? ok({ pubkey, created_at, kind, tags: checkedTags.value, content }) : checkedTags
}

/**
 * Whether a parsed JSON value has the shape of a signed event, each field within {@link EVENT_LIMITS}. Says nothing
 * about id and signature: that is {@link verifyEvent}. Returns a fresh object with exactly the seven fields, so that no
 * library's cached verdict travels with it.
 */
export function checkEventShape(value: unknown): Result<NostrEvent, string> {
  const rumor = checkRumorShape(value)
  if (!rumor.ok) return rumor
  const { id, sig } = value as Record<string, unknown>
  if (typeof id !== 'string' || !isHex(id, 32)) return err('id: not 32 bytes in lower-case hex')
  if (typeof sig !== 'string' || !isHex(sig, 64)) return err('sig: not 64 bytes in lower-case hex')
  return ok({ id, ...rumor.value, sig })
}

const idText = ({ created_at, kind, tags, content }: EventTemplate, pubkey: string): string =>
  JSON.stringify([0, pubkey, created_at, kind, tags, content])

/** The id that NIP-01 gives to this author's event, in hex. */
export const eventId = (template: EventTemplate, pubkey: string): string => sha256Hex(idText(template, pubkey))

/** Recomputes the id and checks the signature over it. For events that passed {@link checkEventShape}. */
export function verifyEvent(event: NostrEvent, curves: Curves): boolean {
  if (eventId(event, event.pubkey) !== event.id) return false
  return curves.verify(hexToBytes(event.sig), hexToBytes(event.id), event.pubkey)
}

/**
 * Signs with our own key; `pubkey` is the key of `secretKey`. The same input gives the same event, aux included, so a
 * repeat is safe.
 */
export function signEvent(
  template: EventTemplate,
  secretKey: Uint8Array,
  pubkey: string,
  aux: Uint8Array,
  curves: Curves,
): NostrEvent {
  const { created_at, kind, tags, content } = template
  const id = sha256(idText(template, pubkey))
  const sig = bytesToHex(curves.sign(id, secretKey, aux))
  return { id: bytesToHex(id), pubkey, created_at, kind, tags, content, sig }
}

/** Leading zero bits of an id: its proof of work by NIP-13. */
export function leadingZeroBits(idHex: string): number {
  const digits = idHex.search(/[^0]/)
  if (digits === -1) return idHex.length * 4
  return digits * 4 + Math.clz32(Number.parseInt(idHex.charAt(digits), 16)) - 28
}

/**
 * Adds the NIP-13 nonce that gives the event an id with at least `bits` leading zero bits; with 0 the template comes
 * back as it is. Blocks for about 2^bits hashes, so it is for clients and for no more than 32 bits. `created_at` stays.
 */
export function mine(template: EventTemplate, pubkey: string, bits: number): EventTemplate {
  assert(Number.isInteger(bits) && bits >= 0 && bits <= 32, `not a feasible proof of work: ${bits} bits`)
  if (bits === 0) return template
  const others = template.tags.filter((tag) => tag[0] !== 'nonce')
  for (let nonce = 0; ; nonce++) {
    const mined = { ...template, tags: [...others, ['nonce', String(nonce), String(bits)]] }
    if (leadingZeroBits(eventId(mined, pubkey)) >= bits) return mined
  }
}

/** Whether an event's own time to live is over (NIP-40). */
export function isExpired(event: NostrEvent, nowS: number): boolean {
  const tag = event.tags.find(([name]) => name === 'expiration')?.[1]
  return tag !== undefined && /^\d{1,15}$/.test(tag) && Number(tag) <= nowS
}
