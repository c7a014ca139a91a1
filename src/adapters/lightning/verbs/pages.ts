import { err, ok, type Result } from '../../../core/result.ts'
import type { Evidence } from '../evidence.ts'
import { type RpcName, rpcUri } from '../rpcs.ts'

/** Rows of one page: a few hundred kilobytes as a rule, and well inside the deadline of a read. */
export const PAGE_ROWS = 500

type Page<T> = { readonly rows: readonly T[]; readonly lastIndex: string }

/** All rows, oldest first, up to the first empty page. A page that does not move the offset forward is an error. */
export async function allPages<T>(
  name: RpcName,
  page: (offset: string) => Promise<Result<Page<T>, Evidence>>,
): Promise<Result<readonly T[], Evidence>> {
  const rows: T[] = []
  let offset = '0'
  for (;;) {
    const answer = await page(offset)
    if (!answer.ok) return err(answer.error)
    if (answer.value.rows.length === 0) return ok(rows)
    for (const row of answer.value.rows) rows.push(row)
    const next = answer.value.lastIndex
    if (!(Number(next) > Number(offset))) {
      return err({ kind: 'other', uri: rpcUri(name), details: `LND pages in circles: ${next} after ${offset}` })
    }
    offset = next
  }
}
