import { describe, expect, test } from 'vitest'
import { msat } from '../../../../src/core/money.ts'
import { hit, miss, World } from './world.ts'

/** The payee gives an invoice. */
const answer = (d: World, oid: string, sender = 'P') => d.s.obligation_destination({ oid, dest: '{}', sender })

describe('obligations', () => {
  test('an obligation is funded by the settled hold, prompted, forfeited, and yields to a late success', () => {
    const d = new World()
    d.hold('A', 2)
    d.settle('A')
    d.obligation('W', 'blocked', { fund: 'A', destination: null, kind: 'bond_payout', window: 1000 })
    miss(d.s.obligation_fund({ hash: 'A', now: 5 }))
    miss(d.s.obligation_unfund({ hash: 'A' }))
    d.final('A', 'settled', 5)
    expect(d.s.obligation_fund({ hash: 'A', now: 5 })).toEqual([
      { id: 'W', kind: 'bond_payout', state: 'need_destination' },
    ])
    miss(d.s.obligation_fund({ hash: 'A', now: 6 }))
    miss(d.s.obligation_prompt_ok({ oid: 'W', now: 5 })) // nothing was asked yet
    const prompted = { prompts: 1, anchor_at: 5, claim_until: 1005 }
    expect(d.s.obligation_prompt({ oid: 'W', now: 5, cadence: 600 })).toEqual(prompted)
    miss(d.s.obligation_prompt({ oid: 'W', now: 6, cadence: 600 }))
    hit(d.s.obligation_prompt_ok({ oid: 'W', now: 6 }))
    miss(d.s.obligation_prompt_ok({ oid: 'W', now: 7 }))
    miss(d.s.obligation_paid({ oid: 'W', op: 'none' }))
    miss(d.s.obligation_forfeit({ oid: 'W', now: 2000 }))
    hit(d.s.obligation_forfeit({ oid: 'W', now: 6 + 86_400 }))
    miss(d.s.obligation_review({ oid: 'none', why: 'conflict' }))
    hit(d.s.obligation_review({ oid: 'W', why: 'late-success' }))
    miss(d.s.obligation_void({ oid: 'W', operator: 0 }))
    hit(d.s.obligation_void({ oid: 'W', operator: 1 }))
  })

  test('what a maker reserved goes with him to his new trade key, and nothing else does', () => {
    const d = new World()
    const mine = { owner: 'buyer_payout:o', payee: 'old', now: 1 }
    d.s.hash_reserve({ ...mine, hash: 'P1' })
    d.s.hash_reserve({ ...mine, owner: 'buyer_payout:p', hash: 'P2' })
    expect(d.s.hash_follow({ owner: mine.owner, from: 'old', to: 'new' })).toEqual({ hash: 'P1' })
    miss(d.s.hash_follow({ owner: mine.owner, from: 'old', to: 'new' }))
    hit(d.s.hash_reserve({ ...mine, payee: 'new', hash: 'P1' })) // his under the new key ..
    miss(d.s.hash_reserve({ ...mine, hash: 'P1' })) // .. and no more under the old one
    expect(d.value("SELECT payee FROM payout_hash WHERE hash = 'P2'")).toBe('old')
  })

  test('a development fee may be given up, and what no hold funded is void', () => {
    const d = new World()
    d.obligation('F', 'need_destination', { kind: 'dev_fee' })
    hit(d.s.obligation_void({ oid: 'F', operator: 0 }))
    d.hold('B', 1, { order: 'b' })
    d.obligation('V', 'blocked', { fund: 'B', order: 'b' })
    d.final('B', 'canceled')
    expect(d.s.obligation_unfund({ hash: 'B' })).toEqual([{ id: 'V', kind: 'buyer_payout' }])
    miss(d.s.obligation_unfund({ hash: 'B' }))
  })

  test('paid stays paid, amounts and anchors are frozen, a payee never changes, and rows are kept', () => {
    const d = new World()
    d.obligation('O')
    const p = d.planned('O', 'H')
    d.claim(p)
    d.s.op_done({ id: p, result: '{}' })
    hit(d.s.obligation_paid({ oid: 'O', op: p }))
    miss(d.s.obligation_paid({ oid: 'O', op: p }))
    d.refuses(/paid stays/, "UPDATE obligation SET state = 'ready', paid_op = NULL")
    d.refuses(/anchor never moves/, 'UPDATE obligation SET anchor_at = 77')
    d.refuses(/frozen/, 'UPDATE obligation SET amount_msat = 1')
    d.refuses(/never changes/, "UPDATE obligation SET payee = 'C'")
    d.refuses(/kept/, 'DELETE FROM obligation')
    d.refuses(/kept/, 'REPLACE INTO obligation SELECT * FROM obligation')
  })

  test('an obligation is planned once', () => {
    const d = new World()
    d.hold('A', 2)
    const plan = {
      oid: 'buyer_payout:o',
      kind: 'buyer_payout',
      order_id: 'o',
      bond_id: null,
      payee: 'P',
      amount_msat: msat(1000),
      max_fee_msat: msat(10),
      funded_by: 'A',
      window_s: null,
      attempts_max: 3,
      retry_s: 60,
      destination: null,
      now: 1,
    } as const
    hit(d.s.obligation_plan(plan))
    miss(d.s.obligation_plan({ ...plan, amount_msat: msat(2000) }))
    expect(d.sql('SELECT amount_msat, state FROM obligation')).toEqual([{ amount_msat: 1000, state: 'blocked' }])
  })

  test('C4: an address whose invoice died keeps its count and asks for another invoice under a new id', () => {
    const d = new World()
    d.obligation('O', 'ready', { destination: '{"address"}' })
    const v = () => Number(d.value("SELECT version FROM obligation WHERE id = 'O'"))
    hit(d.s.resolve_claim({ oid: 'O', v: v(), now: 5, until: 65 }))
    miss(d.s.resolve_claim({ oid: 'O', v: v(), now: 6, until: 66 })) // one owner at a time
    expect(d.s.resolve_abandoned({ now: 7 })).toEqual([{ id: 'O' }]) // its owner died
    miss(d.s.resolve_abandoned({ now: 7 }))
    hit(d.s.resolve_claim({ oid: 'O', v: v(), now: 7, until: 67 }))
    expect(d.s.resolve_result({ oid: 'O', rev: 0, failed: 1, next: 70 })).toEqual({ resolve_failures: 1 })
    miss(d.s.resolve_abandoned({ now: 7 })) // a pause after a failure is none
    hit(d.s.resolve_claim({ oid: 'O', v: v(), now: 70, until: 130 }))
    expect(d.s.resolve_abandoned({ now: 71 })).toEqual([{ id: 'O' }]) // the look-up after it is one
    miss(d.s.resolve_abandoned({ now: 71 }))
    miss(d.s.resolve_result({ oid: 'O', rev: 9, failed: 1, next: 70 }))
    expect(d.plan('O', 'H')).toBe('pay:O:0')
    expect(d.s.resolve_result({ oid: 'O', rev: 0, failed: 0, next: 0 })).toEqual({ resolve_failures: 0 })
    d.claim('pay:O:0')
    d.s.op_ack({ id: 'pay:O:0', attempt: 1, alive: 0, known: 1 })
    d.s.obligation_failure({ oid: 'O', payee_fault: 1 })
    hit(d.abandon('pay:O:0'))
    expect(d.s.obligation_refetch({ oid: 'O', next: 70 })).toEqual({ destination_rev: 1 })
    expect(d.sql('SELECT destination, failures, state FROM obligation')).toEqual([
      { destination: '{"address"}', failures: 1, state: 'ready' },
    ])
    expect(d.plan('O', 'H')).toBeUndefined() // never the old hash
    expect(d.plan('O', 'H2')).toBe('pay:O:1')
  })

  test('custody waits for the verdict, an overpayment for the operator', () => {
    const d = new World()
    d.hold('A', 2)
    d.settle('A', 'guard')
    d.obligation('custody:o', 'blocked', { fund: 'A', destination: null, payee: null, kind: 'custody' })
    d.obligation('overpayment:o', 'blocked', { fund: 'A', destination: null, kind: 'overpayment' })
    d.final('A', 'settled', 5)
    const funded = d.s.obligation_fund({ hash: 'A', now: 5 }).map(({ id, state }) => [id, state])
    expect(funded.sort()).toEqual([
      ['custody:o', 'review'],
      ['overpayment:o', 'review'],
    ])
    miss(d.s.obligation_name_payee({ oid: 'overpayment:o', payee: 'B' }))
    expect(d.s.obligation_name_payee({ oid: 'custody:o', payee: 'B' })).toEqual({ state: 'need_destination' })
    d.refuses(/never changes/, "UPDATE obligation SET payee = 'C' WHERE id = 'custody:o'")
    expect(answer(d, 'custody:o', 'B')).toEqual({ state: 'ready', destination_rev: 1 })
  })

  test('A3: one invoice serves one trade', () => {
    const d = new World()
    const reserve = (hash: string, owner: string, payee: string) => d.s.hash_reserve({ hash, owner, payee, now: 1 })
    hit(reserve('X', 'buyer_payout:o', 'P'))
    hit(reserve('X', 'buyer_payout:o', 'P')) // the order was published again and taken again
    miss(reserve('X', 'buyer_payout:p', 'P'))
    miss(reserve('X', 'buyer_payout:o', 'Q'))
    d.hold('H')
    miss(reserve('H', 'buyer_payout:o', 'P')) // our own hold
    d.obligation('buyer_payout:o')
    d.claim(d.planned('buyer_payout:o', 'X'))
    miss(reserve('X', 'buyer_payout:o', 'P')) // it may have been paid
  })

  test('A3: two settles with one invoice are both recorded, and the second buyer is asked again', () => {
    const d = new World()
    for (const [hash, order] of [
      ['A', 'o1'],
      ['B', 'o2'],
    ] as const) {
      d.hold(hash, 2, { order })
      d.settle(hash)
      d.obligation(`buyer_payout:${order}`, 'blocked', { fund: hash, order })
      d.store.transaction(() => {
        hit(d.final(hash, 'settled', 2))
        d.s.obligation_fund({ hash, now: 2 })
        if (d.plan(`buyer_payout:${order}`, 'SAME') === undefined)
          hit(d.s.obligation_reask({ oid: `buyer_payout:${order}` }))
      })
    }
    expect(d.value('SELECT group_concat(final) FROM hold')).toBe('settled,settled')
    expect(d.value("SELECT state FROM obligation WHERE id = 'buyer_payout:o2'")).toBe('need_destination')
  })

  test('A4: every prompt is another message, and a repeated saga step says nothing twice', () => {
    const d = new World()
    hit(d.say('B', 'msg1', 0))
    hit(d.say('B', 'msg1', 1))
    miss(d.say('B', 'msg1', 0))
    d.obligation('W', 'need_destination', { kind: 'bond_payout', window: 9999 })
    for (const [i, now] of [0, 600, 1200].entries()) {
      const { prompts } = hit(d.s.obligation_prompt({ oid: 'W', now, cadence: 600 }))
      expect(prompts).toBe(i + 1)
      hit(d.say('W', `prompt:W:${prompts}`, 0, { now, asks: 1, oid: 'W' }))
    }
  })

  test('A5: a dispute that comes while a release settles finds another phase, and the fall-back cannot fail', () => {
    const d = new World()
    d.order('o', 'fiat-sent')
    d.hold('H', 2)
    d.settle('H', 'seller')
    const at = { id: 'o', status: 'fiat-sent' } as const
    const settled = { status: 'settled-hold-invoice', phase: 'steady' } as const
    hit(d.store.moveOrder({ ...at, phase: 'steady', version: 1 }, { status: 'fiat-sent', phase: 'releasing' }))
    miss(d.store.moveOrder({ ...at, phase: 'steady', version: 2 }, { status: 'dispute', phase: 'steady' }))
    hit(d.store.moveOrder({ ...at, phase: 'releasing', version: 2 }, settled))
    hit(d.s.order_review({ id: 'o' }))
  })

  test.each([
    ['in review because his invoices failed', 'review', 'payee-exhausted', 'P', true],
    ['in review because of a conflict', 'review', 'conflict', 'P', false],
    ['late, but not forfeited', 'need_destination', undefined, 'P', true],
    ['of somebody else', 'need_destination', undefined, 'X', false],
    ['forfeited', 'forfeited', undefined, 'P', false],
  ] as const)('B9: an invoice for an obligation %s', (_, state, why, sender, accepted) => {
    const d = new World()
    d.obligation('R', state, {
      kind: 'bond_payout',
      window: 10,
      destination: null,
      ...(why === undefined ? {} : { why }),
    })
    if (accepted) expect(answer(d, 'R', sender)).toEqual({ state: 'ready', destination_rev: 1 })
    else miss(answer(d, 'R', sender))
  })

  test('B9: an invoice may come before the money, and not after an operator has closed the review', () => {
    const d = new World()
    d.hold('A', 2)
    d.obligation('K', 'blocked', { fund: 'A', destination: null, kind: 'bond_payout' })
    expect(answer(d, 'K')).toEqual({ state: 'blocked', destination_rev: 1 })
    d.obligation('R', 'review', { kind: 'bond_payout', why: 'payee-exhausted', destination: null })
    d.s.obligation_void({ oid: 'R', operator: 1 })
    miss(answer(d, 'R'))
  })

  test('B9: an invoice is swapped between two attempts, never under one that may have left', () => {
    const d = new World()
    d.obligation('Y')
    const p = d.planned('Y', 'H')
    miss(answer(d, 'Y'))
    d.claim(p)
    miss(answer(d, 'Y'))
    d.s.op_ack({ id: p, attempt: 1, alive: 0, known: 0 })
    d.again(p, { class: 'T-attempt' })
    hit(d.abandon(p, { lookedUp: 0 }))
    expect(answer(d, 'Y')).toEqual({ state: 'ready', destination_rev: 1 })
    d.obligation('Z')
    const q = d.planned('Z', 'H3')
    d.claim(q)
    d.unknown(q, 1)
    d.again(q, { notFound: 1 })
    miss(d.abandon(q, { lookedUp: 0, now: 9999 }))
  })

  test("B9: only a winner's share forfeits, and only a day after a relay took the request for an invoice", () => {
    const d = new World()
    d.obligation('Q', 'need_destination', { kind: 'bond_payout', window: 10 })
    miss(d.s.obligation_forfeit({ oid: 'Q', now: 10 ** 6 })) // never asked
    d.s.obligation_prompt({ oid: 'Q', now: 5, cadence: 1 })
    d.s.obligation_prompt_ok({ oid: 'Q', now: 6 })
    miss(d.s.obligation_forfeit({ oid: 'Q', now: 6 + 86_399 }))
    hit(d.s.obligation_forfeit({ oid: 'Q', now: 6 + 86_400 }))
    miss(answer(d, 'Q'))
    d.obligation('M', 'need_destination', { kind: 'maker_refund', window: 10 })
    d.sql("UPDATE obligation SET prompt_ok_at = 1 WHERE id = 'M'")
    miss(d.s.obligation_forfeit({ oid: 'M', now: 10 ** 9 }))
    miss(d.s.obligation_void({ oid: 'M', operator: 0 }))
    d.obligation('W', 'need_destination', { kind: 'bond_payout', window: 10 ** 6 })
    d.sql("UPDATE obligation SET prompt_ok_at = 1 WHERE id = 'W'")
    miss(d.s.obligation_forfeit({ oid: 'W', now: 10 ** 6 - 1 }))
    hit(d.s.obligation_forfeit({ oid: 'W', now: 10 ** 6 }))
  })

  test('B10: the window of a payout begins when the money is ours, and never moves', () => {
    const d = new World()
    d.hold('A', 2)
    d.settle('A')
    d.obligation('W', 'blocked', { fund: 'A', destination: null, kind: 'bond_payout', window: 1000 })
    d.final('A', 'settled', 172_810) // LND was down for two days
    d.s.obligation_fund({ hash: 'A', now: 172_810 })
    expect(d.sql('SELECT anchor_at, claim_until FROM obligation')).toEqual([
      { anchor_at: 172_810, claim_until: 173_810 },
    ])
    d.refuses(/never moves/, 'UPDATE obligation SET anchor_at = 1')
    d.refuses(/never moves/, 'UPDATE obligation SET claim_until = 1')
  })

  test.each(['need_destination', 'forfeited'] as const)(
    'nothing that needs a destination happens to one that is %s',
    (state) => {
      const d = new World()
      d.obligation('x', state, { kind: 'bond_payout', window: 10 })
      miss(d.s.obligation_failure({ oid: 'x', payee_fault: 1 }))
      miss(d.s.obligation_reask({ oid: 'x' }))
      miss(d.s.obligation_refetch({ oid: 'x', next: 1 }))
      miss(d.s.resolve_claim({ oid: 'x', v: 1, now: 1, until: 2 }))
      miss(d.s.resolve_result({ oid: 'x', rev: 0, failed: 1, next: 1 }))
    },
  )

  test('nobody is prompted for what is ready, and nothing without money goes to review', () => {
    const d = new World()
    d.hold('A', 1)
    d.obligation('r')
    d.obligation('b', 'blocked', { fund: 'A', destination: null })
    miss(d.s.obligation_prompt({ oid: 'r', now: 1, cadence: 0 }))
    miss(d.s.obligation_review({ oid: 'b', why: 'conflict' }))
    d.sql("UPDATE obligation SET last_prompt_at = 1 WHERE id = 'r'")
    miss(d.s.obligation_prompt_ok({ oid: 'r', now: 1 }))
    d.obligation('x', 'review', { why: 'awaiting-verdict', destination: null, payee: null, kind: 'bond_payout' })
    miss(d.s.obligation_name_payee({ oid: 'x', payee: 'P' }))
    d.obligation('y', 'review', { why: 'awaiting-verdict', destination: null, kind: 'custody' })
    miss(d.s.obligation_name_payee({ oid: 'y', payee: 'P' }))
  })
})

describe('the ledger', () => {
  test('a transfer is posted once, moves both accounts, and stays', () => {
    const d = new World()
    const transfer = { cause: 'settle:H', n: 0, debit: 'ln', credit: 'fee', msat: msat(5), order_id: 'o', now: 1 }
    expect(d.s.ledger_post(transfer)).toEqual({ id: 'settle:H:0' })
    miss(d.s.ledger_post({ ...transfer, now: 2 }))
    expect(d.value("SELECT debit FROM account WHERE name = 'ln'")).toBe(5)
    expect(d.value("SELECT credit FROM account WHERE name = 'fee'")).toBe(5)
    expect(d.value('SELECT SUM(debit) - SUM(credit) FROM account')).toBe(0)
    d.refuses(/append-only/, 'UPDATE ledger SET msat = 6')
    d.refuses(/append-only/, 'DELETE FROM ledger')
    d.refuses(/append-only/, 'REPLACE INTO ledger SELECT * FROM ledger')
    d.refuses(/CHECK/, "INSERT INTO ledger VALUES ('x:0', 'ln', 'ln', 5, 'x', 'o', 1)")
    d.refuses(/CHECK/, "INSERT INTO ledger VALUES ('x:0', 'ln', 'fee', -5, 'x', 'o', 1)")
  })
})
