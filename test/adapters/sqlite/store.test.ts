import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore, Store } from '../../../src/adapters/sqlite/store.ts'

let dir: string
let store: Store
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fianza-store-'))
  store = openStore(join(dir, 'a.db'))
})
afterEach(() => {
  store.close()
  rmSync(dir, { recursive: true })
})

const put = (key: string) => store.s.meta_put({ key, value: 'v' })
/** What another connection sees: only what was committed. */
const committed = (): unknown[] => {
  const other = new BetterSqlite3(join(dir, 'a.db'), { readonly: true })
  try {
    return other.prepare('SELECT key FROM meta ORDER BY key').pluck().all()
  } finally {
    other.close()
  }
}

describe('a transaction', () => {
  test('is seen by others when it returned, and not before', () => {
    const result = store.transaction(() => {
      put('a')
      expect(committed()).toEqual([])
      return 7
    })
    expect(result).toBe(7)
    expect(committed()).toEqual(['a'])
  })

  test('leaves nothing when it throws, and the next one works', () => {
    expect(() =>
      store.transaction(() => {
        put('a')
        throw new Error('no')
      }),
    ).toThrow('no')
    store.transaction(() => put('b'))
    expect(committed()).toEqual(['b'])
  })

  test('does not nest', () => {
    expect(() => store.transaction(() => store.transaction(() => put('a')))).toThrow('do not nest')
    expect(committed()).toEqual([])
  })

  test('refuses to wait for a promise, and is undone', () => {
    expect(() => store.transaction(async () => put('a'))).toThrow('must not await')
    expect(() => store.transaction(() => Promise.resolve(put('b')))).toThrow('must not await')
    expect(committed()).toEqual([])
  })

  test('refuses to begin while another connection writes, without waiting', () => {
    const other = new BetterSqlite3(join(dir, 'a.db'))
    other.exec('BEGIN IMMEDIATE')
    const work = () => put('a')
    expect(() => store.transaction(work)).toThrow(/locked/)
    other.close()
    store.transaction(work)
    expect(committed()).toEqual(['a'])
  })

  test('stays undone as a whole when SQLite itself rolled back inside a savepoint', () => {
    const work = () => {
      put('a')
      try {
        store.savepoint(() => {
          store.run('ROLLBACK') // what a full disk does
          throw new Error('disk full')
        })
      } catch {
        // A batch goes on with its next message ..
      }
      store.savepoint(() => put('b')) // .. and finds that there is no transaction any more.
    }
    expect(() => store.transaction(work)).toThrow('needs a transaction')
    expect(committed()).toEqual([])
  })

  test('one statement outside of it is a transaction of its own', () => {
    put('a')
    expect(store.db.inTransaction).toBe(false)
    expect(committed()).toEqual(['a'])
  })
})

describe('a savepoint', () => {
  test('undoes its own part only, however deep', () => {
    store.transaction(() => {
      put('a')
      store.savepoint(() => {
        put('b')
        expect(() =>
          store.savepoint(() => {
            put('c')
            throw new Error('no')
          }),
        ).toThrow('no')
        put('d')
      })
      expect(() =>
        store.savepoint(() => {
          store.savepoint(() => put('e'))
          throw new Error('no')
        }),
      ).toThrow('no')
    })
    expect(committed()).toEqual(['a', 'b', 'd'])
  })

  test('needs a transaction, and refuses to wait', () => {
    expect(() => store.savepoint(() => put('a'))).toThrow('needs a transaction')
    store.transaction(() => {
      expect(() => store.savepoint(async () => put('b'))).toThrow('must not await')
    })
    expect(committed()).toEqual([])
  })
})

describe('queries', () => {
  test('take named and positional parameters', () => {
    put('a')
    put('b')
    expect(store.get<{ n: number }>('SELECT count(*) AS n FROM meta')).toEqual({ n: 2 })
    expect(store.get('SELECT key FROM meta WHERE key = :key', { key: 'b' })).toEqual({ key: 'b' })
    expect(store.get('SELECT key FROM meta WHERE key = ?', ['c'])).toBeUndefined()
    expect(store.all('SELECT key FROM meta WHERE key >= ? ORDER BY key', ['a'])).toEqual([{ key: 'a' }, { key: 'b' }])
    expect(store.run('DELETE FROM meta WHERE key = :key', { key: 'a' })).toEqual({ changes: 1 })
    expect(store.run('DELETE FROM meta WHERE key = :key', { key: 'a' })).toEqual({ changes: 0 })
  })

  test('refuse a missing parameter', () => {
    expect(() => store.all('SELECT :a', {})).toThrow('missing parameter :a')
    expect(() => store.get('SELECT ?', [])).toThrow(/parameter/i)
  })

  test('take one value in many places, and see no parameter in quotes and comments', () => {
    const sql = `SELECT :a || ':b' || ':''c' || :d AS text, -:n AS n, ":d" -- not :e
                   FROM (SELECT 1 AS ":d") LIMIT :n`
    expect(store.all(sql, { a: 'a', d: 'd', n: 1 })).toEqual([{ text: "a:b:'cd", n: -1, ':d': 1 }])
  })

  test('keep what is bound: texts, whole numbers, fractions, bytes and nothing', () => {
    const bytes = Buffer.from([0, 255])
    const row = store.get('SELECT typeof(:t) AS t, typeof(:i) AS i, typeof(:r) AS r, :b AS b, :n AS n', {
      t: '1',
      i: 1n,
      r: 1.5,
      b: bytes,
      n: null,
    })
    expect(row).toEqual({ t: 'text', i: 'integer', r: 'real', b: bytes, n: null })
  })

  test('hide their values from the planner, which would else plan anew at every call', () => {
    const texts: string[] = []
    const watched: BetterSqlite3.Database = Object.create(store.db, {
      prepare: {
        value: (sql: string) => {
          texts.push(sql)
          return store.db.prepare(sql)
        },
      },
    })
    const other = new Store(watched)
    other.get('SELECT 1 FROM ln_op WHERE kind = :kind LIMIT :n', { kind: 'pay', n: 1 })
    expect(texts).toContain('SELECT 1 FROM ln_op WHERE kind = +? LIMIT +?')
    expect(texts.filter((sql) => /[^+]\?/.test(sql))).toEqual([])
  })
})

describe('the file', () => {
  test('is written ahead, synced at every commit, and checks its references', () => {
    const pragma = (name: string) => store.db.pragma(name, { simple: true })
    expect(pragma('journal_mode')).toBe('wal')
    expect(pragma('synchronous')).toBe(2)
    expect(pragma('wal_autocheckpoint')).toBe(4000)
    expect(pragma('foreign_keys')).toBe(1)
    expect(pragma('recursive_triggers')).toBe(1)
    expect(pragma('busy_timeout')).toBe(0)
    expect(() => store.s.request_open({ key: 'k', order_id: 'nobody', now: 1 })).toThrow(/FOREIGN KEY/)
  })

  test('takes over what was written ahead at a checkpoint, and what a reader still needs to be old stays ahead', () => {
    put('a')
    const ahead = () => store.db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[]
    expect(ahead()[0]?.checkpointed).toBe(0)
    expect(store.checkpoint()).toBe(0)
    expect(ahead()[0]?.checkpointed).toBeGreaterThan(0)
    const reader = new BetterSqlite3(join(dir, 'a.db'), { readonly: true })
    reader.exec('BEGIN')
    expect(reader.prepare('SELECT count(*) FROM meta').pluck().get()).toBe(1)
    put('b')
    put('c')
    expect(store.checkpoint()).toBeGreaterThan(0)
    expect(committed()).toEqual(['a', 'b', 'c'])
    reader.close()
    expect(store.checkpoint()).toBe(0)
    expect(() => store.transaction(() => store.checkpoint())).toThrow('outside of transactions')
  })

  test('grows ahead to four thousand pages before a commit has to checkpoint', () => {
    const seen: number[] = []
    store.db.pragma('synchronous = OFF') // for the test's sake only: it looks at no power cut
    store.transaction(() => put('first'))
    for (let n = 0; n < 45; n += 1) {
      store.transaction(() => store.s.meta_put({ key: `k${n}`, value: 'x'.repeat(100 * 4096) }))
      const [row] = store.db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[]
      if ((row?.checkpointed ?? 0) > 0) seen.push(row?.log ?? 0)
    }
    expect(seen[0]).toBeGreaterThanOrEqual(4000)
    expect(seen[0]).toBeLessThan(4200)
  })

  test('is for its owner only', () => {
    put('a')
    for (const name of ['a.db', 'a.db-wal']) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600)
  })

  test('is copied while it is in use', async () => {
    put('a')
    await store.backup(join(dir, 'copy.db'))
    await store.backup(join(dir, 'copy.db'))
    const copy = openStore(join(dir, 'copy.db'))
    expect(copy.s.meta_get({ key: 'a' })).toEqual({ value: 'v' })
    copy.close()
  })

  test('is closed once or twice, and then refuses work', () => {
    store.close()
    store.close()
    expect(() => put('a')).toThrow(/not open/)
  })
})
