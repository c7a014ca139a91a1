/** Escrows that are to be given back while LND does not do it (money-path.md 7, "Cancel, timeout, race with payment"). */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { requestOrderEnd } from '../../src/engine/commands.ts'
import { FEE_SATS, Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { bolt11Of, paymentRequest } from '../support/sim-trader.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults
const cancels = () => faults().calls('CancelInvoice')
const intent = (kind: string) =>
  market.rows<{ id: string; state: string; attempt: number }>(
    'SELECT id, state, attempt FROM ln_op WHERE kind = :kind ORDER BY created_at',
    { kind },
  )[0]

describe('an escrow is given back', () => {
  test('F-019: a cancel does not overtake a create whose fate is unknown: it is not claimed before that one rests', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.offer()
    let claims = 0
    world.cut = (point) => {
      if (point.includes('claim:hold_cancel')) claims += 1
    }
    faults().always('AddHoldInvoice', { kind: 'lose-answer', how: 'internal' })
    faults().always('LookupInvoice', { kind: 'swallow' })
    bob.takes('take-sell', id, { payload: paymentRequest(market.bobsInvoice()) })
    await world.until(() => world.network.node.invoices().length === 1, 'LND has made the invoice')
    expect(reasonOf(await bob.answer(bob.send('cancel', { id })))).toBe('canceled')
    await market.passes(5 * MINUTE_MS)
    expect(claims).toBeGreaterThan(10)
    expect(intent('hold_create')?.state).not.toBe('done')
    expect(intent('hold_cancel')).toMatchObject({ state: 'planned', attempt: 0 })
    expect(cancels()).toBe(0)
    faults().clear()
    await world.until(() => cancels() === 1, 'the invoice is canceled')
    await market.quiet()
    expect(intent('hold_create')?.state).toBe('done')
    expect(market.times(market.alice, 'pay-invoice', id)).toBe(0)
    expect(world.standing(id)).toBe('pending')
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test('F-022: LND cancels nothing for two hours: it is over for the traders, the operator knows, the sats follow', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.locked()
    faults().always('CancelInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('cancel', { id })
    await bob.hears('cooperative-cancel-initiated-by-peer', id)
    bob.send('cancel', { id })
    await alice.hears('cooperative-cancel-accepted', id, 1, 2000)
    await bob.hears('cooperative-cancel-accepted', id, 1, 2000)
    await market.passes(2 * HOUR_MS)
    expect(world.standing(id)).toBe('cooperatively-canceled/refunding')
    expect(cancels()).toBeGreaterThan(100)
    expect(cancels()).toBeLessThan(500)
    expect(world.alerts()).toEqual([`slow:${intent('hold_cancel')?.id}`])
    // What is decided stays decided: neither side can reach for the escrow again.
    expect(reasonOf(await alice.answer(alice.send('release', { id })))).toBe('not_allowed_by_status')
    expect(reasonOf(await alice.answer(alice.send('cancel', { id })))).toBe('order_already_canceled')
    expect(faults().calls('SettleInvoice')).toBe(0)
    faults().clear('CancelInvoice')
    await world.until(() => world.standing(id) === 'cooperatively-canceled', 'the refund is confirmed')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(market.times(alice, 'cooperative-cancel-accepted', id)).toBe(1)
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test('F-022: the order that is back on the book meanwhile is taken with an escrow of its own', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const carol = world.trader('carol')
    const id = await market.taken()
    const first = market.escrowHash(id)
    faults().always('CancelInvoice', { kind: 'refuse', with: 'no-connection' })
    expect(reasonOf(await bob.answer(bob.send('cancel', { id })))).toBe('canceled')
    expect(world.standing(id)).toBe('pending')
    await market.passes(MINUTE_MS)
    expect(world.network.node.invoice(first)?.state).toBe('open')
    carol.takes('take-sell', id, {
      payload: paymentRequest(carol.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400 })),
    })
    await alice.hears('pay-invoice', id, 2)
    expect(market.escrowHash(id)).not.toBe(first)
    const [old] = alice.all('pay-invoice', id)
    if (old === undefined) throw new Error('asked twice')
    // Alice pays both requests: the old one is only given back.
    const byMistake = alice.wallet.pay(bolt11Of(old))
    await market.passes(MINUTE_MS)
    expect(world.standing(id)).toBe('waiting-payment')
    market.paysEscrow(id)
    await carol.hears('hold-invoice-payment-accepted', id)
    faults().clear('CancelInvoice')
    expect((await world.settle(byMistake, 5 * MINUTE_MS))?.ok).toBe(false)
    carol.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await carol.hears('purchase-completed', id)
    await market.quiet()
    expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    expect(market.gains().bob).toBe(0)
    expect(carol.wallet.received()).toHaveLength(1)
    expect(world.alerts()).toEqual([])
    market.checkBooks({ feeMsat: satsToMsat(2 * FEE_SATS) })
  })

  test('F-026: an operator cancels what is released and not yet settled: refused, as are the traders, and the settle proceeds', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    faults().always('SettleInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('release', { id })
    await world.until(() => world.standing(id) === 'fiat-sent/releasing', 'the release is decided')
    requestOrderEnd(world.store, id, 'canceled')
    world.kill()
    await world.boot()
    expect(market.rows(`SELECT value FROM meta WHERE key LIKE 'command:%'`)).toEqual([
      { value: `refused: order ${id} is fiat-sent/releasing, not in review` },
    ])
    expect(reasonOf(await bob.answer(bob.send('cancel', { id })))).toBe('not_allowed_by_status')
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(cancels()).toBe(0)
    faults().clear('SettleInvoice')
    await market.completed(id)
    expect(faults().calls('SettleInvoice')).toBeGreaterThan(1)
    expect(cancels()).toBe(0)
    await market.checkTraded(id)
  })
})
