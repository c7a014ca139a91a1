/**
 * Everything that must be the same after a restart, and that nobody else can guess, is derived from one secret of its
 * own: the money seed (design.md 3, money-path.md 3.7). It is never the Nostr key.
 */
import { createHmac } from 'node:crypto'
import type { HoldPurpose } from '../adapters/sqlite/schema.ts'
import { assert } from '../core/assert.ts'
import { sha256Hex } from '../wire/hex.ts'

/** Bytes of entropy in the seed file. */
export const SEED_BYTES = 32

export class MoneySeed {
  readonly #seed: Uint8Array

  constructor(seed: Uint8Array) {
    assert(seed.length === SEED_BYTES, `the money seed has ${SEED_BYTES} bytes`)
    this.#seed = seed
  }

  #hmac(...parts: readonly string[]): Buffer {
    const mac = createHmac('sha256', this.#seed)
    for (const part of parts) mac.update(part).update('\0')
    return mac.digest()
  }

  /** The preimage of a hold: from purpose and counter alone, so that seed and LND recover every pending hold. */
  preimage(purpose: HoldPurpose, counter: number): string {
    return this.#hmac('hold', purpose, String(counter)).toString('hex')
  }

  /** The payment hash of a hold. */
  hash(purpose: HoldPurpose, counter: number): string {
    return sha256Hex(Buffer.from(this.preimage(purpose, counter), 'hex'))
  }

  /** What marks a hold invoice at LND as made from this seed: 8 hex digits. */
  marker(): string {
    return this.#hmac('marker').subarray(0, 4).toString('hex')
  }

  /** An order's id, from the event that created it: a restored database rebuilds the same orders. */
  orderId(eventId: string): string {
    return uuidFrom(this.#hmac('order', eventId))
  }

  /** The id of a range's remainder; a parent leaves one at most. */
  childId(parentId: string): string {
    return uuidFrom(this.#hmac('child', parentId))
  }

  /** The source of all randomness in one wrapped message; the text is in it, so that no nonce serves two texts. */
  wrapping(dedupKey: string, body: string): (label: string) => Uint8Array {
    const bodyHash = sha256Hex(body)
    return (label) => this.#hmac('wrap', dedupKey, bodyHash, label)
  }

  /** BIP-340 auxiliary randomness of a public event. */
  publicAux(coord: string, createdAtS: number): Uint8Array {
    return this.#hmac('public', coord, String(createdAtS))
  }
}

function uuidFrom(bytes: Buffer): string {
  const b = Buffer.from(bytes.subarray(0, 16))
  b.writeUInt8((b.readUInt8(6) & 0x0f) | 0x40, 6)
  b.writeUInt8((b.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = b.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** The end of a hold invoice's memo: marker, purpose, counter. */
export function memoTail(marker: string, purpose: HoldPurpose, counter: number): string {
  return ` [${marker}.${purpose}.${counter}]`
}

/** Reads {@link memoTail} back; null when the memo is not ours. */
export function parseMemo(memo: string): { marker: string; purpose: HoldPurpose; counter: number } | null {
  const match = /\[([0-9a-f]{8})\.(escrow|taker_bond|maker_bond)\.(\d{1,16})\]$/.exec(memo)
  if (match === null) return null
  const [, marker, purpose, counter] = match
  if (marker === undefined || counter === undefined) return null
  if (purpose !== 'escrow' && purpose !== 'taker_bond' && purpose !== 'maker_bond') return null
  return { marker, purpose, counter: Number(counter) }
}
