/** What we owe, from the decision to settle until it is paid or given up (money-path.md 3.5, 3.10, 4.2; DEC-27, DEC-40). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LnOpRow, ObligationRow } from '../../src/adapters/sqlite/schema.ts'
import { type Msat, msat, satsToMsat } from '../../src/core/money.ts'
import type { ObligationKind } from '../../src/core/obligation.ts'
import type { SettleWhy } from '../../src/core/order/decision.ts'
import {
  addressAnswered,
  addressFailed,
  changeDestination,
  expireUnsent,
  type PaymentVerdict,
  paymentFailed,
  prompt,
  promptDue,
  startPaying,
} from '../../src/engine/journal/obligations.ts'
import {
  ALICE,
  BOB,
  ESCROW_MSAT,
  FEE_MSAT,
  JournalDesk,
  NODE,
  ORDER_ID,
  PAY_ID,
  PAYOUT_ID,
  PAYOUT_MSAT,
  START_S,
} from '../support/journal-desk.ts'

const DEV_FEE_ID = `dev_fee:${ORDER_ID}`
const OVERPAYMENT_ID = `overpayment:${ORDER_ID}`
const WEEK_S = 604_800
const address = (text: string) => JSON.stringify({ v: 1, kind: 'address', address: text })

let desk: JournalDesk
/** A desk whose node pays a development fee, and tries again after five minutes. */
const withDevFee = () => {
  desk.close()
  desk = new JournalDesk({ devFee: { address: 'dev@fees.example' } as never, payoutRetryS: 300 })
  desk.meetsLightning()
}
beforeEach(() => {
  desk = new JournalDesk({ payoutRetryS: 300 })
  desk.meetsLightning()
})
afterEach(() => desk.close())

const changesNothing = (act: () => void) => {
  const before = desk.everything()
  act()
  expect(desk.everything()).toEqual(before)
}
const starts = (oid = PAYOUT_ID) => desk.do((tx) => startPaying(desk.ctx, tx, oid))
const obligations = () => desk.store.all<ObligationRow>('SELECT * FROM obligation ORDER BY id').map((row) => row.id)
const toldOfFailure = () =>
  desk.said(BOB).flatMap(({ payload }) => (payload?.kind === 'payment_failed' ? [payload.attempts] : []))
/** The requests for an invoice for sats that are owed, not for a trade that begins. */
const asked = () =>
  desk.said(BOB).filter((m) => m.payload?.kind === 'order' && m.payload.order.status === 'settled-hold-invoice')
const prompts = () => asked().length

/** What else can be owed, ready to be paid to an invoice of Bob's. */
const owes = (kind: ObligationKind, windowS: number | null = null, destination?: string) => {
  desk.payoutPlanned()
  const { hash: hold } = desk.escrow()
  const oid = `${kind}:x`
  const invoice = desk.bobsInvoice()
  desk.reserves(invoice.hash, oid)
  desk.do((tx) => {
    tx.s.obligation_plan({
      oid,
      kind,
      order_id: ORDER_ID,
      bond_id: null,
      payee: BOB,
      amount_msat: PAYOUT_MSAT,
      max_fee_msat: satsToMsat(10),
      funded_by: hold,
      window_s: windowS,
      attempts_max: 1,
      retry_s: 300,
      destination: destination ?? invoice.json,
      now: tx.nowS,
    })
    for (const funded of tx.s.obligation_fund({ hash: hold, now: tx.nowS })) startPaying(desk.ctx, tx, funded.id)
  })
  const id = `pay:${oid}:0`
  if (destination !== undefined) desk.do((tx) => addressAnswered(desk.ctx, tx, oid, 0, invoice.request, invoice.hash))
  desk.woken()
  return { oid, id }
}

/** A minute after it was owed: the window of a winner's claim, and what becomes of a claim that fails. */
const BOND_WINDOWS = [
  ['without a window: its winner may give another invoice', null, 'need_destination'],
  ['within its window: its winner may give another invoice', 61, 'need_destination'],
  ['when its window is over: a person must look', 60, 'review'],
  ['after its window was over: a person must look', 59, 'review'],
] as const
const bondOutcome = (state: 'need_destination' | 'review') => ({
  state,
  review_why: state === 'review' ? 'payee-exhausted' : null,
})

describe('what the buyer is owed', () => {
  test('is written with the decision to settle, and blocked until LND has done it', () => {
    const { json } = desk.bobsInvoice()
    desk.order({ buyer_destination: json })
    const { hash } = desk.releasedEscrow()
    expect(desk.owed()).toMatchObject({
      kind: 'buyer_payout',
      order_id: ORDER_ID,
      bond_id: null,
      payee: BOB,
      amount_msat: PAYOUT_MSAT,
      max_fee_msat: 199_000,
      state: 'blocked',
      funded_by: hash,
      window_s: null,
      attempts_max: 3,
      retry_s: 300,
      destination: json,
      created_at: START_S,
    })
    changesNothing(() => starts())
  })

  test('is paid to the invoice that he gave', () => {
    const { hash, request } = desk.payoutPlanned()
    expect(desk.op(PAY_ID)).toMatchObject({
      kind: 'pay',
      hash,
      obligation_id: PAYOUT_ID,
      node_pubkey: NODE,
      params: JSON.stringify({ v: 1, request, amountMsat: PAYOUT_MSAT, invoiceHasAmount: true, maxFeeMsat: 199_000 }),
      dest_pubkey: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
      request_expires_at: START_S + 86_400,
      state: 'planned',
      next_at: START_S,
    })
    expect(desk.owed()).toMatchObject({ state: 'ready', anchor_at: START_S, claim_until: null })
    changesNothing(() => starts())
  })

  test('is said to an invoice without an amount', () => {
    desk.payoutPlanned({ amountMsat: null })
    expect(JSON.parse(desk.op(PAY_ID).params)).toMatchObject({ invoiceHasAmount: false, amountMsat: PAYOUT_MSAT })
  })

  test('wakes who pays, or who asks his address for an invoice', () => {
    const { hash, request } = desk.bobsInvoice()
    desk.order({ buyer_destination: address('bob@wallets.example') })
    desk.settledEscrow()
    expect(desk.find(PAY_ID)).toBeUndefined()
    starts()
    expect(desk.woken()).toEqual(['resolver'])
    desk.do((tx) => addressAnswered(desk.ctx, tx, PAYOUT_ID, 0, request, hash))
    expect(desk.woken()).toEqual(['executor'])
    expect(prompts()).toBe(0)
  })

  test('is asked for an invoice when he gave none', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    expect(desk.owed()).toMatchObject({ state: 'need_destination', prompts: 1, last_prompt_at: START_S })
    expect(asked()[0]).toMatchObject({
      action: 'add-invoice',
      id: ORDER_ID,
      requestId: null,
      tradeIndex: null,
      payload: { kind: 'order', order: { amount: 99_700n, status: 'settled-hold-invoice' } },
    })
    const [row] = desk.store.all("SELECT * FROM outbox_msg WHERE dedup_key LIKE 'prompt:%'")
    expect(row).toMatchObject({ asks: 1, lane: 0, order_id: ORDER_ID, obligation_id: PAYOUT_ID })
  })

  test.each([
    ['nobody reserved for him', () => desk.order({ buyer_destination: desk.bobsInvoice().json })],
    ['nobody can read', () => desk.order({})],
    [
      'that ends in a minute',
      () => {
        const invoice = desk.bobsInvoice({ expiryS: 60 })
        desk.reserves(invoice.hash)
        desk.order({ buyer_destination: invoice.json })
      },
    ],
  ])('is asked for another invoice in place of one %s', (_, prepare) => {
    prepare()
    desk.settledEscrow()
    expect(desk.find(PAY_ID)).toBeUndefined()
    expect(desk.owed().state).toBe('need_destination')
    expect(toldOfFailure()).toEqual([0])
    expect(prompts()).toBe(1)
  })

  test('is paid to an invoice that ends in a little over a minute', () => {
    desk.payoutPlanned({ expiryS: 61 })
    expect(desk.op(PAY_ID).state).toBe('planned')
  })

  test('is not begun for what we do not owe', () => {
    desk.payoutPlanned()
    changesNothing(() => starts('buyer_payout:unheard-of'))
  })
})

describe('a settled escrow is shared out', () => {
  test('without a development fee the node keeps both fees', () => {
    desk.payoutPlanned()
    expect(desk.ledger()).toEqual([`ln > owed:${PAYOUT_ID}: ${PAYOUT_MSAT}`, `ln > fee: ${2 * FEE_MSAT}`])
    expect(obligations()).toEqual([PAYOUT_ID])
  })

  test('the developers are owed their share for a week, to their address', () => {
    withDevFee()
    desk.order()
    const { hash } = desk.settledEscrow()
    expect(desk.owed(DEV_FEE_ID)).toMatchObject({
      kind: 'dev_fee',
      bond_id: null,
      payee: 'dev@fees.example',
      amount_msat: 60_000,
      max_fee_msat: 10_000,
      funded_by: hash,
      window_s: WEEK_S,
      claim_until: START_S + WEEK_S,
      attempts_max: 3,
      retry_s: 300,
      destination: address('dev@fees.example'),
      state: 'ready',
    })
    expect(desk.ledger()).toEqual([
      `ln > owed:${PAYOUT_ID}: ${PAYOUT_MSAT}`,
      `ln > fee: ${2 * FEE_MSAT - 60_000}`,
      `ln > owed:${DEV_FEE_ID}: 60000`,
    ])
  })

  test('each transfer has its name, so that the same fact books it once', () => {
    withDevFee()
    desk.order()
    const { hash } = desk.settledEscrow()
    const rows = desk.store.all<{ id: string; order_id: string }>('SELECT id, order_id FROM ledger ORDER BY id')
    expect(rows).toEqual([0, 1, 2].map((n) => ({ id: `settle:${hash}:${n}`, order_id: ORDER_ID })))
  })

  test('who asks addresses is woken for the developers', () => {
    withDevFee()
    desk.payoutPlanned()
    desk.woken()
    starts(DEV_FEE_ID)
    expect(desk.woken()).toEqual(['resolver'])
  })

  test.each<[string, Partial<SettleWhy>, number]>([
    ['no share for the developers', { devFeeMsat: msat(0) }, 2],
    ['no fee at all', { feeMsat: msat(0), devFeeMsat: msat(0) }, 1],
  ])('there is %s: nothing is booked for it', (_, why, transfers) => {
    withDevFee()
    desk.order()
    desk.releasedEscrow(why)
    const received = (PAYOUT_MSAT + 2 * (why.feeMsat ?? FEE_MSAT)) as Msat
    desk.settles(received)
    expect(obligations()).toEqual([PAYOUT_ID])
    expect(desk.ledger()).toHaveLength(transfers)
  })

  test.each([
    ['sell', ALICE],
    ['buy', BOB],
  ] as const)(
    'what was paid too much in a %s order belongs to the seller, and a person pays it (DEC-26)',
    (kind, seller) => {
      desk.order({ kind })
      const { hash } = desk.releasedEscrow()
      desk.settles((ESCROW_MSAT + 7000) as Msat)
      expect(desk.owed(OVERPAYMENT_ID)).toMatchObject({
        kind: 'overpayment',
        bond_id: null,
        payee: seller,
        amount_msat: 7000,
        max_fee_msat: 10_000,
        funded_by: hash,
        window_s: null,
        attempts_max: 3,
        retry_s: 300,
        destination: null,
        state: 'review',
        review_why: 'operator-pays',
      })
      expect(desk.ledger()).toContain(`ln > owed:${OVERPAYMENT_ID}: 7000`)
      expect(desk.alerts()).toEqual({ [OVERPAYMENT_ID]: 1 })
    },
  )

  test('a sat less than expected is nobody’s overpayment', () => {
    desk.order()
    desk.releasedEscrow()
    desk.settles((ESCROW_MSAT - 1000) as Msat)
    expect(obligations()).toEqual([PAYOUT_ID])
    expect(desk.alerts()).toEqual({})
  })
})

describe('a buyer who is to give an invoice', () => {
  const due = () => desk.do((tx) => promptDue(desk.ctx, tx))

  test('is asked again ever more rarely', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    for (const pauseS of [600, 3600, 4 * 3600]) {
      const before = prompts()
      desk.nowS += pauseS - 1
      due()
      expect(prompts()).toBe(before)
      desk.nowS += 1
      due()
      expect(prompts()).toBe(before + 1)
    }
  })

  test('is asked at once when he never was', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    desk.putOwed({ last_prompt_at: null })
    due()
    expect(prompts()).toBe(2)
  })

  test('is not asked while he need not give one', () => {
    desk.payoutPlanned()
    changesNothing(due)
  })

  test.each<[string, Partial<ObligationRow>]>([
    ['the developers', { kind: 'dev_fee' }],
    ['a payee whom nobody has named', { payee: null }],
    ['the payee of an order that is not there', { order_id: 'nowhere' }],
  ])('is he alone: %s are not asked', (_, row) => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    changesNothing(() => desk.do((tx) => prompt(desk.ctx, tx, { ...desk.owed(), ...row }, 0)))
  })

  test('is not asked for an order that nobody took', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    const other = desk.order({ id: 'e'.repeat(36), status: 'pending' })
    changesNothing(() => desk.do((tx) => prompt(desk.ctx, tx, { ...desk.owed(), order_id: other.id }, 0)))
  })
})

describe('a payment that failed', () => {
  const NO_ROUTE: PaymentVerdict = { reason: 'no-route', tried: true, notFound: false, reconnected: false }
  const fails = (verdict: Partial<PaymentVerdict> = {}, id = PAY_ID) =>
    desk.do((tx) => paymentFailed(desk.ctx, tx, desk.op(id), { ...NO_ROUTE, ...verdict }))
  /** LND has spoken about the attempt: no request is on its way. */
  const heard = (columns: Partial<LnOpRow> = {}, id = PAY_ID) =>
    desk.claimed(id, { state: 'in_flight', unacked: 0, known: 1, ...columns })
  test('is tried again with the same invoice while the budget lasts, and the buyer is told once', () => {
    desk.payoutPlanned()
    for (const failures of [1, 2]) {
      heard({ attempt: failures })
      desk.woken()
      fails()
      expect(desk.op(PAY_ID)).toMatchObject({
        state: 'planned',
        next_at: START_S + 300,
        last_class: 'T-attempt',
        last_detail: 'no-route',
      })
      expect(desk.owed()).toMatchObject({ state: 'ready', failures })
      expect(desk.woken()).toEqual(['executor'])
    }
    expect(toldOfFailure()).toEqual([2])
    const [row] = desk.store.all("SELECT * FROM outbox_msg WHERE dedup_key LIKE 'payment-failed:%'")
    expect(row).toMatchObject({ asks: 0, lane: 0, order_id: ORDER_ID, obligation_id: PAYOUT_ID })
    heard({ attempt: 3 })
    fails()
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'refused', last_detail: 'no-route' })
    expect(desk.owed()).toMatchObject({ state: 'need_destination', destination: null, failures: 0 })
    expect(toldOfFailure()).toEqual([2])
    expect(prompts()).toBe(1)
    expect(desk.alerts()).toEqual({})
  })

  test.each<[string, Partial<PaymentVerdict>]>([
    ['our balance', { reason: 'insufficient-balance' }],
    ['an error of LND', { reason: 'error' }],
    ['no route after LND may have restarted', { reconnected: true }],
    ['time that ran out before anything was tried', { reason: 'timeout', tried: false }],
  ])('by %s does not count: again after a minute, and the operator is told', (_, verdict) => {
    desk.payoutPlanned()
    heard()
    fails(verdict)
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'planned', next_at: START_S + 60 })
    expect(desk.owed().failures).toBe(0)
    expect(desk.alerts()).toEqual({ [`payout-node-fault:${PAYOUT_ID}`]: 2 })
    expect(toldOfFailure()).toEqual([])
  })

  test('by a wrong invoice counts although LND may have restarted', () => {
    desk.payoutPlanned()
    heard()
    fails({ reason: 'incorrect-details', reconnected: true })
    expect(desk.owed().failures).toBe(1)
    expect(desk.alerts()).toEqual({})
  })

  test.each([
    ['lives long enough for another attempt', 361, 'ready'],
    ['ends before another attempt', 360, 'need_destination'],
  ])('whose invoice %s', (_, lifeS, state) => {
    desk.payoutPlanned({ expiryS: 3600 })
    heard()
    desk.nowS = START_S + 3600 - lifeS
    fails()
    expect(desk.owed().state).toBe(state)
    expect(toldOfFailure()).toEqual([state === 'ready' ? 2 : 0])
  })

  test('that can not be paid at all is not tried again', () => {
    desk.payoutPlanned()
    heard()
    fails({ reason: 'unpayable', tried: false })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'refused', last_detail: 'unpayable' })
    expect(desk.owed().state).toBe('need_destination')
    expect(toldOfFailure()).toEqual([0])
  })

  test('for the second time, and can not be paid at all: the buyer was told before, and is asked', () => {
    desk.payoutPlanned()
    heard()
    desk.putOwed({ failures: 1 })
    fails({ reason: 'unpayable', tried: false })
    expect(toldOfFailure()).toEqual([])
    expect(prompts()).toBe(1)
  })

  test('while an earlier request may still arrive: nothing is counted or said, it is looked at again', () => {
    desk.payoutPlanned()
    desk.claimed(PAY_ID)
    fails({ reason: 'unpayable', tried: false })
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'unknown', next_at: START_S + 30, last_detail: 'fence' })
    expect(desk.owed()).toMatchObject({ state: 'ready', failures: 0 })
    expect(toldOfFailure()).toEqual([])
    desk.nowS += 7
    fails({ reason: 'unpayable', tried: false })
    expect(desk.op(PAY_ID).next_at).toBe(START_S + 37)
  })

  test.each([
    ['less than a quarter of an hour ago', 899, 0, 'unknown'],
    ['a quarter of an hour ago', 900, 0, 'refused'],
    ['a quarter of an hour ago, by a clock in doubt', 900, 1, 'unknown'],
  ])('whose connection was lost %s', (_, agoS, doubtS, state) => {
    desk.payoutPlanned()
    desk.claimed(PAY_ID, { state: 'unknown', last_lost_at: START_S })
    desk.nowS = START_S + agoS
    desk.doubtS = doubtS
    fails({ reason: 'unpayable', tried: false })
    expect(desk.op(PAY_ID).state).toBe(state)
  })

  test('and that LND had spoken of and does not find: it stays as it is', () => {
    desk.payoutPlanned()
    heard()
    fails({ reason: 'unpayable', tried: false, notFound: true })
    expect(desk.op(PAY_ID).state).toBe('unknown')
    fails({ notFound: true })
    expect(desk.op(PAY_ID).state).toBe('unknown')
    expect(desk.owed().failures).toBe(0)
  })

  test.each([
    ['ends with its intent', { unacked: 0 }, 'refused'],
    ['waits for what may still arrive', { unacked: 1 }, 'unknown'],
  ])('of what is not payable any more %s, and nothing is said', (_, columns, state) => {
    desk.payoutPlanned()
    heard(columns)
    desk.putOwed({ state: 'review', review_why: 'conflict' })
    fails()
    expect(desk.op(PAY_ID)).toMatchObject({ state, ...(state === 'refused' ? {} : { next_at: START_S + 30 }) })
    expect(desk.owed()).toMatchObject({ state: 'review', failures: 0 })
    expect(toldOfFailure()).toEqual([])
    expect(desk.alerts()).toEqual({})
  })

  test('and is none: it is a bug', () => {
    desk.payoutPlanned()
    expect(() => fails({}, `hold_create:${desk.escrow().hash}`)).toThrow(/has an obligation/)
  })

  describe('to an address', () => {
    const viaAddress = (failures = 0, resolveFailures = 0) => {
      const invoice = desk.bobsInvoice({ expiryS: 400 })
      desk.order({ buyer_destination: address('bob@wallets.example') })
      desk.settledEscrow()
      desk.do((tx) => addressAnswered(desk.ctx, tx, PAYOUT_ID, 0, invoice.request, invoice.hash))
      desk.putOwed({ failures, resolve_failures: resolveFailures })
      heard()
      desk.woken()
      desk.nowS += 100
    }

    test('gets a fresh invoice after the pause, and the buyer is told how often it will be tried', () => {
      viaAddress()
      fails()
      expect(desk.op(PAY_ID).state).toBe('refused')
      expect(desk.owed()).toMatchObject({ state: 'ready', destination_rev: 1, next_at: desk.nowS + 300, failures: 1 })
      expect(toldOfFailure()).toEqual([2])
      expect(desk.woken()).toEqual(['resolver'])
    })

    test.each([
      ['whose budget is used up', 2, 0],
      ['that gave no invoice five times in a row', 0, 5],
    ])('%s is given up: the buyer is asked', (_, failures, resolveFailures) => {
      viaAddress(failures, resolveFailures)
      fails()
      expect(desk.owed()).toMatchObject({ state: 'need_destination', destination: null })
      expect(prompts()).toBe(1)
      expect(toldOfFailure()).toEqual(failures === 0 ? [0] : [])
    })
  })

  test('to the developers is tried for ever in their week, slowly when the budget is used up', () => {
    const { oid, id } = owes('dev_fee', WEEK_S, address('dev@fees.example'))
    heard({}, id)
    fails({}, id)
    expect(desk.owed(oid)).toMatchObject({ state: 'ready', failures: 1, destination_rev: 1, next_at: START_S + 3600 })
    expect(desk.woken()).toEqual(['resolver'])
    expect(toldOfFailure()).toEqual([])
  })

  test.each([
    ['a second before its week is over', WEEK_S - 1, 'ready'],
    ['when its week is over', WEEK_S, 'void'],
  ])('to the developers %s', (_, elapsedS, state) => {
    const { oid, id } = owes('dev_fee', WEEK_S, address('dev@fees.example'))
    heard({}, id)
    desk.nowS += elapsedS
    fails({}, id)
    expect(desk.owed(oid).state).toBe(state)
    const shared = desk.ledger().filter((line) => line.includes('share'))
    expect(shared).toEqual(state === 'void' ? [`owed:${oid} > share: ${PAYOUT_MSAT}`] : [])
    const booked = desk.store.all("SELECT id, order_id FROM ledger WHERE credit = 'share'")
    expect(booked).toEqual(state === 'void' ? [{ id: `void:${oid}:0`, order_id: ORDER_ID }] : [])
    expect(desk.alerts()).toEqual(state === 'void' ? { [`obligation-void:${oid}`]: 1 } : {})
  })

  test('in a custody: who is owed is asked again, without a message that no client would know', () => {
    const { oid, id } = owes('custody')
    heard({}, id)
    fails({}, id)
    expect(desk.owed(oid)).toMatchObject({ state: 'need_destination', prompts: 0 })
    expect(toldOfFailure()).toEqual([])
  })

  test.each(BOND_WINDOWS)('of a slashed bond’s share %s', (_, windowS, state) => {
    const { oid, id } = owes('bond_payout', windowS)
    heard({}, id)
    desk.nowS += 60
    fails({}, id)
    expect(desk.owed(oid)).toMatchObject(bondOutcome(state))
    expect(desk.alerts()).toEqual(state === 'review' ? { [`obligation-review:${oid}`]: 2 } : {})
  })
})

describe('a planned payment whose invoice ends', () => {
  const expires = (op = desk.op(PAY_ID)) => desk.do((tx) => expireUnsent(desk.ctx, tx, op))
  const planned = (lifeS: number) => {
    desk.payoutPlanned({ expiryS: 3600 })
    desk.nowS = START_S + 3600 - lifeS
  }

  test('in more than a minute is sent', () => {
    planned(61)
    changesNothing(() => expires())
  })

  test('in a minute: the buyer is asked for another one at once (W10)', () => {
    planned(60)
    expires()
    expect(desk.op(PAY_ID).state).toBe('void')
    expect(desk.owed().state).toBe('need_destination')
    expect(toldOfFailure()).toEqual([0])
    expect(prompts()).toBe(1)
  })

  test('and is on its way already: it is left alone', () => {
    planned(60)
    desk.claimed(PAY_ID)
    desk.woken()
    changesNothing(() => expires())
    expect(desk.woken()).toEqual([])
  })

  test('after an attempt that failed: the buyer is asked', () => {
    planned(60)
    desk.change(PAY_ID, { attempt: 1, unacked: 0 })
    expires()
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'refused', last_class: 'T' })
    expect(prompts()).toBe(1)
  })

  test('while an earlier request may still arrive: only a look-up ends it', () => {
    planned(60)
    desk.change(PAY_ID, { attempt: 1, unacked: 1 })
    desk.woken()
    expires()
    expect(desk.op(PAY_ID)).toMatchObject({ state: 'unknown', next_at: desk.nowS })
    expect(desk.woken()).toEqual(['executor'])
    expect(toldOfFailure()).toEqual([])
    expect(desk.owed().state).toBe('ready')
  })

  test('while an earlier request has ended with it: that is no reason to send another one unseen', () => {
    planned(60)
    desk.change(PAY_ID, { attempt: 1, unacked: 1, request_expires_at: desk.nowS - 100 })
    expires()
    expect(desk.op(PAY_ID).state).toBe('unknown')
  })

  test.each(BOND_WINDOWS)('and was for a slashed bond’s share %s', (_, windowS, state) => {
    const { oid, id } = owes('bond_payout', windowS)
    desk.nowS += 60
    desk.change(id, { request_expires_at: desk.nowS })
    expires(desk.op(id))
    expect(desk.owed(oid)).toMatchObject(bondOutcome(state))
    expect(toldOfFailure()).toEqual([])
  })

  test('and came from an address: it gives another one at once', () => {
    const invoice = desk.bobsInvoice({ expiryS: 3600 })
    desk.order({ buyer_destination: address('bob@wallets.example') })
    desk.settledEscrow()
    desk.do((tx) => addressAnswered(desk.ctx, tx, PAYOUT_ID, 0, invoice.request, invoice.hash))
    desk.nowS += 3540
    desk.woken()
    expires()
    expect(desk.owed()).toMatchObject({ state: 'ready', destination_rev: 1, next_at: desk.nowS })
    expect(desk.woken()).toEqual(['resolver'])
    expect(toldOfFailure()).toEqual([])
    expect(prompts()).toBe(0)
  })

  test.each<[string, Partial<LnOpRow>]>([
    ['and pays for nothing', { obligation_id: null }],
    ['and pays for nothing that we know', { obligation_id: 'buyer_payout:unheard-of' }],
  ])('%s: nothing happens', (_, columns) => {
    planned(60)
    changesNothing(() => expires({ ...desk.op(PAY_ID), ...columns }))
  })

  test('and says nothing of its end: it has ended', () => {
    planned(3600)
    expires({ ...desk.op(PAY_ID), request_expires_at: null })
    expect(desk.op(PAY_ID).state).toBe('void')
  })
})

describe('an address', () => {
  const fails = (oid = PAYOUT_ID, rev = 0) => desk.do((tx) => addressFailed(desk.ctx, tx, oid, rev, 'down'))
  const gives = (request: string, hash: string, rev = 0, oid = PAYOUT_ID) =>
    desk.do((tx) => addressAnswered(desk.ctx, tx, oid, rev, request, hash))
  const owedToAddress = () => {
    desk.order({ buyer_destination: address('bob@wallets.example') })
    desk.settledEscrow()
  }

  test('that gives no invoice is asked ever more rarely, five times; then the buyer is asked', () => {
    owedToAddress()
    for (const [n, pauseS] of [60, 300, 900, 3600].entries()) {
      fails()
      expect(desk.owed()).toMatchObject({ state: 'ready', resolve_failures: n + 1, next_at: START_S + pauseS })
      expect(prompts()).toBe(0)
    }
    fails()
    expect(desk.owed()).toMatchObject({ state: 'need_destination', destination: null })
    expect(prompts()).toBe(1)
    expect(desk.logged.filter((event) => event === 'address gave no invoice')).toHaveLength(5)
  })

  test('that was replaced meanwhile does not count, nor does one that nobody is owed at', () => {
    owedToAddress()
    changesNothing(() => fails(PAYOUT_ID, 1))
    changesNothing(() => fails('buyer_payout:unheard-of'))
  })

  test.each([
    ['in their week is asked on', WEEK_S - 1, 'ready'],
    ['after their week is given up', WEEK_S, 'void'],
  ])('of the developers %s', (_, elapsedS, state) => {
    withDevFee()
    desk.order()
    desk.settledEscrow()
    desk.putOwed({ resolve_failures: 4 }, DEV_FEE_ID)
    desk.nowS += elapsedS
    fails(DEV_FEE_ID)
    expect(desk.owed(DEV_FEE_ID)).toMatchObject({ state, destination_rev: 0, resolve_failures: 5 })
  })

  test.each(BOND_WINDOWS)('of the winner of a slashed bond’s share that fails %s', (_, windowS, state) => {
    const { oid, id } = owes('bond_payout', windowS, address('bob@wallets.example'))
    desk.change(id, { state: 'refused' })
    desk.putOwed({ resolve_failures: 4 }, oid)
    desk.nowS += 60
    fails(oid)
    expect(desk.owed(oid)).toMatchObject(bondOutcome(state))
  })

  test('gives an invoice: it is reserved, planned, and what failed before is forgotten', () => {
    owedToAddress()
    fails()
    const { request, hash } = desk.bobsInvoice()
    gives(request, hash)
    expect(desk.op(PAY_ID)).toMatchObject({ hash, state: 'planned' })
    expect(desk.owed()).toMatchObject({ resolve_failures: 0, next_at: START_S })
    expect(desk.store.get('SELECT owner, payee FROM payout_hash WHERE hash = :hash', { hash })).toEqual({
      owner: PAYOUT_ID,
      payee: BOB,
    })
  })

  test('gives an invoice that serves another payment: it has failed', () => {
    owedToAddress()
    const { request, hash } = desk.bobsInvoice()
    desk.reserves(hash, 'buyer_payout:another')
    gives(request, hash)
    expect(desk.find(PAY_ID)).toBeUndefined()
    expect(desk.owed().resolve_failures).toBe(1)
  })

  test('gives an invoice that ends too soon: it has failed', () => {
    owedToAddress()
    const { request, hash } = desk.bobsInvoice({ expiryS: 60 })
    gives(request, hash)
    expect(desk.find(PAY_ID)).toBeUndefined()
    expect(desk.owed().resolve_failures).toBe(1)
  })

  test.each<[string, number, Partial<ObligationRow>, string?]>([
    ['that was replaced', 1, {}],
    ['although the buyer is asked now', 0, { state: 'need_destination' }],
    ['for nobody', 0, { state: 'review', review_why: 'conflict' }],
    ['for what is not owed', 0, {}, 'buyer_payout:unheard-of'],
  ])('gives an invoice %s: nothing happens', (_, rev, columns, oid) => {
    owedToAddress()
    const { request, hash } = desk.bobsInvoice()
    desk.putOwed(columns)
    changesNothing(() => gives(request, hash, rev, oid))
  })
})

describe('the buyer gives another invoice', () => {
  const gives = (destination: { json: string; hash: string | null }, sender = BOB) =>
    desk.do((tx) => changeDestination(desk.ctx, tx, desk.owed(), sender, destination))
  const NEXT_ID = `pay:${PAYOUT_ID}:1`

  test.each<[string, Partial<LnOpRow>, string]>([
    ['was never sent', {}, 'void'],
    ['was sent, failed and waits for its next attempt', { attempt: 1, unacked: 0 }, 'refused'],
  ])('in place of one that %s: it is paid instead', (_, columns, end) => {
    desk.payoutPlanned()
    desk.change(PAY_ID, columns)
    desk.putOwed({ failures: 2 })
    const next = desk.bobsInvoice()
    expect(gives(next)).toBe('changed')
    expect(desk.op(PAY_ID).state).toBe(end)
    expect(desk.op(NEXT_ID)).toMatchObject({ state: 'planned', hash: next.hash })
    expect(desk.owed()).toMatchObject({ destination: next.json, destination_rev: 1, failures: 0 })
  })

  test.each<[string, Partial<LnOpRow>]>([
    ['is being sent', { state: 'dispatching', attempt: 1, boot_id: 'b', lease_until: 1, conn: 1 }],
    ['is on its way', { state: 'in_flight', attempt: 1 }],
    ['may be on its way', { state: 'unknown', attempt: 1 }],
    ['was paid', { state: 'done', attempt: 1 }],
    ['waits while an earlier request may still arrive', { attempt: 1, unacked: 1 }],
    ['was sent, unseen, and has ended since', { attempt: 1, unacked: 1, request_expires_at: START_S - 100 }],
  ])('in place of one that %s: he must wait', (_, columns) => {
    desk.payoutPlanned()
    desk.change(PAY_ID, columns)
    const before = desk.op(PAY_ID)
    expect(gives(desk.bobsInvoice())).toBe('payment-under-way')
    expect(desk.op(PAY_ID)).toEqual(before)
    expect(desk.find(NEXT_ID)).toBeUndefined()
  })

  test('that serves another payment: the one that is there stays', () => {
    desk.payoutPlanned()
    const next = desk.bobsInvoice()
    desk.reserves(next.hash, 'buyer_payout:another')
    changesNothing(() => expect(gives(next)).toBe('reserved-elsewhere'))
  })

  test('when he was asked for one', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    const next = desk.bobsInvoice()
    expect(gives(next)).toBe('changed')
    expect(desk.op(NEXT_ID).hash).toBe(next.hash)
  })

  test('or rather an address: it is asked for an invoice', () => {
    desk.payoutPlanned()
    desk.woken()
    expect(gives({ json: address('bob@wallets.example'), hash: null })).toBe('changed')
    expect(desk.owed().destination).toBe(address('bob@wallets.example'))
    expect(desk.find(NEXT_ID)).toBeUndefined()
    expect(desk.woken()).toEqual(['resolver'])
  })

  test('and is not the buyer: nothing changes but his reservation', () => {
    desk.order({ buyer_destination: null })
    desk.settledEscrow()
    const before = desk.owed()
    expect(gives(desk.bobsInvoice(), ALICE)).toBe('payment-under-way')
    expect(desk.owed()).toEqual(before)
  })
})
