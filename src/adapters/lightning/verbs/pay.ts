import type { PaymentFact, PayOutcome, PayPlan } from '../../../ports/lightning.ts'
import type { Clock } from '../../../ports/system.ts'
import type { Calls } from '../calls.ts'
import { classify, explain, type Meaning, settledTrouble } from '../classification.ts'
import type { RpcMessages } from '../messages.ts'
import type { LndTimings } from '../timings.ts'
import { isHash, paymentFactOf } from '../translate.ts'
import { reading, unknown } from './answer.ts'
import { lookupPayment } from './lookup-payment.ts'

/** How the watched stream ended. */
type Watched =
  | { readonly end: 'said'; readonly fact: Exclude<PaymentFact, { readonly state: 'alive' }> }
  | { readonly end: 'failed'; readonly meaning: Meaning; readonly detail: string; readonly outcome: PayOutcome | null }

/**
 * Sends a payment over LND's raw router stream and follows it (money-path.md 1.7). Success is believed at once, for its
 * preimage proves it; whatever else ends the stream is asked again before it counts, and a failure counts only when it is
 * dated after the start of this attempt. Repeat: safe with the same hash, LND pays it once.
 */
export async function pay(
  calls: Calls,
  clock: Clock,
  timings: Pick<LndTimings, 'payWatchMs' | 'skewMs'>,
  plan: PayPlan,
  startedAtMs: number,
  onAck: () => void,
): Promise<PayOutcome> {
  if (!isHash(plan.hash)) return { class: 'B', detail: `not a payment hash: "${plan.hash}"` }
  let acknowledged = false
  const acknowledge = () => {
    if (acknowledged) return
    acknowledged = true
    onAck()
  }

  const watched = await watch(calls, clock, timings.payWatchMs, plan, acknowledge)
  if (watched.end === 'said' && watched.fact.state === 'succeeded') return success(watched.fact)
  if (watched.end === 'failed' && watched.outcome !== null) return watched.outcome
  const { meaning, detail } = watched.end === 'failed' ? watched : { meaning: 'unknown', detail: 'LND says failed' }

  const looked = await lookupPayment(calls, plan.hash)
  if (!looked.ok) return unknown(calls, `${detail}; then: ${looked.detail}`)
  const fact = looked.value
  if (fact !== 'not-found' && fact.state === 'succeeded') return success(fact)
  if (fact !== 'not-found' && fact.state === 'alive') {
    acknowledge()
    return unknown(calls, `${detail}; LND has the payment under way`)
  }
  if (meaning === 'bad-parameters') return { class: 'B', detail }
  if (meaning === 'unpayable') return { class: 'T', reason: 'unpayable', tried: false, known: fact !== 'not-found' }
  if (fact === 'not-found') return unknown(calls, `${detail}; LND has no record of the payment`)
  if (fact.startedAtMs < startedAtMs - timings.skewMs) {
    return unknown(calls, `${detail}; LND knows of the failure of an earlier attempt only`)
  }
  return { class: 'T', reason: fact.reason, tried: fact.tried, known: true }
}

function success(fact: Extract<PaymentFact, { readonly state: 'succeeded' }>): PayOutcome {
  return { class: 'A', preimage: fact.preimage, feeMsat: fact.feeMsat }
}

/** Sends and listens until LND says how it ended, the stream ends or the watch is over. LND goes on without a listener. */
function watch(calls: Calls, clock: Clock, watchMs: number, plan: PayPlan, acknowledge: () => void): Promise<Watched> {
  return new Promise((resolve) => {
    const unclear = (detail: string): Watched => ({ end: 'failed', meaning: 'unknown', detail, outcome: null })
    const finish = (watched: Watched) => {
      forget()
      stream.cancel()
      resolve(watched)
    }
    const forget = clock.after(watchMs, () => finish(unclear(`no end of the payment within ${watchMs} ms`)))
    const stream = calls.stream('sendPayment', requestOf(plan), {
      onMessage: (message) => {
        const fact = reading('a payment', () => paymentFactOf(message, plan.hash))
        if (!fact.ok) finish(unclear(fact.detail))
        else if (fact.value.state === 'alive') acknowledge()
        else finish({ end: 'said', fact: fact.value })
      },
      onEnd: (evidence) => {
        if (evidence === null) return finish(unclear('LND ended the stream of a payment without its end'))
        const meaning = classify('send-payment', evidence)
        const outcome = settledTrouble(meaning, evidence)
        finish({ end: 'failed', meaning, detail: explain(meaning, evidence), outcome })
      },
    })
  })
}

function requestOf(plan: PayPlan): RpcMessages['sendPayment']['request'] {
  return {
    payment_request: plan.request,
    ...(plan.invoiceHasAmount ? {} : { amt_msat: String(plan.amountMsat) }),
    fee_limit_msat: String(plan.maxFeeMsat),
    timeout_seconds: plan.timeoutS,
    max_parts: plan.maxParts,
    cltv_limit: plan.cltvLimit,
    allow_self_payment: false,
    cancelable: false,
    no_inflight_updates: false,
  }
}
