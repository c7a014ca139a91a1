/** One trader's Lightning, one relay and one address host that hang: everybody else is served as if they did not. */
import { afterEach, describe, expect, test } from 'vitest'
import { ADDRESS_HOST, EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import { paymentRequest, type SimTrader } from '../support/sim-trader.ts'
import { payoutInvoice, paysEscrow, sellTradeAt } from '../support/trade-stages.ts'

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

type Scene = { readonly world: EngineWorld; readonly alice: SimTrader; readonly bob: SimTrader }

async function open(options: WorldOptions = {}): Promise<Scene> {
  world = new EngineWorld(options)
  const alice = world.trader('alice', { fundingSats: 5_000_000 })
  const bob = world.trader('bob')
  await world.boot()
  return { world, alice, bob }
}

/** How much virtual time something takes. */
async function lasts(on: EngineWorld, work: Promise<unknown>): Promise<number> {
  const startedMs = on.clock.nowMs()
  await work
  return on.clock.nowMs() - startedMs
}

describe('Lightning', () => {
  test('that says nothing about one escrow delays no other trader, and no other act of the same two', async () => {
    const { world: w, alice, bob } = await open()
    const carol = w.trader('carol')
    const dave = w.trader('dave')
    const stuck = await sellTradeAt(w, 'waiting-buyer-invoice', alice, bob)
    const other = await sellTradeAt(w, 'waiting-buyer-invoice', carol, dave)
    w.network.faults.next('AddHoldInvoice', { kind: 'slow', ms: 60_000 })
    bob.send('add-invoice', { id: stuck.id, payload: paymentRequest(payoutInvoice(bob)) })
    await w.clock.advance(500)
    expect(alice.all('pay-invoice', stuck.id)).toEqual([])
    dave.send('add-invoice', { id: other.id, payload: paymentRequest(payoutInvoice(dave)) })
    expect(await lasts(w, carol.hears('pay-invoice', other.id))).toBeLessThan(1000)
    await paysEscrow(w, carol, other.id)
    await dave.hears('hold-invoice-payment-accepted', other.id)
    expect(await lasts(w, alice.makes({ kind: 'sell', amount: 5000n }))).toBeLessThan(1000)
    expect(await lasts(w, bob.answer(bob.send('last-trade-index', {})))).toBeLessThan(1000)
    expect(alice.all('pay-invoice', stuck.id)).toEqual([])
    await alice.hears('pay-invoice', stuck.id)
  })
})

/** How many events a relay was sent and has not answered. */
function watchUnanswered(hung: EngineWorld['relays'][number] | undefined): { readonly count: () => number } {
  let count = 0
  hung?.core.faults.onPublish(() => {
    count += 1
    return { kind: 'ignore' }
  })
  return { count: () => count }
}

describe('a relay of three that takes everything and answers nothing', () => {
  test('delays no message and no offer of anybody', async () => {
    const { world: w, alice } = await open({ relays: 3 })
    const hung = w.relays[2]
    const unanswered = watchUnanswered(hung)
    const traders = Array.from({ length: 25 }, (_, n) => w.trader(`trader ${n}`))
    const ids: string[] = []
    const makeAll = async (): Promise<void> => {
      for (const trader of traders)
        ids.push(...(await Promise.all([1, 2].map(() => trader.makes({ kind: 'sell', amount: 5000n })))))
    }
    expect(await lasts(w, makeAll())).toBeLessThan(25 * 1000)
    const allPublic = () => ids.every((id) => w.published(id) === 'pending')
    expect(await lasts(w, w.until(allPublic, 'all offers are on the book'))).toBeLessThan(2000)
    expect(unanswered.count()).toBeGreaterThan(0)
    expect(await lasts(w, alice.makes({ kind: 'sell', amount: 5000n }))).toBeLessThan(1000)
  })

  test('delays no change of an order whose last state it did not confirm', async () => {
    const { world: w, alice } = await open({ relays: 3 })
    watchUnanswered(w.relays[2])
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    await w.until(() => w.published(id) === 'pending', 'the offer is on the book')
    alice.send('cancel', { id })
    expect(
      await lasts(
        w,
        w.until(() => w.published(id) === 'canceled', 'it is off the book'),
      ),
    ).toBeLessThan(2000)
  })

  test('gets the newest state of every order once it answers again', async () => {
    const { world: w, alice } = await open({ relays: 3 })
    const hung = w.relays[2]
    watchUnanswered(hung)
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    alice.send('cancel', { id })
    await w.until(() => w.published(id) === 'canceled', 'it is off the book')
    await w.clock.advance(60_000)
    hung?.core.faults.clear()
    const states = () =>
      (hung?.core.events({ kinds: [38383] }) ?? []).flatMap((event) => event.tags.filter((t) => t[0] === 's'))
    await w.until(() => states().some((tag) => tag[1] === 'canceled'), 'the relay has it too', 600_000)
    const waiting = () => w.store.get('SELECT 1 FROM outbox_pub WHERE want_rev > done_rev') !== undefined
    await w.until(() => !waiting(), 'nothing more is to be sent', 600_000)
  })
})

describe('a host of addresses that hangs', () => {
  test('holds up neither the payouts nor the messages of others', async () => {
    const { world: w, alice, bob } = await open()
    const traders = Array.from({ length: 10 }, (_, n) => w.trader(`buyer${n}`))
    const released: string[] = []
    for (const buyer of traders) {
      const { id } = await sellTradeAt(w, 'waiting-buyer-invoice', alice, buyer)
      buyer.send('add-invoice', { id, payload: paymentRequest(`${buyer.name}@${ADDRESS_HOST}`) })
      await paysEscrow(w, alice, id)
      await buyer.hears('hold-invoice-payment-accepted', id)
      buyer.send('fiat-sent', { id })
      await alice.hears('fiat-sent-ok', id)
      released.push(id)
    }
    const mine = await sellTradeAt(w, 'fiat-sent', w.trader('carol'), bob)
    w.addressFault = () => 'silent'
    for (const [n, id] of released.entries()) alice.send('release', { id, key: n + 1 })
    await w.clock.advance(1000)
    mine.seller.send('release', { id: mine.id })
    expect(await lasts(w, bob.hears('purchase-completed', mine.id))).toBeLessThan(2000)
    expect(await lasts(w, alice.makes({ kind: 'sell', amount: 5000n }))).toBeLessThan(1000)
    expect(released.map((id) => w.standing(id))).toEqual(released.map(() => 'settled-hold-invoice'))
    w.addressFault = () => null
    for (const [n, id] of released.entries()) await traders[n]?.hears('purchase-completed', id, 1, 7_200_000)
  })
})
