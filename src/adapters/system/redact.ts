/** Names whose values never reach a log, wherever in the name the word stands. */
const SECRET_NAME =
  /preimage|secret|nsec|macaroon|mnemonic|seed|passw|passphrase|token|api_?key|priv(ate)?_?key|authorization|cookie/i

/**
 * Secrets that give themselves away inside a text: Nostr and BIP-32 keys, passwords in URLs, and hexadecimal digits right
 * after a word that says what they are.
 */
const SECRET_TEXT = new RegExp(
  [
    String.raw`\bnsec1[a-z0-9]{20,}`,
    String.raw`\b[xyztuv]prv[a-z0-9]{50,}`,
    String.raw`(?<=:\/\/)[^/@\s]+(?=@)`,
    String.raw`(?<=(?:preimage|secret|macaroon|seed|(?:private|secret).key)\W{1,4})[0-9a-f]{32,}`,
  ].join('|'),
  'gi',
)

const REDACTED = '[redacted]'

/** What a log line is made of is bounded, because some of it comes from strangers. */
const MAX_DEPTH = 4
const MAX_ENTRIES = 50
const MAX_CHARS = 2000

/** Text without what looks like a secret, cut to a length that a log can bear. */
export function redactText(text: string): string {
  const cut = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text
  return cut.replace(SECRET_TEXT, REDACTED)
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error
  return {
    type: name,
    message: redactText(message),
    stack: redactText(stack ?? ''),
    ...(cause === undefined ? {} : { cause: redactValue(cause, depth + 1) }),
  }
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (depth > MAX_DEPTH) return '[deeper]'
  if (value instanceof Error) return redactError(value, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString()
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((entry) => redactValue(entry, depth + 1))
  if (value instanceof Set) return redactValue([...value], depth)
  if (value instanceof Map)
    return redactEntries(
      [...value].map(([key, entry]) => [String(key), entry]),
      depth,
    )
  return redactEntries(Object.entries(value), depth)
}

/** Flags and numbers under a secret's name say something about it and are not the secret. */
function isTelling(value: unknown): boolean {
  return value === null || value === undefined || typeof value === 'boolean' || typeof value === 'number'
}

function redactEntries(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  return Object.fromEntries(
    entries
      .slice(0, MAX_ENTRIES)
      .map(([name, value]) => [
        name,
        SECRET_NAME.test(name) && !isTelling(value) ? REDACTED : redactValue(value, depth + 1),
      ]),
  )
}

/**
 * A log line's fields as plain JSON values without secrets: values under names like `preimage`, `nsec` or `macaroon`, keys
 * by their form, and bytes of any kind. Deep, long and cyclic values are cut.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactEntries(Object.entries(fields), 0)
}
