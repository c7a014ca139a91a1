/** What is wrong with a configuration, in words that name the place, what was found there and what helps. */
import type { z } from 'zod'
import { KEYS, SECTIONS } from './tree.ts'

/** Where a value came from: `fianza.toml`, or an environment variable. */
export type Origins = ReadonlyMap<string, string>

const FOUND_MAX_CHARS = 60

/** `mostro.fee` */
export const keyName = (path: readonly PropertyKey[]): string => path.map(String).join('.')

/** A value as it would stand in the file, cut short; secrets are not shown. */
export function shown(path: readonly PropertyKey[], value: unknown): string {
  const key = KEYS.find((k) => keyName(k.path) === keyName(path))
  if (key?.secret === true) return 'a value that is not shown here'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > FOUND_MAX_CHARS ? `${text.slice(0, FOUND_MAX_CHARS)}…` : text
}

/** The word of `known` that was probably meant; null when none is near. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const limit = Math.max(2, Math.floor(word.length / 3))
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || commonStart(word, b.candidate) - commonStart(word, a.candidate))
  return best?.candidate ?? null
}

function commonStart(a: string, b: string): number {
  const end = [...a].findIndex((letter, i) => letter !== b[i])
  return end < 0 ? a.length : end
}

/** Letters to insert, delete, change or swap with a neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const change = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swaps = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, change, swaps ? at(i - 2, j - 2) + 1 : change))
    }
  }
  return at(a.length, b.length)
}

/** What the schema found, one line a problem. `raw` is the tree that was checked. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  raw: unknown,
  file: string,
  origins: Origins,
): string[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => describeUnknown([...issue.path, key], file))
      : [describeIssue(issue, raw, file, origins)],
  )
}

function describeIssue(issue: z.core.$ZodIssue, raw: unknown, file: string, origins: Origins): string {
  const own = issue.path.filter((part) => typeof part !== 'number')
  const entry = issue.path.find((part) => typeof part === 'number')
  const key = keyName(own) + (entry === undefined ? '' : `, entry ${entry + 1},`)
  const where = origins.get(keyName(own)) ?? file
  const found = valueAt(raw, issue.path)
  const isSection = SECTIONS.some(({ path }) => keyName(path) === key)
  if (found === undefined && isSection) return `${file}: section [${key}] is missing; \`fianza init\` writes an example`
  if (found === undefined) return `${file}: ${key} is missing; it must be ${issue.message}`
  if (isSection) return `${file}: ${key} is ${shown(issue.path, found)}; it must be a section, [${key}]`
  return `${where}: ${key} is ${shown(own, found)}; it must be ${issue.message}`
}

function describeUnknown(path: readonly PropertyKey[], file: string): string {
  const parent = keyName(path.slice(0, -1))
  const word = String(path.at(-1))
  const siblings = [...KEYS, ...SECTIONS]
    .filter((known) => keyName(known.path.slice(0, -1)) === parent)
    .map((known) => String(known.path.at(-1)))
  const guess = didYouMean(word, siblings)
  const elsewhere = KEYS.find((known) => known.path.at(-1) === word)
  const hint =
    guess !== null
      ? `did you mean ${guess}?`
      : elsewhere !== undefined
        ? `it belongs into section [${keyName(elsewhere.path.slice(0, -1))}]`
        : `known here: ${siblings.join(', ')}`
  return `${file}: ${keyName(path)} is not a key of the configuration; ${hint}`
}

/** The value at a path, or undefined. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    tree,
  )
}
