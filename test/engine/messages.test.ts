import { afterEach, describe, expect, test } from 'vitest'
import { ADDRESS_HOST, EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import { paymentRequest, type SimTrader, smallOrder } from '../support/sim-trader.ts'
import { asks, dumpState, payoutInvoice, paysEscrow, reasonFor, sellTradeAt } from '../support/trade-stages.ts'

const NOWHERE = '00000000-0000-4000-8000-000000000000'
const HOUR_MS = 3_600_000

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

const toAlice = (alice: SimTrader) => (event: { readonly tags: readonly (readonly string[])[] }) =>
  event.tags.some((t) => t[0] === 'p' && t[1] === alice.pubkey())

const unsent = (from: EngineWorld): number => from.engine?.status().outbox.unsent ?? -1

describe('answers reach their readers', () => {
  test('W24: what no relay took is not counted as sent; it goes out when one takes it', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    for (const relay of world.relays) relay.core.faults.refuse(toAlice(alice), 'error: database is down')
    bob.send('fiat-sent', { id })
    await bob.hears('fiat-sent-ok', id)
    await world.clock.advance(300_000)
    expect(alice.all('fiat-sent-ok')).toEqual([])
    expect(unsent(world)).toBe(1)
    world.relays[1]?.core.faults.clear()
    await alice.hears('fiat-sent-ok', id)
    await world.until(() => unsent(world) === 0, 'nothing waits')
  })

  test('F-103, W28: one slow relay, one slow address and one slow trader hold nobody else up', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    world.relays[0]?.core.faults.onDelay(() => 9000)
    world.addressLatencyMs = 7000
    bob.send('add-invoice', { id, payload: paymentRequest(`bob@${ADDRESS_HOST}`) })
    const started = world.clock.nowMs()
    for (let n = 0; n < 5; n += 1) await alice.makes({ kind: 'sell', amount: 5000n })
    expect(world.clock.nowMs() - started).toBeLessThan(3000)
    await bob.hears('waiting-seller-to-pay', id)
  })

  test('W29: what was decided is said after a crash, from what the crash left on disk', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    world.cut = (point) => {
      if (point === 'before:relays.publish') world.kill()
    }
    bob.send('add-invoice', { id, payload: paymentRequest(payoutInvoice(bob)) })
    await world.until(() => world.engine === null, 'the power goes before anything is sent')
    expect(alice.all('pay-invoice', id)).toEqual([])
    world.cut = () => undefined
    await world.boot()
    await paysEscrow(world, alice, id)
    await bob.hears('hold-invoice-payment-accepted', id)
  })

  test('W29: a taker who takes again the order that waits for him is told again what he owes', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    const before = dumpState(world)
    bob.send('take-sell', { id, requestId: null, tradeIndex: bob.key })
    await bob.hears('add-invoice', id, 2)
    expect(dumpState(world)).toEqual(before)
  })

  test('F-094, W30: a message that every relay refuses for good is dead at once, alerts, and holds up nothing behind it', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    const stop = world.relays.map((relay) => relay.core.faults.refuse(toAlice(alice), 'blocked: not here'))
    bob.send('fiat-sent', { id })
    await world.until(() => world.alerts().some((a) => a.startsWith('dead-letter:')), 'the operator hears of it')
    for (const again of stop) again()
    bob.send('cancel', { id })
    await alice.hears('cooperative-cancel-initiated-by-peer', id)
    expect(alice.all('fiat-sent-ok')).toEqual([])
  })

  test('C-61: a relay that took an answer and died before its OK gets the very same event again', async () => {
    const { world, alice } = await open()
    const core = world.relays[0]?.core
    core?.faults.onPublish((event) => (toAlice(alice)(event) ? { kind: 'lose-ok' } : null))
    alice.nextKey()
    const payload = { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) } as const
    alice.send('new-order', { payload, tradeIndex: 1 })
    await alice.hears('new-order')
    world.kill()
    core?.faults.clear()
    await world.boot()
    await world.until(() => unsent(world) === 0, 'nothing waits')
    const sent = core?.log().filter((e) => e.kind === 'event' && toAlice(alice)(e.event)) ?? []
    expect(sent.length).toBeGreaterThanOrEqual(2)
    expect(new Set(sent.map((e) => (e.kind === 'event' ? e.event.id : ''))).size).toBe(1)
    expect(alice.actions()).toEqual(['new-order'])
  })

  test('C-63, F-090: with all relays gone for half a day the money goes on and the words wait, in order', async () => {
    const { world, alice, bob } = await open({ relays: 2 })
    const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
    const heard = bob.heard.length
    world.cut = (point) => {
      // The relays go in the moment in which the release is decided.
      if (point.includes('message:release')) for (const relay of world.relays) relay.goAway().catch(() => undefined)
    }
    alice.send('release', { id })
    await world.until(() => world.standing(id) === 'success', 'the buyer is paid')
    world.cut = () => undefined
    for (let hour = 0; hour < 12; hour += 1) await world.clock.advance(HOUR_MS)
    expect(bob.heard.length).toBe(heard)
    for (const relay of world.relays) await relay.comeBack()
    await bob.hears('rate', id, 1, HOUR_MS)
    // A relay gives what it has stored newest first; the times tell the order in which it was said.
    const said = bob.heard.slice(heard).sort((x, y) => x.createdAtS - y.createdAtS)
    expect(said.map((h) => h.message.action)).toEqual(['released', 'purchase-completed', 'rate'])
    await alice.hears('rate', id, 1, HOUR_MS)
    world.network.checkConservation()
  }, 60_000)

  test('messages to one reader keep their order and their times rise, however many are said at once', async () => {
    const { alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const requests = [1n, 2n, 3n, 4n, 5n].map((requestId) =>
      alice.send('orders', { requestId, payload: { kind: 'ids', ids: [id] } }),
    )
    await alice.answer(requests.at(-1) ?? 0n)
    const times = alice.heard.map((h) => h.createdAtS)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(new Set(times).size).toBe(times.length)
  })
})

describe('one message, one transaction', () => {
  test('W35: who loses a race for an order hears only that; the maker hears only of the winner', async () => {
    const { world, alice, bob } = await open()
    const carol = world.trader('carol')
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const answers = await Promise.all([
      reasonFor(bob, bob.takes('take-sell', id)),
      reasonFor(carol, carol.takes('take-sell', id)),
    ])
    expect([...answers].sort()).toEqual(['add-invoice', 'invalid_order_status'])
    await world.clock.advance(5000)
    expect(alice.all('waiting-buyer-invoice', id).length).toBe(1)
    const loser = answers[0] === 'add-invoice' ? carol : bob
    expect(loser.actions()).toEqual(['cant-do:invalid_order_status'])
  })

  test('W36: a take that Lightning can not serve is refused in time, and the same index is welcome afterwards', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    const key = bob.nextKey()
    world.network.faults.always('AddHoldInvoice', { kind: 'swallow' })
    const take = () => bob.takes('take-sell', id, { key, tradeIndex: key, payload: paymentRequest(payoutInvoice(bob)) })
    const started = world.clock.nowMs()
    expect(await reasonFor(bob, take())).toBe('pending_order_exists')
    expect(world.clock.nowMs() - started).toBeLessThan(10_000)
    expect(world.standing(id)).toBe('pending')
    expect(world.published(id)).toBe('pending')
    expect(bob.actions()).toEqual(['cant-do:pending_order_exists'])
    world.network.faults.clear()
    await world.clock.advance(60_000)
    expect(await reasonFor(bob, take())).toBe('waiting-seller-to-pay')
  })

  test('W36, DEC-35: while Lightning is down a take is refused at once; what needs no Lightning is served', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    world.network.node.stop('kill')
    await world.clock.advance(120_000)
    expect(await reasonFor(bob, bob.takes('take-sell', id))).toBe('pending_order_exists')
    expect(await asks(alice, 'cancel', { id })).toBe('canceled')
    world.network.node.start()
  })

  test('W37, DEC-19: a sell order that is taken with an invoice leaves the book in public', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 100_000n })
    bob.takes('take-sell', id, { payload: paymentRequest(payoutInvoice(bob)) })
    await bob.hears('waiting-seller-to-pay', id)
    await world.until(() => world.published(id) === 'in-progress', 'published in progress')
  })

  test('W38: an order that was committed is acknowledged and on the book, wherever the power went', async () => {
    const { world, alice } = await open()
    world.cut = (point) => {
      if (point.includes('message:new-order')) world.kill()
    }
    alice.nextKey()
    const asked = alice.send('new-order', {
      payload: { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) },
      tradeIndex: 1,
    })
    await world.until(() => world.engine === null, 'the power goes after the commit')
    world.cut = () => undefined
    await world.boot()
    const answer = await alice.answer(asked)
    await world.until(() => world.published(answer.id ?? '') === 'pending', 'it is on the book')
  })

  test('W38: who loses never advertises a status that was not', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    bob.takes('take-sell', id)
    alice.send('cancel', { id })
    await world.until(() => world.standing(id) === 'canceled', 'canceled')
    await world.clock.advance(10_000)
    expect(world.published(id)).toBe('canceled')
    expect(await reasonFor(bob, bob.takes('take-sell', id))).toBe('invalid_order_status')
    expect(world.published(id)).toBe('canceled')
  })

  test('C-64: an answer that waits for Lightning survives the power, and the request repeated finds it', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 100_000n })
    const take = { payload: paymentRequest(payoutInvoice(bob)), key: bob.nextKey(), tradeIndex: 1, requestId: 77n }
    world.cut = (point) => {
      if (point === 'before:relays.publish' && world.standing(id) === 'waiting-payment') world.kill()
    }
    bob.takes('take-sell', id, take)
    await world.until(() => world.engine === null, 'the power goes between adoption and answer')
    world.cut = () => undefined
    await world.boot()
    bob.takes('take-sell', id, { ...take, createdAtS: Math.floor(world.clock.nowMs() / 1000) + 1 })
    await bob.hears('waiting-seller-to-pay', id, 2)
    expect(new Set(bob.heard.map((h) => h.eventId)).size).toBe(2)
    expect(bob.heard.every((h) => h.message.requestId === 77n)).toBe(true)
  })

  test('C-65: a take whose time ran out while the power was gone is undone at the start and is a new try', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 100_000n })
    const take = { payload: paymentRequest(payoutInvoice(bob)), key: bob.nextKey(), tradeIndex: 1, requestId: 77n }
    world.network.faults.always('AddHoldInvoice', { kind: 'swallow' })
    bob.takes('take-sell', id, take)
    await world.until(() => world.standing(id) === 'pending/opening', 'the take opens')
    world.kill()
    await world.clock.advance(60_000)
    world.network.faults.clear()
    await world.boot()
    await bob.hears('cant-do', id)
    expect(world.standing(id)).toBe('pending')
    bob.takes('take-sell', id, take)
    await bob.hears('waiting-seller-to-pay', id)
  })

  test('W49: thirty takes open no second store and no second channel to Lightning', async () => {
    const { world, alice, bob } = await open()
    const calls = world.network.faults.calls('GetVersion') + world.network.faults.calls('SubscribeInvoices')
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    for (let n = 0; n < 30; n += 1) {
      expect(await reasonFor(bob, bob.takes('take-sell', id))).toBe('add-invoice')
      bob.send('cancel', { id })
      await world.until(() => world.standing(id) === 'pending', 'back on the book')
    }
    expect(world.network.faults.calls('GetVersion') + world.network.faults.calls('SubscribeInvoices')).toBe(calls)
  })
})

describe('poison', () => {
  test('C-62, F-101: a message that kills the daemon twice is put aside with an alert; the others are handled', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const kept = await bob.makes({ kind: 'buy', amount: 5000n })
    world.losesPowerBefore = (jobs) => jobs.includes('message:fiat-sent')
    const poison = bob.send('fiat-sent', { id })
    await world.until(() => world.engine === null, 'it kills the daemon')
    for (let crash = 1; crash <= 2; crash += 1) {
      await world.boot().catch(() => undefined)
      await world.until(() => world.engine === null, `it kills the daemon again (${crash})`)
    }
    alice.send('cancel', { id })
    bob.send('cancel', { id: kept })
    await world.boot()
    await alice.hears('canceled', id)
    await bob.hears('canceled', kept)
    expect(world.alerts().filter((a) => a.startsWith('quarantine:')).length).toBe(1)
    expect(world.store.all('SELECT 1 FROM inbox WHERE verdict = :v', { v: 'quarantined' }).length).toBe(1)
    expect(bob.heard.some((h) => h.message.requestId === poison)).toBe(false)
  })

  test('nobody is blamed for a power cut: twelve cancels survive two in a row, whatever was in hand', async () => {
    const { world, alice } = await open()
    const makers = Array.from({ length: 12 }, (_, n) => world.trader(`maker ${n}`))
    const offers = await Promise.all(
      makers.map(async (maker) => ({ maker, id: await maker.makes({ kind: 'sell', amount: 5000n }) })),
    )
    world.losesPowerBefore = (jobs) => jobs.includes('message:cancel')
    for (const { maker, id } of offers) maker.send('cancel', { id })
    await world.until(() => world.engine === null, 'the power goes')
    for (let cut = 1; cut <= 2; cut += 1) {
      await world.boot().catch(() => undefined)
      await world.until(() => world.engine === null, `the power goes again (${cut})`)
    }
    world.losesPowerBefore = () => false
    await world.boot()
    for (const { maker, id } of offers) await maker.hears('canceled', id)
    expect(world.alerts().filter((a) => a.startsWith('quarantine:'))).toEqual([])
    await alice.makes({ kind: 'sell', amount: 5000n })
  })

  test('a message that was in hand once and never came again slows no later start', async () => {
    const { world } = await open()
    const makers = Array.from({ length: 12 }, (_, n) => world.trader(`maker ${n}`))
    const offers = await Promise.all(
      makers.map(async (maker) => ({ maker, id: await maker.makes({ kind: 'sell', amount: 5000n }) })),
    )
    world.store.s.in_hand_put({ outer: 'gone from the relays' })
    expect(world.store.s.in_hand_boot()).toEqual([{ outer_id: 'gone from the relays', exits: 1 }])
    const { engine } = world
    if (engine !== null) await world.settle(engine.stop())
    for (const { maker, id } of offers) maker.send('cancel', { id })
    const commits: string[] = []
    world.cut = (point) => void (point.includes('message:cancel') && commits.push(point))
    await world.boot()
    for (const { maker, id } of offers) await maker.hears('canceled', id)
    expect(commits).toHaveLength(1)
  })

  test('F-101, DEC-04: a handler that fails is rolled back, answered, and the operator hears of it; the next message is fine', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await world.clock.advance(3000)
    const { alert: _, ...before } = dumpState(world)
    const payload = paymentRequest(payoutInvoice(bob))
    world.addresses.looksLikeAddress = () => {
      throw new Error('trouble')
    }
    expect(await asks(bob, 'add-invoice', { id, payload })).toBe('too_many_requests')
    const { alert: __, ...after } = dumpState(world)
    expect(after).toEqual(before)
    expect(world.alerts()).toEqual(['handler-failed:add-invoice'])
    world.addresses.looksLikeAddress = () => false
    expect(await asks(bob, 'add-invoice', { id, payload })).toBe('waiting-seller-to-pay')
  })
})

describe('DEC-04: silence and its limits', () => {
  test('six refusals a minute per key, then silence; the next minute is a new one, and other keys are not meant', async () => {
    const { world, alice, bob } = await open()
    alice.nextKey()
    bob.nextKey()
    await world.clock.advance(60_000 - (world.clock.nowMs() % 60_000))
    for (let n = 0; n < 10; n += 1) {
      alice.send('cancel', { id: NOWHERE })
      await world.clock.advance(1000)
    }
    expect(alice.actions()).toEqual(Array(6).fill('cant-do:not_found'))
    expect(await asks(bob, 'cancel', { id: NOWHERE })).toBe('not_found')
    await world.clock.advance(60_000)
    expect(await asks(alice, 'cancel', { id: NOWHERE })).toBe('not_found')
  })

  test('what a trader achieves is always answered, limits or not', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    await world.clock.advance(60_000 - (world.clock.nowMs() % 60_000))
    for (let n = 0; n < 10; n += 1) alice.send('fiat-sent', { id })
    await world.clock.advance(3000)
    expect(await asks(alice, 'cancel', { id })).toBe('canceled')
  })

  test('fifty refusals a second in all', async () => {
    const { world } = await open()
    const crowd = Array.from({ length: 70 }, (_, n) => world.trader(`s${n}`, { fundingSats: 1 }))
    for (const trader of crowd) trader.nextKey()
    await world.clock.advance(3000)
    await world.clock.advance(1000 - (world.clock.nowMs() % 1000) + 100)
    for (const trader of crowd) trader.send('cancel', { id: NOWHERE })
    await world.clock.advance(5000)
    const refused = world.engine?.status().intake['refused']
    expect(refused).toBe(70)
    const answered = crowd.filter((trader) => trader.heard.length > 0).length
    expect(answered).toBe(50)
  })

  test('questions count too: a key that asks on and on gets six answers a minute', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    await world.clock.advance(60_000 - (world.clock.nowMs() % 60_000))
    for (let n = 0; n < 10; n += 1) {
      alice.send('orders', { payload: { kind: 'ids', ids: [id] } })
      await world.clock.advance(1000)
    }
    expect(alice.all('orders').length).toBe(6)
  })

  test('more than eight messages of one key in one moment: the rest is refused, not forgotten without a word', async () => {
    const { world, alice, bob } = await open({
      settings: { limits: { ...new EngineWorld().settings.limits, answersPerKeyPerMinute: 100 } },
    })
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    world.addressLatencyMs = 3000
    bob.send('add-invoice', { id, payload: paymentRequest(`bob@${ADDRESS_HOST}`) })
    await world.clock.advance(100)
    const more = Array.from({ length: 12 }, () => bob.send('orders', { payload: { kind: 'ids', ids: [id] } }))
    const answers = await Promise.all(more.map((request) => reasonFor(bob, request)))
    expect(answers.filter((a) => a === 'orders').length).toBe(8)
    expect(answers.filter((a) => a === 'too_many_requests').length).toBe(4)
  })

  test.each([
    ['an eleven minute old clock', -660, 'invalid_parameters'],
    ['a nine minute old clock', -540, 'new-order'],
    ['a clock nine minutes ahead', 540, 'new-order'],
  ] as const)('DEC-03: a live order from %s', async (_, skewS, heard) => {
    const { world, alice } = await open()
    const key = alice.nextKey()
    const payload = { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) } as const
    const createdAtS = Math.floor(world.clock.nowMs() / 1000) + skewS
    expect(await asks(alice, 'new-order', { payload, key, tradeIndex: key, createdAtS })).toBe(heard)
  })

  test('DEC-03: a message from more than ten minutes ahead does nothing, gets no answer, and is counted', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const ahead = Math.floor(world.clock.nowMs() / 1000) + 700
    alice.send('cancel', { id, createdAtS: ahead, requestId: 5n })
    await world.clock.advance(3000)
    expect(world.standing(id)).toBe('pending')
    expect(world.engine?.status().intake['early']).toBe(1)
    expect(alice.actions()).toEqual(['new-order'])
  })
})

describe('DEC-05: repeated requests', () => {
  test('a repeat while its effect is pending is absorbed and answered once', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 100_000n })
    world.network.faults.next('AddHoldInvoice', { kind: 'slow', ms: 3000 })
    const take = { payload: paymentRequest(payoutInvoice(bob)), key: bob.nextKey(), tradeIndex: 1, requestId: 9n }
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    for (let n = 0; n < 3; n += 1) {
      bob.takes('take-sell', id, { ...take, createdAtS: nowS + n, transport: n === 2 ? 1 : 2 })
      await world.clock.advance(500)
    }
    await bob.hears('waiting-seller-to-pay', id)
    await world.clock.advance(5000)
    expect(bob.actions()).toEqual(['waiting-seller-to-pay'])
    expect(world.engine?.status().intake['repeat']).toBe(2)
    expect(world.network.node.invoices().length).toBe(1)
  })

  test('F-100: a repeat of what is still true gets the same answer as a new event with a fresh time', async () => {
    const { world, alice } = await open()
    const key = alice.nextKey()
    const ask = (createdAtS: number) =>
      alice.send('new-order', {
        payload: { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) },
        key,
        tradeIndex: key,
        requestId: 9n,
        createdAtS,
      })
    ask(Math.floor(world.clock.nowMs() / 1000))
    await alice.hears('new-order')
    await world.clock.advance(60_000)
    ask(Math.floor(world.clock.nowMs() / 1000))
    await alice.hears('new-order', undefined, 2)
    const [first, second] = alice.heard
    expect(second?.message).toEqual(first?.message)
    expect(second?.eventId).not.toBe(first?.eventId)
    expect((second?.createdAtS ?? 0) - (first?.createdAtS ?? 0)).toBeGreaterThanOrEqual(60)
    expect(world.store.get<{ n: number }>('SELECT COUNT(*) AS n FROM orders')?.n).toBe(1)
  })

  test('the answer of a repeat is for the transport that the repeat came by', async () => {
    const { world, alice } = await open()
    const key = alice.nextKey()
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    const payload = { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) } as const
    const ask = { payload, key, tradeIndex: key, requestId: 9n }
    alice.send('new-order', { ...ask, createdAtS: nowS })
    await alice.hears('new-order')
    alice.send('new-order', { ...ask, createdAtS: nowS + 1, transport: 1 })
    await alice.hears('new-order', undefined, 2)
    expect(alice.heard.map((h) => h.message.version)).toEqual([2, 1])
  })

  test('F-100: a repeat of what is no longer true is handled from the present state', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    const take = { key: bob.nextKey(), tradeIndex: 1, requestId: 9n }
    bob.takes('take-sell', id, take)
    await bob.hears('add-invoice', id)
    alice.send('cancel', { id })
    await bob.hears('canceled', id)
    bob.takes('take-sell', id, { ...take, createdAtS: Math.floor(world.clock.nowMs() / 1000) })
    await bob.hears('cant-do', id)
    expect(bob.actions().at(-1)).toBe('cant-do:invalid_trade_index')
  })

  test('after a day a request is a new one', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob, { order: { expiresAt: 1_790_000_000n } })
    expect(await asks(alice, 'trade-pubkey', { id, requestId: 3n })).toBe('trade-pubkey')
    const events = alice.heard.length
    for (let hours = 0; hours < 25; hours += 1) await world.clock.advance(HOUR_MS)
    alice.send('trade-pubkey', { id, requestId: 3n })
    await alice.hears('trade-pubkey', id, 2)
    expect(alice.heard.length).toBe(events + 1)
    expect(world.engine?.status().intake['repeat']).toBeUndefined()
  })

  test('without a request id only the event itself is known again: the same words twice are two messages', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    const first = bob.wrap('cancel', { id, createdAtS: nowS })
    bob.publish(first)
    await bob.hears('cooperative-cancel-initiated-by-you', id)
    bob.publish(first)
    await world.clock.advance(3000)
    expect(bob.all('cant-do')).toEqual([])
    bob.send('cancel', { id, requestId: null, createdAtS: nowS + 5 })
    await bob.hears('cant-do', id)
    expect(bob.actions().at(-1)).toBe('cant-do:invalid_pubkey')
  })

  test('F-100: questions are answered afresh every time, with the same request id too', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const ask = () => alice.send('orders', { requestId: 4n, payload: { kind: 'ids', ids: [id] } })
    ask()
    await alice.hears('orders')
    alice.send('cancel', { id })
    await alice.hears('canceled', id)
    await world.clock.advance(2000)
    ask()
    const fresh = await alice.hears('orders', undefined, 2)
    expect(fresh.payload?.kind === 'orders' && fresh.payload.orders[0]?.status).toBe('canceled')
  })
})

describe('what leaves the daemon', () => {
  test('W50: no preimage, no money seed and no key is in any log line, message or public event', async () => {
    const lines: string[] = []
    const keep = (event: string, fields?: unknown) => lines.push(`${event} ${JSON.stringify(fields ?? {})}`)
    const { world, alice, bob } = await open({ log: { debug: keep, info: keep, warn: keep, error: keep } })
    const { id } = await sellTradeAt(world, 'success', alice, bob)
    const secrets = world.network.node.payments().flatMap((p) => (p.preimage === null ? [] : [p.preimage]))
    expect(secrets.length).toBe(1)
    const events = world.relays[0]?.core.events() ?? []
    const messages = [...alice.heard, ...bob.heard].map((h) =>
      JSON.stringify(h.message, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)),
    )
    const said = [...lines, ...messages, ...events.map((e) => JSON.stringify(e))].join('\n')
    for (const secret of [...secrets, '07'.repeat(32)]) expect(said).not.toContain(secret)
    for (const row of world.store.all<Record<string, unknown>>('SELECT * FROM orders'))
      expect(Object.keys(row)).not.toContain('preimage')
    expect(lines.join('\n')).not.toContain('lnbcrt')
    expect(world.standing(id)).toBe('success')
  })

  test('DEC-41: pending orders and the info event are published again every 24 hours, closed ones are not', async () => {
    const { world, alice, bob } = await open()
    const open1 = await alice.makes({ kind: 'sell', amount: 5000n, expiresAt: 1_790_000_000n })
    const { id: closed } = await sellTradeAt(world, 'canceled', alice, bob)
    await world.clock.advance(60_000)
    const core = world.relays[0]?.core
    const timeOf = (d: string) =>
      core?.events().find((e) => e.tags.some((t) => t[0] === 'd' && t[1] === d))?.created_at ?? 0
    const names = [open1, world.nodePubkey, closed]
    const before = names.map(timeOf)
    for (let hours = 0; hours < 25; hours += 1) await world.clock.advance(HOUR_MS)
    const later = names.map(timeOf).map((t, n) => t - (before[n] ?? 0))
    expect(later[0]).toBeGreaterThanOrEqual(86_000)
    expect(later[1]).toBeGreaterThanOrEqual(86_000)
    expect(later[2]).toBe(0)
    expect(world.published(open1)).toBe('pending')
  })
})
