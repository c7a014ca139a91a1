/** JSON for a test's own trader: numbers keep their text, so that a u64 survives and `5.0` is not `5`. */

/** A number as it was written. */
export class Digits {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type Json = null | boolean | string | Digits | bigint | number | Json[] | { [key: string]: Json }

/** Put before a number's text while JSON.parse runs; no message of the protocol holds such a text. */
const MARK = '\u0000number:'
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/g

/** Parses; throws a SyntaxError as JSON.parse does. */
export function parseJson(text: string): Json {
  const marked = text.replace(STRING_OR_NUMBER, (token) => {
    if (token.startsWith('"')) return token
    JSON.parse(token)
    return JSON.stringify(MARK + token)
  })
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? new Digits(value.slice(MARK.length)) : value,
  ) as Json
}

/** Without whitespace, keys in the order in which they are given. */
export function writeJson(value: Json): string {
  if (value instanceof Digits) return value.text
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${writeJson(member)}`)
  return `{${members.join(',')}}`
}

const INTEGER = /^-?(?:0|[1-9][0-9]*)$/

/** Whether a value is written as a whole number within bounds. */
export const isInteger = (value: Json | undefined, min: bigint, max: bigint): value is Digits =>
  value instanceof Digits &&
  INTEGER.test(value.text) &&
  value.text !== '-0' &&
  BigInt(value.text) >= min &&
  BigInt(value.text) <= max

export const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Digits)

/** Whole numbers as bigint and others as number, for comparisons in tests. */
export function plain(value: Json): Json {
  if (value instanceof Digits) return INTEGER.test(value.text) ? BigInt(value.text) : Number(value.text)
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
}
