/** What must be so on disk after a run: every request is one row of the inbox, and nothing waits to be sent. */
import BetterSqlite3 from 'better-sqlite3'
import { Void } from '../benchmark.ts'
import { pause } from './relay-client.ts'

const DEADLINE_MS = 30_000
const LOOK_MS = 100

type Standing = { readonly inbox: number; readonly unsent: number; readonly unpublished: number }

/** Counts, read beside the daemon. */
export function standingOf(databaseFile: string): Standing {
  const db = new BetterSqlite3(databaseFile, { readonly: true, timeout: 5000 })
  try {
    const standing = db
      .prepare<[], Standing>(
        `SELECT (SELECT COUNT(*) FROM inbox) AS inbox, (SELECT COUNT(*) FROM outbox_msg WHERE state < 2) AS unsent,
            (SELECT COUNT(*) FROM outbox_pub WHERE want_rev > done_rev) AS unpublished`,
      )
      .get()
    if (standing === undefined) throw new Error('a count is always a row')
    return standing
  } finally {
    db.close()
  }
}

/** Throws {@link Void} unless `sent` messages were taken since `before`, each once, and everything is sent soon. */
export async function audit(databaseFile: string, before: Standing, sent: number): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS
  for (;;) {
    const { inbox, unsent, unpublished } = standingOf(databaseFile)
    const taken = inbox - before.inbox
    if (taken === sent && unsent === 0 && unpublished === 0) return
    if (performance.now() > endMs)
      throw new Void(`${taken} of ${sent} messages in the inbox, ${unsent} replies and ${unpublished} events unsent`)
    await pause(LOOK_MS)
  }
}
