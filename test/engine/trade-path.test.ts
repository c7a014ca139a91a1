import { afterEach, describe, expect, test } from 'vitest'
import type { Payload } from '../../src/core/protocol.ts'
import { EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import { type Heard, paymentRequest, type SimTrader } from '../support/sim-trader.ts'
import {
  AMOUNT_SATS,
  asks,
  payoutInvoice,
  paysEscrow,
  reasonFor,
  sellTradeAt,
  type Trade,
} from '../support/trade-stages.ts'

const LISTEN_MS = 3000

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

async function open(options: WorldOptions = {}): Promise<{ world: EngineWorld; alice: SimTrader; bob: SimTrader }> {
  world = new EngineWorld(options)
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await world.boot()
  return { world, alice, bob }
}

/** A message as its reader sees it: action, what it carries, request id (`r` = the asked one), trade index. */
function seen(heard: readonly Heard[], requestId: bigint | null = null): readonly string[] {
  return heard.map(({ message: { action, payload, requestId: rid, tradeIndex } }) => {
    const carried =
      payload === null
        ? ''
        : payload.kind === 'order'
          ? `{${payload.order.status} ${payload.order.amount}}`
          : payload.kind === 'payment_request'
            ? `{${payload.order?.status} ${payload.order?.amount} invoice}`
            : payload.kind === 'cant_do'
              ? `{${payload.reason}}`
              : `{${payload.kind}}`
    const echo = rid === null ? '' : rid === requestId ? ' r' : ' another request'
    return `${action}${carried}${echo}${tradeIndex === null ? '' : ` #${tradeIndex}`}`
  })
}

/** What both hear because of one act, to the end. */
async function heardAfter(
  from: EngineWorld,
  trade: Pick<Trade, 'seller' | 'buyer'>,
  act: () => bigint | undefined | Promise<bigint | undefined>,
): Promise<{ seller: readonly string[]; buyer: readonly string[] }> {
  await from.clock.advance(LISTEN_MS)
  const before = { seller: trade.seller.heard.length, buyer: trade.buyer.heard.length }
  const request = (await act()) ?? null
  await from.clock.advance(LISTEN_MS)
  return {
    seller: seen(trade.seller.heard.slice(before.seller), request),
    buyer: seen(trade.buyer.heard.slice(before.buyer), request),
  }
}

describe('who hears what (trade.md 1.4)', () => {
  test('a sell order, act by act: amounts, request ids and trade indexes as clients expect them', async () => {
    const { world, alice, bob } = await open()
    const trade = { seller: alice, buyer: bob }
    const id = await alice.makes({ kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n })
    expect(seen(alice.heard, alice.heard[0]?.message.requestId ?? null)).toEqual(['new-order{pending 100000} r #1'])
    expect(await heardAfter(world, trade, () => bob.takes('take-sell', id))).toEqual({
      buyer: ['add-invoice{waiting-buyer-invoice 99700} r #1'],
      seller: ['waiting-buyer-invoice #1'],
    })
    const invoice = paymentRequest(payoutInvoice(bob))
    expect(await heardAfter(world, trade, () => bob.send('add-invoice', { id, payload: invoice }))).toEqual({
      buyer: ['waiting-seller-to-pay r #1'],
      seller: ['pay-invoice{peer}', 'pay-invoice{waiting-payment 100300 invoice} #1'],
    })
    const pay = async () => {
      await paysEscrow(world, alice, id)
      return undefined
    }
    expect(await heardAfter(world, trade, pay)).toEqual({
      buyer: ['hold-invoice-payment-accepted{active 99700}'],
      seller: ['buyer-took-order{active 100300}'],
    })
    expect(await heardAfter(world, trade, () => bob.send('fiat-sent', { id }))).toEqual({
      buyer: ['fiat-sent-ok{peer} r'],
      seller: ['fiat-sent-ok{peer}'],
    })
    expect(await heardAfter(world, trade, () => alice.send('release', { id }))).toEqual({
      buyer: ['released', 'purchase-completed', 'rate'],
      seller: ['hold-invoice-payment-settled r', 'rate'],
    })
    const rating: Payload = { kind: 'rating_user', rating: 5 }
    expect(await heardAfter(world, trade, () => bob.send('rate-user', { id, payload: rating }))).toEqual({
      buyer: ['rate-received{rating_user} r'],
      seller: [],
    })
  })

  test('a buy order, act by act', async () => {
    const { world, alice, bob } = await open()
    const trade = { seller: bob, buyer: alice }
    const id = await alice.makes({ kind: 'buy', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n })
    expect(await heardAfter(world, trade, () => bob.takes('take-buy', id))).toEqual({
      seller: ['pay-invoice{waiting-payment 100300 invoice} r #1'],
      buyer: ['waiting-seller-to-pay #1'],
    })
    const pay = async () => {
      await paysEscrow(world, bob, id)
      return undefined
    }
    expect(await heardAfter(world, trade, pay)).toEqual({
      buyer: ['add-invoice{waiting-buyer-invoice 99700}', 'add-invoice{peer}'],
      seller: ['waiting-buyer-invoice'],
    })
    const invoice = paymentRequest(payoutInvoice(alice))
    expect(await heardAfter(world, trade, () => alice.send('add-invoice', { id, payload: invoice }))).toEqual({
      seller: ['buyer-took-order{active 100300}'],
      buyer: ['hold-invoice-payment-accepted{active 99700} r'],
    })
  })

  test.each([
    ['pending', 'seller', { seller: ['canceled r'], buyer: [] }, 'canceled'],
    ['waiting-buyer-invoice', 'seller', { seller: ['canceled r'], buyer: ['canceled'] }, 'canceled'],
    ['waiting-payment', 'seller', { seller: ['canceled r'], buyer: ['canceled'] }, 'canceled'],
    ['waiting-payment', 'buyer', { seller: ['new-order{pending 100000}'], buyer: ['canceled r'] }, 'pending'],
    ['waiting-buyer-invoice', 'buyer', { seller: ['new-order{pending 100000}'], buyer: ['canceled r'] }, 'pending'],
    [
      'active',
      'seller',
      { seller: ['cooperative-cancel-initiated-by-you r'], buyer: ['cooperative-cancel-initiated-by-peer'] },
      'active',
    ],
    [
      'fiat-sent',
      'buyer',
      { seller: ['cooperative-cancel-initiated-by-peer'], buyer: ['cooperative-cancel-initiated-by-you r'] },
      'fiat-sent',
    ],
  ] as const)('a cancel in %s by the %s', async (stage, who, expected, then) => {
    const { world, alice, bob } = await open()
    const trade = await sellTradeAt(world, stage, alice, bob)
    const sender = who === 'seller' ? alice : bob
    expect(await heardAfter(world, trade, () => sender.send('cancel', { id: trade.id }))).toEqual(expected)
    expect(world.standing(trade.id)).toBe(then)
    world.network.checkConservation()
  })

  test('the second cancel of a live trade, by the other one, gives the sats back; by the same one it is refused', async () => {
    const { world, alice, bob } = await open()
    const trade = await sellTradeAt(world, 'active', alice, bob)
    const funds = alice.wallet.balanceMsat()
    expect(await asks(alice, 'cancel', { id: trade.id })).toBe('cooperative-cancel-initiated-by-you')
    expect(await asks(alice, 'cancel', { id: trade.id })).toBe('invalid_pubkey')
    expect(await heardAfter(world, trade, () => bob.send('cancel', { id: trade.id }))).toEqual({
      seller: ['cooperative-cancel-accepted'],
      buyer: ['cooperative-cancel-accepted r'],
    })
    expect(world.standing(trade.id)).toBe('cooperatively-canceled')
    expect(alice.wallet.balanceMsat()).toBeGreaterThan(funds)
  })

  test('trade-pubkey moves an offer to a new key of the same identity: the old key is a stranger from then on', async () => {
    const { world, alice, bob } = await open()
    const trade = await sellTradeAt(world, 'pending', alice, bob)
    alice.nextKey()
    expect(await heardAfter(world, trade, () => alice.send('trade-pubkey', { id: trade.id }))).toEqual({
      seller: ['trade-pubkey r'],
      buyer: [],
    })
    expect(await asks(alice, 'cancel', { id: trade.id, key: 1 })).toBe('is_not_your_order')
    expect(await asks(alice, 'cancel', { id: trade.id, key: 2 })).toBe('canceled')
  })
})

describe('DEC-22, W36, W51: trade indexes', () => {
  test('an index is never lowered: not by zero, not by an older one, not by none', async () => {
    const { world, alice, bob } = await open()
    const last = () => world.store.s.user_get({ identity: alice.identity })?.last_trade_index
    await alice.makes({ kind: 'sell', amount: 5000n }, { key: 1, tradeIndex: 7 })
    expect(last()).toBe(7)
    const { id } = await sellTradeAt(world, 'pending', bob, alice)
    alice.listen(9)
    alice.key = 9
    for (const [tradeIndex, reason] of [
      [0, 'invalid_trade_index'],
      [null, 'invalid_trade_index'],
      [-1, 'invalid_trade_index'],
      [7, 'invalid_trade_index'],
      [3, 'invalid_trade_index'],
      [8, 'add-invoice'],
    ] as const) {
      expect([tradeIndex, await asks(alice, 'take-sell', { id, key: 9, tradeIndex })]).toEqual([tradeIndex, reason])
    }
    expect(last()).toBe(8)
  })

  test('a refused order or take burns nothing, for a newcomer either', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    const key = bob.nextKey()
    expect(await asks(bob, 'take-buy', { id, key, tradeIndex: 1 })).toBe('invalid_order_kind')
    expect(world.store.s.user_get({ identity: bob.identity })).toBeUndefined()
    expect(await asks(bob, 'take-sell', { id, key, tradeIndex: 1 })).toBe('add-invoice')
    expect(world.store.s.user_get({ identity: bob.identity })?.last_trade_index).toBe(1)
  })

  test('a used index is refused before anything else is looked at', async () => {
    const { alice } = await open()
    await alice.makes({ kind: 'sell', amount: 5000n })
    const key = alice.nextKey()
    const nowhere = '00000000-0000-4000-8000-000000000000'
    expect(await asks(alice, 'take-sell', { id: nowhere, key, tradeIndex: 1 })).toBe('invalid_trade_index')
    expect(await asks(alice, 'take-sell', { id: nowhere, key, tradeIndex: 2 })).toBe('not_found')
  })

  test('in full privacy no user is made, and the index is only noted', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n }, { fullPrivacy: true })
    expect(world.store.all('SELECT * FROM users')).toEqual([])
    expect(world.store.get<{ maker_index: number }>('SELECT maker_index FROM orders WHERE id = :id', { id })).toEqual({
      maker_index: 1,
    })
  })

  test('W51: the index of a range remainder counts as used', async () => {
    const { world, alice, bob } = await open()
    const { id } = await rangeAt(world, alice, bob)
    alice.listen(5)
    alice.key = 5
    alice.send('release', { id, key: 1, payload: { kind: 'next_trade', pubkey: alice.pubkey(5), index: 5 } })
    await world.until(() => alice.all('new-order').length === 2, 'the remainder is offered')
    expect(world.store.s.user_get({ identity: alice.identity })?.last_trade_index).toBe(5)
    expect(await asks(alice, 'new-order', { payload: order(), key: 4, tradeIndex: 4 })).toBe('invalid_trade_index')
  })
})

const order = (): Payload => ({
  kind: 'order',
  order: {
    id: null,
    kind: 'sell',
    status: 'pending',
    amount: 5000n,
    fiatCode: 'USD',
    minAmount: null,
    maxAmount: null,
    fiatAmount: 50n,
    paymentMethod: 'cash',
    premium: 0n,
    buyerTradePubkey: null,
    sellerTradePubkey: null,
    buyerInvoice: null,
    createdAt: 0n,
    expiresAt: null,
  },
})

/** A range sell order of 10 to 100 USD, 30 taken, with the fiat sent. */
async function rangeAt(from: EngineWorld, seller: SimTrader, buyer: SimTrader): Promise<{ id: string }> {
  const id = await seller.makes({ kind: 'sell', minAmount: 10n, maxAmount: 100n, fiatAmount: 0n })
  expect(await reasonFor(buyer, buyer.takes('take-sell', id, { payload: { kind: 'amount', amount: 30n } }))).toBe(
    'add-invoice',
  )
  buyer.send('add-invoice', {
    id,
    payload: paymentRequest(buyer.wallet.invoice({ amountMsat: null, expiryS: 86_400 })),
  })
  await paysEscrow(from, seller, id)
  await buyer.hears('hold-invoice-payment-accepted', id)
  buyer.send('fiat-sent', { id })
  await seller.hears('fiat-sent-ok', id)
  return { id }
}

/** The id of the offer that the remainder of an order became, as its maker hears it. */
async function childOf(from: EngineWorld, maker: SimTrader, parent: string): Promise<string> {
  const told = () => maker.all('new-order').find((m) => m.id !== parent && m.tradeIndex === 2n)?.id ?? null
  await from.until(() => told() !== null, 'the remainder is offered')
  return told() ?? ''
}

describe('DEC-21, W31 to W33: the remainder of a range', () => {
  test('is a new offer of the next key, told with its own id, the request and the next index', async () => {
    const { world, alice, bob } = await open()
    const { id } = await rangeAt(world, alice, bob)
    alice.listen(2)
    alice.key = 2
    const payload: Payload = { kind: 'next_trade', pubkey: alice.pubkey(2), index: 2 }
    const request = alice.send('release', { id, key: 1, payload })
    await world.until(() => alice.all('new-order').length === 2, 'the remainder is offered')
    const child = alice.heard.find((h) => h.message.action === 'new-order' && h.keyIndex === 2)
    expect(child?.message.id).not.toBe(id)
    expect([child?.message.requestId, child?.message.tradeIndex]).toEqual([request, 2n])
    const offer = child?.message.payload
    expect(offer?.kind === 'order' && [offer.order.minAmount, offer.order.maxAmount, offer.order.id]).toEqual([
      10n,
      70n,
      child?.message.id,
    ])
    expect(world.published(child?.message.id ?? '')).toBe('pending')
    await bob.hears('purchase-completed', id)
    world.network.checkConservation()
  })

  test.each([
    ['a key that is none', 'zz', 2],
    ['a key that is too short', 'ab', 2],
    ['index zero', null, 0],
    ['the key of the present trade', 'same', 2],
  ] as const)(
    'with %s the release goes on without it, and the maker hears that the remainder is canceled',
    async (_, pubkey, index) => {
      const { world, alice, bob } = await open()
      const { id } = await rangeAt(world, alice, bob)
      const key = pubkey === 'same' ? alice.pubkey(1) : (pubkey ?? alice.pubkey(2))
      alice.send('release', { id, payload: { kind: 'next_trade', pubkey: key, index } })
      const told = await alice.hears('canceled')
      expect(told.id).not.toBe(id)
      await bob.hears('purchase-completed', id)
      expect(world.standing(id)).toBe('success')
      expect(world.store.get<{ n: number }>('SELECT COUNT(*) AS n FROM orders')?.n).toBe(1)
    },
  )

  test('W31, W32: it starts with clean flags and a window of its own, however long and quarrelsome its parent was', async () => {
    const { world, alice, bob } = await open()
    const { id } = await rangeAt(world, alice, bob)
    expect(await asks(alice, 'cancel', { id })).toBe('cooperative-cancel-initiated-by-you')
    await world.clock.advance(20 * 3_600_000)
    alice.nextKey()
    alice.send('release', { id, key: 1, payload: { kind: 'next_trade', pubkey: alice.pubkey(2), index: 2 } })
    const child = await childOf(world, alice, id)
    const row = world.store.get<{ expires_at: number; created_at: number; cancel_initiator: string | null }>(
      'SELECT expires_at, created_at, cancel_initiator FROM orders WHERE id = :child',
      { child },
    )
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    expect(row?.cancel_initiator).toBe(null)
    expect(row?.expires_at).toBeGreaterThan(nowS + 86_000)
    expect(row?.created_at).toBeGreaterThan(nowS - 60)
    const take = bob.takes('take-sell', child, { payload: { kind: 'amount', amount: 20n } })
    expect(await reasonFor(bob, take)).toBe('add-invoice')
  })

  test('W33: it is there whenever the power went around the settlement', async () => {
    for (const point of ['message:release', 'before:lightning.settle', 'after:lightning.settle', 'commit:observe']) {
      const { world, alice, bob } = await open()
      const { id } = await rangeAt(world, alice, bob)
      let cuts = 0
      world.cut = (passed) => {
        if (cuts > 0 || !passed.includes(point)) return
        cuts += 1
        world.kill()
      }
      alice.nextKey()
      alice.send('release', { id, key: 1, payload: { kind: 'next_trade', pubkey: alice.pubkey(2), index: 2 } })
      await world.until(() => world.engine === null || bob.all('purchase-completed', id).length > 0, point)
      expect([point, cuts]).toEqual([point, 1])
      await world.boot()
      const child = await childOf(world, alice, id)
      await world.until(() => world.published(child) === 'pending', 'the remainder is on the book')
      await bob.hears('purchase-completed', id)
      world.network.checkConservation()
      await world.close()
    }
    world = null
  })

  test('a buyer who made the range names his next key with fiat-sent; a bad one is refused there and then', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'buy', minAmount: 10n, maxAmount: 100n, fiatAmount: 0n })
    bob.takes('take-buy', id, { payload: { kind: 'amount', amount: 30n } })
    await paysEscrow(world, bob, id)
    await alice.hears('add-invoice', id, 2)
    alice.send('add-invoice', {
      id,
      payload: paymentRequest(alice.wallet.invoice({ amountMsat: null, expiryS: 86_400 })),
    })
    await alice.hears('hold-invoice-payment-accepted', id)
    for (const bad of [
      { kind: 'next_trade', pubkey: 'zz', index: 2 },
      { kind: 'next_trade', pubkey: alice.pubkey(2), index: 0 },
      { kind: 'next_trade', pubkey: alice.pubkey(1), index: 2 },
    ] as const)
      expect(await asks(alice, 'fiat-sent', { id, payload: bad })).toBe('invalid_parameters')
    expect(world.standing(id)).toBe('active')
    alice.listen(2)
    alice.key = 2
    alice.send('fiat-sent', { id, key: 1, payload: { kind: 'next_trade', pubkey: alice.pubkey(2), index: 2 } })
    await bob.hears('fiat-sent-ok', id)
    bob.send('release', { id })
    await world.until(() => alice.heard.some((h) => h.keyIndex === 2), 'the remainder is offered')
    const child = alice.heard.find((h) => h.keyIndex === 2)?.message
    expect([child?.action, child?.tradeIndex, child?.requestId]).toEqual(['new-order', 2n, null])
  })
})

describe('DEC-02: both transports', () => {
  const versions = (trader: SimTrader) => trader.heard.map((h) => h.message.version)

  test('two traders of one trade each speak their own', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice', { transport: 1 })
    const bob = world.trader('bob', { transport: 2 })
    await world.boot()
    await sellTradeAt(world, 'success', alice, bob)
    await world.clock.advance(LISTEN_MS)
    expect(new Set(versions(alice))).toEqual(new Set([1]))
    expect(new Set(versions(bob))).toEqual(new Set([2]))
  })

  test('a key is answered by what it last used, by the time inside the message, not by when it came', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    const t = Math.floor(world.clock.nowMs() / 1000)
    alice.send('orders', { payload: { kind: 'ids', ids: [id] }, transport: 1, createdAtS: t })
    await alice.hears('orders')
    alice.send('orders', { payload: { kind: 'ids', ids: [id] }, transport: 2, createdAtS: t - 100 })
    await alice.hears('orders', undefined, 2)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    expect(versions(alice).slice(-3)).toEqual([1, 1, 1])
    alice.send('cancel', { id, transport: 2, createdAtS: t + 1 })
    await alice.hears('cooperative-cancel-initiated-by-you', id)
    expect(versions(alice).at(-1)).toBe(2)
  })

  test('the same gift in two wraps is one message', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'active', alice, bob)
    const createdAtS = Math.floor(world.clock.nowMs() / 1000)
    for (let n = 0; n < 2; n += 1) alice.publish(alice.wrap('cancel', { id, transport: 1, createdAtS }))
    await alice.hears('cooperative-cancel-initiated-by-you', id)
    await world.clock.advance(LISTEN_MS)
    expect(alice.all('cant-do')).toEqual([])
    expect(world.engine?.status().intake['known']).toBe(1)
  })

  test('the key of a remainder, which never wrote, inherits from the key that announced it', async () => {
    world = new EngineWorld()
    const alice = world.trader('alice', { transport: 1 })
    const bob = world.trader('bob', { transport: 2 })
    await world.boot()
    const { id } = await rangeAt(world, alice, bob)
    alice.listen(2)
    alice.key = 2
    alice.send('release', { id, key: 1, payload: { kind: 'next_trade', pubkey: alice.pubkey(2), index: 2 } })
    await world.until(() => alice.heard.some((h) => h.keyIndex === 2), 'the remainder is offered')
    expect(alice.heard.find((h) => h.keyIndex === 2)?.message.version).toBe(1)
  })

  test('a clock far ahead does not bind a key to one transport', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const t = Math.floor(world.clock.nowMs() / 1000)
    alice.send('orders', { payload: { kind: 'ids', ids: [id] }, transport: 1, createdAtS: t + 500_000 })
    await world.clock.advance(700_000)
    alice.send('orders', { payload: { kind: 'ids', ids: [id] } })
    await alice.hears('orders')
    expect(versions(alice).at(-1)).toBe(2)
  })
})
