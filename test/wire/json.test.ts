import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JSON_LIMITS, JsonNumber, JsonObject, type JsonValue, readJson } from '../../src/wire/json.ts'

/** What JSON.parse would have made of it. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text)
  if (value instanceof JsonObject) return Object.fromEntries(value.entries.map(([key, member]) => [key, plain(member)]))
  return Array.isArray(value) ? value.map(plain) : value
}

function read(text: string): JsonValue {
  const value = readJson(text)
  if (!value.ok) throw new Error(value.error)
  return value.value
}

describe('The JSON reader', () => {
  test('agrees with JSON.parse on every value', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary', depthSize: 'small' }), (text) => {
        expect(plain(read(text))).toEqual(JSON.parse(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('accepts no text that JSON.parse refuses', () => {
    const nearly = fc.string({
      unit: fc.constantFrom(...'{}[]:,"\\ud83e0-.+1eEtrufalsn \n\u0000\u00e9'),
      maxLength: 24,
    })
    fc.assert(
      fc.property(nearly, (text) => {
        const value = readJson(text)
        if (value.ok) expect(plain(value.value)).toEqual(JSON.parse(text))
      }),
      { numRuns: 5_000 },
    )
  })

  test.each(['18446744073709551615', '1.0', '-0', '1e3', '0.10'])('keeps the number %s as it was written', (text) => {
    expect(read(text)).toEqual(new JsonNumber(text))
  })

  test('shows both of two equal keys', () => {
    expect(read('{"a":1,"a":2}')).toEqual(
      new JsonObject([
        ['a', new JsonNumber('1')],
        ['a', new JsonNumber('2')],
      ]),
    )
  })

  test('puts two escaped surrogates together', () => {
    expect(read('"\\ud83d\\ude00"')).toBe('😀')
  })

  test.each([
    ['a lone surrogate escape', '"\\ud83d"'],
    ['surrogates the wrong way round', '"\\ude00\\ud83d"'],
    ['a lone surrogate', '"\ud83d"'],
    ['a lone surrogate in a key', '{"\\ud83d":1}'],
    ['a raw line feed in a string', '"a\nb"'],
    ['an unknown escape', '"\\x41"'],
    ['a short escape', '"\\u12"'],
    ['an open string', '"abc'],
    ['an open escape', '"abc\\'],
    ['a leading zero', '01'],
    ['a plus', '+1'],
    ['a bare point', '1.'],
    ['a bare exponent', '1e'],
    ['NaN', 'NaN'],
    ['a trailing comma', '[1,]'],
    ['a missing comma', '[1 2]'],
    ['a missing colon', '{"a" 1}'],
    ['a key without quotes', '{a:1}'],
    ['an open object', '{"a":1'],
    ['an open array', '[1'],
    ['two values', '1 1'],
    ['nothing', ' '],
    ['a byte order mark', '\ufeff1'],
    ['a non-breaking space', '\u00a01'],
    ['a comment', '1/**/'],
    ['a misspelt word', 'nul'],
    ['deep nesting', '['.repeat(JSON_LIMITS.depth + 2) + ']'.repeat(JSON_LIMITS.depth + 2)],
    ['deep nesting that never ends', '['.repeat(60_000)],
    ['a long text', ' '.repeat(JSON_LIMITS.chars + 1)],
  ])('refuses %s', (_what, text) => {
    expect(readJson(text).ok).toBe(false)
  })

  test('reads what is just within its limits', () => {
    expect(readJson('['.repeat(JSON_LIMITS.depth + 1) + ']'.repeat(JSON_LIMITS.depth + 1)).ok).toBe(true)
    expect(readJson(`"${'x'.repeat(JSON_LIMITS.chars - 2)}"`).ok).toBe(true)
  })
})
