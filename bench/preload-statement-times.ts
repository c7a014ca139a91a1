/**
 * Loaded into a daemon before itself: notes how long SQLite works on each message, from BEGIN to the end of COMMIT, and
 * which statements there are. SIGUSR2 writes it to the file that BENCH_STATEMENTS names, and begins anew.
 */
import { writeFileSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'

const MESSAGE = /^\s*INSERT INTO inbox\b/

let samplesMs: number[] = []
let statements = new Set<string>()
let open: { ms: number; messages: number } | null = null

function note(source: string, ms: number): void {
  statements.add(source)
  if (source === 'BEGIN IMMEDIATE') open = { ms: 0, messages: 0 }
  if (open === null) return
  open.ms += ms
  if (MESSAGE.test(source)) open.messages += 1
  if (source !== 'COMMIT') return
  if (open.messages > 0) samplesMs.push(open.ms / open.messages)
  open = null
}

const { prototype } = BetterSqlite3
const original = prototype.prepare
prototype.prepare = function prepare(this: BetterSqlite3.Database, source: string) {
  const statement = original.call(this, source)
  for (const method of ['run', 'get', 'all'] as const) {
    const work = statement[method]
    if (typeof work !== 'function') continue
    statement[method] = ((...params: unknown[]) => {
      const startMs = performance.now()
      try {
        return Reflect.apply(work, statement, params)
      } finally {
        note(source, performance.now() - startMs)
      }
    }) as never
  }
  return statement
} as typeof original

process.on('SIGUSR2', () => {
  writeFileSync(process.env['BENCH_STATEMENTS'] ?? '', JSON.stringify({ samplesMs, statements: [...statements] }))
  samplesMs = []
  statements = new Set()
})
