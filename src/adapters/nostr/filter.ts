import type { NostrEvent } from '../../core/protocol.ts'

/** A NIP-01 filter with any single-letter tags; the port's `RelayFilter` is one. */
export type EventFilter = {
  readonly ids?: readonly string[]
  readonly kinds?: readonly number[]
  readonly authors?: readonly string[]
  readonly since?: number
  readonly until?: number
  readonly limit?: number
  readonly [tag: `#${string}`]: readonly string[] | undefined
}

/** Whether the event satisfies every condition of the filter (NIP-01); `limit` is not a condition. */
export function matchesFilter(filter: EventFilter, event: NostrEvent): boolean {
  if (filter.ids !== undefined && !filter.ids.includes(event.id)) return false
  if (filter.kinds !== undefined && !filter.kinds.includes(event.kind)) return false
  if (filter.authors !== undefined && !filter.authors.includes(event.pubkey)) return false
  if (!isWithin(filter, event.created_at)) return false
  for (const { name, values } of tagConditionsOf(filter))
    if (!event.tags.some(([tag, value]) => tag === name && values.includes(value ?? ''))) return false
  return true
}

/** Whether a time in unix seconds lies between `since` and `until`, both included. */
export const isWithin = (filter: EventFilter, createdAtS: number): boolean =>
  (filter.since === undefined || createdAtS >= filter.since) &&
  (filter.until === undefined || createdAtS <= filter.until)

type TagCondition = { readonly name: string; readonly values: readonly string[] }

/** Filters never change and are asked about every event: their conditions are read once. */
const knownConditions = new WeakMap<EventFilter, readonly TagCondition[]>()

function tagConditionsOf(filter: EventFilter): readonly TagCondition[] {
  const known = knownConditions.get(filter)
  if (known !== undefined) return known
  const conditions = Object.keys(filter)
    .filter(isTagKey)
    .flatMap((key) => {
      const values = filter[key]
      return values === undefined ? [] : [{ name: key.slice(1), values }]
    })
  knownConditions.set(filter, conditions)
  return conditions
}

const isTagKey = (key: string): key is `#${string}` => key.startsWith('#')
