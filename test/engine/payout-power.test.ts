/** The power goes at every step from the release to the payout (money-path.md 4.2 C-13 to C-25; W1, W29). */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { FEE_SATS, Market, type PowerCut } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

let market: Market
afterEach(() => market.close())

describe('the power goes while the buyer is to be paid', () => {
  const cuts: readonly { readonly what: string; readonly cut: PowerCut }[] = [
    { what: "C-13: before the seller's release is on disk", cut: { before: 'message:release' } },
    { what: 'C-14, F-030: after the release is on disk and before the settle', cut: { at: 'commit:message:release' } },
    { what: 'C-14: with the settle claimed', cut: { at: 'commit:claim:hold_settle' } },
    { what: 'C-15: after LND settled, before its answer', cut: { at: 'after:lightning.settleHold' } },
    { what: "C-15: before the settled escrow is on disk, by LND's answer", cut: { before: 'settle:A' } },
    { what: 'C-15: before the settled escrow is on disk, by the news of it', cut: { before: 'observe:settled' } },
    {
      what: 'C-17, W1: after the settled escrow is on disk and before the payment',
      cut: { once: 'settled-hold-invoice' },
    },
    { what: 'C-18, F-040: with the payment claimed and no byte sent', cut: { at: 'before:lightning.pay' } },
    { what: 'C-19, F-041: after LND took the payment', cut: { at: 'commit:pay-ack' } },
    { what: 'C-21: after LND paid, before its answer', cut: { at: 'after:lightning.pay' } },
    { what: 'C-21: before the paid buyer is on disk', cut: { before: 'pay:A' } },
    { what: 'after the paid buyer is on disk and before anybody is told', cut: { at: 'commit:pay:A' } },
  ]
  test.each(cuts)('$what: the buyer is paid once, both are told once', async ({ cut }) => {
    market = await Market.open()
    const id = await market.fiatSent()
    const power = market.powerGoes(id, cut)
    market.alice.send('release', { id })
    await market.completed(id)
    expect(power.happened()).toBe(true)
    expect(market.rows('SELECT 1 FROM obligation')).toHaveLength(1)
    await market.checkTraded(id)
    expect(market.world.alerts()).toEqual([])
  })

  test('C-22: a failure that nobody wrote down is judged once, and the same invoice is tried again', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
    const power = market.powerGoes(id, { before: 'pay:T' })
    market.alice.send('release', { id })
    await market.completed(id)
    expect(power.happened()).toBe(true)
    expect(market.payments(id)).toHaveLength(1)
    expect(market.payments(id)[0]?.attempt).toBe(2)
    await market.checkTraded(id)
  })

  test('C-25: the request for another invoice is sent although the power went when it was decided', async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const { world } = market
    const id = await market.fiatSent()
    world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
    const power = market.powerGoes(id, { at: 'commit:pay:T' })
    market.alice.send('release', { id })
    await market.bob.hears('add-invoice', id)
    expect(power.happened()).toBe(true)
    expect(market.payout(id).state).toBe('need_destination')
    market.checkBooks({ feeMsat: satsToMsat(2 * FEE_SATS) })
    market.bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice()) })
    await market.completed(id)
    await market.checkTraded(id)
    expect(market.times(market.bob, 'payment-failed', id)).toBe(1)
  })
})
