import fc from 'fast-check'
import { matchFilter } from 'nostr-tools/filter'
import { describe, expect, it } from 'vitest'
import { matchesFilter } from '../../../src/adapters/nostr/filter.ts'

const keys = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)]
const key = fc.constantFrom(...keys)
const kind = fc.constantFrom(1, 14, 1059)
const time = fc.integer({ min: 1, max: 5 })
const tag = fc.oneof(fc.tuple(fc.constantFrom('p', 'd', 'pp'), key), fc.constant(['p']), fc.constant([]))
const event = fc.record({
  id: key,
  pubkey: key,
  kind,
  created_at: time,
  tags: fc.array(tag, { maxLength: 3 }),
  content: fc.constant(''),
  sig: fc.constant('0'.repeat(128)),
})
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 2 })
const filter = fc.record(
  { ids: some(key), authors: some(key), kinds: some(kind), '#p': some(key), '#d': some(key), since: time, until: time },
  { requiredKeys: [] },
)

describe('a filter', () => {
  it('matches what the reference library says it matches', () => {
    fc.assert(
      fc.property(filter, event, (conditions, candidate) => {
        const tags = candidate.tags.map((values) => [...values])
        expect(matchesFilter(conditions, candidate)).toBe(matchFilter(conditions, { ...candidate, tags }))
      }),
      { numRuns: 2_000 },
    )
  })

  it('matches everything when it is empty, and nothing when a list is', () => {
    const candidate = { id: '', pubkey: '', kind: 1, created_at: 1, tags: [], content: '', sig: '' }
    expect(matchesFilter({}, candidate)).toBe(true)
    expect(matchesFilter({ limit: 0 }, candidate)).toBe(true)
    expect(matchesFilter({ ids: [] }, candidate)).toBe(false)
  })
})
