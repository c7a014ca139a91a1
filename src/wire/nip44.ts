/** NIP-44 version 2: encryption between two Nostr keys, on node:crypto (perf.md 1b). */
import { createCipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import { assert } from '../core/assert.ts'
import { BoundedMap } from '../core/bounded-map.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { Curves } from './curves.ts'

const VERSION = 2
const NONCE_BYTES = 32
const MAC_BYTES = 32
/** The largest plaintext in bytes. Longer forms of NIP-44 exist and are not accepted: nobody needs them here. */
const MAX_PLAINTEXT_BYTES = 65_535
const MIN_PAYLOAD_BYTES = 1 + NONCE_BYTES + 2 + 32 + MAC_BYTES
const MAX_PAYLOAD_BYTES = 1 + NONCE_BYTES + 2 + 65_536 + MAC_BYTES
const MAX_PAYLOAD_CHARS = Math.ceil(MAX_PAYLOAD_BYTES / 3) * 4

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const hmac = (key: Uint8Array | string, ...data: readonly Uint8Array[]): Buffer => {
  const mac = createHmac('sha256', key)
  for (const part of data) mac.update(part)
  return mac.digest()
}

/**
 * The key that both ends of a conversation share, 32 bytes. Costs one multiplication on the curve; throws when `pubkey`
 * is not on it (see {@link Curves.ecdhX}).
 */
export const conversationKey = (curves: Curves, secretKey: Uint8Array, pubkey: string): Uint8Array =>
  hmac('nip44-v2', curves.ecdhX(secretKey, pubkey))

/** HKDF-expand of the conversation key with the nonce as info: 76 bytes, cut in three. */
function messageKeys(key: Uint8Array, nonce: Uint8Array) {
  const first = hmac(key, nonce, Uint8Array.of(1))
  const second = hmac(key, first, nonce, Uint8Array.of(2))
  const third = hmac(key, second, nonce, Uint8Array.of(3))
  return {
    chachaKey: first,
    chachaNonce: second.subarray(0, 12),
    macKey: Buffer.concat([second.subarray(12), third.subarray(0, 12)]),
  }
}

/** ChaCha20 from block 0; OpenSSL takes the block counter as the first four bytes of a 16-byte IV. */
function chacha20(key: Uint8Array, nonce: Uint8Array, data: Uint8Array): Buffer {
  return createCipheriv('chacha20', key, Buffer.concat([Buffer.alloc(4), nonce])).update(data)
}

/** How long a plaintext of `length` bytes becomes, so that its length says little about it. */
function paddedLength(length: number): number {
  if (length <= 32) return 32
  const nextPower = 2 ** (32 - Math.clz32(length - 1))
  const chunk = nextPower <= 256 ? 32 : nextPower / 8
  return chunk * Math.ceil(length / chunk)
}

/**
 * Encrypts 1 to {@link MAX_PLAINTEXT_BYTES} bytes of text; throws outside of that. A nonce must never serve two texts
 * under one key. The same input gives the same payload.
 */
export function encrypt(plaintext: string, key: Uint8Array, nonce: Uint8Array): string {
  assert(nonce.length === NONCE_BYTES && key.length === 32, 'NIP-44 needs a key and a nonce of 32 bytes each')
  const text = Buffer.from(plaintext)
  assert(text.length >= 1 && text.length <= MAX_PLAINTEXT_BYTES, `NIP-44 can not encrypt ${text.length} bytes`)
  const padded = Buffer.alloc(2 + paddedLength(text.length))
  padded.writeUInt16BE(text.length)
  text.copy(padded, 2)
  const { chachaKey, chachaNonce, macKey } = messageKeys(key, nonce)
  const ciphertext = chacha20(chachaKey, chachaNonce, padded)
  const mac = hmac(macKey, nonce, ciphertext)
  return Buffer.concat([Uint8Array.of(VERSION), nonce, ciphertext, mac]).toString('base64')
}

/** Base64 without the liberties that Node's decoder takes: what does not encode back to the same text is refused. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

/** Decrypts a stranger's payload. Refuses, and never throws, on whatever NIP-44 does not allow. */
export function decrypt(payload: string, key: Uint8Array): Result<string, string> {
  if (payload.length > MAX_PAYLOAD_CHARS) return err('payload too long')
  const bytes = decodeBase64(payload)
  if (bytes === null) return err('not base64')
  if (bytes.length < MIN_PAYLOAD_BYTES) return err('payload too short')
  if (bytes[0] !== VERSION) return err('unknown version')
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
  const ciphertext = bytes.subarray(1 + NONCE_BYTES, -MAC_BYTES)
  const { chachaKey, chachaNonce, macKey } = messageKeys(key, nonce)
  if (!timingSafeEqual(hmac(macKey, nonce, ciphertext), bytes.subarray(-MAC_BYTES))) return err('wrong mac')
  const padded = chacha20(chachaKey, chachaNonce, ciphertext)
  const length = padded.readUInt16BE()
  if (length === 0 || padded.length !== 2 + paddedLength(length)) return err('wrong padding')
  try {
    return ok(strictUtf8.decode(padded.subarray(2, 2 + length)))
  } catch {
    return err('not UTF-8')
  }
}

/** Whose conversation it is: our own key pair. */
export type OwnKey = { readonly secretKey: Uint8Array; readonly pubkey: string; readonly curves: Curves }

/**
 * The conversation keys that were used last, because deriving one costs as much as checking a signature (perf.md 1c).
 * Throw-away keys of gift wraps must not come here: they never return and would push out those that do.
 */
export class ConversationKeyCache {
  readonly #keys: BoundedMap<string, Uint8Array>

  constructor(capacity = 4096) {
    this.#keys = new BoundedMap(capacity)
  }

  /** How many keys are held now; never more than the capacity. */
  get size(): number {
    return this.#keys.size
  }

  /** The key of our conversation with `peer`, from memory or derived. Throws when `peer` is not on the curve. */
  of(own: OwnKey, peer: string): Uint8Array {
    const key = this.#keys.get(nameOf(own, peer)) ?? conversationKey(own.curves, own.secretKey, peer)
    this.learn(own, peer, key)
    return key
  }

  /** Takes in the key of our conversation with `peer` that another cache derived. */
  learn(own: Pick<OwnKey, 'pubkey'>, peer: string, key: Uint8Array): void {
    this.#keys.set(nameOf(own, peer), key)
  }
}

const nameOf = (own: Pick<OwnKey, 'pubkey'>, peer: string): string => `${own.pubkey}:${peer}`
