import { describe, expect, test } from 'vitest'
import { satsToMsat } from '../../../src/core/money.ts'
import {
  decideAddInvoice,
  decideAdopted,
  decideAnswerLate,
  decideTake,
  takenFiat,
  takeRefusal,
} from '../../../src/core/order/take.ts'
import { ALICE, BOB, INVOICE, NOW, offer, order, REPUTATION, shown, TAKE, told } from './world.ts'

const ADDRESS = { kind: 'address', address: 'bob@wallet.example' } as const
const { fiatAmount, amountMsat, feeMsat, devFeeMsat } = TAKE
const TERMS = { fiatAmount, amountMsat, feeMsat, devFeeMsat }

describe('a take is refused', () => {
  const wrong = order('active', { kind: 'buy', more: { expiresAtS: NOW } })

  test.each([
    ['of another kind of order first of all', wrong, ALICE, 'invalid_order_kind'],
    ['then in a status that no one takes from', { ...wrong, kind: 'sell' as const }, ALICE, 'invalid_order_status'],
    [
      'then after the take window',
      order('pending', { kind: 'sell', more: { expiresAtS: NOW } }),
      ALICE,
      'invalid_order_status',
    ],
    ['then by the maker himself', order('pending', { kind: 'sell' }), ALICE, 'invalid_pubkey'],
    ['and else not', order('pending', { kind: 'sell' }), BOB, null],
    [
      'while another taker’s invoice is on its way',
      order('pending', { kind: 'sell' }, 'opening'),
      BOB,
      'not_allowed_by_status',
    ],
    ['while a person looks at the order', order('pending', { kind: 'sell' }, 'review'), BOB, 'not_allowed_by_status'],
    [
      'once the window’s last second has come',
      order('pending', { kind: 'sell', more: { expiresAtS: NOW + 1 } }),
      BOB,
      null,
    ],
  ])('%s', (_, given, taker, reason) => {
    expect(takeRefusal(given, 'take-sell', taker.pubkey, NOW)).toBe(reason)
    if (given.kind === 'sell' && reason !== null)
      expect(decideTake(given, taker, TERMS, null, NOW)).toEqual({ kind: 'refused', reason })
  })
})

describe('the fiat amount of a take', () => {
  const range = offer('sell', { fiat: { kind: 'range', min: 10, max: 100 } })

  test.each([
    ['a single amount is what it is, whatever is asked', offer('sell'), 7n, 50],
    ['a single amount needs no asking', offer('sell'), null, 50],
    ['a slice within the range', range, 30n, 30],
    ['the least slice', range, 10n, 10],
    ['the whole range', range, 100n, 100],
    ['less than the least', range, 9n, 'out_of_range_sats_amount'],
    ['more than there is', range, 101n, 'out_of_range_sats_amount'],
    ['a negative slice', range, -10n, 'out_of_range_sats_amount'],
    ['no slice of a range', range, null, 'out_of_range_sats_amount'],
    ['beyond all numbers', range, 2n ** 63n - 1n, 'out_of_range_sats_amount'],
  ])('%s', (_, given, asked, expected) => {
    expect(takenFiat(given, asked)).toBe(expected)
  })
})

describe('who hears what of a take', () => {
  const sell = order('pending', { kind: 'sell' })
  const buy = order('pending', { kind: 'buy' })

  test.each([
    [
      'T2: a buyer without an invoice is asked for one, and his index is burnt',
      () => decideTake(sell, BOB, TERMS, null, NOW),
      [
        '→ waiting-buyer-invoice, taken, duty starts',
        'burn index 9 of 2',
        'bob: add-invoice {waiting-buyer-invoice 99700 sats} rid index 9 asks',
        'alice: waiting-buyer-invoice index 4',
      ],
    ],
    [
      'T3: a buyer who brings an address hears nothing until the escrow invoice is there',
      () => decideTake(sell, BOB, TERMS, ADDRESS, NOW),
      ['→ pending/opening, taken', 'plan escrow of 100300 sats, answers'],
    ],
    [
      'T4: a seller waits for the invoice that he will pay',
      () => decideTake(buy, BOB, TERMS, null, NOW),
      ['→ pending/opening, taken', 'plan escrow of 100300 sats, answers'],
    ],
    [
      'T3: with the invoice the seller is asked to pay, and only now the taker’s index is burnt (DEC-22)',
      () => decideAdopted(order('pending', { kind: 'sell' }, 'opening'), 'lnbc1e', REPUTATION, 'buyer'),
      [
        '→ waiting-payment, duty starts',
        'burn index 9 of 2',
        'alice: pay-invoice {waiting-payment 100300 sats, lnbc1e} index 4 asks',
        'bob: waiting-seller-to-pay rid index 9',
      ],
    ],
    [
      'T4: the taker who sells gets his answer, the maker the news',
      () => decideAdopted(order('pending', { kind: 'buy' }, 'opening'), 'lnbc1e', REPUTATION, 'seller'),
      [
        '→ waiting-payment, duty starts',
        'burn index 9 of 2',
        'bob: pay-invoice {waiting-payment 100300 sats, lnbc1e} rid index 9 asks',
        'alice: waiting-seller-to-pay index 4',
      ],
    ],
    [
      'T5: the buyer’s invoice makes an escrow, of which nobody hears yet',
      () => decideAddInvoice(order('waiting-buyer-invoice', { kind: 'sell' }), INVOICE),
      ['→ waiting-buyer-invoice/opening, duty ends', 'plan escrow of 100300 sats'],
    ],
    [
      'T5: then the seller learns about his taker and is asked to pay; the index was burnt before',
      () => decideAdopted(order('waiting-buyer-invoice', { kind: 'sell' }, 'opening'), 'lnbc1e', REPUTATION, 'buyer'),
      [
        '→ waiting-payment, duty starts',
        'alice: pay-invoice {reputation}',
        'alice: pay-invoice {waiting-payment 100300 sats, lnbc1e} index 4 asks',
        'bob: waiting-seller-to-pay rid index 9',
      ],
    ],
    [
      'T8: the invoice of a maker who buys starts the trade',
      () => decideAddInvoice(order('waiting-buyer-invoice', { kind: 'buy' }), INVOICE),
      [
        '→ active, duty ends',
        'bob: buyer-took-order {active 100300 sats}',
        'alice: hold-invoice-payment-accepted {active 99700 sats} rid',
      ],
    ],
    [
      'DEC-09: an invoice that was issued again reaches the seller alone, and no clock starts anew',
      () => decideAdopted(order('waiting-payment', { kind: 'sell' }), 'lnbc2e', REPUTATION, 'seller'),
      ['→ waiting-payment', 'alice: pay-invoice {waiting-payment 100300 sats, lnbc2e} index 4 asks'],
    ],
    [
      'DEC-09: so it does where the seller is the taker',
      () => decideAdopted(order('waiting-payment', { kind: 'buy' }), 'lnbc2e', REPUTATION, 'seller'),
      ['→ waiting-payment', 'bob: pay-invoice {waiting-payment 100300 sats, lnbc2e} index 9 asks'],
    ],
    [
      'DEC-35: a take whose invoice came too late has never been, and its sender is told',
      () => decideAnswerLate(order('pending', { kind: 'buy' }, 'opening')),
      [
        '→ pending, take undone, duty ends',
        'cancel escrow: answer-late',
        'bob: cant-do pending_order_exists to what waits',
      ],
    ],
  ])('%s', (_, decide, expected) => {
    expect(told(decide())).toEqual(expected)
  })

  test.each([
    ['in full privacy', { ...BOB, identity: BOB.pubkey, tradeIndex: 0 }],
    ['without an index', { ...BOB, tradeIndex: null }],
  ])('a taker %s has no index to burn, and is asked for an invoice like any other', (_, bob) => {
    const decision = decideTake(sell, bob, TERMS, null, NOW)
    const effects = decision.kind === 'moved' ? decision.effects : []
    expect(effects.map((effect) => (effect.kind === 'say' ? effect.action : effect.kind))).toEqual([
      'add-invoice',
      'waiting-buyer-invoice',
    ])
  })

  test('a maker who buys is paid where he said at creation, whatever the taker brings', () => {
    const given = order('pending', { kind: 'buy', more: { makerDestination: INVOICE } })
    const decision = decideTake(given, BOB, TERMS, ADDRESS, NOW)
    expect(decision).toMatchObject({ change: { take: { buyerDestination: INVOICE, takenAtS: NOW, taker: BOB } } })
    const sold = decideTake(order('pending', { kind: 'sell' }), BOB, TERMS, ADDRESS, NOW)
    expect(sold).toMatchObject({ change: { take: { buyerDestination: ADDRESS } } })
  })

  test('an invoice is taken only where one is waited for', () => {
    for (const given of [
      order('waiting-buyer-invoice', { kind: 'sell' }, 'opening'),
      order('waiting-payment', { kind: 'sell' }),
      order('active', { kind: 'buy' }),
      order('success', { kind: 'buy' }),
      order('waiting-buyer-invoice', { kind: 'buy' }, 'review'),
    ])
      expect(told(decideAddInvoice(given, INVOICE))).toEqual(['refused: not_allowed_by_status'])
  })
})

describe('what a trader is shown', () => {
  test('a taker who buys sees no window and no keys (SO.ask), a maker who buys sees the window (SO.ask2)', () => {
    const asked = shown(decideTake(order('pending', { kind: 'sell' }), BOB, TERMS, null, NOW), BOB, 'add-invoice')
    expect(asked).toMatchObject({
      id: 'sell-order',
      kind: 'sell',
      status: 'waiting-buyer-invoice',
      amount: 99_700n,
      fiatAmount: 50n,
      expiresAt: null,
      createdAt: BigInt(NOW - 100),
      buyerTradePubkey: null,
      sellerTradePubkey: null,
      buyerInvoice: null,
    })
  })

  test('a seller is asked for amount and fee, and sees no keys and the window of the order (SO.ask2)', () => {
    const asked = decideAdopted(order('pending', { kind: 'sell' }, 'opening'), 'lnbc1e', REPUTATION, 'buyer')
    expect(shown(asked, ALICE, 'pay-invoice')).toMatchObject({
      status: 'waiting-payment',
      amount: 100_300n,
      expiresAt: BigInt(NOW + 1000),
      buyerTradePubkey: null,
      sellerTradePubkey: null,
      buyerInvoice: null,
    })
  })

  test('both parties see each other’s keys once the sats are locked, each with his own amount', () => {
    const decision = decideAddInvoice(order('waiting-buyer-invoice', { kind: 'buy' }), INVOICE)
    const keys = { buyerTradePubkey: ALICE.pubkey, sellerTradePubkey: BOB.pubkey }
    const seller = shown(decision, BOB, 'buyer-took-order')
    expect(seller).toMatchObject({
      ...keys,
      status: 'active',
      amount: 100_300n,
      buyerInvoice: null,
      expiresAt: BigInt(NOW + 1000),
    })
    const buyer = shown(decision, ALICE, 'hold-invoice-payment-accepted')
    expect(buyer).toMatchObject({ ...keys, amount: 99_700n, buyerInvoice: 'lnbc1buyer' })
  })

  test('a slice of a range is shown as the taken amount beside the range', () => {
    const fiat = { kind: 'range', min: 10, max: 100 } as const
    const decision = decideTake(
      order('pending', { kind: 'sell', more: { fiat, price: { kind: 'market' }, premium: 3 } }),
      BOB,
      { ...TERMS, fiatAmount: 30, amountMsat: satsToMsat(1940), feeMsat: satsToMsat(6) },
      null,
      NOW,
    )
    expect(shown(decision, BOB, 'add-invoice')).toMatchObject({
      amount: 1934n,
      fiatAmount: 30n,
      minAmount: 10n,
      maxAmount: 100n,
      premium: 3n,
    })
  })
})
