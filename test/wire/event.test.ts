import fc from 'fast-check'
import { getEventHash } from 'nostr-tools/pure'
import { describe, expect, test } from 'vitest'
import { portableCurves } from '../../src/wire/curves.ts'
import {
  checkEventShape,
  EVENT_LIMITS,
  eventId,
  leadingZeroBits,
  mine,
  signEvent,
  verifyEvent,
} from '../../src/wire/event.ts'
import { wireText } from '../support/wire-arbitraries.ts'
import { tradeKey } from '../support/wire-keys.ts'

const template = { kind: 14, created_at: 1_785_000_000, tags: [['p', tradeKey.pubkey]], content: 'hello' }
const event = signEvent(template, tradeKey.secretKey, tradeKey.pubkey, new Uint8Array(32), portableCurves)

describe('The shape of an event', () => {
  test('is accepted, and what is not part of it is left behind', () => {
    const shape = checkEventShape({ ...event, seen_on: 'wss://relay.example.com', [Symbol('verified')]: true })
    expect(shape).toEqual({ ok: true, value: event })
    expect(shape.ok && Object.getOwnPropertySymbols(shape.value)).toEqual([])
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', [event]],
    ['a text', JSON.stringify(event)],
    ['no id', { ...event, id: undefined }],
    ['a short id', { ...event, id: event.id.slice(2) }],
    ['an upper-case id', { ...event, id: event.id.toUpperCase() }],
    ['a short key', { ...event, pubkey: 'ab' }],
    ['an upper-case key', { ...event, pubkey: event.pubkey.toUpperCase() }],
    ['a key that is a list', { ...event, pubkey: [event.pubkey] }],
    ['a short signature', { ...event, sig: event.sig.slice(1) }],
    ['a kind below zero', { ...event, kind: -1 }],
    ['a kind that is too large', { ...event, kind: 65_536 }],
    ['a broken kind', { ...event, kind: 1.5 }],
    ['a time as text', { ...event, created_at: '1785000000' }],
    ['a time before 1970', { ...event, created_at: -1 }],
    ['a time that no double holds', { ...event, created_at: 2 ** 53 }],
    ['no content', { ...event, content: undefined }],
    ['long content', { ...event, content: 'x'.repeat(EVENT_LIMITS.contentChars + 1) }],
    ['content with half a character', { ...event, content: '\ud83d' }],
    ['no tags', { ...event, tags: undefined }],
    ['tags as an object', { ...event, tags: {} }],
    ['a tag that is a text', { ...event, tags: ['p'] }],
    ['a tag of numbers', { ...event, tags: [['p', 5]] }],
    ['a tag with half a character', { ...event, tags: [['p', '\ude00']] }],
    ['too many tags', { ...event, tags: new Array(EVENT_LIMITS.tags + 1).fill(['p']) }],
    ['a tag with too many values', { ...event, tags: [new Array(EVENT_LIMITS.tagValues + 1).fill('p')] }],
    ['a tag with a long value', { ...event, tags: [['p', 'x'.repeat(EVENT_LIMITS.tagValueChars + 1)]] }],
    ['tags that are too long in all', { ...event, tags: new Array(20).fill(['p', 'x'.repeat(8_000)]) }],
  ])('refuses %s', (_what, value) => {
    expect(checkEventShape(value).ok).toBe(false)
  })

  test('is checked without a throw whatever comes', () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(...Object.keys(event)), (value, field) => {
        checkEventShape(value)
        checkEventShape({ ...event, [field]: value })
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('The id of an event', () => {
  test('is what other implementations compute', () => {
    const anyTemplate = fc.record({
      kind: fc.integer({ min: 0, max: 65_535 }),
      created_at: fc.integer({ min: 0, max: 2 ** 40 }),
      tags: fc.array(fc.array(wireText, { maxLength: 3 }), { maxLength: 3 }),
      content: wireText,
    })
    fc.assert(
      fc.property(anyTemplate, (any) => {
        expect(eventId(any, tradeKey.pubkey)).toBe(getEventHash({ ...any, pubkey: tradeKey.pubkey }))
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['content', { content: 'hallo' }],
    ['time', { created_at: 1_785_000_001 }],
    ['kind', { kind: 1059 }],
    ['tags', { tags: [] }],
    ['id', { id: '0'.repeat(64) }],
    ['signature', { sig: '0'.repeat(128) }],
    ['author', { pubkey: '5011d0e7a57ae27627ab76962537072c6809ef3b9e24c2e3db4e672c61624eef' }],
  ])('no longer stands when someone changes the %s', (_field, change) => {
    expect(verifyEvent({ ...event, ...change }, portableCurves)).toBe(false)
  })

  test('stands with the signature of its author', () => {
    expect(verifyEvent(event, portableCurves)).toBe(true)
  })
})

describe('Proof of work', () => {
  test.each([
    ['f', 0],
    ['7', 1],
    ['3', 2],
    ['1', 3],
    ['0f', 4],
    ['00000000000000000000000000000001', 127],
    ['000000000e9d97a138f029c8000000000', 36],
    ['0'.repeat(64), 256],
  ])('of %s counts %i bits', (id, bits) => {
    expect(leadingZeroBits(id)).toBe(bits)
  })

  test('is found by adding a nonce, at the same time of writing', () => {
    const mined = mine({ ...template, tags: [...template.tags, ['nonce', 'old', '3']] }, tradeKey.pubkey, 8)
    expect(leadingZeroBits(eventId(mined, tradeKey.pubkey))).toBeGreaterThanOrEqual(8)
    expect(mined.created_at).toBe(template.created_at)
    expect(mined.tags).toEqual([
      ['p', tradeKey.pubkey],
      ['nonce', expect.stringMatching(/^\d+$/), '8'],
    ])
  })

  test('of no bits changes nothing', () => {
    expect(mine(template, tradeKey.pubkey, 0)).toEqual(template)
  })

  test.each([-1, 33, 1.5, Number.NaN])('of %d bits is not attempted', (bits) => {
    expect(() => mine(template, tradeKey.pubkey, bits)).toThrow('proof of work')
  })
})
