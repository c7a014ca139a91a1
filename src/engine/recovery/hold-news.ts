/**
 * Which of the facts in a list from Lightning tell us anything. A node holds tens of thousands of invoices, and nearly all
 * of them stand where our rows say: those cost one read for many, not a transaction each.
 */
import type { Store } from '../../adapters/sqlite/store.ts'
import type { HoldFact } from '../../ports/lightning.ts'

/** Facts compared by one query: SQLite reads their hashes from one JSON text. */
const AT_ONCE = 1000

/**
 * The facts that `observeHold` or the search for foreign holds must see; in their order. An undecided hold is news when it
 * rose, a decided one until it has ended and its intent too.
 */
export function newsAmong(store: Store, facts: readonly HoldFact[]): readonly HoldFact[] {
  const news = new Set<string>()
  for (const state of STATES) {
    const hashes = facts.filter((fact) => fact.state === state).map(({ hash }) => hash)
    for (let n = 0; n < hashes.length; n += AT_ONCE)
      for (const { hash } of unlike(store, state, hashes.slice(n, n + AT_ONCE))) news.add(hash)
  }
  return news.size === 0 ? [] : facts.filter(({ hash }) => news.has(hash))
}

const STATES: readonly HoldFact['state'][] = ['open', 'accepted', 'settled', 'canceled']

/** Those of some holds in one state whose rows do not say so, or that have no row. */
function unlike(store: Store, state: HoldFact['state'], hashes: readonly string[]) {
  return store.all<Pick<HoldFact, 'hash'>>(
    `SELECT value AS hash FROM json_each(:hashes) WHERE COALESCE((SELECT CASE :state
        WHEN 'open' THEN h.final IS NOT NULL OR h.decision <> 'none' OR h.rank < 1
        WHEN 'accepted' THEN h.final IS NOT NULL OR h.decision <> 'none' OR h.rank < 2
        ELSE h.final IS NOT :state OR EXISTS (SELECT 1 FROM ln_op p WHERE p.hash = h.hash
          AND p.kind IN ('hold_settle','hold_cancel') AND p.state NOT IN ('refused','void') AND p.state <> 'done') END
       FROM hold h WHERE h.hash = value), 1)`,
    { hashes: JSON.stringify(hashes), state },
  )
}
