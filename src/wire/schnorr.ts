/**
 * BIP-340 signing on noble's points. noble's own `schnorr.sign` verifies every signature that it has just made, which is
 * four fifths of its time and, for a daemon that signs everything it says, most of its CPU. libsecp256k1 does not verify
 * either; BIP-340 recommends it against faults of the hardware, and leaves it to the signer. The vectors of BIP-340 and a
 * comparison with noble's function, byte for byte, are in the tests.
 */
import { createHash } from 'node:crypto'
import { Point } from '@noble/secp256k1'
import { assert } from '../core/assert.ts'
import { bytesToHex, hexToBytes } from './hex.ts'

/** First byte of a compressed point: the parity of y. */
export const [EVEN, ODD] = [2, 3]

/** How many points the curve has: scalars are counted modulo this. */
export const ORDER = Point.CURVE().n

/** The number that bytes write, the highest first. */
export const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes)}`)
/** A number below 2^256 as 32 bytes, the highest first. */
export const bytesOf = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const TAGS = Object.fromEntries(
  ['aux', 'nonce', 'challenge'].map((tag) => [tag, sha256(new TextEncoder().encode(`BIP0340/${tag}`))]),
)

/** A hash of BIP-340: 32 bytes that are the caller's alone, to be wiped where they are secret. */
export const tagged = (tag: 'aux' | 'nonce' | 'challenge', ...parts: readonly Uint8Array[]): Uint8Array => {
  const prefix = TAGS[tag]
  assert(prefix !== undefined, `a tag of BIP-340: ${tag}`)
  return sha256(prefix, prefix, ...parts)
}

/** The x-coordinate of k·G, and k or its negative, whichever makes y even. The multiplication takes constant time. */
function evenPoint(k: bigint): { readonly x: Uint8Array; readonly k: bigint } {
  const { x, y } = Point.BASE.multiply(k).toAffine()
  return { x: bytesOf(x), k: y % 2n === 0n ? k : ORDER - k }
}

/** {@link evenPoint} of a scalar whose compressed point is known. */
const evenOf = (k: bigint, point: Uint8Array): { readonly x: Uint8Array; readonly k: bigint } => ({
  x: point.subarray(1),
  k: point[0] === ODD ? ORDER - k : k,
})

/**
 * Signs a digest of 32 bytes. Deterministic: the same input gives the same 64 bytes as noble's `schnorr.sign`. Throws when
 * the secret is not a scalar of the curve. `point`: its compressed point, when it is known already.
 */
export function signSchnorr(
  digest: Uint8Array,
  secretKey: Uint8Array,
  aux: Uint8Array,
  point?: Uint8Array,
): Uint8Array {
  assert(digest.length === 32 && secretKey.length === 32 && aux.length === 32, 'digest, secret and aux have 32 bytes')
  const secret = numberOf(secretKey)
  assert(secret > 0n && secret < ORDER, 'a secret key is a scalar of the curve')
  const { x: px, k: d } = point === undefined ? evenPoint(secret) : evenOf(secret, point)
  const masked = bytesOf(d ^ numberOf(tagged('aux', aux)))
  const nonce = numberOf(tagged('nonce', masked, px, digest)) % ORDER
  assert(nonce !== 0n, 'the nonce is never zero')
  const { x: rx, k } = evenPoint(nonce)
  const challenge = numberOf(tagged('challenge', rx, px, digest)) % ORDER
  const signature = new Uint8Array(64)
  signature.set(rx)
  signature.set(bytesOf((k + challenge * d) % ORDER), 32)
  return signature
}
