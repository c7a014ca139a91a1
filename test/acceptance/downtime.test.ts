import { afterEach, describe, expect, test } from 'vitest'
import { AcceptanceWorld } from '../support/acceptance.ts'
import {
  activeSell,
  amountIn,
  awaitedSell,
  expectPayInvoice,
  invoiceOf,
  invoicePayload,
  locks,
  offerPayload,
  requestIn,
  type Side,
  type Trade,
  takenSell,
} from '../support/acceptance-trades.ts'
import type { SendOptions, Sent, Trader } from '../support/trader.ts'

const HOUR_MS = 3_600_000
const MISSED = 500
const STALE_TAKES = 30
const STALE_ORDERS = 20
const MAKERS = 60
/** Trade keys of one trader of the tests that it listens to. */
const KEYS_OF_ONE = 39
const RELAY_LIMIT = 100

type Verdict = 'effect' | 'refused' | 'repeat' | 'dropped'

/** A message of the missed hour, and what it must come to. */
type Missed = {
  readonly trader: Trader
  readonly sent: Sent
  /** `counted`: a question that is answered, or counted where too many come at once (DEC-04) */
  readonly verdict: Verdict | 'counted'
}

/** Somebody with one order on the book. */
type Maker = { readonly trader: Trader; readonly key: number; readonly id: string }

type Trades = {
  readonly released: Trade
  readonly agreed: Trade
  readonly doubted: Trade
  readonly invoiced: Trade & { readonly payoutSats: number }
  readonly silent: Trade
  readonly unpaid: Trade & { readonly escrow: string }
}

let world: AcceptanceWorld
afterEach(() => world.close())

/** Strangers without a past, by both transports, each with an order. */
async function makeOffers(): Promise<readonly Maker[]> {
  const crowd = [await world.trader({ privacy: 'full' }), await world.trader({ privacy: 'full', transport: 1 })]
  const keys = crowd.flatMap((trader) => Array.from({ length: KEYS_OF_ONE }, (_, n) => ({ trader, key: n + 1 })))
  return await Promise.all(
    keys.slice(-MAKERS).map(async ({ trader, key }) => {
      const sent = await trader.send('new-order', { key, payload: offerPayload({ kind: 'sell' }) })
      const { id } = await trader.answer(sent, 'new-order', 30_000)
      if (id === null) throw new Error('a new order has an id')
      return { trader, key, id }
    }),
  )
}

async function beginTrades(): Promise<Trades> {
  const [alice, bob] = [await world.trader({ privacy: 'full' }), await world.trader({ privacy: 'full' })]
  const sides = (key: number): [Side, Side] => [
    { trader: alice, key, wallet: world.wallet('alice') },
    { trader: bob, key, wallet: world.wallet('bob') },
  ]
  return {
    released: await activeSell(...sides(1)),
    agreed: await activeSell(...sides(2)),
    doubted: await activeSell(...sides(3)),
    invoiced: await takenSell(...sides(4)),
    silent: await takenSell(...sides(5)),
    unpaid: await awaitedSell(...sides(6)),
  }
}

/** What is said in the hour in which nobody listens; minutes count from its beginning. */
class Hour {
  readonly missed: Missed[] = []
  readonly #beganAtS = world.clock.nowS()
  #lot = 7

  async says(
    trader: Trader,
    verdict: Missed['verdict'],
    minute: number,
    action: string,
    options: SendOptions,
  ): Promise<Sent> {
    const sent = await trader.prepare(action, { ...options, createdAtS: this.#beganAtS + Math.round(minute * 60) })
    this.missed.push({ trader, sent, verdict })
    return sent
  }

  /** A minute without meaning, the same in every run. */
  someMinute(below: number): number {
    this.#lot = (this.#lot * 48_271) % 2_147_483_647
    return this.#lot % below
  }

  /** Trades go on: what comes later builds on what came before, by the other side too. */
  async trades({ released, agreed, doubted, invoiced }: Trades): Promise<void> {
    const { seller, buyer } = released
    await this.says(buyer.trader, 'effect', 5, 'fiat-sent', { id: released.id, key: 1 })
    await this.says(seller.trader, 'effect', 6, 'release', { id: released.id, key: 1 })
    await this.says(seller.trader, 'effect', 7, 'cancel', { id: agreed.id, key: 2 })
    await this.says(buyer.trader, 'effect', 8, 'cancel', { id: agreed.id, key: 2 })
    await this.says(buyer.trader, 'effect', 9, 'fiat-sent', { id: doubted.id, key: 3 })
    await this.says(buyer.trader, 'effect', 10, 'cancel', { id: doubted.id, key: 3 })
    const payload = invoicePayload(invoiceOf(invoiced.buyer, invoiced.payoutSats))
    await this.says(buyer.trader, 'effect', 58, 'add-invoice', { id: invoiced.id, key: 4, payload })
  }

  /** Takes and orders that their clients gave up after seconds. */
  async stale({ released: { seller, buyer } }: Trades, makers: readonly Maker[]): Promise<void> {
    const payload = offerPayload({ kind: 'buy' })
    for (const [n, { id }] of makers.slice(0, STALE_TAKES).entries())
      await this.says(buyer.trader, 'dropped', n * 1.9, 'take-sell', { id, key: 7 + n })
    for (let n = 0; n < STALE_ORDERS; n += 1)
      await this.says(seller.trader, 'dropped', n * 2.9, 'new-order', { key: 7 + n, payload })
  }

  /** Every maker asks, cancels, says the same again and tries once more: the order decides what each comes to. */
  async crowd(makers: readonly Maker[]): Promise<void> {
    for (const { trader, key, id } of makers) {
      const minute = this.someMinute(50)
      await this.says(trader, 'counted', minute, 'orders', { key, payload: { ids: [id] } })
      const cancel = await this.says(trader, 'effect', minute + 2, 'cancel', { id, key })
      await this.says(trader, 'repeat', minute + 4, 'cancel', { id, key, requestId: cancel.requestId })
      await this.says(trader, 'refused', minute + 6, 'cancel', { id, key })
    }
    for (let n = 0; this.missed.length < MISSED; n = (n + 1) % makers.length) {
      const { trader, key, id } = makers[n] as Maker
      await this.says(trader, 'counted', this.someMinute(58), 'orders', { key, payload: { ids: [id] } })
    }
  }

  /** Each relay has its half, in no order; some messages reached both. */
  reachesRelays(): void {
    for (const { sent } of this.missed.toSorted((a, b) => (a.sent.event.id < b.sent.event.id ? -1 : 1))) {
      const lot = Number.parseInt(sent.event.id.slice(-4), 16) % 20
      for (const [n, relay] of world.relays.entries()) if (lot % 2 === n || lot > 17) relay.core.inject(sent.event)
    }
  }
}

/** Messages that came to something else than they must have. */
function misjudged(missed: readonly Missed[]): readonly string[] {
  const rows = world.rows<{ outer_id: string; verdict: Verdict }>('SELECT outer_id, verdict FROM inbox')
  const verdicts = new Map(rows.map(({ outer_id, verdict }) => [outer_id, verdict]))
  return missed.flatMap(({ sent, verdict }) => {
    const got = verdicts.get(sent.event.id)
    const isRight = verdict === 'counted' ? got === 'effect' || got === 'dropped' : got === verdict
    return isRight ? [] : [`${sent.action} should be ${verdict} and is ${got ?? 'not handled'}`]
  })
}

/** Every maker heard that his order is cancelled, before what the later messages came to; nothing was said twice. */
async function expectAnswersInOrder(makers: readonly Maker[], missed: readonly Missed[]): Promise<void> {
  for (const { trader, key, id } of makers) {
    await trader.expect('canceled', { id, key })
    const asked = missed.filter(({ sent, trader: asker }) => asker === trader && sent.key.index === key)
    const answersTo = (verdict: Missed['verdict']): readonly number[] => {
      const ids = asked.filter((each) => each.verdict === verdict).map(({ sent }) => sent.requestId)
      return trader.heard().flatMap((heard) => (ids.includes(heard.requestId) ? [heard.number] : []))
    }
    const [done = -1, ...again] = answersTo('effect')
    // The repeat has the same request id: its answer is the second.
    expect(again.length).toBeLessThanOrEqual(1)
    for (const refused of answersTo('refused')) expect(refused).toBeGreaterThan(done)
    expect(answersTo('refused').length).toBeLessThanOrEqual(1)
  }
}

async function expectTradesToGoOn({ released, agreed, doubted, invoiced, unpaid }: Trades): Promise<void> {
  const [alice, bob] = [released.seller.trader, released.buyer.trader]
  await bob.expect('fiat-sent-ok', { id: released.id })
  await alice.expect('hold-invoice-payment-settled', { id: released.id })
  await bob.expect('purchase-completed', { id: released.id })
  await alice.expect('cooperative-cancel-accepted', { id: agreed.id })
  await bob.expect('cooperative-cancel-accepted', { id: agreed.id })
  await bob.expect('fiat-sent-ok', { id: doubted.id })
  await bob.expect('cooperative-cancel-initiated-by-you', { id: doubted.id })
  await bob.expect('waiting-seller-to-pay', { id: invoiced.id })
  const pay = await expectPayInvoice(invoiced.seller, invoiced.id)
  expect(amountIn(pay)).toBeGreaterThan(invoiced.payoutSats)
  // The seller whose invoice had run out at LND got a new one, and pays it.
  const anew = requestIn(await expectPayInvoice(unpaid.seller, unpaid.id))
  expect(anew).not.toBe(unpaid.escrow)
  await locks(unpaid.seller, anew)
  await bob.expect('hold-invoice-payment-accepted', { id: unpaid.id })
}

describe('a daemon that was away', () => {
  test('an hour down, 500 missed messages', async () => {
    world = await AcceptanceWorld.start({ relays: 2 })
    for (const relay of world.relays) relay.core.limits.maxLimit = RELAY_LIMIT
    const first = await world.boot()
    const makers = await makeOffers()
    const trades = await beginTrades()
    await world.stop(first)

    const hour = new Hour()
    await hour.trades(trades)
    await hour.stale(trades, makers)
    await hour.crowd(makers)
    const { missed } = hour
    expect(missed).toHaveLength(MISSED)
    hour.reachesRelays()
    world.clock.letPass(HOUR_MS)
    const daemon = await world.boot()

    expect(misjudged(missed)).toEqual([])
    const { intake } = daemon.status().engine
    const handled = (['effect', 'refused', 'repeat', 'dropped'] as const).map((verdict) => intake[verdict] ?? 0)
    expect(handled.reduce((sum, n) => sum + n, 0)).toBe(MISSED)
    await expectTradesToGoOn(trades)
    await expectAnswersInOrder(makers, missed)
    const { silent } = trades
    expect(trades.released.buyer.wallet.received()).toHaveLength(1)

    // Nobody was timed out for the hour in which we did not listen ..
    expect(world.standing(silent.id)).toBe('waiting-buyer-invoice')
    await world.letPass(400_000)
    const { trader, key } = silent.buyer
    const still = await trader.send('take-sell', { id: silent.id, key, createdAtS: world.clock.nowS() })
    await trader.answer(still, 'add-invoice')
    expect(trader.heard().filter(({ action, id }) => action === 'canceled' && id === silent.id)).toEqual([])
    // .. and his clock runs again.
    await world.letPass(600_000)
    await trader.expect('canceled', { id: silent.id, key })
    await world.until(silent.id, 'pending')
    expect(world.alerts()).toEqual([])
    world.network.checkConservation()
  }, 120_000)
})
