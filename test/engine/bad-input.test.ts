import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { Action, NostrEvent, Payload, SmallOrder } from '../../src/core/protocol.ts'
import type { ServiceFault } from '../../src/sandbox/lnurl/pay-document.ts'
import { signEvent } from '../../src/wire/event.ts'
import { ADDRESS_HOST, EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import { paymentRequest, type SendOptions, type SimTrader, smallOrder } from '../support/sim-trader.ts'
import { asks, dumpState, PAYOUT_SATS, payoutInvoice, STAGES, sellTradeAt } from '../support/trade-stages.ts'

const NOWHERE = '00000000-0000-4000-8000-000000000000'
const LISTEN_MS = 3000
const I64_MAX = 2n ** 63n - 1n

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
  // What the daemon says of itself is out.
  await world.clock.advance(1000)
  return { world, alice, bob }
}

const intake = (from: EngineWorld, verdict: string): number => from.engine?.status().intake[verdict] ?? 0

/** An event for the node, signed by a trader's key, with whatever is inside. */
function signed(
  from: EngineWorld,
  trader: SimTrader,
  change: Partial<Pick<NostrEvent, 'kind' | 'content' | 'tags'>>,
  author = trader.pubkey(1),
): NostrEvent {
  const template = {
    kind: 14,
    created_at: Math.floor(from.clock.nowMs() / 1000),
    tags: [['p', from.nodePubkey]],
    content: 'AAAA',
    ...change,
  }
  return signEvent(template, trader.secretKey(1), author, new Uint8Array(32), from.curves)
}

describe('events that are not messages', () => {
  test.each<[string, string | null, (w: EngineWorld, t: SimTrader) => NostrEvent]>([
    ['content that is no ciphertext', 'unopened', (w, t) => signed(w, t, { content: 'hello' })],
    ['an empty content', 'unopened', (w, t) => signed(w, t, { content: '' })],
    ['a gift wrap around nothing', 'unopened', (w, t) => signed(w, t, { kind: 1059, content: 'hello' })],
    [
      'a signature of another event',
      'signature',
      (w, t) => ({ ...signed(w, t, {}), sig: signed(w, t, { content: 'x' }).sig }),
    ],
    // An id that is not the event's own is stopped where relays are read: it could hide another event.
    ['an id of another event', null, (w, t) => ({ ...signed(w, t, {}), id: 'ab'.repeat(32) })],
    ['another author written over the true one', null, (w, t) => ({ ...signed(w, t, {}), pubkey: t.pubkey(2) })],
    ['an author who did not sign', 'signature', (w, t) => signed(w, t, {}, t.pubkey(2))],
    [
      'an event whose time to live is over',
      'expired',
      (w, t) =>
        signed(w, t, {
          tags: [
            ['p', w.nodePubkey],
            ['expiration', '1000'],
          ],
        }),
    ],
  ])('%s: dropped and counted, nothing changes, nothing is said', async (_, verdict, make) => {
    const { world, alice } = await open()
    alice.listen(2)
    const before = dumpState(world)
    // A relay that lies delivers what no honest relay would take.
    world.relays[0]?.core.say(JSON.stringify(['EVENT', subscriptionOfNode(world), make(world, alice)]))
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake).toEqual(verdict === null ? {} : { [verdict]: 1 })
    expect(dumpState(world)).toEqual(before)
    expect(alice.heard).toEqual([])
  })

  test('kinds that nobody asked for are dropped, whatever relay sends them', async () => {
    const { world, alice } = await open()
    const before = dumpState(world)
    world.relays[0]?.core.say(JSON.stringify(['EVENT', subscriptionOfNode(world), signed(world, alice, { kind: 4 })]))
    await world.clock.advance(LISTEN_MS)
    expect(Object.values(world.engine?.status().intake ?? {}).reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(1)
    expect(intake(world, 'effect')).toBe(0)
    expect(dumpState(world)).toEqual(before)
  })
})

function subscriptionOfNode(from: EngineWorld): string {
  const live = from.relays[0]?.core
    .subscriptions()
    .find(({ filters }) => filters.some((f) => f['#p']?.includes(from.nodePubkey) === true))
  if (live === undefined) throw new Error('the node does not listen')
  return live.id
}

describe('a relay that lies', () => {
  test('garbage, forged events and a flood change nothing, and an honest trader is served meanwhile', async () => {
    const { world, alice } = await open({ relays: 2 })
    const liar = world.relays[0]?.core
    const before = dumpState(world)
    const subscription = subscriptionOfNode(world)
    alice.listen(1)
    for (const text of [
      '',
      'null',
      '[]',
      '["EVENT"]',
      '{"a":1}',
      '["EVENT","x",{}]',
      '["OK"]',
      '["EOSE"]',
      '['.repeat(500),
    ])
      liar?.say(text)
    for (let n = 0; n < 1500; n += 1) {
      const event = signed(world, alice, { content: `flood ${n}` })
      liar?.say(JSON.stringify(['EVENT', subscription, n % 2 === 0 ? event : { ...event, sig: 'ab'.repeat(64) }]))
    }
    await world.clock.advance(LISTEN_MS)
    expect(intake(world, 'unopened')).toBe(750)
    expect(intake(world, 'signature')).toBe(750)
    expect(dumpState(world)).toEqual(before)
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    expect(world.standing(id)).toBe('pending')
  })

  test("an answer that pretends to have our events costs nothing: the other relay's readers have them", async () => {
    const { world, alice } = await open({ relays: 2 })
    world.relays[0]?.core.faults.onPublish(() => ({ kind: 'pretend' }))
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const has = world.relays[1]?.core.events({ kinds: [38383] }).some((e) => e.tags.some((t) => t[1] === id))
    expect(has).toBe(true)
  })

  test("events of other traders' keys are worth what their signatures are worth", async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    bob.nextKey()
    const { id: _, sig: __, pubkey: ___, ...template } = bob.wrap('cancel', { id, requestId: 1n })
    const forged = signEvent(template, bob.secretKey(1), alice.pubkey(), new Uint8Array(32), world.curves)
    world.relays[0]?.core.say(JSON.stringify(['EVENT', subscriptionOfNode(world), forged]))
    await world.clock.advance(LISTEN_MS)
    expect(world.standing(id)).toBe('pending')
    expect(intake(world, 'signature')).toBe(1)
  })
})

type BadOrder = Partial<SmallOrder> & { readonly kind: SmallOrder['kind'] }

describe('new orders that make no sense (trade.md 2.1)', () => {
  const limits = { fiatCurrencies: ['USD', 'EUR', 'ARS'] }
  const badOrders: readonly (readonly [string, BadOrder, string])[] = [
    ['an invoice that is none', { kind: 'buy', amount: 5000n, buyerInvoice: 'lnbcrt1garbage' }, 'invalid_invoice'],
    ['a currency that is not accepted', { kind: 'sell', fiatCode: 'XAU', fiatAmount: -1n }, 'invalid_fiat_currency'],
    ['W42: no fiat amount', { kind: 'sell', amount: 5000n, fiatAmount: 0n }, 'invalid_amount'],
    ['W42: a negative fiat amount', { kind: 'sell', amount: 5000n, fiatAmount: -5n }, 'invalid_amount'],
    ['an endless fiat amount', { kind: 'sell', amount: 5000n, fiatAmount: I64_MAX }, 'invalid_amount'],
    ['negative sats', { kind: 'sell', amount: -1n }, 'invalid_amount'],
    ['the smallest number of the wire', { kind: 'sell', amount: -(2n ** 63n) }, 'invalid_amount'],
    ['2^63-1 sats', { kind: 'sell', amount: I64_MAX }, 'invalid_amount'],
    ['more sats than there are', { kind: 'sell', amount: 9_000_000_000_000n }, 'out_of_range_sats_amount'],
    ['a range with fixed sats', { kind: 'sell', amount: 5000n, minAmount: 10n, maxAmount: 20n }, 'invalid_amount'],
    ['a range upside down', { kind: 'sell', minAmount: 20n, maxAmount: 10n }, 'invalid_amount'],
    ['a range of one point', { kind: 'sell', minAmount: 20n, maxAmount: 20n }, 'invalid_amount'],
    ['a range below zero', { kind: 'sell', minAmount: -20n, maxAmount: 20n }, 'invalid_amount'],
    ['a range to the moon', { kind: 'sell', minAmount: 1n, maxAmount: I64_MAX }, 'invalid_amount'],
    ['W42: half a range, lower', { kind: 'sell', amount: 5000n, minAmount: 10n, fiatAmount: -1n }, 'invalid_amount'],
    ['W42: half a range, upper', { kind: 'sell', maxAmount: 10n }, 'invalid_amount'],
    ['a premium on fixed sats', { kind: 'sell', amount: 5000n, premium: 1n }, 'invalid_parameters'],
    ['W41: a premium of 100 %', { kind: 'sell', premium: 100n }, 'invalid_parameters'],
    ['W41: a premium of -100 %', { kind: 'sell', premium: -100n }, 'invalid_parameters'],
    ['W41: a premium of -900 %', { kind: 'sell', premium: -900n }, 'invalid_parameters'],
    ['W41: a premium beyond numbers', { kind: 'sell', premium: I64_MAX }, 'invalid_parameters'],
    ['no way to pay', { kind: 'sell', amount: 5000n, paymentMethod: '  ' }, 'invalid_parameters'],
    ['a novel as a way to pay', { kind: 'sell', amount: 5000n, paymentMethod: 'x'.repeat(501) }, 'invalid_parameters'],
    ['too few sats', { kind: 'sell', amount: 99n }, 'out_of_range_sats_amount'],
    ['too many sats', { kind: 'sell', amount: 1_000_001n }, 'out_of_range_sats_amount'],
    ['fiat worth too much', { kind: 'sell', fiatAmount: 100_000n }, 'out_of_range_sats_amount'],
    [
      'a range whose end is worth too much',
      { kind: 'sell', minAmount: 10n, maxAmount: 9999n },
      'out_of_range_sats_amount',
    ],
    ['no price for it', { kind: 'sell', fiatCode: 'ARS' }, 'invalid_parameters'],
    ['neither buy nor sell', { kind: null, amount: 5000n }, 'invalid_order_kind'],
  ]

  test('each is refused with the reason of its first failing check, burns no index and leaves nothing', async () => {
    const settings = { order: { ...new EngineWorld().settings.order, ...limits }, limits: generous() }
    const { world, alice } = await open({ settings })
    const first = await alice.makes({ kind: 'sell', amount: 5000n })
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    const key = alice.nextKey()
    for (const [name, order, reason] of badOrders) {
      const payload: Payload = { kind: 'order', order: smallOrder(order) }
      expect([name, await asks(alice, 'new-order', { payload, key, tradeIndex: key })]).toEqual([name, reason])
    }
    expect(dumpState(world)).toEqual(before)
    expect(await asks(alice, 'new-order', { payload: order5000(), key, tradeIndex: key })).toBe('new-order')
    expect(world.standing(first)).toBe('pending')
  })

  test('W43: a wish to expire in the past or never counts as no wish; the far future is capped', async () => {
    const { world, alice } = await open()
    const nowS = () => Math.floor(world.clock.nowMs() / 1000)
    const ends = async (expiresAt: bigint | null): Promise<number> => {
      const id = await alice.makes({ kind: 'sell', amount: 5000n, expiresAt })
      const row = world.store.get<{ expires_at: number }>('SELECT expires_at FROM orders WHERE id = :id', { id })
      return (row?.expires_at ?? 0) - nowS()
    }
    const within = async (wish: bigint | null, seconds: number) => {
      const left = await ends(wish)
      expect(Math.abs(left - seconds)).toBeLessThanOrEqual(3)
    }
    await within(null, 86_400)
    await within(0n, 86_400)
    await within(-(2n ** 63n), 86_400)
    await within(BigInt(nowS() - 1), 86_400)
    await within(BigInt(nowS() + 7200), 7200)
    await within(I64_MAX, 15 * 86_400)
  })

  test('DEC-04: an order for which there is only an old price is refused as stale', async () => {
    const { world, alice } = await open()
    world.quotes.clear()
    await world.clock.advance(2_400_000)
    expect(
      await asks(alice, 'new-order', {
        payload: { kind: 'order', order: smallOrder({ kind: 'sell' }) },
        ...alone(alice),
      }),
    ).toBe('price_too_stale')
  })

  test('an identity has at most twenty open offers', async () => {
    const { world, alice } = await open({ settings: { limits: generous() } })
    for (let n = 0; n < 20; n += 1) await alice.makes({ kind: 'sell', amount: 5000n })
    expect(await asks(alice, 'new-order', { payload: order5000(), ...alone(alice) })).toBe('too_many_requests')
    expect(world.store.get<{ n: number }>('SELECT COUNT(*) AS n FROM orders')?.n).toBe(20)
  })
})

const generous = () => ({ ...new EngineWorld().settings.limits, answersPerKeyPerMinute: 1000 })
const order5000 = (): Payload => ({ kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) })

/** The next key of a trader, with its index. */
function alone(trader: SimTrader): { key: number; tradeIndex: number } {
  const key = trader.nextKey()
  return { key, tradeIndex: key }
}

describe('orders that are not there, not yours, or not ready (trade.md 2.2 to 2.9)', () => {
  const invoice: Payload = paymentRequest('lnbcrt1garbage')
  test.each<[Action, Payload | null, string]>([
    ['take-sell', null, 'not_found'],
    ['take-buy', null, 'not_found'],
    ['add-invoice', invoice, 'not_found'],
    ['fiat-sent', null, 'not_found'],
    ['release', null, 'not_found'],
    ['cancel', null, 'not_found'],
    ['rate-user', { kind: 'rating_user', rating: 5 }, 'not_found'],
    ['trade-pubkey', null, 'not_found'],
  ])('%s of an order that does not exist is answered', async (action, payload, reason) => {
    const { world, alice } = await open()
    const before = dumpState(world)
    expect(await asks(alice, action, { id: NOWHERE, payload, ...alone(alice) })).toBe(reason)
    expect(dumpState(world)).toEqual(before)
  })

  /** per status in the order of STAGES; `-` = it is taken there */
  const table: readonly (readonly [Action, 'seller' | 'buyer' | 'stranger', readonly string[]])[] = [
    // pending, waiting-buyer-invoice, waiting-payment, active, fiat-sent, settled, success, canceled, coop., expired
    ['take-sell', 'stranger', ['-', ...Array<string>(9).fill('invalid_order_status')]],
    ['take-buy', 'stranger', Array<string>(10).fill('invalid_order_kind')],
    ['add-invoice', 'buyer', ['invalid_peer', '-', 'N', 'N', 'N', '-', 'N', 'invalid_peer', 'N', 'invalid_peer']],
    ['add-invoice', 'stranger', Array<string>(10).fill('invalid_peer')],
    ['fiat-sent', 'buyer', ['S', 'S', 'S', '-', 'S', 'S', 'S', 'S', 'S', 'S']],
    ['fiat-sent', 'stranger', ['S', 'S', 'S', 'invalid_pubkey', 'S', 'S', 'S', 'S', 'S', 'S']],
    ['release', 'seller', ['N', 'N', 'N', 'N', '-', 'N', 'N', 'N', 'N', 'N']],
    ['release', 'stranger', ['N', ...Array<string>(6).fill('invalid_peer'), 'N', 'invalid_peer', 'N']],
    [
      'cancel',
      'stranger',
      [
        'is_not_your_order',
        'invalid_pubkey',
        'invalid_pubkey',
        'invalid_pubkey',
        'invalid_pubkey',
        'N',
        'N',
        'C',
        'C',
        'N',
      ],
    ],
    ['cancel', 'seller', ['-', '-', '-', '-', '-', 'N', 'N', 'C', 'C', 'N']],
    ['rate-user', 'buyer', ['S', 'S', 'S', 'S', 'S', 'S', '-', 'S', 'S', 'S']],
    ['rate-user', 'stranger', Array<string>(10).fill('S')],
    ['trade-pubkey', 'stranger', ['invalid_pubkey', ...Array<string>(9).fill('S')]],
    ['trade-pubkey', 'seller', ['-', ...Array<string>(9).fill('S')]],
  ]
  const spelled: Readonly<Record<string, string>> = {
    N: 'not_allowed_by_status',
    S: 'invalid_order_status',
    C: 'order_already_canceled',
  }

  test.each(STAGES.map((stage, column) => [stage, column] as const))(
    'in status %s whoever may not act is told why, and nothing changes',
    async (stage, column) => {
      const { world, alice, bob } = await open({ settings: { limits: generous() } })
      const carol = world.trader('carol')
      const trade = await sellTradeAt(world, stage, alice, bob)
      if (bob.key === 0) bob.nextKey()
      carol.nextKey()
      await world.clock.advance(LISTEN_MS)
      const before = dumpState(world)
      for (const [action, who, reasons] of table) {
        const word = reasons[column] ?? ''
        if (word === '-') continue
        const trader = { seller: alice, buyer: bob, stranger: carol }[who]
        const tradeIndex = action.startsWith('take-') ? trader.key : null
        const payload: Payload | null =
          action === 'add-invoice'
            ? paymentRequest(payoutInvoice(bob))
            : action === 'rate-user'
              ? { kind: 'rating_user', rating: 5 }
              : null
        const reason = await asks(trader, action, { id: trade.id, payload, tradeIndex })
        expect([action, who, reason]).toEqual([action, who, spelled[word] ?? word])
      }
      expect(dumpState(world)).toEqual(before)
    },
  )

  test('a maker does not take his own order under the same key', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n }, { fullPrivacy: true })
    expect(await asks(alice, 'take-sell', { id, fullPrivacy: true, tradeIndex: 9 })).toBe('invalid_pubkey')
    expect(world.standing(id)).toBe('pending')
  })

  test('a taker who owes an invoice elsewhere does that first', async () => {
    const { world, alice, bob } = await open()
    await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    const other = await alice.makes({ kind: 'sell', amount: 5000n })
    expect(await asks(bob, 'take-sell', { id: other, ...alone(bob) })).toBe('pending_order_exists')
    expect(world.standing(other)).toBe('pending')
  })

  test.each([
    ['no amount', null],
    ['less than the least', { kind: 'amount', amount: 9n }],
    ['more than the most', { kind: 'amount', amount: 101n }],
    ['nothing', { kind: 'amount', amount: 0n }],
    ['a negative amount', { kind: 'amount', amount: -10n }],
    ['2^63-1', { kind: 'amount', amount: I64_MAX }],
    ['an amount beside an invoice that is outside', paymentRequest('lnbcrt1garbage', 5n)],
  ] as readonly (readonly [string, Payload | null])[])('a range is not taken for %s', async (_, payload) => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', minAmount: 10n, maxAmount: 100n, fiatAmount: 0n })
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    expect(await asks(bob, 'take-sell', { id, payload, ...alone(bob) })).toBe('out_of_range_sats_amount')
    expect(dumpState(world)).toEqual(before)
  })

  test('W41: an order that the price has moved out of the limits is not taken', async () => {
    const { world, alice, bob } = await open()
    const id = await alice.makes({ kind: 'sell', fiatAmount: 900n, premium: -10n })
    world.quotes.set('USD', 50_000)
    await world.clock.advance(700_000)
    expect(await asks(bob, 'take-sell', { id, ...alone(bob) })).toBe('out_of_range_sats_amount')
    expect(world.standing(id)).toBe('pending')
  })
})

describe('invoices that can not or must not be paid (trade.md 4; DEC-20, W5, W11, W12)', () => {
  type Make = (bob: SimTrader, world: EngineWorld) => string
  const sats = (n: number) => satsToMsat(n)
  const good = { amountMsat: sats(PAYOUT_SATS), expiryS: 86_400 }
  const cases: readonly (readonly [string, Make])[] = [
    ['no invoice at all', () => 'hello'],
    ['an empty text', () => ''],
    ['a checksum that is wrong', (bob) => `${bob.wallet.invoice(good).slice(0, -1)}q`],
    [
      'W11: the whole amount, without the fee taken off',
      (bob) => bob.wallet.invoice({ ...good, amountMsat: sats(100_000) }),
    ],
    ['one sat too little', (bob) => bob.wallet.invoice({ ...good, amountMsat: sats(PAYOUT_SATS - 1) })],
    [
      'W12: half a sat too much',
      (bob) => bob.wallet.invoice({ ...good, amountMsat: (PAYOUT_SATS * 1000 + 500) as ReturnType<typeof sats> }),
    ],
    ['an invoice that expires before the trade can end', (bob) => bob.wallet.invoice({ ...good, expiryS: 600 })],
    ['an invoice of another network', (bob) => bob.wallet.invoice({ ...good, network: 'bc' })],
    ['an invoice of a test network', (bob) => bob.wallet.invoice({ ...good, network: 'tb' })],
    ['a required feature that nobody knows', (bob) => bob.wallet.invoice({ ...good, features: [8, 14, 100] })],
    ['an AMP invoice', (bob) => bob.wallet.invoice({ ...good, features: [8, 14, 30] })],
    ['a final delta of weeks', (bob) => bob.wallet.invoice({ ...good, finalCltv: 2016 })],
    ['an address of a host that is not there', () => 'bob@elsewhere.example'],
    ['a user that is an essay', () => `${'a'.repeat(2000)}@${ADDRESS_HOST}`],
  ]

  test('none is admitted by add-invoice: one reason, nothing changes, and a good one is still welcome', async () => {
    const { world, alice, bob } = await open({ settings: { limits: generous() } })
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    for (const [name, make] of cases) {
      const reason = await asks(bob, 'add-invoice', { id, payload: paymentRequest(make(bob, world)) })
      expect([name, reason]).toEqual([name, 'invalid_invoice'])
    }
    expect(dumpState(world)).toEqual(before)
    bob.send('add-invoice', { id, payload: paymentRequest(payoutInvoice(bob)) })
    await bob.hears('waiting-seller-to-pay', id)
  })

  test('nor by a take that brings it along: the order stays on the book and the index is not burnt', async () => {
    const { world, alice, bob } = await open({ settings: { limits: generous() } })
    const { id } = await sellTradeAt(world, 'pending', alice, bob)
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    const mine = alone(bob)
    for (const [name, make] of cases) {
      const text = make(bob, world)
      if (text === '') continue
      const reason = await asks(bob, 'take-sell', { id, payload: paymentRequest(text), ...mine })
      expect([name, reason]).toEqual([name, 'invalid_invoice'])
    }
    expect(dumpState(world)).toEqual(before)
    bob.takes('take-sell', id, { payload: paymentRequest(payoutInvoice(bob)), ...mine })
    await bob.hears('waiting-seller-to-pay', id)
  })

  test('W5: an invoice that another trade has is refused, even when that trade is over', async () => {
    const { world, alice, bob } = await open()
    const carol = world.trader('carol')
    const invoice = payoutInvoice(bob)
    const first = await alice.makes({ kind: 'sell', amount: 100_000n })
    bob.takes('take-sell', first, { payload: paymentRequest(invoice) })
    await bob.hears('waiting-seller-to-pay', first)
    bob.send('cancel', { id: first })
    await bob.hears('canceled', first)
    const second = await alice.makes({ kind: 'sell', amount: 100_000n })
    expect(await asks(carol, 'take-sell', { id: second, payload: paymentRequest(invoice), ...alone(carol) })).toBe(
      'invalid_invoice',
    )
    expect(world.standing(second)).toBe('pending')
  })

  test("an escrow invoice of the node's own is no place to pay a buyer to", async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-payment', alice, bob)
    const carol = world.trader('carol')
    const other = await alice.makes({ kind: 'sell', amount: 100_600n })
    const escrow = world.network.node.invoices()[0]?.request ?? ''
    const payload = paymentRequest(escrow)
    expect(await asks(carol, 'take-sell', { id: other, payload, ...alone(carol) })).toBe('invalid_invoice')
    expect(world.standing(id)).toBe('waiting-payment')
  })
})

describe('hosts of Lightning addresses that misbehave', () => {
  const address = `bob@${ADDRESS_HOST}`
  const faults: readonly ServiceFault[] = ['refuses', 'down', 'silent', 'redirects', 'floods']
  test.each(faults)('F-103: one that %s is refused as an invoice; nobody else waits for it', async (fault) => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    world.addressFault = () => fault
    const asked = bob.send('add-invoice', { id, payload: paymentRequest(address) })
    const quick = alice.send('orders', { payload: { kind: 'ids', ids: [id] } })
    await alice.answer(quick, 1000)
    const answer = await bob.answer(asked)
    expect(answer.payload).toEqual({ kind: 'cant_do', reason: 'invalid_invoice' })
    expect(dumpState(world)).toEqual(before)
  })

  test('one that gives garbage instead of an invoice is asked again until it gives a good one', async () => {
    const { world, alice, bob } = await open()
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    world.addressFault = () => 'garbage'
    bob.send('add-invoice', { id, payload: paymentRequest(address) })
    await bob.hears('waiting-seller-to-pay', id)
    const pay = alice.all('pay-invoice', id).at(-1)
    if (pay?.payload?.kind !== 'payment_request') throw new Error('not asked to pay')
    alice.wallet.pay(pay.payload.request).catch(() => undefined)
    await alice.hears('buyer-took-order', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    alice.send('release', { id })
    await alice.hears('hold-invoice-payment-settled', id)
    await world.clock.advance(30_000)
    expect(world.standing(id)).toBe('settled-hold-invoice')
    world.addressFault = () => null
    await bob.hears('purchase-completed', id, 1, 4_000_000)
    world.network.checkConservation()
  })

  test('a key that names address after address is stopped, with the reason of a limit', async () => {
    const { world, alice, bob } = await open({ settings: { limits: generous() } })
    const { id } = await sellTradeAt(world, 'waiting-buyer-invoice', alice, bob)
    world.addressFault = () => 'refuses'
    const heard: string[] = []
    for (let n = 0; n < 8; n += 1)
      heard.push(await asks(bob, 'add-invoice', { id, payload: paymentRequest(`bob${n}@${ADDRESS_HOST}`) }))
    expect(heard).toEqual([...Array<string>(6).fill('invalid_invoice'), ...Array<string>(2).fill('too_many_requests')])
  })

  test.each<[Action, SendOptions, string]>([
    ['take-sell', {}, 'pending_order_exists'],
    ['add-invoice', {}, 'too_many_requests'],
  ])('DEC-04: when preparing a %s takes too long, its sender hears so in time', async (action, _, reason) => {
    const { world, alice, bob } = await open()
    const stage = action === 'take-sell' ? 'pending' : 'waiting-buyer-invoice'
    const { id } = await sellTradeAt(world, stage, alice, bob)
    world.addressLatencyMs = 20_000
    const index = action === 'take-sell' ? alone(bob) : {}
    const asked = bob.send(action, { id, payload: paymentRequest(address), ...index })
    const answer = await bob.answer(asked, 9000)
    expect(answer.payload).toEqual({ kind: 'cant_do', reason })
  })
})
