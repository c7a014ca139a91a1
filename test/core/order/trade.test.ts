import { describe, expect, test } from 'vitest'
import type { Decision, RangeChild, SettleWhy } from '../../../src/core/order/decision.ts'
import type { Fiat, NextTrade, Order } from '../../../src/core/order/order.ts'
import {
  decideAccepted,
  decideFiatSent,
  decidePaid,
  decideRelease,
  decideSettled,
  decideSettleRefused,
  decideTradePubkey,
  isUsableNextTrade,
  remainder,
} from '../../../src/core/order/trade.ts'
import { ALICE, ALICE_NEXT, BOB, CAROL, offer, order, REPUTATION, shown, TAKE, told } from './world.ts'

const RANGE: Fiat = { kind: 'range', min: 10, max: 100 }
const BAD_KEYS: readonly (readonly [string, NextTrade])[] = [
  ['no key', { pubkey: '', index: 5 }],
  ['a key in capitals', { pubkey: 'D'.repeat(64), index: 5 }],
  ['a key that is too short', { pubkey: 'd'.repeat(63), index: 5 }],
  ['index 0', { ...ALICE_NEXT, index: 0 }],
  ['half an index', { ...ALICE_NEXT, index: 1.5 }],
  ['the maker’s present key', { ...ALICE_NEXT, pubkey: ALICE.pubkey }],
  ['the key of the other trader', { ...ALICE_NEXT, pubkey: BOB.pubkey }],
]

/** What was frozen beside the decision to settle. */
function settleWhy(decision: Decision): SettleWhy {
  const [effect] = decision.kind === 'moved' ? decision.effects : []
  if (effect?.kind !== 'settle-escrow') throw new Error('nothing is settled')
  return effect.why
}

describe('who hears what of a trade', () => {
  const accepted = (kind: 'buy' | 'sell', buyerDestination: typeof TAKE.buyerDestination) =>
    decideAccepted(order('waiting-payment', { kind, take: { buyerDestination } }), REPUTATION)

  test.each([
    [
      'T6: the sats are locked and the trade is on; each side sees its own amount',
      () => accepted('sell', TAKE.buyerDestination),
      [
        '→ active, duty ends',
        'alice: buyer-took-order {active 100300 sats}',
        'bob: hold-invoice-payment-accepted {active 99700 sats}',
      ],
    ],
    [
      'T7: the sats are locked, and a maker who buys owes an invoice and learns about his taker',
      () => accepted('buy', null),
      [
        '→ waiting-buyer-invoice, duty starts',
        'alice: add-invoice {waiting-buyer-invoice 99700 sats} asks',
        'bob: waiting-buyer-invoice',
        'alice: add-invoice {reputation}',
      ],
    ],
    [
      'T9: the buyer sends the fiat; each learns the other’s key',
      () => decideFiatSent(order('active', { kind: 'sell' }), BOB.pubkey, null),
      ['→ fiat-sent', 'bob: fiat-sent-ok {peer alice} rid', 'alice: fiat-sent-ok {peer bob}'],
    ],
    [
      'T10: the seller releases, of which nobody hears before Lightning confirms it',
      () => decideRelease(order('fiat-sent', { kind: 'sell' }), ALICE.pubkey, null),
      ['→ fiat-sent/releasing', 'settle escrow, pay bob 99700 sats'],
    ],
    [
      'T10: a seller may release while there is a dispute',
      () => decideRelease(order('dispute', { kind: 'buy' }), BOB.pubkey, null),
      ['→ dispute/releasing', 'settle escrow, pay alice 99700 sats'],
    ],
    [
      'T10: Lightning has settled the escrow',
      () => decideSettled(order('fiat-sent', { kind: 'sell' }, 'releasing'), null, null),
      ['→ settled-hold-invoice', 'alice: hold-invoice-payment-settled rid', 'bob: released', 'alice: rate'],
    ],
    [
      'T10: the remainder of a seller’s range goes on under his new key, in answer to his release',
      () =>
        decideSettled(
          order('fiat-sent', { kind: 'sell' }, 'releasing'),
          offer('sell', { id: 'child', maker: { ...ALICE, pubkey: ALICE_NEXT.pubkey, tradeIndex: 5 } }),
          null,
        ),
      [
        '→ settled-hold-invoice',
        'alice: hold-invoice-payment-settled rid',
        'bob: released',
        'alice: rate',
        'alice-next: new-order {pending 100000 sats} rid index 5 about child',
      ],
    ],
    [
      'T10: the remainder of a buyer’s range is news to him, not an answer',
      () =>
        decideSettled(
          order('fiat-sent', { kind: 'buy' }, 'releasing'),
          offer('buy', { id: 'child', maker: { ...ALICE, pubkey: ALICE_NEXT.pubkey, tradeIndex: 5 } }),
          null,
        ),
      [
        '→ settled-hold-invoice',
        'bob: hold-invoice-payment-settled rid',
        'alice: released',
        'bob: rate',
        'alice-next: new-order {pending 100000 sats} index 5 about child',
      ],
    ],
    [
      'DEC-21: a remainder that can not go on is canceled under its own id, not under that of the trade',
      () => decideSettled(order('fiat-sent', { kind: 'sell' }, 'releasing'), null, 'child'),
      [
        '→ settled-hold-invoice',
        'alice: hold-invoice-payment-settled rid',
        'bob: released',
        'alice: rate',
        'alice: canceled about child',
      ],
    ],
    [
      'T6: so it is for a maker who buys and has said where he wants his sats',
      () => accepted('buy', TAKE.buyerDestination),
      [
        '→ active, duty ends',
        'bob: buyer-took-order {active 100300 sats}',
        'alice: hold-invoice-payment-accepted {active 99700 sats}',
      ],
    ],
    [
      'T11: a maker who buys has his sats',
      () => decidePaid(order('settled-hold-invoice', { kind: 'buy' })),
      ['→ success', 'alice: purchase-completed', 'alice: rate'],
    ],
    [
      'C-16: so it is for a maker who buys',
      () => decideSettleRefused(order('dispute', { kind: 'buy' }, 'releasing')),
      [
        '→ dispute/review',
        'alice: hold-invoice-payment-canceled',
        'bob: hold-invoice-payment-canceled',
        'alert 3 escrow-lost:buy-order',
      ],
    ],
    [
      'T11: the buyer has his sats',
      () => decidePaid(order('settled-hold-invoice', { kind: 'sell' })),
      ['→ success', 'bob: purchase-completed', 'bob: rate'],
    ],
    [
      'C-16: the escrow was gone before it could be settled: both learn it, and a person looks',
      () => decideSettleRefused(order('fiat-sent', { kind: 'sell' }, 'releasing')),
      [
        '→ fiat-sent/review',
        'bob: hold-invoice-payment-canceled',
        'alice: hold-invoice-payment-canceled',
        'alert 3 escrow-lost:sell-order',
      ],
    ],
  ])('%s', (_, decide, expected) => {
    expect(told(decide())).toEqual(expected)
  })

  test('facts that are seen twice are told once', () => {
    expect(told(decideAccepted(order('active', { kind: 'sell' }), REPUTATION))).toEqual(['ignored'])
    expect(told(decideSettled(order('settled-hold-invoice', { kind: 'sell' }), null, null))).toEqual(['ignored'])
    expect(told(decidePaid(order('success', { kind: 'sell' })))).toEqual(['ignored'])
    expect(told(decideSettleRefused(order('fiat-sent', { kind: 'sell' }, 'review')))).toEqual(['ignored'])
  })

  test('a maker who buys sees the window of his order when he is asked for an invoice', () => {
    expect(shown(accepted('buy', null), ALICE, 'add-invoice').expiresAt).toBe(BigInt(offer('buy').expiresAtS))
  })
})

describe('a maker goes on under another trade key', () => {
  const renamed = (to: Order, identity = ALICE.identity) => decideTradePubkey(to, ALICE_NEXT.pubkey, identity)

  test.each([
    [
      'while nobody took his offer',
      () => renamed(order('pending', { kind: 'sell' })),
      ['→ pending', 'alice-next: trade-pubkey rid'],
    ],
    [
      'of a buy offer too',
      () => renamed(order('pending', { kind: 'buy' })),
      ['→ pending', 'alice-next: trade-pubkey rid'],
    ],
    [
      'not of somebody else',
      () => renamed(order('pending', { kind: 'sell' }), BOB.identity),
      ['refused: invalid_pubkey'],
    ],
    [
      'not while a take opens',
      () => renamed(order('pending', { kind: 'sell' }, 'opening')),
      ['refused: not_allowed_by_status'],
    ],
    ['not of a trade', () => renamed(order('active', { kind: 'sell' })), ['refused: invalid_order_status']],
    ['not of what is over', () => renamed(order('canceled', { kind: 'sell' })), ['refused: invalid_order_status']],
  ])('%s', (_, decide, story) => expect(told(decide())).toEqual(story))

  test('and the order is his by the key that he wrote with', () => {
    expect(renamed(order('pending', { kind: 'sell' }))).toMatchObject({ change: { makerPubkey: ALICE_NEXT.pubkey } })
  })
})

describe('fiat-sent is refused', () => {
  test.each([
    [
      'in another status, before anybody asks who sends it',
      order('fiat-sent', { kind: 'sell' }),
      CAROL,
      'invalid_order_status',
    ],
    ['while a person looks', order('active', { kind: 'sell' }, 'review'), BOB, 'not_allowed_by_status'],
    [
      'while a solver’s word is under way',
      order('active', { kind: 'sell' }, 'resolving'),
      BOB,
      'not_allowed_by_status',
    ],
    ['from the seller', order('active', { kind: 'sell' }), ALICE, 'invalid_pubkey'],
    ['from a stranger', order('active', { kind: 'buy' }), CAROL, 'invalid_pubkey'],
  ])('%s', (_, given, sender, reason) => {
    expect(told(decideFiatSent(given, sender.pubkey, null))).toEqual([`refused: ${reason}`])
  })

  test.each(BAD_KEYS)('W33: with %s for the remainder of a buyer’s range', (_, next) => {
    const range = order('active', { kind: 'buy', more: { fiat: RANGE } })
    expect(told(decideFiatSent(range, ALICE.pubkey, next))).toEqual(['refused: invalid_parameters'])
  })

  test('and a good key is kept, where it is of use', () => {
    const kept = (kind: 'buy' | 'sell', fiat: Fiat, sender: string) =>
      decideFiatSent(order('active', { kind, more: { fiat } }), sender, ALICE_NEXT)
    expect(kept('buy', RANGE, ALICE.pubkey)).toMatchObject({ change: { nextTrade: ALICE_NEXT } })
    for (const decision of [
      kept('buy', { kind: 'single', amount: 50 }, ALICE.pubkey),
      kept('sell', RANGE, BOB.pubkey), // his counterparty's range
    ])
      expect(decision).toMatchObject({ kind: 'moved', change: { status: 'fiat-sent' } })
    expect(kept('sell', RANGE, BOB.pubkey)).not.toHaveProperty('change.nextTrade')
  })

  test('a buyer’s range needs no key for its remainder', () => {
    const range = order('active', { kind: 'buy', more: { fiat: RANGE } })
    const decision = decideFiatSent(range, ALICE.pubkey, null)
    expect(told(decision)).toEqual([
      '→ fiat-sent',
      'alice: fiat-sent-ok {peer bob} rid',
      'bob: fiat-sent-ok {peer alice}',
    ])
    expect(decision).not.toHaveProperty('change.nextTrade')
  })

  test('a key that is of no use is not looked at', () => {
    const single = order('active', { kind: 'buy' })
    expect(decideFiatSent(single, ALICE.pubkey, { pubkey: '', index: 0 }).kind).toBe('moved')
  })
})

describe('release is refused', () => {
  test.each([
    ['from the buyer, whatever the status', order('active', { kind: 'sell' }), BOB, 'invalid_peer'],
    ['from a stranger', order('fiat-sent', { kind: 'sell' }), CAROL, 'invalid_peer'],
    ['before the fiat was sent', order('active', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    ['a second time', order('fiat-sent', { kind: 'sell' }, 'releasing'), ALICE, 'not_allowed_by_status'],
    ['after the settle', order('settled-hold-invoice', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    ['while a person looks', order('fiat-sent', { kind: 'sell' }, 'review'), ALICE, 'not_allowed_by_status'],
    ['of an order that nobody took', order('pending', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    ['of an order that ended untaken', order('expired', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
  ])('%s', (_, given, sender, reason) => {
    expect(told(decideRelease(given, sender.pubkey, null))).toEqual([`refused: ${reason}`])
  })
})

describe('the remainder of a range', () => {
  const range = (min: number, max: number) => offer('sell', { fiat: { kind: 'range', min, max } })

  test.each([
    ['more than the least is a smaller range', range(10, 100), 30, { kind: 'range', min: 10, max: 70 }],
    ['one more than the least is a range still', range(10, 100), 89, { kind: 'range', min: 10, max: 11 }],
    ['exactly the least is a single amount', range(10, 100), 90, { kind: 'single', amount: 10 }],
    ['less than the least is nothing', range(10, 20), 15, null],
    ['all taken leaves nothing', range(10, 100), 100, null],
    ['a single amount leaves nothing', offer('sell'), 50, null],
  ])('%s', (_, parent, taken, expected) => {
    expect(remainder(parent, taken)).toEqual(expected)
  })

  const taken30 = { fiatAmount: 30 }
  const seller = order('fiat-sent', { kind: 'sell', more: { fiat: RANGE }, take: taken30 })
  const buyer = (nextTrade: NextTrade | null): Order =>
    order('fiat-sent', { kind: 'buy', more: { fiat: RANGE }, take: taken30, nextTrade })
  const child: RangeChild = {
    fiat: { kind: 'range', min: 10, max: 70 },
    maker: { pubkey: ALICE_NEXT.pubkey, identity: ALICE.identity, tradeIndex: 5 },
  }

  test('W31, W32: is frozen with the release as an amount and a maker; no flag and no time of the parent can follow', () => {
    const disputed = order('dispute', {
      kind: 'sell',
      more: { fiat: RANGE },
      take: taken30,
      cancelInitiator: 'buyer',
    })
    expect(settleWhy(decideRelease(disputed, ALICE.pubkey, ALICE_NEXT)).child).toStrictEqual(child)
  })

  test('takes the key of a seller from his release', () => {
    expect(settleWhy(decideRelease(seller, ALICE.pubkey, ALICE_NEXT))).toMatchObject({ child, childRefused: false })
    expect(settleWhy(decideRelease(seller, ALICE.pubkey, null))).toMatchObject({ child: null, childRefused: false })
  })

  test('takes the key of a buyer from his fiat-sent, whatever the seller writes into his release', () => {
    const stranger = { pubkey: CAROL.pubkey, index: 8 }
    expect(settleWhy(decideRelease(buyer(ALICE_NEXT), BOB.pubkey, stranger))).toMatchObject({ child })
    expect(settleWhy(decideRelease(buyer(null), BOB.pubkey, stranger))).toMatchObject({
      child: null,
      childRefused: false,
    })
  })

  test.each(BAD_KEYS)('DEC-21: %s costs the remainder, never the release', (_, next) => {
    for (const decision of [decideRelease(seller, ALICE.pubkey, next), decideRelease(buyer(next), BOB.pubkey, null)])
      expect(settleWhy(decision)).toMatchObject({ child: null, childRefused: true, payoutMsat: 99_700_000 })
  })

  test('a bad key is no matter when nothing remains', () => {
    const whole = order('fiat-sent', { kind: 'sell', more: { fiat: RANGE }, take: { fiatAmount: 100 } })
    const why = settleWhy(decideRelease(whole, ALICE.pubkey, { pubkey: '', index: 0 }))
    expect(why).toMatchObject({ child: null, childRefused: false })
  })

  test('of a maker in full privacy belongs to the new key alone', () => {
    const maker = { ...ALICE, identity: ALICE.pubkey, tradeIndex: null }
    const given = order('fiat-sent', { kind: 'sell', more: { fiat: RANGE, maker }, take: taken30 })
    expect(settleWhy(decideRelease(given, ALICE.pubkey, ALICE_NEXT)).child?.maker).toEqual({
      pubkey: ALICE_NEXT.pubkey,
      identity: ALICE_NEXT.pubkey,
      tradeIndex: 5,
    })
  })

  test('goes on under a key in lower-case hex with a positive index', () => {
    expect(isUsableNextTrade(ALICE_NEXT)).toBe(true)
    expect(isUsableNextTrade({ ...ALICE_NEXT, index: 2 ** 53 })).toBe(false)
  })
})

describe('what a release freezes', () => {
  test('is all that the aftermath needs (R-07)', () => {
    expect(settleWhy(decideRelease(order('fiat-sent', { kind: 'sell' }), ALICE.pubkey, null))).toStrictEqual({
      v: 1,
      reason: 'released',
      buyer: BOB.pubkey,
      payoutMsat: 99_700_000,
      feeMsat: 300_000,
      devFeeMsat: 180_000,
      child: null,
      childRefused: false,
    })
  })
})
