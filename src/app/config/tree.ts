/** The schema as a tree of keys, for the environment, for messages and for the example. */
import { z } from 'zod'
import { SCHEMA } from './schema.ts'

export type KeyKind = 'text' | 'number' | 'boolean' | 'list'

/** One key that holds a value. */
export type KeyInfo = {
  /** section first */
  readonly path: readonly string[]
  readonly kind: KeyKind
  readonly about: string
  /** the default; undefined when there is none */
  readonly preset: unknown
  /** it may be left out */
  readonly optional: boolean
  /** what the example shows when there is no default */
  readonly sample: unknown
  /** the example shows the sample as a value although the key may be left out */
  readonly shown: boolean
  /** its value must not appear in messages */
  readonly secret: boolean
}

/** A section or subsection. */
export type SectionInfo = {
  readonly path: readonly string[]
  readonly about: string
  readonly keys: readonly KeyInfo[]
}

function inner(schema: unknown): unknown {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return inner(schema.unwrap())
  return schema
}

function kindOf(schema: unknown): KeyKind {
  if (schema instanceof z.ZodNumber) return 'number'
  // A number or a word; text that is no number stays text.
  if (schema instanceof z.ZodUnion) return 'number'
  if (schema instanceof z.ZodBoolean) return 'boolean'
  if (schema instanceof z.ZodArray) return 'list'
  return 'text'
}

function keyOf(path: readonly string[], schema: z.ZodType): KeyInfo {
  const meta = schema.meta()
  const preset = schema.safeParse(undefined)
  return {
    path,
    kind: kindOf(inner(schema)),
    about: meta?.description ?? '',
    preset: preset.success ? preset.data : undefined,
    optional: preset.success,
    sample: meta?.['sample'],
    shown: meta?.['shown'] === true,
    secret: meta?.['secret'] === true,
  }
}

function walk(path: readonly string[], schema: z.ZodObject, about: string): SectionInfo[] {
  const keys: KeyInfo[] = []
  const below: SectionInfo[] = []
  for (const [name, child] of Object.entries(schema.shape)) {
    const object = inner(child)
    if (object instanceof z.ZodObject)
      below.push(...walk([...path, name], object, (child as z.ZodType).meta()?.description ?? ''))
    else keys.push(keyOf([...path, name], child as z.ZodType))
  }
  return [{ path, about, keys }, ...below]
}

/** Every section, parents before their subsections. */
export const SECTIONS: readonly SectionInfo[] = walk([], SCHEMA, '').filter(({ path }) => path.length > 0)

/** Every key. */
export const KEYS: readonly KeyInfo[] = SECTIONS.flatMap(({ keys }) => keys)
