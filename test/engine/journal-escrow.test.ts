/** The rows and intents of an escrow: planned, given back, taken, each once (money-path.md 4.1 A1, A4; ). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CancelWhy } from '../../src/core/order/decision.ts'
import {
  cancelEscrow,
  ensureCancel,
  holdParams,
  intentDone,
  originOfOp,
  ourNode,
  planEscrow,
  settleEscrow,
  settleWhy,
} from '../../src/engine/journal/escrow-intents.ts'
import { alert, originJson } from '../../src/engine/say.ts'
import { memoTail } from '../../src/engine/seed.ts'
import { ALICE, ESCROW_MSAT, JournalDesk, NODE, ORDER_ID, RELEASED, REQUEST, START_S } from '../support/journal-desk.ts'

let desk: JournalDesk
beforeEach(() => {
  desk = new JournalDesk()
})
afterEach(() => desk.close())

const planned = (answers: boolean) => ({ amountMsat: ESCROW_MSAT, answers, origin: answers ? REQUEST : null })
const givesBack = (why: CancelWhy = 'maker-canceled') =>
  desk.do((tx) => cancelEscrow(desk.ctx, tx, ORDER_ID, why, 'message-1'))

describe('an escrow that is planned', () => {
  test('has everything that LND will be asked for, and wakes the runner', () => {
    desk.meetsLightning()
    const order = desk.order()
    desk.do((tx) => planEscrow(desk.ctx, tx, order, planned(true)))
    const hold = desk.escrow()
    const { seed } = desk.ctx
    const memo = `Escrow for order ${ORDER_ID}: SELL BTC for USD 100. Your sats are frozen until the trade ends.`
    expect(hold).toMatchObject({
      hash: seed.hash('escrow', hold.counter),
      purpose: 'escrow',
      order_id: ORDER_ID,
      bond_id: null,
      epoch: 1,
      amount_msat: ESCROW_MSAT,
      cltv_delta: 144,
      life_s: 960,
      memo: memo + memoTail(seed.marker(), 'escrow', hold.counter),
      request: null,
      request_key: REQUEST.requestKey,
      answer_by: START_S + 8,
      node_pubkey: NODE,
      created_at: START_S,
    })
    expect(desk.op(`hold_create:${hold.hash}`)).toMatchObject({
      kind: 'hold_create',
      hash: hold.hash,
      node_pubkey: NODE,
      params: JSON.stringify({ v: 1, origin: originJson(REQUEST) }),
      state: 'planned',
      next_at: START_S,
    })
    expect(desk.woken()).toEqual(['executor'])
  })

  test('has no answer deadline and no request when nobody waits for an answer', () => {
    desk.meetsLightning().order()
    expect(desk.plannedEscrow()).toMatchObject({ answer_by: null, request_key: null })
  })

  test('is answered within the full second in which the deadline ends', () => {
    desk.close()
    desk = new JournalDesk({ answerDeadlineMs: 8001 })
    desk.meetsLightning().order()
    expect(desk.plannedEscrow(REQUEST, true).answer_by).toBe(START_S + 9)
  })

  test('counts on after those that the order had before', () => {
    desk.meetsLightning().order()
    desk.plannedEscrow()
    givesBack()
    expect(desk.plannedEscrow().epoch).toBe(2)
  })

  test.each([
    ['an order that nobody took', { status: 'pending' as const }],
    [
      'an order that a person looks at and nobody took',
      { status: 'pending' as const, phase: 'review' as const, taker_pubkey: null, taker_identity: null },
    ],
  ])('names no amount of money for %s', (_, row) => {
    desk.meetsLightning().order(row)
    expect(desk.plannedEscrow().memo).toContain('SELL BTC for USD. Your')
  })

  test('has a memo that an invoice can hold, and keeps the tail that a recovery reads', () => {
    desk.meetsLightning().order({ fiat_code: 'X'.repeat(2000) })
    const { memo, counter } = desk.plannedEscrow()
    expect(Buffer.byteLength(memo)).toBe(639)
    expect(memo.endsWith(`XX${memoTail(desk.ctx.seed.marker(), 'escrow', counter)}`)).toBe(true)
  })

  test('needs a Lightning node that was met', () => {
    const order = desk.order()
    expect(desk.do(ourNode)).toBeNull()
    expect(() => desk.do((tx) => planEscrow(desk.ctx, tx, order, planned(false)))).toThrow(/Lightning was met/)
    desk.meetsLightning()
    expect(desk.do(ourNode)).toBe(NODE)
  })

  test('is the only one of its order', () => {
    desk.meetsLightning().order()
    desk.plannedEscrow()
    expect(() => desk.plannedEscrow()).toThrow()
  })
})

describe('an escrow that is given back', () => {
  test('when there is none: nothing happens', () => {
    desk.meetsLightning().order()
    expect(givesBack()).toBe('nothing')
    expect(desk.woken()).toEqual([])
  })

  test('before its create was sent: both are over, and LND need not be told', () => {
    desk.meetsLightning().order()
    const { hash } = desk.plannedEscrow()
    expect(givesBack()).toBe('void')
    expect(desk.escrow()).toMatchObject({
      decision: 'cancel',
      decided_by: 'message-1',
      decided_why: JSON.stringify({ v: 1, reason: 'maker-canceled' }),
      final: 'canceled',
      final_at: START_S,
      held_msat: null,
      settle_index: null,
    })
    expect(desk.op(`hold_create:${hash}`).state).toBe('void')
    expect(desk.find(`hold_cancel:${hash}`)).toBeUndefined()
    expect(desk.woken()).toEqual([])
  })

  test('after its create was sent: LND will be told, once', () => {
    desk.meetsLightning().order()
    const { hash } = desk.sentEscrow()
    expect(givesBack('duty-over')).toBe('planned')
    expect(desk.escrow()).toMatchObject({
      decision: 'cancel',
      decided_at: START_S,
      decided_why: JSON.stringify({ v: 1, reason: 'duty-over' }),
      final: null,
    })
    expect(desk.op(`hold_cancel:${hash}`)).toMatchObject({
      kind: 'hold_cancel',
      hash,
      node_pubkey: NODE,
      params: JSON.stringify({ v: 1, origin: null }),
      state: 'planned',
      next_at: START_S,
    })
    expect(desk.woken()).toEqual(['executor'])
    expect(givesBack('overpaid')).toBe('nothing')
    expect(desk.escrow().decided_why).toContain('duty-over')
  })

  test('not after the seller released it', () => {
    desk.meetsLightning().order()
    desk.releasedEscrow()
    expect(givesBack()).toBe('nothing')
    expect(desk.escrow().decision).toBe('settle')
    expect(desk.woken()).toEqual([])
  })

  test('is asked for once more only while the decision is to give it back', () => {
    desk.meetsLightning().order()
    const again = (hash: string) => desk.do((tx) => ensureCancel(desk.ctx, tx, hash))
    again('00'.repeat(32))
    const { hash } = desk.openEscrow()
    again(hash)
    expect(desk.find(`hold_cancel:${hash}`)).toBeUndefined()
    expect(desk.woken()).toEqual([])
    desk.cancelledEscrow()
    const op = `hold_cancel:${hash}`
    desk.change(op, { state: 'done', next_at: 0 })
    again(hash)
    expect(desk.op(op)).toMatchObject({ state: 'planned', next_at: START_S })
    expect(desk.woken()).toEqual(['executor'])
  })

  test('is planned when the decision stands and its intent is missing', () => {
    desk.meetsLightning().order()
    const { hash } = desk.openEscrow()
    desk.do((tx) => tx.s.decide_cancel({ hash, now: START_S, by: 'x', why: '{}' }))
    desk.do((tx) => ensureCancel(desk.ctx, tx, hash))
    expect(desk.op(`hold_cancel:${hash}`)).toMatchObject({
      kind: 'hold_cancel',
      node_pubkey: NODE,
      params: JSON.stringify({ v: 1, origin: null }),
      state: 'planned',
    })
  })
})

describe('an escrow that is taken', () => {
  const settles = () => desk.do((tx) => settleEscrow(desk.ctx, tx, ORDER_ID, RELEASED, 'message-2', REQUEST))

  test('freezes what follows, and answers the seller when LND has settled', () => {
    desk.meetsLightning().order()
    const { hash } = desk.heldEscrow()
    expect(settles().hash).toBe(hash)
    const hold = desk.escrow()
    expect(hold).toMatchObject({ decision: 'settle', decided_by: 'message-2', decided_at: START_S })
    expect(settleWhy(hold)).toEqual(RELEASED)
    expect(desk.op(`hold_settle:${hash}`)).toMatchObject({
      kind: 'hold_settle',
      hash,
      node_pubkey: NODE,
      params: JSON.stringify({ v: 1, origin: { sender: ALICE, requestId: '77', requestKey: REQUEST.requestKey } }),
      state: 'planned',
      next_at: START_S,
    })
    expect(desk.woken()).toEqual(['executor'])
    expect(desk.do((tx) => originOfOp(tx, `hold_settle:${hash}`))).toEqual(originJson(REQUEST))
    expect(desk.do((tx) => originOfOp(tx, 'hold_settle:unheard-of'))).toBeNull()
  })

  test('must be there and held', () => {
    desk.meetsLightning().order()
    expect(settles).toThrow(/nothing to settle/)
    desk.openEscrow()
    expect(settles).toThrow(/not held or already decided/)
    expect(desk.escrow().decision).toBe('none')
  })

  test.each([
    ['a decision to give it back', JSON.stringify({ v: 1, reason: 'expired' })],
    ['a version that we do not know', JSON.stringify({ ...RELEASED, v: 2 })],
    ['a decision without a version', JSON.stringify({ payoutMsat: 1 })],
    ['a number', '7'],
    ['null', 'null'],
  ])('is not read from %s', (_, decided_why) => {
    desk.meetsLightning().order()
    const hold = desk.openEscrow()
    expect(() => settleWhy({ ...hold, decided_why })).toThrow(/a settle decision of version 1/)
  })

  test('is not read before it was decided', () => {
    desk.meetsLightning().order()
    const hold = desk.openEscrow()
    expect(() => settleWhy(hold)).toThrow(/a decision has its reason/)
  })
})

describe('the parameters of an intent', () => {
  test.each(['null', '7', '{}', '{"v":2,"origin":null}'])('are refused when they read %s', (json) => {
    expect(() => holdParams(json)).toThrow(/version 1/)
  })

  test('are read back as they were written', () => {
    expect(holdParams('{"v":1,"origin":null}')).toEqual({ v: 1, origin: null })
  })
})

describe('an intent that is in effect', () => {
  const done = (id: string) => desk.do((tx) => intentDone(tx, id, 'hold_create', { request: 'lnbcrt1' }))
  const operatorHears = (key: string) => desk.do((tx) => alert(desk.ctx, tx, key, 2, 'look'))

  test('keeps what LND said, and ends the alerts that it answers, once', () => {
    desk.meetsLightning().order()
    const id = `hold_create:${desk.sentEscrow().hash}`
    for (const key of [`slow:${id}`, 'lightning-refused:hold_create', 'lightning-refused:pay']) operatorHears(key)
    expect(done(id)).toBe(true)
    expect(desk.op(id)).toMatchObject({ state: 'done', result: JSON.stringify({ v: 1, request: 'lnbcrt1' }) })
    expect(desk.alerts()).toEqual({ 'lightning-refused:pay': 2 })
    operatorHears(`slow:${id}`)
    operatorHears('lightning-refused:hold_create')
    expect(done(id)).toBe(false)
    expect(Object.keys(desk.alerts()).sort()).toEqual(['lightning-refused:hold_create', 'lightning-refused:pay'])
  })
})
