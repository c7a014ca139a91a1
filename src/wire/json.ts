/**
 * A strict, bounded JSON reader (wire.md 1.6). Unlike `JSON.parse` it keeps the source text of numbers, so that a u64
 * survives and `1.0` is not `1`, shows duplicate keys instead of keeping the last one, and refuses lone surrogates.
 */
import { err, ok, type Result } from '../core/result.ts'

/** A number as it was written. */
export class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** An object as the list of what was written, duplicates included. */
export class JsonObject {
  readonly entries: readonly (readonly [key: string, value: JsonValue])[]
  constructor(entries: readonly (readonly [key: string, value: JsonValue])[]) {
    this.entries = entries
  }
}

export type JsonValue = null | boolean | string | JsonNumber | JsonObject | readonly JsonValue[]

export const JSON_LIMITS = {
  /** UTF-16 units; a NIP-44 plaintext has at most 65,535 bytes */
  chars: 65_535,
  depth: 16,
} as const

const LONE_SURROGATE = /\p{Surrogate}/u
const WHITESPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
/** Characters of a string up to the next quote, escape or forbidden control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside a string.
const PLAIN = /[^"\\\u0000-\u001f]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Ends a reading; never leaves this file. */
class Refusal extends Error {}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#skip()
    if (this.#at !== this.#text.length) throw this.#refusal('something follows the value')
    return value
  }

  #refusal(why: string): Refusal {
    return new Refusal(`${why} at ${this.#at}`)
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += match.length
    return match
  }

  #skip(): void {
    this.#match(WHITESPACE)
  }

  /** Consumes the character when it comes next. */
  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #value(depth: number): JsonValue {
    if (depth > JSON_LIMITS.depth) throw this.#refusal('nested too deep')
    this.#skip()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default: {
        const number = this.#match(NUMBER)
        if (number === '') throw this.#refusal('no value')
        return new JsonNumber(number)
      }
    }
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#refusal('no value')
    this.#at += word.length
    return value
  }

  #object(depth: number): JsonObject {
    const entries: [string, JsonValue][] = []
    this.#at += 1
    this.#skip()
    if (this.#take('}')) return new JsonObject(entries)
    do {
      this.#skip()
      if (this.#text[this.#at] !== '"') throw this.#refusal('no key')
      const key = this.#string()
      this.#skip()
      if (!this.#take(':')) throw this.#refusal('no colon')
      entries.push([key, this.#value(depth + 1)])
      this.#skip()
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#refusal('object not closed')
    return new JsonObject(entries)
  }

  #array(depth: number): readonly JsonValue[] {
    const values: JsonValue[] = []
    this.#at += 1
    this.#skip()
    if (this.#take(']')) return values
    do {
      values.push(this.#value(depth + 1))
      this.#skip()
    } while (this.#take(','))
    if (!this.#take(']')) throw this.#refusal('array not closed')
    return values
  }

  #string(): string {
    const start = this.#at
    this.#at += 1
    const plain = this.#match(PLAIN)
    if (this.#take('"')) return plain
    while (this.#match(ESCAPE) !== '') this.#match(PLAIN)
    if (!this.#take('"')) throw this.#refusal('string not closed')
    const unescaped: string = JSON.parse(this.#text.slice(start, this.#at))
    if (LONE_SURROGATE.test(unescaped)) throw this.#refusal('lone surrogate')
    return unescaped
  }
}

/** Reads a whole text as one JSON value within {@link JSON_LIMITS}. Never throws. */
export function readJson(text: string): Result<JsonValue, string> {
  if (text.length > JSON_LIMITS.chars) return err('too long')
  if (LONE_SURROGATE.test(text)) return err('lone surrogate')
  try {
    return ok(new Reader(text).document())
  } catch (error) {
    if (error instanceof Refusal) return err(error.message)
    throw error
  }
}
