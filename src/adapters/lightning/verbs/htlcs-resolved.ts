import { addMsat, ZERO_MSAT } from '../../../core/money.ts'
import type { HtlcResolution, Lookup } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import { msatOf } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'
import { lookupInvoice } from './lookup-hold.ts'

/**
 * What became of the HTLCs of a settled hold: LND stores SETTLED before the channels have committed to it (money-path.md
 * 1.13). Unsupported when LND runs without `--store-final-htlc-resolutions`.
 */
export async function htlcsResolved(calls: Calls, hash: string): Promise<Lookup<HtlcResolution>> {
  const found = await lookupInvoice(calls, hash)
  if (!found.ok) return found
  const invoice = found.value
  if (invoice === 'not-found' || invoice.state !== 'SETTLED') return noAnswer(`LND has no settled hold ${hash}`)

  const htlcs = invoice.htlcs.filter(({ state }) => state === 'SETTLED')
  if (htlcs.length === 0) return noAnswer(`LND names no HTLC of the settled hold ${hash}`)
  let lostMsat = ZERO_MSAT
  for (const { chan_id, htlc_index, amt_msat } of htlcs) {
    const answer = await calls.unary('lookupHtlcResolution', { chan_id, htlc_index })
    if (answer.ok) {
      if (answer.value.settled) continue
      const lost = reading('the amount of an HTLC', () => msatOf(amt_msat))
      if (!lost.ok) return lost
      lostMsat = addMsat(lostMsat, lost.value)
      continue
    }
    const meaning = classify('lookup-resolution', answer.error)
    if (meaning === 'unsupported') return { ok: true, value: { state: 'unsupported' } }
    if (meaning === 'not-found') return { ok: true, value: { state: 'pending' } }
    return noAnswer(explain(meaning, answer.error))
  }
  return { ok: true, value: lostMsat > 0 ? { state: 'lost', lostMsat } : { state: 'ours' } }
}
