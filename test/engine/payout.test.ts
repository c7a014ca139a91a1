/** From the release to the paid buyer, with everything that can go wrong on the way (trade.md 8.1, money-path.md 4.2). */
import { afterEach, describe, expect, test } from 'vitest'
import { msat, satsToMsat } from '../../src/core/money.ts'
import { decodeBolt11 } from '../../src/wire/bolt11.ts'
import { AMOUNT_SATS, FEE_SATS, Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const FEES_MSAT = satsToMsat(2 * FEE_SATS)
const HOUR_MS = 3_600_000

let market: Market
afterEach(() => market.close())

const sends = () => market.world.network.faults.calls('SendPaymentV2')
const hashOf = (request: string): string => {
  const decoded = decodeBolt11(request)
  if (!decoded.ok) throw new Error(decoded.error)
  return decoded.value.hash
}
/** Does something in the moment in which the escrow is settled on disk, before anything follows. */
const onceSettled = (id: string, act: () => void): void => {
  const { world } = market
  world.cut = () => {
    if (world.standing(id) !== 'settled-hold-invoice') return
    world.cut = () => undefined
    act()
  }
}
const giveInvoice = async (id: string, request: string) =>
  reasonOf(await market.bob.answer(market.bob.send('add-invoice', { id, payload: paymentRequest(request) })))

describe('Lightning fails while the buyer is to be paid', () => {
  test('W2, C-18a: LND is away when the payout is due; it is made as soon as LND is back', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    onceSettled(id, () => world.network.node.stop('kill'))
    market.alice.send('release', { id })
    await market.alice.hears('hold-invoice-payment-settled', id)
    await market.passes(HOUR_MS)
    expect(world.standing(id)).toBe('settled-hold-invoice')
    expect(market.payout(id).state).toBe('ready')
    market.checkBooks({ feeMsat: FEES_MSAT })
    world.network.node.start()
    await market.completed(id)
    await market.checkTraded(id)
    expect(market.times(market.bob, 'payment-failed', id)).toBe(0)
  })

  test('C-18b: a payment that our rights do not allow raises an alert and is tried again after five minutes', async () => {
    market = await Market.open()
    const { world } = market
    world.network.faults.next('SendPaymentV2', { kind: 'refuse', with: 'permission' })
    const id = await market.released()
    await market.passes(240_000)
    expect(world.alerts()).toEqual(['lightning-refused:pay'])
    expect(market.payout(id)).toMatchObject({ state: 'ready', failures: 0 })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-048, W3: a request that LND reads forty seconds late pays the buyer once', async () => {
    market = await Market.open()
    const { world } = market
    world.network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 40_000 })
    const id = await market.released('bob@wallets.example')
    await market.completed(id)
    await market.passes(120_000)
    expect(sends()).toBe(2)
    expect(market.payments(id)).toHaveLength(1)
    await market.checkTraded(id)
  })

  test('F-049, W3: while an unread request may still start, a failed invoice is not replaced, and the buyer is paid once', async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const { world } = market
    const fallsFlat = market.bobsInvoice()
    world.network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 40_000 })
    const id = await market.released(fallsFlat)
    market.bob.wallet.onIncoming('fail', hashOf(fallsFlat))
    await market.passes(20_000)
    expect(market.payout(id).state).toBe('ready')
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
    market.bob.wallet.onIncoming('settle', hashOf(fallsFlat))
    await market.completed(id)
    expect(market.payments(id)).toHaveLength(1)
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    await market.checkTraded(id)
  })

  test('a request that LND reads after all patience pays twice: booked as a loss, and the operator is alerted', async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const { world, bob } = market
    const first = market.bobsInvoice()
    world.network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 1_200_000 })
    const id = await market.fiatSent(first)
    bob.wallet.onIncoming('fail', hashOf(first))
    market.alice.send('release', { id })
    await bob.hears('add-invoice', id, 1, 1_100_000)
    expect(world.network.node.payment(hashOf(first))?.state).toBe('failed')
    bob.wallet.onIncoming('settle', hashOf(first))
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    await market.passes(600_000)
    expect(market.gains().bob).toBe(2 * PAYOUT_MSAT)
    const op = market.payments(id).find((each) => each.hash === hashOf(first))
    expect(world.alerts()).toEqual([`late-success:${op?.id}`])
    expect(market.account('loss')).toBe(-PAYOUT_MSAT)
    expect(market.gains().node + market.account('ln')).toBe(0)
    expect(world.standing(id)).toBe('success')
    expect(market.times(bob, 'purchase-completed', id)).toBe(1)
  })

  test.each([
    ['nothing at all', { kind: 'swallow' }],
    ['an error in the middle', { kind: 'lose-answer', how: 'internal' }],
    ['a message without its fields', { kind: 'garbage' }],
  ] as const)('W4: a look-up that brings %s is no licence to pay again', async (_what, fault) => {
    market = await Market.open()
    const { world } = market
    world.network.node.scriptPayment('next', { kind: 'slow', ms: 600_000 })
    world.network.faults.next('SendPaymentV2', { kind: 'lose-answer', how: 'internal' })
    world.network.faults.always('TrackPaymentV2', fault)
    const id = await market.released()
    await market.passes(300_000)
    expect(sends()).toBe(1)
    expect(market.payments(id)[0]?.state).toBe('unknown')
    world.network.faults.clear('TrackPaymentV2')
    await market.completed(id, 1_200_000)
    expect(sends()).toBe(1)
    await market.checkTraded(id)
  })

  test('C-20, F-050: a payee who sits on the payment is waited for, told so, and delays nobody else', async () => {
    market = await Market.open()
    const { world } = market
    const held = market.bobsInvoice()
    market.bob.wallet.onIncoming('hold', hashOf(held))
    const id = await market.released(held)
    await market.passes(60_000)
    const carol = world.trader('carol')
    const other = await market.offer()
    carol.takes('take-sell', other, {
      payload: paymentRequest(carol.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400 })),
    })
    await market.alice.hears('pay-invoice', other)
    market.paysEscrow(other)
    await carol.hears('hold-invoice-payment-accepted', other)
    carol.send('fiat-sent', { id: other })
    await market.alice.hears('fiat-sent-ok', other)
    market.alice.send('release', { id: other })
    await carol.hears('purchase-completed', other)
    await market.passes(2 * HOUR_MS)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
    expect(market.payments(id).map((op) => op.state)).toEqual(['in_flight'])
    expect(world.alerts()).toEqual([`slow:${market.payments(id)[0]?.id}`])
    market.bob.wallet.settleHeld(hashOf(held))
    await market.completed(id)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    expect(carol.wallet.received()).toHaveLength(1)
    market.checkBooks({ feeMsat: satsToMsat(4 * FEE_SATS) })
  })

  test('C-23: an outage outlives an invoice that never left: the buyer is asked for another one', async () => {
    market = await Market.open()
    const { world } = market
    world.network.faults.next('SendPaymentV2', { kind: 'swallow' })
    const id = await market.released(market.bobsInvoice({ expiryS: 3700 }))
    await world.until(() => sends() === 1, 'the payment is sent')
    world.network.node.stop('kill')
    await market.passes(2 * HOUR_MS)
    expect(market.payout(id).state).toBe('ready')
    world.network.node.start()
    await market.bob.hears('add-invoice', id)
    market.checkBooks({ feeMsat: FEES_MSAT })
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('ADR 0012: a buyer who was paid, and asks again whether his new invoice was taken, hears that it was', async () => {
    market = await Market.open()
    const { world, bob } = market
    world.network.faults.next('SendPaymentV2', { kind: 'swallow' })
    const id = await market.released(market.bobsInvoice({ expiryS: 3700 }))
    await world.until(() => sends() === 1, 'the payment is sent')
    world.network.node.stop('kill')
    await market.passes(2 * HOUR_MS)
    world.network.node.start()
    await bob.hears('add-invoice', id)
    const payload = paymentRequest(market.bobsInvoice())
    const requestId = bob.send('add-invoice', { id, payload })
    await bob.hears('invoice-updated', id)
    await market.completed(id)
    bob.send('add-invoice', { id, payload, requestId })
    await bob.hears('invoice-updated', id, 2)
    expect(bob.all('cant-do')).toEqual([])
    await market.checkTraded(id)
  })

  test('C-23: an outage outlives an invoice that is being paid: it is waited for', async () => {
    market = await Market.open()
    const { world } = market
    const held = market.bobsInvoice({ expiryS: 3700 })
    market.bob.wallet.onIncoming('hold', hashOf(held))
    const id = await market.released(held)
    await world.until(() => market.bob.wallet.held().length === 1, 'Bob has the HTLC')
    world.network.node.stop('kill')
    await market.passes(2 * HOUR_MS)
    world.network.node.start()
    await market.passes(60_000)
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    market.bob.wallet.settleHeld(hashOf(held))
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('a planned retry whose invoice grew too old is looked up before anybody is asked', async () => {
    market = await Market.open()
    const { world } = market
    world.network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 10_000_000 })
    const id = await market.fiatSent(market.bobsInvoice({ expiryS: 3700 }))
    world.cut = (point) => {
      if (point === 'commit:look:pay') world.network.node.stop('kill')
    }
    market.alice.send('release', { id })
    await market.alice.hears('hold-invoice-payment-settled', id)
    await world.until(() => world.network.node.state() === 'stopped', 'LND goes away', 60_000)
    world.cut = () => undefined
    expect(market.payments(id)[0]).toMatchObject({ state: 'planned', unacked: 1 })
    await market.passes(3645_000)
    world.network.node.start()
    await market.bob.hears('add-invoice', id)
    expect(sends()).toBe(1)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test("C-26, F-061: a payment that fails because LND restarted is LND's fault: the buyer's budget is untouched", async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const { world } = market
    world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route', afterMs: 30_000 })
    const id = await market.released()
    await world.until(() => market.payments(id)[0]?.state === 'in_flight', 'the payment is under way')
    world.network.node.restart({ how: 'kill' })
    await market.completed(id)
    expect(market.payout(id).failures).toBe(0)
    expect(market.payments(id)).toHaveLength(1)
    expect(market.times(market.bob, 'payment-failed', id)).toBe(0)
    await market.checkTraded(id)
  })

  test('C-27: a payment that hangs in LND without an HTLC is never given up by itself', async () => {
    market = await Market.open()
    const { world } = market
    world.network.node.scriptPayment('next', { kind: 'zombie' })
    const id = await market.released()
    await market.passes(3 * HOUR_MS)
    expect(sends()).toBe(1)
    expect(world.alerts()).toEqual([`slow:${market.payments(id)[0]?.id}`])
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    world.network.node.restart()
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('C-28, F-058: LND comes back with older records: nothing is paid again, all money halts until an operator looks', async () => {
    market = await Market.open()
    const { world } = market
    const image = world.network.node.image()
    const id = await market.released()
    await market.completed(id)
    world.network.node.restart({ how: 'kill', image })
    await market.passes(120_000)
    expect(world.alerts()).toContain('lightning-mismatch')
    expect(world.engine?.status().lightning).toMatchObject({ serving: false })
    const next = await market.offer()
    const answer = await market.bob.answer(
      market.bob.takes('take-sell', next, { payload: paymentRequest(market.bobsInvoice()) }),
    )
    expect(reasonOf(answer)).toBe('pending_order_exists')
    expect(sends()).toBe(1)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
  })

  test('C-28, F-058: LND forgets a payment that it had under way: halted, not sent again', async () => {
    market = await Market.open()
    const { world } = market
    const held = market.bobsInvoice()
    market.bob.wallet.onIncoming('hold', hashOf(held))
    const id = await market.released(held)
    await world.until(() => market.payments(id)[0]?.known === 1, 'LND knows the payment')
    world.network.node.forgetPayment(hashOf(held))
    world.network.node.cutConnections()
    await market.passes(120_000)
    expect(world.alerts()).toContain(`amnesia:${hashOf(held)}`)
    expect(sends()).toBe(1)
    expect(market.payout(id).state).toBe('ready')
  })

  test('F-057: a success with a preimage that does not fit is not believed', async () => {
    market = await Market.open()
    const { world } = market
    world.network.node.scriptPayment('next', { kind: 'wrong-preimage' })
    const id = await market.released()
    await market.passes(HOUR_MS / 2)
    expect(market.payout(id).state).toBe('ready')
    expect(world.standing(id)).toBe('settled-hold-invoice')
    expect(world.network.node.payments()).toMatchObject([{ state: 'succeeded' }])
    expect(world.alerts()).toEqual([`slow:${market.payments(id)[0]?.id}`])
    expect(sends()).toBe(1)
  })

  test('F-052: ten failures for want of liquidity cost the buyer nothing: he is paid when there is some', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    let takenAwayMsat = 0
    onceSettled(id, () => {
      takenAwayMsat = world.network.node.balanceMsat()
      world.network.node.addLiquidity(-takenAwayMsat)
    })
    market.alice.send('release', { id })
    await market.alice.hears('hold-invoice-payment-settled', id)
    await market.passes(10 * 60_000)
    expect(sends()).toBeGreaterThanOrEqual(10)
    expect(market.payout(id)).toMatchObject({ state: 'ready', failures: 0 })
    expect(world.alerts()).toEqual([`payout-node-fault:buyer_payout:${id}`])
    expect(market.times(market.bob, 'payment-failed', id)).toBe(0)
    world.network.node.addLiquidity(takenAwayMsat)
    await market.completed(id)
    await market.checkTraded(id)
  })
})

describe('the settle', () => {
  test('C-16, F-032: LND cancelled the escrow before the settle: nobody is told that sats moved, a person must look', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    world.network.faults.always('SubscribeSingleInvoice', { kind: 'swallow' })
    world.network.faults.next('SettleInvoice', { kind: 'slow', ms: 5000 })
    market.alice.send('release', { id })
    await world.until(() => world.standing(id) === 'fiat-sent/releasing', 'the release is decided')
    await market.cancelByHand(market.escrowHash(id))
    await market.bob.hears('hold-invoice-payment-canceled', id)
    await market.alice.hears('hold-invoice-payment-canceled', id)
    expect(world.standing(id)).toBe('fiat-sent/review')
    expect(market.payout(id).state).toBe('void')
    expect(world.alerts()).toEqual([`escrow-lost:${id}`])
    expect(market.times(market.bob, 'released', id)).toBe(0)
    expect(market.times(market.alice, 'hold-invoice-payment-settled', id)).toBe(0)
    await market.checkUntouched()
  })

  test('DEC-39: the seller is told that her sats moved only after LND moved them', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    world.network.faults.always('SettleInvoice', { kind: 'refuse', with: 'no-connection' })
    market.alice.send('release', { id })
    await market.passes(600_000)
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(world.published(id)).toBe('in-progress')
    expect(market.times(market.alice, 'hold-invoice-payment-settled', id)).toBe(0)
    expect(market.times(market.bob, 'released', id)).toBe(0)
    world.network.faults.clear('SettleInvoice')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test.each(['release first', 'cancel first'] as const)(
    'F-025, W52: release and the second half of a cooperative cancel in one moment, %s: one of them counts',
    async (order) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.fiatSent()
      alice.send('cancel', { id })
      await bob.hears('cooperative-cancel-initiated-by-peer', id)
      const release = () => alice.send('release', { id })
      const cancel = () => bob.send('cancel', { id })
      if (order === 'release first') {
        release()
        const answer = await bob.answer(cancel())
        expect(reasonOf(answer)).toBe('not_allowed_by_status')
        await market.completed(id)
        await market.checkTraded(id)
        return
      }
      cancel()
      const answer = await alice.answer(release())
      expect(reasonOf(answer)).toBe('not_allowed_by_status')
      expect((await market.escrowEnd(id)).ok).toBe(false)
      await world.until(() => world.standing(id) === 'cooperatively-canceled', 'the refund is confirmed')
      expect(market.rows('SELECT 1 FROM obligation')).toEqual([])
      await market.checkUntouched()
    },
  )
})

describe("the buyer's invoice", () => {
  test('W10: an invoice that expired during the trade is not sent: the buyer is asked at once', async () => {
    market = await Market.open()
    const id = await market.fiatSent(market.bobsInvoice({ expiryS: 3700 }))
    await market.passes(2 * HOUR_MS)
    market.alice.send('release', { id })
    await market.bob.hears('add-invoice', id)
    expect(market.bob.all('payment-failed', id)[0]?.payload).toMatchObject({ kind: 'payment_failed', attempts: 0 })
    expect(sends()).toBe(0)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test.each([
    ['what he will get', PAYOUT_MSAT, true],
    ['no amount', null, true],
    ['the whole amount', satsToMsat(AMOUNT_SATS), false],
  ] as const)('W11: a buy order with an invoice over %s', async (_what, amountMsat, isTaken) => {
    market = await Market.open()
    const invoice = market.bobsInvoice({ amountMsat })
    if (!isTaken) {
      await expect(market.boughtAndTaken(invoice)).rejects.toThrow('invalid_invoice')
      return
    }
    const id = await market.boughtAndTaken(invoice)
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    market.bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test.each([
    ['W12: half a sat too much', () => market.bobsInvoice({ amountMsat: msat(PAYOUT_MSAT + 500) })],
    ['one msat too little', () => market.bobsInvoice({ amountMsat: msat(PAYOUT_MSAT - 1) })],
    ['a life that ends too soon', () => market.bobsInvoice({ expiryS: 600 })],
    ['another network', () => market.bob.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400, network: 'bc' })],
    [
      'a final lock of two days',
      () => market.bob.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400, finalCltv: 288 }),
    ],
  ])('DEC-20: an invoice with %s is refused when it is given, not when it is to be paid', async (_what, invoice) => {
    market = await Market.open()
    const id = await market.offer()
    market.bob.takes('take-sell', id)
    await market.bob.hears('add-invoice', id)
    expect(await giveInvoice(id, invoice())).toBe('invalid_invoice')
    expect(market.world.standing(id)).toBe('waiting-buyer-invoice')
    market.bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice({ amountMsat: null })) })
    await market.alice.hears('pay-invoice', id, 2)
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    market.bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('DEC-20: an escrow invoice of the node is no invoice to be paid with', async () => {
    market = await Market.open()
    const carol = market.world.trader('carol')
    const first = await market.taken()
    const id = await market.offer()
    carol.takes('take-sell', id)
    await carol.hears('add-invoice', id)
    const requestId = carol.send('add-invoice', { id, payload: paymentRequest(market.escrowInvoice(first)) })
    expect(reasonOf(await carol.answer(requestId))).toBe('invalid_invoice')
  })

  test('W5: an invoice serves one trade; a second trade refuses it, the same trade takes it again', async () => {
    market = await Market.open()
    const { world, bob } = market
    const carol = world.trader('carol')
    const invoice = market.bobsInvoice()
    const first = await market.taken(invoice)
    const second = await market.offer()
    const take = (id: string) => bob.takes('take-sell', id, { payload: paymentRequest(invoice) })
    expect(reasonOf(await bob.answer(take(second)))).toBe('invalid_invoice')
    const hers = carol.takes('take-sell', second, { payload: paymentRequest(invoice) })
    expect(reasonOf(await carol.answer(hers))).toBe('invalid_invoice')
    bob.send('cancel', { id: first, key: 1 })
    await world.until(() => world.standing(first) === 'pending', 'the order is back on the book')
    bob.send('take-sell', { id: first, key: 1, tradeIndex: 3, payload: paymentRequest(invoice) })
    await world.until(() => world.standing(first) === 'waiting-payment', 'it is taken again with the same invoice')
    await market.quiet()
    expect(world.standing(second)).toBe('pending')
  })

  test('C-28a, F-053: the same invoice was admitted twice all the same: both settles stand, the second buyer is asked', async () => {
    market = await Market.open()
    const id = await market.fiatSent()
    market.world.store.all(`UPDATE payout_hash SET owner = 'buyer_payout:another' RETURNING hash`)
    market.alice.send('release', { id })
    await market.bob.hears('add-invoice', id)
    expect(market.world.standing(id)).toBe('settled-hold-invoice')
    expect(sends()).toBe(0)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })
})

describe('a payout that fails', () => {
  test('DEC-40: what payment-failed announces is what happens, then the buyer is asked', async () => {
    market = await Market.open()
    const { world } = market
    const bad = market.bobsInvoice()
    market.bob.wallet.onIncoming('fail', hashOf(bad))
    const id = await market.released(bad)
    await market.bob.hears('payment-failed', id)
    expect(market.bob.all('payment-failed', id)[0]?.payload).toEqual({
      kind: 'payment_failed',
      attempts: 2,
      retriesIntervalS: 60,
    })
    const firstAtMs = world.clock.nowMs()
    await market.bob.hears('add-invoice', id)
    const passedS = (world.clock.nowMs() - firstAtMs) / 1000
    expect(passedS).toBeGreaterThanOrEqual(119)
    expect(passedS).toBeLessThan(130)
    expect(sends()).toBe(3)
    expect(market.times(market.bob, 'payment-failed', id)).toBe(1)
    market.checkBooks({ feeMsat: FEES_MSAT })
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('W11b: with a single attempt the first failure asks the buyer for another invoice', async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const bad = market.bobsInvoice()
    market.bob.wallet.onIncoming('fail', hashOf(bad))
    const id = await market.released(bad)
    await market.bob.hears('add-invoice', id)
    expect(market.bob.all('payment-failed', id)[0]?.payload).toMatchObject({ attempts: 0 })
    expect(sends()).toBe(1)
  })

  test('F-055a, W6, W7, C-24: between two attempts the buyer may change his invoice: only the new one is paid, with a budget of its own', async () => {
    market = await Market.open()
    const bad = market.bobsInvoice()
    const better = market.bobsInvoice()
    for (const invoice of [bad, better]) market.bob.wallet.onIncoming('fail', hashOf(invoice))
    const id = await market.released(bad)
    await market.bob.hears('payment-failed', id)
    await market.passes(65_000)
    expect(market.payout(id).failures).toBe(2)
    expect(await giveInvoice(id, better)).toBe('invoice-updated')
    await market.passes(70_000)
    expect(market.payout(id)).toMatchObject({ failures: 2, state: 'ready' })
    market.bob.wallet.onIncoming('settle')
    for (const invoice of [bad, better]) market.bob.wallet.onIncoming('settle', hashOf(invoice))
    await market.completed(id)
    expect(market.world.network.node.payment(hashOf(bad))?.state).toBe('failed')
    expect(market.world.network.node.payment(hashOf(better))?.state).toBe('succeeded')
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    await market.checkTraded(id)
  })

  test('the same invoice sent again before its first attempt changes nothing for the worse', async () => {
    market = await Market.open()
    const { world } = market
    const invoice = market.bobsInvoice()
    const id = await market.fiatSent(invoice)
    world.network.faults.next('SendPaymentV2', { kind: 'refuse', with: 'no-connection' }, 4)
    market.alice.send('release', { id })
    await market.bob.hears('released', id)
    await giveInvoice(id, invoice)
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('W8, DEC-27: a buyer who does not answer is asked again and again, ever more rarely, at least daily', async () => {
    market = await Market.open({ settings: { payoutAttempts: 1 } })
    const { world } = market
    const bad = market.bobsInvoice()
    market.bob.wallet.onIncoming('fail', hashOf(bad))
    const id = await market.released(bad)
    await market.bob.hears('add-invoice', id)
    const askedAtMs = [world.clock.nowMs()]
    for (let n = 2; n <= 6; n += 1) {
      await world.until(() => market.bob.all('add-invoice', id).length >= n, `prompt ${n}`, 2 * 86_400_000, 10_000)
      askedAtMs.push(world.clock.nowMs())
    }
    const gapsS = askedAtMs.slice(1).map((at, n) => (at - (askedAtMs[n] ?? 0)) / 1000)
    for (const [n, wantedS] of [600, 3600, 4 * 3600, 12 * 3600, 24 * 3600].entries()) {
      expect(gapsS[n]).toBeGreaterThanOrEqual(wantedS)
      expect(gapsS[n]).toBeLessThanOrEqual(wantedS + 60)
    }
    expect(world.engine?.status().obligations).toEqual([
      { id: `buyer_payout:${id}`, shown: 'need_destination', amountMsat: PAYOUT_MSAT },
    ])
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  }, 60_000)

  test('W20: a small payout may cost ten sats of routing', async () => {
    market = await Market.open({ network: { feeBaseMsat: 9000, feePpm: 0 } })
    const { world, alice, bob } = market
    const id = await alice.makes({ kind: 'sell', amount: 2000n, fiatAmount: 2n })
    const invoice = bob.wallet.invoice({ amountMsat: satsToMsat(1994), expiryS: 86_400 })
    bob.takes('take-sell', id, { payload: paymentRequest(invoice) })
    await alice.hears('pay-invoice', id)
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await market.completed(id)
    expect(market.account('routing')).toBe(-9000)
    expect(market.gains().bob).toBe(satsToMsat(1994))
    expect(world.alerts()).toEqual([])
    market.checkBooks({ feeMsat: satsToMsat(12) })
  })
})
