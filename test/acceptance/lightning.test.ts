import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LndMethod } from '../../src/sandbox/lightning/control.ts'
import { AcceptanceWorld } from '../support/acceptance.ts'
import {
  activeSell,
  completes,
  fiatSentSell,
  invoiceOf,
  invoicePayload,
  locks,
  makes,
  requestIn,
  type Side,
  say,
} from '../support/acceptance-trades.ts'
import { eventually } from '../support/wait.ts'

/** What moves or promises sats; look-ups are not among them. */
const CLAIMS: readonly LndMethod[] = ['AddHoldInvoice', 'SettleInvoice', 'CancelInvoice', 'SendPaymentV2']
/** DEC-35, and the time that a busy machine may need on top. */
const ANSWER_MS = 8000 + 1500

let world: AcceptanceWorld
beforeEach(async () => {
  world = await AcceptanceWorld.start()
})
afterEach(() => world.close())

/** A seller with alice's wallet and a buyer with bob's, under their n-th trade keys. */
async function parties(): Promise<{ seller(key: number): Side; buyer(key: number): Side }> {
  const [alice, bob] = [await world.trader(), await world.trader()]
  return {
    seller: (key) => ({ trader: alice, key, wallet: world.wallet('alice') }),
    buyer: (key) => ({ trader: bob, key, wallet: world.wallet('bob') }),
  }
}

const claimsMade = (): number => CLAIMS.reduce((sum, method) => sum + world.network.faults.calls(method), 0)

const openInvoices = (): readonly string[] =>
  world.network.node
    .invoices()
    .filter(({ state }) => state === 'open' || state === 'accepted')
    .map(({ hash }) => hash)

describe('a trade while Lightning is in trouble', () => {
  test('Lightning down at a take', async () => {
    const { network } = world
    const daemon = await world.boot()
    const { seller, buyer } = await parties()
    const [unheard, halfHeard, refused] = [
      await makes(buyer(1), { kind: 'buy' }),
      await makes(buyer(2), { kind: 'buy' }),
      await makes(buyer(3), { kind: 'buy' }),
    ]
    // One request never arrives at LND, of the other one the answer is lost.
    network.faults.next('AddHoldInvoice', { kind: 'swallow' })
    network.faults.next('AddHoldInvoice', { kind: 'lose-answer', how: 'silence' })
    const takes = [await say(seller(1), 'take-buy', unheard), await say(seller(2), 'take-buy', halfHeard)]
    const askedAtMs = performance.now()
    for (const take of takes) await seller(1).trader.cantDo(take, 'pending_order_exists', ANSWER_MS)
    expect(performance.now() - askedAtMs).toBeLessThan(ANSWER_MS)
    for (const id of [unheard, halfHeard]) {
      expect(world.standing(id)).toBe('pending')
      await buyer(1).trader.inBook(id, 'pending')
    }

    network.node.stop('kill')
    await eventually(() => !daemon.status().engine.lightning.serving, 'the loss of LND to be noticed')
    const atOnce = await say(seller(3), 'take-buy', refused)
    await seller(3).trader.cantDo(atOnce, 'pending_order_exists', 2000)
    expect(world.standing(refused)).toBe('pending')
    network.node.start()
    await eventually(() => daemon.status().engine.lightning.serving, 'LND to be found again', 15_000)
    await eventually(() => openInvoices().length === 0, 'no invoice of an undone take to be payable', 15_000)

    // The trade indexes were not used up: the same keys take the same orders.
    for (const [n, id] of [unheard, halfHeard, refused].entries()) {
      const again = await say(seller(n + 1), 'take-buy', id)
      const pay = await seller(n + 1).trader.answer(again, 'pay-invoice')
      await locks(seller(n + 1), requestIn(pay))
      await buyer(n + 1).trader.expect('add-invoice', { id })
      await say(seller(n + 1), 'cancel', id)
      await seller(n + 1).trader.expect('canceled', { id })
    }
    network.checkConservation()
  }, 60_000)

  test('Lightning down at boot', async () => {
    const { network } = world
    // At the very first start the daemon does not even know which LND is its own.
    network.node.stop('kill')
    const first = await world.boot()
    const { seller, buyer } = await parties()
    const early = await makes(buyer(1), { kind: 'buy' })
    await seller(1).trader.cantDo(await say(seller(1), 'take-buy', early), 'pending_order_exists', 2000)
    network.node.start()
    await eventually(() => first.status().engine.lightning.serving, 'LND to be met', 15_000)
    const trade = await fiatSentSell(seller(2), buyer(2))
    await world.stop(first)
    network.node.stop('kill')
    const daemon = await world.boot()
    expect(daemon.status().engine).toMatchObject({ ready: true, lightning: { serving: false } })

    // What needs no Lightning is served: questions, orders, their cancel.
    const asked = await buyer(3).trader.send('orders', { key: 1, payload: { ids: [trade.id] } })
    await buyer(3).trader.answer(asked, 'orders')
    const offered = await makes(buyer(3), { kind: 'buy' })
    const withdrawn = await makes(buyer(4), { kind: 'buy' })
    await buyer(4).trader.answer(await say(buyer(4), 'cancel', withdrawn), 'canceled')
    const refused = await say(seller(3), 'take-buy', offered)
    await seller(3).trader.cantDo(refused, 'pending_order_exists', 2000)
    // What is owed waits for it.
    const release = await say(seller(2), 'release', trade.id)
    await world.until(trade.id, 'fiat-sent/releasing')

    network.node.start()
    await seller(2).trader.expect(
      'hold-invoice-payment-settled',
      { id: trade.id, requestId: release.requestId },
      20_000,
    )
    await buyer(2).trader.expect('purchase-completed', { id: trade.id })
    const again = await say(seller(3), 'take-buy', offered)
    await seller(3).trader.answer(again, 'pay-invoice')
    expect(world.wallet('bob').received()).toHaveLength(1)
    network.checkConservation()
  }, 60_000)

  test('Lightning back from a backup while we run', async () => {
    const { network } = world
    const daemon = await world.boot()
    const { seller, buyer } = await parties()
    const backup = network.node.image()
    const done = await fiatSentSell(seller(1), buyer(1))
    await completes(done)
    const trade = await fiatSentSell(seller(2), buyer(2))
    const offered = await makes(buyer(3), { kind: 'buy' })
    const claims = claimsMade()

    network.node.restoreWhileConnected(backup)
    // Decided while the connection is still the old one, and after: nothing may reach this LND.
    await say(seller(2), 'release', trade.id)
    await eventually(() => daemon.status().engine.lightning.halted !== null, 'the older LND to be recognised', 20_000)
    expect(world.alerts()).toContain('lightning-mismatch')
    const take = await say(seller(3), 'take-buy', offered)
    await seller(3).trader.cantDo(take, 'pending_order_exists', 2000)
    await buyer(3).trader.answer(await say(buyer(3), 'cancel', offered), 'canceled')
    expect(world.standing(trade.id)).toBe('fiat-sent/releasing')
    expect(claimsMade()).toBe(claims)

    // A restart changes nothing: the halt is written down.
    await world.stop(daemon)
    const next = await world.boot()
    expect(next.status().engine.lightning).toMatchObject({ serving: false })
    expect(next.status().engine.lightning.halted).not.toBeNull()
    expect(network.node.payments()).toEqual([])
    expect(network.node.invoices()).toEqual([])
    expect(world.wallet('bob').received()).toHaveLength(1)
  }, 60_000)

  test('Lightning slow and a cancel', async () => {
    const { network } = world
    await world.boot()
    const { seller, buyer } = await parties()
    const both = await activeSell(seller(1), buyer(1))
    const [makersCancel, takersCancel] = [
      await makes(buyer(2), { kind: 'buy' }),
      await makes(buyer(3), { kind: 'buy' }),
    ]
    network.faults.always('AddHoldInvoice', { kind: 'slow', ms: 3000 })

    const first = await say(seller(2), 'take-buy', makersCancel)
    await world.until(makersCancel, 'pending/opening')
    const byMaker = await say(buyer(2), 'cancel', makersCancel)
    await buyer(2).trader.answer(byMaker, 'canceled', 2000)
    await seller(2).trader.cantDo(first, 'pending_order_exists', 2000)

    await say(seller(3), 'take-buy', takersCancel)
    await world.until(takersCancel, 'pending/opening')
    const byTaker = await say(seller(3), 'cancel', takersCancel)
    await seller(3).trader.answer(byTaker, 'canceled', 2000)
    expect(world.standing(takersCancel)).toBe('pending')

    // The refund of an agreed cancel may take its time; the answer does not wait for it.
    network.faults.always('CancelInvoice', { kind: 'slow', ms: 3000 })
    const asked = await say(seller(1), 'cancel', both.id)
    await seller(1).trader.answer(asked, 'cooperative-cancel-initiated-by-you')
    await buyer(1).trader.expect('cooperative-cancel-initiated-by-peer', { id: both.id })
    const agreed = await say(buyer(1), 'cancel', both.id)
    await buyer(1).trader.answer(agreed, 'cooperative-cancel-accepted', 2000)
    await seller(1).trader.expect('cooperative-cancel-accepted', { id: both.id }, 2000)
    expect(world.standing(both.id)).toBe('cooperatively-canceled/refunding')

    expect(await both.escrowEnd).toMatchObject({ ok: false })
    await world.until(both.id, 'cooperatively-canceled')
    await eventually(() => openInvoices().length === 0, 'every undone invoice to be cancelled at LND', 15_000)
    expect(world.standing(makersCancel)).toBe('canceled')
    // The order that the taker gave up is on the book: it can be taken.
    network.faults.clear()
    const again = await say(seller(3), 'take-buy', takersCancel)
    await seller(3).trader.answer(again, 'pay-invoice')
    expect(world.wallet('alice').balanceMsat()).toBe(1_000_000_000)
    network.checkConservation()
  }, 60_000)

  test('a second message while a release is settling', async () => {
    const { network } = world
    await world.boot()
    const { seller, buyer } = await parties()
    const trade = await fiatSentSell(seller(1), buyer(1))
    const settles = network.faults.calls('SettleInvoice')
    network.faults.next('SettleInvoice', { kind: 'slow', ms: 4000 })
    const release = await say(seller(1), 'release', trade.id)
    await world.until(trade.id, 'fiat-sent/releasing')

    const { trader } = seller(1)
    await trader.cantDo(await say(seller(1), 'cancel', trade.id), 'not_allowed_by_status')
    await trader.cantDo(await say(seller(1), 'release', trade.id), 'not_allowed_by_status')
    const same = await trader.resend(release)
    expect(await world.decided(same.event.id)).toBe('repeat')
    const peer = buyer(1).trader
    await peer.cantDo(await say(buyer(1), 'cancel', trade.id), 'not_allowed_by_status')
    await peer.cantDo(await say(buyer(1), 'fiat-sent', trade.id), 'invalid_order_status')
    const other = invoicePayload(invoiceOf(buyer(1), trade.payoutSats))
    await peer.cantDo(await say(buyer(1), 'add-invoice', trade.id, other), 'not_allowed_by_status')
    expect(world.standing(trade.id)).toBe('fiat-sent/releasing')

    await trader.expect('hold-invoice-payment-settled', { id: trade.id, requestId: release.requestId })
    await trader.expect('rate', { id: trade.id })
    await peer.expect('released', { id: trade.id })
    await peer.expect('purchase-completed', { id: trade.id })
    await peer.expect('rate', { id: trade.id })
    await trader.nothingElse()
    await peer.nothingElse()
    expect(world.wallet('bob').received()).toHaveLength(1)
    expect(network.faults.calls('SettleInvoice')).toBe(settles + 1)
    network.checkConservation()
  }, 60_000)
})
