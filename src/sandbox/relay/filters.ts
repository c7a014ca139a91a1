/** Filters that clients send, from bytes that nobody vouches for (NIP-01). */

import type { EventFilter } from '../../adapters/nostr/filter.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { isHex } from '../../wire/hex.ts'

const MAX_VALUES = 5_000
const MAX_VALUE_CHARS = 1_024

/** Reads one filter. Unknown fields are ignored; what a known field must not hold is named in the error. */
export function parseFilter(value: unknown): Result<EventFilter, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return err('a filter must be an object')
  const filter: Record<string, unknown> = {}
  for (const [key, field] of Object.entries(value)) {
    const isRight = checkOf(key)
    if (isRight === null) continue
    if (!isRight(field)) return err(`filter field ${key} has a wrong value`)
    filter[key] = field
  }
  return ok(filter as EventFilter)
}

type Check = (field: unknown) => boolean

function checkOf(key: string): Check | null {
  switch (key) {
    case 'ids':
    case 'authors':
      return listOf((item) => typeof item === 'string' && isHex(item, 32))
    case 'kinds':
      return listOf(isCount)
    case 'since':
    case 'until':
    case 'limit':
      return isCount
    default:
      if (!key.startsWith('#')) return null
      return /^#[a-zA-Z]$/.test(key)
        ? listOf((item) => typeof item === 'string' && item.length <= MAX_VALUE_CHARS)
        : () => false
  }
}

const listOf =
  (isItem: Check): Check =>
  (field) =>
    Array.isArray(field) && field.length <= MAX_VALUES && field.every(isItem)

const isCount: Check = (field) => typeof field === 'number' && Number.isSafeInteger(field) && field >= 0
