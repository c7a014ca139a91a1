import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPayload, parseMessage, serializeMessage } from '../../src/wire/message.ts'
import { anyMessage } from '../support/wire-arbitraries.ts'
import { replacedByDecision, wireExamples, wireInvalid } from '../support/wire-fixtures.ts'

function parsed(text: string) {
  const message = parseMessage(text)
  if (!message.ok) throw new Error(message.error)
  return message.value
}

const id = '308e1272-d5f4-47e6-bd97-3504baea9c23'
const cancelOf = (written: string) => `{"order":{"version":2,"id":${written},"action":"cancel"}}`
const canonicalCancel = `{"order":{"version":2,"request_id":null,"trade_index":null,"id":"${id}","action":"cancel","payload":null}}`

describe('Every message of the deployed clients and of the reference', () => {
  test.each(wireExamples)('comes back byte for byte: $name', ({ json }) => {
    expect(serializeMessage(parsed(json))).toBe(json)
  })

  test.each(wireExamples)('passes or fails the inbound check as at the reference: $name', ({ json, verify }) => {
    expect(checkPayload(parsed(json)).ok).toBe(verify)
  })
})

describe('A bad message', () => {
  const messages = wireInvalid.filter(({ level }) => level === 'message')

  test.each(messages.filter(({ stage }) => stage === 'parse'))('is not understood: $name', ({ json }) => {
    expect(parseMessage(json).ok).toBe(false)
  })

  test.each(messages.filter(({ stage }) => stage === 'verify'))('fails the inbound check: $name', ({ json }) => {
    expect(checkPayload(parsed(json)).ok).toBe(false)
  })

  test.each(messages.filter(({ stage }) => stage === 'handler'))('reaches its handler: $name', ({ json }) => {
    expect(checkPayload(parsed(json)).ok).toBe(true)
  })

  test('is recorded at a stage that some test knows', () => {
    const stages = new Set(wireInvalid.map(({ stage }) => stage))
    expect([...stages].toSorted()).toEqual(
      [
        'decrypt',
        'event signature',
        'first contact',
        'freshness',
        'handler',
        'kind',
        'parse',
        'pow',
        'replay',
        'signature',
        'unwrap',
        'verify',
      ].toSorted(),
    )
  })

  test('whose outcome a decision replaces exists', () => {
    const names = wireInvalid.map(({ name }) => name)
    expect(Object.keys(replacedByDecision).filter((name) => !names.includes(name))).toEqual([])
  })
})

describe('What is hashed', () => {
  test.each([
    ['upper case', `"${id.toUpperCase()}"`],
    ['no hyphens', `"${id.replaceAll('-', '')}"`],
    ['a urn', `"urn:uuid:${id}"`],
    ['braces', `"{${id}}"`],
    ['an escaped character', `"\\u0033${id.slice(1)}"`],
  ])('has the normal form of an order id that was written with %s', (_form, written) => {
    expect(serializeMessage(parsed(cancelOf(written)))).toBe(canonicalCancel)
  })

  test.each([
    ['braces around no hyphens', `"{${id.replaceAll('-', '')}}"`],
    ['hyphens in other places', `"${id.replace('-', '')}-"`],
    ['an upper-case urn', `"URN:UUID:${id}"`],
    ['a number', '5'],
  ])('knows no order id with %s', (_form, written) => {
    expect(parseMessage(cancelOf(written)).ok).toBe(false)
  })

  test('has no spaces, unknown keys or other order, however the sender wrote it', () => {
    const written = ` { "order" : { "payload":null, "action":"cancel", "extra":[1,{"a":"b"}], "extra":2, "id":"${id}", "version":2 } }\n`
    expect(serializeMessage(parsed(written))).toBe(canonicalCancel)
  })

  test.each([
    ['5', '5.0'],
    ['0', '0.0'],
    ['-0', '-0.0'],
    ['4.833333333333333', '4.833333333333333'],
    ['1e2', '100.0'],
    ['1e15', '1000000000000000.0'],
    ['1e16', '1e16'],
    ['0.00001', '0.00001'],
    ['0.0000015', '1.5e-6'],
  ])('writes the rating %s as %s', (written, canonical) => {
    const peer = `{"pubkey":"","reputation":{"rating":${written},"reviews":7,"operating_days":21}}`
    const message = `{"order":{"version":2,"request_id":null,"trade_index":null,"id":"${id}","action":"pay-invoice","payload":{"peer":${peer}}}}`
    expect(serializeMessage(parsed(message))).toBe(message.replace(`"rating":${written}`, `"rating":${canonical}`))
  })

  test('refuses a rating that no double holds', () => {
    const peer = '{"pubkey":"","reputation":{"rating":1e999,"reviews":7,"operating_days":21}}'
    expect(parseMessage(`{"order":{"version":2,"action":"rate","payload":{"peer":${peer}}}}`).ok).toBe(false)
  })
})

describe('Any message', () => {
  test('survives writing and reading', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(parsed(serializeMessage(message))).toEqual(message)
      }),
      { numRuns: 2_000 },
    )
  })

  test('has one text only', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const text = serializeMessage(message)
        expect(serializeMessage(parsed(text))).toBe(text)
      }),
      { numRuns: 1_000 },
    )
  })

  test('with a character changed is read to something with one text only, or refused', () => {
    const mutated = fc.tuple(fc.constantFrom(...wireExamples), fc.nat(), fc.string({ unit: 'binary', maxLength: 2 }))
    fc.assert(
      fc.property(mutated, ([{ json }, at, inserted]) => {
        const index = at % json.length
        const message = parseMessage(json.slice(0, index) + inserted + json.slice(index + 1))
        if (message.ok) expect(parseMessage(serializeMessage(message.value))).toEqual(message)
      }),
      { numRuns: 5_000 },
    )
  })
})

test('An amount that does not fit its type is never written', () => {
  const message = parsed(canonicalCancel)
  expect(() => serializeMessage({ ...message, requestId: 2n ** 64n })).toThrow('out of range')
  expect(() => serializeMessage({ ...message, version: 256 })).toThrow('out of range')
})
