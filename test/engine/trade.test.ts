import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { EngineWorld, LOUD } from '../support/engine-world.ts'
import { bolt11Of, paymentRequest } from '../support/sim-trader.ts'

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

describe('a whole trade', () => {
  test('a fixed sell order goes from the offer to the payout', async () => {
    world = new EngineWorld(process.env['LOUD'] === undefined ? {} : { log: LOUD })
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const id = await alice.makes({ kind: 'sell', amount: 100_000n, fiatAmount: 100n })
    expect(world.standing(id)).toBe('pending')
    bob.takes('take-sell', id)
    const ask = await bob.hears('add-invoice', id)
    expect(ask.payload?.kind === 'order' && ask.payload.order.amount).toBe(99_700n)
    const invoice = bob.wallet.invoice({ amountMsat: satsToMsat(99_700), expiryS: 86_400 })
    bob.send('add-invoice', { id, payload: paymentRequest(invoice) })
    await alice.hears('pay-invoice', id, 2)
    const pay = alice.all('pay-invoice', id)[1]
    if (pay === undefined) throw new Error('asked to pay')
    const paid = alice.wallet.pay(bolt11Of(pay))
    await bob.hears('hold-invoice-payment-accepted', id)
    await alice.hears('buyer-took-order', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await alice.hears('hold-invoice-payment-settled', id)
    await bob.hears('purchase-completed', id)
    expect(world.standing(id)).toBe('success')
    expect((await paid).ok).toBe(true)
    expect(world.published(id)).toBe('success')
    expect(world.alerts()).toEqual([])
    world.network.checkConservation()
  })
})
