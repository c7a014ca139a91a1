/** An escrow invoice whose making goes wrong (money-path.md 7, "Hold create"): one invoice, asked for once, or none. */
import { afterEach, describe, expect, test } from 'vitest'
import { msat } from '../../src/core/money.ts'
import type { HoldPlan } from '../../src/ports/lightning.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { type Bolt11, decodeBolt11 } from '../../src/wire/bolt11.ts'
import { ESCROW_MSAT, Market, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const MINUTE_MS = 60_000
const HALF_MSAT = msat(ESCROW_MSAT / 2)

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults
const invoices = () => market.world.network.node.invoices()
const creates = () => faults().calls('AddHoldInvoice')
const takes = (id: string) => market.bob.takes('take-sell', id, { payload: paymentRequest(market.bobsInvoice()) })
const createIntent = () =>
  market.rows<{ state: string; attempt: number }>(
    `SELECT state, attempt FROM ln_op WHERE kind = 'hold_create' ORDER BY created_at DESC`,
  )[0]

/** The escrow is asked for once, and the trade goes through with it. */
async function goesThroughWithOneInvoice(id: string): Promise<void> {
  await market.alice.hears('pay-invoice', id)
  expect(invoices()).toHaveLength(1)
  market.paysEscrow(id)
  await market.bob.hears('hold-invoice-payment-accepted', id)
  market.bob.send('fiat-sent', { id })
  await market.alice.hears('fiat-sent-ok', id)
  market.alice.send('release', { id })
  await market.completed(id)
  expect(market.times(market.alice, 'pay-invoice', id)).toBe(1)
  expect(invoices()).toHaveLength(1)
  expect(market.world.alerts()).toEqual([])
  await market.checkTraded(id)
}

describe('an escrow invoice is made', () => {
  test('F-001: the power goes after the take is on disk: LND is asked once, and so is the seller', async () => {
    market = await Market.open()
    const id = await market.offer()
    const power = market.powerGoes(id, { at: 'commit:message:take-sell' })
    takes(id)
    await goesThroughWithOneInvoice(id)
    expect(power.happened()).toBe(true)
    expect(creates()).toBe(1)
  })

  test('F-002: LND makes it and the connection is cut before its answer: it is adopted, no other one is made', async () => {
    market = await Market.open()
    const id = await market.offer()
    faults().next('AddHoldInvoice', { kind: 'lose-answer', how: 'cut' })
    const connections = faults().calls('GetInfo')
    takes(id)
    await goesThroughWithOneInvoice(id)
    expect(faults().calls('GetInfo')).toBeGreaterThan(connections)
    expect(creates()).toBe(1)
  })

  test('F-003: LND reads the first request late and the retry after it: what is there already is adopted', async () => {
    market = await Market.open()
    const id = await market.offer()
    faults().next('AddHoldInvoice', { kind: 'deliver-late', ms: 2500 })
    faults().next('AddHoldInvoice', { kind: 'slow', ms: 3000 })
    takes(id)
    await market.world.until(() => invoices().length === 1, 'LND has read the first request')
    // The retry is on its way, and LND will say that the payment hash already exists.
    expect(createIntent()).toEqual({ state: 'dispatching', attempt: 2 })
    await goesThroughWithOneInvoice(id)
    expect(creates()).toBe(2)
  })

  test('F-005: LND answers without the request for the payer: it is read back, and the seller is asked once', async () => {
    market = await Market.open()
    const id = await market.offer()
    faults().next('AddHoldInvoice', { kind: 'garbage' })
    const lookups = faults().calls('LookupInvoice')
    takes(id)
    await market.alice.hears('pay-invoice', id)
    expect(faults().calls('LookupInvoice')).toBeGreaterThan(lookups)
    await goesThroughWithOneInvoice(id)
    expect(creates()).toBe(1)
  })

  test('F-004: LND has another invoice under our hash: all money halts, the operator knows, the seller hears nothing', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.offer()
    const planned: HoldPlan[] = []
    world.cut = (point, [plan]) => {
      if (point === 'before:lightning.createHold') planned.push(plan as HoldPlan)
    }
    faults().next('AddHoldInvoice', { kind: 'slow', ms: 3000 })
    const requestId = takes(id)
    await world.until(() => planned.length === 1, 'LND is asked')
    for (const plan of planned) await makesByHand({ ...plan, amountMsat: HALF_MSAT })
    expect(reasonOf(await bob.answer(requestId))).toBe('pending_order_exists')
    await market.passes(10 * MINUTE_MS)
    expect(creates()).toBe(2)
    expect(world.alerts()).toEqual([`conflict:${invoices()[0]?.hash}`])
    expect(world.engine?.status().lightning.serving).toBe(false)
    expect(market.times(alice, 'pay-invoice', id)).toBe(0)
    expect(world.standing(id)).toBe('pending')
    expect(invoices().map(({ amountMsat }) => amountMsat)).toEqual([HALF_MSAT])
    expect(market.gains()).toEqual({ alice: 0, bob: 0, node: 0 })
    market.checkBooks({ feeMsat: 0 })
  })

  test('F-006: made anew after a pause, it lives as long as if it had been made at once; nobody is out', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.taken()
    const lifeS = lifeOf(market.escrowInvoice(id))
    faults().always('AddHoldInvoice', { kind: 'refuse', with: 'no-connection' })
    await market.cancelByHand(market.escrowHash(id))
    await market.passes(10 * MINUTE_MS)
    expect(creates()).toBeGreaterThan(2)
    expect(market.escrowInvoices(id)).toBe(1)
    faults().clear('AddHoldInvoice')
    const clearedAtS = world.clock.nowMs() / 1000
    await world.until(() => market.escrowInvoices(id) === 2, 'she is given another invoice')
    const second = decoded(market.escrowInvoice(id))
    expect(Math.abs(lifeOf(market.escrowInvoice(id)) - lifeS)).toBeLessThanOrEqual(1)
    expect(second.createdAtS).toBeGreaterThanOrEqual(Math.floor(clearedAtS))
    expect(market.rows('SELECT epoch FROM hold ORDER BY epoch')).toEqual([{ epoch: 1 }, { epoch: 2 }])
    expect(world.standing(id)).toBe('waiting-payment')
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await market.completed(id)
    for (const trader of [alice, bob]) expect(market.times(trader, 'canceled', id)).toBe(0)
    expect(invoices()).toHaveLength(2)
    await market.checkTraded(id)
  })

  test('F-008: rights to make invoices are taken away at run time: an alert, no storm of requests, and it works when they are back', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.offer()
    faults().always('AddHoldInvoice', { kind: 'refuse', with: 'permission' })
    expect(reasonOf(await bob.answer(takes(id)))).toBe('pending_order_exists')
    const asked = creates()
    await market.passes(60 * MINUTE_MS)
    expect(asked).toBe(1)
    expect(creates()).toBe(1)
    expect(world.alerts()).toEqual(['lightning-refused:hold_create'])
    faults().clear('AddHoldInvoice')
    bob.send('take-sell', { id, tradeIndex: bob.key, payload: paymentRequest(market.bobsInvoice()) })
    await goesThroughWithOneInvoice(id)
  })
})

/** Somebody else makes an invoice at LND. */
async function makesByHand(plan: HoldPlan): Promise<void> {
  const connected = await market.world.settle(createSimLightning(market.world.network, market.world.clock).connect())
  if (connected?.ok !== true) throw new Error('LND does not answer')
  expect(await market.world.settle(connected.value.createHold(plan))).toMatchObject({ class: 'A' })
  connected.value.close()
}

function decoded(request: string): Bolt11 {
  const invoice = decodeBolt11(request)
  if (!invoice.ok) throw new Error(invoice.error)
  return invoice.value
}

function lifeOf(request: string): number {
  const { createdAtS, expiresAtS } = decoded(request)
  return expiresAtS - createdAtS
}
