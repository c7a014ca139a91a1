import { describe, expect, test } from 'vitest'
import { STATEMENTS } from '../../../src/adapters/sqlite/statements/index.ts'
import './cases/orders.ts'
import './cases/holds.ts'
import './cases/intents.ts'
import './cases/obligations.ts'
import './cases/messages.ts'
import './cases/daemon.ts'
import './cases/guards.ts'
import { seen, World } from './cases/world.ts'

/** Small tables, or ones of which every row is wanted. */
const MAY_BE_SCANNED = new Set(['in_hand', 'hand', 'process', 'price', 'r', 'relay'])

/** Planned for rows that refer to the new one, and skipped at run time: no broken reference can be waiting for it. */
const REFERENCE_CHECKS = ['node_add: SCAN ln_op', 'node_add: SCAN hold']

describe('the statements as a whole', () => {
  const entries = Object.entries(STATEMENTS)

  test('every change of an order, a hold, an obligation or an intent raises its version', () => {
    const silent = entries
      .filter(
        ([, { sql }]) =>
          /^\s*UPDATE (orders|hold|obligation|ln_op)\b/.test(sql) && !sql.includes('version = version + 1'),
      )
      .map(([name]) => name)
    expect(silent).toEqual(['duty_ok', 'duties_sooner']) // no party can notice it
  })

  test('no text is made of a number that would end in `.0`', () => {
    const texts = entries.flatMap(([, { sql }]) => [...sql.matchAll(/\|\| *:(\w+)/g)].map(([, param]) => param))
    expect(texts).toEqual([])
  })

  test('no statement reads a big table from end to end', () => {
    const db = new World().store.db
    const scans = entries.flatMap(([name, { sql }]) => {
      const params = Object.fromEntries([...sql.matchAll(/:(\w+)/g)].map(([, param]) => [param, 1]))
      const plan = db.prepare<[object], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(params)
      return plan
        .map(({ detail }) => /^SCAN (\w+)\b(?! USING (COVERING )?INDEX| ROW)/.exec(detail))
        .flatMap((scan) => (scan === null || MAY_BE_SCANNED.has(scan[1] ?? '') ? [] : [`${name}: ${scan.input}`]))
    })
    expect(scans).toEqual(REFERENCE_CHECKS)
  })

  test('every statement was hit, and missed where it can miss, by the cases above', () => {
    const unproved = entries
      .filter(([name, { rows }]) => {
        const { hits, misses } = seen.get(name) ?? { hits: 0, misses: 0 }
        return hits === 0 || (misses === 0 && rows !== 'always')
      })
      .map(([name]) => name)
    expect(unproved).toEqual([])
  })
})
