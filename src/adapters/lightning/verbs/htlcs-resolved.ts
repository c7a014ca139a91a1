import type { Lookup } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import { noAnswer } from './answer.ts'
import { lookupInvoice } from './lookup-hold.ts'

/**
 * Whether every HTLC of a settled hold is irrevocably ours: LND stores SETTLED before the channels have committed to it
 * (money-path.md 1.13). Unsupported when LND runs without `--store-final-htlc-resolutions`.
 */
export async function htlcsResolved(calls: Calls, hash: string): Promise<Lookup<boolean | 'unsupported'>> {
  const found = await lookupInvoice(calls, hash)
  if (!found.ok) return found
  const invoice = found.value
  if (invoice === 'not-found' || invoice.state !== 'SETTLED') return noAnswer(`LND has no settled hold ${hash}`)

  const htlcs = invoice.htlcs.filter(({ state }) => state === 'SETTLED')
  if (htlcs.length === 0) return noAnswer(`LND names no HTLC of the settled hold ${hash}`)
  for (const { chan_id, htlc_index } of htlcs) {
    const answer = await calls.unary('lookupHtlcResolution', { chan_id, htlc_index })
    if (answer.ok) {
      if (!answer.value.settled) return { ok: true, value: false }
      continue
    }
    const meaning = classify('lookup-resolution', answer.error)
    if (meaning === 'unsupported') return { ok: true, value: 'unsupported' }
    if (meaning === 'not-found') return { ok: true, value: false }
    return noAnswer(explain(meaning, answer.error))
  }
  return { ok: true, value: true }
}
