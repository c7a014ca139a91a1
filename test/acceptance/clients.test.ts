import { randomInt } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { AcceptanceWorld } from '../support/acceptance.ts'
import {
  expectPayInvoice,
  invoiceOf,
  invoicePayload,
  locks,
  type Offer,
  offerPayload,
  type Side,
} from '../support/acceptance-trades.ts'
import { OneShot } from '../support/one-shot.ts'
import { at, type SendOptions, type Trader, type TraderOptions } from '../support/trader.ts'
import type { Json } from '../support/trader-json.ts'
import type { StrictClient } from '../support/trader-strictness.ts'

/** What the sandbox takes of each side, as a fraction of the amount. */
const HALF_FEE = 0.005
/** Of the sandbox's configuration. */
const RETRY_MS = 5000

type Answer = { readonly action: string; readonly id: string | null; readonly payload: Json }
type Request = { readonly id?: string; readonly payload?: Json }

/** How a deployed client asks, and which message it takes for the answer (wire.md 9). */
type Client = {
  readonly name: string
  readonly rules: StrictClient
  readonly options: Partial<TraderOptions>
  /** whether it can name a Lightning address when it takes an order */
  readonly takesWithAddress: boolean
  ask(side: Side, action: string, request: Request): Promise<Answer>
}

/** Its request ids: 31 bits on a new order, none on anything else; every message names its trade index. */
function mobile(name: string, options: Partial<TraderOptions>): Client {
  return {
    name,
    rules: 'mobile',
    options,
    takesWithAddress: true,
    async ask({ trader, key }, action, request) {
      const requestId = action === 'new-order' ? BigInt(randomInt(2 ** 31)) : null
      const sent = await trader.send(action, { ...request, key, requestId, tradeIndex: key })
      return await trader.answer(sent, ANSWERS[action] ?? [])
    },
  }
}

/** Any u64; the subscription ends with the first event, and begins with none that is stored. */
const mostroCli: Client = {
  name: 'mostro-cli',
  rules: 'mostro-cli',
  options: { transport: 2 },
  takesWithAddress: true,
  async ask({ trader, key }, action, request) {
    // It sends ratings without an id.
    const options: SendOptions = action === 'rate-user' ? { requestId: null } : {}
    const sent = await trader.prepare(action, { ...request, ...options, key, version: 2 })
    const oneShot = new OneShot({ relayUrl: world.relays[0]?.url ?? '', nodePubkey: world.nodePubkey, trader })
    const answer = await oneShot.ask(sent)
    expect(ANSWERS[action]).toContain(answer.action)
    // The trader has heard the same.
    await trader.expect(answer.action, { key, requestId: answer.requestId })
    return answer
  },
}

/** Any u64, too; what does not carry exactly it is no answer. */
const mostrix: Client = {
  name: 'mostrix',
  rules: 'mostrix',
  options: { transport: 2 },
  takesWithAddress: false,
  async ask({ trader, key }, action, request) {
    const sent = await trader.send(action, { ...request, key, version: 2 })
    const answer = await trader.answer(sent, ANSWERS[action] ?? [])
    expect(answer.requestId).toBe(sent.requestId)
    return answer
  },
}

const CLIENTS: readonly Client[] = [
  mobile('mobile over gift wraps', { transport: 1 }),
  mobile('mobile in full privacy', { transport: 2, privacy: 'full' }),
  mostroCli,
  mostrix,
]

const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  'new-order': ['new-order'],
  'take-sell': ['add-invoice', 'waiting-seller-to-pay'],
  'take-buy': ['pay-invoice'],
  'add-invoice': ['waiting-seller-to-pay', 'hold-invoice-payment-accepted', 'invoice-updated'],
  'fiat-sent': ['fiat-sent-ok'],
  release: ['hold-invoice-payment-settled'],
  cancel: ['canceled', 'cooperative-cancel-initiated-by-you', 'cooperative-cancel-accepted'],
  'rate-user': ['rate-received'],
}

let world: AcceptanceWorld
afterEach(() => world.close())

/** A maker and a taker who use the same client. */
class Pair {
  readonly client: Client
  readonly #alice: Trader
  readonly #bob: Trader
  #key = 0

  constructor(client: Client, alice: Trader, bob: Trader) {
    this.client = client
    this.#alice = alice
    this.#bob = bob
  }

  /** Both under a trade key that is new to them. */
  next(): { readonly alice: Side; readonly bob: Side } {
    this.#key += 1
    return {
      alice: { trader: this.#alice, key: this.#key, wallet: world.wallet('alice') },
      bob: { trader: this.#bob, key: this.#key, wallet: world.wallet('bob') },
    }
  }

  /** Keys up to the next one are used up. */
  skip(): void {
    this.#key += 1
  }

  ask(side: Side, action: string, request: Request): Promise<Answer> {
    return this.client.ask(side, action, request)
  }

  /** Puts an order on the book, where the other one finds it. */
  async offer(maker: Side, taker: Side, offer: Offer): Promise<string> {
    const { id } = await this.ask(maker, 'new-order', { payload: offerPayload(offer) })
    if (id === null) throw new Error('a new order has an id')
    await taker.trader.inBook(id, 'pending')
    return id
  }

  /** The seller pays what he is asked for, both are told. */
  async lockedBy(seller: Side, buyer: Side, id: string): Promise<void> {
    const pay = await expectPayInvoice(seller, id)
    await locks(seller, String(at(pay.payload, 'payment_request', 1)))
    await buyer.trader.expect('hold-invoice-payment-accepted', { id })
    await seller.trader.expect('buyer-took-order', { id })
  }

  async fiatSent(seller: Side, buyer: Side, id: string): Promise<void> {
    await this.ask(buyer, 'fiat-sent', { id })
    await seller.trader.expect('fiat-sent-ok', { id })
  }

  /** From the locked sats to the buyer's wallet. */
  async finish(seller: Side, buyer: Side, id: string, payload: Json = null): Promise<void> {
    const before = buyer.wallet.received().length
    await this.fiatSent(seller, buyer, id)
    await this.ask(seller, 'release', { id, payload })
    await buyer.trader.expect('released', { id })
    await buyer.trader.expect('purchase-completed', { id })
    await buyer.trader.inBook(id, 'success')
    expect(buyer.wallet.received()).toHaveLength(before + 1)
  }

  async rate(side: Side, id: string): Promise<void> {
    await side.trader.expect('rate', { id })
    await this.ask(side, 'rate-user', { id, payload: { rating_user: 5 } })
  }
}

const satsIn = ({ payload }: { readonly payload: Json }): number => Number(at(payload, 'order', 'amount'))

async function fixedSell(pair: Pair): Promise<void> {
  const { alice: seller, bob: buyer } = pair.next()
  const id = await pair.offer(seller, buyer, { kind: 'sell', amount: 50_000 })
  const asked = await pair.ask(buyer, 'take-sell', { id })
  expect(asked.action).toBe('add-invoice')
  expect(satsIn(asked)).toBe(50_000 * (1 - HALF_FEE))
  await pair.ask(buyer, 'add-invoice', { id, payload: invoicePayload(invoiceOf(buyer, satsIn(asked))) })
  await pair.lockedBy(seller, buyer, id)
  await pair.finish(seller, buyer, id)
  await pair.rate(seller, id)
  await pair.rate(buyer, id)
}

async function fixedBuy(pair: Pair): Promise<void> {
  const { alice: seller, bob: buyer } = pair.next()
  const id = await pair.offer(buyer, seller, { kind: 'buy', amount: 40_000 })
  const pay = await pair.ask(seller, 'take-buy', { id })
  await buyer.trader.expect('waiting-seller-to-pay', { id })
  await locks(seller, String(at(pay.payload, 'payment_request', 1)))
  const asked = await buyer.trader.expect('add-invoice', { id })
  // The taker's reputation follows under the same name.
  await buyer.trader.expect('add-invoice', { id })
  await seller.trader.expect('waiting-buyer-invoice', { id })
  const payload = invoicePayload(invoiceOf(buyer, satsIn(asked)))
  const given = await pair.ask(buyer, 'add-invoice', { id, payload })
  expect(given.action).toBe('hold-invoice-payment-accepted')
  await seller.trader.expect('buyer-took-order', { id })
  await pair.finish(seller, buyer, id)
}

async function marketToAddress(pair: Pair): Promise<void> {
  const { alice: seller, bob: buyer } = pair.next()
  const id = await pair.offer(seller, buyer, { kind: 'sell', amount: 0, fiat: 20, premium: 2 })
  const payload = invoicePayload(world.world.addressOf('bob'))
  if (pair.client.takesWithAddress) {
    expect(await pair.ask(buyer, 'take-sell', { id, payload })).toMatchObject({ action: 'waiting-seller-to-pay' })
  } else {
    await pair.ask(buyer, 'take-sell', { id })
    await pair.ask(buyer, 'add-invoice', { id, payload })
  }
  await pair.lockedBy(seller, buyer, id)
  await pair.finish(seller, buyer, id)
}

/** The remainder of a range goes on under the key that the release names; gives its id. */
async function rangeWithNextTrade(pair: Pair): Promise<string> {
  const { alice: seller, bob: buyer } = pair.next()
  const id = await pair.offer(seller, buyer, { kind: 'sell', amount: 0, range: [10, 100] })
  const asked = await pair.ask(buyer, 'take-sell', { id, payload: { amount: 30 } })
  await pair.ask(buyer, 'add-invoice', { id, payload: invoicePayload(invoiceOf(buyer, satsIn(asked))) })
  await pair.lockedBy(seller, buyer, id)
  pair.skip()
  const next = seller.trader.key(seller.key + 1)
  await pair.finish(seller, buyer, id, { next_trade: [next.pubkey, next.index] })
  const child = await seller.trader.expect('new-order', { key: next.index })
  expect(child.tradeIndex).toBe(BigInt(next.index))
  expect(at(child.payload, 'order', 'max_amount')).toBe(70n)
  if (child.id === null) throw new Error('the remainder has an id')
  const event = await buyer.trader.inBook(child.id, 'pending')
  expect(event.tags).toContainEqual(['fa', '10', '70'])
  return child.id
}

async function cooperativeCancel(pair: Pair): Promise<void> {
  const { alice: seller, bob: buyer } = pair.next()
  const balance = seller.wallet.balanceMsat()
  const id = await pair.offer(seller, buyer, { kind: 'sell' })
  const asked = await pair.ask(buyer, 'take-sell', { id })
  await pair.ask(buyer, 'add-invoice', { id, payload: invoicePayload(invoiceOf(buyer, satsIn(asked))) })
  await pair.lockedBy(seller, buyer, id)
  expect((await pair.ask(buyer, 'cancel', { id })).action).toBe('cooperative-cancel-initiated-by-you')
  await seller.trader.expect('cooperative-cancel-initiated-by-peer', { id })
  expect((await pair.ask(seller, 'cancel', { id })).action).toBe('cooperative-cancel-accepted')
  await buyer.trader.expect('cooperative-cancel-accepted', { id })
  await world.until(id, 'cooperatively-canceled')
  await buyer.trader.inBook(id, 'canceled')
  expect(seller.wallet.balanceMsat()).toBe(balance)
}

async function payoutThatFails(pair: Pair): Promise<void> {
  const { alice: seller, bob: buyer } = pair.next()
  const id = await pair.offer(seller, buyer, { kind: 'sell' })
  const asked = await pair.ask(buyer, 'take-sell', { id })
  await pair.ask(buyer, 'add-invoice', { id, payload: invoicePayload(invoiceOf(buyer, satsIn(asked))) })
  await pair.lockedBy(seller, buyer, id)
  await pair.fiatSent(seller, buyer, id)
  buyer.wallet.onIncoming('fail')
  const before = buyer.wallet.received().length
  await pair.ask(seller, 'release', { id })
  await buyer.trader.expect('released', { id })
  const failed = await buyer.trader.expect('payment-failed', { id })
  expect(failed.payload).toEqual({
    payment_failed: { payment_attempts: 1n, payment_retries_interval: BigInt(RETRY_MS / 1000) },
  })
  const again = await buyer.trader.expect('add-invoice', { id }, 2 * RETRY_MS)
  expect(at(again.payload, 'order', 'status')).toBe('settled-hold-invoice')
  buyer.wallet.onIncoming('settle')
  const payload = invoicePayload(invoiceOf(buyer, satsIn(again)))
  expect((await pair.ask(buyer, 'add-invoice', { id, payload })).action).toBe('invoice-updated')
  await buyer.trader.expect('purchase-completed', { id })
  expect(buyer.wallet.received()).toHaveLength(before + 1)
}

/** A client with nothing but its words finds its trades again. */
async function restores(trader: Trader, openId: string): Promise<void> {
  const sent = await trader.send('restore-session', { key: 1, requestId: null })
  const restored = await trader.answer(sent, 'restore-session')
  const orders = at(restored.payload, 'restore_data', 'orders')
  expect(orders).toMatchObject([{ order_id: openId, status: 'pending' }])
  const asked = await trader.send('orders', { key: 1, payload: { ids: [openId] }, requestId: BigInt(Date.now()) })
  expect(at((await trader.answer(asked, 'orders')).payload, 'orders', 0, 'id')).toBe(openId)
  const index = await trader.send('last-trade-index', { key: 1, requestId: null })
  expect((await trader.answer(index, 'last-trade-index')).tradeIndex).toBeGreaterThan(1n)
}

describe('in the sandbox', () => {
  test.each(CLIENTS.map((client) => [client.name, client] as const))(
    'a Mostro client trades in the sandbox unchanged: %s',
    async (_name, client) => {
      world = await AcceptanceWorld.start()
      await world.boot()
      const options = { ...client.options, strictAs: [client.rules] }
      const [alice, bob] = [await world.trader(options), await world.trader(options)]
      const pair = new Pair(client, alice, bob)
      await alice.info()
      await fixedSell(pair)
      await fixedBuy(pair)
      await marketToAddress(pair)
      const open = await rangeWithNextTrade(pair)
      await cooperativeCancel(pair)
      await payoutThatFails(pair)
      if (client.options.privacy !== 'full') await restores(alice, open)
      expect(world.alerts()).toEqual([])
      world.network.checkConservation()
    },
    60_000,
  )
})
