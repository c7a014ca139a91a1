import type { CallTrouble, HoldFact } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain, settledTrouble } from '../classification.ts'
import { hashOf, hexBytes, isHash } from '../translate.ts'
import { unknown } from './answer.ts'
import { lookupHold } from './lookup-hold.ts'

export type SettleOutcome =
  | { readonly class: 'A'; readonly fact: HoldFact }
  | { readonly class: 'T' | 'conflict'; readonly detail: string }
  | CallTrouble

/**
 * Takes the sats of an accepted hold (money-path.md 1.3). The look-up decides, not LND's words: the same refusal has had
 * several texts. A hold that is still open, or that LND does not know, contradicts what it told us.
 */
export async function settleHold(calls: Calls, preimage: string): Promise<SettleOutcome> {
  if (!isHash(preimage)) return { class: 'B', detail: 'not a preimage' }
  const hash = hashOf(preimage)
  const settled = await calls.unary('settleInvoice', { preimage: hexBytes(preimage) })
  let detail = 'LND settled the hold'
  if (!settled.ok) {
    const meaning = classify('settle-hold', settled.error)
    const trouble = settledTrouble(meaning, settled.error)
    if (trouble !== null) return trouble
    detail = explain(meaning, settled.error)
  }

  const found = await lookupHold(calls, hash)
  if (!found.ok) return unknown(calls, `${detail}; then: ${found.detail}`)
  const fact = found.value
  if (settled.ok && (fact === 'not-found' || fact.state !== 'settled')) {
    return unknown(calls, `LND settled ${hash} and has it as ${fact === 'not-found' ? fact : fact.state}`)
  }
  if (fact === 'not-found') return { class: 'conflict', detail: `${detail}; LND does not know the hold ${hash}` }
  switch (fact.state) {
    case 'settled':
      return { class: 'A', fact }
    case 'accepted':
      return { class: 'S', detail }
    case 'canceled':
      return { class: 'T', detail }
    case 'open':
      return { class: 'conflict', detail: `${detail}; nobody has paid the hold ${hash}` }
  }
}
