import { describe, expect, it } from 'vitest'
import { NostrPriceProvider } from '../../../src/adapters/price/nostr-provider.ts'
import type { NostrEvent } from '../../../src/core/protocol.ts'
import type { RelayFilter } from '../../../src/ports/relays.ts'
import type { Clock } from '../../../src/ports/system.ts'

const NOW = 1_785_000_000
const ALICE = 'a'.repeat(64)
const BOB = 'b'.repeat(64)
const MALLORY = 'c'.repeat(64)

function rates(more: Partial<NostrEvent> = {}): NostrEvent {
  return {
    id: '0'.repeat(64),
    pubkey: ALICE,
    created_at: NOW - 60,
    kind: 30078,
    tags: [['d', 'mostro-rates']],
    content: '{"BTC":{"USD":50000.0,"CUP":9000000}}',
    sig: 'good',
    ...more,
  }
}

/** A clock that stands still; what waits on it waits until the test says so. */
function standingClock(): Clock & { fire(): void; readonly waiting: number } {
  const tasks = new Set<() => void>()
  return {
    nowMs: () => NOW * 1000,
    after: (_, task) => {
      tasks.add(task)
      return () => tasks.delete(task)
    },
    fire: () => {
      for (const task of tasks) task()
    },
    get waiting() {
      return tasks.size
    },
  }
}

function provider(query: (filter: RelayFilter) => Promise<readonly NostrEvent[]>, clock = standingClock()) {
  return new NostrPriceProvider({
    trustedPubkeys: [ALICE, BOB],
    query,
    verify: (event) => event.sig === 'good',
    clock,
    maxAgeS: 1800,
    timeoutMs: 5000,
  })
}

describe('rates that other nodes publish', () => {
  it('are asked for by author and address, and come with their time', async () => {
    let asked: RelayFilter | undefined
    const poll = await provider(async (filter) => {
      asked = filter
      return [rates()]
    }).fetch()
    expect(asked).toEqual({ kinds: [30078], authors: [ALICE, BOB], '#d': ['mostro-rates'], limit: 64 })
    expect(poll).toEqual({
      ok: true,
      value: {
        quotes: new Map([
          ['USD', 50_000],
          ['CUP', 9_000_000],
        ]),
        observedAtS: NOW - 60,
      },
    })
  })

  it('are the freshest that hold, whoever of the trusted said them', async () => {
    const poll = await provider(async () => [
      rates({ created_at: NOW - 300, content: '{"BTC":{"USD":1}}' }),
      rates({ created_at: NOW - 100, pubkey: BOB, content: '{"BTC":{"USD":2}}' }),
      rates({ created_at: NOW - 50, content: 'no json' }),
      rates({ created_at: NOW - 40, content: '{"BTC":{}}' }),
      rates({ created_at: NOW - 30, sig: 'forged', content: '{"BTC":{"USD":666}}' }),
    ]).fetch()
    expect(poll).toMatchObject({ ok: true, value: { quotes: new Map([['USD', 2]]), observedAtS: NOW - 100 } })
  })

  it.each<[string, Partial<NostrEvent>]>([
    ['a stranger wrote them', { pubkey: MALLORY }],
    ['the kind is another', { kind: 30079 }],
    ['the address is another', { tags: [['d', 'weather']] }],
    ['there is no address', { tags: [] }],
    ['they are older than the limit', { created_at: NOW - 1801 }],
    ['they come from the future', { created_at: NOW + 61 }],
    [
      'they say that they expired',
      {
        tags: [
          ['d', 'mostro-rates'],
          ['expiration', `${NOW}`],
        ],
      },
    ],
    [
      'their expiration is no number',
      {
        tags: [
          ['d', 'mostro-rates'],
          ['expiration', 'soon'],
        ],
      },
    ],
    ['the signature does not hold', { sig: 'forged' }],
    ['the content is no JSON', { content: '{' }],
    ['the content is too long', { content: `{"BTC":{"USD":1}}${' '.repeat(70_000)}` }],
    ['the prices are words', { content: '{"BTC":{"USD":"50000"}}' }],
  ])('do not count when %s', async (_, more) => {
    expect(await provider(async () => [rates(more)]).fetch()).toEqual({
      ok: false,
      error: 'no fresh rates of a trusted node',
    })
  })

  it('cost at most 64 signature checks, however many events a relay sends', async () => {
    let checked = 0
    const flooded = new NostrPriceProvider({
      trustedPubkeys: [ALICE],
      query: async () => Array.from({ length: 5000 }, () => rates()),
      verify: () => {
        checked += 1
        return false
      },
      clock: standingClock(),
      maxAgeS: 1800,
      timeoutMs: 5000,
    })
    expect(await flooded.fetch()).toMatchObject({ ok: false })
    expect(checked).toBe(64)
  })

  it('are given up when relays do not answer in time', async () => {
    const clock = standingClock()
    const poll = provider(() => new Promise(() => {}), clock).fetch()
    clock.fire()
    expect(await poll).toEqual({ ok: false, error: 'relays did not answer in time' })
  })

  it('leave no timer behind, and a failing query fails in words', async () => {
    const clock = standingClock()
    expect(await provider(() => Promise.reject(new Error('no relay')), clock).fetch()).toEqual({
      ok: false,
      error: 'no relay',
    })
    expect(clock.waiting).toBe(0)
  })
})
