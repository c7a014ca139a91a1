import { afterEach, describe, expect, test } from 'vitest'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { AcceptanceWorld } from '../support/acceptance.ts'
import {
  activeSell,
  completes,
  expectPayInvoice,
  fiatSentSell,
  invoiceOf,
  invoicePayload,
  locks,
  makes,
  requestIn,
  type Side,
  say,
  takenSell,
} from '../support/acceptance-trades.ts'
import { OneShot } from '../support/one-shot.ts'
import { at } from '../support/trader.ts'
import { eventually } from '../support/wait.ts'

let world: AcceptanceWorld
afterEach(() => world.close())

async function start(relays = 1): Promise<{ readonly seller: Side; readonly buyer: Side }> {
  world = await AcceptanceWorld.start({ relays })
  await world.boot()
  return {
    seller: { trader: await world.trader(), key: 1, wallet: world.wallet('alice') },
    buyer: { trader: await world.trader(), key: 1, wallet: world.wallet('bob') },
  }
}

/** Whether the node wrote this to a key by the second transport. */
const isTo = (pubkey: string, { kind, tags }: NostrEvent): boolean =>
  kind === 14 && tags.some(([name, value]) => name === 'p' && value === pubkey)

const nowS = (): number => Math.floor(Date.now() / 1000)

describe('what the node answers', () => {
  test('both transports from one trade key', async () => {
    const { seller, buyer } = await start()
    const id = await makes(seller, { kind: 'sell' })
    const { trader } = buyer
    const { key } = buyer
    const taken = await trader.send('take-sell', { id, key, transport: 2 })
    const asked = await trader.answer(taken, 'add-invoice')
    expect(asked.transport).toBe(2)
    const invoice = invoiceOf(buyer, Number(at(asked.payload, 'order', 'amount')))
    const given = await trader.send('add-invoice', { id, key, transport: 1, payload: invoicePayload(invoice) })
    expect(await trader.answer(given, 'waiting-seller-to-pay')).toMatchObject({ transport: 1 })
    await locks(seller, requestIn(await expectPayInvoice(seller, id)))
    // What the node says by itself goes the way that the key last used.
    expect(await trader.expect('hold-invoice-payment-accepted', { id })).toMatchObject({ transport: 1 })

    const sent = await trader.send('fiat-sent', { id, key, transport: 2 })
    expect(await trader.answer(sent, 'fiat-sent-ok')).toMatchObject({ transport: 2 })
    // An older message that comes late does not turn the clock back.
    const late = await trader.send('orders', { key, transport: 1, createdAtS: nowS() - 60, payload: { ids: [id] } })
    expect(await trader.answer(late, 'orders')).toMatchObject({ transport: 2 })
    // The same request over the other transport is the same request: answered there, done once.
    const again = await trader.resend(sent, { transport: 1 })
    expect(await trader.answer(again, 'fiat-sent-ok')).toMatchObject({ transport: 1, requestId: sent.requestId })
    expect(await world.decided(again.event.id)).toBe('repeat')
    await seller.trader.expect('fiat-sent-ok', { id })
    expect(seller.trader.heard().filter(({ action }) => action === 'fiat-sent-ok')).toHaveLength(1)
    await completes({ id, seller, buyer })
    expect(trader.heard().filter(({ action }) => action === 'purchase-completed')).toMatchObject([{ transport: 1 }])
  })

  test('lost reply, same request again', async () => {
    const { seller, buyer } = await start()
    const oneShot = (side: Side): OneShot =>
      new OneShot({ relayUrl: world.relays[0]?.url ?? '', nodePubkey: world.nodePubkey, trader: side.trader })
    const invoices = (): number => world.network.node.invoices().length

    // A take: the same hold invoice again.
    const id = await makes(buyer, { kind: 'buy' })
    const take = await seller.trader.prepare('take-buy', { id, key: seller.key })
    await oneShot(seller).sendAndHangUp(take)
    await world.until(id, 'waiting-payment')
    const lost = await seller.trader.expect('pay-invoice', { id })
    const pay = await oneShot(seller).ask(take)
    expect(pay).toMatchObject({ action: 'pay-invoice', id, requestId: take.requestId, payload: lost.payload })
    expect(pay.eventId).not.toBe(lost.event.id)
    expect(invoices()).toBe(1)

    await locks(seller, requestIn(lost))
    const asked = await buyer.trader.expect('add-invoice', { id })
    const payout = Number(at(asked.payload, 'order', 'amount'))
    const given = await say(buyer, 'add-invoice', id, invoicePayload(invoiceOf(buyer, payout)))
    await buyer.trader.answer(given, 'hold-invoice-payment-accepted')
    await buyer.trader.answer(await say(buyer, 'fiat-sent', id), 'fiat-sent-ok')

    // A release: the sats move once, also when the payout is through when he asks again.
    buyer.wallet.onIncoming('hold')
    const release = await seller.trader.prepare('release', { id, key: seller.key })
    await oneShot(seller).sendAndHangUp(release)
    await world.until(id, 'settled-hold-invoice')
    await eventually(() => buyer.wallet.held().length === 1, 'the payout to arrive')
    const settled = { action: 'hold-invoice-payment-settled', id, requestId: release.requestId }
    expect(await oneShot(seller).ask(release)).toMatchObject(settled)
    for (const hash of buyer.wallet.held()) buyer.wallet.settleHeld(hash)
    await world.until(id, 'success')
    expect(await oneShot(seller).ask(release)).toMatchObject(settled)
    expect(buyer.wallet.received()).toMatchObject([{ amountMsat: payout * 1000 }])

    // A cancel, of an order on the book and of a trade.
    const offered = await makes({ ...buyer, key: 2 }, { kind: 'buy' })
    const cancel = await buyer.trader.prepare('cancel', { id: offered, key: 2 })
    await oneShot(buyer).sendAndHangUp(cancel)
    await world.until(offered, 'canceled')
    expect(await oneShot(buyer).ask(cancel)).toMatchObject({ action: 'canceled', requestId: cancel.requestId })
    buyer.wallet.onIncoming('settle')
    const trade = await activeSell({ ...seller, key: 3 }, { ...buyer, key: 3 })
    await say({ ...seller, key: 3 }, 'cancel', trade.id)
    await buyer.trader.expect('cooperative-cancel-initiated-by-peer', { id: trade.id })
    const agree = await buyer.trader.prepare('cancel', { id: trade.id, key: 3 })
    await oneShot(buyer).sendAndHangUp(agree)
    await world.until(trade.id, 'cooperatively-canceled')
    const agreed = { action: 'cooperative-cancel-accepted', requestId: agree.requestId }
    expect(await oneShot(buyer).ask(agree)).toMatchObject(agreed)
    expect(world.alerts()).toEqual([])
    world.network.checkConservation()
  }, 30_000)

  test('all relays down at the reply', async () => {
    const { seller, buyer } = await start(2)
    const { pubkey } = buyer.trader.key(buyer.key)
    const outages: Promise<unknown>[] = []
    for (const relay of world.relays) {
      relay.core.faults.onPublish((event) => {
        if (!isTo(pubkey, event)) return null
        if (outages.length === 0) outages.push(...world.relays.map((each) => each.goAway()))
        return { kind: 'cut-before' }
      })
    }
    const id = await makes(seller, { kind: 'sell' })
    const taken = await say(buyer, 'take-sell', id)
    await eventually(() => outages.length > 0, 'the node to begin its reply')
    await Promise.all(outages)
    expect(world.standing(id)).toBe('waiting-buyer-invoice')
    for (const relay of world.relays) {
      expect(relay.core.events({ kinds: [14], '#p': [pubkey] })).toEqual([])
      relay.core.faults.clear()
      await relay.comeBack()
    }
    const asked = await buyer.trader.answer(taken, 'add-invoice', 15_000)
    await seller.trader.expect('waiting-buyer-invoice', { id }, 15_000)
    // It was said once, and the trade goes on like any other.
    const invoice = invoiceOf(buyer, Number(at(asked.payload, 'order', 'amount')))
    const given = await say(buyer, 'add-invoice', id, invoicePayload(invoice))
    await buyer.trader.answer(given, 'waiting-seller-to-pay')
    const sameReply = buyer.trader.heard().filter(({ action }) => action === 'add-invoice')
    expect(sameReply).toHaveLength(1)
  }, 30_000)

  test('one relay refuses one message for ever', async () => {
    const { seller, buyer } = await start(2)
    const [good, bad] = world.relays
    if (good === undefined || bad === undefined) throw new Error('two relays')
    // Of each trader's messages one, and that one always.
    const refusals = new Map<string, { readonly message: string; id: string | null; times: number }>([
      [seller.trader.key(1).pubkey, { message: 'rate-limited: not today', id: null, times: 0 }],
      [buyer.trader.key(1).pubkey, { message: 'blocked: not this one', id: null, times: 0 }],
    ])
    bad.core.faults.onPublish((event) => {
      for (const [pubkey, refusal] of refusals) {
        if (!isTo(pubkey, event)) continue
        refusal.id ??= event.id
        if (event.id !== refusal.id) return null
        refusal.times += 1
        return { kind: 'refuse', message: refusal.message }
      }
      return null
    })
    const trade = await fiatSentSell(seller, buyer)
    await completes(trade)
    for (const [pubkey, { id, times }] of refusals) {
      expect(times).toBe(1)
      const onGood = good.core.events({ kinds: [14], '#p': [pubkey] }).map((event) => event.id)
      const onBad = () => bad.core.events({ kinds: [14], '#p': [pubkey] }).map((event) => event.id)
      expect(onGood).toContain(id)
      await eventually(() => onBad().length === onGood.length - 1, 'the relay to have all the others')
    }
    expect(world.alerts()).toEqual([])
  })

  test('what every relay refuses for ever is reported, and the next message goes out', async () => {
    const { seller, buyer } = await start(2)
    const { pubkey } = seller.trader.key(1)
    let refused: string | null = null
    for (const relay of world.relays) {
      relay.core.faults.onPublish((event) => {
        if (refused === null && isTo(pubkey, event)) refused = event.id
        return event.id === refused ? { kind: 'refuse', message: 'invalid: I do not like it' } : null
      })
    }
    const sent = await say(seller, 'cancel', '00000000-0000-4000-8000-000000000000')
    await world.decided(sent.event.id)
    await eventually(() => world.alerts().some((key) => key.startsWith('dead-letter:')), 'the alert')
    const { id } = await takenSell(seller, buyer)
    expect(world.standing(id)).toBe('waiting-buyer-invoice')
    expect(seller.trader.heard().filter(({ action }) => action === 'cant-do')).toEqual([])
  })
})
