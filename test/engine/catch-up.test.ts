import { afterEach, describe, expect, test } from 'vitest'
import { EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import { type SimTrader, smallOrder } from '../support/sim-trader.ts'
import { asks, dumpState, sellTradeAt } from '../support/trade-stages.ts'

const DAY_S = 86_400

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

async function open(options: WorldOptions = {}): Promise<{ world: EngineWorld; alice: SimTrader; bob: SimTrader }> {
  world = new EngineWorld(options)
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await world.boot()
  return { world, alice, bob }
}

const nowS = (from: EngineWorld): number => Math.floor(from.clock.nowMs() / 1000)
const cursor = (from: EngineWorld, n = 0): number =>
  from.store.get<{ cursor: number }>('SELECT cursor FROM relay WHERE url = :url', { url: from.relays[n]?.url ?? '' })
    ?.cursor ?? 0

/** Stops the daemon in order. */
async function stop(from: EngineWorld): Promise<void> {
  const { engine } = from
  if (engine !== null) await from.settle(engine.stop())
  from.engine = null
}

describe('DEC-03, W34: what was missed', () => {
  test('messages that came while the daemon was down are handled at its start, in the order of their times', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await stop(world)
    const t = nowS(world)
    // Published the wrong way round: the release is worth something only after the fiat was sent.
    alice.send('release', { id, createdAtS: t + 20 })
    bob.send('fiat-sent', { id, createdAtS: t + 10 })
    await world.clock.advance(3_600_000)
    expect(world.standing(id)).toBe('active')
    await world.boot()
    await bob.hears('purchase-completed', id)
    await alice.hears('hold-invoice-payment-settled', id)
  })

  test('and while all relays were out of reach', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    for (const relay of world.relays) relay.core.faults.onDelivery((d) => (d.event.pubkey === bob.pubkey() ? [] : null))
    bob.send('fiat-sent', { id })
    await world.clock.advance(5000)
    for (const relay of world.relays) {
      relay.core.faults.clear()
      relay.core.dropConnections()
    }
    await alice.hears('fiat-sent-ok', id)
  })

  test('a relay that gives four events a page is read to the end, several events of one second included', async () => {
    const { world, alice } = await open()
    const ids: string[] = []
    for (let n = 0; n < 9; n += 1) ids.push(await alice.makes({ kind: 'sell', amount: 5000n }))
    await stop(world)
    const relay = world.relays[0]
    if (relay === undefined) throw new Error('a relay')
    relay.core.limits.maxLimit = 4
    const t = nowS(world)
    for (const [n, id] of ids.entries()) alice.send('cancel', { id, key: n + 1, createdAtS: t + Math.floor(n / 3) })
    await world.clock.advance(60_000)
    await world.boot()
    for (const id of ids) await alice.hears('canceled', id)
  })

  test('a stranger who crowds one second of a relay hides nothing that a trader sent in it', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await stop(world)
    const relay = world.relays[0]
    if (relay === undefined) throw new Error('a relay')
    relay.core.limits.maxLimit = 4
    const mallory = world.trader('mallory')
    const t = nowS(world)
    const message = bob.wrap('fiat-sent', { id, createdAtS: t })
    // A relay gives the lowest ids of a second: junk goes before the trader's message.
    const before: string[] = []
    for (let key = 1; before.length < 12; key += 1) {
      const junk = mallory.wrap('release', { id, key, createdAtS: t, transport: 2 })
      if (junk.id > message.id) continue
      before.push(junk.id)
      mallory.publish(junk)
    }
    bob.publish(message)
    await world.clock.advance(5000)
    await world.boot()
    await alice.hears('fiat-sent-ok', id)
    expect(world.alerts()).toContain(`catch-up-crowded:${relay.url}`)
  })

  test.each([
    ['fourteen seconds old is served', 14, 'new-order'],
    ['sixteen seconds old is dropped, for its client has forgotten it', 16, null],
  ] as const)('a stored new order that is %s', async (_, ageS, heard) => {
    const { world, alice } = await open()
    await stop(world)
    alice.nextKey()
    await world.clock.advance(60_000)
    const payload = { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) } as const
    alice.publish(alice.wrap('new-order', { payload, tradeIndex: 1, requestId: 1n, createdAtS: nowS(world) - ageS }))
    await world.clock.advance(100)
    await world.boot()
    await world.clock.advance(3000)
    expect(alice.actions()).toEqual(heard === null ? [] : [heard])
    expect(world.engine?.status().intake).toEqual(heard === null ? { dropped: 1 } : { effect: 1 })
  })

  test('everything else is handled however old, up to 29 days', async () => {
    const { world, alice } = await open({
      settings: { order: { ...new EngineWorld().settings.order, windowS: 60 * DAY_S, maxWindowS: 60 * DAY_S } },
    })
    const young = await alice.makes({ kind: 'sell', amount: 5000n })
    const old = await alice.makes({ kind: 'sell', amount: 5000n })
    await stop(world)
    const t = nowS(world)
    alice.publish(alice.wrap('cancel', { id: old, key: 2, createdAtS: t + 1 }))
    await world.clock.advance(30 * DAY_S * 1000)
    alice.publish(alice.wrap('cancel', { id: young, key: 1, createdAtS: t + 2 * DAY_S }))
    await world.clock.advance(1000)
    await world.boot()
    await world.until(() => world.standing(young) === 'canceled', 'the younger one is canceled')
    expect(world.standing(old)).toBe('pending')
  }, 60_000)

  test('a message from before the present take is refused: it meant an earlier one', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    const sentS = nowS(world)
    bob.send('cancel', { id })
    await bob.hears('canceled', id)
    await world.clock.advance(60_000)
    bob.takes('take-sell', id, { key: bob.key, tradeIndex: bob.key + 1, fullPrivacy: false })
    await bob.hears('add-invoice', id, 2)
    const relay = world.relays[0]
    const off = relay?.core.faults.onDelivery((d) => (d.stored ? null : []))
    bob.send('cancel', { id, createdAtS: sentS + 20, requestId: 5n })
    await world.clock.advance(2000)
    off?.()
    relay?.core.dropConnections()
    await bob.answer(5n)
    expect(bob.actions().at(-1)).toBe('cant-do:not_allowed_by_status')
    expect(world.standing(id)).toBe('waiting-buyer-invoice')
  })

  test('but what a taker sent right after a take that had to wait itself is heard', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    await stop(world)
    bob.nextKey()
    await world.clock.advance(20_000)
    const t = nowS(world)
    bob.publish(bob.wrap('take-sell', { id, tradeIndex: 1, requestId: 1n, createdAtS: t - 9 }))
    bob.publish(bob.wrap('cancel', { id, requestId: 2n, createdAtS: t - 6 }))
    await world.clock.advance(100)
    await world.boot()
    await bob.hears('canceled', id)
    expect(world.standing(id)).toBe('pending')
  })

  test('the first start is from now: what lay at the relays before is not for this node', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice')
    alice.nextKey()
    await world.clock.advance(2000)
    for (const transport of [1, 2] as const)
      alice.publish(alice.wrap('cancel', { id: '00000000-0000-4000-8000-000000000000', requestId: 1n, transport }))
    await world.clock.advance(60_000)
    await world.boot()
    await world.clock.advance(5000)
    expect(alice.heard).toEqual([])
    expect(await asks(alice, 'cancel', { id: '00000000-0000-4000-8000-000000000000' })).toBe('not_found')
  })

  test('gift wraps are found although their outer time lies days back', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n }, { transport: 1 })
    await stop(world)
    for (let n = 0; n < 5; n += 1) alice.send('cancel', { id, transport: 1, requestId: BigInt(n) })
    await world.clock.advance(3_600_000)
    await world.boot()
    await alice.hears('canceled', id)
  })

  test('a cursor moves only over what was read completely: without EOSE it stays, and the relay is asked again', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    const relay = world.relays[1]
    if (relay === undefined) throw new Error('two relays')
    await stop(world)
    const [before, stuck] = [cursor(world), cursor(world, 1)]
    relay.core.faults.withholdEose = true
    await world.clock.advance(3_600_000)
    await world.boot()
    await world.clock.advance(60_000)
    expect(cursor(world)).toBeGreaterThan(before)
    expect(cursor(world, 1)).toBe(stuck)
    relay.core.faults.withholdEose = false
    await world.clock.advance(120_000)
    expect(cursor(world, 1)).toBeGreaterThan(stuck + 3600)
    expect(world.standing(id)).toBe('active')
  })

  test('what was handled before is not handled again, whatever the overlap brings back', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    await sellTradeAt(world, 'fiat-sent', alice, bob)
    await world.clock.advance(5000)
    const before = dumpState(world)
    const heard = alice.heard.length + bob.heard.length
    await stop(world)
    await world.boot()
    await world.clock.advance(5000)
    const { process: _, blind: __, alert: ___, ...after } = dumpState(world)
    expect(after).toMatchObject({ orders: before['orders'], hold: before['hold'], users: before['users'] })
    expect(alice.heard.length + bob.heard.length).toBe(heard)
    expect(world.engine?.status().intake['known']).toBeGreaterThan(0)
  })

  test('live messages wait behind what was missed', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await stop(world)
    bob.send('fiat-sent', { id })
    await world.clock.advance(30_000)
    const booting = world.boot()
    await world.clock.advance(100)
    alice.send('release', { id })
    await booting
    await bob.hears('purchase-completed', id)
  })

  test('a flood beyond what the daemon takes in at once waits in the sockets; not one message of it is lost', async () => {
    const limits = { ...new EngineWorld().settings.limits, intakeDepth: 20 }
    const { world, alice } = await open({
      settings: { limits: { ...limits, answersPerKeyPerMinute: 1000, answersPerSecond: 1000, laneDepth: 500 } },
    })
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    await world.clock.advance(2000)
    const requests = Array.from({ length: 200 }, () => alice.send('orders', { payload: { kind: 'ids', ids: [id] } }))
    for (const request of requests) await alice.answer(request, 300_000)
  })
})

describe('DEC-36: another daemon on our key', () => {
  /** What a second daemon would say of itself. */
  function rivalInfo(from: EngineWorld, atS: number): void {
    const info = from.relays[0]?.core.events({ kinds: [38385] })[0]
    if (info === undefined) throw new Error('the node has said what it is')
    const { id: _, sig: __, pubkey: ___, ...template } = info
    from.relays[0]?.core.inject(from.signAsNode({ ...template, created_at: atS }))
  }

  test('F-060a: an info event under our key that we did not make halts takes and payouts and alerts the operator', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    await world.clock.advance(10_000)
    rivalInfo(world, nowS(world) + 30)
    await world.until(() => world.alerts().includes('rival-instance'), 'the rival is noticed')
    expect(await asks(bob, 'take-sell', { id, key: bob.nextKey(), tradeIndex: 1 })).toBe('pending_order_exists')
    expect(world.standing(id)).toBe('pending')
    expect(await asks(alice, 'cancel', { id })).toBe('canceled')
  })

  test('beside a rival the daemon does not start', async () => {
    const { world } = await open()
    await world.clock.advance(10_000)
    await stop(world)
    rivalInfo(world, nowS(world) + 5)
    await expect(world.boot()).rejects.toThrow(/--i-am-the-only-one/)
  })
})
