/** A payout whose fate is unclear (money-path.md 7, "Payout", F-040 to F-050): the buyer is paid once, whatever happens. */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { decodeBolt11 } from '../../src/wire/bolt11.ts'
import { FEE_SATS, Market, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const FEES_MSAT = satsToMsat(2 * FEE_SATS)

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults
const node = () => market.world.network.node
const sends = () => faults().calls('SendPaymentV2')
const tracks = () => faults().calls('TrackPaymentV2')
const payments = () => node().payments()
const hashOf = (request: string): string => {
  const decoded = decodeBolt11(request)
  if (!decoded.ok) throw new Error(decoded.error)
  return decoded.value.hash
}
const giveInvoice = async (id: string, request: string) =>
  reasonOf(await market.bob.answer(market.bob.send('add-invoice', { id, payload: paymentRequest(request) })))

/** The buyer is paid with his first invoice, and nobody was bothered. */
async function paidWithTheFirst(id: string): Promise<void> {
  await market.completed(id)
  expect(market.payments(id)).toHaveLength(1)
  expect(payments()).toHaveLength(1)
  for (const action of ['add-invoice', 'payment-failed'] as const) expect(market.times(market.bob, action, id)).toBe(0)
  await market.checkTraded(id)
}

describe('a payout', () => {
  test.each([
    ['its request never left', { kind: 'refuse', with: 'no-connection' }, []],
    ['LND was locked', { kind: 'refuse', with: 'locked' }, []],
    ['its request was lost', { kind: 'swallow' }, []],
    ['our rights did not allow it', { kind: 'refuse', with: 'permission' }, ['lightning-refused:pay']],
  ] as const)('F-040: %s: the same invoice is sent, and paid once', async (_what, fault, alerts) => {
    market = await Market.open()
    faults().next('SendPaymentV2', fault)
    const id = await market.released()
    await market.world.until(() => sends() === 1, 'it is sent')
    await market.world.clock.advance(500)
    expect(payments()).toEqual([])
    expect(market.world.alerts()).toEqual(alerts)
    await paidWithTheFirst(id)
    expect(sends()).toBe(2)
    expect(market.world.alerts()).toEqual([])
  })

  test('F-041: the power goes when LND has stored the payment and tried nothing yet: it is not sent again', async () => {
    market = await Market.open({ network: { reportsInitiated: true } })
    const { world } = market
    node().scriptPayment('next', {
      kind: 'fail',
      reason: 'insufficient-balance',
      tried: false,
      afterMs: 15 * MINUTE_MS,
    })
    const id = await market.fiatSent()
    const power = market.powerGoes(id, { at: 'commit:pay-ack' })
    market.alice.send('release', { id })
    await world.until(() => power.happened(), 'the power goes')
    await market.passes(10 * MINUTE_MS)
    expect(payments().map(({ state }) => state)).toEqual(['initiated'])
    expect(sends()).toBe(1)
    expect(tracks()).toBeGreaterThan(0)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
    // LND gives up without having tried: only now the same invoice may be sent again.
    await paidWithTheFirst(id)
    expect(sends()).toBe(2)
    expect(market.payout(id).failures).toBe(0)
  })

  test('F-042: the stream of the payment is open and says nothing for an hour: a look-up decides', async () => {
    market = await Market.open()
    const { world, bob } = market
    const invoice = market.bobsInvoice()
    bob.wallet.onIncoming('hold', hashOf(invoice))
    faults().next('SendPaymentV2', { kind: 'lose-answer', how: 'silence' })
    const id = await market.released(invoice)
    await market.passes(80_000)
    expect(market.payments(id)[0]?.state).toBe('dispatching')
    expect(tracks()).toBe(0)
    await market.passes(HOUR_MS)
    expect(market.payments(id)[0]?.state).toBe('in_flight')
    expect(tracks()).toBeGreaterThan(0)
    bob.wallet.settleHeld(hashOf(invoice))
    await paidWithTheFirst(id)
    expect(sends()).toBe(1)
    expect(world.alerts()).toEqual([])
  })

  test('F-043: the connection breaks right after LND said that it paid: the daemon goes on, the buyer is paid once', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    const connections = faults().calls('GetInfo')
    world.cut = (point) => {
      if (point !== 'after:lightning.pay') return
      world.cut = () => undefined
      node().cutConnections()
    }
    market.alice.send('release', { id })
    await paidWithTheFirst(id)
    await market.passes(5000)
    expect(faults().calls('GetInfo')).toBeGreaterThan(connections)
    expect(sends()).toBe(1)
    expect(world.alerts()).toEqual([])
  })

  test('F-044: LND pays while the disk is full: nothing is undone, it is booked when there is room, and the operator is told', async () => {
    market = await Market.open()
    const { world } = market
    node().scriptPayment('next', { kind: 'slow', ms: 5000 })
    const id = await market.fiatSent()
    market.alice.send('release', { id })
    await world.until(() => market.payments(id)[0]?.state === 'in_flight', 'the payment is under way')
    let refused = 0
    world.losesPowerBefore = () => {
      refused += 1
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
    }
    await market.passes(5 * MINUTE_MS)
    expect(payments().map(({ state }) => state)).toEqual(['succeeded'])
    expect(refused).toBeGreaterThan(10)
    expect(market.payments(id)[0]?.state).toBe('in_flight')
    expect(market.payout(id).state).toBe('ready')
    expect(market.times(market.bob, 'purchase-completed', id)).toBe(0)
    world.losesPowerBefore = () => false
    await paidWithTheFirst(id)
    expect(sends()).toBe(1)
    expect(world.alerts()).toEqual(['database-stalled'])
  })

  test('F-045: LND tells of one failure twice: it counts once', async () => {
    market = await Market.open({ settings: { payoutAttempts: 2 } })
    node().scriptPayment('next', { kind: 'fail-twice', reason: 'no-route' })
    const id = await market.released()
    await market.bob.hears('payment-failed', id)
    await market.passes(30_000)
    expect(market.payout(id)).toMatchObject({ state: 'ready', failures: 1 })
    expect(market.payments(id)).toMatchObject([{ state: 'planned', attempt: 1 }])
    await market.completed(id)
    expect(sends()).toBe(2)
    expect(market.times(market.bob, 'payment-failed', id)).toBe(1)
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    await market.checkTraded(id)
  })

  test('F-047: LND calls the invoice expired when it is sent again, and is paying it since the first time: it is waited for', async () => {
    market = await Market.open()
    const { world, bob } = market
    const invoice = market.bobsInvoice()
    bob.wallet.onIncoming('hold', hashOf(invoice))
    faults().next('SendPaymentV2', { kind: 'deliver-late', ms: 500 })
    faults().next('SendPaymentV2', {
      kind: 'refuse',
      with: { code: 2, details: 'invoice expired. Valid until 2026-01-01 00:00:00 +0000 UTC' },
    })
    const id = await market.released(invoice)
    await world.until(() => sends() === 2, 'the invoice is sent again', 10_000)
    await market.passes(1000)
    expect(payments().map(({ state }) => state)).toEqual(['in-flight'])
    expect(market.payments(id)).toMatchObject([{ state: 'in_flight', attempt: 2 }])
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
    await market.passes(10 * MINUTE_MS)
    expect(sends()).toBe(2)
    bob.wallet.settleHeld(hashOf(invoice))
    await paidWithTheFirst(id)
    expect(world.alerts()).toEqual([])
  })

  test.each([
    [20, 'takes it'],
    [3, 'gives it back'],
  ] as const)(
    'F-050: the payee sits on the payment for %i hours and %s: no second invoice meanwhile, then paid or asked',
    async (hours, end) => {
      market = await Market.open({ settings: { payoutAttempts: 1 } })
      const { world, bob } = market
      const invoice = market.bobsInvoice()
      bob.wallet.onIncoming('hold', hashOf(invoice))
      const id = await market.released(invoice)
      for (let hour = 0; hour < hours; hour += 1) await world.clock.advance(HOUR_MS)
      expect(bob.wallet.held()).toEqual([hashOf(invoice)])
      expect(world.alerts()).toEqual([`slow:${market.payments(id)[0]?.id}`])
      expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
      expect(sends()).toBe(1)
      market.checkBooks({ feeMsat: FEES_MSAT })
      if (end === 'takes it') {
        bob.wallet.settleHeld(hashOf(invoice))
        await paidWithTheFirst(id)
        expect(world.alerts()).toEqual([])
        return
      }
      bob.wallet.failHeld(hashOf(invoice))
      await bob.hears('add-invoice', id)
      expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
      await market.completed(id)
      expect(payments().map(({ state }) => state)).toEqual(['failed', 'succeeded'])
      await market.checkTraded(id)
    },
  )
})
