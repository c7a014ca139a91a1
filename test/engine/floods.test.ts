/** What strangers' junk costs: no curve arithmetic before the cheap checks, and memory that ends (F-098, DEC-02, DEC-04). */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { RELAY_LIMITS } from '../../src/adapters/nostr/limits.ts'
import { SeenEvents } from '../../src/adapters/nostr/seen-events.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { type Arrival, Inbox } from '../../src/engine/inbox/inbox.ts'
import { Lanes } from '../../src/engine/inbox/lanes.ts'
import { Limits } from '../../src/engine/inbox/limits.ts'
import { DEFAULT_LIMITS } from '../../src/engine/settings.ts'
import { eventId, leadingZeroBits, signEvent } from '../../src/wire/event.ts'
import { ConversationKeyCache } from '../../src/wire/nip44.ts'
import { TestClock } from '../support/clock.ts'
import { EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import type { SimTrader } from '../support/sim-trader.ts'
import { standInCurves } from '../support/stand-in-curves.ts'

let world: EngineWorld | null = null
afterEach(async () => {
  vi.restoreAllMocks()
  await world?.close()
  world = null
})

type Scene = { readonly world: EngineWorld; readonly mallory: SimTrader; readonly inbox: Inbox }

/** A daemon that served one message of a stranger, and its inbox. */
async function open(options: WorldOptions = {}): Promise<Scene> {
  const opened = new EngineWorld(options)
  world = opened
  const mallory = opened.trader('mallory')
  mallory.nextKey()
  await opened.boot()
  const take = vi.spyOn(Inbox.prototype, 'take')
  mallory.publish(mined(opened, mallory, 'AAAA', options.settings?.pow))
  await opened.until(() => take.mock.contexts.length > 0, 'an event arrives')
  await opened.clock.advance(1000)
  const inbox = take.mock.contexts[0] as Inbox
  take.mockRestore()
  return { world: opened, mallory, inbox }
}

const live = (from: EngineWorld): Arrival => ({ stored: false, receivedAtMs: from.clock.nowMs() })

type Template = Partial<Pick<NostrEvent, 'kind' | 'content' | 'tags'>>

/** An event to the node that says nothing, signed by its author. */
function signed(from: EngineWorld, author: SimTrader, change: Template): NostrEvent {
  const template = {
    kind: 14,
    created_at: Math.floor(from.clock.nowMs() / 1000),
    tags: [['p', from.nodePubkey]],
    content: 'AAAA',
    ...change,
  }
  return signEvent(template, author.secretKey(1), author.pubkey(1), new Uint8Array(32), from.curves)
}

/** The first such event with a number in it whose id has between `least` and `below` zero bits. */
function mined(from: EngineWorld, author: SimTrader, text: string, least = 0, below = 257): NostrEvent {
  for (let n = 0; ; n += 1) {
    const event = signed(from, author, { content: `${text}${n}` })
    const bits = leadingZeroBits(event.id)
    if (bits >= least && bits < below) return event
  }
}

/** How often the curves are asked from now on. */
function countCurves(): { readonly verified: () => number; readonly agreed: () => number } {
  const verify = vi.spyOn(standInCurves, 'verify')
  const ecdhX = vi.spyOn(standInCurves, 'ecdhX')
  return { verified: () => verify.mock.calls.length, agreed: () => ecdhX.mock.calls.length }
}

const POW = { settings: { pow: 4 } } as const

describe('junk is refused before anything costly', () => {
  test.each([
    ['below the proof of work', POW, 'pow', 0, ({ world: w, mallory }: Scene) => mined(w, mallory, 'lazy', 0, 4)],
    [
      'of a stranger below the work of a first contact',
      { settings: { powFirstContact: 4 } },
      'first-contact',
      0,
      ({ world: w, mallory }: Scene) => mined(w, mallory, 'lazy', 0, 4),
    ],
    [
      'in a gift below the work of a first contact',
      { settings: { powFirstContact: 12 } },
      'first-contact',
      0,
      ({ world: w, mallory }: Scene) => signed(w, mallory, { kind: 1059 }),
    ],
    ['of a kind that is not served', {}, 'kind', 0, ({ world: w, mallory }: Scene) => signed(w, mallory, { kind: 4 })],
    [
      'that has expired',
      {},
      'expired',
      0,
      ({ world: w, mallory }: Scene) =>
        signed(w, mallory, {
          tags: [
            ['p', w.nodePubkey],
            ['expiration', String(Math.floor(w.clock.nowMs() / 1000) - 1)],
          ],
        }),
    ],
    [
      'with a signature that is not its author’s',
      {},
      'signature',
      1,
      ({ world: w, mallory }: Scene) => ({ ...signed(w, mallory, { content: 'BBBB' }), sig: 'ab'.repeat(64) }),
    ],
    [
      'forged in the name of another key',
      {},
      'signature',
      1,
      ({ world: w, mallory }: Scene) => {
        const event = signed(w, mallory, { content: 'CCCC' })
        const pubkey = w.trader('alice').pubkey(1)
        return { ...event, pubkey, id: eventId(event, pubkey) }
      },
    ],
  ] as const)('an event %s', async (_, options, verdict, verifications, make) => {
    const scene = await open(options)
    const event = make(scene)
    const curves = countCurves()
    expect(await scene.inbox.take(event, live(scene.world))).toBe(verdict)
    expect([curves.verified(), curves.agreed()]).toEqual([verifications, 0])
  })

  test('a replayed event, whether it was opened in vain or handled', async () => {
    const { world: w, mallory, inbox } = await open()
    const garbage = signed(w, mallory, { content: 'DDDD' })
    const request = mallory.wrap('cancel', { id: '00000000-0000-4000-8000-000000000000', requestId: 1n })
    const verdicts = [await inbox.take(garbage, live(w)), await w.settle(inbox.take(request, live(w)))]
    expect(verdicts).toEqual(['unopened', 'refused'])
    const curves = countCurves()
    for (const event of [garbage, request, garbage, request]) expect(await inbox.take(event, live(w))).toBe('known')
    expect([curves.verified(), curves.agreed()]).toEqual([0, 0])
  })

  test('an event that is too long, without work, or whose id is not the hash of its body, does not even reach the intake', async () => {
    const { world: w, mallory, inbox } = await open(POW)
    const take = vi.spyOn(Inbox.prototype, 'take')
    const long = signed(w, mallory, { content: 'A'.repeat(RELAY_LIMITS.eventFrameChars) })
    const renamed = { ...signed(w, mallory, { content: 'EEEE' }), id: '0a'.repeat(32) }
    const lazy = mined(w, mallory, 'lazy', 0, 4)
    const core = w.relays[0]?.core
    const subscription = core
      ?.subscriptions()
      .find(({ filters }) => filters.some((f) => f['#p']?.includes(w.nodePubkey)))
    const curves = countCurves()
    for (const event of [long, renamed, lazy]) core?.say(JSON.stringify(['EVENT', subscription?.id, event]))
    await w.clock.advance(1000)
    expect(take).not.toHaveBeenCalled()
    expect(inbox.counts.get('pow')).toBe(1)
    expect([curves.verified(), curves.agreed()]).toEqual([0, 0])
  })
})

/** The sizes that the largest map and the largest set reached while `work` ran, whoever's they are. */
async function largest(work: () => Promise<void> | void): Promise<{ readonly map: number; readonly set: number }> {
  const [mapSet, setAdd] = [Map.prototype.set, Set.prototype.add]
  let [map, set] = [0, 0]
  Map.prototype.set = function (this: Map<unknown, unknown>, key, value) {
    map = Math.max(map, mapSet.call(this, key, value).size)
    return this
  }
  Set.prototype.add = function (this: Set<unknown>, value) {
    set = Math.max(set, setAdd.call(this, value).size)
    return this
  }
  try {
    await work()
  } finally {
    Map.prototype.set = mapSet
    Set.prototype.add = setAdd
  }
  return { map, set }
}

const FLOOD = 200_000
const ROUND = 1000
/** A name of 64 digits. */
const named = (n: number): string => n.toString(16).padStart(64, 'f')

describe('F-098: two hundred thousand strangers are forgotten in time', () => {
  test('by the intake: it remembers the last fifty thousand, holds none of them, and serves the next trader', async () => {
    const { world: w, mallory, inbox } = await open(POW)
    const arrival = live(w)
    const lazy = mined(w, mallory, 'lazy', 0, 4)
    const forged = { ...mined(w, mallory, 'forged', 4), sig: 'ab'.repeat(64) }
    /** A third each: without work, with a false signature, and signed for nothing by its true author. */
    const junk = (n: number): NostrEvent => {
      if (n % 3 === 0) return { ...lazy, id: named(n) }
      if (n % 3 === 1) return { ...forged, id: `0${named(n).slice(1)}` }
      return signed(w, mallory, { content: `junk ${n}` })
    }
    const counted = (): number => [...inbox.counts.values()].reduce((sum, n) => sum + n, 0)
    const before = counted()
    const size = await largest(async () => {
      for (let n = 0; n < FLOOD; n += ROUND)
        await Promise.all(Array.from({ length: ROUND }, (_, i) => inbox.take(junk(n + i), arrival)))
    })
    expect(counted() - before).toBe(FLOOD)
    expect(size.set).toBeLessThan(1000)
    expect(size.map).toBeLessThanOrEqual(50_000)
    expect(inbox.depth).toBe(0)
    expect(w.store.get('SELECT COUNT(*) AS n FROM inbox')).toEqual({ n: 0 })
    mallory.publish(mallory.wrap('orders', { requestId: 5n, payload: { kind: 'ids', ids: [] }, pow: 4 }))
    await mallory.answer(5n)
  }, 60_000)

  test('by the counters of what each key and each host may cost', async () => {
    const clock = new TestClock()
    const limits = new Limits(clock, DEFAULT_LIMITS)
    const size = await largest(() => {
      for (let n = 0; n < FLOOD / 3; n += 1) {
        limits.mayAnswer(named(n))
        limits.mayLookUp(named(n), `user@${n}.example`)
      }
    })
    expect(size.map).toBe(20_000)
  })

  test('by the memory of conversation keys and by that of what other relays sent', async () => {
    const keys = new ConversationKeyCache()
    const seen = new SeenEvents(RELAY_LIMITS.seenEvents)
    const key = new Uint8Array(32)
    const size = await largest(() => {
      for (let n = 0; n < FLOOD / 3; n += 1) {
        keys.learn({ pubkey: 'ours' }, named(n), key)
        seen.add(named(n))
      }
    })
    expect(keys.size).toBe(4096)
    expect(size.map).toBe(RELAY_LIMITS.seenEvents)
  })

  test('by the lanes: a sender has eight in waiting, and who has none costs nothing', async () => {
    const lanes = new Lanes(DEFAULT_LIMITS.laneDepth)
    const handled = async (): Promise<'handled'> => 'handled'
    const refused = async (): Promise<'refused'> => 'refused'
    const size = await largest(async () => {
      const verdicts: Promise<'handled' | 'refused'>[] = []
      for (let n = 0; n < ROUND; n += 1) verdicts.push(lanes.run('one', n, false, handled, refused))
      const answered = await Promise.all(verdicts)
      expect(answered.filter((verdict) => verdict === 'handled')).toHaveLength(DEFAULT_LIMITS.laneDepth)
      for (let n = 0; n < FLOOD / 20; n += 1) await lanes.run(named(n), n, false, handled, refused)
    })
    expect(size.map).toBeLessThan(100)
  })
})

describe('while a flood waits, no message of a trade is lost', () => {
  test('F-098: the sockets are left alone at the limit of the intake, and read on below it', async () => {
    const { world: w, mallory, inbox } = await open({ settings: { limits: { ...DEFAULT_LIMITS, intakeDepth: 20 } } })
    const alice = w.trader('alice')
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const depths: number[] = []
    const take = Inbox.prototype.take
    vi.spyOn(Inbox.prototype, 'take').mockImplementation(function (this: Inbox, ...args) {
      const taken = take.apply(this, args)
      depths.push(this.depth)
      return taken
    })
    for (let n = 0; n < 2000; n += 1) w.relays[0]?.core.inject(signed(w, mallory, { content: `junk ${n}` }))
    const request = alice.send('cancel', { id })
    expect((await alice.answer(request)).action).toBe('canceled')
    expect(inbox.counts.get('unopened')).toBe(2001)
    expect(Math.max(...depths)).toBeLessThanOrEqual(20)
  })
})
