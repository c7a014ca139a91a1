import type { CallTrouble } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain, settledTrouble } from '../classification.ts'
import { hexBytes, isHash } from '../translate.ts'
import { unknown } from './answer.ts'
import { lookupHold } from './lookup-hold.ts'

export type CancelOutcome =
  | { readonly class: 'A' }
  | { readonly class: 'not-found' }
  | { readonly class: 'T'; readonly detail: string }
  | CallTrouble

/**
 * Cancels an open or accepted hold, which gives back what is held (money-path.md 1.4). LND's yes is final; after any
 * other answer the look-up decides. What `not-found` means is the caller's to judge.
 */
export async function cancelHold(calls: Calls, hash: string): Promise<CancelOutcome> {
  if (!isHash(hash)) return { class: 'B', detail: `not a payment hash: "${hash}"` }
  const canceled = await calls.unary('cancelInvoice', { payment_hash: hexBytes(hash) })
  if (canceled.ok) return { class: 'A' }
  const meaning = classify('cancel-hold', canceled.error)
  const trouble = settledTrouble(meaning, canceled.error)
  if (trouble !== null) return trouble

  const detail = explain(meaning, canceled.error)
  const found = await lookupHold(calls, hash)
  if (!found.ok) return unknown(calls, `${detail}; then: ${found.detail}`)
  if (found.value === 'not-found') return { class: 'not-found' }
  switch (found.value.state) {
    case 'canceled':
      return { class: 'A' }
    case 'settled':
      return { class: 'T', detail: `${detail}; LND has settled the hold ${hash}` }
    case 'open':
    case 'accepted':
      return { class: 'S', detail }
  }
}
