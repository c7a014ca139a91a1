import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import * as elsewhere from 'nostr-tools/nip44'
import { describe, expect, test } from 'vitest'
import { portableCurves } from '../../src/wire/curves.ts'
import { bytesToHex, hexToBytes } from '../../src/wire/hex.ts'
import { ConversationKeyCache, conversationKey, decrypt, encrypt } from '../../src/wire/nip44.ts'
import { standInCurves } from '../support/stand-in-curves.ts'
import { wireText } from '../support/wire-arbitraries.ts'
import { nodeKey, tradeKey } from '../support/wire-keys.ts'

const key = hexToBytes('87893255710f661727ae971038b83498ff0f0878fd1f3434c313ae1995aeb433')
const nonce = new Uint8Array(32).fill(1)
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const messages = fc.oneof(wireText, fc.string({ unit: 'binary', maxLength: 2_000 })).filter((text) => text !== '')

describe('The key of a conversation', () => {
  test('is the one of the test vector, from both ends', () => {
    expect(bytesToHex(conversationKey(portableCurves, tradeKey.secretKey, nodeKey.pubkey))).toBe(bytesToHex(key))
    expect(bytesToHex(conversationKey(portableCurves, nodeKey.secretKey, tradeKey.pubkey))).toBe(bytesToHex(key))
  })

  test('is remembered until others push it out', () => {
    let derived = 0
    const curves = {
      ...standInCurves,
      ecdhX: (...input: Parameters<typeof standInCurves.ecdhX>) => {
        derived += 1
        return standInCurves.ecdhX(...input)
      },
    }
    const own = { ...nodeKey, curves }
    const keys = new ConversationKeyCache(2)
    const first = keys.of(own, 'a')
    keys.of(own, 'b')
    expect(keys.of(own, 'a')).toBe(first)
    keys.of(own, 'c')
    expect(keys.of(own, 'a')).toBe(first)
    expect(derived).toBe(3)
    keys.of(own, 'b')
    expect(derived).toBe(4)
    expect(keys.size).toBe(2)
  })

  test('is not that of another key of ours', () => {
    const keys = new ConversationKeyCache(2)
    const asNode = keys.of({ ...nodeKey, curves: standInCurves }, 'a')
    expect(keys.of({ ...tradeKey, curves: standInCurves }, 'a')).not.toEqual(asNode)
  })
})

describe('Encryption', () => {
  test('gives what other implementations give', () => {
    fc.assert(
      fc.property(messages, bytes32, bytes32, (text, anyKey, anyNonce) => {
        const payload = encrypt(text, anyKey, anyNonce)
        expect(payload).toBe(elsewhere.encrypt(text, anyKey, anyNonce))
        expect(decrypt(payload, anyKey)).toEqual({ ok: true, value: text })
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([1, 31, 32, 33, 64, 65, 256, 257, 320, 321, 1024, 1025, 32_768, 32_769, 65_535])(
    'pads %i bytes as other implementations do',
    (length) => {
      const text = 'x'.repeat(length)
      const payload = encrypt(text, key, nonce)
      expect(payload).toBe(elsewhere.encrypt(text, key, nonce))
      expect(decrypt(payload, key)).toEqual({ ok: true, value: text })
    },
  )

  test.each([
    ['nothing', ''],
    ['more than 65535 bytes', 'x'.repeat(65_536)],
    ['more than 65535 bytes in fewer characters', 'é'.repeat(40_000)],
  ])('does not take %s', (_what, text) => {
    expect(() => encrypt(text, key, nonce)).toThrow('can not encrypt')
  })

  test('does not take a short nonce', () => {
    expect(() => encrypt('x', key, nonce.slice(1))).toThrow('32 bytes')
  })
})

/** A payload with a right mac over whatever padded plaintext we like. */
function sealed(change: (padded: Buffer) => Buffer): string {
  const honest = Buffer.from(encrypt('hello', key, nonce), 'base64')
  const zeros = Buffer.from(encrypt('\u0000'.repeat(32), key, nonce), 'base64')
  const stream = zeros.subarray(33, -32).map((byte, index) => byte ^ (index === 1 ? 32 : 0))
  const padded = change(Buffer.from(honest.subarray(33, -32).map((byte, index) => byte ^ (stream[index] ?? 0))))
  const ciphertext = padded.map((byte, index) => byte ^ (stream[index] ?? 0))
  const expand = (...parts: Uint8Array[]) => {
    const mac = createHmac('sha256', key)
    for (const part of parts) mac.update(part)
    return mac.digest()
  }
  const first = expand(nonce, Uint8Array.of(1))
  const second = expand(first, nonce, Uint8Array.of(2))
  const third = expand(second, nonce, Uint8Array.of(3))
  const macKey = Buffer.concat([second.subarray(12), third.subarray(0, 12)])
  const mac = createHmac('sha256', macKey).update(nonce).update(ciphertext).digest()
  return Buffer.concat([Uint8Array.of(2), nonce, ciphertext, mac]).toString('base64')
}

describe('A payload from a stranger', () => {
  const payload = encrypt('hello', key, nonce)
  const flip = (at: number) => {
    const raw = Buffer.from(payload, 'base64')
    raw[at] = (raw[at] ?? 0) ^ 1
    return raw.toString('base64')
  }

  test('is read when it is honest', () => {
    expect(
      decrypt(
        sealed((padded) => padded),
        key,
      ),
    ).toEqual({ ok: true, value: 'hello' })
  })

  test.each([
    ['nothing', ''],
    ['four letters', 'AAAA'],
    ['an unknown encoding', `#${payload}`],
    ['an older version', flip(0)],
    ['another nonce', flip(1)],
    ['another ciphertext', flip(40)],
    ['another mac', flip(98)],
    ['a missing byte', Buffer.from(payload, 'base64').subarray(0, -1).toString('base64')],
    ['a space', `${payload} `],
    ['a line feed within', `${payload.slice(0, 8)}\n${payload.slice(8)}`],
    ['a character outside of the alphabet', payload.replace(/.$/, '!')],
    ['the alphabet of URLs', payload.replaceAll('+', '-').replaceAll('/', '_').replace(/.$/, '_')],
    ['missing padding characters', encrypt('x'.repeat(40), key, nonce).replace(/=+$/, '')],
    ['bits that nobody reads', 'A'.repeat(131).concat('B').concat('AB==')],
    ['a great length', 'A'.repeat(1_000_000)],
    [
      'the length zero',
      sealed((padded) => {
        padded.writeUInt16BE(0)
        return padded
      }),
    ],
    [
      'a length beyond its padding',
      sealed((padded) => {
        padded.writeUInt16BE(33)
        return padded
      }),
    ],
    [
      'a text that is not UTF-8',
      sealed((padded) => {
        padded[2] = 0xff
        return padded
      }),
    ],
  ])('is refused with %s', (_what, bad) => {
    expect(decrypt(bad, key).ok).toBe(false)
  })

  test('is not read with another key', () => {
    expect(decrypt(payload, nonce).ok).toBe(false)
  })

  test('is read or refused without a throw, whatever it is', () => {
    const base64 = fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.from(raw).toString('base64'))
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), base64), (text) => {
        expect(decrypt(text, key).ok).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })
})
