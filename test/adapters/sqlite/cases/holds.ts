import { describe, expect, test } from 'vitest'
import { msat } from '../../../../src/core/money.ts'
import { hit, miss, World } from './world.ts'

describe('holds', () => {
  test('a hold goes from its plan to the confirmed settle, each fact once', () => {
    const d = new World()
    expect(d.s.hold_counter({ now_ms: 5000 })).toEqual({ counter: 5000 })
    d.hold('H', 0, { answerBy: 8, key: 'k' })
    d.sql("UPDATE hold SET counter = 9000 WHERE hash = 'H'")
    expect(d.s.hold_counter({ now_ms: 5000 })).toEqual({ counter: 9001 })
    miss(d.s.hold_late({ now: 7 }))
    expect(d.s.hold_late({ now: 8 })).toHaveLength(1)
    expect(d.s.hold_dispatch({ hash: 'H', now: 100 })).toEqual({ expires_at: 1060 })
    expect(d.s.hold_adopt({ hash: 'H', request: 'ln1', expires_at: 1059 })).toEqual({
      decision: 'none',
      purpose: 'escrow',
      order_id: 'o',
      bond_id: null,
      request_key: 'k',
    })
    miss(d.s.hold_adopt({ hash: 'H', request: 'ln1', expires_at: 1059 }))
    miss(d.s.hold_late({ now: 99 }))
    miss(d.s.hold_dispatch({ hash: 'H', now: 200 }))
    miss(d.settle('H')) // nothing is held yet
    hit(d.s.hold_observe({ hash: 'H', rank: 2, msat: msat(1001), held_at: 5, height: 800 }))
    miss(d.s.hold_observe({ hash: 'H', rank: 1, msat: msat(0), held_at: 6, height: null })) // a late OPEN
    hit(d.settle('H'))
    miss(d.cancel('H'))
    miss(d.s.hold_resolved({ hash: 'H' }))
    expect(d.final('H', 'settled', 9)).toMatchObject({ decision: 'settle', order_id: 'o', held_msat: 1001 })
    miss(d.final('H', 'canceled', 9))
    hit(d.s.hold_resolved({ hash: 'H' }))
    miss(d.s.hold_resolved({ hash: 'H' }))
    expect(d.value("SELECT fate FROM hold_fate WHERE hash = 'H'")).toBe('taken')
  })

  test('an epoch of a hold is planned once; a used counter or a second live escrow is refused', () => {
    const d = new World()
    d.hold('H')
    const plan = {
      hash: 'I',
      purpose: 'escrow',
      counter: 99,
      order_id: 'o',
      bond_id: null,
      epoch: 1,
      amount_msat: msat(1000),
      cltv_delta: 144,
      life_s: 960,
      memo: 'm',
      request_key: null,
      answer_by: null,
      node: 'N',
      now: 0,
    } as const
    miss(d.s.hold_plan(plan))
    expect(() => d.s.hold_plan({ ...plan, epoch: 2 })).toThrow(/UNIQUE/)
    d.cancel('H')
    expect(() => d.s.hold_plan({ ...plan, epoch: 2, counter: 1 })).toThrow(/UNIQUE/)
    hit(d.s.hold_plan({ ...plan, epoch: 2 }))
  })

  test.each([
    ['waiting', 1, []],
    ['held', 2, []],
    ['taking', 2, ['settle']],
    ['returning', 2, ['cancel']],
    ['taken', 2, ['settle', 'settled']],
    ['returned', 1, ['canceled']],
    ['returned', 2, ['cancel', 'canceled']],
    ['lost', 2, ['canceled']],
    ['lost', 2, ['settle', 'canceled']],
  ] as const)('a hold is %s at rank %i after %j', (fate, rank, steps) => {
    const d = new World()
    d.hold('H', rank)
    for (const step of steps) hit(step === 'settle' || step === 'cancel' ? d[step]('H') : d.final('H', step))
    expect(d.value('SELECT fate FROM hold_fate')).toBe(fate)
  })

  test('a hold that was accepted and gone while we were down is lost', () => {
    const d = new World()
    d.hold('H', 1)
    d.final('H', 'canceled', 1, 1000)
    expect(d.value('SELECT fate FROM hold_fate')).toBe('lost')
  })

  test('A8: a decision, a final fact and a rank never go back, and an order has one live escrow', () => {
    const d = new World()
    d.hold('A', 2)
    expect(() => d.hold('B', 2, { epoch: 2 })).toThrow(/UNIQUE/)
    d.cancel('A')
    d.hold('B', 2, { epoch: 2 }) // published again and taken again
    d.settle('B')
    d.refuses(/never changes/, "UPDATE hold SET decision = 'cancel' WHERE hash = 'B'")
    d.refuses(/never changes/, "UPDATE hold SET decided_why = '{2}' WHERE hash = 'B'")
    d.final('B', 'settled')
    d.refuses(/final fact/, "UPDATE hold SET final = 'canceled' WHERE hash = 'B'")
    d.refuses(/rises/, "UPDATE hold SET rank = 1 WHERE hash = 'B'")
    expect(() => d.hold('C', 0, { epoch: 3 })).toThrow(/UNIQUE/) // settled: no other escrow ever
    d.refuses(/kept/, "DELETE FROM hold WHERE hash = 'B'")
    d.refuses(/kept/, "REPLACE INTO hold SELECT * FROM hold WHERE hash = 'B'")
  })

  test('A10: a take without Lightning is undone in one transaction, and the next take works at once', () => {
    const d = new World()
    d.order('o', 'pending')
    d.s.request_open({ key: 'k', order_id: 'o', now: 0 })
    const order = { id: 'o', status: 'pending' } as const
    hit(d.store.moveOrder({ ...order, phase: 'steady', version: 1 }, { status: 'pending', phase: 'opening' }))
    d.hold('H', 0, { answerBy: 8, key: 'k' })
    d.planHold('hold_create', 'H')
    d.claim('hold_create:H', { now: 1 })
    const [late] = d.s.hold_late({ now: 8 })
    expect(late).toMatchObject({ hash: 'H', order_id: 'o', request_key: 'k' })
    d.store.transaction(() => {
      hit(d.cancel('H', 'answer-deadline'))
      miss(d.s.create_void({ hash: 'H' })) // it may have left
      hit(d.planHold('hold_cancel', 'H'))
      hit(d.store.moveOrder({ ...order, phase: 'opening', version: 2 }, { status: 'pending', phase: 'steady' }))
      hit(d.s.request_drop({ key: 'k' }))
      hit(d.say('T', 'answer:k'))
    })
    expect(hit(d.s.hold_adopt({ hash: 'H', request: 'ln', expires_at: 9 })).decision).toBe('cancel') // too late: nobody is told
    d.hold('H2', 0, { epoch: 2, answerBy: 20, key: 'k' })
  })

  test('a final hold takes no more facts, and a decided hold no other decision', () => {
    const d = new World()
    d.hold('H', 2, { answerBy: 8 })
    d.final('H', 'canceled')
    miss(d.s.hold_adopt({ hash: 'H', request: 'x', expires_at: 1 }))
    miss(d.s.hold_dispatch({ hash: 'H', now: 1 }))
    miss(d.s.hold_observe({ hash: 'H', rank: 2, msat: null, held_at: null, height: null }))
    miss(d.cancel('H'))
    d.hold('C', 2, { order: 'c' })
    d.final('C', 'canceled')
    miss(d.settle('C'))
    d.hold('S', 2, { order: 's' })
    hit(d.settle('S'))
    miss(d.settle('S', 'y'))
    d.hold('L', 0, { order: 'l', answerBy: 8 })
    d.cancel('L')
    miss(d.s.hold_late({ now: 99 }))
  })
})
