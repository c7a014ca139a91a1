/** A database that was never writable in this process: SQLite itself says SQLITE_READONLY. */
import BetterSqlite3 from 'better-sqlite3'

const { prototype } = BetterSqlite3
const original = prototype.pragma
prototype.pragma = function pragma(this: BetterSqlite3.Database, source, options) {
  if (this.name.endsWith('fianza.db')) original.call(this, 'query_only = ON')
  return original.call(this, source, options)
}
