import { ok } from '../../../core/result.ts'
import type { HoldFact, LightningConnection, Lookup } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import { holdFactOf } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'
import { allPages, PAGE_ROWS, pageOf } from './pages.ts'

/**
 * All invoices, or the open and accepted ones, created within a time (money-path.md 1.6). Pages go forward, so what is
 * added meanwhile comes too.
 */
export async function listHolds(
  calls: Calls,
  query: Parameters<LightningConnection['listHolds']>[0],
  onPage: (facts: readonly HoldFact[]) => void,
): Promise<Lookup<null>> {
  let unreadable: Lookup<never> | null = null
  const listed = await allPages(
    'listInvoices',
    async (offset) => {
      const answer = await calls.unary('listInvoices', {
        pending_only: query.pendingOnly,
        index_offset: offset,
        num_max_invoices: PAGE_ROWS,
        creation_date_start: query.createdSinceS,
        ...(query.createdUntilS === undefined ? {} : { creation_date_end: query.createdUntilS }),
      })
      return answer.ok ? ok(pageOf(answer.value.invoices, answer.value.last_index_offset)) : answer
    },
    (rows) => {
      const facts = reading('the list of invoices', () => rows.map(holdFactOf))
      if (facts.ok) onPage(facts.value)
      else unreadable ??= facts
    },
  )
  if (!listed.ok) return noAnswer(explain(classify('read', listed.error), listed.error))
  return unreadable ?? { ok: true, value: null }
}
