import { afterEach, describe, expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'
import { paymentRequest, type SimTrader } from '../support/sim-trader.ts'
import { payoutInvoice, paysEscrow, sellTradeAt } from '../support/trade-stages.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

/** Rates go unpublished: a relay takes none that its own clock calls expired. */
async function open(): Promise<{ world: EngineWorld; alice: SimTrader; bob: SimTrader }> {
  world = new EngineWorld({ settings: { publishRates: false } })
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await world.boot()
  return { world, alice, bob }
}

/** The clock of the daemon's host is set, and the daemon has had time to look at it. */
async function setClock(on: EngineWorld, byMs: number): Promise<void> {
  on.hostSkewMs += byMs
  await on.clock.advance(15_000)
}

/** Stops the daemon in order. */
async function stop(from: EngineWorld): Promise<void> {
  const { engine } = from
  if (engine !== null) await from.settle(engine.stop())
  from.engine = null
}

const inboxRows = (from: EngineWorld): number => from.store.all('SELECT outer_id FROM inbox').length
const cursors = (from: EngineWorld): readonly number[] =>
  from.store.all<{ cursor: number }>('SELECT cursor FROM relay').map(({ cursor }) => cursor)
const trueS = (from: EngineWorld): number => Math.floor(from.clock.nowMs() / 1000)

describe('DEC-03, DEC-38: the clock is set while trades run', () => {
  test.each([
    ['an hour back', -HOUR_MS],
    ['eleven minutes back', -11 * MINUTE_MS],
    ['an hour forward', HOUR_MS],
  ])('a trade goes on to its end after the clock was set %s', async (_, byMs) => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await setClock(world, byMs)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id, 1, 2 * HOUR_MS)
    alice.send('release', { id })
    await bob.hears('purchase-completed', id, 1, 2 * HOUR_MS)
    expect(world.standing(id)).toBe('success')
  })

  test.each([
    ['back', -HOUR_MS],
    ['forward', HOUR_MS],
  ])('a take reaches a daemon whose clock was set an hour %s', async (_, byMs) => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    await setClock(world, byMs)
    bob.takes('take-sell', id)
    await world.until(() => world.standing(id) === 'waiting-buyer-invoice', 'the order is taken', MINUTE_MS)
  })

  test('the operator hears that the clock was set, and the alert ends when it is right again', async () => {
    const { world } = await open()
    await setClock(world, -HOUR_MS)
    expect(world.alerts()).toEqual(['clock'])
    await setClock(world, HOUR_MS)
    expect(world.alerts()).toEqual([])
  })

  test('what has to be dated after what its reader has is told at once nevertheless', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await setClock(world, -5 * MINUTE_MS)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id, 1, 1000)
  })

  test('a step of seconds alerts nobody', async () => {
    const { world } = await open()
    await setClock(world, -20_000)
    await setClock(world, 40_000)
    expect(world.alerts()).toEqual([])
  })

  test('a start with the clock as it is ends the alert: who starts the daemon vouches for it', async () => {
    const { world } = await open()
    await setClock(world, -HOUR_MS)
    await stop(world)
    await world.boot()
    expect(world.alerts()).toEqual([])
  })
})

describe('a clock that jumps forward takes no time from anybody', () => {
  test('a taker keeps his time for the invoice, and is timed out only when it has really passed', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await world.clock.advance(5 * MINUTE_MS)
    await setClock(world, HOUR_MS)
    await world.clock.advance(8 * MINUTE_MS)
    expect(world.standing(id)).toBe('waiting-buyer-invoice')
    await world.until(() => world.standing(id) === 'pending', 'the taker is timed out', 10 * MINUTE_MS)
  })

  test('nor when it is set right again meanwhile', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await setClock(world, HOUR_MS)
    await world.clock.advance(MINUTE_MS)
    await setClock(world, -HOUR_MS)
    await world.clock.advance(12 * MINUTE_MS)
    expect(world.standing(id)).toBe('waiting-buyer-invoice')
  })

  test('an escrow is not brought near to its height: blocks are not counted by a clock that can be set', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
    await setClock(world, 10 * DAY_MS)
    await world.clock.advance(2 * MINUTE_MS)
    expect(world.standing(id)).toBe('fiat-sent')
  })

  test('what was handled is not forgotten because a clock calls it a month old', async () => {
    const { world, alice, bob } = await open()
    await sellTradeAt(world, 'fiat-sent', alice, bob)
    const rows = inboxRows(world)
    await setClock(world, 40 * DAY_MS)
    await world.clock.advance(2 * HOUR_MS)
    expect(inboxRows(world)).toBeGreaterThanOrEqual(rows)
  })

  test('what traders are told is dated so that no relay refuses it, and the order stays on the book', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await setClock(world, DAY_MS)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    const other = await alice.makes({ kind: 'sell', amount: 5000n })
    expect(world.published(other)).toBe('pending')
    const ahead = world.relays[0]?.core.events().filter(({ created_at }) => created_at > trueS(world) + 60)
    expect(ahead).toEqual([])
    expect(world.alerts()).toEqual(['clock'])
  })

  test('what a relay had while nobody listened is read although the clock had run ahead of it', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await setClock(world, 3 * HOUR_MS)
    await world.clock.advance(5 * MINUTE_MS)
    for (const cursor of cursors(world)) expect(cursor).toBeLessThanOrEqual(trueS(world))
    await stop(world)
    bob.send('fiat-sent', { id })
    await world.clock.advance(MINUTE_MS)
    world.hostSkewMs = 0
    await world.boot()
    await alice.hears('fiat-sent-ok', id)
  })

  test('also when the clock had been ahead since the start and is corrected while the daemon is down', async () => {
    world = new EngineWorld()
    world.hostSkewMs = 3 * HOUR_MS
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const order = world.store.get('SELECT 1 FROM orders')
    expect(order).toBeUndefined()
    await world.clock.advance(5 * MINUTE_MS)
    world.hostSkewMs = 0
    await world.clock.advance(15_000)
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    world.hostSkewMs = 3 * HOUR_MS
    await stop(world)
    await world.boot()
    await world.clock.advance(MINUTE_MS)
    await stop(world)
    bob.send('fiat-sent', { id })
    await world.clock.advance(5 * MINUTE_MS)
    world.hostSkewMs = 0
    await world.boot()
    await alice.hears('fiat-sent-ok', id, 1, 4 * HOUR_MS)
  })
})

describe('a daemon that was started under a clock that is an hour ahead', () => {
  /** The seller is to be asked for the escrow, and no relay takes what is dated an hour from now. */
  async function unheard(): Promise<{ world: EngineWorld; alice: SimTrader; bob: SimTrader; id: string }> {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await stop(world)
    world.hostSkewMs = HOUR_MS
    await world.boot()
    bob.send('add-invoice', { id, payload: paymentRequest(payoutInvoice(bob)) })
    await world.until(() => world.standing(id) === 'waiting-payment', 'the buyer gave his invoice', MINUTE_MS)
    await world.clock.advance(5 * MINUTE_MS)
    expect(alice.all('pay-invoice', id)).toEqual([])
    expect(world.alerts()).toContain('clock-refused')
    return { world, alice, bob, id }
  }

  /** The relays have the newest state of an order that somebody made meanwhile. */
  const onBook = (on: EngineWorld): readonly unknown[] =>
    on.store.all('SELECT 1 FROM outbox_pub WHERE want_rev > done_rev')

  test('gives up no message that relays refuse for its date: each is told when the clock is set right', async () => {
    const { world, alice, bob, id } = await unheard()
    await setClock(world, -HOUR_MS)
    await alice.hears('pay-invoice', id, 1, MINUTE_MS)
    expect(world.alerts()).toEqual(['clock'])
    await world.until(() => onBook(world).length === 0, 'the relays have the book', 5 * MINUTE_MS)
    await paysEscrow(world, alice, id)
    await bob.hears('hold-invoice-payment-accepted', id, 1, 5 * MINUTE_MS)
    const ahead = world.relays[0]?.core.events().filter(({ created_at }) => created_at > trueS(world) + 60)
    expect(ahead).toEqual([])
  })

  test('nor when it is started once more under the right one', async () => {
    const { world, alice, bob, id } = await unheard()
    await stop(world)
    world.hostSkewMs = 0
    await world.boot()
    await alice.hears('pay-invoice', id, 1, 5 * MINUTE_MS)
    await world.until(() => onBook(world).length === 0, 'the relays have the book', 5 * MINUTE_MS)
    await paysEscrow(world, alice, id)
    await bob.hears('hold-invoice-payment-accepted', id, 1, 5 * MINUTE_MS)
    expect(world.alerts()).toEqual([])
  })

  test('and who was asked late has all his time from then on', async () => {
    const { world, alice, id } = await unheard()
    await setClock(world, -HOUR_MS)
    await alice.hears('pay-invoice', id, 1, MINUTE_MS)
    await world.clock.advance(13 * MINUTE_MS)
    expect(world.standing(id)).toBe('waiting-payment')
    await world.until(() => world.standing(id) !== 'waiting-payment', 'she is timed out', 10 * MINUTE_MS)
  })
})

describe('a message from the future is not lost', () => {
  test('it gets no verdict from a daemon that started an hour behind, and is handled when its clock is set right', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await stop(world)
    world.hostSkewMs = -HOUR_MS
    await world.boot()
    const rows = inboxRows(world)
    bob.send('fiat-sent', { id })
    await world.clock.advance(10_000)
    expect(world.engine?.status().intake).toMatchObject({ early: 1 })
    expect(inboxRows(world)).toBe(rows)
    expect(world.alerts()).toEqual(['clock-behind'])
    await setClock(world, HOUR_MS)
    await alice.hears('fiat-sent-ok', id)
    expect(world.alerts()).toEqual(['clock'])
  })

  test('or when the daemon starts again with the right clock', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    await stop(world)
    world.hostSkewMs = -HOUR_MS
    await world.boot()
    bob.send('fiat-sent', { id })
    await world.clock.advance(10 * MINUTE_MS)
    await stop(world)
    world.hostSkewMs = 0
    await world.boot()
    await alice.hears('fiat-sent-ok', id)
  })

  test('one of a trader whose own clock is far ahead is handled when it is read again at its time', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    alice.send('cancel', { id, createdAtS: trueS(world) + 840 })
    await world.clock.advance(5000)
    expect(world.standing(id)).toBe('pending')
    await world.clock.advance(5 * MINUTE_MS)
    world.relays[0]?.core.dropConnections()
    await alice.hears('canceled', id)
  })

  test('a take that nobody remembers any more binds nobody when the clock is right again', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    await stop(world)
    world.hostSkewMs = -HOUR_MS
    await world.boot()
    bob.takes('take-sell', id)
    await world.clock.advance(5 * MINUTE_MS)
    expect(world.standing(id)).toBe('pending')
    await setClock(world, HOUR_MS)
    await world.clock.advance(MINUTE_MS)
    expect(world.standing(id)).toBe('pending')
  })
})

describe('F-097: a payment whose answer was lost', () => {
  test('is not believed impossible because the clock ran ahead of its expiry', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
    // Lightning hears of it when everybody would think it too late.
    world.network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 10 * MINUTE_MS })
    alice.send('release', { id })
    await world.until(
      () => world.store.get("SELECT 1 FROM ln_op WHERE kind = 'pay' AND attempt > 0") !== undefined,
      'the payment is sent',
    )
    await setClock(world, 2 * HOUR_MS)
    await world.clock.advance(30 * MINUTE_MS)
    await bob.hears('purchase-completed', id, 1, 3 * HOUR_MS)
    const paid = world.network.node.payments().filter(({ state }) => state === 'succeeded')
    expect(paid).toHaveLength(1)
    expect(bob.all('add-invoice', id)).toHaveLength(1)
  })
})
