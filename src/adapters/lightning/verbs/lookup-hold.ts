import type { HoldFact, Lookup } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import type { InvoiceMessage } from '../messages.ts'
import { hexBytes, holdFactOf, isHash } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'

/** One invoice as the node has it now (money-path.md 1.5). */
export async function lookupHold(calls: Calls, hash: string): Promise<Lookup<HoldFact | 'not-found'>> {
  const found = await lookupInvoice(calls, hash)
  if (!found.ok) return found
  const invoice = found.value
  return invoice === 'not-found' ? { ok: true, value: invoice } : reading('an invoice', () => holdFactOf(invoice))
}

/** The same with LND's own message, for what `HoldFact` does not tell. */
export async function lookupInvoice(calls: Calls, hash: string): Promise<Lookup<InvoiceMessage | 'not-found'>> {
  if (!isHash(hash)) return noAnswer(`not a payment hash: "${hash}"`)
  const answer = await calls.unary('lookupInvoice', { r_hash: hexBytes(hash) })
  if (answer.ok) return { ok: true, value: answer.value }
  const meaning = classify('lookup-hold', answer.error)
  return meaning === 'not-found' ? { ok: true, value: 'not-found' } : noAnswer(explain(meaning, answer.error))
}
