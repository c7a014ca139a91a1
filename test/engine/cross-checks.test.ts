import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CrossChecks } from '../../src/engine/recovery/cross-checks.ts'
import { JournalDesk, ORDER_ID } from '../support/journal-desk.ts'

let desk: JournalDesk
beforeEach(() => {
  desk = new JournalDesk().meetsLightning()
  desk.order()
  desk.put({ duty_anchor_at: null, duty_ok_at: null })
})
afterEach(() => desk.close())

/** Writes the row of an order, and of its escrow, again under other names: an order that is under way like it. */
function copies(count: number): void {
  const rowOf = (table: string) =>
    desk.store.get<Record<string, string | number | null>>(`SELECT * FROM ${table}`) ?? {}
  const put = (table: string, row: Record<string, string | number | null>) =>
    desk.store.run(
      `INSERT INTO ${table}(${Object.keys(row).join(', ')}) VALUES (${Object.keys(row).map((column) => `:${column}`)})`,
      row,
    )
  const [order, hold] = [rowOf('orders'), rowOf('hold')]
  desk.store.transaction(() => {
    for (let n = 1; n <= count; n += 1) {
      // Before the order that ended, as a book would have them.
      const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
      put('orders', { ...order, id })
      put('hold', { ...hold, hash: String(n).padStart(64, '0'), counter: 1_000_000 + n, order_id: id })
    }
  })
}

describe('X-6: an order that is over keeps no undecided hold', () => {
  const check = (checks: CrossChecks) => desk.do((tx) => checks.run(desk.ctx, tx))

  test('one that is open all the same is given back, once', () => {
    desk.openEscrow()
    desk.put({ status: 'canceled', phase: 'steady' })
    const checks = new CrossChecks()
    check(checks)
    expect(desk.escrow()).toMatchObject({ decision: 'cancel', decided_by: 'cross-check' })
    const { version } = desk.escrow()
    check(checks)
    expect(desk.escrow()).toMatchObject({ version })
  })

  test('one of an order that goes on is left alone', () => {
    desk.openEscrow()
    check(new CrossChecks())
    expect(desk.escrow()).toMatchObject({ decision: 'none' })
  })

  test('of very many, each round looks at some, and the rounds at all of them', () => {
    desk.openEscrow()
    copies(2100)
    desk.put({ status: 'canceled', phase: 'steady' }, ORDER_ID)
    const ended = () => desk.store.all('SELECT 1 FROM hold WHERE decision = :decision', { decision: 'cancel' }).length
    const checks = new CrossChecks()
    check(checks)
    expect(ended()).toBe(0)
    check(checks)
    expect(ended()).toBe(1)
  })
})
