import { schnorr } from '@noble/secp256k1'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
// For its effect: it gives noble the hash functions that it needs.
import { portableCurves } from '../../src/wire/curves.ts'
import { bytesToHex, hexToBytes } from '../../src/wire/hex.ts'
import { signSchnorr } from '../../src/wire/schnorr.ts'

const ORDER = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'

describe('a BIP-340 signature', () => {
  it.for([
    {
      secretKey: '0000000000000000000000000000000000000000000000000000000000000003',
      aux: '0000000000000000000000000000000000000000000000000000000000000000',
      digest: '0000000000000000000000000000000000000000000000000000000000000000',
      signature:
        'e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0',
    },
    {
      secretKey: 'b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef',
      aux: '0000000000000000000000000000000000000000000000000000000000000001',
      digest: '243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89',
      signature:
        '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a',
    },
    {
      secretKey: 'c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9',
      aux: 'c87aa53824b4d7ae2eb035a2b5bbbccc080e76cdc6d1692c4b0b62d798e6d906',
      digest: '7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c',
      signature:
        '5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1bab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7',
    },
  ])('is the one that the standard gives for key $secretKey', ({ secretKey, aux, digest, signature }) => {
    expect(bytesToHex(signSchnorr(hexToBytes(digest), hexToBytes(secretKey), hexToBytes(aux)))).toBe(signature)
  })

  test('is byte for byte the one that noble makes, and holds', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const scalar = bytes.filter((b) => bytesToHex(b) > '0'.repeat(64) && bytesToHex(b) < ORDER)
    fc.assert(
      fc.property(bytes, scalar, bytes, (digest, secretKey, aux) => {
        const signature = signSchnorr(digest, secretKey, aux)
        expect(bytesToHex(signature)).toBe(bytesToHex(schnorr.sign(digest, secretKey, aux)))
        expect(portableCurves.verify(signature, digest, portableCurves.publicKey(secretKey))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  }, 60_000)

  it.for([
    ['zero', '0'.repeat(64)],
    ['the order of the curve', ORDER],
    ['beyond it', 'f'.repeat(64)],
  ] as const)('is not made with a secret that is %s', ([, secretKey]) => {
    const zero = new Uint8Array(32)
    expect(() => signSchnorr(zero, hexToBytes(secretKey), zero)).toThrow(/scalar/)
  })
})
