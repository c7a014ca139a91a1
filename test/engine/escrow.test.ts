/** The escrow from the take to its end, and what races with it (trade.md 8.2, money-path.md 4.1). */
import { afterEach, describe, expect, test } from 'vitest'
import { msat, satsToMsat } from '../../src/core/money.ts'
import { AMOUNT_SATS, DUTY_MS, ESCROW_MSAT, FEE_SATS, Market, type PowerCut, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

let market: Market
afterEach(() => market.close())

const calls = (method: Parameters<typeof market.world.network.faults.calls>[0]) =>
  market.world.network.faults.calls(method)
const invoices = () => market.world.network.node.invoices()
const takesWithInvoice = (id: string) =>
  market.bob.takes('take-sell', id, { payload: paymentRequest(market.bobsInvoice()) })
/** A trade whose escrow is locked goes to its end. */
const goesThrough = async (id: string) => {
  market.bob.send('fiat-sent', { id })
  await market.alice.hears('fiat-sent-ok', id)
  market.alice.send('release', { id })
  await market.completed(id)
  await market.checkTraded(id)
}

describe('the power goes while an escrow is made and paid', () => {
  const whileMade: readonly { readonly what: string; readonly cut: PowerCut }[] = [
    { what: 'C-01: before the take is on disk', cut: { before: 'message:take-sell' } },
    { what: 'C-02: after the take is on disk', cut: { at: 'commit:message:take-sell' } },
    { what: 'C-02: with the invoice claimed and no byte sent', cut: { at: 'before:lightning.createHold' } },
    { what: 'C-04: after LND made the invoice, before its answer', cut: { at: 'after:lightning.createHold' } },
    { what: 'C-04: before the made invoice is on disk', cut: { before: 'create:A' } },
    { what: 'C-05: after the made invoice is on disk, before anybody is told', cut: { at: 'commit:create:A' } },
  ]
  test.each(whileMade)('$what: one invoice, asked for once, and the trade goes on', async ({ cut }) => {
    market = await Market.open()
    const id = await market.offer()
    const power = market.powerGoes(id, cut)
    takesWithInvoice(id)
    await market.alice.hears('pay-invoice', id)
    expect(power.happened()).toBe(true)
    expect(invoices()).toHaveLength(1)
    expect(market.times(market.alice, 'pay-invoice', id)).toBe(1)
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('C-03: LND made the invoice and its answer was lost: it is adopted, not made again', async () => {
    market = await Market.open()
    market.world.network.faults.next('AddHoldInvoice', { kind: 'lose-answer', how: 'internal' })
    const id = await market.locked()
    expect(invoices()).toHaveLength(1)
    expect(calls('AddHoldInvoice')).toBe(1)
    await goesThrough(id)
  })

  const whilePaid: readonly { readonly what: string; readonly cut: PowerCut }[] = [
    { what: 'C-07, W17: before the paid escrow is on disk', cut: { before: 'observe:accepted' } },
    { what: 'C-08, W17: after the paid escrow is on disk, before anybody is told', cut: { once: 'active' } },
  ]
  test.each(whilePaid)('$what: both are told once', async ({ cut }) => {
    market = await Market.open()
    const id = await market.taken()
    const power = market.powerGoes(id, cut)
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await market.alice.hears('buyer-took-order', id)
    expect(power.happened()).toBe(true)
    await market.quiet()
    expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(1)
    expect(market.times(market.alice, 'buyer-took-order', id)).toBe(1)
    await goesThrough(id)
  })

  test('C-06, F-010, W18: paid while the daemon was down for an hour: the trade is on, nobody is timed out', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    world.kill()
    market.paysEscrow(id)
    await market.passes(3_600_000)
    await world.boot()
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await market.passes(DUTY_MS)
    expect(world.standing(id)).toBe('active')
    expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(1)
    expect(market.times(market.alice, 'canceled', id)).toBe(0)
    await goesThrough(id)
  })

  test.each([
    ['its streams say nothing more', 'swallow'],
    ['its streams break', 'cut'],
  ] as const)('W16: LND is there but %s: a paid escrow is noticed within one sweep', async (_what, how) => {
    market = await Market.open()
    const { world } = market
    if (how === 'swallow') world.network.faults.always('SubscribeSingleInvoice', { kind: 'swallow' })
    const id = await market.taken()
    if (how === 'cut') world.network.node.restart()
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id, 1, 40_000)
    await goesThrough(id)
  })

  test('a payment that is reported three times starts the trade once', async () => {
    market = await Market.open()
    market.world.network.faults.always('SubscribeSingleInvoice', { kind: 'twice' })
    const id = await market.locked()
    await market.passes(90_000)
    expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(1)
    await goesThrough(id)
  })
})

describe('the answer deadline of a take (DEC-35)', () => {
  test.each([
    ['LND never answers', { kind: 'swallow' }],
    ['LND answers after twenty seconds', { kind: 'slow', ms: 20_000 }],
    ['LND is locked', { kind: 'refuse', with: 'locked' }],
    ['LND refuses our rights', { kind: 'refuse', with: 'permission' }],
  ] as const)(
    'F-007: %s: the taker is answered in eight seconds and may take again with the same key',
    async (what, fault) => {
      market = await Market.open()
      const { world, bob } = market
      const id = await market.offer()
      world.network.faults.always('AddHoldInvoice', fault)
      const askedAtMs = world.clock.nowMs()
      const answer = await bob.answer(takesWithInvoice(id))
      expect(reasonOf(answer)).toBe('pending_order_exists')
      expect(world.clock.nowMs() - askedAtMs).toBeLessThanOrEqual(9500)
      expect(world.standing(id)).toBe('pending')
      expect(world.published(id)).toBe('pending')
      expect(market.times(market.alice, 'pay-invoice', id)).toBe(0)
      expect(world.alerts()).toEqual(what === 'LND refuses our rights' ? ['lightning-refused:hold_create'] : [])
      world.network.faults.clear('AddHoldInvoice')
      await market.passes(30_000)
      const again = bob.send('take-sell', {
        id,
        tradeIndex: bob.key,
        payload: paymentRequest(market.bobsInvoice()),
      })
      expect(reasonOf(await bob.answer(again))).toBe('waiting-seller-to-pay')
      market.paysEscrow(id)
      await bob.hears('hold-invoice-payment-accepted', id)
      await market.passes(1_200_000)
      expect(invoices().filter((i) => i.state !== 'canceled')).toHaveLength(1)
      // The invoice that came resolved what was said about the refusals.
      expect(world.alerts()).toEqual([])
      await goesThrough(id)
    },
  )

  test('LND is known to be away: the take is refused at once, and a sell order can still be made', async () => {
    market = await Market.open()
    const { world, bob } = market
    world.network.node.stop('kill')
    await market.passes(2000)
    const id = await market.offer()
    const askedAtMs = world.clock.nowMs()
    expect(reasonOf(await bob.answer(takesWithInvoice(id)))).toBe('pending_order_exists')
    expect(world.clock.nowMs() - askedAtMs).toBeLessThan(1000)
    world.network.node.start()
    await market.passes(60_000)
    const again = bob.send('take-sell', { id, tradeIndex: bob.key, payload: paymentRequest(market.bobsInvoice()) })
    expect(reasonOf(await bob.answer(again))).toBe('waiting-seller-to-pay')
  })

  test('C-65: the power goes before the undo: it is made up for at the start', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.offer()
    world.network.faults.always('AddHoldInvoice', { kind: 'swallow' })
    const requestId = takesWithInvoice(id)
    await world.until(() => world.standing(id) === 'pending/opening', 'the take is under way')
    world.kill()
    await market.passes(60_000)
    await world.boot()
    expect(reasonOf(await bob.answer(requestId))).toBe('pending_order_exists')
    expect(world.standing(id)).toBe('pending')
  })

  test.each([
    ['never left', { kind: 'refuse', with: 'no-connection' }],
    ['was made and its answer lost', { kind: 'lose-answer', how: 'silence' }],
    ['arrives late', { kind: 'slow', ms: 15_000 }],
    ['arrives after LND was asked for it in vain', { kind: 'slow', ms: 60_000 }],
    ['arrives when its connection is long gone', { kind: 'deliver-late', ms: 60_000 }],
    ['is lost on the way', { kind: 'swallow' }],
  ] as const)(
    'C-09, F-007a: the taker cancels first and the invoice %s: nobody gets it, and it ends canceled',
    async (_w, fault) => {
      market = await Market.open()
      const { world, bob } = market
      const id = await market.offer()
      world.network.faults.always('AddHoldInvoice', fault)
      takesWithInvoice(id)
      await world.until(() => world.standing(id) === 'pending/opening', 'the take is under way')
      await market.passes(1000)
      expect(reasonOf(await bob.answer(bob.send('cancel', { id })))).toBe('canceled')
      expect(world.standing(id)).toBe('pending')
      world.network.faults.clear('AddHoldInvoice')
      await market.passes(180_000)
      expect(world.network.node.invoices().filter(({ state }) => state === 'open')).toEqual([])
      await market.passes(1_200_000)
      expect(market.times(market.alice, 'pay-invoice', id)).toBe(0)
      expect(world.alerts()).toEqual([])
      expect(market.rows('SELECT 1 FROM hold WHERE final IS NULL')).toEqual([])
      await market.checkUntouched()
    },
  )
})

describe('the end of a duty', () => {
  test('nobody pays: a taken sell order of a silent seller is canceled, both are told, the invoice is gone', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    await market.passes(DUTY_MS + 10_000)
    expect(world.standing(id)).toBe('canceled')
    await market.bob.hears('canceled', id)
    await market.alice.hears('canceled', id)
    expect(world.published(id)).toBe('canceled')
    await market.checkUntouched()
    expect(world.alerts()).toEqual([])
  })

  test.each([-2000, -600, -200, -50, 0, 5, 50, 300, 1000, 3000, 6000])(
    'F-020, W13: the seller pays %i ms from the end of her time: the trade is on or she has her sats back, and both hear the same',
    async (offsetMs) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.taken()
      const anchored = world.store.get<{ at: number }>('SELECT duty_anchor_at AS at FROM orders WHERE id = :id', { id })
      const payAtMs = (anchored?.at ?? 0) * 1000 + DUTY_MS + offsetMs
      await world.clock.advance(payAtMs - world.clock.nowMs())
      market.paysEscrow(id, { ignoreExpiry: true })
      await market.passes(60_000)
      await market.quiet()
      if (world.standing(id) === 'active') {
        expect(market.times(bob, 'canceled', id)).toBe(0)
        await goesThrough(id)
        return
      }
      expect(world.standing(id)).toBe('canceled')
      expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
      expect(market.times(alice, 'buyer-took-order', id)).toBe(0)
      expect((await market.escrowEnd(id)).ok).toBe(false)
      await market.checkUntouched()
    },
  )

  test('W13: the seller pays in the moment between the look at LND and the decision: she has her sats back', async () => {
    market = await Market.open()
    const { world, bob } = market
    world.network.faults.always('SubscribeSingleInvoice', { kind: 'swallow' })
    const id = await market.taken()
    await market.passes(DUTY_MS - 10_000)
    let paid = false
    world.cut = (point) => {
      if (paid || point !== 'after:lightning.lookupHold') return
      paid = true
      market.paysEscrow(id)
    }
    await world.until(() => world.standing(id) === 'canceled', 'her time is over')
    expect(paid).toBe(true)
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    await market.checkUntouched()
  })

  test("W14: the buyer's address is looked up while his time ends: the seller is refunded and nobody is told of a trade", async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.boughtAndTaken()
    market.paysEscrow(id)
    await bob.hears('add-invoice', id)
    world.addressLatencyMs = 6500
    await market.passes(DUTY_MS - 3000)
    const requestId = bob.send('add-invoice', { id, payload: paymentRequest('bob@wallets.example') })
    expect(reasonOf(await bob.answer(requestId))).toBe('not_allowed_by_status')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    expect(market.times(alice, 'buyer-took-order', id)).toBe(0)
    await world.until(() => world.standing(id) === 'canceled', 'the refund is confirmed')
    await market.checkUntouched()
  })

  test('W23: LND has thrown the expired invoice away while we were down: the seller is given another one', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    world.kill()
    await market.passes(DUTY_MS + 120_000)
    world.network.node.restart({ collectCanceled: true })
    expect(invoices()).toEqual([])
    await world.boot()
    await world.until(() => market.escrowInvoices(id) === 2, 'she is given another invoice')
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('W23: and when she pays neither, the order goes back on the book', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.boughtAndTaken(market.bobsInvoice())
    world.kill()
    await market.passes(DUTY_MS + 120_000)
    world.network.node.restart({ collectCanceled: true })
    await world.boot()
    await market.passes(DUTY_MS + 130_000)
    expect(world.standing(id)).toBe('pending')
    expect(world.published(id)).toBe('pending')
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test('W27: LND is away when the daemon starts: timers and guards run as soon as it is there', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    world.kill()
    world.network.node.stop('kill')
    await world.boot()
    await market.passes(600_000)
    expect(world.standing(id)).toBe('waiting-payment')
    world.network.node.start()
    await market.passes(2 * DUTY_MS)
    expect(world.standing(id)).toBe('canceled')
    await market.checkUntouched()
  })
})

describe('blind time (DEC-38)', () => {
  const blindness = [
    ['the daemon was down', () => market.world.kill(), () => market.world.boot()],
    ['no relay was there', () => market.world.relays[0]?.goAway(), () => market.world.relays[0]?.comeBack()],
    ['LND was away', () => market.world.network.node.stop('kill'), () => market.world.network.node.start()],
  ] as const
  test.each(blindness)('%s for ten minutes: the seller still has her whole time', async (_what, begin, end) => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    await market.passes(300_000)
    await begin()
    await market.passes(600_000)
    await end()
    await market.passes(550_000)
    expect(world.standing(id)).toBe('waiting-payment')
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test.each(blindness)('%s for ten minutes: after that time she is out', async (_what, begin, end) => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    await market.passes(300_000)
    await begin()
    await market.passes(600_000)
    await end()
    await market.passes(700_000)
    expect(world.standing(id)).toBe('canceled')
    await market.checkUntouched()
  })
})

describe('an invoice that LND ends', () => {
  test('DEC-09: gone before its time was over: a new one is given, once, and the trade goes on with it', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    const first = market.escrowHash(id)
    await market.passes(60_000)
    await market.cancelByHand(first)
    await world.until(() => market.escrowInvoices(id) === 2, 'she is given another invoice')
    expect(world.standing(id)).toBe('waiting-payment')
    expect(world.alerts()).toEqual([])
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('DEC-09: gone a second time: there is no third, and the duty ends by its clock', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.taken()
    for (const count of [2, 2]) {
      await market.cancelByHand(market.escrowHash(id))
      await world.until(() => market.escrowInvoices(id) === count, 'she is given another invoice')
    }
    await market.passes(120_000)
    expect(market.escrowInvoices(id)).toBe(2)
    expect(world.standing(id)).toBe('waiting-payment')
    await market.passes(DUTY_MS)
    expect(world.standing(id)).toBe('canceled')
    await market.checkUntouched()
  })

  test('LND goes away while the invoice is made, and it expires there: the seller is given a living one, once', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.offer()
    bob.takes('take-sell', id)
    await bob.hears('add-invoice', id)
    world.network.faults.next('AddHoldInvoice', { kind: 'lose-answer', how: 'silence' })
    bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice()) })
    await world.until(() => invoices().length === 1, 'LND has made it')
    world.network.node.stop('kill')
    await market.passes(DUTY_MS + 120_000)
    world.network.node.start()
    await alice.hears('pay-invoice', id, 2)
    await market.passes(5000)
    expect(market.escrowInvoices(id)).toBe(1)
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('W26, DEC-10: the escrow of a running trade is canceled at LND: both are told at once, the operator is alerted', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.locked()
    await market.cancelByHand(market.escrowHash(id))
    await bob.hears('hold-invoice-payment-canceled', id, 1, 5000)
    await alice.hears('hold-invoice-payment-canceled', id, 1, 5000)
    expect(world.standing(id)).toBe('canceled')
    expect(world.alerts()).toEqual([`escrow-lost:${id}`])
    expect(reasonOf(await bob.answer(bob.send('fiat-sent', { id })))).toBe('invalid_order_status')
    await market.checkUntouched()
  })

  test('W26, C-12: gone after the fiat was sent: the status stays, a person must look, both are told', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    world.kill()
    world.network.mine(200)
    await world.boot()
    await bob.hears('hold-invoice-payment-canceled', id)
    await alice.hears('hold-invoice-payment-canceled', id)
    expect(world.standing(id)).toBe('fiat-sent/review')
    expect(world.alerts()).toEqual([`escrow-lost:${id}`])
    expect(reasonOf(await alice.answer(alice.send('release', { id })))).toBe('not_allowed_by_status')
    await market.checkUntouched()
  })
})

describe('cancels', () => {
  test('W19: LND is away when the maker cancels: both hear it at once, the refund follows, the invoice can not be paid', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.taken()
    world.network.faults.always('CancelInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('cancel', { id })
    await alice.hears('canceled', id, 1, 2000)
    await bob.hears('canceled', id, 1, 2000)
    expect(world.standing(id)).toBe('canceled')
    // C-11: she pays although she canceled: the sats go back, the order is not revived.
    market.paysEscrow(id)
    await market.passes(7_200_000)
    expect(world.standing(id)).toBe('canceled')
    expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    world.network.faults.clear('CancelInvoice')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    await market.checkUntouched()
  })

  const cuts: readonly { readonly what: string; readonly cut: PowerCut }[] = [
    { what: 'W21: after LND gave the sats back, before its answer', cut: { at: 'after:lightning.cancelHold' } },
    { what: 'C-09: after the cancel is on disk', cut: { once: 'cooperatively-canceled/refunding' } },
    { what: 'before the refund is on disk', cut: { before: 'cancel:A' } },
    { what: 'before the news of the refund is on disk', cut: { before: 'observe:canceled' } },
  ]
  test.each(cuts)('$what: the power goes in a cooperative cancel, and everybody has what was his', async ({ cut }) => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.locked()
    alice.send('cancel', { id })
    await bob.hears('cooperative-cancel-initiated-by-peer', id)
    const power = market.powerGoes(id, cut)
    bob.send('cancel', { id })
    await alice.hears('cooperative-cancel-accepted', id)
    await bob.hears('cooperative-cancel-accepted', id)
    await world.until(() => world.standing(id) === 'cooperatively-canceled', 'the refund is confirmed')
    expect(power.happened()).toBe(true)
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(market.times(alice, 'cooperative-cancel-accepted', id)).toBe(1)
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test.each([
    ['F-021', 'its answer is lost', false],
    ['F-023', 'its answer is lost and LND throws the invoice away', true],
  ] as const)(
    'C-10, %s: LND gives the sats back and %s: the refund is confirmed once',
    async (_fault, _what, collects) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.locked()
      world.network.faults.always('SubscribeSingleInvoice', { kind: 'swallow' })
      world.network.node.cutConnections()
      await market.passes(5000)
      world.network.faults.next('CancelInvoice', { kind: 'lose-answer', how: 'internal' })
      if (collects) {
        world.network.faults.choose((method) => {
          if (method === 'LookupInvoice' && calls('CancelInvoice') > 0) world.network.node.collectCanceled()
          return null
        })
      }
      alice.send('cancel', { id })
      await bob.hears('cooperative-cancel-initiated-by-peer', id)
      bob.send('cancel', { id })
      await alice.hears('cooperative-cancel-accepted', id)
      await world.until(() => world.standing(id) === 'cooperatively-canceled', 'the refund is confirmed')
      expect(world.alerts()).toEqual([])
      expect(calls('CancelInvoice')).toBe(1)
      expect(market.times(alice, 'cooperative-cancel-accepted', id)).toBe(1)
      expect(market.times(bob, 'cooperative-cancel-accepted', id)).toBe(1)
      expect(world.network.node.invoice(market.escrowHash(id))?.state ?? null).toBe(collects ? null : 'canceled')
      expect((await market.escrowEnd(id)).ok).toBe(false)
      await market.checkUntouched()
    },
  )

  test('F-024: LND knows neither the escrow that is given back nor another one that it held: all money halts', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const other = await market.locked()
    const id = await market.locked()
    world.network.faults.always('SubscribeSingleInvoice', { kind: 'swallow' })
    world.network.node.cutConnections()
    await market.passes(5000)
    for (const order of [other, id]) world.network.node.forgetInvoice(market.escrowHash(order))
    alice.send('cancel', { id })
    await bob.hears('cooperative-cancel-initiated-by-peer', id)
    bob.send('cancel', { id })
    await alice.hears('cooperative-cancel-accepted', id)
    await market.passes(30_000)
    expect(world.standing(id)).toBe('cooperatively-canceled/refunding')
    expect(world.alerts()).toContain(`conflict:${market.escrowHash(id)}`)
    expect(world.engine?.status().lightning.serving).toBe(false)
  })

  test('DEC-39: a canceled trade is told with the decision, its refund follows while the order says so inside', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.locked()
    world.network.faults.always('CancelInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('cancel', { id })
    await bob.hears('cooperative-cancel-initiated-by-peer', id)
    bob.send('cancel', { id })
    await alice.hears('cooperative-cancel-accepted', id, 1, 2000)
    expect(world.standing(id)).toBe('cooperatively-canceled/refunding')
    expect(reasonOf(await bob.answer(bob.send('fiat-sent', { id })))).toBe('invalid_order_status')
    expect(reasonOf(await alice.answer(alice.send('release', { id })))).toBe('not_allowed_by_status')
    await market.passes(600_000)
    expect(world.standing(id)).toBe('cooperatively-canceled/refunding')
    world.network.faults.clear('CancelInvoice')
    await world.until(() => world.standing(id) === 'cooperatively-canceled', 'the refund is confirmed')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    await market.checkUntouched()
  })

  test('W22: taken in the last second of its window, an order is not expired by the timer, and its escrow is known', async () => {
    market = await Market.open()
    const { world, alice } = market
    const expiresAt = BigInt(Math.floor(world.clock.nowMs() / 1000) + 120)
    const id = await alice.makes({ kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n, expiresAt })
    await market.passes(119_300)
    world.relays[0]?.core.faults.onDelay((event) => (event.kind === 38383 ? 8000 : null))
    takesWithInvoice(id)
    await alice.hears('pay-invoice', id)
    await market.passes(30_000)
    expect(world.standing(id)).toBe('waiting-payment')
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })
})

describe('more than was asked (DEC-26)', () => {
  test('F-015: a little more is kept apart and owed to the seller; the buyer gets what he was promised', async () => {
    market = await Market.open()
    const { world, bob, alice } = market
    const id = await market.taken()
    const over = msat(50_000)
    market.paysEscrow(id, { overpayMsat: over })
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await market.completed(id)
    expect(market.obligation(`overpayment:${id}`)).toMatchObject({
      state: 'review',
      review_why: 'operator-pays',
      amount_msat: over,
      payee: alice.pubkey(),
    })
    expect(market.gains().bob).toBe(satsToMsat(AMOUNT_SATS - FEE_SATS))
    expect(world.alerts()).toEqual([`overpayment:${id}`])
    expect(market.times(bob, 'purchase-completed', id)).toBe(1)
    market.checkBooks({ feeMsat: satsToMsat(2 * FEE_SATS) })
  })

  test.each([
    ['far more', ESCROW_MSAT / 50, true],
    ['a hundredth and not a millisat more', ESCROW_MSAT / 100, false],
    ['a hundredth and a millisat more', ESCROW_MSAT / 100 + 1, true],
  ] as const)('F-015: %s: sent back and asked again, or kept', async (_what, overMsat, isSentBack) => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.taken()
    market.paysEscrow(id, { overpayMsat: msat(overMsat) })
    if (!isSentBack) {
      await bob.hears('hold-invoice-payment-accepted', id)
      return
    }
    await world.until(() => market.escrowInvoices(id) === 2, 'she is asked again')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(world.standing(id)).toBe('waiting-payment')
    expect(market.times(bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    expect(world.alerts()).toEqual([`overpaid:${id}`])
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('DEC-09: an invoice that was asked again after too much had come may still be replaced once', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.taken()
    market.paysEscrow(id, { overpayMsat: msat(ESCROW_MSAT) })
    await world.until(() => market.escrowInvoices(id) === 2, 'she is asked again')
    await market.cancelByHand(market.escrowHash(id))
    await world.until(() => market.escrowInvoices(id) === 3, 'she is given another invoice')
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    await goesThrough(id)
  })

  test('F-016: a part of the sum alone locks nothing: it goes back after two minutes, and the duty ends by its clock', async () => {
    market = await Market.open()
    const id = await market.taken()
    market.paysEscrow(id, { partialMsat: msat(ESCROW_MSAT / 2) })
    await market.passes(60_000)
    expect(market.world.network.totals().walletsPendingOutMsat).toBeGreaterThan(0)
    await market.passes(65_000)
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(market.world.standing(id)).toBe('waiting-payment')
    await market.passes(DUTY_MS)
    expect(market.world.standing(id)).toBe('canceled')
    expect(market.times(market.bob, 'hold-invoice-payment-accepted', id)).toBe(0)
    await market.checkUntouched()
  })
})

describe('near the height at which LND refunds by itself (DEC-10, DEC-30)', () => {
  const BLOCKS_LEFT = 147
  const MARGIN = 36

  test('a running trade is canceled at the margin: both are told, the seller has her sats', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.locked()
    world.network.mine(BLOCKS_LEFT - MARGIN - 1)
    await market.passes(60_000)
    expect(world.standing(id)).toBe('active')
    world.network.mine(1)
    await alice.hears('canceled', id, 1, 5000)
    await bob.hears('canceled', id, 1, 5000)
    await world.until(() => world.standing(id) === 'canceled', 'the refund is confirmed')
    expect((await market.escrowEnd(id)).ok).toBe(false)
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test('after the fiat was sent nothing is canceled: the operator is alerted in time', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    world.network.mine(BLOCKS_LEFT - MARGIN)
    await market.passes(5000)
    expect(world.standing(id)).toBe('fiat-sent')
    expect(world.alerts()).toEqual([`height:${market.escrowHash(id)}`])
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('W48: fiat-sent in the moment in which the escrow was locked does not hide it from the guard', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.taken()
    let sent = false
    world.cut = () => {
      if (sent || world.standing(id) !== 'active') return
      sent = true
      bob.send('fiat-sent', { id })
    }
    market.paysEscrow(id)
    await market.alice.hears('fiat-sent-ok', id)
    world.network.mine(BLOCKS_LEFT - MARGIN)
    await market.passes(5000)
    expect(world.alerts()).toEqual([`height:${market.escrowHash(id)}`])
  })

  test.each(['the block comes first', 'fiat-sent comes first'] as const)(
    'W15, W48: block and fiat-sent in one moment, %s: one of them counts, and both parties know which',
    async (first) => {
      market = await Market.open()
      const { world, alice, bob } = market
      const id = await market.locked()
      const mine = () => world.network.mine(BLOCKS_LEFT - MARGIN)
      if (first === 'the block comes first') {
        mine()
        await world.clock.advance(1)
        const answer = await bob.answer(bob.send('fiat-sent', { id }))
        expect(reasonOf(answer)).toBe('invalid_order_status')
        await alice.hears('canceled', id)
        expect(market.times(alice, 'fiat-sent-ok', id)).toBe(0)
        await world.until(() => world.standing(id) === 'canceled', 'the refund is confirmed')
        await market.checkUntouched()
        return
      }
      bob.send('fiat-sent', { id })
      await world.until(() => world.standing(id) === 'fiat-sent', 'the message is decided', 5000, 1)
      mine()
      await market.passes(5000)
      expect(world.standing(id)).toBe('fiat-sent')
      expect(market.times(alice, 'canceled', id)).toBe(0)
      alice.send('release', { id })
      await market.completed(id)
      await market.checkTraded(id)
    },
  )

  test('C-59: the power goes when the guard has decided: the cancel is made up for', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.locked()
    const power = market.powerGoes(id, { once: 'canceled/refunding' })
    world.network.mine(BLOCKS_LEFT - MARGIN)
    await alice.hears('canceled', id)
    expect(power.happened()).toBe(true)
    await world.until(() => world.standing(id) === 'canceled', 'the refund is confirmed')
    await market.checkUntouched()
  })

  test('C-60: the daemon slept past the margin and LND has not refunded yet: the guard acts at the start', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.locked()
    world.kill()
    world.network.mine(BLOCKS_LEFT - 25)
    await world.boot()
    await bob.hears('canceled', id)
    expect(world.alerts()).toEqual([])
    await market.checkUntouched()
  })

  test('C-60: the daemon slept past the height: the refund that LND made is told', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.locked()
    world.kill()
    world.network.mine(BLOCKS_LEFT)
    await world.boot()
    await bob.hears('hold-invoice-payment-canceled', id)
    expect(world.standing(id)).toBe('canceled')
    expect(world.alerts()).toEqual([`escrow-lost:${id}`])
    await market.checkUntouched()
  })

  test('no block is heard of: time counts for blocks, and the trade is ended before the height may come', async () => {
    market = await Market.open()
    const { bob } = market
    const id = await market.locked()
    await market.passes((BLOCKS_LEFT - MARGIN) * 600_000 + 120_000)
    await bob.hears('canceled', id)
    await market.checkUntouched()
  }, 60_000)
})
