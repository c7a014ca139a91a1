/** How the payment of an escrow is noticed (money-path.md 7, "Acceptance"): once, whatever the streams say. */
import { afterEach, describe, expect, test } from 'vitest'
import { DUTY_MS, Market } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const MINUTE_MS = 60_000
const SWEEP_MS = 30_000

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults

/** The trade starts once and goes to its end. */
async function goesThrough(id: string): Promise<void> {
  market.bob.send('fiat-sent', { id })
  await market.alice.hears('fiat-sent-ok', id)
  market.alice.send('release', { id })
  await market.completed(id)
  expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(1)
  expect(market.times(market.alice, 'buyer-took-order', id)).toBe(1)
  expect(market.world.alerts()).toEqual([])
  await market.checkTraded(id)
}

/** The states of holds as they are written down, in order. */
function observations(): readonly string[] {
  const seen: string[] = []
  market.world.cut = (point) => {
    for (const [, state] of point.matchAll(/observe:(\w+)/g)) if (state !== undefined) seen.push(state)
  }
  return seen
}

/** No relay is there for ten minutes: blind time, in which no duty ends (DEC-38). */
async function blindForTenMinutes(): Promise<void> {
  await market.world.relays[0]?.goAway()
  await market.passes(10 * MINUTE_MS)
  await market.world.relays[0]?.comeBack()
}

describe('an escrow is paid', () => {
  test('F-011: LND says once more that an escrow is open, and three times that it is accepted: the trade starts once and stays', async () => {
    market = await Market.open()
    const { world } = market
    faults().next('SubscribeSingleInvoice', { kind: 'echo', ms: 2 * MINUTE_MS })
    const id = await market.taken()
    const seen = observations()
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await market.passes(2 * MINUTE_MS)
    for (let n = 0; n < 2; n += 1) {
      world.network.node.cutConnections()
      await market.passes(MINUTE_MS)
    }
    // Each subscription says first how the hold stands, and the first one said everything twice.
    expect(faults().calls('SubscribeSingleInvoice')).toBeGreaterThanOrEqual(3)
    expect(seen).toEqual(['accepted'])
    expect(world.standing(id)).toBe('active')
    expect(market.rows('SELECT rank FROM hold')).toEqual([{ rank: 2 }])
    await goesThrough(id)
  })

  test('F-012: the connection is open and dead when the seller pays: her payment is noticed within one sweep', async () => {
    market = await Market.open()
    const id = await market.taken()
    const connections = faults().calls('GetInfo')
    market.world.network.node.halfOpenConnections()
    market.paysEscrow(id)
    await market.passes(1000)
    expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    await market.bob.hears('hold-invoice-payment-accepted', id, 1, SWEEP_MS + 2000)
    expect(faults().calls('GetInfo')).toBeGreaterThan(connections)
    await goesThrough(id)
  })

  test('F-013: LND restarts and its streams end in order, which is no end of the hold: it is watched again', async () => {
    market = await Market.open()
    const id = await market.taken()
    const watched = faults().calls('SubscribeSingleInvoice')
    market.world.network.node.restart({ how: 'orderly' })
    await market.passes(3000)
    expect(faults().calls('SubscribeSingleInvoice')).toBe(watched + 1)
    const lists = faults().calls('ListInvoices')
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id, 1, 1000)
    // The stream told it, no sweep.
    expect(faults().calls('ListInvoices')).toBe(lists)
    await goesThrough(id)
  })

  test('F-014: the watched hold is unknown to LND and its stream says nothing: a sweep finds out, the seller gets another', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.offer()
    world.cut = (point) => {
      if (!point.includes('create:A')) return
      world.cut = () => undefined
      world.network.node.forgetInvoice(market.escrowHash(id))
    }
    market.bob.takes('take-sell', id, { payload: paymentRequest(market.bobsInvoice()) })
    await market.alice.hears('pay-invoice', id)
    const watched = faults().calls('SubscribeSingleInvoice')
    expect(watched).toBeGreaterThan(0)
    expect(world.network.node.invoice(market.escrowHash(id))).toBeNull()
    const seen = observations()
    await blindForTenMinutes()
    await world.until(() => market.escrowInvoices(id) === 2, 'she is given another invoice', DUTY_MS)
    expect(seen).toContain('canceled')
    expect(world.standing(id)).toBe('waiting-payment')
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('F-017: after its invoice expired and before LND looked at the time: it counts, and the trade goes on', async () => {
    market = await Market.open({ network: { expiryWatcherLagMs: 2 * MINUTE_MS } })
    const { world } = market
    const id = await market.taken()
    await blindForTenMinutes()
    const [hold] = market.rows<{ expires_at: number }>('SELECT expires_at FROM hold')
    const expiresAtMs = (hold?.expires_at ?? 0) * 1000
    await market.passes(expiresAtMs + 20_000 - world.clock.nowMs())
    market.paysEscrow(id, { ignoreExpiry: true })
    await market.bob.hears('hold-invoice-payment-accepted', id)
    expect(world.clock.nowMs()).toBeGreaterThan(expiresAtMs)
    await goesThrough(id)
  })
})
