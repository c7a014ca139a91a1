/** Faults while a buyer is paid that lie with Lightning or with his invoices (money-path.md 7, F-051 to F-063). */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { LightningConnection } from '../../src/ports/lightning.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { decodeBolt11 } from '../../src/wire/bolt11.ts'
import { FEE_SATS, Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const FEES_MSAT = satsToMsat(2 * FEE_SATS)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let market: Market
afterEach(() => market.close())

const sends = () => market.world.network.faults.calls('SendPaymentV2')
const hashOf = (request: string): string => {
  const decoded = decodeBolt11(request)
  if (!decoded.ok) throw new Error(decoded.error)
  return decoded.value.hash
}
const giveInvoice = async (id: string, request: string) =>
  reasonOf(await market.bob.answer(market.bob.send('add-invoice', { id, payload: paymentRequest(request) })))

/** What a program that has LND to itself could do there. */
async function atLnd<T>(work: (conn: LightningConnection) => Promise<T>): Promise<T> {
  const { world } = market
  const connected = await world.settle(createSimLightning(world.network, world.clock).connect())
  if (connected?.ok !== true) throw new Error('LND does not answer')
  const result = await world.settle(work(connected.value))
  connected.value.close()
  if (result === undefined) throw new Error('LND did not answer')
  return result
}

describe('the payment', () => {
  test('F-051: one of three parts is stuck and the others failed: under way, not failed, until the last one is back', async () => {
    market = await Market.open()
    const { node } = market.world.network
    const invoice = market.bobsInvoice()
    node.scriptPayment(hashOf(invoice), { kind: 'parts', parts: 3, stuck: 1 })
    const id = await market.released(invoice)
    await market.passes(2 * HOUR_MS)
    expect(node.payment(hashOf(invoice))).toMatchObject({ state: 'in-flight', attempts: 3 })
    expect(market.payments(id).map((op) => op.state)).toEqual(['in_flight'])
    expect(market.payout(id)).toMatchObject({ state: 'ready', failures: 0 })
    expect(market.times(market.bob, 'payment-failed', id)).toBe(0)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('not_allowed_by_status')
    expect(sends()).toBe(1)
    node.releaseStuck(hashOf(invoice), 'fail')
    await market.completed(id)
    expect(sends()).toBe(2)
    expect(node.payments()).toHaveLength(1)
    await market.checkTraded(id)
  })

  test('F-056: a payment hangs in LND for three days: the operator is told, nobody is asked, a restart of LND frees it', async () => {
    market = await Market.open()
    const { world } = market
    const invoice = market.bobsInvoice()
    world.network.node.scriptPayment(hashOf(invoice), { kind: 'zombie' })
    const id = await market.released(invoice)
    await world.clock.advance(HOUR_MS)
    // The daemon itself sleeps through most of it.
    world.kill()
    world.clock.jumpTo(world.clock.nowMs() + 3 * DAY_MS)
    await world.boot()
    await world.clock.advance(HOUR_MS)
    expect(world.network.node.payment(hashOf(invoice))).toMatchObject({ state: 'in-flight', attempts: 0 })
    expect(world.alerts()).toEqual([`slow:${market.payments(id)[0]?.id}`])
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    expect(sends()).toBe(1)
    world.network.node.restart()
    await market.bob.hears('add-invoice', id)
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-058: the power goes, and LND comes back older than the last payout: nothing is claimed before an operator looks', async () => {
    market = await Market.open()
    const { world } = market
    const first = await market.fiatSent()
    const image = world.network.node.image()
    market.alice.send('release', { id: first })
    await market.completed(first)
    const second = await market.fiatSent()
    const power = market.powerGoes(second, { once: 'fiat-sent/releasing' })
    world.reboots = false
    market.alice.send('release', { id: second })
    await world.until(power.happened, 'the release is decided and the power goes')
    const calls = () => sends() + world.network.faults.calls('SettleInvoice')
    const before = calls()
    world.network.node.restart({ how: 'kill', image })
    await world.boot()
    await market.passes(120_000)
    expect(world.alerts()).toContain('lightning-mismatch')
    expect(calls()).toBe(before)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    expect(market.openOps().map((op) => op.kind)).toEqual(['hold_settle'])
    world.network.checkConservation()
  })

  test('F-062: no route costs as little as it may: three tries, then the buyer is asked, and nothing is sent meanwhile', async () => {
    market = await Market.open({ network: { feePpm: 5000 } })
    const { world } = market
    const id = await market.released()
    await market.bob.hears('add-invoice', id)
    expect(market.bob.all('payment-failed', id)[0]?.payload).toMatchObject({ kind: 'payment_failed', attempts: 2 })
    expect(sends()).toBe(3)
    await market.passes(HOUR_MS)
    expect(sends()).toBe(3)
    expect(world.network.node.payments().map(({ failure }) => failure)).toEqual(['no-route'])
    expect(market.payout(id).state).toBe('need_destination')
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('invoice-updated')
    await market.bob.hears('payment-failed', id, 2)
    await market.passes(HOUR_MS)
    expect(sends()).toBe(6)
    market.checkBooks({ feeMsat: FEES_MSAT })
  })

  test('F-063: LND gives numbers out again: no false alarm, and attempts are told apart by their times', async () => {
    market = await Market.open()
    const { world } = market
    const { node } = world.network
    const abandoned = await market.taken()
    const collected = node.invoice(market.escrowHash(abandoned))
    market.bob.send('cancel', { id: abandoned })
    await market.bob.hears('canceled', abandoned)
    await market.quiet()
    node.restart({ collectCanceled: true })
    await market.passes(60_000)
    const invoice = market.bobsInvoice()
    node.scriptPayment(hashOf(invoice), { kind: 'fail', reason: 'no-route' })
    world.network.faults.next('SendPaymentV2', { kind: 'lose-answer', how: 'internal' }, 2)
    const id = await market.released(invoice)
    expect(node.invoice(market.escrowHash(id))?.index).toBe(collected?.index)
    await market.bob.hears('payment-failed', id)
    const failed = node.payment(hashOf(invoice))
    await market.completed(id)
    expect(failed).toMatchObject({ state: 'failed', index: 1 })
    expect(node.payment(hashOf(invoice))).toMatchObject({ state: 'succeeded', index: 1 })
    expect(market.payments(id)).toMatchObject([{ state: 'done', attempt: 2 }])
    expect(market.payout(id).failures).toBe(1)
    expect(world.alerts()).toEqual([])
    await market.checkTraded(id)
  })
})

describe("the buyer's invoice", () => {
  test('F-053: an invoice that a trade has is refused for another one, and pays when its own is taken again', async () => {
    market = await Market.open()
    const { world, bob } = market
    const invoice = market.bobsInvoice()
    const first = await market.taken(invoice)
    const second = await market.offer()
    const refused = bob.takes('take-sell', second, { payload: paymentRequest(invoice) })
    expect(reasonOf(await bob.answer(refused))).toBe('invalid_invoice')
    expect(world.standing(second)).toBe('pending')
    bob.send('cancel', { id: first, key: 1 })
    await world.until(() => world.standing(first) === 'pending', 'the order is on the book again')
    const asked = market.times(market.alice, 'pay-invoice', first)
    bob.key = 1
    bob.takes('take-sell', first, { payload: paymentRequest(invoice), key: 1, tradeIndex: 3 })
    await market.alice.hears('pay-invoice', first, asked + 1)
    market.paysEscrow(first)
    await bob.hears('hold-invoice-payment-accepted', first)
    bob.send('fiat-sent', { id: first })
    await market.alice.hears('fiat-sent-ok', first)
    market.alice.send('release', { id: first, key: 1 })
    await market.completed(first)
    expect(market.payments(first).map((op) => op.hash)).toEqual([hashOf(invoice)])
    await market.checkTraded(first)
  })

  test.each([
    ['one that our own LND made', () => foreignInvoice()],
    ['an escrow of ours', () => Promise.resolve(market.escrowInvoice(market.alice.all('pay-invoice')[0]?.id ?? ''))],
    ['an AMP invoice', () => bobs({ features: [8, 14, 30] })],
    ['one of another network', () => bobs({ network: 'bc' })],
    ['one msat too much', () => bobs({ amountMsat: satsToMsat(99_700.001) })],
    ['one msat too little', () => bobs({ amountMsat: satsToMsat(99_699.999) })],
  ] as const)('F-054: %s is no invoice to be paid with, and the trade goes on with a good one', async (_what, make) => {
    market = await Market.open()
    const carol = market.world.trader('carol')
    const other = await market.offer()
    carol.takes('take-sell', other, {
      payload: paymentRequest(carol.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400 })),
    })
    await market.alice.hears('pay-invoice', other)
    const id = await market.offer()
    market.bob.takes('take-sell', id)
    await market.bob.hears('add-invoice', id)
    expect(await giveInvoice(id, await make())).toBe('invalid_invoice')
    expect(market.world.standing(id)).toBe('waiting-buyer-invoice')
    expect(await giveInvoice(id, market.bobsInvoice())).toBe('waiting-seller-to-pay')
    await market.alice.hears('pay-invoice', id)
    market.paysEscrow(id)
    await market.bob.hears('hold-invoice-payment-accepted', id)
    market.bob.send('fiat-sent', { id })
    await market.alice.hears('fiat-sent-ok', id)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-055: another invoice and the retry of the old one in one moment: one of them lives, and the buyer is paid once', async () => {
    const heard = new Set<string>()
    for (const aheadMs of [-2000, -100, -30, -20, -10, 0, 100, 2000]) {
      market = await Market.open()
      const { world } = market
      const invoice = market.bobsInvoice()
      world.network.node.scriptPayment(hashOf(invoice), { kind: 'fail', reason: 'no-route' })
      const id = await market.released(invoice)
      await market.bob.hears('payment-failed', id)
      const retryAtMs = (market.payments(id)[0]?.next_at ?? 0) * 1000
      // The retry takes long, so that who comes after it finds it under way.
      world.network.node.scriptPayment(hashOf(invoice), { kind: 'slow', ms: 30_000 })
      let most = 0
      world.cut = () => {
        most = Math.max(most, market.payments(id).filter((op) => op.state !== 'refused' && op.state !== 'void').length)
      }
      await world.clock.advance(retryAtMs + aheadMs - world.clock.nowMs())
      const answer = await giveInvoice(id, market.bobsInvoice())
      heard.add(answer)
      await market.completed(id)
      expect(most, `${aheadMs} ms`).toBe(1)
      expect(market.payments(id)).toHaveLength(answer === 'invoice-updated' ? 2 : 1)
      await market.checkTraded(id)
      await market.close()
    }
    expect([...heard].sort()).toEqual(['invoice-updated', 'not_allowed_by_status'])
    market = await Market.open()
  })
})

function bobs(options: Partial<Parameters<typeof market.bob.wallet.invoice>[0]>): Promise<string> {
  return Promise.resolve(market.bob.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400, ...options }))
}

/** An invoice of the node's own Lightning node that has nothing to do with the daemon. */
async function foreignInvoice(): Promise<string> {
  const expiresAt = Math.floor(market.world.clock.nowMs() / 1000) + 86_400
  const made = await atLnd((conn) =>
    conn.createHold({ hash: 'ab'.repeat(32), amountMsat: PAYOUT_MSAT, cltvDelta: 80, memo: 'coffee', expiresAt }),
  )
  if (made.class !== 'A' || made.fact.request === null) throw new Error('no invoice')
  return made.fact.request
}
