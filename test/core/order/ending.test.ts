import { describe, expect, test } from 'vitest'
import {
  decideCancel,
  decideDutyOver,
  decideEscrowGone,
  decideHeightMargin,
  decideOperatorEnds,
  decideOverpaid,
  decideRefunded,
  decideWindowOver,
  dutySide,
  type EscrowStanding,
} from '../../../src/core/order/ending.ts'
import type { Order, Phase, Side, Status } from '../../../src/core/order/order.ts'
import { ALICE, BOB, CAROL, INVOICE, offer, order, shown, told } from './world.ts'

const cancel = (given: Order, sender: { readonly pubkey: string }, escrow: EscrowStanding = 'none') =>
  told(decideCancel(given, sender.pubkey, escrow))

describe('a cancel', () => {
  test.each<[string, Order, typeof ALICE, EscrowStanding, string[]]>([
    [
      'T14: of a maker takes his order off the book',
      order('pending', { kind: 'sell' }),
      ALICE,
      'none',
      ['→ canceled', 'alice: canceled rid'],
    ],
    [
      'of a maker whose order is just being taken ends both',
      order('pending', { kind: 'buy' }, 'opening'),
      ALICE,
      'unpaid',
      [
        '→ canceled, take undone, duty ends',
        'cancel escrow: maker-canceled',
        'alice: canceled rid',
        'bob: cant-do pending_order_exists to what waits',
      ],
    ],
    [
      'of a taker whose take is just opening undoes it; the maker never hears of it',
      order('pending', { kind: 'buy' }, 'opening'),
      BOB,
      'unpaid',
      [
        '→ pending, take undone, duty ends',
        'cancel escrow: taker-canceled',
        'bob: canceled rid',
        'bob: cant-do pending_order_exists to what waits',
      ],
    ],
    [
      'T15: of a maker ends the order before it is paid',
      order('waiting-payment', { kind: 'sell' }),
      ALICE,
      'unpaid',
      ['→ canceled, duty ends', 'cancel escrow: maker-canceled', 'alice: canceled rid', 'bob: canceled'],
    ],
    [
      'T15: of a maker who buys gives the seller’s locked sats back',
      order('waiting-buyer-invoice', { kind: 'buy' }),
      ALICE,
      'held',
      ['→ canceled/refunding, duty ends', 'cancel escrow: maker-canceled', 'alice: canceled rid', 'bob: canceled'],
    ],
    [
      'T15: of a maker cancels nothing where no escrow was planned',
      order('waiting-buyer-invoice', { kind: 'sell' }),
      ALICE,
      'none',
      ['→ canceled, duty ends', 'alice: canceled rid', 'bob: canceled'],
    ],
    [
      'T16: of a taker puts the order back on the book',
      order('waiting-payment', { kind: 'buy' }),
      BOB,
      'unpaid',
      [
        '→ pending, take undone, duty ends',
        'cancel escrow: taker-canceled',
        'bob: canceled rid',
        'alice: new-order {pending 100000 sats}',
      ],
    ],
    [
      'T16: of a taker who has locked his sats gives them back',
      order('waiting-buyer-invoice', { kind: 'buy' }),
      BOB,
      'held',
      [
        '→ pending, take undone, duty ends',
        'cancel escrow: taker-canceled',
        'bob: canceled rid',
        'alice: new-order {pending 100000 sats}',
      ],
    ],
    [
      'of a maker while the escrow invoice is made leaves no request unanswered',
      order('waiting-buyer-invoice', { kind: 'sell' }, 'opening'),
      ALICE,
      'unpaid',
      [
        '→ canceled, duty ends',
        'cancel escrow: maker-canceled',
        'alice: canceled rid',
        'bob: canceled',
        'bob: cant-do not_allowed_by_status to what waits',
      ],
    ],
  ])('%s', (_, given, sender, escrow, expected) => {
    expect(cancel(given, sender, escrow)).toEqual(expected)
  })

  test.each<[string, Order, typeof ALICE, string]>([
    ['of an order in the book by a stranger', order('pending', { kind: 'sell' }), BOB, 'is_not_your_order'],
    ['of an opening take by a stranger', order('pending', { kind: 'sell' }, 'opening'), CAROL, 'is_not_your_order'],
    ['of a waiting trade by a stranger', order('waiting-payment', { kind: 'sell' }), CAROL, 'invalid_pubkey'],
    ['of a trade by a stranger', order('active', { kind: 'sell' }), CAROL, 'invalid_pubkey'],
    [
      'of what is canceled, before anybody asks who sends it',
      order('canceled', { kind: 'sell' }),
      CAROL,
      'order_already_canceled',
    ],
    [
      'of what was canceled together',
      order('cooperatively-canceled', { kind: 'sell' }, 'refunding'),
      BOB,
      'order_already_canceled',
    ],
    ['of what a solver canceled', order('canceled-by-admin', { kind: 'sell' }), BOB, 'order_already_canceled'],
    ['of what is being released', order('fiat-sent', { kind: 'sell' }, 'releasing'), BOB, 'not_allowed_by_status'],
    ['of what a person looks at', order('waiting-payment', { kind: 'sell' }, 'review'), ALICE, 'not_allowed_by_status'],
    ['of what times out', order('waiting-payment', { kind: 'sell' }, 'timing-out'), ALICE, 'not_allowed_by_status'],
    ['of settled sats', order('settled-hold-invoice', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    ['of a done trade', order('success', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    ['of an expired order', order('expired', { kind: 'sell' }), ALICE, 'not_allowed_by_status'],
    [
      'of an order whose bond is waited for',
      order('waiting-maker-bond', { kind: 'sell' }),
      ALICE,
      'not_allowed_by_status',
    ],
  ])('is refused: %s', (_, given, sender, reason) => {
    expect(cancel(given, sender)).toEqual([`refused: ${reason}`])
  })

  test('that returns an order to the book shows its maker the offer as it was, with his own key', () => {
    const fiat = { kind: 'range', min: 10, max: 100 } as const
    const given = order('waiting-payment', {
      kind: 'buy',
      more: { fiat, price: { kind: 'market' }, makerDestination: INVOICE },
    })
    expect(shown(decideCancel(given, BOB.pubkey, 'unpaid'), ALICE, 'new-order')).toMatchObject({
      status: 'pending',
      amount: 0n,
      fiatAmount: 0n,
      minAmount: 10n,
      maxAmount: 100n,
      buyerTradePubkey: ALICE.pubkey,
      sellerTradePubkey: null,
      buyerInvoice: 'lnbc1buyer',
      expiresAt: BigInt(offer('buy').expiresAtS),
    })
  })
})

describe('a cooperative cancel', () => {
  const statuses = ['active', 'fiat-sent', 'dispute'] as const
  const trade = (status: Status, cancelInitiator: Side | null) => order(status, { kind: 'sell', cancelInitiator })

  test.each(statuses)('in %s is asked by either side and granted by the other', (status) => {
    expect(cancel(trade(status, null), ALICE, 'held')).toEqual([
      `→ ${status}, seller asked to cancel`,
      'alice: cooperative-cancel-initiated-by-you rid',
      'bob: cooperative-cancel-initiated-by-peer',
    ])
    expect(cancel(trade(status, null), BOB, 'held')).toEqual([
      `→ ${status}, buyer asked to cancel`,
      'bob: cooperative-cancel-initiated-by-you rid',
      'alice: cooperative-cancel-initiated-by-peer',
    ])
    expect(cancel(trade(status, 'seller'), BOB, 'held')).toEqual([
      '→ cooperatively-canceled/refunding',
      'cancel escrow: cooperative',
      'bob: cooperative-cancel-accepted rid',
      'alice: cooperative-cancel-accepted',
    ])
    expect(cancel(trade(status, 'buyer'), ALICE, 'held')).toContain('cancel escrow: cooperative')
  })

  test.each(statuses)('in %s is not granted by whoever asked for it', (status) => {
    expect(cancel(trade(status, 'seller'), ALICE, 'held')).toEqual(['refused: invalid_pubkey'])
    expect(cancel(trade(status, 'buyer'), BOB, 'held')).toEqual(['refused: invalid_pubkey'])
  })

  test.each(statuses)('in %s is no business of a stranger, whoever has asked for it', (status) => {
    for (const initiator of [null, 'buyer', 'seller'] as const)
      expect(cancel(trade(status, initiator), CAROL, 'held')).toEqual(['refused: invalid_pubkey'])
  })

  test('of a buy order is told to the one who was not asked yet', () => {
    const bought = order('active', { kind: 'buy' })
    expect(cancel(bought, ALICE, 'held').at(-1)).toBe('bob: cooperative-cancel-initiated-by-peer')
    expect(cancel(bought, BOB, 'held').at(-1)).toBe('alice: cooperative-cancel-initiated-by-peer')
  })

  test('rests when Lightning confirms the refund, once', () => {
    const refunding = order('cooperatively-canceled', { kind: 'sell' }, 'refunding')
    expect(told(decideRefunded(refunding))).toEqual(['→ cooperatively-canceled'])
    expect(told(decideRefunded(order('cooperatively-canceled', { kind: 'sell' })))).toEqual(['ignored'])
    expect(told(decideRefunded(order('pending', { kind: 'sell' })))).toEqual(['ignored'])
  })
})

describe('a duty that nobody did in time', () => {
  test.each<[string, 'buy' | 'sell', Status, Side, EscrowStanding, string[]]>([
    [
      'T17: a maker who did not pay loses his order',
      'sell',
      'waiting-payment',
      'seller',
      'unpaid',
      ['→ canceled, duty ends', 'cancel escrow: duty-over', 'alice: canceled', 'bob: canceled'],
    ],
    [
      'T17: a maker who gave no invoice loses his order, and the seller gets his sats back',
      'buy',
      'waiting-buyer-invoice',
      'buyer',
      'held',
      ['→ canceled/refunding, duty ends', 'cancel escrow: duty-over', 'alice: canceled', 'bob: canceled'],
    ],
    [
      'T18: a taker who did not pay is out, and the order back on the book',
      'buy',
      'waiting-payment',
      'seller',
      'unpaid',
      [
        '→ pending, take undone, duty ends',
        'cancel escrow: duty-over',
        'bob: canceled',
        'alice: new-order {pending 100000 sats}',
      ],
    ],
    [
      'T18: a taker who gave no invoice is out, and no escrow was there',
      'sell',
      'waiting-buyer-invoice',
      'buyer',
      'none',
      ['→ pending, take undone, duty ends', 'bob: canceled', 'alice: new-order {pending 100000 sats}'],
    ],
  ])('%s', (_, kind, status, side, escrow, expected) => {
    const given = order(status, { kind })
    if (given.status !== 'waiting-payment' && given.status !== 'waiting-buyer-invoice') throw new Error('not waiting')
    if (given.phase === 'review') throw new Error('not waiting')
    expect(dutySide(given)).toBe(side)
    expect(told(decideDutyOver(given, escrow))).toEqual(expected)
  })

  test.each<[Status, Phase]>([
    ['pending', 'steady'],
    ['waiting-buyer-invoice', 'opening'],
    ['waiting-payment', 'timing-out'],
    ['waiting-payment', 'review'],
    ['active', 'steady'],
    ['canceled', 'steady'],
  ])('is nobody’s in %s/%s', (status, phase) => {
    expect(told(decideDutyOver(order(status, { kind: 'sell' }, phase), 'unpaid'))).toEqual(['ignored'])
  })
})

test('T25: an order whose window is over ends, and unlike in the reference its maker is told', () => {
  expect(told(decideWindowOver(order('pending', { kind: 'sell' })))).toEqual(['→ expired', 'alice: canceled'])
  expect(told(decideWindowOver(order('pending', { kind: 'sell' }, 'opening')))).toEqual(['ignored'])
  expect(told(decideWindowOver(order('waiting-payment', { kind: 'sell' })))).toEqual(['ignored'])
})

describe('an escrow that Lightning ended by itself', () => {
  const gone = (status: Status, phase: Phase = 'steady', reissues = 0) =>
    told(decideEscrowGone(order(status, { kind: 'buy' }, phase), { reissues }))

  test('DEC-09: is issued again while the seller’s time runs, once', () => {
    expect(gone('waiting-payment')).toEqual(['→ waiting-payment', 'plan escrow of 100300 sats'])
    expect(gone('waiting-payment', 'steady', 1)).toEqual(['ignored'])
  })

  test.each(['waiting-buyer-invoice', 'active'] as const)(
    'C-12: ends a trade in %s; both learn it, and an alert is raised',
    (status) => {
      expect(gone(status)).toEqual([
        '→ canceled, duty ends',
        'alice: hold-invoice-payment-canceled',
        'bob: hold-invoice-payment-canceled',
        'alice: canceled',
        'bob: canceled',
        'alert 3 escrow-lost:buy-order',
      ])
    },
  )

  test.each<[Status, Phase]>([
    ['fiat-sent', 'steady'],
    ['fiat-sent', 'releasing'],
    ['dispute', 'steady'],
    ['dispute', 'resolving'],
  ])('C-12: leaves %s/%s to a person, because fiat may have moved', (status, phase) => {
    expect(gone(status, phase)).toEqual([
      `→ ${status}/review`,
      'alice: hold-invoice-payment-canceled',
      'bob: hold-invoice-payment-canceled',
      'alert 3 escrow-lost:buy-order',
    ])
  })

  test.each<[Status, Phase]>([
    ['pending', 'steady'],
    ['pending', 'opening'],
    ['waiting-buyer-invoice', 'opening'],
    ['waiting-payment', 'timing-out'],
    ['fiat-sent', 'review'],
    ['settled-hold-invoice', 'steady'],
    ['success', 'steady'],
    ['canceled', 'steady'],
    ['waiting-taker-bond', 'steady'],
  ])('means nothing in %s/%s', (status, phase) => {
    expect(gone(status, phase)).toEqual(['ignored'])
  })
})

describe('an escrow that is far too large', () => {
  test('DEC-26: goes back, and the seller is asked again within the time that he has', () => {
    expect(told(decideOverpaid(order('waiting-payment', { kind: 'buy' })))).toEqual([
      '→ waiting-payment',
      'cancel escrow: overpaid',
      'plan escrow of 100300 sats',
      'alert 1 overpaid:buy-order',
    ])
  })

  test('is nobody’s question elsewhere', () => {
    expect(told(decideOverpaid(order('active', { kind: 'buy' })))).toEqual(['ignored'])
    expect(told(decideOverpaid(order('waiting-payment', { kind: 'buy' }, 'timing-out')))).toEqual(['ignored'])
  })
})

describe('the height at which Lightning would refund the seller', () => {
  test.each(['active', 'waiting-buyer-invoice'] as const)(
    'T22: ends a trade in %s while nobody can have sent fiat',
    (status) => {
      expect(told(decideHeightMargin(order(status, { kind: 'buy' })))).toEqual([
        '→ canceled/refunding, duty ends',
        'cancel escrow: height-guard',
        'alice: canceled',
        'bob: canceled',
      ])
    },
  )

  test.each<[Status, Phase]>([
    ['fiat-sent', 'steady'],
    ['dispute', 'steady'],
    ['fiat-sent', 'releasing'],
    ['active', 'review'],
    ['canceled', 'refunding'],
  ])('cancels nothing in %s/%s', (status, phase) => {
    expect(told(decideHeightMargin(order(status, { kind: 'buy' }, phase)))).toEqual(['ignored'])
  })
})

describe('an order that a person looked at', () => {
  test('was paid: the buyer hears it', () => {
    expect(told(decideOperatorEnds(order('fiat-sent', { kind: 'sell' }, 'review'), 'success'))).toEqual([
      '→ success, duty ends',
      'bob: purchase-completed',
      'bob: rate',
    ])
  })

  test('was not: the escrow, if there is one, goes back, and all who took part hear it', () => {
    expect(told(decideOperatorEnds(order('fiat-sent', { kind: 'buy' }, 'review'), 'success'))).toEqual([
      '→ success, duty ends',
      'alice: purchase-completed',
      'alice: rate',
    ])
    expect(told(decideOperatorEnds(order('fiat-sent', { kind: 'sell' }, 'review'), 'canceled'))).toEqual([
      '→ canceled, duty ends',
      'cancel escrow: order-ended',
      'alice: canceled',
      'bob: canceled',
    ])
    const untaken = { ...offer('sell'), status: 'pending', phase: 'review', take: null } as const
    expect(told(decideOperatorEnds(untaken, 'canceled'))).toEqual([
      '→ canceled, duty ends',
      'cancel escrow: order-ended',
      'alice: canceled',
    ])
    expect(told(decideOperatorEnds(untaken, 'success'))).toEqual(['ignored'])
  })

  test('is ended by nobody else’s business', () => {
    expect(told(decideOperatorEnds(order('active', { kind: 'sell' }), 'canceled'))).toEqual(['ignored'])
  })
})
