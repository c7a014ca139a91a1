/** What SQLite does inside a daemon: how long it works on each message, and how it finds its rows. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { Void } from '../benchmark.ts'
import type { DaemonProcess } from './daemon.ts'
import { pause } from './relay-client.ts'

const DEADLINE_MS = 5000
const LOOK_MS = 10
const PRELOAD = join(import.meta.dirname, '../preload-statement-times.ts')

export type Noted = { readonly samplesMs: readonly number[]; readonly statements: readonly string[] }

/** What one daemon is started with, and how its notes are read. */
export type StatementTimes = {
  readonly nodeArgs: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Everything since the last call. */
  take(daemon: DaemonProcess): Promise<Noted>
  remove(): void
}

export function statementTimes(): StatementTimes {
  const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-'))
  const file = join(dir, 'statements.json')
  return {
    nodeArgs: ['--import', import.meta.resolve('tsx'), '--import', PRELOAD],
    env: { BENCH_STATEMENTS: file },
    async take(daemon) {
      rmSync(file, { force: true })
      process.kill(daemon.pid, 'SIGUSR2')
      const endMs = performance.now() + DEADLINE_MS
      for (;;) {
        const noted = existsSync(file) ? read(file) : null
        if (noted !== null) return noted
        if (performance.now() > endMs) throw new Void('the daemon does not tell how long SQLite worked')
        await pause(LOOK_MS)
      }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** Null while the file is being written. */
function read(file: string): Noted | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Noted
  } catch {
    return null
  }
}

/** Tables that grow with every trade. */
const GROWING = ['orders', 'inbox', 'outbox_msg', 'outbox_pub', 'hold', 'obligation', 'ledger']

/**
 * Steps of the statements' plans, on this database, that walk through a growing table. An index of what is under way alone
 * (a partial one) stays short, and may be walked through.
 */
export function scansOf(databaseFile: string, statements: readonly string[]): readonly string[] {
  const db = new BetterSqlite3(databaseFile, { readonly: true, timeout: 5000 })
  try {
    const partial = new Set(
      GROWING.flatMap((table) =>
        db
          .prepare<[], { name: string; partial: number }>(`PRAGMA index_list(${table})`)
          .all()
          .flatMap((index) => (index.partial === 1 ? [index.name] : [])),
      ),
    )
    return statements
      .filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(sql))
      .flatMap((sql) => {
        const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...nothingFor(sql))
        return plan.map(({ detail }) => detail)
      })
      .filter((step) => {
        const [, table = '', index = ''] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(step) ?? []
        return GROWING.includes(table) && !partial.has(index)
      })
  } finally {
    db.close()
  }
}

/** A value for every parameter, named or not. */
function nothingFor(sql: string): readonly unknown[] {
  const named = [...sql.matchAll(/:(\w+)/g)].map(([, name]) => [name, null])
  const unnamed = [...sql.matchAll(/\?/g)].map(() => null)
  return named.length > 0 ? [...unnamed, Object.fromEntries(named)] : unnamed
}
