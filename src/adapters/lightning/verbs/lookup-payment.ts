import type { Lookup, PaymentFact } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain } from '../classification.ts'
import { hexBytes, isHash, paymentFactOf } from '../translate.ts'
import { noAnswer, reading } from './answer.ts'

/**
 * The fate of a payment: the first message of LND's tracking stream, which comes from its store at once (money-path.md
 * 1.8; the library's `getPayment` waits for ever while a payment has no HTLC). Sent on the payments' own connection, so an
 * answer proves that everything sent there before was read.
 */
export function lookupPayment(calls: Calls, hash: string): Promise<Lookup<PaymentFact | 'not-found'>> {
  if (!isHash(hash)) return Promise.resolve(noAnswer(`not a payment hash: "${hash}"`))
  return new Promise((resolve) => {
    const stream = calls.stream(
      'trackPayment',
      { payment_hash: hexBytes(hash), no_inflight_updates: false },
      {
        onMessage: (message) => {
          stream.cancel()
          resolve(reading('a payment', () => paymentFactOf(message, hash)))
        },
        onEnd: (evidence) => {
          if (evidence === null) return resolve(noAnswer('LND ended the look-up of a payment without an answer'))
          const meaning = classify('track-payment', evidence)
          resolve(meaning === 'not-found' ? { ok: true, value: meaning } : noAnswer(explain(meaning, evidence)))
        },
      },
    )
  })
}
