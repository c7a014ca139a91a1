import { afterEach, describe, expect, test } from 'vitest'
import type { Payload, RestoredOrder } from '../../src/core/protocol.ts'
import { ADDRESS_HOST, EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import type { SimTrader } from '../support/sim-trader.ts'
import { asks, dumpState, STAGES, sellTradeAt } from '../support/trade-stages.ts'

const KIND_RATING = 38384
const LISTEN_MS = 3000

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

const stars = (rating: number): Payload => ({ kind: 'rating_user', rating })
const generous = () => ({ ...new EngineWorld().settings.limits, answersPerKeyPerMinute: 1000 })

describe('ratings', () => {
  const ratingEvents = (from: EngineWorld) => from.relays[0]?.core.events({ kinds: [KIND_RATING] }) ?? []
  const tag = (tags: readonly (readonly string[])[], name: string) => tags.find((t) => t[0] === name)?.[1]

  test('DEC-11, W47: the public rating is filed under the rated trade key, not the rater, not the identity', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    bob.send('rate-user', { id, payload: stars(4) })
    await bob.hears('rate-received', id)
    await world.until(() => ratingEvents(world).length === 1, 'the rating is public')
    const [event] = ratingEvents(world)
    expect(tag(event?.tags ?? [], 'd')).toBe(alice.pubkey())
    expect(tag(event?.tags ?? [], 'y')).toBe('mostro')
    expect(tag(event?.tags ?? [], 'z')).toBe('rating')
    expect(JSON.stringify(event)).not.toContain(alice.identity)
  })

  test('DEC-12: the average is the corrected running mean', async () => {
    const { world, alice, bob } = await open({ settings: { limits: generous() } })
    for (const rating of [5, 4, 1]) {
      const { id } = await sellTradeAt(world, 'success', alice, bob)
      bob.send('rate-user', { id, payload: stars(rating) })
      await bob.hears('rate-received', id)
    }
    const user = world.store.s.user_get({ identity: alice.identity })
    expect(user).toMatchObject({ total_reviews: 3, total_rating: 2.5, last_rating: 1, min_rating: 1, max_rating: 5 })
  })

  test('W39: a rating that was acknowledged is public after a crash, and no relay that is slow holds anything up', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    world.cut = (point) => {
      if (point.includes('message:rate-user')) world.kill()
    }
    bob.send('rate-user', { id, payload: stars(5) })
    await world.until(() => world.engine === null, 'the power goes after the commit')
    world.cut = () => undefined
    await world.boot()
    await bob.hears('rate-received', id)
    await world.until(() => ratingEvents(world).length === 1, 'the rating is public')
  })

  test('W47: a repeat is acknowledged and counts once', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    expect(await asks(bob, 'rate-user', { id, payload: stars(5) })).toBe('rate-received')
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    expect(await asks(bob, 'rate-user', { id, payload: stars(1) })).toBe('rate-received')
    expect(dumpState(world)).toEqual(before)
  })

  test('W47: somebody in full privacy is rated without a trace, and the rater hears that it arrived', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob, { make: { fullPrivacy: true } })
    expect(await asks(bob, 'rate-user', { id, payload: stars(5) })).toBe('rate-received')
    await world.clock.advance(LISTEN_MS)
    expect(ratingEvents(world)).toEqual([])
    expect(world.store.s.user_get({ identity: alice.identity })).toBeUndefined()
  })

  test('the seller rates as soon as his part is done; the buyer when he has been paid; a stranger never', async () => {
    const { world, alice, bob } = await open()
    const carol = world.trader('carol')
    carol.nextKey()
    const { id } = await sellTradeAt(world, 'settled-hold-invoice', alice, bob)
    expect(await asks(bob, 'rate-user', { id, payload: stars(5) })).toBe('invalid_order_status')
    expect(await asks(carol, 'rate-user', { id, payload: stars(1) })).toBe('invalid_order_status')
    expect(await asks(alice, 'rate-user', { id, payload: stars(5) })).toBe('rate-received')
  })

  test.each([0, 6, 255])('%i stars are no rating', async (rating) => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    expect(await asks(bob, 'rate-user', { id, payload: stars(rating) })).toBe('invalid_rating')
    expect(dumpState(world)).toEqual(before)
  })

  test('a request id that was not sent is not made up', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    bob.send('rate-user', { id, payload: stars(5), requestId: null })
    expect((await bob.hears('rate-received', id)).requestId).toBe(null)
  })

  test('a maker learns the reputation of who takes his next order', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    alice.send('rate-user', { id, payload: stars(4) })
    await alice.hears('rate-received', id)
    const next = await sellTradeAt(world, 'waiting-payment', alice, bob)
    const notice = alice.all('pay-invoice', next.id).find((m) => m.payload?.kind === 'peer')
    expect(notice?.payload?.kind === 'peer' && notice.payload.peer).toEqual({
      pubkey: '',
      reputation: { rating: 2, reviews: 1n, operatingDays: 0n },
    })
  })
})

describe('what a client may learn of its own trades', () => {
  const restored = (trader: SimTrader): readonly RestoredOrder[] => {
    const payload = trader.all('restore-session').at(-1)?.payload
    return payload?.kind === 'restore_data' ? payload.orders : []
  }

  test('DEC-13, W40: a restored session has every trade under way, and none that is over', async () => {
    const { world, alice } = await open({ settings: { limits: generous() } })
    const buyers = STAGES.map((_, n) => world.trader(`b${n}`))
    const ids: string[] = []
    // The window that has to end first takes a day, and nobody else should wait through it.
    for (const [n, stage] of (['expired', ...STAGES.filter((s) => s !== 'expired')] as const).entries()) {
      const buyer = buyers[n]
      if (buyer !== undefined) ids.push((await sellTradeAt(world, stage, alice, buyer)).id)
    }
    await world.clock.advance(LISTEN_MS)
    const standing = new Map(ids.map((id) => [id, world.standing(id)]))
    const over = ['expired', 'success', 'canceled', 'cooperatively-canceled']
    const under = ids.filter((id) => !over.includes(standing.get(id) ?? ''))
    expect(under.length).toBe(6)
    const key = alice.nextKey()
    alice.send('restore-session', { key, requestId: 5n })
    const answer = await alice.hears('restore-session')
    expect([answer.outer, answer.requestId, answer.tradeIndex, answer.id]).toEqual(['restore', null, null, null])
    expect(
      restored(alice)
        .map((o) => [o.orderId, o.status, Number(o.tradeIndex)])
        .sort(),
    ).toEqual(under.map((id) => [id, standing.get(id), ids.indexOf(id) + 1]).sort())
  })

  test('DEC-13: an order without a trade index is left out, and the answer comes all the same', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    const lost = await sellTradeAt(world, 'pending', alice, bob)
    world.store.run('UPDATE orders SET maker_index = NULL WHERE id = :id', { id: lost.id })
    alice.send('restore-session', {})
    await alice.hears('restore-session')
    expect(restored(alice).map((o) => o.orderId)).toEqual([id])
  })

  test('a stranger gets an empty session, and is told that he has no index', async () => {
    const { alice } = await open()
    alice.nextKey()
    alice.send('restore-session', {})
    const answer = await alice.hears('restore-session')
    expect(answer.payload).toEqual({ kind: 'restore_data', orders: [], disputes: [] })
    expect(await asks(alice, 'last-trade-index', {})).toBe('not_found')
  })

  test('the last trade index is told in the message itself', async () => {
    const { alice } = await open()
    await alice.makes({ kind: 'sell', amount: 5000n }, { key: 1, tradeIndex: 41 })
    const answer = await alice.answer(alice.send('last-trade-index', { key: 1 }))
    expect([answer.outer, answer.action, answer.tradeIndex, answer.payload]).toEqual([
      'restore',
      'last-trade-index',
      41n,
      null,
    ])
  })

  test('orders: the own ones in the asked order, each once, without invoices; foreign and unknown ones are left out', async () => {
    const { world, alice, bob } = await open()
    const carol = world.trader('carol')
    const mine = await sellTradeAt(world, 'active', alice, bob)
    const canceled = await sellTradeAt(world, 'canceled', alice, bob)
    const foreign = await carol.makes({ kind: 'sell', amount: 5000n })
    const ids = [canceled.id, foreign, mine.id, '00000000-0000-4000-8000-000000000000', mine.id]
    const answer = await alice.answer(alice.send('orders', { payload: { kind: 'ids', ids } }))
    const given = answer.payload?.kind === 'orders' ? answer.payload.orders : []
    expect(given.map((o) => [o.id, o.status])).toEqual([
      [canceled.id, 'canceled'],
      [mine.id, 'active'],
    ])
    expect(given.map((o) => o.buyerInvoice)).toEqual([null, null])
    expect(await asks(alice, 'orders', { payload: { kind: 'ids', ids: [foreign] } })).toBe('not_found')
  })

  test('DEC-13: fifty ids are answered in full, fifty-one are too many', async () => {
    const limits = { ...generous(), openOrdersPerIdentity: 60 }
    const { alice } = await open({ settings: { limits } })
    const ids: string[] = []
    for (let n = 0; n < 51; n += 1) ids.push(await alice.makes({ kind: 'sell', amount: 5000n }))
    const answer = await alice.answer(alice.send('orders', { payload: { kind: 'ids', ids: ids.slice(0, 50) } }))
    expect(answer.payload?.kind === 'orders' && answer.payload.orders.length).toBe(50)
    expect(await asks(alice, 'orders', { payload: { kind: 'ids', ids } })).toBe('too_many_requests')
  })
})

describe('the development fee in public', () => {
  test('W45: what was paid is announced after a crash as well, once', async () => {
    const { world, alice, bob } = await open({
      settings: { devFee: { percentage: 0.3, address: `dev@${ADDRESS_HOST}` } },
    })
    world.trader('dev')
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    const dev = world.network.wallet('dev')
    world.cut = (point) => {
      if (point.startsWith('commit:') && dev.received().length > 0) world.kill()
    }
    await world.until(() => world.engine === null || dev.received().length > 0, 'the fee is paid', 4_000_000)
    await world.clock.advance(10_000)
    world.cut = () => undefined
    if (world.engine === null) await world.boot()
    const told = () =>
      (world.relays[0]?.core.events({ kinds: [8383] }) ?? []).filter((e) => JSON.stringify(e).includes(id))
    await world.until(() => told().length > 0, 'the fee is announced')
    await world.clock.advance(60_000)
    expect(told().length).toBe(1)
    expect(dev.received().length).toBe(1)
  })
})
