/**
 * secp256k1 behind one small interface (DEC-33): the portable backend here is the oracle that every other backend is
 * tested against. Public keys are x-only, in lower-case hex, as Nostr writes them.
 */
import { createHash, createHmac } from 'node:crypto'
import { getPublicKey, getSharedSecret, hashes, Point, recoverPublicKey, Signature, schnorr } from '@noble/secp256k1'
import { bytesToHex, hexToBytes, isHex } from './hex.ts'
import { signSchnorr } from './schnorr.ts'

export interface Curves {
  /** Which backend this is, for the log. */
  readonly name: string
  /** The x-only key of a secret key. Throws when the secret is not a scalar of the curve: secrets are ours. */
  publicKey(secretKey: Uint8Array): string
  /** The point of a secret key, compressed: 33 bytes, the first of which says whether y is odd. Throws as `publicKey`. */
  publicPoint(secretKey: Uint8Array): Uint8Array
  /**
   * A BIP-340 signature over a 32-byte digest. The same input gives the same 64 bytes. Throws on a bad secret. `point` is
   * the secret's, when the caller has it: half of the work of signing is to compute it.
   */
  sign(digest: Uint8Array, secretKey: Uint8Array, aux: Uint8Array, point?: Uint8Array): Uint8Array
  /** Whether a BIP-340 signature holds. Never throws: whatever a stranger sends is true or false. */
  verify(signature: Uint8Array, digest: Uint8Array, publicKey: string): boolean
  /**
   * x-coordinate of the shared point, unhashed (NIP-44). Throws when `publicKey` is not on the curve, so a stranger's
   * key must have verified a signature, or passed {@link isPublicKey}, before it comes here.
   */
  ecdhX(secretKey: Uint8Array, publicKey: string): Uint8Array
  /**
   * The compressed key, in hex, that an ECDSA signature (r and s, 64 bytes) over a 32-byte digest gives away; null when
   * there is none. `recovery` says which of the possible keys it is, 0 to 3. S may be high. Never throws.
   */
  recover(signature: Uint8Array, digest: Uint8Array, recovery: number): string | null
}

/** The same curves for the owner of a secret that signs often: its point is computed once. Throws on a bad secret. */
export function curvesOfOwner(curves: Curves, secretKey: Uint8Array): Curves {
  const point = curves.publicPoint(secretKey)
  const sign: Curves['sign'] = (digest, secret, aux) =>
    secret === secretKey ? curves.sign(digest, secret, aux, point) : curves.sign(digest, secret, aux)
  return Object.assign(Object.create(curves) as Curves, { sign })
}

/** Whether a text is the x-coordinate of a point: 64 lower-case hex digits that name a valid Nostr key. Never throws. */
export function isPublicKey(text: string): boolean {
  if (!isHex(text, 32)) return false
  try {
    Point.fromHex(`02${text}`)
    return true
  } catch {
    return false
  }
}

hashes.sha256 = (message) => new Uint8Array(createHash('sha256').update(message).digest())
hashes.hmacSha256 = (key, message) => new Uint8Array(createHmac('sha256', key).update(message).digest())

/** The backend that runs everywhere: noble, with hashing by node:crypto. */
export const portableCurves: Curves = {
  name: 'noble',
  publicKey: (secretKey) => bytesToHex(schnorr.getPublicKey(secretKey)),
  publicPoint: (secretKey) => getPublicKey(secretKey, true),
  sign: signSchnorr,
  verify(signature, digest, publicKey) {
    if (signature.length !== 64 || digest.length !== 32 || !isHex(publicKey, 32)) return false
    return schnorr.verify(signature, digest, hexToBytes(publicKey))
  },
  ecdhX: (secretKey, publicKey) => getSharedSecret(secretKey, hexToBytes(`02${publicKey}`), true).slice(1),
  recover(signature, digest, recovery) {
    if (digest.length !== 32) return null
    try {
      const recoverable = Signature.fromBytes(signature).addRecoveryBit(recovery).toBytes('recovered')
      return bytesToHex(recoverPublicKey(recoverable, digest, { prehash: false }))
    } catch {
      return null
    }
  },
}
