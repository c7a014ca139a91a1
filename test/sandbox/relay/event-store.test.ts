import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EventFilter, matchesFilter } from '../../../src/adapters/nostr/filter.ts'
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { EventStore } from '../../../src/sandbox/relay/event-store.ts'

const NOW_S = 1_000

const eventOf = (
  id: string,
  kind: number,
  createdAtS = 100,
  tags: readonly (readonly string[])[] = [],
): NostrEvent => ({
  id,
  pubkey: 'a'.repeat(64),
  created_at: createdAtS,
  kind,
  tags,
  content: '',
  sig: '',
})

const idsIn = (store: EventStore): string[] => store.all(NOW_S).map(({ id }) => id)

describe('what a relay remembers', () => {
  it.each([
    ['regular events all', 1, [], [], ['2', '1']],
    ['of a replaceable kind the newest', 0, [], [], ['2']],
    ['of a replaceable kind the newest', 10_002, [], [], ['2']],
    ['of an addressable kind the newest of an address', 30_078, [['d', 'x']], [['d', 'x']], ['2']],
    ['of an addressable kind the newest of each address', 38_383, [['d', 'x']], [['d', 'y']], ['2', '1']],
    ['an address without a name as one with an empty name', 38_383, [], [['d', '']], ['2']],
    ['ephemeral events never', 20_001, [], [], []],
  ])('%s (kind %i)', (_, kind, olderTags, newerTags, kept) => {
    const older = eventOf('1', kind, 100, olderTags)
    const newer = eventOf('2', kind, 101, newerTags)
    for (const order of [
      [older, newer],
      [newer, older],
    ]) {
      const store = new EventStore(10)
      for (const event of order) store.add(event, NOW_S)
      expect(idsIn(store)).toEqual(kept)
    }
  })

  it('of two revisions of one second the lowest id, whichever came first', () => {
    for (const [first, second, verdict] of [
      ['1', '2', 'replaced'],
      ['2', '1', 'stored'],
    ] as const) {
      const store = new EventStore(10)
      store.add(eventOf(first, 38_383), NOW_S)
      expect(store.add(eventOf(second, 38_383), NOW_S)).toBe(verdict)
      expect(idsIn(store)).toEqual(['1'])
    }
  })

  it('an event once, and not after it expired', () => {
    const store = new EventStore(10)
    const event = eventOf('1', 1, 100, [['expiration', '2000']])
    expect(store.add(event, NOW_S)).toBe('stored')
    expect(store.add(event, NOW_S)).toBe('duplicate')
    expect(store.query([{}], 10, 1_999)).toHaveLength(1)
    expect(store.query([{}], 10, 2_000)).toHaveLength(0)
    expect(store.add(eventOf('2', 1, 100, [['expiration', '999']]), NOW_S)).toBe('expired')
  })

  it('as many events as it has room for, the newest', () => {
    const store = new EventStore(3)
    for (const [i, createdAtS] of [5, 1, 4, 2, 3].entries()) store.add(eventOf(String(i), 1, createdAtS), NOW_S)
    expect(store.all(NOW_S).map((event) => event.created_at)).toEqual([5, 4, 3])
  })

  it('nothing that it was told to forget', () => {
    const store = new EventStore(10)
    store.add(eventOf('1', 0, 100), NOW_S)
    store.remove('1')
    store.remove('1')
    expect(store.add(eventOf('2', 0, 99), NOW_S)).toBe('stored')
    store.clear()
    expect(idsIn(store)).toEqual([])
  })
})

describe('what a relay answers', () => {
  it('is what a search through everything would find, newest first, within the limits', () => {
    const event = fc.record({
      id: fc.uuid().map((text) => text.replaceAll('-', '')),
      kind: fc.constantFrom(1, 14),
      at: fc.integer({ min: 1, max: 20 }),
    })
    const time = fc.integer({ min: 0, max: 21 })
    const filter = fc.record(
      {
        kinds: fc.constantFrom([1], [14], [1, 14]),
        since: time,
        until: time,
        limit: fc.integer({ min: 0, max: 10 }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.uniqueArray(event, { selector: ({ id }) => id, maxLength: 40 }),
        fc.array(filter, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 12 }),
        (rows, filters: readonly EventFilter[], maxLimit) => {
          const store = new EventStore(100)
          for (const { id, kind, at } of rows) store.add(eventOf(id, kind, at), NOW_S)
          const newestFirst = rows
            .map(({ id, kind, at }) => eventOf(id, kind, at))
            .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
          const expected = new Set(
            filters.flatMap((one) =>
              newestFirst
                .filter((candidate) => matchesFilter(one, candidate))
                .slice(0, Math.min(one.limit ?? maxLimit, maxLimit))
                .map(({ id }) => id),
            ),
          )
          const got = store.query(filters, maxLimit, NOW_S).map(({ id }) => id)
          expect(got).toEqual(newestFirst.map(({ id }) => id).filter((id) => expected.has(id)))
        },
      ),
    )
  })
})
