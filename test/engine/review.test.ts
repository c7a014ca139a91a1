/** Orders that a fact contradicts wait for a person; what he decides goes through the same door as everything else. */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { refusalToEnd, requestOrderEnd } from '../../src/engine/commands.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { bolt11Of, paymentRequest, type SimTrader } from '../support/sim-trader.ts'

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

/** A trade whose escrow LND gives back by itself after the buyer said that he has paid. */
async function escrowVanishes(w: EngineWorld, alice: SimTrader, bob: SimTrader): Promise<string> {
  const id = await alice.makes({ kind: 'sell', amount: 50_000n })
  const invoice = bob.wallet.invoice({ amountMsat: satsToMsat(49_850), expiryS: 86_400 })
  bob.takes('take-sell', id, { payload: paymentRequest(invoice) })
  const pay = await alice.hears('pay-invoice', id)
  await alice.wallet.startPayment(bolt11Of(pay))
  await bob.hears('hold-invoice-payment-accepted', id)
  bob.send('fiat-sent', { id })
  await alice.hears('fiat-sent-ok', id)
  w.network.mine(200)
  await w.until(() => w.standing(id) === 'fiat-sent/review', 'a person must look')
  return id
}

describe('an order in review', () => {
  test('is ended by the operator: the traders and the book learn it, its alerts close', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const id = await escrowVanishes(world, alice, bob)
    await bob.hears('hold-invoice-payment-canceled', id)
    expect(world.alerts()).toContain(`escrow-lost:${id}`)
    world.kill()
    requestOrderEnd(world.store, id, 'canceled')
    await world.boot()
    expect(world.standing(id)).toBe('canceled')
    await alice.hears('canceled', id)
    await bob.hears('canceled', id)
    await world.until(() => world?.published(id) === 'canceled', 'the book shows it')
    expect(world.alerts()).not.toContain(`escrow-lost:${id}`)
  })

  test('is ended once: the next start does nothing again', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const id = await escrowVanishes(world, alice, bob)
    requestOrderEnd(world.store, id, 'canceled')
    for (let n = 0; n < 2; n += 1) {
      world.kill()
      await world.boot()
    }
    await bob.hears('canceled', id)
    await world.clock.advance(60_000)
    expect(bob.all('canceled', id)).toHaveLength(1)
  })

  test('is not ended as something that is not true', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const id = await escrowVanishes(world, alice, bob)
    expect(refusalToEnd(world.store, id, 'success')).toMatch(/was not paid/)
    expect(refusalToEnd(world.store, id, 'canceled')).toBe(null)
    expect(refusalToEnd(world.store, 'no-such-order', 'canceled')).toMatch(/no order/)
    requestOrderEnd(world.store, id, 'success')
    world.kill()
    await world.boot()
    expect(world.standing(id)).toBe('fiat-sent/review')
  })
})

describe('what no relay takes', () => {
  test('X-12: a refused request to act is made again from the order, three times, then the operator is told', async () => {
    world = new EngineWorld()
    const w = world
    const alice = w.trader('alice')
    const bob = w.trader('bob')
    await w.boot()
    const id = await alice.makes({ kind: 'sell', amount: 50_000n })
    const taker = bob.nextKey()
    const lift = w.relays[0]?.core.faults.refuse(
      (event) => event.tags.some((t) => t[0] === 'p' && t[1] === bob.pubkey(taker)),
      'blocked: not here',
    )
    bob.takes('take-sell', id, { key: taker })
    const asks = () =>
      w.store.all<{ state: number }>('SELECT state FROM outbox_msg WHERE order_id = :id AND asks = 1', { id })
    await w.until(() => asks().length === 4 && asks().every((row) => row.state === 3), 'asked four times in vain')
    await w.until(() => w.alerts().includes(`duty-unheard:${id}`), 'the operator is told')
    expect(asks()).toHaveLength(4)
    // Nobody is timed out for what he can not know.
    await w.clock.advance(2_000_000)
    expect(w.standing(id)).toBe('waiting-buyer-invoice')
    expect(lift).toBeDefined()
  })

  test('F-094, X-12: as soon as a relay takes the request, the trade goes on', async () => {
    world = new EngineWorld()
    const w = world
    const alice = w.trader('alice')
    const bob = w.trader('bob')
    await w.boot()
    const id = await alice.makes({ kind: 'sell', amount: 50_000n })
    const taker = bob.nextKey()
    const lift = w.relays[0]?.core.faults.refuse(
      (event) => event.tags.some((t) => t[0] === 'p' && t[1] === bob.pubkey(taker)),
      'blocked: not here',
    )
    bob.takes('take-sell', id, { key: taker })
    await w.until(() => w.alerts().some((key) => key.startsWith('dead-letter:')), 'refused')
    lift?.()
    await bob.hears('add-invoice', id)
  })
})
