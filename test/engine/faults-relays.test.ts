/** Faults of relays (money-path.md 7, F-090 to F-094a, F-102): what was decided is heard, once and in order. */
import { afterEach, describe, expect, test } from 'vitest'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { DEFAULT_LIMITS } from '../../src/engine/settings.ts'
import type { SimRelay } from '../../src/sandbox/relay/sim-relays.ts'
import { KIND_RATES } from '../../src/wire/public-events.ts'
import type { EngineWorld, WorldOptions } from '../support/engine-world.ts'
import { Market } from '../support/market.ts'
import { paymentRequest, type SimTrader } from '../support/sim-trader.ts'
import { dumpState, sellTradeAt } from '../support/trade-stages.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const LONG_MS = 60_000

let market: Market
afterEach(() => market.close())

const relay = (n: number): SimRelay => {
  const found = market.world.relays[n]
  if (found === undefined) throw new Error(`no relay ${n}`)
  return found
}
const isFor = (trader: SimTrader) => (event: NostrEvent) =>
  event.tags.some(([name, value]) => name === 'p' && value === trader.pubkey())
const isOurs = (event: NostrEvent): boolean => event.pubkey === market.world.nodePubkey
const unsent = () => market.world.engine?.status().outbox.unsent ?? -1
/** What the daemon sent to one relay that a predicate names. */
const sentTo = (to: SimRelay, isMeant: (event: NostrEvent) => boolean) =>
  to.core.log().flatMap((entry) => (entry.kind === 'event' && isMeant(entry.event) ? [entry] : []))
const hours = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await market.world.clock.advance(HOUR_MS)
}
/** Time passes while the daemon is off, and nobody else does anything either. */
const nobodyIsThereFor = (count: number): void => {
  const { clock } = market.world
  clock.jumpTo(clock.nowMs() + count * HOUR_MS)
}
/** The fiat was sent; the seller releases, and everything ends as it should. */
const endsWell = async (id: string): Promise<void> => {
  market.bob.send('fiat-sent', { id })
  await market.alice.hears('fiat-sent-ok', id)
  market.alice.send('release', { id })
  await market.completed(id)
  await market.checkTraded(id)
}

describe('messages', () => {
  test(
    'F-090: all relays are down for two days from the release on: the money goes its way, the words follow in order, each once',
    async () => {
      market = await Market.open({ relays: 2 })
      const { world, alice, bob } = market
      const id = await market.fiatSent()
      const heard = bob.heard.length
      world.cut = (point) => {
        if (!point.includes('message:release')) return
        for (const each of world.relays) each.goAway().catch(() => undefined)
      }
      alice.send('release', { id })
      await world.until(() => world.standing(id) === 'success', 'the buyer is paid')
      world.cut = () => undefined
      await hours(1)
      // The daemon itself goes too, and comes back to relays that are still away.
      world.kill()
      nobodyIsThereFor(46)
      const { started } = world.ignite()
      await hours(1)
      await started
      expect(world.relays.map((each) => each.isAway)).toEqual([true, true])
      expect(bob.heard).toHaveLength(heard)
      expect(world.alerts()).toContain('undelivered')
      for (const each of world.relays) await each.comeBack()
      await bob.hears('rate', id, 1, HOUR_MS)
      await alice.hears('rate', id, 1, HOUR_MS)
      await market.quiet()
      const said = bob.heard.slice(heard).sort((a, b) => a.createdAtS - b.createdAtS)
      expect(said.map(({ message }) => message.action)).toEqual(['released', 'purchase-completed', 'rate'])
      for (const each of world.relays) {
        const events = sentTo(each, (event) => isOurs(event) && isFor(bob)(event)).map(({ event }) => event.id)
        expect(new Set(events).size).toBe(events.length)
      }
      await market.checkTraded(id)
    },
    LONG_MS,
  )

  test('F-091: a relay says that it has a message and loses it: the others get it too, and the trader hears it once', async () => {
    market = await Market.open({ relays: 2, settings: { minRelayOks: 2 } })
    const { alice } = market
    const id = await market.locked()
    const toAlice = isFor(alice)
    relay(0).core.faults.onPublish((event) => (toAlice(event) ? { kind: 'pretend' } : null))
    const lift = relay(1).core.faults.refuse(toAlice, 'error: overloaded')
    market.bob.send('fiat-sent', { id })
    await market.bob.hears('fiat-sent-ok', id)
    await market.passes(10 * MINUTE_MS)
    // One word of one relay is not enough.
    expect(unsent()).toBe(1)
    expect(alice.all('fiat-sent-ok')).toEqual([])
    lift()
    await alice.hears('fiat-sent-ok', id)
    await market.quiet()
    const sent = sentTo(relay(0), toAlice).filter(({ fate }) => fate === 'pretend')
    expect(sent.length).toBeGreaterThan(1)
    expect(new Set(sent.map(({ event }) => event.id)).size).toBe(1)
    expect(market.times(alice, 'fiat-sent-ok', id)).toBe(1)
    alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('one OK is enough by default, and no row names the relay', async () => {
    market = await Market.open({ relays: 2 })
    const toAlice = isFor(market.alice)
    const id = await market.locked()
    await market.quiet()
    relay(1).core.faults.refuse(toAlice, 'error: overloaded')
    market.bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    await market.quiet()
    expect(unsent()).toBe(0)
    expect(market.world.store.all("SELECT ref FROM delivery WHERE ref LIKE 'm:%'")).toEqual([])
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-092: a relay answers "rate-limited" to all of ours: nothing counts as sent, ever longer pauses, then all of it', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.locked()
    await market.quiet()
    relay(0).core.faults.refuse(isOurs, 'rate-limited: slow down')
    market.bob.send('fiat-sent', { id })
    await market.passes(30 * MINUTE_MS)
    const refused = sentTo(relay(0), isFor(alice)).filter(({ fate }) => fate === 'refuse')
    // 1, 2, 4 … 60 s: about one a minute.
    expect(refused.length).toBeGreaterThan(20)
    expect(refused.length).toBeLessThan(45)
    expect(unsent()).toBe(2)
    expect(world.store.all('SELECT 1 FROM outbox_msg WHERE state = 3')).toEqual([])
    relay(0).core.faults.clear()
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test(
    'F-094a: the request to a taker is rate-limited for three days while his order waits: it is not given up, and the trade goes on',
    async () => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.offer()
      const taker = bob.nextKey()
      relay(0).core.faults.refuse(isFor(bob), 'rate-limited: slow down')
      bob.takes('take-sell', id, { key: taker })
      await world.until(() => world.standing(id) === 'waiting-buyer-invoice', 'the order is taken')
      await hours(1)
      // The daemon itself sleeps through most of it.
      world.kill()
      nobodyIsThereFor(72)
      await world.boot()
      await hours(1)
      expect(world.engine?.status().outbox).toEqual({ unsent: 1, dead: 0 })
      expect(sentTo(relay(0), isFor(bob)).length).toBeGreaterThan(100)
      expect(world.standing(id)).toBe('waiting-buyer-invoice')
      relay(0).core.faults.clear()
      await bob.hears('add-invoice', id)
      bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice()) })
      await alice.hears('pay-invoice', id)
      market.paysEscrow(id)
      await bob.hears('hold-invoice-payment-accepted', id)
      await endsWell(id)
    },
    LONG_MS,
  )

  test('F-094: every relay calls one message invalid: it is dead at once, the next one goes out, and its request is made again', async () => {
    market = await Market.open({ relays: 2 })
    const { world, alice, bob } = market
    const id = await market.offer()
    const taker = bob.nextKey()
    const lifts = world.relays.map((each) => each.core.faults.refuse(isFor(bob), 'invalid: too many tags'))
    const asked = world.clock.nowMs()
    bob.takes('take-sell', id, { key: taker })
    await world.until(() => world.alerts().some((key) => key.startsWith('dead-letter:')), 'the operator hears of it')
    expect(world.clock.nowMs() - asked).toBeLessThan(5000)
    for (const lift of lifts) lift()
    bob.send('orders', { payload: { kind: 'ids', ids: [id] } })
    await bob.hears('orders', undefined, 1, 5000)
    await bob.hears('add-invoice', id)
    expect(world.engine?.status().outbox.dead).toBe(1)
    bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice()) })
    await alice.hears('pay-invoice', id)
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    await endsWell(id)
  })
})

describe('public events', () => {
  const revisions = (n: number, id: string) => relay(n).core.events({ kinds: [38383], '#d': [id] })
  const wanted = () => market.rows<{ coord: string }>('SELECT coord FROM outbox_pub WHERE want_rev > done_rev')
  /** An order that is canceled while the second relay takes nothing public any more. */
  const lagging = async (): Promise<string> => {
    market = await Market.open({ relays: 2 })
    const id = await market.offer()
    await market.world.until(() => revisions(1, id).length === 1 && wanted().length === 0, 'both relays have the offer')
    relay(1).core.faults.onPublish((event) => (event.kind === 38383 ? { kind: 'ignore' } : null))
    market.alice.send('cancel', { id })
    await market.alice.hears('canceled', id)
    await market.passes(30 * MINUTE_MS)
    expect(market.world.published(id)).toBe('canceled')
    expect(revisions(1, id)[0]?.tags).toContainEqual(['s', 'pending'])
    expect(wanted()).toHaveLength(1)
    return id
  }

  test('F-090a: one relay lacks the newest state of an order: it is sent until the relay has it', async () => {
    const id = await lagging()
    const tries = sentTo(relay(1), ({ kind }) => kind === 38383).filter(({ fate }) => fate === 'ignore')
    expect(tries.length).toBeGreaterThan(3)
    expect(new Set(tries.map(({ event }) => event.id)).size).toBe(1)
    relay(1).core.faults.clear()
    await market.world.until(() => wanted().length === 0, 'all relays have all')
    expect(revisions(1, id)[0]?.tags).toContainEqual(['s', 'canceled'])
    await market.checkUntouched()
  })

  test('F-090a: the operator drops that relay: there is nothing more to send', async () => {
    await lagging()
    const { world } = market
    world.kill()
    world.configured = [relay(0)]
    await world.boot()
    await world.until(() => wanted().length === 0, 'the relays that count have all')
    await market.checkUntouched()
  })
})

/** Stops the daemon in order. */
async function stop(world: EngineWorld): Promise<void> {
  if (world.engine !== null) await world.settle(world.engine.stop())
  world.engine = null
}

describe('what relays send', () => {
  async function open(options: WorldOptions = {}): Promise<EngineWorld> {
    market = await Market.open(options)
    return market.world
  }

  test(
    'F-093: after a restart a relay sends three days of messages again: not one of them has an effect',
    async () => {
      const world = await open()
      const { alice, bob } = market
      await sellTradeAt(world, 'success', alice, bob)
      const carol = world.trader('carol', { transport: 1 })
      await sellTradeAt(world, 'cooperatively-canceled', carol, bob)
      await stop(world)
      nobodyIsThereFor(72)
      await world.boot()
      await world.clock.advance(MINUTE_MS)
      const rows = () => market.rows('SELECT * FROM inbox').length + market.rows('SELECT * FROM outbox_msg').length
      const before = { state: dumpState(world), rows: rows(), heard: bob.heard.length }
      const known = world.engine?.status().intake['known'] ?? 0
      const messages = relay(0).core.events({ kinds: [14, 1059], '#p': [world.nodePubkey] }).length
      expect(messages).toBeGreaterThan(8)
      relay(0).core.replay({ kinds: [14, 1059] })
      await world.clock.advance(5000)
      expect((world.engine?.status().intake['known'] ?? 0) - known).toBe(messages)
      expect({ state: dumpState(world), rows: rows(), heard: bob.heard.length }).toEqual(before)
      world.network.checkConservation()
    },
    LONG_MS,
  )

  test(
    'F-102: after an hour down, two relays have half of 500 missed messages each: all are handled once, oldest first, then timers',
    async () => {
      const limits = { ...DEFAULT_LIMITS, answersPerSecond: 1000 }
      const world = await open({ relays: 2, settings: { limits } })
      const { alice, bob } = market
      const { id } = await sellTradeAt(world, 'active', alice, bob)
      const brief = { expiresAt: BigInt(Math.floor(world.clock.nowMs() / 1000) + 1800) }
      const withdrawn = await alice.makes({ kind: 'sell', amount: 5000n, ...brief })
      const left = await alice.makes({ kind: 'sell', amount: 5000n, ...brief })
      await stop(world)
      const downS = Math.floor(world.clock.nowMs() / 1000)
      const crowd = Array.from({ length: 83 }, (_, n) => world.trader(`s${n}`, { fundingSats: 1 }))
      const events: NostrEvent[] = []
      for (const [n, stranger] of crowd.entries()) {
        stranger.nextKey()
        for (let m = 0; m < 6; m += 1)
          events.push(
            stranger.wrap('cancel', { id: left, requestId: BigInt(m + 1), createdAtS: downS + 60 + 6 * n + m }),
          )
      }
      events.push(
        bob.wrap('fiat-sent', { id, requestId: 1n, createdAtS: downS + 30 }),
        alice.wrap('release', { id, key: 1, requestId: 2n, createdAtS: downS + 1200 }),
        alice.wrap('cancel', { id: withdrawn, key: 2, requestId: 3n, createdAtS: downS + 1500 }),
      )
      // Each relay has what the other one lacks, the newest first: no half makes sense by itself.
      for (const [n, event] of events.reverse().entries()) relay(n % 2).core.inject(event)
      const jobs: string[] = []
      world.cut = (point) => {
        if (point.startsWith('commit:')) jobs.push(...point.slice('commit:'.length).split('+'))
      }
      await world.clock.advance(HOUR_MS)
      await world.boot()
      await bob.hears('purchase-completed', id)
      await alice.hears('canceled', withdrawn)
      await world.until(() => world.standing(left) === 'expired', 'what nobody took has expired')
      expect(world.standing(withdrawn)).toBe('canceled')
      const messages = jobs.filter((job) => job.startsWith('message:'))
      expect(messages).toHaveLength(events.length)
      await market.quiet()
      for (const stranger of crowd)
        expect(stranger.heard.map(({ message }) => message.requestId)).toEqual([1n, 2n, 3n, 4n, 5n, 6n])
      expect(jobs.indexOf('window-over')).toBeGreaterThan(jobs.findLastIndex((job) => job.startsWith('message:')))
      expect(world.engine?.status().intake).toMatchObject({ effect: 3, refused: events.length - 3 })
      world.network.checkConservation()
    },
    LONG_MS,
  )
})

describe('public events with a time to live', () => {
  const isRates = ({ kind }: NostrEvent): boolean => kind === KIND_RATES
  const refusals = (): readonly string[] => market.world.alerts().filter((key) => key.startsWith('public-refused:'))

  const pollsPrices = async (): Promise<void> => {
    await market.world.settle(market.world.engine?.pollPrices() ?? Promise.resolve())
  }

  test("rates that ran out before any relay took them are nobody's alert", async () => {
    market = await Market.open({ relays: 1 })
    const { world } = market
    relay(0).core.faults.refuse(isRates, 'error: not now')
    await pollsPrices()
    await world.until(() => sentTo(relay(0), isRates).length > 0, 'rates are offered')
    world.priceFault = 'down'
    await hours(2)
    relay(0).core.faults.clear()
    relay(0).core.faults.refuse(isRates, 'invalid: event expired')
    await hours(1)
    expect(sentTo(relay(0), isRates).length).toBeGreaterThan(2)
    expect(refusals()).toEqual([])
  })

  test('rates that a relay does not want at all are one', async () => {
    market = await Market.open({ relays: 1 })
    relay(0).core.faults.refuse(isRates, 'blocked: not here')
    await pollsPrices()
    await market.world.until(() => refusals().length === 1, 'the operator is told')
  })
})
