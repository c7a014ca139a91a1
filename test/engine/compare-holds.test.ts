/**
 * While a connection's holds are compared with Lightning (money-path.md 3.7, R-40): who writes about an order waits for
 * that order's hold, not for LND's whole list; what is asked of LND waits for all of it.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { AMOUNT_SATS, Market } from '../support/market.ts'

/** A call of the list takes so long; every list takes two calls at least. */
const LIST_MS = 2000
const SOON_MS = 1000

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults

/** Bob says that he has sent the fiat of a trade whose escrow was paid unseen, and is believed. */
async function goesOnAtOnce(id: string): Promise<void> {
  await market.alice.hears('fiat-sent-ok', id, 1, SOON_MS)
  expect(market.times(market.bob, 'cant-do', id)).toBe(0)
  expect(market.world.standing(id)).toBe('fiat-sent')
}

describe('Lightning lists its holds slowly', () => {
  test('at a start: a trade whose escrow was paid meanwhile goes on at once, a new escrow is asked for afterwards', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const [carol, dave] = [world.trader('carol'), world.trader('dave')]
    const id = await market.taken()
    const other = await carol.makes({ kind: 'buy', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n, buyerInvoice: null })
    world.kill()
    market.paysEscrow(id)
    bob.send('fiat-sent', { id })
    // Strangers who name the order make LND no work.
    for (let n = 0; n < 5; n += 1) carol.send('release', { id })
    dave.takes('take-buy', other)
    const looks = faults().calls('LookupInvoice')
    faults().always('ListInvoices', { kind: 'slow', ms: LIST_MS })
    await world.boot()
    await goesOnAtOnce(id)
    expect(world.standing(other)).toBe('pending/opening')
    // One sentinel, and the order's own hold once.
    expect(faults().calls('LookupInvoice') - looks).toBe(2)
    expect(world.engine?.status().lightning.serving).toBe(true)
    await dave.hears('pay-invoice', other, 1, 5 * LIST_MS)
    expect(faults().calls('ListInvoices')).toBeGreaterThanOrEqual(4)
    alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('at a new connection: the same', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.taken()
    faults().always('ListInvoices', { kind: 'slow', ms: LIST_MS })
    world.network.node.cutConnections()
    market.paysEscrow(id)
    await market.passes(2000)
    bob.send('fiat-sent', { id })
    await goesOnAtOnce(id)
    alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('and does not answer about one hold: its order is answered as far as we know, the next time rightly', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.taken()
    world.kill()
    market.paysEscrow(id)
    faults().always('ListInvoices', { kind: 'slow', ms: 4 * LIST_MS })
    await world.boot()
    faults().always('LookupInvoice', { kind: 'swallow' })
    bob.send('fiat-sent', { id })
    await bob.hears('cant-do', id, 1, 15_000)
    faults().clear()
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })
})
