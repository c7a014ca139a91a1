/** What an answer of Lightning means for the intent that asked, payments above all (money-path.md 3.5 to 3.7; R-17). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Msat, msat, satsToMsat } from '../../src/core/money.ts'
import { addressAnswered } from '../../src/engine/journal/obligations.ts'
import {
  holdResolved,
  lookLater,
  opRow,
  paymentAnswered,
  paymentResolved,
  settleContradicted,
  troubled,
} from '../../src/engine/journal/outcomes.ts'
import { paymentSucceeded } from '../../src/engine/journal/payment-facts.ts'
import { alert } from '../../src/engine/say.ts'
import type { HoldFact, PaymentFact, PayOutcome } from '../../src/ports/lightning.ts'
import {
  BOB,
  ESCROW_MSAT,
  FEE_MSAT,
  type Invoice,
  JournalDesk,
  ORDER_ID,
  PAY_ID,
  PAYOUT_ID,
  PAYOUT_MSAT,
  START_S,
} from '../support/journal-desk.ts'

let desk: JournalDesk
beforeEach(() => {
  desk = new JournalDesk()
  desk.meetsLightning()
})
afterEach(() => desk.close())

const BOOKED_AT_SETTLE = [`ln > owed:${PAYOUT_ID}: ${PAYOUT_MSAT}`, `ln > fee: ${2 * FEE_MSAT}`]
const NO_FEE = msat(0)

const changesNothing = (act: () => void) => {
  const before = desk.everything()
  act()
  expect(desk.everything()).toEqual(before)
}
const succeeds = (invoice: Invoice, feeMsat: Msat = NO_FEE, id = PAY_ID) =>
  desk.do((tx) => paymentSucceeded(desk.ctx, tx, id, invoice.preimage, feeMsat))
const answers = (out: PayOutcome, attempt = 1) =>
  desk.do((tx) => paymentAnswered(desk.ctx, tx, desk.op(PAY_ID), attempt, out))
const operatorHears = (key: string) => desk.do((tx) => alert(desk.ctx, tx, key, 2, 'look'))
const paidLedger = () => desk.ledger().filter((line) => line.endsWith('credit') || line.includes('> ln:'))

describe('LND has paid the buyer', () => {
  test('it is booked, the trade is a success, the buyer is told, once', () => {
    const invoice = desk.payoutSent()
    for (const key of [`payout-node-fault:${PAYOUT_ID}`, 'lightning-refused:pay']) operatorHears(key)
    succeeds(invoice, msat(1234))
    expect(desk.op(PAY_ID)).toMatchObject({
      state: 'done',
      result: JSON.stringify({ v: 1, preimage: invoice.preimage, feeMsat: 1234 }),
    })
    expect(desk.owed()).toMatchObject({ state: 'paid', paid_op: PAY_ID })
    expect(paidLedger()).toEqual([`owed:${PAYOUT_ID} > ln: ${PAYOUT_MSAT}`, 'routing > ln: 1234'])
    expect(desk.where()).toBe('success')
    expect(desk.actions(BOB).slice(-2)).toEqual(['purchase-completed', 'rate'])
    expect(desk.alerts()).toEqual({})
    changesNothing(() => succeeds(invoice, msat(1234)))
  })

  test('for nothing: no routing cost is booked', () => {
    succeeds(desk.payoutSent())
    expect(paidLedger()).toEqual([`owed:${PAYOUT_ID} > ln: ${PAYOUT_MSAT}`])
  })

  test('as it says, with a proof that is none: the operator looks, and nobody is told', () => {
    const invoice = desk.payoutSent()
    succeeds({ ...invoice, preimage: '00'.repeat(32) })
    expect(desk.alerts()).toEqual({ [`wrong-preimage:${PAY_ID}`]: 3 })
    expect(desk.op(PAY_ID).state).toBe('dispatching')
    expect(desk.ledger()).toHaveLength(BOOKED_AT_SETTLE.length)
  })

  test('by an intent that we never had: it is a bug', () => {
    const invoice = desk.payoutSent()
    expect(() => succeeds(invoice, NO_FEE, 'pay:unheard-of')).toThrow(/exists/)
    expect(() => succeeds(invoice, NO_FEE, `hold_settle:${desk.escrow().hash}`)).toThrow(/exists/)
  })

  test('after the attempt was given up: it is believed, booked, and a person looks', () => {
    const invoice = desk.payoutSent()
    desk.change(PAY_ID, { state: 'refused' })
    desk.putOwed({ state: 'need_destination', destination: null })
    succeeds(invoice)
    expect(paidLedger()).toEqual([`owed:${PAYOUT_ID} > ln: ${PAYOUT_MSAT}`])
    expect(desk.owed()).toMatchObject({ state: 'review', review_why: 'late-success' })
    expect(desk.alerts()).toEqual({ [`late-success:${PAY_ID}`]: 3 })
    expect(desk.where()).toBe('settled-hold-invoice')
  })

  test('after another invoice was paid: it is a loss, and the trade stays a success', () => {
    const first = desk.payoutSent()
    desk.change(PAY_ID, { state: 'refused' })
    const second = desk.bobsInvoice()
    desk.reserves(second.hash)
    desk.putOwed({ destination_rev: 1 })
    desk.do((tx) => addressAnswered(desk.ctx, tx, PAYOUT_ID, 1, second.request, second.hash))
    desk.claimed(`pay:${PAYOUT_ID}:1`)
    succeeds(second, NO_FEE, `pay:${PAYOUT_ID}:1`)
    expect(desk.owed().state).toBe('paid')
    succeeds(first)
    expect(paidLedger().sort()).toEqual([`loss > ln: ${PAYOUT_MSAT}`, `owed:${PAYOUT_ID} > ln: ${PAYOUT_MSAT}`])
    expect(desk.alerts()).toEqual({ [`late-success:${PAY_ID}`]: 3 })
    expect(desk.where()).toBe('success')
  })

  test('what was not owed any more: a person looks', () => {
    const invoice = desk.payoutSent()
    desk.putOwed({ state: 'void' })
    succeeds(invoice)
    expect(desk.owed()).toMatchObject({ state: 'review', review_why: 'late-success' })
    expect(desk.alerts()).toEqual({ [`late-success:${PAY_ID}`]: 3 })
    expect(desk.where()).toBe('settled-hold-invoice')
  })

  test('of an order that does not wait for it: a person looks at the order', () => {
    const invoice = desk.payoutSent()
    desk.put({ status: 'canceled' })
    succeeds(invoice)
    expect(desk.owed().state).toBe('paid')
    expect(desk.where()).toBe('canceled/review')
    expect(desk.alerts()).toEqual({ [`order-review:${ORDER_ID}`]: 3 })
  })
})

describe('LND has paid the developers', () => {
  const paysFee = (columns: Parameters<JournalDesk['putOwed']>[0] = {}) => {
    desk.close()
    desk = new JournalDesk({ devFee: { address: 'dev@fees.example', percentage: 0.1 } as never })
    desk.meetsLightning().order()
    desk.settledEscrow()
    const oid = `dev_fee:${ORDER_ID}`
    const invoice = desk.bobsInvoice({ amountMsat: satsToMsat(60) })
    desk.do((tx) => addressAnswered(desk.ctx, tx, oid, 0, invoice.request, invoice.hash))
    desk.claimed(`pay:${oid}:0`)
    desk.putOwed(columns, oid)
    succeeds(invoice, NO_FEE, `pay:${oid}:0`)
    const rows = desk.store.all<{ coord: string; body: string; refresh_at: number | null }>('SELECT * FROM outbox_pub')
    const found = rows.find((row) => row.coord.startsWith('8383:'))
    return {
      invoice,
      row: found,
      body: JSON.parse(found?.body ?? '{}') as { kind: number; tags: string[][]; content: string },
    }
  }

  test('everybody can see it, once', () => {
    const { invoice, row, body } = paysFee()
    expect(row).toMatchObject({ coord: `8383:${desk.ctx.key.pubkey}:${ORDER_ID}`, refresh_at: null })
    expect(body).toMatchObject({ kind: 8383, content: '' })
    expect(body.tags).toEqual(
      expect.arrayContaining([
        ['order-id', ORDER_ID],
        ['amount', '60'],
        ['hash', invoice.hash],
        ['destination', 'dev@fees.example'],
        ['expiration', String(START_S + 365 * 86_400)],
      ]),
    )
    expect(desk.owed(`dev_fee:${ORDER_ID}`).state).toBe('paid')
    expect(desk.where()).toBe('settled-hold-invoice')
  })

  test('to an invoice: it names no address', () => {
    const { body } = paysFee({ destination: JSON.stringify({ v: 1, kind: 'bolt11', request: 'lnbcrt1' }) })
    expect(body.tags.find(([name]) => name === 'destination')).toEqual(['destination', ''])
  })
})

describe('LND answers to a payment', () => {
  const NO_ROUTE = { class: 'T', reason: 'no-route', tried: true, known: true } as const

  test('that it is made', () => {
    const { preimage } = desk.payoutSent()
    answers({ class: 'A', preimage, feeMsat: NO_FEE })
    expect(desk.where()).toBe('success')
  })

  test('that it failed: the same invoice is tried again, and the buyer is told so', () => {
    desk.payoutSent()
    answers(NO_ROUTE)
    expect(desk.op(PAY_ID)).toMatchObject({
      state: 'planned',
      next_at: START_S + 60,
      unacked: 0,
      known: 1,
      last_class: 'T-attempt',
      last_detail: 'no-route',
    })
    expect(desk.owed()).toMatchObject({ state: 'ready', failures: 1 })
    const told = desk.said(BOB).at(-1)
    expect(told).toMatchObject({ action: 'payment-failed', id: ORDER_ID })
    expect(told?.payload).toEqual({ kind: 'payment_failed', attempts: 2, retriesIntervalS: 60 })
  })

  test('that it can never be made: another invoice is asked for', () => {
    desk.payoutSent()
    answers({ class: 'T', reason: 'unpayable', tried: false, known: false })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'refused', unacked: 0, known: 0, last_detail: 'unpayable' })
    expect(desk.owed()).toMatchObject({ state: 'need_destination', prompts: 1 })
    expect(desk.actions(BOB).slice(-2)).toEqual(['payment-failed', 'add-invoice'])
    expect(desk.said(BOB).at(-2)?.payload).toEqual({ kind: 'payment_failed', attempts: 0, retriesIntervalS: 60 })
  })

  test.each<[string, () => void]>([
    ['of an earlier attempt', () => answers(NO_ROUTE, 2)],
    [
      'that was judged before',
      () => {
        desk.change(PAY_ID, { state: 'planned', unacked: 0 })
        answers({ class: 'T', reason: 'unpayable', tried: false, known: false })
      },
    ],
  ])('that a payment %s failed: nothing follows', (_, act) => {
    desk.payoutSent()
    act()
    expect(desk.op(PAY_ID).last_class).toBeNull()
    expect(desk.owed().failures).toBe(0)
    expect(desk.actions(BOB)).not.toContain('payment-failed')
  })

  test('that it does not know what it has spoken of: all money halts', () => {
    const { hash } = desk.payoutSent({}, { known: 1, state: 'unknown' })
    answers({ class: 'T', reason: 'unpayable', tried: false, known: false })
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`amnesia:${hash}`]: 3 })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'unknown', next_at: START_S + 300 })
    expect(desk.owed().failures).toBe(0)
  })

  test('that it does not know what it knows: a failed payment is a failed payment', () => {
    desk.payoutSent({}, { known: 1 })
    answers({ class: 'T', reason: 'unpayable', tried: false, known: true })
    expect(desk.halted()).toBe(false)
    expect(desk.owed().state).toBe('need_destination')
  })

  test('nothing: only a look-up tells more', () => {
    desk.payoutSent()
    answers({ class: 'U', detail: 'cut', connectionLost: true })
    expect(desk.op(PAY_ID)).toMatchObject({
      state: 'unknown',
      last_class: 'U',
      last_detail: 'cut',
      last_lost_at: START_S,
      next_at: START_S,
    })
  })

  test('with its row gone: there is no row', () => {
    desk.payoutSent()
    expect(desk.do((tx) => opRow(tx, 'pay:unheard-of'))).toBeUndefined()
    expect(desk.do((tx) => opRow(tx, PAY_ID))?.id).toBe(PAY_ID)
  })
})

describe('a call that did not do what was asked', () => {
  const create = () => desk.op(`hold_create:${desk.escrow().hash}`)
  const trouble = (out: Parameters<typeof troubled>[4], columns: Parameters<JournalDesk['change']>[1] = {}) => {
    desk.change(create().id, columns)
    desk.do((tx) => troubled(desk.ctx, tx, create(), create().attempt, out))
  }

  test.each([
    [1, 2],
    [2, 4],
    [4, 16],
    [5, 30],
    [9, 30],
  ])('and surely was not sent, at attempt %i: again after %i s', (attempt, pauseS) => {
    desk.order()
    desk.sentEscrow()
    trouble({ class: 'S', detail: 'down' }, { attempt })
    expect(create()).toMatchObject({
      state: 'planned',
      next_at: START_S + pauseS,
      unacked: 0,
      last_class: 'S',
      last_detail: 'down',
    })
  })

  test.each([
    [
      'was not sent',
      (op: string) => desk.do((tx) => troubled(desk.ctx, tx, desk.op(op), 1, { class: 'S', detail: '' })),
    ],
    [
      'was refused',
      (op: string) => desk.do((tx) => troubled(desk.ctx, tx, desk.op(op), 1, { class: 'B', detail: '' })),
    ],
  ])('%s, and its escrow is given back: both are over', (_, act) => {
    desk.order()
    const { hash } = desk.sentEscrow()
    desk.cancelledEscrow()
    act(`hold_create:${hash}`)
    expect(desk.escrow().final).toBe('canceled')
    expect(desk.op(`hold_cancel:${hash}`).state).toBe('done')
  })

  test.each([
    [
      'was not sent',
      (op: string) => desk.do((tx) => troubled(desk.ctx, tx, desk.op(op), 1, { class: 'S', detail: '' })),
    ],
    [
      'was refused',
      (op: string) => desk.do((tx) => troubled(desk.ctx, tx, desk.op(op), 1, { class: 'B', detail: '' })),
    ],
  ])('%s, and was the cancel: its create is left alone', (_, act) => {
    desk.order()
    const { hash } = desk.sentEscrow()
    desk.cancelledEscrow()
    desk.claimed(`hold_cancel:${hash}`)
    desk.change(`hold_create:${hash}`, { state: 'planned', unacked: 0 })
    act(`hold_cancel:${hash}`)
    expect(desk.op(`hold_create:${hash}`).state).toBe('planned')
    expect(desk.op(`hold_cancel:${hash}`).state).toBe('planned')
  })

  test('and may have done it, on a connection that lives: nothing is noted as lost', () => {
    desk.order()
    desk.sentEscrow()
    trouble({ class: 'U', detail: 'late', connectionLost: false })
    expect(create()).toMatchObject({ state: 'unknown', last_lost_at: null, next_at: START_S, last_detail: 'late' })
  })

  test('because LND refuses what we chose: again after five minutes, with an alert', () => {
    desk.order()
    desk.sentEscrow()
    trouble({ class: 'B', detail: 'permission' })
    expect(create()).toMatchObject({
      state: 'planned',
      next_at: START_S + 300,
      unacked: 0,
      last_class: 'B',
      last_detail: 'permission',
    })
    expect(desk.alerts()).toEqual({ 'lightning-refused:hold_create': 3 })
  })

  test.each([
    ['a settle', 'hold_settle', 'S', 601, true],
    ['a settle', 'hold_settle', 'S', 600, false],
    ['a settle', 'hold_settle', 'U', 601, true],
    ['a cancel', 'hold_cancel', 'S', 601, true],
    ['a cancel', 'hold_cancel', 'U', 600, false],
    ['a create', 'hold_create', 'S', 601, false],
  ] as const)(
    'and was %s (%s, class %s) that waits for %i s: the operator is told: %s',
    (_, kind, cls, waitedS, told) => {
      desk.order()
      const { hash } = kind === 'hold_settle' ? desk.releasedEscrow() : desk.openEscrow()
      if (kind === 'hold_cancel') desk.cancelledEscrow()
      const id = `${kind}:${hash}`
      if (kind !== 'hold_create') desk.claimed(id)
      desk.nowS += waitedS
      const out = { class: cls, detail: 'down', connectionLost: false } as const
      desk.do((tx) => troubled(desk.ctx, tx, desk.op(id), 1, out))
      expect(desk.alerts()).toEqual(told ? { [`slow:${id}`]: 2 } : {})
    },
  )

  test('because LND refuses to give back: that is said, and not that it is slow', () => {
    desk.order()
    const { hash } = desk.openEscrow()
    desk.cancelledEscrow()
    const id = `hold_cancel:${hash}`
    desk.claimed(id)
    desk.nowS += 601
    desk.do((tx) => troubled(desk.ctx, tx, desk.op(id), 1, { class: 'B', detail: 'permission' }))
    expect(desk.alerts()).toEqual({ 'lightning-refused:hold_cancel': 3 })
  })

  test('because LND denies a hold that it told us of: said once, and the second time all money halts', () => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    const op = `hold_settle:${hash}`
    const denies = () => desk.do((tx) => settleContradicted(desk.ctx, tx, desk.claimed(op), 1, 'not held'))
    denies()
    expect(desk.op(op)).toMatchObject({
      state: 'planned',
      next_at: START_S + 300,
      unacked: 0,
      last_class: 'B',
      last_detail: 'not held',
    })
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
    expect(desk.halted()).toBe(false)
    denies()
    expect(desk.halted()).toBe(true)
    desk.do((tx) => tx.s.alert_close({ key: `conflict:${hash}`, now: START_S }))
    expect(desk.alerts()).toEqual({})
  })

  test('because LND denied it before, and the operator has dealt with that: money does not halt at once', () => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    operatorHears(`conflict:${hash}`)
    desk.do((tx) => tx.s.alert_close({ key: `conflict:${hash}`, now: START_S }))
    desk.do((tx) => settleContradicted(desk.ctx, tx, desk.claimed(`hold_settle:${hash}`), 1, 'not held'))
    expect(desk.halted()).toBe(false)
  })
})

describe('an intent of which nothing is heard', () => {
  test.each([
    ['unknown for ten minutes', 'unknown', 600, false],
    ['unknown for longer', 'unknown', 601, true],
    ['on its way for an hour', 'in_flight', 3600, false],
    ['on its way for longer', 'in_flight', 3601, true],
  ] as const)('%s', (_, state, elapsedS, isAlert) => {
    desk.payoutSent({}, { state })
    desk.nowS += elapsedS
    desk.do((tx) => lookLater(desk.ctx, tx, desk.op(PAY_ID), 3))
    expect(desk.op(PAY_ID).next_at).toBe(desk.nowS + 10)
    expect(desk.alerts()).toEqual(isAlert ? { [`slow:${PAY_ID}`]: 2 } : {})
  })

  test('counts from its making when it was never sent', () => {
    desk.payoutSent({}, { state: 'unknown', attempt_at: null })
    desk.nowS += 601
    desk.do((tx) => lookLater(desk.ctx, tx, desk.op(PAY_ID), 0))
    expect(desk.op(PAY_ID).next_at).toBe(desk.nowS + 1)
    expect(desk.alerts()).toEqual({ [`slow:${PAY_ID}`]: 2 })
  })

  test('counts from its last attempt', () => {
    desk.payoutSent({}, { state: 'unknown', attempt_at: START_S + 500 })
    desk.nowS += 601
    desk.do((tx) => lookLater(desk.ctx, tx, desk.op(PAY_ID), 0))
    expect(desk.alerts()).toEqual({})
  })
})

describe('a look-up of a hold', () => {
  const resolves = (
    kind: 'hold_create' | 'hold_cancel' | 'hold_settle',
    seen: HoldFact | 'not-found',
    hash?: string,
  ) => {
    const heard: string[] = []
    const op = desk.op(`${kind}:${desk.escrow().hash}`)
    desk.do((tx) =>
      holdResolved(desk.ctx, tx, { ...op, ...(hash === undefined ? {} : { hash }) }, seen, {
        later: () => heard.push('later'),
        watch: (watched) => heard.push(watched),
      }),
    )
    return heard
  }
  const unknown = (id: string) => desk.claimed(id, { state: 'unknown' })
  const request = () => desk.requestFor(desk.escrow().hash, ESCROW_MSAT)

  test('whose create is in doubt finds it: it is given out and watched', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    unknown(`hold_create:${hash}`)
    expect(resolves('hold_create', desk.fact('open', { request: request() }))).toEqual([hash])
    expect(desk.escrow().request).toBe(request())
  })

  test.each([
    ['another hash', () => desk.requestFor('11'.repeat(32), ESCROW_MSAT)],
    ['another amount', () => desk.requestFor(desk.escrow().hash, satsToMsat(5))],
    ['nothing that can be read', () => 'lnbcrt1nonsense'],
  ])('finds an invoice over %s: all money halts, and nobody is given it', (_, text) => {
    desk.order()
    const { hash } = desk.sentEscrow()
    unknown(`hold_create:${hash}`)
    resolves('hold_create', desk.fact('open', { request: text() }))
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
    expect(desk.escrow().request).toBeNull()
  })

  test('whose create is in doubt finds nothing, and nobody decided: it is sent again at once', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    unknown(`hold_create:${hash}`)
    expect(resolves('hold_create', 'not-found')).toEqual([])
    expect(desk.op(`hold_create:${hash}`)).toMatchObject({
      state: 'planned',
      next_at: START_S,
      unacked: 0,
      last_class: 'S',
    })
  })

  test.each([
    ['may still arrive', 0, 0, 'later'],
    ['may still arrive for all we surely know', 31, 1, 'later'],
    ['could have arrived half a minute ago at the latest', 30, 0, 'later'],
    ['can not arrive any more', 31, 0, 'over'],
  ])('whose create is in doubt, was given back and %s', (_, pastExpiryS, doubtS, outcome) => {
    desk.order()
    const { hash } = desk.sentEscrow()
    desk.store.run('UPDATE hold SET expires_at = :at', { at: START_S })
    unknown(`hold_create:${hash}`)
    desk.cancelledEscrow()
    desk.nowS = START_S + pastExpiryS
    desk.doubtS = doubtS
    expect(resolves('hold_create', 'not-found')).toEqual(outcome === 'later' ? ['later'] : [])
    expect(desk.op(`hold_create:${hash}`).state).toBe(outcome === 'later' ? 'unknown' : 'refused')
    expect(desk.woken()).toEqual(outcome === 'later' ? [] : ['executor'])
  })

  test('whose create never got a life: it can not arrive', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    unknown(`hold_create:${hash}`)
    desk.cancelledEscrow()
    expect(desk.escrow().expires_at).toBeNull()
    expect(resolves('hold_create', 'not-found')).toEqual([])
    expect(desk.op(`hold_create:${hash}`).state).toBe('refused')
  })

  test.each([
    ['is not found', 'not-found', ['later'], 'unknown'],
    ['is open', 'open', [], 'planned'],
    ['is held', 'accepted', [], 'planned'],
    ['is gone', 'canceled', [], 'done'],
  ] as const)('whose cancel is in doubt %s', (_, state, heard, end) => {
    desk.order()
    const { hash } = desk.openEscrow()
    desk.cancelledEscrow()
    unknown(`hold_cancel:${hash}`)
    expect(resolves('hold_cancel', state === 'not-found' ? state : desk.fact(state))).toEqual(heard)
    expect(desk.op(`hold_cancel:${hash}`)).toMatchObject({ state: end, next_at: START_S })
    expect(desk.halted()).toBe(false)
    expect(desk.alerts()).toEqual({})
  })

  test.each([
    ['is open', 'open', 'planned', 'fiat-sent/releasing'],
    ['is held', 'accepted', 'planned', 'fiat-sent/releasing'],
    ['is taken', 'settled', 'done', 'settled-hold-invoice'],
    ['is gone', 'canceled', 'refused', 'fiat-sent/review'],
  ] as const)('whose settle is in doubt %s', (_, state, end, standing) => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    unknown(`hold_settle:${hash}`)
    expect(resolves('hold_settle', desk.fact(state))).toEqual([])
    expect(desk.op(`hold_settle:${hash}`).state).toBe(end)
    expect(desk.where()).toBe(standing)
    expect(desk.halted()).toBe(false)
  })

  test('whose settle is in doubt is not found: all money halts, and it is looked for later', () => {
    desk.order()
    const { hash } = desk.releasedEscrow()
    unknown(`hold_settle:${hash}`)
    expect(resolves('hold_settle', 'not-found')).toEqual(['later'])
    expect(desk.halted()).toBe(true)
    expect(desk.alerts()).toEqual({ [`conflict:${hash}`]: 3 })
    expect(desk.op(`hold_settle:${hash}`).state).toBe('unknown')
  })

  test('that is not ours: nothing happens', () => {
    desk.order()
    const { hash } = desk.sentEscrow()
    unknown(`hold_create:${hash}`)
    changesNothing(() => expect(resolves('hold_create', 'not-found', '00'.repeat(32))).toEqual([]))
  })
})

describe('a look-up of a payment', () => {
  const FAILED = { state: 'failed', reason: 'no-route', tried: true, startedAtMs: START_S * 1000 } as const
  const resolves = (seen: PaymentFact | 'not-found', epoch = 1) => {
    let later = 0
    desk.do((tx) => paymentResolved(desk.ctx, tx, desk.op(PAY_ID), seen, epoch, () => (later += 1)))
    return later
  }

  test('finds it alive: it is waited for', () => {
    desk.payoutSent({}, { state: 'unknown' })
    expect(resolves({ state: 'alive' })).toBe(1)
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'in_flight', known: 1, unacked: 0 })
  })

  test('finds it made', () => {
    const { preimage } = desk.payoutSent({}, { state: 'unknown' })
    expect(resolves({ state: 'succeeded', preimage, feeMsat: NO_FEE, amountMsat: PAYOUT_MSAT })).toBe(0)
    expect(desk.where()).toBe('success')
  })

  test('finds nothing of what LND had spoken of: all money halts', () => {
    const { hash } = desk.payoutSent({}, { state: 'unknown', known: 1 })
    resolves('not-found')
    expect(desk.alerts()).toEqual({ [`amnesia:${hash}`]: 3 })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'unknown', next_at: START_S + 300 })
  })

  test('finds nothing: the same invoice is sent once more, and the first may still arrive', () => {
    desk.payoutSent({}, { state: 'unknown', attempt: 3 })
    resolves('not-found')
    expect(desk.op(PAY_ID)).toMatchObject({
      state: 'planned',
      next_at: START_S + 10,
      unacked: 1,
      last_class: 'S',
      last_detail: 'no record',
    })
    expect(desk.owed().failures).toBe(0)
    expect(desk.halted()).toBe(false)
  })

  test.each([
    ['with sixty-one seconds to live: it is sent once more', 61, 'planned'],
    ['with sixty seconds to live: the fence holds, nothing is said', 60, 'unknown'],
  ])('finds nothing of an invoice %s', (_, lifeS, state) => {
    desk.payoutSent({ expiryS: 3600 }, { state: 'unknown' })
    desk.nowS = START_S + 3600 - lifeS
    resolves('not-found')
    expect(desk.op(PAY_ID).state).toBe(state)
    expect(desk.actions(BOB)).not.toContain('payment-failed')
  })

  test.each([
    ['before it ended and the grace for a wrong clock: the fence holds', 29, 0, 'ready'],
    ['after it ended and the grace for a wrong clock: the buyer is asked', 30, 0, 'need_destination'],
    ['after that by a clock that may be ahead: the fence holds', 30, 1, 'ready'],
  ])('finds nothing of an invoice %s', (_, pastS, doubtS, state) => {
    desk.payoutSent({ expiryS: 3600 }, { state: 'unknown' })
    desk.nowS = START_S + 3600 + pastS
    desk.doubtS = doubtS
    resolves('not-found')
    expect(desk.owed().state).toBe(state)
    expect(desk.op(PAY_ID)).toMatchObject(
      state === 'ready'
        ? { state: 'unknown', next_at: desk.nowS + 30 }
        : { state: 'refused', last_detail: 'unpayable' },
    )
    expect(desk.alerts()).toEqual({})
    expect(desk.actions(BOB).includes('payment-failed')).toBe(state !== 'ready')
  })

  test('finds that this attempt failed', () => {
    desk.payoutSent({}, { state: 'unknown' })
    resolves(FAILED)
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'planned', unacked: 0, known: 1, next_at: START_S + 60 })
    expect(desk.owed().failures).toBe(1)
  })

  test.each([
    ['half a minute before it was sent: clocks differ, it is this one', -30_000, 1, 1],
    ['longer ago: it was an earlier one, and this one may still arrive', -30_001, 1, 0],
    ['longer ago, and no request is under way', -30_001, 0, 1],
  ])('finds that an attempt failed which began %s', (_, offsetMs, unacked, failures) => {
    desk.payoutSent({}, { state: 'unknown', unacked })
    resolves({ ...FAILED, startedAtMs: START_S * 1000 + offsetMs })
    expect(desk.owed().failures).toBe(failures)
    expect(desk.op(PAY_ID)).toMatchObject(
      failures === 1 ? { last_class: 'T-attempt' } : { last_class: 'S', unacked: 1, known: 0 },
    )
  })

  test('finds only an earlier failure of an invoice that has ended since: the buyer is asked', () => {
    desk.payoutSent({ expiryS: 3600 }, { state: 'unknown', known: 1, attempt_at: START_S + 3000 })
    desk.nowS = START_S + 3630
    resolves(FAILED)
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'refused', last_detail: 'unpayable' })
    expect(desk.owed().state).toBe('need_destination')
  })

  test('finds a failure although the attempt has no time: it is this one', () => {
    desk.payoutSent({}, { state: 'unknown', attempt_at: null })
    resolves({ ...FAILED, startedAtMs: 0 })
    expect(desk.owed().failures).toBe(1)
  })

  test('finds no route after LND may have restarted: that is not the buyer’s fault', () => {
    desk.payoutSent({}, { state: 'unknown' })
    resolves(FAILED, 2)
    expect(desk.owed().failures).toBe(0)
    expect(desk.alerts()).toEqual({ [`payout-node-fault:${PAYOUT_ID}`]: 2 })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'planned', next_at: START_S + 60 })
  })
})
