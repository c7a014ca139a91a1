/** What Lightning says of an escrow, and what follows from it in the same commit (money-path.md 3.7, 4.1, 4.2; R-22). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HoldRow } from '../../src/adapters/sqlite/schema.ts'
import { type Msat, satsToMsat } from '../../src/core/money.ts'
import {
  canceledFact,
  cancelNotFound,
  createNotSent,
  halt,
  holdCreated,
  observeHold,
} from '../../src/engine/journal/hold-facts.ts'
import { paymentSucceeded } from '../../src/engine/journal/payment-facts.ts'
import { alert, type Origin } from '../../src/engine/say.ts'
import type { HoldFact } from '../../src/ports/lightning.ts'
import {
  ALICE,
  BOB,
  ESCROW_MSAT,
  FEE_MSAT,
  JournalDesk,
  NODE,
  ORDER_ID,
  PAY_ID,
  PAYOUT_MSAT,
  REQUEST,
  START_S,
} from '../support/journal-desk.ts'

let desk: JournalDesk
beforeEach(() => {
  desk = new JournalDesk()
  desk.meetsLightning()
})
afterEach(() => desk.close())

const created = (fact: HoldFact) =>
  desk.do((tx) => holdCreated(desk.ctx, tx, desk.op(`hold_create:${fact.hash}`), fact))
const sees = (state: HoldFact['state'], over: Partial<HoldFact> = {}) =>
  desk.do((tx) => observeHold(desk.ctx, tx, desk.fact(state, over)))
const holds = () => desk.store.all<HoldRow>('SELECT * FROM hold ORDER BY epoch')
const cancelOp = () => desk.op(`hold_cancel:${desk.escrow().hash}`)

const changesNothing = (act: () => void) => {
  const before = desk.everything()
  act()
  expect(desk.everything()).toEqual(before)
}

describe('the invoice of an escrow exists at LND', () => {
  test('the seller is asked to pay it, once', () => {
    desk.order({ phase: 'opening', status: 'pending' })
    desk.sentEscrow()
    created(desk.fact('open'))
    expect(desk.where()).toBe('waiting-payment')
    expect(desk.escrow()).toMatchObject({ request: 'lnbcrt1escrow', expires_at: START_S + 960, rank: 1 })
    expect(desk.op(`hold_create:${desk.escrow().hash}`)).toMatchObject({
      state: 'done',
      result: JSON.stringify({ v: 1, request: 'lnbcrt1escrow' }),
    })
    expect(desk.actions(ALICE)).toEqual(['pay-invoice'])
    expect(desk.actions(BOB)).toEqual(['waiting-seller-to-pay'])
    changesNothing(() => created(desk.fact('open')))
  })

  test.each<[string, Origin | null, bigint | null, bigint | null]>([
    ['the seller, who asked', REQUEST, 77n, null],
    ['the buyer, who asked', { ...REQUEST, sender: BOB }, null, 77n],
    ['nobody, when nobody asked', null, null, null],
  ])('the answer goes to %s', (_, origin, toAlice, toBob) => {
    desk.order({ phase: 'opening', status: 'pending' })
    desk.sentEscrow(origin)
    created(desk.fact('open'))
    expect(desk.said(ALICE)[0]?.requestId).toBe(toAlice)
    expect(desk.said(BOB)[0]?.requestId).toBe(toBob)
  })

  test('its news came late and it is paid already: the trade is on at once', () => {
    desk.order({ phase: 'opening', status: 'pending' })
    desk.sentEscrow()
    created(desk.fact('accepted'))
    expect(desk.where()).toBe('active')
    expect(desk.escrow()).toMatchObject({ rank: 2, held_msat: ESCROW_MSAT })
  })

  test.each<[string, Partial<HoldFact>]>([
    ['another amount', { amountMsat: satsToMsat(1) }],
    ['another time lock', { cltvDelta: 40 }],
    ['another memo', { memo: 'lunch' }],
    ['its sats taken already', { state: 'settled' }],
  ])('with %s: all money halts, and it is given to nobody', (_, over) => {
    desk.order()
    const { hash } = desk.sentEscrow()
    created(desk.fact('open', over))
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
    expect(desk.escrow()).toMatchObject({ request: null, rank: 0 })
    expect(desk.op(`hold_create:${hash}`).state).toBe('dispatching')
    expect(desk.actions(ALICE)).toEqual([])
  })

  test.each([
    ['while the take opens: another one, with the same deadline for the answer', 'pending', 'opening', START_S + 8],
    ['while the buyer has just given his invoice: another one', 'waiting-buyer-invoice', 'opening', null],
    ['while the seller should pay: another one', 'waiting-payment', 'steady', null],
  ] as const)('and has ended already, %s', (_, status, phase, answerBy) => {
    desk.order({ status, phase })
    const { hash } = desk.sentEscrow(REQUEST)
    created(desk.fact('canceled'))
    const [first, second] = holds()
    expect(first).toMatchObject({ hash, final: 'canceled', final_at: START_S, held_msat: null, request: null })
    expect(second).toMatchObject({ amount_msat: ESCROW_MSAT, request_key: REQUEST.requestKey, answer_by: answerBy })
    expect(desk.actions(ALICE)).toEqual([])
  })

  test.each([
    { status: 'pending', phase: 'steady' },
    { status: 'waiting-buyer-invoice', phase: 'steady' },
    { status: 'active', phase: 'steady' },
    { status: 'canceled', phase: 'steady' },
  ] as const)('and has ended already, for an order that is $status: there is no other', (standing) => {
    desk.order(standing)
    desk.sentEscrow()
    created(desk.fact('canceled'))
    expect(holds()).toHaveLength(1)
    expect(desk.escrow().final).toBe('canceled')
  })

  test.each(['open', 'canceled'] as const)(
    'after it was decided to give it back, and is %s: nobody is given it, and the cancel may go on',
    (state) => {
      desk.order()
      desk.sentEscrow()
      desk.cancelledEscrow()
      created(desk.fact(state))
      expect(desk.escrow()).toMatchObject({ request: 'lnbcrt1escrow', final: null })
      expect(desk.woken()).toEqual(['executor'])
      expect(desk.actions(ALICE)).toEqual([])
      expect(holds()).toHaveLength(1)
    },
  )

  test('and is not ours: nothing happens', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    const stranger = { ...desk.op(`hold_create:${hash}`), hash: '00'.repeat(32) }
    changesNothing(() => desk.do((tx) => holdCreated(desk.ctx, tx, stranger, desk.fact('open'))))
  })

  test.each([
    ['that wants none any more', {}],
    ['that nobody takes any more', { taker_pubkey: null, taker_identity: null }],
  ])('for an order %s: it is not given out, and the log says so', (_, row) => {
    desk.order({ status: 'canceled', ...row })
    desk.sentEscrow(REQUEST)
    created(desk.fact('open'))
    expect(desk.where()).toBe('canceled')
    expect(desk.actions(ALICE)).toEqual([])
    expect(desk.logged).toContain('nothing follows')
  })
})

describe('a fact about a hold that is not ours', () => {
  test.each(['open', 'accepted', 'settled', 'canceled'] as const)('%s: changes nothing', (state) => {
    desk.order()
    desk.openEscrow()
    changesNothing(() => sees(state, { hash: '00'.repeat(32) }))
  })
})

describe('LND shows an escrow that nobody has paid', () => {
  test('it stays open, and nothing else happens', () => {
    desk.order()
    desk.openEscrow()
    changesNothing(() => sees('open'))
    expect(desk.find(`hold_cancel:${desk.escrow().hash}`)).toBeUndefined()
  })

  test('it is known to be open although nobody was given it yet', () => {
    desk.order()
    desk.sentEscrow()
    sees('open')
    expect(desk.escrow()).toMatchObject({ rank: 1, held_msat: null, held_at: null, min_htlc_height: null })
  })

  test('it was given back and is still there: it is given back once more', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    desk.change(cancelOp().id, { state: 'done' })
    sees('open')
    expect(cancelOp().state).toBe('planned')
    expect(desk.woken()).toEqual(['executor'])
  })
})

describe('LND holds the sats of an escrow', () => {
  test('the trade is on: what arrived, when, and until which height is kept', () => {
    desk.order()
    desk.openEscrow()
    sees('accepted')
    expect(desk.where()).toBe('active')
    expect(desk.escrow()).toMatchObject({
      rank: 2,
      held_msat: ESCROW_MSAT,
      held_at: START_S,
      min_htlc_height: 800_144,
    })
    expect(desk.actions(ALICE)).toEqual(['pay-invoice', 'buyer-took-order'])
    expect(desk.actions(BOB)).toEqual(['hold-invoice-payment-accepted'])
    changesNothing(() => sees('accepted'))
  })

  test('and nobody was given the request yet: its create adopts it first', () => {
    desk.order()
    desk.sentEscrow()
    changesNothing(() => sees('accepted'))
  })

  test('and we are giving it back: LND is told, and the trade does not begin', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    desk.change(cancelOp().id, { state: 'done' })
    sees('accepted')
    expect(desk.where()).toBe('waiting-payment')
    expect(desk.escrow()).toMatchObject({ rank: 2, held_msat: ESCROW_MSAT })
    expect(cancelOp().state).toBe('planned')
  })

  test('and the release is decided: nothing begins again', () => {
    desk.order()
    desk.releasedEscrow()
    changesNothing(() => sees('accepted'))
  })

  test('again, after it was given back for good: it is given back once more', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    sees('canceled')
    expect(cancelOp().state).toBe('done')
    sees('accepted')
    expect(cancelOp().state).toBe('planned')
    expect(desk.escrow().rank).toBe(3)
  })

  test('after they were given up as never asked for: they are given back', () => {
    desk.order()
    desk.sentEscrow()
    desk.cancelledEscrow()
    desk.do((tx) => cancelNotFound(desk.ctx, tx, cancelOp()))
    expect(desk.escrow()).toMatchObject({ request: null, final: 'canceled' })
    sees('accepted')
    expect(cancelOp().state).toBe('planned')
    expect(desk.woken()).toEqual(['executor'])
  })

  test('again, after LND ended it by itself: nothing happens', () => {
    desk.order()
    desk.openEscrow()
    sees('canceled')
    const [first] = holds()
    expect(first?.final).toBe('canceled')
    changesNothing(() => sees('accepted', { hash: first?.hash ?? '' }))
  })

  test('of an order that does not wait for them: a person must look', () => {
    desk.order()
    desk.openEscrow()
    desk.put({ status: 'canceled' })
    sees('accepted')
    expect(desk.where()).toBe('canceled/review')
    expect(desk.alerts()).toEqual({ [`order-review:${ORDER_ID}`]: 3 })
    expect(desk.escrow().rank).toBe(2)
  })

  test.each<[string, number, number, boolean]>([
    ['exactly what was asked', 100_300_000, 0, false],
    ['one sat less', 100_300_000, -1000, false],
    ['one per cent too much', 100_300_000, 1_003_000, false],
    ['a little over one per cent too much', 100_300_000, 1_003_001, true],
    ['two per cent too much, which are a hundred sats', 5_000_000, 100_000, false],
    ['two per cent too much, which are over a hundred sats', 5_000_000, 100_001, true],
    ['a hundred and one sats too much, which are less than one per cent', 100_300_000, 101_000, false],
  ])('of which there are %s (DEC-26)', (_, askedMsat, overMsat, isSentBack) => {
    desk.order({ amount_msat: (askedMsat - FEE_MSAT) as Msat })
    const { hash } = desk.openEscrow()
    desk.store.run('UPDATE hold SET amount_msat = :askedMsat', { askedMsat })
    sees('accepted', { receivedMsat: (askedMsat + overMsat) as Msat })
    expect(desk.where()).toBe(isSentBack ? 'waiting-payment' : 'active')
    expect(holds()[0]).toMatchObject({ hash, decision: isSentBack ? 'cancel' : 'none' })
    expect(holds()).toHaveLength(isSentBack ? 2 : 1)
  })
})

describe('LND has settled an escrow', () => {
  test('that the seller released: the sats are ours, the buyer is owed his, all are told, once', () => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    desk.claimed(`hold_settle:${hash}`)
    sees('settled')
    expect(desk.where()).toBe('settled-hold-invoice')
    expect(desk.escrow()).toMatchObject({
      final: 'settled',
      held_msat: ESCROW_MSAT,
      settle_index: 5,
      final_at: START_S,
    })
    expect(desk.op(`hold_settle:${hash}`)).toMatchObject({
      state: 'done',
      result: JSON.stringify({ v: 1, receivedMsat: ESCROW_MSAT }),
    })
    expect(desk.ledger()).toEqual([`ln > owed:buyer_payout:${ORDER_ID}: ${PAYOUT_MSAT}`, `ln > fee: ${2 * FEE_MSAT}`])
    expect(desk.actions(ALICE).slice(-2)).toEqual(['hold-invoice-payment-settled', 'rate'])
    expect(desk.actions(BOB).at(-1)).not.toBe('canceled')
    expect(desk.actions(BOB)).toContain('released')
    expect(desk.alerts()).toEqual({})
    changesNothing(() => sees('settled'))
  })

  test('the seller is answered under the number of his request', () => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    desk.change(`hold_settle:${hash}`, {
      params: JSON.stringify({ v: 1, origin: { sender: ALICE, requestId: '9', requestKey: null } }),
    })
    sees('settled')
    expect(desk.said(ALICE).find((m) => m.action === 'hold-invoice-payment-settled')?.requestId).toBe(9n)
  })

  test.each([
    ['nobody decided anything', () => desk.heldEscrow()],
    ['it was to be given back', () => [desk.heldEscrow(), desk.cancelledEscrow()]],
  ])('although %s: a second daemon may run, all money halts, a person must look', (_, prepare) => {
    desk.order()
    prepare()
    sees('settled')
    expect(desk.escrow()).toMatchObject({ final: 'settled', held_msat: ESCROW_MSAT })
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ 'rival-instance': 3, [`order-review:${ORDER_ID}`]: 3 })
    expect(desk.standing().phase).toBe('review')
    expect(desk.ledger()).toEqual([])
  })

  test('that it had given back: it contradicts itself, all money halts, and nothing is booked', () => {
    desk.order()
    const { hash } = desk.openEscrow()
    desk.cancelledEscrow()
    sees('canceled')
    sees('settled')
    expect(desk.escrow().final).toBe('canceled')
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
    expect(desk.ledger()).toEqual([])
  })

  test('of an order that moved on: the sats are booked all the same, and a person must look (R-22)', () => {
    desk.order()
    desk.releasedEscrow()
    desk.put({ status: 'canceled', phase: 'steady' })
    sees('settled')
    expect(desk.ledger()).toHaveLength(2)
    expect(desk.where()).toBe('canceled/review')
    expect(desk.alerts()).toEqual({ [`order-review:${ORDER_ID}`]: 3 })
  })
})

describe('LND has settled an escrow of a range', () => {
  const range = { min_amount: 50, max_amount: 500 }
  const child = {
    fiat: { kind: 'range', min: 50, max: 400 },
    maker: { pubkey: 'a2'.repeat(32), identity: 'a2'.repeat(32), tradeIndex: 4 },
  } as const
  const childId = () => desk.ctx.seed.childId(ORDER_ID)
  const toldOfRemainder = (to: string) => desk.said(to).filter((m) => m.id === childId())

  test('the remainder becomes an order of its own, and its maker is told', () => {
    desk.order(range)
    desk.settledEscrow({ child })
    expect(desk.standing(childId())).toMatchObject({ status: 'pending', fiat: child.fiat, rangeParent: ORDER_ID })
    expect(toldOfRemainder(child.maker.pubkey).map((m) => m.action)).toEqual(['new-order'])
    expect(toldOfRemainder(ALICE)).toEqual([])
  })

  test.each([
    ['whose key was bad', { child: null, childRefused: true }, false],
    ['whose place is taken', { child, childRefused: false }, true],
  ])('a remainder %s is called off, and the trade goes on (DEC-21)', (_, why, taken) => {
    desk.order(range)
    if (taken) desk.order({ id: childId(), status: 'pending' })
    desk.settledEscrow(why)
    expect(desk.where()).toBe('settled-hold-invoice')
    expect(toldOfRemainder(ALICE).map((m) => m.action)).toEqual(['canceled'])
  })

  test('without a remainder nobody hears of one', () => {
    desk.order(range)
    desk.settledEscrow()
    expect(toldOfRemainder(ALICE)).toEqual([])
    expect(desk.store.all('SELECT id FROM orders')).toHaveLength(1)
  })
})

describe('LND has given an escrow back', () => {
  test('as we decided: the order rests, once', () => {
    desk.order()
    desk.heldEscrow()
    desk.cancelledEscrow()
    desk.put({ status: 'canceled', phase: 'refunding' })
    sees('canceled', { receivedMsat: ESCROW_MSAT })
    expect(desk.where()).toBe('canceled')
    expect(desk.escrow()).toMatchObject({
      final: 'canceled',
      final_at: START_S,
      held_msat: ESCROW_MSAT,
      settle_index: null,
    })
    expect(cancelOp().state).toBe('done')
    expect(desk.alerts()).toEqual({})
    changesNothing(() => sees('canceled', { receivedMsat: ESCROW_MSAT }))
  })

  test('as it did before its cancel was planned: the late intent is over with it', () => {
    desk.order()
    desk.heldEscrow()
    desk.cancelledEscrow()
    sees('canceled')
    desk.change(cancelOp().id, { state: 'planned' })
    sees('canceled')
    expect(cancelOp().state).toBe('done')
  })

  test('that nobody had paid: what is not there is not noted', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    sees('canceled')
    expect(desk.escrow().held_msat).toBeNull()
  })

  test('that it had settled: it contradicts itself, all money halts', () => {
    desk.order()
    const { hash } = desk.settledEscrow()
    sees('canceled')
    expect(desk.escrow().final).toBe('settled')
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
  })

  test('before anybody was given it: its create comes to rest first', () => {
    desk.order()
    desk.sentEscrow()
    changesNothing(() => sees('canceled'))
  })

  test('before anybody was given it, and as we decided', () => {
    desk.order()
    desk.sentEscrow()
    desk.cancelledEscrow()
    desk.put({ status: 'canceled', phase: 'refunding' })
    sees('canceled')
    expect(desk.where()).toBe('canceled')
    expect(desk.escrow().final).toBe('canceled')
  })

  test.each([
    ['with the sats that it held', () => desk.heldEscrow(), 'active', {}],
    ['with sats that we never heard of', () => desk.openEscrow(), 'active', { receivedMsat: ESCROW_MSAT }],
  ] as const)('by itself, %s: the operator and both traders are told', (_, prepare, status, over) => {
    desk.order()
    prepare()
    desk.put({ status })
    sees('canceled', over)
    expect(desk.where()).toBe('canceled')
    expect(desk.escrow().held_msat).toBe(ESCROW_MSAT)
    expect(desk.alerts()).toEqual({ [`escrow-lost:${ORDER_ID}`]: 3 })
    for (const trader of [ALICE, BOB])
      expect(desk.actions(trader).slice(-2)).toEqual(['hold-invoice-payment-canceled', 'canceled'])
  })

  test.each([
    ['with sats that we saw', 'held', {}, 1],
    ['with sats that we never heard of', 'open', { receivedMsat: ESCROW_MSAT }, 1],
    ['without a sat', 'open', {}, 0],
  ] as const)(
    'by itself, %s, while nothing can follow: the operator is told of what is lost',
    (_, was, over, alerts) => {
      desk.order()
      if (was === 'held') desk.heldEscrow()
      else desk.openEscrow()
      desk.put({ status: 'waiting-payment', phase: 'timing-out' })
      sees('canceled', over)
      expect(Object.keys(desk.alerts())).toHaveLength(alerts)
      expect(desk.where()).toBe('waiting-payment/timing-out')
    },
  )

  test('by itself, and says so again: nothing more follows', () => {
    desk.order()
    desk.openEscrow()
    const gone = desk.fact('canceled')
    sees('canceled')
    changesNothing(() => sees('canceled', gone))
    expect(holds()).toHaveLength(2)
  })

  test('by itself and unpaid: the seller gets another one, once in a take (DEC-09)', () => {
    desk.order()
    desk.openEscrow()
    sees('canceled')
    expect(holds().map((h) => h.final)).toEqual(['canceled', null])
    expect(desk.alerts()).toEqual({})
    const second = desk.escrow()
    desk.claimed(`hold_create:${second.hash}`)
    created(desk.fact('open'))
    sees('canceled')
    expect(holds().map((h) => h.final)).toEqual(['canceled', 'canceled'])
    expect(desk.where()).toBe('waiting-payment')
  })

  test('by itself and unpaid, after it did so in an earlier take: the seller of this take gets another one too', () => {
    desk.order()
    desk.openEscrow()
    sees('canceled')
    desk.claimed(`hold_create:${desk.escrow().hash}`)
    created(desk.fact('open'))
    desk.nowS += 1000
    desk.put({ taken_at: START_S + 500 })
    desk.store.run('UPDATE hold SET created_at = :at WHERE epoch = 2', { at: START_S + 600 })
    sees('canceled')
    expect(holds()).toHaveLength(3)
  })

  test.each(['pending', 'canceled'] as const)('of a %s offer that nobody takes any more: nothing follows', (status) => {
    desk.order()
    desk.openEscrow()
    desk.put({ status, taker_pubkey: null, taker_identity: null, taken_at: null })
    sees('canceled')
    expect(desk.where()).toBe(status)
    expect(holds()).toHaveLength(1)
  })

  test.each([
    ['was on its way to LND', true, 'refused'],
    ['had not been sent', false, 'void'],
  ])(
    'although the seller released it, and the settle %s: nothing is owed, a person must look (C-16)',
    (_, sent, end) => {
      desk.order()
      const { hash } = desk.releasedEscrow()
      const op = `hold_settle:${hash}`
      if (sent) desk.claimed(op)
      sees('canceled')
      expect(desk.op(op).state).toBe(end)
      expect(desk.owed().state).toBe('void')
      expect(desk.where()).toBe('fiat-sent/review')
      expect(desk.alerts()).toEqual({ [`escrow-lost:${ORDER_ID}`]: 3 })
      for (const trader of [ALICE, BOB]) expect(desk.actions(trader).at(-1)).toBe('hold-invoice-payment-canceled')
      expect(desk.ledger()).toEqual([])
    },
  )
})

describe('the fact that LND would have told of an escrow that it threw away', () => {
  test('says what we know of it', () => {
    desk.order()
    const hold = desk.heldEscrow()
    expect(canceledFact(hold)).toEqual(
      desk.fact('canceled', { receivedMsat: ESCROW_MSAT, minHtlcHeight: null, settleIndex: null }),
    )
  })

  test('says nothing of what we do not know', () => {
    desk.order()
    expect(canceledFact(desk.plannedEscrow())).toMatchObject({
      state: 'canceled',
      request: '',
      receivedMsat: 0,
      expiresAt: 0,
    })
  })
})

describe('LND does not know an escrow that we give back', () => {
  const notFound = (hash?: string) =>
    desk.do((tx) => cancelNotFound(desk.ctx, tx, { ...cancelOp(), ...(hash === undefined ? {} : { hash }) }))

  test('it is over, and the order rests', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    desk.put({ status: 'canceled', phase: 'refunding' })
    notFound()
    expect(cancelOp()).toMatchObject({ state: 'done', result: JSON.stringify({ v: 1, notFound: true }) })
    expect(desk.escrow()).toMatchObject({ final: 'canceled', final_at: START_S, held_msat: null })
    expect(desk.where()).toBe('canceled')
  })

  test('nor do we: nothing happens', () => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    changesNothing(() => notFound('00'.repeat(32)))
  })
})

describe('the create of an escrow surely never reached LND', () => {
  const notSent = (hash = desk.escrow().hash) => desk.do((tx) => createNotSent(desk.ctx, tx, hash))
  const resent = () => desk.change(`hold_create:${desk.escrow().hash}`, { state: 'planned', unacked: 0 })

  test('and it is to be given back: both are over, and the order rests', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    desk.cancelledEscrow()
    desk.put({ status: 'canceled', phase: 'refunding' })
    resent()
    desk.do((tx) => alert(desk.ctx, tx, 'lightning-refused:hold_cancel', 3, 'LND refuses what we chose'))
    notSent()
    expect(desk.op(`hold_create:${hash}`).state).toBe('void')
    expect(cancelOp()).toMatchObject({ state: 'done', result: '{"v":1,"notSent":true}' })
    expect(desk.alerts()).toEqual({})
    expect(desk.escrow()).toMatchObject({ final: 'canceled', final_at: START_S, held_msat: null })
    expect(desk.where()).toBe('canceled')
  })

  test.each([
    ['nobody decided: it is sent again', () => desk.sentEscrow() && resent()],
    ['an earlier request may still arrive: LND will be asked', () => desk.sentEscrow() && desk.cancelledEscrow()],
  ])('but %s', (_, prepare) => {
    desk.order()
    prepare()
    changesNothing(() => notSent())
  })

  test('and is not ours: nothing happens', () => {
    desk.order()
    desk.sentEscrow()
    changesNothing(() => notSent('00'.repeat(32)))
  })
})

describe('a fact ends the alert that its call was refused', () => {
  const refused = (kind: string) =>
    desk.do((tx) => alert(desk.ctx, tx, `lightning-refused:${kind}`, 3, 'LND refuses what we chose'))

  test('the invoice is there', () => {
    desk.order()
    desk.sentEscrow()
    refused('hold_create')
    created(desk.fact('open'))
    expect(desk.alerts()).toEqual({})
  })

  test('the sats are taken', () => {
    desk.order()
    desk.releasedEscrow()
    refused('hold_settle')
    sees('settled')
    expect(desk.alerts()).toEqual({})
  })

  test.each([
    ['given back', () => sees('canceled')],
    ['not known to LND', () => desk.do((tx) => cancelNotFound(desk.ctx, tx, cancelOp()))],
    [
      'given back, and were before',
      () => {
        sees('canceled')
        desk.change(cancelOp().id, { state: 'planned' })
        refused('hold_cancel')
        sees('canceled')
      },
    ],
  ])('the sats are %s', (_, act) => {
    desk.order()
    desk.openEscrow()
    desk.cancelledEscrow()
    refused('hold_cancel')
    act()
    expect(desk.alerts()).toEqual({})
  })
})

describe('what is said because of a fact is said once, under the name of the fact', () => {
  const causes = () => [
    ...new Set(
      desk.store
        .all<{ dedup_key: string }>('SELECT dedup_key FROM outbox_msg ORDER BY id')
        .map(({ dedup_key }) => dedup_key.replace(/\/[0-9]+$/, '')),
    ),
  ]

  test('of a trade that goes through', () => {
    const { preimage } = desk.payoutSent()
    desk.do((tx) => paymentSucceeded(desk.ctx, tx, PAY_ID, preimage, 0 as Msat))
    const { hash } = desk.escrow()
    expect(causes()).toEqual([
      `hold_create:${hash}/done`,
      `accepted:${hash}`,
      `hold_settle:${hash}/done`,
      `${PAY_ID}/paid`,
    ])
  })

  test.each([
    ['that vanishes', () => desk.heldEscrow(), 'gone'],
    ['that vanishes when it is to be taken', () => desk.releasedEscrow(), 'settle-refused'],
  ])('of an escrow %s', (_, prepare, name) => {
    desk.order()
    prepare()
    sees('canceled')
    expect(causes().at(-1)).toBe(`${name}:${desk.escrow().hash}`)
  })
})

test('all money halts with a reason and an alert', () => {
  desk.do((tx) => halt(desk.ctx, tx, NODE, 'rival-instance', 'two daemons'))
  expect(desk.store.get('SELECT halted, halted_why FROM ln_node')).toEqual({ halted: 1, halted_why: 'two daemons' })
  expect(desk.alerts()).toEqual({ 'rival-instance': 3 })
})
