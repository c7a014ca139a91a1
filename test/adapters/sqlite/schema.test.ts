import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIGRATIONS_FOLDER, migrate, SchemaError } from '../../../src/adapters/sqlite/migrate.ts'
import * as schema from '../../../src/adapters/sqlite/schema.ts'
import { openStore } from '../../../src/adapters/sqlite/store.ts'
import { OBLIGATION_KINDS } from '../../../src/core/obligation.ts'
import { PHASES, PHASES_OF, STORED_STATUSES, type Status } from '../../../src/core/order/order.ts'
import { anOrder } from './cases/world.ts'

/** The text of a schema without comments and layout. */
function dump(db: BetterSqlite3.Database): string {
  const texts = db
    .prepare<[], string>(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY tbl_name, type DESC, name",
    )
    .pluck()
    .all()
  const lines = texts.flatMap((text) => [...text.split('\n'), ''])
  return lines
    .map((line) => line.replace(/--.*/, '').replaceAll(/\s+/g, ' ').trim())
    .filter((line, i) => line !== '' || lines[i] === '')
    .join('\n')
}

describe('the schema', () => {
  test('of a migrated database is the expected one', async () => {
    const { db } = openStore(':memory:')
    await expect(dump(db)).toMatchFileSnapshot('./expected-schema.sql')
  })

  const tables = Object.values(schema).filter((value) => value instanceof SQLiteTable)

  test.each(tables.map((table) => [getTableConfig(table).name, getTableConfig(table).columns] as const))(
    'types the rows of %s as they are',
    (name, columns) => {
      const { db } = openStore(':memory:')
      const stored = db
        .prepare<[string], { name: string; type: string; notnull: number; pk: number; dflt_value: string | null }>(
          'SELECT name, type, "notnull", pk, dflt_value FROM pragma_table_info(?)',
        )
        .all(name)
      const declared = columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        required: column.notNull,
        key: column.primary,
        default: column.default ?? null,
      }))
      const expected = stored.map((column) => ({
        name: column.name,
        type: column.type,
        required: column.notnull === 1 || column.pk > 0,
        key: column.pk > 0,
        default: column.dflt_value === null ? null : JSON.parse(column.dflt_value.replaceAll("'", '"')),
      }))
      expect(declared).toEqual(expected)
    },
  )

  test.each([
    ['orders', 'status', STORED_STATUSES],
    ['orders', 'phase', PHASES],
    ['obligation', 'kind', OBLIGATION_KINDS],
  ] as const)('of %s knows every %s that the types know, and no other', (table, column, known) => {
    const text = String(
      openStore(':memory:').db.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').pluck().get(table),
    )
    const list = new RegExp(`CHECK \\(${column} IN\\s*\\(([^)]*)\\)`).exec(text)?.[1] ?? ''
    expect([...list.matchAll(/'([^']+)'/g)].map(([, word]) => word).sort()).toEqual([...known].sort())
  })
})

describe('an order', () => {
  const pairs = STORED_STATUSES.flatMap((status) => PHASES.map((phase) => ({ status, phase })))

  test.each(pairs)('in $status may be $phase exactly when the rules of trading say so', ({ status, phase }) => {
    const { db, insertOrder } = freshOrder()
    const change = () => {
      insertOrder(status)
      db.prepare('UPDATE orders SET phase = ?').run(phase)
    }
    if (PHASES_OF[status].includes(phase)) expect(change).not.toThrow()
    else expect(change).toThrow(/CHECK/)
  })
})

/** A database, and an order that somebody has taken wherever that is true of its status. */
function freshOrder() {
  const store = openStore(':memory:')
  const insertOrder = (status: Status) => {
    const taken = status !== 'pending' && status !== 'waiting-maker-bond'
    store.insertOrder({ ...anOrder, status, ...(taken ? { taker_pubkey: 'taker', taker_identity: 'taker' } : {}) })
  }
  return { db: store.db, insertOrder }
}

describe('migrations', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fianza-migrations-'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  /** A folder with our migrations and one more. */
  function oneMore(sql: string): string {
    const folder = join(dir, 'drizzle')
    cpSync(MIGRATIONS_FOLDER, folder, { recursive: true })
    const journalFile = join(folder, 'meta', '_journal.json')
    const journal: { entries: { idx: number; when: number; [key: string]: unknown }[] } = JSON.parse(
      readFileSync(journalFile, 'utf8'),
    )
    const last = journal.entries.at(-1)
    if (last === undefined) throw new Error('the journal is empty')
    journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1, tag: 'later' })
    writeFileSync(journalFile, JSON.stringify(journal))
    writeFileSync(join(folder, 'later.sql'), sql)
    return folder
  }

  test('run once: an existing database keeps its rows', () => {
    const file = join(dir, 'a.db')
    const first = openStore(file)
    first.s.meta_put({ key: 'k', value: 'v' })
    const before = dump(first.db)
    first.close()
    const second = openStore(file)
    expect(second.s.meta_get({ key: 'k' })).toEqual({ value: 'v' })
    expect(dump(second.db)).toBe(before)
    second.close()
  })

  test('are in the order of their time', () => {
    const journal: { entries: { when: number }[] } = JSON.parse(
      readFileSync(join(MIGRATIONS_FOLDER, 'meta', '_journal.json'), 'utf8'),
    )
    const times = journal.entries.map(({ when }) => when)
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
  })

  test('a later one changes an existing database', () => {
    const db = new BetterSqlite3(':memory:')
    migrate(db)
    db.exec("INSERT INTO meta VALUES ('k', 'v')")
    migrate(db, oneMore("ALTER TABLE meta ADD COLUMN note TEXT NOT NULL DEFAULT 'n'"))
    expect(db.prepare('SELECT * FROM meta').all()).toEqual([{ key: 'k', value: 'v', note: 'n' }])
  })

  test('one that fails changes nothing', () => {
    const db = new BetterSqlite3(':memory:')
    migrate(db)
    const before = dump(db)
    const folder = oneMore(
      'CREATE TABLE extra (a INTEGER) STRICT;\n--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);',
    )
    expect(() => migrate(db, folder)).toThrow(/nowhere/)
    expect(dump(db)).toBe(before)
  })

  test('a database of a newer version is refused, and not touched', () => {
    const file = join(dir, 'a.db')
    const db = new BetterSqlite3(file)
    migrate(db, oneMore('CREATE TABLE extra (a INTEGER) STRICT'))
    db.close()
    const before = readFileSync(file)
    expect(() => openStore(file)).toThrow(/written by a newer version: it has \d+ migrations, this version knows \d+/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('a database with another past is refused', () => {
    const db = new BetterSqlite3(':memory:')
    migrate(db)
    db.exec("UPDATE __drizzle_migrations SET hash = 'another'")
    expect(() => migrate(db)).toThrow(SchemaError)
  })

  test('a database of another program is refused', () => {
    const file = join(dir, 'a.db')
    const db = new BetterSqlite3(file)
    db.exec('CREATE TABLE wallet (a INTEGER)')
    db.close()
    const before = readFileSync(file)
    expect(() => openStore(file)).toThrow(/some other program/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('a migration that leaves rows which refer to missing rows is refused', () => {
    const db = new BetterSqlite3(':memory:')
    migrate(db)
    db.pragma('foreign_keys = OFF')
    db.exec("INSERT INTO request(key, order_id, created_at) VALUES ('k', 'nobody', 1)")
    expect(() => migrate(db, oneMore('CREATE TABLE extra (a INTEGER) STRICT'))).toThrow(/refer to missing rows/)
  })
})
