/**
 * secp256k1 by libsecp256k1, through the native half of the npm package `secp256k1` (ADR 0015). It knows ECDSA and shared
 * secrets but no Schnorr signatures; those are made here of its parts, so that every multiplication on the curve and every
 * step with a secret runs in the library, in constant time. What the library refuses, the portable backend decides: bad
 * secrets, which it refuses too, and scalars that no hash will ever give.
 */
import { type Curves, portableCurves } from './curves.ts'
import { bytesToHex, hexToBytes, isHex } from './hex.ts'
import { bytesOf, EVEN, numberOf, ODD, ORDER, tagged } from './schnorr.ts'

/**
 * What is used of `secp256k1/bindings.js`. All of it throws when a length, a scalar or a point does not fit. The calls on
 * private keys change their first argument.
 */
export interface Secp256k1Binding {
  /** blinds later multiplications with secrets by 32 random bytes, against whoever measures them */
  contextRandomize(seed: Uint8Array): void
  publicKeyCreate(secretKey: Uint8Array, compressed: true): Uint8Array
  privateKeyNegate(secretKey: Uint8Array): Uint8Array
  privateKeyTweakAdd(secretKey: Uint8Array, tweak: Uint8Array): Uint8Array
  privateKeyTweakMul(secretKey: Uint8Array, tweak: Uint8Array): Uint8Array
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: true): Uint8Array
  ecdh(
    publicKey: Uint8Array,
    secretKey: Uint8Array,
    options: { readonly hashfn: (x: Uint8Array) => Uint8Array; readonly xbuf: Uint8Array; readonly ybuf: Uint8Array },
    output: Uint8Array,
  ): Uint8Array
}

/** A backend that equals the portable one, answer for answer and byte for byte, and opens messages thirty times as fast. */
export function nativeCurves(binding: Secp256k1Binding): Curves {
  /** x of secret·G; the secret becomes its negative when y is odd. */
  const evenPoint = (secret: Uint8Array, point = binding.publicKeyCreate(secret, true)): Uint8Array => {
    if (point[0] === ODD) binding.privateKeyNegate(secret)
    return point.subarray(1)
  }

  const sign = (digest: Uint8Array, secretKey: Uint8Array, aux: Uint8Array, known?: Uint8Array): Uint8Array => {
    const scalar = Uint8Array.from(secretKey)
    const secrets: Uint8Array[] = [scalar]
    try {
      const px = evenPoint(scalar, known)
      const masked = tagged('aux', aux)
      secrets.push(masked)
      for (const [index, byte] of scalar.entries()) masked[index] = (masked[index] ?? 0) ^ byte
      const nonce = tagged('nonce', masked, px, digest)
      secrets.push(nonce)
      const rx = evenPoint(nonce)
      // s = k + e·d, in place of d.
      binding.privateKeyTweakMul(scalar, tagged('challenge', rx, px, digest))
      binding.privateKeyTweakAdd(scalar, nonce)
      const signature = new Uint8Array(64)
      signature.set(rx)
      signature.set(scalar, 32)
      return signature
    } finally {
      for (const secret of secrets) secret.fill(0)
    }
  }

  return {
    name: 'libsecp256k1',
    publicKey(secretKey) {
      try {
        return bytesToHex(binding.publicKeyCreate(secretKey, true).subarray(1))
      } catch {
        return portableCurves.publicKey(secretKey)
      }
    },
    publicPoint(secretKey) {
      try {
        return binding.publicKeyCreate(secretKey, true)
      } catch {
        return portableCurves.publicPoint(secretKey)
      }
    },
    sign(digest, secretKey, aux, point) {
      try {
        if (digest.length === 32 && aux.length === 32) return sign(digest, secretKey, aux, point)
      } catch {
        // The portable backend decides.
      }
      return portableCurves.sign(digest, secretKey, aux)
    },
    verify(signature, digest, publicKey) {
      if (signature.length !== 64 || digest.length !== 32 || !isHex(publicKey, 32)) return false
      const key = hexToBytes(publicKey)
      const px = numberOf(key)
      const rx = signature.subarray(0, 32)
      const s = numberOf(signature.subarray(32))
      if (s >= ORDER) return false
      const e = numberOf(tagged('challenge', rx, key, digest)) % ORDER
      if (e === 0n || px === ORDER) return portableCurves.verify(signature, digest, publicKey)
      const point = signaturePoint(binding, px, s, e)
      return point !== null && point[0] === EVEN && Buffer.compare(point.subarray(1), rx) === 0
    },
    ecdhX(secretKey, publicKey) {
      const [xbuf, ybuf] = [new Uint8Array(32), new Uint8Array(32)]
      try {
        const point = hexToBytes(`02${publicKey}`)
        return binding.ecdh(point, secretKey, { hashfn: (x) => x, xbuf, ybuf }, new Uint8Array(32))
      } catch {
        return portableCurves.ecdhX(secretKey, publicKey)
      } finally {
        xbuf.fill(0)
        ybuf.fill(0)
      }
    },
    recover(signature, digest, recovery) {
      try {
        return bytesToHex(binding.ecdsaRecover(signature, recovery, digest, true))
      } catch {
        return null
      }
    },
  }
}

/**
 * s·G − e·P, compressed, for the point P whose x-coordinate is `px` and whose y is even; null when there is no such P and
 * when the sum is infinite. For s below the order, e from 1 to below it, and a `px` that is neither 0 nor the order.
 *
 * Recovering an ECDSA key from (r, u) and the digest z gives (u·X − z·G) / r, where X is the point with x = r. With r = px,
 * u = −e·r and z = −s·r that is the sum wanted. A `px` above the order is named by r = px − order and a recovery id of 2.
 */
export function signaturePoint(binding: Secp256k1Binding, px: bigint, s: bigint, e: bigint): Uint8Array | null {
  const r = px % ORDER
  const signature = Buffer.concat([bytesOf(r), bytesOf(((ORDER - e) * r) % ORDER)])
  const digest = bytesOf(((ORDER - s) * r) % ORDER)
  try {
    return binding.ecdsaRecover(signature, px < ORDER ? 0 : 2, digest, true)
  } catch {
    return null
  }
}
