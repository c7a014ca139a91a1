import { ZERO_MSAT } from '../../../core/money.ts'
import type { CallTrouble, HoldFact, HoldPlan, OwnRequest, ReadOwnRequest } from '../../../ports/lightning.ts'
import type { Calls } from '../calls.ts'
import { classify, explain, type Meaning, settledTrouble } from '../classification.ts'
import { hexBytes, isHash } from '../translate.ts'
import { unknown } from './answer.ts'
import { lookupHold } from './lookup-hold.ts'

export type CreateOutcome =
  | { readonly class: 'A'; readonly fact: HoldFact }
  | { readonly class: 'T'; readonly detail: string }
  | CallTrouble

/** LND turns an expiry that is now or past into 24 hours, so the adapter refuses what comes near (money-path.md 0.3, 7). */
const LIFE_MIN_S = 60
/** What a BOLT 11 description can carry. */
const MEMO_BYTES_MAX = 639

/**
 * Makes the hold invoice of a plan, or adopts the one that is there (money-path.md 1.2). What LND answers is compared with
 * the plan; after anything but a clear answer the invoice is read back and compared, so a lost answer and a repeated
 * create end like a fresh one.
 */
export async function createHold(
  calls: Calls,
  nowMs: number,
  plan: HoldPlan,
  readRequest: ReadOwnRequest,
): Promise<CreateOutcome> {
  const expiry = plan.expiresAt - Math.floor(nowMs / 1000)
  if (!isHash(plan.hash)) return { class: 'B', detail: `not a payment hash: "${plan.hash}"` }
  if (Buffer.byteLength(plan.memo) > MEMO_BYTES_MAX) {
    return { class: 'B', detail: `the memo is longer than ${MEMO_BYTES_MAX} bytes` }
  }
  if (expiry <= LIFE_MIN_S) return { class: 'S', detail: `the hold would live for ${expiry} s only` }

  const added = await calls.unary('addHoldInvoice', {
    hash: hexBytes(plan.hash),
    value_msat: String(plan.amountMsat),
    memo: plan.memo,
    expiry,
    cltv_expiry: plan.cltvDelta,
  })
  if (added.ok) {
    const fact = madeNow(added.value.payment_request, plan, readRequest)
    if (fact !== null) return { class: 'A', fact }
  }
  const meaning: Meaning | 'added' = added.ok ? 'added' : classify('create-hold', added.error)
  const detail = added.ok || meaning === 'added' ? 'LND added the invoice' : explain(meaning, added.error)
  if (!added.ok && meaning !== 'added') {
    const trouble = settledTrouble(meaning, added.error)
    if (trouble !== null) return trouble
  }

  const found = await lookupHold(calls, plan.hash)
  if (!found.ok) return unknown(calls, `${detail}; then: ${found.detail}`)
  if (found.value === 'not-found') return absent(calls, meaning, detail)
  return adopt(found.value, plan, readRequest)
}

/** LND has no invoice with the hash, although it was asked to make one. */
function absent(calls: Calls, meaning: Meaning | 'added', detail: string): CreateOutcome {
  switch (meaning) {
    case 'added':
      return unknown(calls, 'LND added the invoice and does not know it')
    case 'refused':
      return { class: 'B', detail }
    default:
      return { class: 'S', detail: `${detail}; LND has no invoice with this hash` }
  }
}

/** An invoice that has ended, or that is not the one we planned, belongs to somebody else: a conflict. */
function adopt(fact: HoldFact, plan: HoldPlan, readRequest: ReadOwnRequest): CreateOutcome {
  const conflict = (detail: string): CreateOutcome => ({ class: 'T', detail: `hold ${plan.hash}: ${detail}` })
  if (fact.state !== 'open' && fact.state !== 'accepted') return conflict(`LND has it as ${fact.state} already`)
  if (fact.amountMsat !== plan.amountMsat) return conflict(`LND has it with ${fact.amountMsat} msat`)
  if (fact.cltvDelta !== plan.cltvDelta) return conflict(`LND has it with a delta of ${fact.cltvDelta} blocks`)
  if (fact.memo !== plan.memo) return conflict('LND has it with another memo')
  const request = readRequest(fact.request)
  if (request === null) return conflict('its payment request can not be read')
  if (!asksForPlan(request, plan)) return conflict('its payment request asks for something else')
  return { class: 'A', fact }
}

const asksForPlan = ({ hash, amountMsat, minFinalCltv }: OwnRequest, plan: HoldPlan): boolean =>
  hash === plan.hash && amountMsat === plan.amountMsat && minFinalCltv === plan.cltvDelta

/** The invoice that LND has just made, if its payment request is the one that was planned; null: look closer. */
function madeNow(text: string, plan: HoldPlan, readRequest: ReadOwnRequest): HoldFact | null {
  const request = readRequest(text)
  if (request === null || !asksForPlan(request, plan) || request.description !== plan.memo) return null
  return {
    hash: plan.hash,
    state: 'open',
    request: text,
    amountMsat: plan.amountMsat,
    receivedMsat: ZERO_MSAT,
    cltvDelta: plan.cltvDelta,
    memo: plan.memo,
    expiresAt: request.expiresAtS,
    minHtlcHeight: null,
    settleIndex: null,
  }
}
