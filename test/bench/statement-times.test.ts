import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scansOf } from '../../bench/harness/statement-times.ts'
import { openStore } from '../../src/adapters/sqlite/store.ts'

const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-test-'))
const file = join(dir, 'fianza.db')
beforeAll(() => openStore(file).close())
afterAll(() => rmSync(dir, { recursive: true }))

describe('the look at query plans', () => {
  test.each([
    ['a walk through all orders', 'SELECT COUNT(*) FROM orders WHERE premium = :premium', 1],
    ['a walk through all messages ever taken', 'SELECT * FROM inbox WHERE sender = :sender', 1],
    ['an order by its id', 'SELECT * FROM orders WHERE id = :id', 0],
    ['what waits to be sent', 'SELECT id FROM outbox_msg WHERE state < 2 ORDER BY lane, next_at', 0],
    ['an order by its id, given without a name', 'SELECT * FROM orders WHERE id = ?', 0],
    ['what is no query', 'BEGIN IMMEDIATE', 0],
  ])('judges %s', (_, sql, scans) => {
    expect(scansOf(file, [sql])).toHaveLength(scans)
  })
})
