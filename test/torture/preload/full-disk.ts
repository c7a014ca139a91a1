/** A disk with no room for another page: SQLite itself says SQLITE_FULL. */
import { spoilAtSignal } from './spoiled-storage.ts'

const MOST_PAGES = 1_073_741_823

spoilAtSignal({
  // Less than there is means: not one page more.
  spoil: (db) => db.pragma('max_page_count = 1'),
  repair: (db) => db.pragma(`max_page_count = ${MOST_PAGES}`),
})
