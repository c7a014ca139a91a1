/** Faults of what people send (money-path.md 7, F-098 to F-103): junk, twins, repeats and tar pits. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { Inbox } from '../../src/engine/inbox/inbox.ts'
import { eventId, signEvent } from '../../src/wire/event.ts'
import { ADDRESS_HOST } from '../support/engine-world.ts'
import { Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { seededRandom } from '../support/random.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const LONG_MS = 120_000

let market: Market
afterEach(async () => {
  vi.restoreAllMocks()
  await market.close()
})

const intake = (verdict: string): number => market.world.engine?.status().intake[verdict] ?? 0
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a flood', () => {
  test(
    'F-098: twenty thousand pieces of junk: none reaches the database, few are in hand at a time, and a trade goes on meanwhile',
    async () => {
      market = await Market.open()
      const { world } = market
      const id = await market.taken()
      const random = seededRandom(98)
      const stranger = world.trader('stranger')
      stranger.nextKey()
      const like = stranger.wrap('cancel', { id })
      /** Somebody's own event without sense, or one that is forged under Alice's name. */
      const junk = (n: number): NostrEvent => {
        const template = { ...like, content: hex(random.bytes(40)) }
        if (n % 2 === 1)
          return { ...template, pubkey: market.alice.pubkey(), id: eventId(template, market.alice.pubkey()) }
        return signEvent(template, stranger.secretKey(1), stranger.pubkey(1), random.bytes(32), world.curves)
      }
      const rows = () => market.rows('SELECT 1 FROM inbox').length
      const before = rows()
      const inHand: number[] = []
      const take = Inbox.prototype.take
      vi.spyOn(Inbox.prototype, 'take').mockImplementation(function (this: Inbox, ...args) {
        const taken = take.apply(this, args)
        inHand.push(this.depth)
        return taken
      })
      const core = world.relays[0]?.core
      const flood = (count: number): void => {
        for (let n = 0; n < count; n += 1) core?.inject(junk(n))
      }
      flood(10_000)
      market.paysEscrow(id)
      await market.bob.hears('hold-invoice-payment-accepted', id)
      flood(5000)
      market.bob.send('fiat-sent', { id })
      await market.alice.hears('fiat-sent-ok', id)
      flood(5000)
      market.alice.send('release', { id })
      await market.completed(id)
      expect(intake('signature') + intake('unopened')).toBe(20_000)
      expect(rows()).toBe(before + 2)
      expect(Math.max(...inHand)).toBeLessThanOrEqual(world.settings.limits.intakeDepth)
      await market.checkTraded(id)
    },
    LONG_MS,
  )
})

describe('one request more than once', () => {
  test('F-099: the same take twice in one moment: one of them has an effect, the other one is a repeat', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.offer()
    const key = bob.nextKey()
    const payload = paymentRequest(market.bobsInvoice())
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    const twins = [0, 1].map((n) =>
      bob.wrap('take-sell', { id, key, tradeIndex: key, requestId: 9n, payload, createdAtS: nowS + n }),
    )
    for (const twin of twins) bob.publish(twin)
    await alice.hears('pay-invoice', id)
    await market.passes(5000)
    const verdicts = twins.map((twin) =>
      market.rows<{ verdict: string }>('SELECT verdict FROM inbox WHERE outer_id = :id', { id: twin.id }),
    )
    expect(verdicts).toEqual([[{ verdict: 'effect' }], [{ verdict: 'repeat' }]])
    expect(bob.actions()).toEqual(['waiting-seller-to-pay'])
    expect(world.network.node.invoices()).toHaveLength(1)
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-100: every answer of a trade is lost and asked for again: the same words as new events, or what is true by then', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const core = world.relays[0]?.core
    const id = await market.locked()
    /** Asks, loses the answer on its way, and asks the same again. */
    const loses = async (trader: typeof bob, action: 'fiat-sent' | 'release', requestId: bigint) => {
      const sent = { id, requestId, createdAtS: Math.floor(world.clock.nowMs() / 1000) }
      const lost: string[] = []
      const takeBack = core?.faults.onDelivery(({ event }) => {
        const isAnswer =
          event.pubkey === world.nodePubkey && event.tags.some(([n, v]) => n === 'p' && v === trader.pubkey())
        if (isAnswer) lost.push(event.id)
        return isAnswer ? [] : null
      })
      trader.send(action, sent)
      await market.passes(3000)
      takeBack?.()
      expect(lost.length).toBeGreaterThan(0)
      trader.send(action, { ...sent, createdAtS: sent.createdAtS + 30 })
      return { answer: await trader.answer(requestId), lost }
    }
    const { answer, lost } = await loses(bob, 'fiat-sent', 100n)
    expect(answer.action).toBe('fiat-sent-ok')
    expect(lost).not.toContain(bob.heard.at(-1)?.eventId)
    // The order has moved on: a second release finds it released, and says so.
    const second = await loses(alice, 'release', 101n)
    expect(world.standing(id)).toBe('success')
    expect(reasonOf(second.answer)).not.toBe('fiat-sent-ok')
    const query = () => bob.send('orders', { requestId: 102n, payload: { kind: 'ids', ids: [id] } })
    query()
    await bob.hears('orders')
    query()
    const fresh = await bob.hears('orders', undefined, 2)
    expect(fresh.payload?.kind === 'orders' && fresh.payload.orders[0]?.status).toBe('success')
    expect(world.network.faults.calls('SettleInvoice')).toBe(1)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    world.network.checkConservation()
  })
})

describe('a tar pit', () => {
  test('F-103: while the host of an address keeps its asker waiting, everybody else trades to the end', async () => {
    market = await Market.open()
    const { world } = market
    const [carol, dave] = [world.trader('carol'), world.trader('dave')]
    const slow = await carol.makes({ kind: 'sell', amount: 5000n })
    dave.takes('take-sell', slow)
    await dave.hears('add-invoice', slow)
    world.addressFault = () => 'silent'
    const asked = dave.send('add-invoice', { id: slow, payload: paymentRequest(`dave@${ADDRESS_HOST}`) })
    const behind = dave.send('cancel', { id: slow })
    await world.clock.advance(100)
    const id = await market.released()
    await market.completed(id)
    await market.checkTraded(id)
    expect(dave.heard.some(({ message }) => message.requestId === asked || message.requestId === behind)).toBe(false)
    // He is answered in the end, in his order.
    expect(reasonOf(await dave.answer(asked))).toBe('invalid_invoice')
    expect(reasonOf(await dave.answer(behind))).toBe('canceled')
  })
})
