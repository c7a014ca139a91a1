import type { HoldFact, Watch } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { hexBytes, holdFactOf } from '../translate.ts'
import { reading } from './answer.ts'

/**
 * The facts of one hold as they happen, its present state first (money-path.md 1.6). A hint only: LND is silent about a
 * hash that it does not know, and the end of the stream says nothing. An unreadable message is skipped for the sweeper.
 */
export function watchHold(calls: Calls, hash: string, onFact: (fact: HoldFact) => void): Watch {
  const stream = calls.stream(
    'subscribeSingleInvoice',
    { r_hash: hexBytes(hash) },
    {
      onMessage: (message) => {
        const fact = reading('an invoice', () => holdFactOf(message))
        if (!fact.ok) return
        if (fact.value.state === 'settled' || fact.value.state === 'canceled') stream.cancel()
        onFact(fact.value)
      },
      onEnd: () => {},
    },
  )
  return { close: () => stream.cancel() }
}
