/** A file system that is mounted read-only while the daemon runs: SQLite itself says SQLITE_READONLY. */
import { spoilAtSignal } from './spoiled-storage.ts'

spoilAtSignal({
  spoil: (db) => db.pragma('query_only = ON'),
  repair: (db) => db.pragma('query_only = OFF'),
})
