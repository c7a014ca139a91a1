/**
 * Codecs: one definition that both reads a JSON value strictly and writes it byte for byte as serde does (wire.md 1.4,
 * 1.6). Readers throw {@link Malformed}; whoever lets strangers' data in catches it.
 */
import { assert } from '../core/assert.ts'
import { JsonNumber, JsonObject, type JsonValue } from './json.ts'
import { jsonFloat } from './numbers.ts'

export type Codec<T> = {
  /** Throws {@link Malformed} on anything that the reference's parser refuses. */
  readonly read: (value: JsonValue) => T
  /** The canonical JSON text. */
  readonly write: (value: T) => string
}

/** The text is not what the protocol allows. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** A text, any. */
export const text: Codec<string> = {
  read(value) {
    if (typeof value !== 'string') throw new Malformed('not a string')
    return value
  },
  write: (value) => JSON.stringify(value),
}

export const boolean: Codec<boolean> = {
  read(value) {
    if (typeof value !== 'boolean') throw new Malformed('not a boolean')
    return value
  },
  write: String,
}

const INTEGER = /^(?:0|-?[1-9][0-9]{0,19})$/

const integer = (name: string, min: bigint, max: bigint): Codec<bigint> => ({
  read(value) {
    if (!(value instanceof JsonNumber) || !INTEGER.test(value.text)) throw new Malformed(`not an integer (${name})`)
    const number = BigInt(value.text)
    if (number < min || number > max) throw new Malformed(`out of range (${name})`)
    return number
  },
  write(value) {
    assert(value >= min && value <= max, `out of range (${name}): ${value}`)
    return String(value)
  },
})

export const i64 = integer('i64', -(2n ** 63n), 2n ** 63n - 1n)
export const u64 = integer('u64', 0n, 2n ** 64n - 1n)

const smallInteger = (codec: Codec<bigint>): Codec<number> =>
  map(codec, Number, (value) => {
    assert(Number.isSafeInteger(value), `not a whole number: ${value}`)
    return BigInt(value)
  })

export const u8 = smallInteger(integer('u8', 0n, 255n))
export const u32 = smallInteger(integer('u32', 0n, 2n ** 32n - 1n))

export const f64: Codec<number> = {
  read(value) {
    if (!(value instanceof JsonNumber)) throw new Malformed('not a number')
    const number = Number(value.text)
    if (!Number.isFinite(number)) throw new Malformed('out of range (f64)')
    return number
  },
  write: jsonFloat,
}

const UUID = /^(?:urn:uuid:([^{}]{36})|\{([^{}]{36})\}|([^{}]{36}))$/
const HYPHENATED = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SIMPLE = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/

/** A UUID in any form that the reference accepts; lower-case with hyphens from here on (wire.md 1.6). */
export const uuid: Codec<string> = {
  read(value) {
    const written = text.read(value)
    const match = UUID.exec(written)
    const id = (match?.[1] ?? match?.[2] ?? match?.[3] ?? written).toLowerCase()
    if (HYPHENATED.test(id)) return id
    if (!SIMPLE.test(id)) throw new Malformed('not a UUID')
    return id.replace(SIMPLE, '$1-$2-$3-$4-$5')
  },
  write: text.write,
}

/** One word of a closed set. */
export function word<T extends string>(words: readonly T[]): Codec<T> {
  const known = new Map<string, T>(words.map((member) => [member, member]))
  return {
    read(value) {
      const found = known.get(text.read(value))
      if (found === undefined) throw new Malformed('unknown word')
      return found
    },
    write: text.write,
  }
}

export const nullable = <T>(codec: Codec<T>): Codec<T | null> => ({
  read: (value) => (value === null ? null : codec.read(value)),
  write: (value) => (value === null ? 'null' : codec.write(value)),
})

export const list = <T>(codec: Codec<T>): Codec<readonly T[]> => ({
  read(value) {
    if (!isArray(value)) throw new Malformed('not an array')
    return value.map(codec.read)
  },
  write: (values) => `[${values.map(codec.write).join(',')}]`,
})

/** An array with exactly one slot for each codec. */
export const tuple = <T extends readonly unknown[]>(...codecs: { readonly [I in keyof T]: Codec<T[I]> }): Codec<T> => ({
  read(value) {
    if (!isArray(value)) throw new Malformed('not an array')
    if (value.length !== codecs.length) throw new Malformed(`not exactly ${codecs.length} elements`)
    return codecs.map((codec, index) => codec.read(value[index] ?? null)) as unknown as T
  },
  write: (values) => `[${codecs.map((codec, index) => codec.write(values[index])).join(',')}]`,
})

/** The same JSON under another type. */
export function map<A, B>(codec: Codec<A>, to: (value: A) => B, from: (value: B) => A): Codec<B> {
  return { read: (value) => to(codec.read(value)), write: (value) => codec.write(from(value)) }
}

/** One field of a struct: its key on the wire, and what its absence and its `null` mean. */
export type Field<T> = {
  readonly key: string
  readonly codec: Codec<T>
  /** what a missing key reads as; without it the key is required */
  readonly absent?: T
  /** whether `null` is left out instead of written */
  readonly omitsNull: boolean
}

export const required = <T>(key: string, codec: Codec<T>): Field<T> => ({ key, codec, omitsNull: false })

/** An option that is written as `null` when there is none. */
export const optional = <T>(key: string, codec: Codec<T>): Field<T | null> => ({
  key,
  codec: nullable(codec),
  absent: null,
  omitsNull: false,
})

/** An option that is left out when there is none. */
export const omitted = <T>(key: string, codec: Codec<T>): Field<T | null> => ({
  ...optional(key, codec),
  omitsNull: true,
})

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> }

/**
 * An object with known fields, written in the order of their definition. A known key must not occur twice; unknown ones
 * are dropped, or refused when the struct is `closed`.
 */
export function struct<T extends object>(fields: Fields<T>, { closed = false } = {}): Codec<T> {
  const properties = Object.entries(fields) as [keyof T & string, Field<unknown>][]
  const byKey = new Map(properties.map(([property, field]) => [field.key, property]))
  return {
    read(value) {
      if (!(value instanceof JsonObject)) throw new Malformed('not an object')
      const given = new Map<string, JsonValue>()
      for (const [key, member] of value.entries) {
        if (byKey.has(key)) {
          if (given.has(key)) throw new Malformed(`duplicate key ${key}`)
          given.set(key, member)
        } else if (closed) {
          throw new Malformed('unknown key')
        }
      }
      const members: Partial<Record<string, unknown>> = {}
      for (const [property, field] of properties) {
        const member = given.get(field.key)
        if (member !== undefined) members[property] = field.codec.read(member)
        else if (field.absent !== undefined) members[property] = field.absent
        else throw new Malformed(`missing key ${field.key}`)
      }
      return members as T
    },
    write(value) {
      const members: string[] = []
      for (const [property, field] of properties) {
        const member: unknown = value[property]
        if (member === null && field.omitsNull) continue
        members.push(`"${field.key}":${field.codec.write(member)}`)
      }
      return `{${members.join(',')}}`
    },
  }
}

/** The one key and value of an object that must have exactly one (serde's enum with data). */
export function only(value: JsonValue): readonly [key: string, value: JsonValue] {
  const [entry, ...others] = value instanceof JsonObject ? value.entries : []
  if (entry === undefined || others.length > 0) throw new Malformed('not an object with exactly one key')
  return entry
}

const isArray = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)
