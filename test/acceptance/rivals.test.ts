import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configFileOf, defaultKeyFile } from '../../src/app/config/load.ts'
import { EXIT } from '../../src/app/refusal.ts'
import { AcceptanceWorld } from '../support/acceptance.ts'
import {
  activeSell,
  awaitedSell,
  completes,
  invoiceOf,
  invoicePayload,
  locks,
  makes,
  offerPayload,
  type Side,
  say,
  type Trade,
  takenSell,
} from '../support/acceptance-trades.ts'
import { DaemonChild } from '../support/daemon-child.ts'
import { eventually } from '../support/wait.ts'

/** How often a daemon looks for another one on its key. */
const LOOK_S = 10

let world: AcceptanceWorld
beforeEach(async () => {
  world = await AcceptanceWorld.start({ env: { FIANZA_MOSTRO_PUBLISH_MOSTRO_INFO_INTERVAL: String(LOOK_S) } })
})
afterEach(() => world.close())

async function goesThrough(trade: Trade & { readonly escrow: string }): Promise<void> {
  const { id, seller, buyer } = trade
  await locks(seller, trade.escrow)
  await buyer.trader.expect('hold-invoice-payment-accepted', { id })
  await seller.trader.expect('buyer-took-order', { id })
  await buyer.trader.answer(await say(buyer, 'fiat-sent', id), 'fiat-sent-ok')
  await seller.trader.expect('fiat-sent-ok', { id })
  await completes(trade)
}

describe('what must happen once', () => {
  test('one bolt11 on two trades', async () => {
    await world.boot()
    const [alice, bob, carol] = [await world.trader(), await world.trader(), await world.trader()]
    const seller = (key: number): Side => ({ trader: alice, key, wallet: world.wallet('alice') })
    const buyer = (key: number): Side => ({ trader: bob, key, wallet: world.wallet('bob') })
    const stranger = (key: number): Side => ({ trader: carol, key, wallet: world.wallet('carol') })
    const first = await awaitedSell(seller(1), buyer(1))
    const same = invoicePayload(first.invoice)

    // Neither he nor anybody else may use it again while the first trade runs ..
    const second = await takenSell(seller(2), buyer(2))
    await bob.cantDo(await say(buyer(2), 'add-invoice', second.id, same), 'invalid_invoice')
    const third = await takenSell(seller(3), stranger(1))
    await carol.cantDo(await say(stranger(1), 'add-invoice', third.id, same), 'invalid_invoice')
    const offered = await makes(seller(4), { kind: 'sell' })
    const payload = invoicePayload(first.invoice)
    await carol.cantDo(await carol.send('take-sell', { id: offered, key: 2, payload }), 'pending_order_exists')
    const offer = offerPayload({ kind: 'buy', buyerInvoice: first.invoice })
    await carol.cantDo(await carol.send('new-order', { key: 2, payload: offer }), 'invalid_invoice')
    // .. nor when it is paid.
    await goesThrough(first)
    await bob.cantDo(await say(buyer(2), 'add-invoice', second.id, same), 'invalid_invoice')
    expect(world.wallet('bob').received()).toHaveLength(1)

    // Both trades go on with invoices of their own.
    const fresh = invoicePayload(invoiceOf(buyer(2), second.payoutSats))
    await bob.answer(await say(buyer(2), 'add-invoice', second.id, fresh), 'waiting-seller-to-pay')
    const own = invoicePayload(invoiceOf(stranger(1), third.payoutSats))
    await carol.answer(await say(stranger(1), 'add-invoice', third.id, own), 'waiting-seller-to-pay')
    expect(world.alerts()).toEqual([])
    world.network.checkConservation()
  }, 30_000)

  test('two data directories, one key', async () => {
    const daemon = await world.boot()
    const { nodeDir, dir } = world.world
    const otherDir = join(dir, 'other')
    mkdirSync(otherDir, { mode: 0o700 })
    for (const file of [configFileOf(nodeDir, undefined, {}), defaultKeyFile(nodeDir)])
      copyFileSync(file, file.replace(nodeDir, otherDir))
    const [alice, bob] = [await world.trader(), await world.trader()]
    await bob.info()

    // The second one sees the first on the relays, and does not start.
    const second = new DaemonChild({ dataDir: otherDir, env: world.env })
    expect(await second.ended()).toEqual({ code: EXIT.config, signal: null })
    expect(second.output).toContain('A second daemon on one key pays twice')
    const seller: Side = { trader: alice, key: 1, wallet: world.wallet('alice') }
    const buyer: Side = { trader: bob, key: 1, wallet: world.wallet('bob') }
    const trade = await activeSell(seller, buyer)
    expect(world.alerts()).toEqual([])

    // Started against all advice, it is seen by the first, which stops dealing before sats go twice.
    const offered = await makes({ ...seller, key: 2 }, { kind: 'sell' })
    const rival = await world.boot({ dataDir: otherDir, onlyOne: true })
    await eventually(() => world.alerts().includes('rival-instance'), 'the rival to be noticed', LOOK_S * 1500)
    expect(daemon.status().engine.lightning.serving).toBe(false)
    await world.stop(rival)
    const take = await say({ ...buyer, key: 2 }, 'take-sell', offered)
    await bob.cantDo(take, 'pending_order_exists')
    expect(world.standing(trade.id)).toBe('active')
    world.network.checkConservation()
  }, 90_000)
})
