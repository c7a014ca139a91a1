/** Reaches the database of a daemon from outside, in its own process: SIGUSR2 spoils it, and the next one repairs it. */
import BetterSqlite3 from 'better-sqlite3'

/** How a database is spoiled and repaired again. */
export type Spoiling = {
  readonly spoil: (db: BetterSqlite3.Database) => void
  readonly repair: (db: BetterSqlite3.Database) => void
}

/** Waits for the daemon to open its database, and for the signals. */
export function spoilAtSignal({ spoil, repair }: Spoiling): void {
  let database: BetterSqlite3.Database | null = null
  let isSpoiled = false
  const { prototype } = BetterSqlite3
  const original = prototype.pragma
  prototype.pragma = function pragma(this: BetterSqlite3.Database, source, options) {
    if (source === 'journal_mode = WAL') database = this
    return original.call(this, source, options)
  }
  process.on('SIGUSR2', () => {
    if (database === null) return
    isSpoiled = !isSpoiled
    if (isSpoiled) spoil(database)
    else repair(database)
  })
}
