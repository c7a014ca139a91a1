import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseFrame, prefixOf } from '../../../src/adapters/nostr/frames.ts'

describe('a frame from a relay', () => {
  it.each([
    ['["EVENT","s",{"id":"x"}]', { kind: 'event', subscription: 's', event: { id: 'x' } }],
    ['["OK","id",true,""]', { kind: 'ok', eventId: 'id', accepted: true, message: '' }],
    ['["OK","id",false]', { kind: 'ok', eventId: 'id', accepted: false, message: '' }],
    ['["EOSE","s"]', { kind: 'eose', subscription: 's' }],
    ['["CLOSED","s","error: x"]', { kind: 'closed', subscription: 's', message: 'error: x' }],
    ['["AUTH","challenge"]', { kind: 'auth', challenge: 'challenge' }],
    ['["NOTICE","two\\nlines\\u0007"]', { kind: 'notice', message: 'two lines ' }],
  ])('%s is understood', (text, frame) => {
    expect(parseFrame(text)).toEqual(frame)
  })

  it.each(['', '[', 'null', '{}', '[]', '["OK","id"]', '["OK","id","true",""]', '["EVENT",1,{}]', '["COUNT","s",{}]'])(
    '%s is nothing',
    (text) => {
      expect(parseFrame(text)).toBeNull()
    },
  )

  it('has its texts shortened, and too long a challenge ignored', () => {
    expect(parseFrame(JSON.stringify(['NOTICE', 'x'.repeat(10_000)]))).toEqual({
      kind: 'notice',
      message: 'x'.repeat(300),
    })
    expect(parseFrame(JSON.stringify(['AUTH', 'x'.repeat(1_025)]))).toBeNull()
  })

  it('never makes the reader fail', () => {
    const words = fc.constantFrom('EVENT', 'OK', 'EOSE', 'CLOSED', 'AUTH', 'NOTICE')
    const lists = fc.tuple(words, fc.jsonValue(), fc.jsonValue(), fc.jsonValue())
    fc.assert(fc.property(fc.oneof(lists, fc.jsonValue()), (value) => void parseFrame(JSON.stringify(value))))
    fc.assert(fc.property(fc.string(), (text) => void parseFrame(text)))
  })
})

describe('the machine-readable prefix', () => {
  it.each([
    ['blocked: not you', 'blocked'],
    ['rate-limited: slow down', 'rate-limited'],
    ['duplicate:', 'duplicate'],
    ['no prefix here', ''],
    ['', ''],
    [': odd', ''],
    ['Not A Prefix: x', ''],
  ])('of "%s" is "%s"', (message, prefix) => {
    expect(prefixOf(message)).toBe(prefix)
  })
})
