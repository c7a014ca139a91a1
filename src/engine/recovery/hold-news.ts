/**
 * Which of the facts in a list from Lightning tell us anything. A node holds tens of thousands of invoices, and nearly all
 * of them stand where our rows say: those cost one read for many, not a transaction each.
 */
import type { HoldRow } from '../../adapters/sqlite/schema.ts'
import type { Store } from '../../adapters/sqlite/store.ts'
import type { HoldFact } from '../../ports/lightning.ts'

/** Facts compared by one query: SQLite reads their hashes from one JSON text. */
const AT_ONCE = 1000

type Known = Pick<HoldRow, 'hash' | 'rank' | 'final' | 'decision'> & {
  /** 1 while an intent to end it is open */
  readonly ending: 0 | 1
}

/** The facts that `observeHold` or the search for foreign holds must see; in their order. */
export function newsAmong(store: Store, facts: readonly HoldFact[]): readonly HoldFact[] {
  const news: HoldFact[] = []
  for (let n = 0; n < facts.length; n += AT_ONCE) {
    const some = facts.slice(n, n + AT_ONCE)
    const rows = store.all<Known>(
      `SELECT h.hash, h.rank, h.final, h.decision, EXISTS (SELECT 1 FROM ln_op p WHERE p.hash = h.hash
                AND p.kind IN ('hold_settle','hold_cancel') AND p.state NOT IN ('refused','void') AND p.state <> 'done') AS ending
         FROM hold h WHERE h.hash IN (SELECT value FROM json_each(:hashes))`,
      { hashes: JSON.stringify(some.map(({ hash }) => hash)) },
    )
    const known = new Map(rows.map((row) => [row.hash, row]))
    news.push(...some.filter((fact) => isNews(known.get(fact.hash), fact)))
  }
  return news
}

/** An undecided hold is news when it rose, a decided one until it has ended and its intent too. */
function isNews(row: Known | undefined, fact: HoldFact): boolean {
  if (row === undefined) return true
  switch (fact.state) {
    case 'open':
      return row.final !== null || row.decision !== 'none' || row.rank < 1
    case 'accepted':
      return row.final !== null || row.decision !== 'none' || row.rank < 2
    case 'settled':
    case 'canceled':
      return row.final !== fact.state || row.ending === 1
  }
}
