import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import { assert } from '../../core/assert.ts'

const require = createRequire(import.meta.url)

/** Where the migrations lie: in the package's own folder, above its sources and above the bundle. */
export const MIGRATIONS_FOLDER = folderAbove(import.meta.dirname, 'drizzle')

function folderAbove(from: string, name: string): string {
  const folder = join(from, name)
  if (existsSync(folder)) return folder
  assert(from !== dirname(from), `the package lacks its folder ${name}`)
  return folderAbove(dirname(from), name)
}

/** The database cannot be used by this version of the software; the message tells the operator why. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

type Applied = { readonly hash: string; readonly created_at: number }

/**
 * Brings a database to the newest schema in one transaction; nothing is changed when it throws. Repeat: safe.
 * Throws {@link SchemaError} for a database that knows more than we do, or whose past differs from ours.
 */
export function migrate(db: BetterSqlite3.Database, migrationsFolder: string = MIGRATIONS_FOLDER): void {
  const applied = appliedMigrations(db)
  const known = readMigrationFiles({ migrationsFolder })
  refuseForeign(applied, known)
  if (applied.length === known.length) return
  // Most starts have nothing to migrate, and need not wait for the modules that would do it.
  const { drizzle } = require('drizzle-orm/better-sqlite3') as typeof import('drizzle-orm/better-sqlite3')
  const { migrate: apply } =
    require('drizzle-orm/better-sqlite3/migrator') as typeof import('drizzle-orm/better-sqlite3/migrator')
  // A migration may rebuild a table that others refer to; the references are checked when all is in place.
  db.pragma('foreign_keys = OFF')
  apply(drizzle({ client: db }), { migrationsFolder })
  const broken = db.pragma('foreign_key_check')
  if (!Array.isArray(broken) || broken.length > 0) {
    throw new SchemaError(`the database has rows that refer to missing rows: ${JSON.stringify(broken)}`)
  }
}

function appliedMigrations(db: BetterSqlite3.Database): Applied[] {
  const tables = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  if (tables.length === 0) return []
  if (!tables.some(({ name }) => name === '__drizzle_migrations')) {
    throw new SchemaError('the file is a database of some other program')
  }
  return db.prepare<[], Applied>('SELECT hash, created_at FROM __drizzle_migrations ORDER BY created_at').all()
}

function refuseForeign(applied: readonly Applied[], known: readonly MigrationMeta[]): void {
  if (applied.length > known.length) {
    throw new SchemaError(
      `the database was written by a newer version: it has ${applied.length} migrations, this version knows ${known.length}`,
    )
  }
  for (const [i, { hash, created_at }] of applied.entries()) {
    if (known[i]?.hash !== hash || known[i]?.folderMillis !== Number(created_at)) {
      throw new SchemaError(`migration ${i} of the database is not the one that this version knows`)
    }
  }
}
