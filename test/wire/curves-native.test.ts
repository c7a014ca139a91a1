import { createRequire } from 'node:module'
import { Point } from '@noble/secp256k1'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadCurves } from '../../src/app/curves.ts'
import { type Curves, portableCurves } from '../../src/wire/curves.ts'
import { nativeCurves, type Secp256k1Binding, signaturePoint } from '../../src/wire/curves-native.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'
import { bytesOf, numberOf, ORDER } from '../../src/wire/schnorr.ts'

const binding = createRequire(import.meta.url)('secp256k1/bindings.js') as Secp256k1Binding
const native = loadCurves('native').curves

const CASES = { numRuns: 1_000 }
const DEADLINE_MS = 120_000

/** What a call gives, or that it throws. */
const outcome = (curves: Curves, call: (curves: Curves) => Uint8Array | string | boolean | null): unknown => {
  try {
    const value = call(curves)
    return value instanceof Uint8Array ? bytesToHex(value) : value
  } catch {
    return 'it throws'
  }
}

function expectSame(call: (curves: Curves) => Uint8Array | string | boolean | null): unknown {
  const [expected, actual] = [outcome(portableCurves, call), outcome(native, call)]
  expect(actual).toEqual(expected)
  return actual
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Scalars at the edges, where implementations part. */
const edge = fc
  .constantFrom(0n, 1n, 2n, ORDER / 2n, ORDER / 2n + 1n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 1n)
  .map(bytesOf)
const scalar = fc.oneof({ arbitrary: bytes32, weight: 9 }, { arbitrary: edge, weight: 1 })
const secret = fc.oneof({ arbitrary: scalar, weight: 19 }, { arbitrary: fc.uint8Array({ maxLength: 40 }), weight: 1 })
const recovery = fc.integer({ min: -1, max: 4 })
/** Where to damage a signed message, and by which bits: the signature's bytes come first, then the digest's, the key's. */
const damage = fc.record({ at: fc.integer({ min: 0, max: 127 }), bits: fc.integer({ min: 1, max: 255 }) })

const signed = fc.tuple(bytes32, bytes32, bytes32).map(([secretKey, digest, aux]) => ({
  publicKey: native.publicKey(secretKey),
  digest,
  signature: native.sign(digest, secretKey, aux),
}))

describe('The native curves answer as the portable ones', () => {
  test(
    'for a public key',
    () => {
      fc.assert(
        fc.property(secret, (secretKey) => void expectSame((curves) => curves.publicKey(secretKey))),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for a signature, byte for byte',
    () => {
      fc.assert(
        fc.property(scalar, secret, bytes32, (digest, secretKey, aux) => {
          expectSame((curves) => curves.sign(digest, secretKey, aux))
          expectSame((curves) => curves.sign(digest, secretKey, aux, curves.publicPoint(secretKey)))
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for a signature that holds',
    () => {
      fc.assert(
        fc.property(signed, ({ signature, digest, publicKey }) => {
          expect(expectSame((curves) => curves.verify(signature, digest, publicKey))).toBe(true)
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for a signature, a digest or a key with one byte changed',
    () => {
      fc.assert(
        fc.property(signed, damage, ({ signature, digest, publicKey }, { at, bits }) => {
          const all = Uint8Array.of(...signature, ...digest, ...hexToBytes(publicKey))
          all[at] = (all[at] ?? 0) ^ bits
          const key = bytesToHex(all.subarray(96))
          expect(expectSame((curves) => curves.verify(all.slice(0, 64), all.slice(64, 96), key))).toBe(false)
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for noise in place of a signature',
    () => {
      const key = fc.oneof(scalar.map(bytesToHex), fc.string({ maxLength: 70 }))
      fc.assert(
        fc.property(scalar, scalar, scalar, key, (r, s, digest, publicKey) => {
          expectSame((curves) => curves.verify(Uint8Array.of(...r, ...s), digest, publicKey))
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for a shared secret, with whatever passes for a key',
    () => {
      const key = fc.oneof(
        { arbitrary: bytes32.map((secretKey) => native.publicKey(secretKey)), weight: 3 },
        { arbitrary: scalar.map(bytesToHex), weight: 1 },
        { arbitrary: fc.string({ maxLength: 70 }), weight: 1 },
      )
      fc.assert(
        fc.property(secret, key, (secretKey, publicKey) => {
          expectSame((curves) => curves.ecdhX(secretKey, publicKey))
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test(
    'for the key that an ECDSA signature gives away',
    () => {
      // A small r is the x of a point twice: as it is, and with the order added.
      const r = fc.oneof(scalar, fc.bigInt({ min: 0n, max: 2n ** 127n }).map(bytesOf))
      fc.assert(
        fc.property(r, scalar, scalar, recovery, (rBytes, s, digest, recoveryId) => {
          expectSame((curves) => curves.recover(Uint8Array.of(...rBytes, ...s), digest, recoveryId))
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )
})

/** s·G − e·P by noble. */
function pointElsewhere(px: bigint, s: bigint, e: bigint): string | null {
  try {
    const publicPoint = Point.fromHex(`02${bytesToHex(bytesOf(px))}`)
    const sG = s === 0n ? Point.ZERO : Point.BASE.multiply(s)
    const sum = sG.add(publicPoint.multiply(e).negate())
    return sum.is0() ? null : sum.toHex(true)
  } catch {
    return null
  }
}

const pointOf = (px: bigint, s: bigint, e: bigint): string | null => {
  const point = signaturePoint(binding, px, s, e)
  return point === null ? null : bytesToHex(point)
}

describe('The point that a signature must be', () => {
  const below = (limit: bigint, from = 0n) => fc.bigInt({ min: from, max: limit - 1n })

  test(
    'is found by recovering an ECDSA key, for keys below and above the order of the curve',
    () => {
      // No secret is known for any x above the order, so that signatures alone can not show this.
      const aboveOrder = below(2n ** 128n, 1n).map((distance) => ORDER + distance)
      fc.assert(
        fc.property(fc.oneof(below(ORDER, 1n), aboveOrder), below(ORDER), below(ORDER, 1n), (px, s, e) => {
          expect(pointOf(px, s, e)).toBe(pointElsewhere(px, s, e))
        }),
        CASES,
      )
    },
    DEADLINE_MS,
  )

  test.each([
    ['an s of zero', 0n, 5n],
    ['an s of one', 1n, ORDER - 1n],
    ['the largest s', ORDER - 1n, 1n],
  ])('is right with %s', (_what, s, e) => {
    const { x } = Point.BASE.multiply(7n).toAffine()
    expect(pointOf(x, s, e)).toBe(pointElsewhere(x, s, e))
    expect(pointOf(x, s, e)).not.toBeNull()
  })

  test('is none when the sum is infinite', () => {
    const { x, y } = Point.BASE.multiply(7n).toAffine()
    const d = y % 2n === 0n ? 7n : ORDER - 7n
    expect(pointOf(x, (3n * d) % ORDER, 3n)).toBeNull()
  })
})

describe('The native curves', () => {
  const secretKey = sha256('a secret')
  const digest = sha256('a digest')
  const aux = sha256('aux')

  test('leave nothing secret behind in what they hand to the library', () => {
    const handed: Uint8Array[] = []
    const watching: Secp256k1Binding = {
      ...binding,
      publicKeyCreate: (secret, compressed) => {
        handed.push(secret)
        return binding.publicKeyCreate(secret, compressed)
      },
      privateKeyTweakAdd: (secret, tweak) => {
        handed.push(secret, tweak)
        return binding.privateKeyTweakAdd(secret, tweak)
      },
      ecdh: (publicKey, secret, options, output) => {
        handed.push(options.xbuf, options.ybuf)
        return binding.ecdh(publicKey, secret, options, output)
      },
    }
    const curves = nativeCurves(watching)
    curves.sign(digest, secretKey, aux)
    curves.ecdhX(secretKey, native.publicKey(digest))
    expect(handed.length).toBeGreaterThanOrEqual(6)
    for (const bytes of handed) expect(numberOf(bytes)).toBe(0n)
    expect(secretKey).toEqual(sha256('a secret'))
  })

  test('wipe a secret also when the library fails in the middle, and leave the signing to the portable ones', () => {
    const handed: Uint8Array[] = []
    const failing: Secp256k1Binding = {
      ...binding,
      privateKeyTweakMul: (secret) => {
        handed.push(secret)
        throw new Error('The tweak was out of range or equal to zero')
      },
    }
    const signature = nativeCurves(failing).sign(digest, secretKey, aux)
    expect(bytesToHex(signature)).toBe(bytesToHex(portableCurves.sign(digest, secretKey, aux)))
    expect(handed.map(numberOf)).toEqual([0n])
  })
})
