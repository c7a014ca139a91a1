import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HoldRow, LnOpRow, ObligationNowRow, OrderRow } from '../../src/adapters/sqlite/schema.ts'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const recorded = readdirSync(HERE).filter((name) => name.endsWith('.db'))

test('the first version left a database', () => {
  expect(recorded).toContain('0000_money_engine.db')
})

describe.each(recorded)('the database %s', (name) => {
  let dir: string
  let store: Store
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fianza-history-'))
    cpSync(join(HERE, name), join(dir, name))
    store = openStore(join(dir, name))
  })
  afterEach(() => {
    store.close()
    rmSync(dir, { recursive: true })
  })

  test('is sound after its migration', () => {
    expect(store.db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(store.db.pragma('foreign_key_check')).toEqual([])
    expect(store.get('SELECT SUM(debit) - SUM(credit) AS off FROM account')).toEqual({ off: 0 })
  })

  test('still says what happened', () => {
    const order = store.get<OrderRow>("SELECT * FROM orders WHERE id = 'slice'")
    expect(order).toMatchObject({
      status: 'settled-hold-invoice',
      phase: 'steady',
      amount_msat: 50_000_000,
      settled_at: 1101,
    })
    expect(store.s.book_over({ now: 90_000 }).map(({ id }) => id)).toEqual(['range'])
    const escrow = store.get<HoldRow>('SELECT * FROM hold')
    expect(escrow).toMatchObject({ final: 'settled', decision: 'settle', held_msat: 50_150_000, settle_index: 7 })
    const payout = store.get<ObligationNowRow>('SELECT * FROM obligation_now')
    expect(payout).toMatchObject({ shown: 'paying', anchor_at: 1101, amount_msat: 49_850_000 })
    expect(store.get('SELECT rater, stars FROM rating')).toEqual({ rater: 'seller', stars: 5 })
    const alice = Buffer.from('alice'.padEnd(32, '.')).toString('hex')
    expect(store.s.user_get({ identity: alice })).toMatchObject({ total_reviews: 1, total_rating: 2, last_rating: 4 })
    expect(store.all('SELECT * FROM price')).toEqual([{ currency: 'EUR', value: 90_000.25, as_of: 1000 }])
    expect(store.s.process_last()).toMatchObject({ boot_id: 'boot-1', clean: 0 })
    expect(store.s.request_look({ key: 'request-1', now: 1200 })).toMatchObject({ verdict: 'same' })
  })

  test('goes on where the last process was killed: the payment is looked up, succeeds and is booked once', () => {
    const [op] = store.s.boot_unknown({ now: 2000, boot: 'boot-2' })
    expect(op).toEqual({ id: 'pay:buyer_payout:slice:0' })
    expect(store.s.in_hand_boot()).toEqual([{ outer_id: 'unfinished', exits: 1 }])
    const id = op?.id ?? ''
    store.transaction(() => {
      expect(store.s.op_done({ id, result: '{"v":1}' })).toBeDefined()
      expect(store.s.obligation_paid({ oid: 'buyer_payout:slice', op: id })).toBeDefined()
      const order = store.s.orders_of_parent({ parent: 'range' })[0]
      expect(order && store.moveOrder(order, { status: 'success', phase: 'steady' })).toMatchObject({ version: 5 })
    })
    expect(store.s.op_done({ id, result: '{"v":1}' })).toBeUndefined()
    expect(store.get<LnOpRow>('SELECT * FROM ln_op WHERE id = :id', { id })).toMatchObject({
      state: 'done',
      unacked: 0,
    })
  })
})
