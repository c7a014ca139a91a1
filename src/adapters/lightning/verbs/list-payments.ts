import { ok } from '../../../core/result.ts'
import type { Lookup, PaymentRecord } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import type { PaymentMessage } from '../messages.ts'
import { paymentRecordOf } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'
import { allPages, PAGE_ROWS, pageOf } from './pages.ts'

/**
 * All payments created at or after a moment, failed and unfinished ones too. Only to find what we do not know: the fate of
 * a known hash is never read from here (money-path.md 1.9).
 */
export async function listPayments(calls: Calls, createdSinceS: number): Promise<Lookup<readonly PaymentRecord[]>> {
  const payments: PaymentMessage[] = []
  const listed = await allPages(
    'listPayments',
    async (offset) => {
      const answer = await calls.unary('listPayments', {
        include_incomplete: true,
        index_offset: offset,
        max_payments: PAGE_ROWS,
        creation_date_start: createdSinceS,
      })
      return answer.ok ? ok(pageOf(answer.value.payments, answer.value.last_index_offset)) : answer
    },
    (rows) => payments.push(...rows),
  )
  if (!listed.ok) return noAnswer(explain(classify('read', listed.error), listed.error))
  return reading('the list of payments', () => payments.map(paymentRecordOf))
}
