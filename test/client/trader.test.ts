import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { CantDoError, ClosedError, DeadlineError, type Offer, PublishError } from '../../src/client/index.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { eventually } from '../support/wait.ts'
import { tradeKey } from '../support/wire-keys.ts'
import { clientWorld, ORDER, OTHER_ORDER } from './client-world.ts'
import { announcement, bitsOf, ScriptedNode } from './scripted-node.ts'

const world = clientWorld()

const offer: Offer = { kind: 'sell', fiatCode: 'VES', fiatAmount: 100, paymentMethod: 'face to face' }
const newOrder = { action: 'new-order', id: ORDER } as const

/** What a promise is rejected with. */
const errorOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was not rejected')
}

describe('a trader who asks', () => {
  it('gets the answer, and knows the order by its trade key from then on', async () => {
    world.node.answer = () => [newOrder]
    const client = world.trader()
    const answer = await client.newOrder(offer)
    expect(answer).toMatchObject({ tradeIndex: 1, transport: 2, message: { action: 'new-order', id: ORDER } })
    expect(client.tradeIndexOf(ORDER)).toBe(1)
    expect(client.nextTradeIndex).toBe(2)
  })

  it.each([
    { who: 'the node announced', announced: 2, wanted: 'as-announced', used: 2 },
    { who: 'the node announced', announced: 1, wanted: 'as-announced', used: 1 },
    { who: 'the trader chose', announced: 1, wanted: 2, used: 2 },
  ] as const)('uses transport $used when $who it', async ({ announced, wanted, used }) => {
    world.node.answer = () => [newOrder]
    await world.node.announce(announcement({ transport: announced }))
    const client = world.trader({ transport: wanted })
    await client.newOrder(offer)
    expect(world.node.lastAsked.transport).toBe(used)
  })

  it.each([1, 2] as const)(
    'mines what the node announces for keys that it does not know, transport %i',
    async (transport) => {
      world.node.answer = () => [newOrder]
      await world.node.announce(announcement({ pow: 2, powFirstContact: 8 }))
      const client = world.trader({ transport, pow: 'as-announced' })
      await client.newOrder(offer)
      expect(bitsOf(world.node.lastAsked.event)).toBeGreaterThanOrEqual(8)
    },
  )

  it('is told the reason of a refusal, and no key is known for what was refused', async () => {
    world.node.answer = () => [
      {
        outer: 'cant-do',
        action: 'cant-do',
        tradeIndex: null,
        payload: { kind: 'cant_do', reason: 'pending_order_exists' },
      },
    ]
    const client = world.trader()
    const error = await errorOf(client.takeSell(ORDER))
    expect(error).toBeInstanceOf(CantDoError)
    expect(error).toMatchObject({
      reason: 'pending_order_exists',
      message: 'the node cannot do take-sell: pending_order_exists',
    })
    expect(client.tradeIndexOf(ORDER)).toBeNull()
    await expect(client.cancel(ORDER)).rejects.toThrow(`no trade key is known for order ${ORDER}`)
  })

  it('takes no other message for the answer', async () => {
    const client = world.trader()
    world.node.answer = () => [
      { action: 'canceled', requestId: 1n },
      { action: 'canceled', requestId: null },
      { action: 'rate' },
      { action: 'canceled', id: OTHER_ORDER },
    ]
    const answer = await client.cancel(ORDER, { tradeIndex: 1 })
    expect(answer.message).toMatchObject({ id: OTHER_ORDER, requestId: world.node.lastAsked.message.requestId })
    expect(client.unread().map(({ message }) => message.requestId)).toEqual([1n, null, answer.message.requestId])
  })

  it('does not take the notice about a reputation for a request to pay', async () => {
    const client = world.trader()
    const reputation = { rating: 4.5, reviews: 7n, operatingDays: 21n }
    const peer = { kind: 'peer', peer: { pubkey: '', reputation } } as const
    world.node.answer = () => [
      { action: 'pay-invoice', payload: peer },
      { action: 'pay-invoice', payload: { kind: 'payment_request', order: null, request: 'lnbc1', amount: null } },
    ]
    const answer = await client.takeBuy(ORDER, { requestId: null })
    expect(answer.message.payload?.kind).toBe('payment_request')
  })

  it('without a request id, takes no older message for the answer', async () => {
    const client = world.trader()
    await world.node.say(tradeKey.pubkey, { action: 'canceled', id: ORDER })
    await eventually(() => client.unread().length === 1, 'the older message')
    world.node.answer = () => [{ action: 'canceled' }]
    const answer = await client.cancel(ORDER, { tradeIndex: 1, requestId: null })
    expect(client.unread()).toHaveLength(1)
    expect(client.unread()).not.toContain(answer)
  })

  it('learns at the deadline what was awaited and what came instead, and can ask the same again', async () => {
    const client = world.trader()
    world.node.answer = () => [{ action: 'released', requestId: null }]
    const error = await errorOf(client.fiatSent(ORDER, { tradeIndex: 1, deadlineMs: 300 }))
    expect(error).toBeInstanceOf(DeadlineError)
    if (!(error instanceof DeadlineError) || error.request === null) throw error
    expect(error.message).toMatch(
      new RegExp(`waited \\d+ ms for fiat-sent-ok in answer to fiat-sent of order ${ORDER}; instead came released`),
    )

    const first = world.node.lastAsked
    world.node.answer = () => [{ action: 'fiat-sent-ok' }]
    const answer = await client.resend(error.request)
    expect(answer.message.action).toBe('fiat-sent-ok')
    expect(world.node.lastAsked.canonicalJson).toBe(first.canonicalJson)
    expect(world.node.lastAsked.outerId).not.toBe(first.outerId)
    expect(client.lastRequest).toBe(error.request)
  })

  it('may ask the same again over the other transport', async () => {
    const client = world.trader()
    world.node.answer = () => []
    await errorOf(client.release(ORDER, { tradeIndex: 1, deadlineMs: 200 }))
    const first = world.node.lastAsked
    world.node.answer = () => [{ action: 'hold-invoice-payment-settled' }]
    if (client.lastRequest === null) throw new Error('no request')
    await client.resend(client.lastRequest, { transport: 1 })
    expect(world.node.lastAsked).toMatchObject({ transport: 1, canonicalJson: first.canonicalJson })
  })

  it('learns that every relay refused', async () => {
    const client = world.trader()
    world.relay.core.faults.refuse(() => true, 'blocked: not today')
    const error = await errorOf(client.cancel(ORDER, { tradeIndex: 1 }))
    expect(error).toBeInstanceOf(PublishError)
    expect(String(error)).toContain('blocked: not today')
  })

  it('is heard when the relay comes up before the deadline', async () => {
    world.node.answer = () => [newOrder]
    const client = world.trader({ deadlineMs: 10_000 })
    await world.relay.goAway()
    const answer = client.newOrder(offer)
    await world.relay.comeBack()
    expect((await answer).message.id).toBe(ORDER)
  })

  it('hears of its orders and disputes again, and goes on behind their trade keys', async () => {
    const client = world.trader()
    world.node.answer = () => [
      {
        outer: 'restore',
        action: 'restore-session',
        payload: {
          kind: 'restore_data',
          orders: [{ orderId: ORDER, tradeIndex: 3n, status: 'active' }],
          disputes: [
            {
              disputeId: ORDER,
              orderId: OTHER_ORDER,
              tradeIndex: 5n,
              status: 'initiated',
              initiator: null,
              solverPubkey: null,
            },
            {
              disputeId: ORDER,
              orderId: ORDER,
              tradeIndex: 0n,
              status: 'initiated',
              initiator: null,
              solverPubkey: null,
            },
          ],
        },
      },
    ]
    const session = await client.restoreSession()
    expect(session.orders).toHaveLength(1)
    expect(session.disputes).toHaveLength(2)
    expect([ORDER, OTHER_ORDER].map((id) => client.tradeIndexOf(id))).toEqual([3, 5])
    expect(client.nextTradeIndex).toBe(6)
    await world.node.say(client.tradePubkeyAt(3), { action: 'released', id: ORDER })
    expect((await client.next('released', ORDER)).tradeIndex).toBe(3)
  })

  it('goes on behind the last trade index that the node knows', async () => {
    const client = world.trader()
    world.node.answer = () => [{ outer: 'restore', action: 'last-trade-index', tradeIndex: 42n }]
    expect(await client.lastTradeIndex()).toBe(42)
    expect(client.nextTradeIndex).toBe(43)
  })

  it('moves an order to a fresh trade key', async () => {
    const client = world.trader()
    world.node.answer = ({ message }) => [{ action: message.action, id: ORDER }]
    await client.newOrder(offer)
    await client.tradePubkey(ORDER)
    expect(client.tradeIndexOf(ORDER)).toBe(2)
  })
})

describe('a trader who listens', () => {
  it('is ready when a relay is there, and says so when none is', async () => {
    await world.trader().ready()
    await world.relay.goAway()
    await expect(world.trader().ready({ deadlineMs: 50 })).rejects.toThrow('waited 50 ms for a relay')
  })

  it('finds every message, in the order in which the node wrote, whatever was awaited first', async () => {
    const client = world.trader()
    await client.ready()
    for (const action of ['released', 'purchase-completed', 'rate'] as const) {
      await world.node.say(tradeKey.pubkey, { action, id: ORDER })
    }
    expect((await client.next('rate', ORDER)).message.action).toBe('rate')
    expect((await client.next(['purchase-completed', 'released'])).message.action).toBe('released')
    expect((await client.next('purchase-completed', ORDER, { tradeIndex: 1 })).message.action).toBe(
      'purchase-completed',
    )
    expect(client.unread()).toEqual([])
    expect(client.history(ORDER).map(({ message }) => message.action)).toEqual([
      'released',
      'purchase-completed',
      'rate',
    ])
  })

  it('reads what was written while it was away from the beginning', async () => {
    const nowS = Math.floor(systemClock.nowMs() / 1000)
    const actions = ['released', 'purchase-completed', 'rate'] as const
    for (const [index, action] of actions.entries()) {
      await world.node.say(tradeKey.pubkey, { action, id: ORDER }, { createdAtS: nowS - 10 + index })
    }
    const client = world.trader()
    expect((await client.next(actions)).message.action).toBe('released')
    expect(client.history().map(({ message }) => message.action)).toEqual(actions)
  })

  it('hears each message once, from however many relays', async () => {
    const other = await EmbeddedRelay.start({ clock: systemClock })
    const node = await ScriptedNode.start(world.relay.url, other.url)
    try {
      const client = world.trader({ relays: [world.relay.url, other.url] })
      await node.say(tradeKey.pubkey, { action: 'released', id: ORDER })
      await node.say(tradeKey.pubkey, { action: 'rate', id: ORDER })
      await client.next('rate', ORDER)
      expect(client.history()).toHaveLength(2)
      await client.close()
    } finally {
      await node.close()
      await other.close()
    }
  })

  it('learns at the deadline what came instead', async () => {
    const client = world.trader()
    const wait = client.next('purchase-completed', ORDER, { deadlineMs: 300 })
    await world.node.say(tradeKey.pubkey, { action: 'payment-failed', id: ORDER })
    await expect(wait).rejects.toThrow(
      `waited 300 ms for purchase-completed about order ${ORDER}; instead came payment-failed (order ${ORDER})`,
    )
    await expect(client.next('rate', undefined, { deadlineMs: 1 })).rejects.toThrow('nothing else came')
  })

  it('ends every wait when it is closed', async () => {
    const client = world.trader()
    const waits = [client.next('rate'), client.cancel(ORDER, { tradeIndex: 1 }), client.book.waitForInfo(5_000)]
    const errors = Promise.all(waits.map(errorOf))
    await client.close()
    for (const error of await errors) expect(error).toBeInstanceOf(ClosedError)
    await expect(client.next('rate')).rejects.toThrow(ClosedError)
    await expect(client.dispute(ORDER, { tradeIndex: 1 })).rejects.toThrow(ClosedError)
    await client.close()
  })
})
