/** `FIANZA_<SECTION>_<KEY>` overrides the file, key by key; empty values count as not set. */
import { didYouMean, keyName } from './problems.ts'
import { KEYS, type KeyInfo } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'FIANZA_'
/** What the command itself, and its tests, read. */
const OTHER_NAMES = new Set(['FIANZA_DIR', 'FIANZA_CONFIG'])
const TEST_PREFIX = 'FIANZA_TEST_'
/** The name under which Mostro operators know the key of the node. */
const MOSTRO_KEY = 'MOSTRO_NSEC_PRIVKEY'

/** `FIANZA_MOSTRO_FEE` */
export const variableOf = (path: readonly string[]): string => PREFIX + path.join('_').toUpperCase()

export type Overlay = {
  readonly tree: Record<string, unknown>
  /** by key name: which variable gave the value */
  readonly origins: ReadonlyMap<string, string>
  readonly problems: readonly string[]
}

/** The file's tree with the environment on top. */
export function overlay(raw: Record<string, unknown>, env: Environment): Overlay {
  const tree = structuredClone(raw)
  const origins = new Map<string, string>()
  const problems: string[] = []
  const set = (key: KeyInfo, variable: string, text: string): void => {
    put(tree, key.path, readValue(key, text))
    origins.set(keyName(key.path), `environment variable ${variable}`)
  }
  const byVariable = new Map(KEYS.map((key) => [variableOf(key.path), key]))
  const nodeKey = byVariable.get('FIANZA_NOSTR_NSEC_PRIVKEY')
  const mostroKey = env[MOSTRO_KEY]
  if (nodeKey !== undefined && mostroKey !== undefined && mostroKey !== '') set(nodeKey, MOSTRO_KEY, mostroKey)
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined || text === '') continue
    if (OTHER_NAMES.has(variable) || variable.startsWith(TEST_PREFIX)) continue
    const key = byVariable.get(variable)
    if (key !== undefined) {
      set(key, variable, text)
      continue
    }
    const guess = didYouMean(variable, [...byVariable.keys(), ...OTHER_NAMES])
    problems.push(
      `environment variable ${variable} names no key of the configuration; ${guess === null ? 'unset it' : `did you mean ${guess}?`}`,
    )
  }
  return { tree, origins, problems }
}

/** The text as the schema wants it; what cannot be read stays text, for the schema to refuse. */
function readValue(key: KeyInfo, text: string): unknown {
  switch (key.kind) {
    case 'text':
      return text
    case 'number':
      return /^[+-]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'list':
      return text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== '')
  }
}

function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path
  if (head === undefined) return
  if (rest.length === 0) {
    tree[head] = value
    return
  }
  const below = tree[head]
  const branch = typeof below === 'object' && below !== null ? (below as Record<string, unknown>) : {}
  tree[head] = branch
  put(branch, rest, value)
}
