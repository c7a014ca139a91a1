import { err, ok, type Result } from '../../../core/result.ts'
import type { Evidence } from '../evidence.ts'
import type { Int64 } from '../messages.ts'
import { type RpcName, rpcUri } from '../rpcs.ts'

/** Rows of one page: a few hundred kilobytes as a rule, and well inside the deadline of a read. */
export const PAGE_ROWS = 500

type Page<T> = { readonly rows: readonly T[]; readonly lastIndex: Int64 }

/**
 * The rows of an answer, which has none afterwards: gRPC's objects of past calls hang together, and would keep all pages
 * in memory until the next full collection.
 */
export function pageOf<T>(rows: T[], lastIndex: Int64): Page<T> {
  return { rows: rows.splice(0), lastIndex }
}

/**
 * All rows, oldest first, up to the first empty page. Each page is handed on while the next is on its way. A page that does
 * not move the offset forward is an error.
 */
export async function allPages<T>(
  name: RpcName,
  page: (offset: string) => Promise<Result<Page<T>, Evidence>>,
  onRows: (rows: readonly T[]) => void,
): Promise<Result<null, Evidence>> {
  let offset = '0'
  let coming = page(offset)
  for (;;) {
    const answer = await coming
    if (!answer.ok) return err(answer.error)
    const { rows, lastIndex: next } = answer.value
    if (rows.length === 0) return ok(null)
    if (!(Number(next) > Number(offset))) {
      return err({ kind: 'other', uri: rpcUri(name), details: `LND pages in circles: ${next} after ${offset}` })
    }
    offset = String(next)
    coming = page(offset)
    onRows(rows)
  }
}
