import { createHash } from 'node:crypto'
import { finalizeEvent, getPublicKey, verifyEvent as verifyElsewhere } from 'nostr-tools/pure'
import { describe, expect, test } from 'vitest'
import { isPublicKey, portableCurves } from '../../src/wire/curves.ts'
import { signEvent, verifyEvent } from '../../src/wire/event.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'
import { identityKey, nodeKey, tradeKey } from '../support/wire-keys.ts'

const noAux = new Uint8Array(32)
const digest = sha256('a trade')
const signature = portableCurves.sign(digest, tradeKey.secretKey, noAux)

/** x of the field's order: no point has it. */
const FIELD_ORDER = 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f'

describe('The portable curves', () => {
  test.each([
    ['identity', identityKey],
    ['trade', tradeKey],
    ['node', nodeKey],
  ])('know the public key of the %s key', (_name, key) => {
    expect(portableCurves.publicKey(key.secretKey)).toBe(key.pubkey)
    expect(getPublicKey(key.secretKey)).toBe(key.pubkey)
  })

  test('sign the same digest with the same bytes, and another implementation agrees', () => {
    expect(portableCurves.sign(digest, tradeKey.secretKey, noAux)).toEqual(signature)
    const template = { kind: 1, created_at: 1_785_000_000, tags: [['p', nodeKey.pubkey]], content: 'a "trade" 😀' }
    const ours = signEvent(template, tradeKey.secretKey, tradeKey.pubkey, noAux, portableCurves)
    expect(verifyElsewhere({ ...ours, tags: template.tags })).toBe(true)
    expect(verifyEvent({ ...finalizeEvent(template, tradeKey.secretKey) }, portableCurves)).toBe(true)
  })

  test('share a secret from both ends', () => {
    const oneWay = portableCurves.ecdhX(tradeKey.secretKey, nodeKey.pubkey)
    expect(oneWay).toHaveLength(32)
    expect(portableCurves.ecdhX(nodeKey.secretKey, tradeKey.pubkey)).toEqual(oneWay)
  })

  test('share the secret of the chat vector', () => {
    const alice = hexToBytes('548f68890c49fa42f104c60352395e60ff030b0b407e955f1eed1400d6c0347a')
    const bob = hexToBytes('f258e73f07386d37133718b6127f873dd7c391b8f43b331ff8254034a13d2943')
    const shared = 'def6633a53d07d1e829484c4d4bdbbeed2f4b14c21743e63871c174338e39475'
    expect(bytesToHex(portableCurves.ecdhX(alice, portableCurves.publicKey(bob)))).toBe(shared)
  })

  test.each([
    ['another digest', signature, sha256('another trade'), tradeKey.pubkey],
    ['another key', signature, digest, nodeKey.pubkey],
    ['a flipped bit', signature.map((byte, index) => (index === 5 ? byte ^ 1 : byte)), digest, tradeKey.pubkey],
    ['zeros', new Uint8Array(64), digest, tradeKey.pubkey],
    ['ones', new Uint8Array(64).fill(255), digest, tradeKey.pubkey],
    ['a short signature', signature.slice(1), digest, tradeKey.pubkey],
    ['a short digest', signature, digest.slice(1), tradeKey.pubkey],
    ['an empty key', signature, digest, ''],
    ['an upper-case key', signature, digest, tradeKey.pubkey.toUpperCase()],
    ['a key that is no hex', signature, digest, 'z'.repeat(64)],
    ['a key beyond the field', signature, digest, FIELD_ORDER],
    ['the key zero', signature, digest, '0'.repeat(64)],
  ])('verify nothing with %s', (_what, given, of, by) => {
    expect(portableCurves.verify(given, of, by)).toBe(false)
  })

  test('hold the real thing for valid', () => {
    expect(portableCurves.verify(signature, digest, tradeKey.pubkey)).toBe(true)
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
