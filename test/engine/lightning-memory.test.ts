/** A Lightning node that came back from an old backup, and another node behind the same address (R-47, DEC-36). */
import { afterEach, describe, expect, test } from 'vitest'
import type { NodeImage } from '../../src/sandbox/lightning/control.ts'
import { Market } from '../support/market.ts'
import { asks } from '../support/trade-stages.ts'

const MINUTE_MS = 60_000

let market: Market
afterEach(() => market.close())

const moneyCalls = (): number => {
  const { faults } = market.world.network
  return (['AddHoldInvoice', 'SettleInvoice', 'CancelInvoice', 'SendPaymentV2'] as const).reduce(
    (sum, method) => sum + faults.calls(method),
    0,
  )
}

/** How the node loses what it knew since the image. */
const LOSSES: readonly (readonly [string, (image: NodeImage) => void])[] = [
  ['at a restart', (image) => market.world.network.node.restart({ how: 'kill', image })],
  ['while nobody looks', (image) => market.world.network.node.restoreWhileConnected(image)],
]

describe('Lightning is restored from a backup that has never heard of the escrow', () => {
  test.each(LOSSES)(
    '%s: all money halts, the operator knows, nobody is told that sats moved or went back',
    async (_, lose) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const image = world.network.node.image()
      const id = await market.fiatSent()
      lose(image)
      await market.passes(5 * MINUTE_MS)
      const before = moneyCalls()
      const heard = [alice.heard.length, bob.heard.length]
      alice.send('release', { id })
      await market.passes(30 * MINUTE_MS)
      expect(world.engine?.status().lightning.serving).toBe(false)
      expect(world.alerts()).toEqual(
        expect.arrayContaining([expect.stringMatching(/^(lightning-mismatch|amnesia|conflict)/)]),
      )
      expect(moneyCalls()).toBe(before)
      expect([alice.heard.length, bob.heard.length]).toEqual(heard)
      expect(world.standing(id)).toBe('fiat-sent/releasing')
    },
  )

  test.each(LOSSES)('%s: an order that stands at the book can be canceled and not taken', async (_, lose) => {
    market = await Market.open()
    const { world, alice, bob } = market
    const image = world.network.node.image()
    await market.fiatSent()
    lose(image)
    await market.passes(5 * MINUTE_MS)
    const id = await market.offer()
    const key = bob.nextKey()
    expect(await asks(bob, 'take-sell', { id, key, tradeIndex: key })).toBe('pending_order_exists')
    expect(await asks(alice, 'cancel', { id })).toBe('canceled')
    expect(world.standing(id)).toBe('canceled')
  })

  test('when the true database is back, and the operator has cleared the halt, the seller can pay and the trade goes on', async () => {
    market = await Market.open()
    const { world } = market
    const old = world.network.node.image()
    const id = await market.taken()
    const newest = world.network.node.image()
    world.network.node.restart({ how: 'kill', image: old })
    await market.passes(MINUTE_MS)
    world.network.node.restart({ how: 'kill', image: newest })
    await market.passes(MINUTE_MS)
    expect(world.engine?.status().lightning.serving).toBe(false)
    // As `fianza review resolve` does it, with the daemon stopped.
    world.kill()
    world.store.transaction(() => world.store.s.node_clear({ node: world.network.node.pubkey }))
    await world.boot()
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    market.bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })
})

describe('another node answers at the address', () => {
  test('nothing is asked of it, the operator knows; the trade goes on when the right one is back', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    const right = world.network.node.image()
    world.network.node.restart({ how: 'kill', newIdentity: true })
    const before = moneyCalls()
    alice.send('release', { id })
    await market.passes(10 * MINUTE_MS)
    expect(world.alerts()).toContain('wrong-node')
    expect(moneyCalls()).toBe(before)
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(bob.all('released', id)).toEqual([])
    world.network.node.restart({ how: 'kill', image: right })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('nor by a daemon that starts beside it', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    const right = world.network.node.image()
    world.kill()
    world.network.node.restart({ how: 'kill', newIdentity: true })
    const before = moneyCalls()
    await world.boot()
    alice.send('release', { id })
    await market.passes(10 * MINUTE_MS)
    expect(world.alerts()).toContain('wrong-node')
    expect(moneyCalls()).toBe(before)
    world.network.node.restart({ how: 'kill', image: right })
    await market.completed(id)
    await market.checkTraded(id)
  })
})
