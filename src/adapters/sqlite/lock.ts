import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'

/** Another process works in the data directory. `pid` is null when the holder is not known. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError'
  readonly pid: number | null

  constructor(dir: string, pid: number | null) {
    super(`${dir} is in use by ${pid === null ? 'another process' : `process ${pid}`}`)
    this.pid = pid
  }
}

/**
 * Takes the data directory for this process, or throws {@link DirectoryLockedError}; creates the directory when it
 * is missing. One money engine at a time: two would each believe to be the only writer (money-path.md 3.1).
 *
 * The lock is SQLite's own lock of an open file, `lock.db`, so the system takes it back when the process dies in
 * whatever way. `lock.pid` beside it only names the holder; what a dead process left there stops nobody.
 */
export function acquireDataDirLock(dir: string): { release(): void } {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const pidFile = join(dir, 'lock.pid')
  const db = new BetterSqlite3(join(dir, 'lock.db'), { timeout: 0 })
  try {
    // Nothing is ever written, so no journal can be left behind that would have to be rolled back.
    db.exec('BEGIN EXCLUSIVE')
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    db.close()
    throw isBusy(error) ? new DirectoryLockedError(dir, readPid(pidFile)) : error
  }
  return {
    release() {
      if (!db.open) return
      rmSync(pidFile, { force: true })
      db.close()
    },
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')
}

/** The process that the file names, unless it is dead: then it left the file behind, and is not the holder. */
function readPid(file: string): number | null {
  let pid: number
  try {
    pid = Number(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) ? pid : null
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
