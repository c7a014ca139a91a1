import { describe, expect, test } from 'vitest'
import type { OrderRow } from '../../../../src/adapters/sqlite/schema.ts'
import { anOrder, hit, miss, World } from './world.ts'

describe('orders', () => {
  test('an order moves only from the row that the decision was made from', () => {
    const d = new World()
    d.order('o', 'pending')
    const at = { id: 'o', status: 'pending', phase: 'steady', version: 1 } as const
    expect(d.store.moveOrder(at, { status: 'pending', phase: 'opening' })).toMatchObject({ version: 2 })
    miss(d.store.moveOrder(at, { status: 'canceled', phase: 'steady' })) // an older version
    miss(d.store.moveOrder({ ...at, version: 2 }, { status: 'canceled', phase: 'steady' })) // another phase
    d.refuses(/CHECK/, "UPDATE orders SET phase = 'releasing' WHERE id = 'o'")
    expect(d.s.order_review({ id: 'o' })).toEqual({ status: 'pending', version: 3 })
    miss(d.s.order_review({ id: 'none' }))
    d.refuses(/CHECK/, "UPDATE orders SET status = 'in-progress' WHERE id = 'o'")
  })

  test('a take and its undoing set and clear columns in the same compare-and-swap', () => {
    const d = new World()
    d.order('o', 'pending')
    const book = { id: 'o', status: 'pending', phase: 'steady', version: 1 } as const
    const taken = { taker_pubkey: 'T', taker_identity: 'TI', taker_index: 3, taken_at: 7, buyer_destination: '{}' }
    expect(d.store.moveOrder(book, { status: 'pending', phase: 'opening' }, taken)).toMatchObject({ version: 2 })
    miss(d.store.moveOrder(book, { status: 'pending', phase: 'opening' }, { ...taken, taker_pubkey: 'U' }))
    const row = hit(d.store.get<OrderRow>("SELECT * FROM orders WHERE id = 'o'"))
    expect(row).toMatchObject({ ...taken, version: 2, phase: 'opening' })
    expect(() => d.store.moveOrder(row, { status: 'pending', phase: 'steady' })).toThrow(/CHECK/)
    const undone = {
      taker_pubkey: null,
      taker_identity: null,
      taker_index: null,
      taken_at: null,
      buyer_destination: null,
    }
    expect(d.store.moveOrder(row, { status: 'pending', phase: 'steady' }, undone)).toMatchObject({ version: 3 })
    expect(d.store.get<OrderRow>("SELECT * FROM orders WHERE id = 'o'")).toMatchObject({ ...undone, phase: 'steady' })
  })

  test('the keys of open orders are known, those of ended ones are forgotten', () => {
    const d = new World()
    expect(d.s.orders_open_keys()).toEqual([])
    d.order('open', 'active', 'steady', { maker_pubkey: 'M', taker_pubkey: 'T' })
    d.order('book', 'pending', 'steady', { maker_pubkey: 'N' })
    d.order('over', 'success', 'steady', { maker_pubkey: 'O', taker_pubkey: 'P' })
    expect(d.s.orders_open_keys().map(({ key }) => key)).toEqual(['M', 'N', 'T'])
  })

  test('a column that is not named stays as it is', () => {
    const d = new World()
    d.order('o', 'pending', 'steady', { maker_destination: '{"v":1}' })
    const before = hit(d.store.get<OrderRow>("SELECT * FROM orders WHERE id = 'o'"))
    d.store.moveOrder(before, { status: 'canceled', phase: 'steady' })
    expect(d.store.get("SELECT * FROM orders WHERE id = 'o'")).toEqual({ ...before, status: 'canceled', version: 2 })
  })

  test('the same order inserted again changes nothing', () => {
    const d = new World()
    expect(d.store.insertOrder(anOrder)).toMatchObject({ id: 'o' })
    miss(d.store.insertOrder({ ...anOrder, fiat_code: 'USD' }))
    expect(d.value('SELECT fiat_code FROM orders')).toBe('EUR')
  })

  test.each([
    ['a taker without an identity', { taker_pubkey: 'T', phase: 'opening' }],
    ['a trade index without a taker', { taker_index: 1 }],
    ['a taker in the book', { taker_pubkey: 'T', taker_identity: 'TI' }],
    ['a trade without a taker', { status: 'active' }],
    ['a maker who trades with himself', { status: 'active', taker_pubkey: 'maker', taker_identity: 'TI' }],
    ['half a range', { min_amount: 1 }],
    ['a range upside down', { min_amount: 2, max_amount: 1 }],
    ['a range from nothing', { min_amount: 0, max_amount: 1 }],
    ['a next key without its index', { next_trade_pubkey: 'K' }],
    ['an accepted request that was never made', { duty_ok_at: 1 }],
    ['its own parent', { range_parent: 'o' }],
  ] as const)('the schema refuses %s', (_, columns) => {
    const d = new World()
    expect(() => d.store.insertOrder({ ...anOrder, ...columns })).toThrow(/CHECK/)
  })

  test('where an order comes from never changes, its version only rises, and it is kept', () => {
    const d = new World()
    d.order()
    d.refuses(/origin/, "UPDATE orders SET maker_identity = 'X'")
    d.refuses(/only rises/, 'UPDATE orders SET version = version')
    d.refuses(/kept/, 'DELETE FROM orders')
    d.refuses(/kept/, 'REPLACE INTO orders SELECT * FROM orders')
  })

  test('a relay that takes the request of a duty is noted once and changes no version', () => {
    const d = new World()
    d.order('o', 'waiting-payment', 'steady', { duty_epoch: 2, duty_anchor_at: 10 })
    miss(d.s.duty_ok({ id: 'o', epoch: 1, now: 11 }))
    hit(d.s.duty_ok({ id: 'o', epoch: 2, now: 11 }))
    miss(d.s.duty_ok({ id: 'o', epoch: 2, now: 12 }))
    expect(d.sql('SELECT duty_ok_at, version FROM orders')).toEqual([{ duty_ok_at: 11, version: 1 }])
  })

  test('due duties and ended take windows are found', () => {
    const d = new World()
    d.order('late', 'waiting-payment', 'steady', { duty_anchor_at: 10 })
    d.order('later', 'waiting-buyer-invoice', 'steady', { duty_anchor_at: 5 })
    d.order('busy', 'waiting-payment', 'timing-out', { duty_anchor_at: 1 })
    d.order('done', 'active', 'steady', { duty_anchor_at: 1 })
    d.order('heard', 'waiting-payment', 'steady', { duty_anchor_at: 11, duty_ok_at: 12 })
    expect(d.s.duty_unheard().map(({ id }) => id)).toEqual(['later', 'late'])
    miss(new World().s.duty_unheard())
    miss(d.s.duty_due({ anchored_by: 4 }))
    expect(d.s.duty_due({ anchored_by: 10 }).map(({ id }) => id)).toEqual(['later', 'late'])
    d.order('offer', 'pending', 'steady', { expires_at: 50 })
    miss(d.s.book_over({ now: 49 }))
    expect(d.s.book_over({ now: 50 }).map(({ id }) => id)).toEqual(['offer'])
  })

  test('what a range order left behind is found', () => {
    const d = new World()
    d.order('taken', 'active', 'steady', { taker_pubkey: 'b1', taker_identity: 'B' })
    d.order('child', 'pending', 'steady', { range_parent: 'taken' })
    expect(d.s.orders_of_parent({ parent: 'taken' }).map(({ id }) => id)).toEqual(['child'])
    miss(d.s.orders_of_parent({ parent: 'child' }))
  })
})
