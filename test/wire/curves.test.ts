import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { getPublicKey as compressedKey, sign } from '@noble/secp256k1'
import { finalizeEvent, getPublicKey, verifyEvent as verifyElsewhere } from 'nostr-tools/pure'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loadCurves } from '../../src/app/curves.ts'
import { curvesOfOwner, isPublicKey, portableCurves } from '../../src/wire/curves.ts'
import { signEvent, verifyEvent } from '../../src/wire/event.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'
import { identityKey, nodeKey, tradeKey } from '../support/wire-keys.ts'

const backends = [portableCurves, loadCurves('native').curves]

const noAux = new Uint8Array(32)
const digest = sha256('a trade')
const signature = portableCurves.sign(digest, tradeKey.secretKey, noAux)

/** x of the field's order: no point has it. */
const FIELD_ORDER = 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f'
const CURVE_ORDER = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'

/** The vectors of BIP-340 whose messages are digests. */
const vectors = z
  .array(
    z.object({
      what: z.string(),
      publicKey: z.string(),
      digest: z.string(),
      signature: z.string(),
      holds: z.boolean(),
      secretKey: z.string().nullable(),
      aux: z.string().nullable(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('fixtures/bip340.json', import.meta.url), 'utf8')))

describe.each(backends)('The curves of $name', (curves) => {
  test.each([
    ['identity', identityKey],
    ['trade', tradeKey],
    ['node', nodeKey],
  ])('know the public key of the %s key', (_name, key) => {
    expect(curves.publicKey(key.secretKey)).toBe(key.pubkey)
    expect(getPublicKey(key.secretKey)).toBe(key.pubkey)
  })

  test.each(vectors)('judge as BIP-340 does: $what', (vector) => {
    const [given, of] = [hexToBytes(vector.signature), hexToBytes(vector.digest)]
    expect(curves.verify(given, of, vector.publicKey)).toBe(vector.holds)
  })

  test.each(vectors.filter(({ secretKey }) => secretKey !== null))('sign as BIP-340 does: $what', (vector) => {
    const secretKey = hexToBytes(vector.secretKey ?? '')
    expect(curves.publicKey(secretKey)).toBe(vector.publicKey)
    const made = curves.sign(hexToBytes(vector.digest), secretKey, hexToBytes(vector.aux ?? ''))
    expect(bytesToHex(made)).toBe(vector.signature)
  })

  test('sign the same digest with the same bytes, and another implementation agrees', () => {
    expect(curves.sign(digest, tradeKey.secretKey, noAux)).toEqual(signature)
    const template = { kind: 1, created_at: 1_785_000_000, tags: [['p', nodeKey.pubkey]], content: 'a "trade" 😀' }
    const ours = signEvent(template, tradeKey.secretKey, tradeKey.pubkey, noAux, curves)
    expect(verifyElsewhere({ ...ours, tags: template.tags })).toBe(true)
    expect(verifyEvent({ ...finalizeEvent(template, tradeKey.secretKey) }, curves)).toBe(true)
  })

  test('sign alike for an owner whose point is computed once, and for everybody else', () => {
    for (const { secretKey } of [tradeKey, nodeKey, identityKey]) {
      const owner = curvesOfOwner(curves, secretKey)
      expect(bytesToHex(curves.publicPoint(secretKey)).slice(2)).toBe(curves.publicKey(secretKey))
      for (const signer of [tradeKey, nodeKey, identityKey].map((key) => key.secretKey))
        expect(owner.sign(digest, signer, noAux)).toEqual(portableCurves.sign(digest, signer, noAux))
    }
    expect(() => curvesOfOwner(curves, new Uint8Array(32))).toThrow()
  })

  test('leave digest, secret and aux as they were', () => {
    const [of, secretKey, aux] = [digest.slice(), tradeKey.secretKey.slice(), sha256('aux')]
    curves.sign(of, secretKey, aux)
    curves.publicKey(secretKey)
    curves.ecdhX(secretKey, nodeKey.pubkey)
    expect([of, secretKey, aux]).toEqual([digest, tradeKey.secretKey, sha256('aux')])
  })

  test.each([
    ['zero', '00'.repeat(32)],
    ['the order of the curve', CURVE_ORDER],
    ['beyond it', 'ff'.repeat(32)],
    ['a byte short', '01'.repeat(31)],
    ['a byte long', '01'.repeat(33)],
  ])('refuse a secret that is %s', (_what, secret) => {
    const secretKey = hexToBytes(secret)
    expect(() => curves.publicKey(secretKey)).toThrow()
    expect(() => curves.sign(digest, secretKey, noAux)).toThrow()
    expect(() => curves.ecdhX(secretKey, nodeKey.pubkey)).toThrow()
  })

  test.each([
    ['digest', digest.slice(1), noAux],
    ['aux', digest, noAux.slice(1)],
  ])('sign nothing with a short %s', (_what, of, aux) => {
    expect(() => curves.sign(of, tradeKey.secretKey, aux)).toThrow(/32 bytes/)
  })

  test('share a secret from both ends', () => {
    const oneWay = curves.ecdhX(tradeKey.secretKey, nodeKey.pubkey)
    expect(oneWay).toHaveLength(32)
    expect(curves.ecdhX(nodeKey.secretKey, tradeKey.pubkey)).toEqual(oneWay)
  })

  test('share the secret of the chat vector', () => {
    const alice = hexToBytes('548f68890c49fa42f104c60352395e60ff030b0b407e955f1eed1400d6c0347a')
    const bob = hexToBytes('f258e73f07386d37133718b6127f873dd7c391b8f43b331ff8254034a13d2943')
    const shared = 'def6633a53d07d1e829484c4d4bdbbeed2f4b14c21743e63871c174338e39475'
    expect(bytesToHex(curves.ecdhX(alice, curves.publicKey(bob)))).toBe(shared)
  })

  test.each(['', FIELD_ORDER, '0'.repeat(64), 'z'.repeat(64), tradeKey.pubkey.slice(2)])(
    'share nothing with what is no key: %s',
    (publicKey) => {
      expect(() => curves.ecdhX(tradeKey.secretKey, publicKey)).toThrow()
    },
  )

  test.each([
    ['another digest', signature, sha256('another trade'), tradeKey.pubkey],
    ['another key', signature, digest, nodeKey.pubkey],
    ['a flipped bit', signature.map((byte, index) => (index === 5 ? byte ^ 1 : byte)), digest, tradeKey.pubkey],
    ['zeros', new Uint8Array(64), digest, tradeKey.pubkey],
    ['an s of zero', Uint8Array.of(...signature.slice(0, 32), ...new Uint8Array(32)), digest, tradeKey.pubkey],
    ['ones', new Uint8Array(64).fill(255), digest, tradeKey.pubkey],
    ['a short signature', signature.slice(1), digest, tradeKey.pubkey],
    ['a short digest', signature, digest.slice(1), tradeKey.pubkey],
    ['an empty key', signature, digest, ''],
    ['an upper-case key', signature, digest, tradeKey.pubkey.toUpperCase()],
    ['a key that is no hex', signature, digest, 'z'.repeat(64)],
    ['a key as large as the order', signature, digest, CURVE_ORDER],
    ['a key beyond the field', signature, digest, FIELD_ORDER],
    ['the key zero', signature, digest, '0'.repeat(64)],
  ])('verify nothing with %s', (_what, given, of, by) => {
    expect(curves.verify(given, of, by)).toBe(false)
  })

  test('hold the real thing for valid', () => {
    expect(curves.verify(signature, digest, tradeKey.pubkey)).toBe(true)
  })

  test('recover who signed an invoice, and nobody from what is no signature', () => {
    const [recovery = 0, ...compact] = sign(digest, tradeKey.secretKey, { prehash: false, format: 'recovered' })
    const given = Uint8Array.from(compact)
    const signer = bytesToHex(compressedKey(tradeKey.secretKey))
    expect(curves.recover(given, digest, recovery)).toBe(signer)
    expect(curves.recover(given, sha256('another trade'), recovery)).not.toBe(signer)
    expect(curves.recover(given, digest, recovery ^ 1)).not.toBe(signer)
    for (const recoveryId of [-1, 4, 255, 256]) expect(curves.recover(given, digest, recoveryId)).toBeNull()
    expect(curves.recover(given.slice(1), digest, recovery)).toBeNull()
    expect(curves.recover(given, digest.slice(1), recovery)).toBeNull()
    expect(curves.recover(new Uint8Array(64), digest, recovery)).toBeNull()
    expect(curves.recover(new Uint8Array(64).fill(255), digest, recovery)).toBeNull()
  })
})

describe('A text from a stranger', () => {
  test.each([tradeKey.pubkey, nodeKey.pubkey])('is a key when it is on the curve: %s', (text) => {
    expect(isPublicKey(text)).toBe(true)
  })

  test.each([
    '',
    'ab',
    FIELD_ORDER,
    '0'.repeat(64),
    `02${tradeKey.pubkey}`,
    tradeKey.pubkey.toUpperCase(),
    'z'.repeat(64),
  ])('is no key: %s', (text) => {
    expect(isPublicKey(text)).toBe(false)
  })

  test('is a key about half of the time', () => {
    const keys = Array.from({ length: 64 }, (_, index) => createHash('sha256').update(`${index}`).digest('hex'))
    const share = keys.filter(isPublicKey).length
    expect(share).toBeGreaterThan(16)
    expect(share).toBeLessThan(48)
  })
})
