import { describe, expect, test } from 'vitest'
import { openStore } from '../../../src/adapters/sqlite/store.ts'
import { queriesIn } from './queries.ts'

/** Tables of which every row is wanted, and which stay small. */
const SMALL = new Set(['relay', 'ln_node', 'alert', 'price', 'CONSTANT', 'json_each'])

/** Partial indexes of what is under way: short, however much has been traded. */
const LIVE = new Set([
  'orders_moving',
  'orders_duty',
  'orders_open_maker_identity',
  'orders_open_taker_identity',
  'hold_live',
  'hold_clock',
  'hold_answer',
  'obligation_open',
  'ln_op_due',
  'outbox_due',
  'outbox_dead',
])

/** Indexes of all that ever happened, in order: good for the newest few. */
const HISTORY = new Set(['hold_settled', 'ln_op_paid'])

const { db } = openStore(':memory:')
const QUERIES = queriesIn('engine', 'app')

function planOf(sql: string): readonly string[] {
  const params = Object.fromEntries([...sql.matchAll(/:(\w+)/g)].map(([, param]) => [param, 1]))
  const steps = db.prepare<[object], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(params)
  return steps.map(({ detail }) => detail)
}

/** Steps of a query's plan that read more than what is under way. */
function longReads(sql: string): readonly string[] {
  const plan = planOf(sql)
  const subqueries = new Set(plan.flatMap((step) => /^CO-ROUTINE (\w+)/.exec(step)?.[1] ?? []))
  return plan.filter((step) => {
    if (step.includes('AUTOMATIC') || /^SEARCH \w+$/.test(step)) return true
    const [, table = '', index = ''] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(step) ?? []
    if (table === '' || SMALL.has(table) || subqueries.has(table) || LIVE.has(index)) return false
    return !(HISTORY.has(index) && /\bLIMIT \d+/.test(sql))
  })
}

describe('the queries of the engine and the application', () => {
  test('are found in the code', () => {
    expect(QUERIES.length).toBeGreaterThan(50)
    expect(QUERIES.map(({ at }) => at.replace(/:\d+$/, ''))).toContain('src/engine/rows.ts')
  })

  test.each(QUERIES)('$at reads no table from end to end', ({ sql }) => {
    expect(longReads(sql)).toEqual([])
  })

  test.each([
    ['a whole table', 'SELECT * FROM ledger'],
    ['all that ever was, by an index', 'SELECT id FROM orders'],
    ['a status that an index holds, in words that do not tell', "SELECT * FROM orders WHERE phase = 'opening'"],
    ['the history of payments without an end', "SELECT id FROM ln_op WHERE kind = 'pay' AND state = 'done'"],
    ['a whole table for its least value', "SELECT MIN(next_at) FROM ln_op WHERE state = 'planned'"],
    [
      'an index that would have to be built',
      'SELECT 1 FROM hold a JOIN outbox_msg b ON b.body = a.memo AND a.hash = 1',
    ],
  ])('would be refused if they read %s', (_, sql) => {
    expect(longReads(sql)).not.toEqual([])
  })
})
