import { describe, expect, it } from 'vitest'
import type { CallOptions, Offer, TraderClient } from '../../src/client/index.ts'
import { wireExamples } from '../support/wire-fixtures.ts'
import { identityKey, tradeKey } from '../support/wire-keys.ts'
import { clientWorld, ORDER, OTHER_ORDER } from './client-world.ts'
import type { Said } from './scripted-node.ts'

const world = clientWorld()

const REQUEST_ID = 15_823_071_447_026_450_311n
const BOLT11 = /"(lnbcrt[^"]+)"/.exec(example('add-invoice bolt11'))?.[1] ?? ''
const CHOSEN: CallOptions = { requestId: REQUEST_ID }

const offer: Offer = { kind: 'sell', fiatCode: 'VES', fiatAmount: 100, paymentMethod: 'face to face' }
const EXPIRES_AT_S = 1_785_086_400

function example(name: string): string {
  const found = wireExamples.find((entry) => entry.name === name)
  if (found === undefined) throw new Error(`no example: ${name}`)
  return found.json
}

type Case = {
  readonly name: string
  readonly does: (client: TraderClient) => Promise<unknown>
  readonly answer: Said
  /** the first trade index that was never used */
  readonly next?: number
  readonly isPrivate?: boolean
}

const newOrder = { action: 'new-order', id: ORDER } as const
const done = (action: Said['action']): Said => ({ action })

const cases: readonly Case[] = [
  {
    name: 'new-order sell fixed sats (mostro-cli)',
    does: (client) => client.newOrder({ ...offer, amountSats: 7851 }, CHOSEN),
    answer: newOrder,
  },
  {
    name: 'new-order sell market price with premium',
    does: (client) => client.newOrder({ ...offer, premium: 5, expiresAtS: EXPIRES_AT_S }, CHOSEN),
    answer: newOrder,
    next: 2,
  },
  {
    name: 'new-order sell range',
    does: (client) =>
      client.newOrder({ ...offer, fiatAmount: { min: 10, max: 20 }, premium: 1, expiresAtS: EXPIRES_AT_S }, CHOSEN),
    answer: newOrder,
    next: 3,
  },
  {
    name: 'new-order buy with lightning address',
    does: (client) =>
      client.newOrder(
        {
          kind: 'buy',
          fiatCode: 'USD',
          fiatAmount: 100,
          paymentMethod: 'SEPA,Bank transfer',
          premium: -2,
          buyerInvoice: 'mostro_p2p@ln.tips',
        },
        { requestId: 1_234_567n },
      ),
    answer: newOrder,
    next: 4,
  },
  {
    name: 'new-order buy full privacy',
    does: (client) => client.newOrder({ ...offer, kind: 'buy', premium: 1 }, { requestId: 99n }),
    answer: newOrder,
    isPrivate: true,
  },
  {
    name: 'new-order non-ascii payment method',
    does: (client) =>
      client.newOrder({ ...offer, premium: 1, paymentMethod: 'Transferência café 😀 "x" \\ y' }, { requestId: 7n }),
    answer: newOrder,
    next: 5,
  },
  {
    name: 'take-sell no payload (mobile)',
    does: (client) => client.takeSell(ORDER, { requestId: null }),
    answer: done('add-invoice'),
    next: 6,
  },
  {
    name: 'take-sell range amount',
    does: (client) => client.takeSell(ORDER, { fiatAmount: 15, ...CHOSEN }),
    answer: done('add-invoice'),
    next: 6,
  },
  {
    name: 'take-sell with lightning address',
    does: (client) => client.takeSell(ORDER, { invoice: 'mostro_p2p@ln.tips', ...CHOSEN }),
    answer: done('waiting-seller-to-pay'),
    next: 6,
  },
  {
    name: 'take-sell with bolt11',
    does: (client) => client.takeSell(ORDER, { invoice: BOLT11, ...CHOSEN }),
    answer: done('waiting-seller-to-pay'),
    next: 6,
  },
  {
    name: 'take-sell range with lightning address and fiat amount',
    does: (client) => client.takeSell(ORDER, { invoice: 'mostro_p2p@ln.tips', fiatAmount: 15, ...CHOSEN }),
    answer: done('pay-bond-invoice'),
    next: 6,
  },
  {
    name: 'take-sell max u64 request id',
    does: (client) => client.takeSell(ORDER, { fiatAmount: 15, requestId: 2n ** 64n - 1n }),
    answer: done('add-invoice'),
  },
  {
    name: 'take-buy no payload',
    does: (client) => client.takeBuy(ORDER, CHOSEN),
    answer: done('pay-invoice'),
    next: 7,
  },
  {
    name: 'take-buy range amount',
    does: (client) => client.takeBuy(ORDER, { fiatAmount: 15, ...CHOSEN }),
    answer: done('pay-invoice'),
    next: 7,
  },
  {
    name: 'add-invoice bolt11',
    does: (client) => client.addInvoice(ORDER, BOLT11, { tradeIndex: 1, ...CHOSEN }),
    answer: done('waiting-seller-to-pay'),
  },
  {
    name: 'add-invoice lightning address',
    does: (client) => client.addInvoice(ORDER, 'user@domain.com', { tradeIndex: 1, ...CHOSEN }),
    answer: done('hold-invoice-payment-accepted'),
  },
  {
    name: 'add-bond-invoice reply',
    does: (client) => client.addBondInvoice(ORDER, BOLT11, { tradeIndex: 1, ...CHOSEN }),
    answer: done('bond-invoice-accepted'),
  },
  {
    name: 'fiat-sent',
    does: (client) => client.fiatSent(ORDER, { tradeIndex: 1, ...CHOSEN }),
    answer: done('fiat-sent-ok'),
  },
  {
    name: 'release',
    does: (client) => client.release(ORDER, { tradeIndex: 1, ...CHOSEN }),
    answer: done('hold-invoice-payment-settled'),
  },
  {
    name: 'cancel',
    does: (client) => client.cancel(ORDER, { tradeIndex: 1, ...CHOSEN }),
    answer: done('cooperative-cancel-initiated-by-you'),
  },
  {
    name: 'cancel protocol v1',
    does: (client) => client.cancel(ORDER, { tradeIndex: 1, transport: 1, ...CHOSEN }),
    answer: done('canceled'),
  },
  {
    name: 'dispute',
    does: (client) => client.dispute(ORDER, { tradeIndex: 1, ...CHOSEN }),
    answer: done('dispute-initiated-by-you'),
  },
  {
    name: 'rate-user',
    does: (client) => client.rateUser(ORDER, 5, { tradeIndex: 1, requestId: null }),
    answer: done('rate-received'),
  },
  {
    name: 'trade-pubkey rotation',
    does: (client) => client.tradePubkey(ORDER, CHOSEN),
    answer: done('trade-pubkey'),
  },
  {
    name: 'restore-session request',
    does: (client) => client.restoreSession(),
    answer: { outer: 'restore', action: 'restore-session' },
  },
  {
    name: 'last-trade-index request',
    does: (client) => client.lastTradeIndex({ requestId: null }),
    answer: { outer: 'restore', action: 'last-trade-index', tradeIndex: 42n },
  },
  {
    name: 'orders request',
    does: (client) => client.orders([ORDER, OTHER_ORDER], { requestId: 1_786_000_000_123n }),
    answer: done('orders'),
  },
]

describe('a request', () => {
  it.each(cases)('is written as in the example $name', async ({ name, does, answer, next, isPrivate = false }) => {
    world.node.answer = () => [answer]
    const client = world.trader({ nextTradeIndex: next ?? 1, privacy: isPrivate ? 'full' : 'reputation' })
    await does(client)
    expect(world.node.lastAsked.canonicalJson).toBe(example(name))
  })

  it.each([
    { transport: 1, privacy: 'reputation', identity: identityKey.pubkey },
    { transport: 2, privacy: 'reputation', identity: identityKey.pubkey },
    { transport: 1, privacy: 'full', identity: tradeKey.pubkey },
    { transport: 2, privacy: 'full', identity: tradeKey.pubkey },
  ] as const)(
    'over transport $transport in $privacy privacy is signed by the keys that it should be',
    async (given) => {
      const { identity, ...options } = given
      world.node.answer = () => [newOrder]
      const client = world.trader(options)
      const answer = await client.newOrder(offer)
      expect(answer.transport).toBe(options.transport)
      expect(world.node.lastAsked).toMatchObject({
        transport: options.transport,
        sender: tradeKey.pubkey,
        identity,
        signed: true,
        message: { version: options.transport, tradeIndex: options.privacy === 'full' ? null : 1n },
      })
    },
  )

  it('names the next trade key of a range order, and the order that remains is known by it', async () => {
    const client = world.trader({ nextTradeIndex: 8 })
    world.node.answer = ({ message }) => [
      { action: message.action === 'release' ? 'hold-invoice-payment-settled' : 'fiat-sent-ok' },
    ]
    await client.release(ORDER, { withNext: true, tradeIndex: 1 })
    expect(world.node.lastAsked.message.payload).toEqual({
      kind: 'next_trade',
      pubkey: client.tradePubkeyAt(8),
      index: 8,
    })
    await client.fiatSent(ORDER, { withNext: true })
    expect(world.node.lastAsked.message.payload).toMatchObject({ index: 9 })

    await world.node.say(client.tradePubkeyAt(8), { action: 'new-order', id: OTHER_ORDER, tradeIndex: 8n })
    const child = await client.next('new-order', OTHER_ORDER)
    expect(child.tradeIndex).toBe(8)
    world.node.answer = () => [{ action: 'canceled' }]
    await client.cancel(OTHER_ORDER)
    expect(world.node.lastAsked.sender).toBe(client.tradePubkeyAt(8))
  })

  it('has a random id of the full range', async () => {
    world.node.answer = () => [newOrder]
    const client = world.trader({ random: { bytes: (n) => new Uint8Array(n).fill(0xff) } })
    await client.newOrder(offer)
    expect(world.node.lastAsked.message.requestId).toBe(2n ** 64n - 1n)
  })
})
