import { describe, expect, test } from 'vitest'
import { satsToMsat } from '../../../src/core/money.ts'
import { makerSide, partyOf, sideOf, standing, takeOf } from '../../../src/core/order/order.ts'
import {
  destinationText,
  escrowMsat,
  newOrderView,
  payoutAskView,
  payoutMsat,
  storedView,
} from '../../../src/core/order/view.ts'
import { ALICE, BOB, CAROL, INVOICE, offer, order, TAKE } from './world.ts'

describe('amounts of a trade', () => {
  test('the seller pays the fee on top, the buyer is paid without it (trade.md 3.6)', () => {
    expect(escrowMsat(TAKE)).toBe(100_300_000)
    expect(payoutMsat(TAKE)).toBe(99_700_000)
  })

  test('a fee that eats everything leaves nothing, and never a debt', () => {
    expect(payoutMsat({ ...TAKE, amountMsat: satsToMsat(1), feeMsat: satsToMsat(1) })).toBe(0)
    expect(payoutMsat({ ...TAKE, amountMsat: satsToMsat(1), feeMsat: satsToMsat(2) })).toBe(0)
  })
})

describe('the sides of an order', () => {
  test('a maker of a sell order sells, of a buy order buys', () => {
    for (const [kind, buyer, seller] of [
      ['sell', BOB, ALICE],
      ['buy', ALICE, BOB],
    ] as const) {
      const taken = { ...offer(kind), take: TAKE }
      expect(makerSide(taken)).toBe(kind === 'sell' ? 'seller' : 'buyer')
      expect([partyOf(taken, 'buyer'), partyOf(taken, 'seller')]).toEqual([buyer, seller])
      expect([ALICE, BOB, CAROL].map(({ pubkey }) => sideOf(taken, pubkey))).toEqual(
        kind === 'sell' ? ['seller', 'buyer', null] : ['buyer', 'seller', null],
      )
    }
  })

  test('an order in the book has no take', () => {
    expect(takeOf(order('pending', { kind: 'sell' }))).toBeNull()
    expect(takeOf(order('active', { kind: 'sell' }))).toEqual(TAKE)
  })

  test('an order is named by its status, and by its phase when something is under way', () => {
    expect(standing(order('active', { kind: 'sell' }))).toBe('active')
    expect(standing(order('fiat-sent', { kind: 'sell' }, 'releasing'))).toBe('fiat-sent/releasing')
  })
})

describe('what an order looks like', () => {
  test('to its maker, when it is new: his invoice, his times, no keys (SO.new)', () => {
    const made = offer('buy', { makerDestination: { kind: 'address', address: 'alice@wallet.example' } })
    expect(newOrderView(made)).toEqual({
      id: 'buy-order',
      kind: 'buy',
      status: 'pending',
      amount: 100_000n,
      fiatCode: 'EUR',
      minAmount: null,
      maxAmount: null,
      fiatAmount: 50n,
      paymentMethod: 'SEPA',
      premium: 0n,
      buyerTradePubkey: null,
      sellerTradePubkey: null,
      buyerInvoice: 'alice@wallet.example',
      createdAt: BigInt(made.createdAtS),
      expiresAt: BigInt(made.expiresAtS),
    })
    expect(newOrderView(offer('sell', { price: { kind: 'market' } })).amount).toBe(0n)
  })

  test('to a buyer whose payout failed: what he gets, and the invoice that failed (SO.full)', () => {
    expect(payoutAskView(offer('sell'), TAKE)).toMatchObject({
      status: 'settled-hold-invoice',
      amount: 99_700n,
      buyerTradePubkey: BOB.pubkey,
      sellerTradePubkey: ALICE.pubkey,
      buyerInvoice: 'lnbc1buyer',
      expiresAt: BigInt(offer('sell').expiresAtS),
    })
    expect(payoutAskView(offer('sell'), { ...TAKE, buyerDestination: null }).buyerInvoice).toBeNull()
  })

  test('to a party who asks for it: the stored amount, the keys, no invoice', () => {
    const keys = { buyerTradePubkey: BOB.pubkey, sellerTradePubkey: ALICE.pubkey, buyerInvoice: null }
    const active = order('active', { kind: 'sell', more: { makerDestination: INVOICE } })
    expect(storedView(active)).toMatchObject({ ...keys, status: 'active', amount: 100_000n })
    expect(storedView(active).expiresAt).toBe(BigInt(active.expiresAtS))
    const atMarket = order('active', { kind: 'sell', more: { price: { kind: 'market' } } })
    expect(storedView(atMarket).amount).toBe(100_000n)
    expect(storedView(order('fiat-sent', { kind: 'sell' }, 'review'))).toMatchObject({ ...keys, status: 'fiat-sent' })
  })

  test.each(['steady', 'opening'] as const)(
    'to its maker while it is pending and %s: untaken, with his own key',
    (phase) => {
      const pending = order('pending', { kind: 'buy', more: { price: { kind: 'market' } } }, phase)
      expect(storedView(pending)).toMatchObject({
        status: 'pending',
        amount: 0n,
        fiatAmount: 50n,
        buyerTradePubkey: ALICE.pubkey,
        sellerTradePubkey: null,
      })
    },
  )

  test('names a destination as its owner wrote it', () => {
    expect(destinationText(INVOICE)).toBe('lnbc1buyer')
    expect(destinationText({ kind: 'address', address: 'A@b.example' })).toBe('A@b.example')
  })

  test('never hides a fraction of a sat', () => {
    const odd = { ...TAKE, amountMsat: 1001 as typeof TAKE.amountMsat, feeMsat: satsToMsat(0) }
    expect(() => payoutAskView(offer('sell'), odd)).toThrow(/whole number of sats/)
  })
})
