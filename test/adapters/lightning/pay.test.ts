import { describe, expect, it } from 'vitest'
import type { PaymentMessage } from '../../../src/adapters/lightning/messages.ts'
import { LND_TIMINGS } from '../../../src/adapters/lightning/timings.ts'
import { listPayments } from '../../../src/adapters/lightning/verbs/list-payments.ts'
import { lookupPayment } from '../../../src/adapters/lightning/verbs/lookup-payment.ts'
import { pay } from '../../../src/adapters/lightning/verbs/pay.ts'
import { msat } from '../../../src/core/money.ts'
import type { PayPlan } from '../../../src/ports/lightning.ts'
import type { Clock } from '../../../src/ports/system.ts'
import {
  answers,
  failed,
  fails,
  HASH,
  PREIMAGE,
  paymentMessage,
  ScriptedCalls,
  type StreamStep,
} from './scripted-calls.ts'

const STARTED_MS = 1_800_000_000_000
type Steps = readonly StreamStep<PaymentMessage>[]

const plan: PayPlan = {
  hash: HASH,
  request: 'lnbcrt1request',
  amountMsat: msat(100_000),
  invoiceHasAmount: true,
  maxFeeMsat: msat(2_000),
  timeoutS: 60,
  maxParts: 16,
  cltvLimit: 1008,
}

const says = (over: Partial<PaymentMessage>): StreamStep<PaymentMessage> => ({ message: paymentMessage(over) })
const succeeded = says({ status: 'SUCCEEDED', payment_preimage: PREIMAGE })
const wrongPreimage = says({ status: 'SUCCEEDED', payment_preimage: '22'.repeat(32) })
const lastAttempt = { status: 'FAILED', failure_reason: 'FAILURE_REASON_NO_ROUTE', htlcs: [{}] }
const failedNow = says(lastAttempt)
const failedBefore = says({ ...lastAttempt, creation_time_ns: '1799999990000000000' })
const alive = says({ status: 'IN_FLIGHT' })
const ends = (code: number, details: string): StreamStep<PaymentMessage> => ({
  end: failed('sendPayment', code, details),
})
const noRecord: Steps = [{ end: failed('trackPayment', 5, "payment isn't initiated") }]
const noAnswer: Steps = [{ end: failed('trackPayment', 4, 'Deadline exceeded') }]

/** A clock whose timers run when the test says so. */
function handClock(): Clock & { ring(): void } {
  const tasks = new Set<() => void>()
  return {
    nowMs: () => STARTED_MS,
    after: (_delayMs, task) => {
      tasks.add(task)
      return () => tasks.delete(task)
    },
    ring: () => {
      for (const task of [...tasks]) task()
    },
  }
}

async function paying(send: Steps, track: Steps, over: Partial<PayPlan> = {}) {
  const calls = new ScriptedCalls({ streams: { sendPayment: [send], trackPayment: [track] } })
  let acks = 0
  const outcome = await pay(calls, handClock(), LND_TIMINGS, { ...plan, ...over }, STARTED_MS, () => {
    acks += 1
  })
  return { outcome, acks, calls }
}

const UNPAYABLE = { class: 'T', reason: 'unpayable', tried: false }

describe('paying an invoice (money-path.md 1.7)', () => {
  const rows: readonly (readonly [string, Steps, Steps, object])[] = [
    ['is believed when the preimage fits', [alive, succeeded], [], { class: 'A', preimage: PREIMAGE, feeMsat: 1_010 }],
    ['is not believed with a wrong preimage', [alive, wrongPreimage], [wrongPreimage], { class: 'U' }],
    ['is believed when a look-up has the right preimage', [alive, wrongPreimage], [succeeded], { class: 'A' }],
    [
      'has failed when a look-up confirms it',
      [alive, failedNow],
      [failedNow],
      { class: 'T', reason: 'no-route', tried: true, known: true },
    ],
    ['has not failed when the look-up has an earlier attempt', [failedNow], [failedBefore], { class: 'U' }],
    ['has not failed while LND has it under way', [failedNow], [alive], { class: 'U' }],
    ['has succeeded when LND changes its mind', [failedNow], [succeeded], { class: 'A' }],
    ['is unknown when LND says failed and then knows nothing', [failedNow], noRecord, { class: 'U' }],
    ['is unknown when LND says failed and can not be asked', [failedNow], noAnswer, { class: 'U' }],
    ['is unknown when the stream ends without its end', [alive, { end: null }], [alive], { class: 'U' }],
    [
      'is done when the stream ends without its end and the look-up has it',
      [alive, { end: null }],
      [succeeded],
      { class: 'A' },
    ],
    [
      'has failed when the stream breaks and the look-up has this failure',
      [alive, ends(13, '')],
      [failedNow],
      { class: 'T', reason: 'no-route' },
    ],
    [
      'is unknown when the stream breaks and nothing is on record',
      [ends(14, 'Connection dropped')],
      noRecord,
      { class: 'U' },
    ],
    ['is unknown while LND pays the same hash', [ends(6, 'payment is in transition')], [alive], { class: 'U' }],
    ['is done when LND has paid the same hash', [ends(6, 'invoice is already paid')], [succeeded], { class: 'A' }],
    [
      'can not be done with an expired invoice',
      [ends(2, 'invoice expired. Valid until x')],
      noRecord,
      { ...UNPAYABLE, known: false },
    ],
    [
      'can not be done any more when an attempt failed and the invoice expired',
      [ends(2, 'invoice expired. Valid until x')],
      [failedBefore],
      { ...UNPAYABLE, known: true },
    ],
    [
      'is under way although the invoice has expired',
      [ends(2, 'invoice expired. Valid until x')],
      [alive],
      { class: 'U' },
    ],
    [
      'is done although the invoice has expired',
      [ends(2, 'invoice expired. Valid until x')],
      [succeeded],
      { class: 'A' },
    ],
    [
      'is unknown when an expired invoice can not be looked up',
      [ends(2, 'invoice expired. Valid until x')],
      noAnswer,
      { class: 'U' },
    ],
    ['can not be done to ourselves', [ends(2, 'self-payments not allowed')], noRecord, { ...UNPAYABLE, known: false }],
    [
      'stops when our time lock is beyond the node',
      [ends(2, 'total time lock of 4000 exceeds max allowed 2016')],
      noRecord,
      { class: 'B' },
    ],
    [
      'stops when we send an amount that the invoice has',
      [ends(2, 'amount must not be specified when paying')],
      noRecord,
      { class: 'B' },
    ],
    ['is unknown after words that are new', [ends(2, 'the moon is full')], noRecord, { class: 'U' }],
    ['was not sent to a closed port', [ends(14, 'No connection established')], [], { class: 'S' }],
    ['was not sent to a locked node', [ends(2, 'wallet locked, unlock it')], [], { class: 'S' }],
    ['stops without the right', [ends(2, 'permission denied')], [], { class: 'B' }],
    [
      'is unknown when LND talks about another payment',
      [says({ payment_hash: '00'.repeat(32) })],
      noAnswer,
      { class: 'U' },
    ],
    ['is unknown in a state that is new', [says({ status: 'PONDERING' })], noAnswer, { class: 'U' }],
  ]
  it.each(rows)('%s', async (_title, send, track, outcome) => {
    expect((await paying(send, track)).outcome).toMatchObject(outcome)
  })

  it.each([
    ['FAILURE_REASON_NO_ROUTE', 'no-route'],
    ['FAILURE_REASON_INCORRECT_PAYMENT_DETAILS', 'incorrect-details'],
    ['FAILURE_REASON_TIMEOUT', 'timeout'],
    ['FAILURE_REASON_INSUFFICIENT_BALANCE', 'insufficient-balance'],
    ['FAILURE_REASON_ERROR', 'error'],
    ['FAILURE_REASON_CANCELED', 'canceled'],
    ['FAILURE_REASON_OF_TOMORROW', 'error'],
  ])('reports %s as %s', async (failure_reason, reason) => {
    const verified = [says({ ...lastAttempt, failure_reason })]
    expect((await paying(verified, verified)).outcome).toMatchObject({ class: 'T', reason })
  })

  it('tells a failure without any HTLC', async () => {
    const verified = [says({ ...lastAttempt, failure_reason: 'FAILURE_REASON_TIMEOUT', htlcs: [] })]
    expect((await paying(verified, verified)).outcome).toMatchObject({ class: 'T', tried: false })
  })

  it('accepts an attempt that LND dates up to two seconds early', async () => {
    const dated = (ms: number) => [says({ ...lastAttempt, creation_time_ns: `${STARTED_MS + ms}000000` })]
    expect((await paying([failedNow], dated(-2_000))).outcome.class).toBe('T')
    expect((await paying([failedNow], dated(-2_001))).outcome.class).toBe('U')
  })

  it('acknowledges once, when LND has the payment', async () => {
    expect((await paying([says({ status: 'INITIATED' }), alive, alive, succeeded], [])).acks).toBe(1)
    expect((await paying([ends(6, 'payment is in transition')], [alive])).acks).toBe(1)
    expect((await paying([ends(2, 'invoice expired. Valid until x')], noRecord)).acks).toBe(0)
  })

  it('asks for no self-payment, no cancelling with the stream, a fee limit, and an amount only when the invoice has none', async () => {
    const limits = { fee_limit_msat: '2000', timeout_seconds: 60, max_parts: 16, cltv_limit: 1008 }
    const flags = { allow_self_payment: false, cancelable: false, no_inflight_updates: false }
    const withAmount = await paying([succeeded], [])
    expect(withAmount.calls.made[0]?.request).toEqual({ payment_request: 'lnbcrt1request', ...limits, ...flags })
    const amountless = await paying([succeeded], [], { invoiceHasAmount: false })
    expect(amountless.calls.made[0]?.request).toMatchObject({ amt_msat: '100000' })
  })

  it('never hangs: a stream that says nothing is left after 90 seconds, and a look-up decides', async () => {
    for (const [track, outcome] of [
      [[alive], 'U'],
      [[succeeded], 'A'],
      [noRecord, 'U'],
    ] as const) {
      const clock = handClock()
      const calls = new ScriptedCalls({ streams: { sendPayment: [[alive]], trackPayment: [track] } })
      const paid = pay(calls, clock, LND_TIMINGS, plan, STARTED_MS, () => {})
      clock.ring()
      expect((await paid).class).toBe(outcome)
    }
  })
})

describe('looking up a payment (money-path.md 1.8)', () => {
  const looking = (steps: Steps) => lookupPayment(new ScriptedCalls({ streams: { trackPayment: [steps] } }), HASH)

  it.each([
    ['just begun', says({ status: 'INITIATED' }), { state: 'alive' }],
    ['on its way without any HTLC', alive, { state: 'alive' }],
    ['on its way with failed HTLCs only', says({ status: 'IN_FLIGHT', htlcs: [{}, {}] }), { state: 'alive' }],
    ['paid', succeeded, { state: 'succeeded', preimage: PREIMAGE, feeMsat: 1_010, amountMsat: 100_000 }],
    ['failed', failedNow, { state: 'failed', reason: 'no-route', tried: true, startedAtMs: STARTED_MS }],
  ])('%s', async (_title, message, value) => {
    expect(await looking([message])).toEqual({ ok: true, value })
  })

  it('not found', async () => {
    expect(await looking(noRecord)).toEqual({ ok: true, value: 'not-found' })
  })

  it.each([
    ['a deadline', noAnswer],
    ['an end without a message', [{ end: null }]],
    ['a success that its preimage does not prove', [wrongPreimage]],
    ['another payment', [says({ payment_hash: '00'.repeat(32) })]],
    ['a state that is new', [says({ status: 'UNKNOWN' })]],
  ] as readonly (readonly [string, Steps])[])('%s is no information', async (_title, steps) => {
    expect((await looking(steps)).ok).toBe(false)
  })

  it('takes the first message and closes the stream', async () => {
    const calls = new ScriptedCalls({ streams: { trackPayment: [[alive, succeeded]] } })
    expect(await lookupPayment(calls, HASH)).toEqual({ ok: true, value: { state: 'alive' } })
    expect(calls.cancelled).toBe(1)
  })
})

describe('listing payments (money-path.md 1.9)', () => {
  it('tells failed and unfinished ones too, from all pages', async () => {
    const page = (statuses: readonly string[], last: string) =>
      answers({ payments: statuses.map((status) => paymentMessage({ status })), last_index_offset: last })
    const calls = new ScriptedCalls({
      listPayments: [page(['INITIATED', 'IN_FLIGHT'], '2'), page(['FAILED', 'SUCCEEDED'], '4'), page([], '0')],
    })
    const listed = await listPayments(calls, 1_799_999_000)
    expect(listed.ok && listed.value.map(({ status }) => status)).toEqual(['alive', 'alive', 'failed', 'succeeded'])
    expect(calls.made[0]?.request).toMatchObject({ include_incomplete: true, creation_date_start: 1_799_999_000 })
  })

  it('is no information when LND does not answer', async () => {
    const calls = new ScriptedCalls({ listPayments: [fails('listPayments', 14, 'Connection dropped')] })
    expect((await listPayments(calls, 0)).ok).toBe(false)
  })
})
