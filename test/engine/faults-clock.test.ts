/** F-097 (money-path.md 7): the clock of the host is set by two hours in the middle of a trade. */
import { afterEach, describe, expect, test } from 'vitest'
import { DUTY_MS, Market } from '../support/market.ts'

const HOUR_MS = 3_600_000
const SKEWS = [
  ['forward', 2 * HOUR_MS],
  ['back', -2 * HOUR_MS],
] as const

let market: Market
afterEach(() => market.close())

describe('the clock jumps by two hours', () => {
  test.each(SKEWS)(
    'F-097: %s while the seller is to pay: she keeps her time, and the trade goes on',
    async (_, byMs) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.taken()
      await market.passes(60_000)
      world.hostSkewMs += byMs
      await market.passes(DUTY_MS - 120_000)
      expect(world.standing(id)).toBe('waiting-payment')
      expect(world.alerts()).toContain('clock')
      market.paysEscrow(id)
      await world.until(() => world.standing(id) === 'active', 'her payment counts')
      world.hostSkewMs -= byMs
      await bob.hears('hold-invoice-payment-accepted', id)
      bob.send('fiat-sent', { id })
      await alice.hears('fiat-sent-ok', id)
      alice.send('release', { id })
      await market.completed(id)
      expect(world.alerts().filter((alert) => alert === 'clock' || alert.startsWith('dead-letter'))).toEqual([])
      await market.checkTraded(id)
    },
  )

  test.each(SKEWS)(
    'F-097: %s between two attempts to pay the buyer: he is paid once, and his invoice still counts',
    async (_, byMs) => {
      market = await Market.open()
      const { world, bob } = market
      world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
      const id = await market.released()
      await bob.hears('payment-failed', id)
      world.hostSkewMs += byMs
      await world.until(() => world.standing(id) === 'success', 'the buyer is paid', 600_000)
      expect(world.alerts()).toContain('clock')
      world.hostSkewMs -= byMs
      await market.completed(id)
      expect(market.times(bob, 'add-invoice', id)).toBe(0)
      expect(market.payments(id)).toMatchObject([{ state: 'done', attempt: 2 }])
      await market.checkTraded(id)
    },
  )
})
