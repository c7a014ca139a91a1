/**
 * The first crash test: one whole trade, killed after every commit and before and after every effect, started again each
 * time. Wherever the power goes, the trade ends, every sat is where the ledger says, and nobody is told twice.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { Action } from '../../src/core/protocol.ts'
import { EngineWorld, LOUD } from '../support/engine-world.ts'
import { bolt11Of, paymentRequest, type SendOptions, type SimTrader, smallOrder } from '../support/sim-trader.ts'

const AMOUNT_SATS = 100_000
const FEE_SATS = 300
const PATIENCE_MS = 12_000
const TRIES = 12

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

/** Sends a request, and the same one again while nothing comes of it, as a client with a patient user does. */
async function insist(
  w: EngineWorld,
  trader: SimTrader,
  action: Action,
  options: SendOptions,
  done: () => boolean,
): Promise<void> {
  const requestId = trader.send(action, options)
  for (let n = 0; n < TRIES; n += 1) {
    try {
      await w.until(done, `${trader.name}: ${action}`, PATIENCE_MS)
      return
    } catch (error) {
      if (n === TRIES - 1) throw error
    }
    trader.send(action, { ...options, requestId })
  }
}

/** The trade: Alice sells, Bob buys. Answers the order's id. */
async function wholeTrade(w: EngineWorld, alice: SimTrader, bob: SimTrader): Promise<string> {
  const tradeIndex = alice.nextKey()
  const order = smallOrder({ kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n })
  await insist(
    w,
    alice,
    'new-order',
    { payload: { kind: 'order', order }, tradeIndex },
    () => alice.all('new-order').length > 0,
  )
  const id = alice.all('new-order')[0]?.id ?? ''
  const takerIndex = bob.nextKey()
  await insist(w, bob, 'take-sell', { id, tradeIndex: takerIndex }, () => bob.all('add-invoice', id).length > 0)
  const invoice = bob.wallet.invoice({ amountMsat: satsToMsat(AMOUNT_SATS - FEE_SATS), expiryS: 86_400 })
  const asked = () => alice.all('pay-invoice', id).find((m) => m.payload?.kind === 'payment_request')
  await insist(w, bob, 'add-invoice', { id, payload: paymentRequest(invoice) }, () => asked() !== undefined)
  const pay = asked()
  if (pay === undefined) throw new Error('Alice was asked to pay')
  const paid = alice.wallet.pay(bolt11Of(pay))
  await w.until(() => bob.all('hold-invoice-payment-accepted', id).length > 0, 'the escrow is locked')
  await insist(w, bob, 'fiat-sent', { id }, () => alice.all('fiat-sent-ok', id).length > 0)
  await insist(w, alice, 'release', { id }, () => alice.all('hold-invoice-payment-settled', id).length > 0)
  await w.until(() => bob.all('purchase-completed', id).length > 0, 'Bob is paid')
  await w.until(() => w.published(id) === 'success', 'the book shows it')
  expect((await paid).ok).toBe(true)
  return id
}

function account(w: EngineWorld, name: string): number {
  const row = w.store.get<{ debit: number; credit: number }>('SELECT debit, credit FROM account WHERE name = :name', {
    name,
  })
  return row === undefined ? 0 : row.credit - row.debit
}

/** Every sat is where it belongs, whatever happened on the way. */
function checkSats(
  w: EngineWorld,
  id: string,
  alice: SimTrader,
  bob: SimTrader,
  before: { node: number; alice: number; bob: number },
): void {
  w.network.checkConservation()
  const paidOut = w.network.node.payments().filter((p) => p.state === 'succeeded')
  expect(paidOut.map((p) => p.amountMsat)).toEqual([satsToMsat(AMOUNT_SATS - FEE_SATS)])
  const settled = w.network.node.invoices().filter((i) => i.state === 'settled')
  expect(settled.map((i) => i.receivedMsat)).toEqual([satsToMsat(AMOUNT_SATS + FEE_SATS)])
  expect(bob.wallet.balanceMsat() - before.bob).toBe(satsToMsat(AMOUNT_SATS - FEE_SATS))
  const routing = paidOut.reduce((sum, p) => sum + p.feeMsat, 0)
  expect(w.network.node.balanceMsat() - before.node).toBe(satsToMsat(2 * FEE_SATS) - routing)
  expect(account(w, 'fee')).toBe(satsToMsat(2 * FEE_SATS))
  expect(-account(w, 'routing')).toBe(routing)
  expect(-account(w, 'ln')).toBe(w.network.node.balanceMsat() - before.node)
  expect(account(w, `owed:buyer_payout:${id}`)).toBe(0)
  // Alice paid the escrow and her own routing fee, nothing else.
  expect(before.alice - alice.wallet.balanceMsat()).toBeGreaterThanOrEqual(satsToMsat(AMOUNT_SATS + FEE_SATS))
  expect(w.alerts()).toEqual([])
}

/** What each party was told, once per event. */
function toldOnce(trader: SimTrader, action: Action, id: string, times = 1): void {
  const bodies = new Set(
    trader.heard.filter((h) => h.message.action === action && h.message.id === id).map((h) => h.eventId),
  )
  expect(bodies.size, `${trader.name} hears ${action}`).toBe(times)
}

type Run = { readonly points: readonly string[]; readonly commits: number }

/** Runs the trade with the power cut at the n-th point (null: never). */
async function run(cutAt: number | null): Promise<Run> {
  const w = new EngineWorld(process.env['LOUD'] === undefined ? {} : { log: LOUD })
  world = w
  const points: string[] = []
  const alice = w.trader('alice')
  const bob = w.trader('bob')
  await w.boot()
  const before = {
    node: w.network.node.balanceMsat(),
    alice: alice.wallet.balanceMsat(),
    bob: bob.wallet.balanceMsat(),
  }
  w.reboots = true
  w.cut = (point) => {
    points.push(point)
    if (points.length - 1 === cutAt) w.kill()
  }
  const id = await wholeTrade(w, alice, bob)
  w.cut = () => undefined
  await w.until(() => w.standing(id) === 'success' && w.engine?.status().outbox.unsent === 0, 'everything rests')
  checkSats(w, id, alice, bob, before)
  for (const action of ['buyer-took-order', 'hold-invoice-payment-settled'] as const) toldOnce(alice, action, id)
  for (const action of ['hold-invoice-payment-accepted', 'released', 'purchase-completed'] as const)
    toldOnce(bob, action, id)
  await w.close()
  world = null
  return { points, commits: points.filter((p) => p.startsWith('commit:')).length }
}

describe('a whole trade and the power', () => {
  test('killed after every commit and before and after every effect, it ends with every sat in its place', async () => {
    const whole = await run(null)
    expect(whole.commits).toBeGreaterThanOrEqual(16)
    const only = process.env['CUT']
    const cuts = only === undefined ? whole.points.map((_, n) => n) : [Number(only)]
    for (const n of cuts) {
      try {
        await run(n)
      } catch (error) {
        throw new Error(
          `cut ${n} at ${whole.points[n] ?? '?'}: ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        )
      }
    }
    process.stdout.write(`crash test: ${whole.points.length} points cut, ${whole.commits} of them commits\n`)
  }, 600_000)
})
