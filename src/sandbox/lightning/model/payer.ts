/** Outgoing payments of one party: attempts, their ends and what LND's control tower makes of them (money-path.md 1.13). */
import { assert } from '../../../core/assert.ts'
import type { PaymentFailure } from '../../../ports/lightning.ts'
import type { Bolt11 } from '../bolt11.ts'
import type { PaymentScript } from '../control.ts'
import type { Attempt, Context, Htlc, HtlcFailure, Party, Payment, Records } from './records.ts'
import type { NewHtlc, Transport } from './transport.ts'

export type PaymentStatus = 'initiated' | 'in-flight' | 'succeeded' | 'failed'

/** Blocks that the hub wants between its two sides of an HTLC. */
export const HUB_CLTV_DELTA = 40

export type Send = {
  readonly invoice: Bolt11
  readonly request: string
  /** what is sent, and what the set announces; they differ for a partial set only */
  readonly amountMsat: number
  readonly totalMsat: number
  readonly maxFeeMsat: number
  readonly maxParts: number
  readonly timeoutMs: number
  /** blocks on top of the invoice's final CLTV */
  readonly cltvPadding: number
  /** total time lock from here, in blocks */
  readonly cltvLimit: number
  readonly script: PaymentScript | null
}

export class Payer {
  readonly #context: Context
  readonly #transport: Transport
  readonly #partyByKey: (pubkey: string) => Party | null

  constructor(context: Context, transport: Transport, partyByKey: (pubkey: string) => Party | null) {
    this.#context = context
    this.#transport = transport
    this.#partyByKey = partyByKey
  }

  /** Why a payment of this hash may not begin; a failed one may, under a new record. */
  refusal(party: Party, hash: string): 'initiated' | 'in-flight' | 'succeeded' | null {
    const payment = party.records.payments.get(hash)
    const status = payment === undefined ? 'failed' : statusOf(payment)
    return status === 'failed' ? null : status
  }

  /** Writes the payment down; nothing is sent before {@link launch}. A failed record of the hash is replaced. */
  create(party: Party, send: Send): Payment {
    const { records } = party
    const { hash } = send.invoice
    assert(this.refusal(party, hash) === null, `payment exists: ${hash}`)
    deletePayment(records, hash)
    const payment: Payment = {
      index: ++records.lastPaymentIndex,
      hash,
      request: send.request,
      payee: send.invoice.payee,
      amountMsat: send.amountMsat,
      createdAtMs: this.#context.nowMs(),
      timeoutMs: send.timeoutMs,
      attempts: [],
      preimage: null,
      failure: null,
      scriptedFailure: null,
      corrupt: false,
      echoes: false,
      zombie: false,
      failsAtMs: null,
    }
    records.payments.set(hash, payment)
    this.#context.paymentChanged(party, payment)
    return payment
  }

  /** Finds a route and sends the HTLCs, or fails, or does what the script says. */
  launch(party: Party, payment: Payment, send: Send): void {
    const { script } = send
    switch (script?.kind) {
      case 'zombie':
        payment.zombie = true
        return this.#context.paymentChanged(party, payment)
      case 'fail':
      case 'fail-twice': {
        payment.scriptedFailure = script.reason
        payment.echoes = script.kind === 'fail-twice'
        const tried = script.kind === 'fail-twice' || (script.tried ?? true)
        const given = script.kind === 'fail' ? script.afterMs : undefined
        const afterMs = given ?? (script.reason === 'timeout' ? payment.timeoutMs : 0)
        if (tried) return this.#send(party, payment, send, 1, { doom: 'TEMPORARY_CHANNEL_FAILURE', travelMs: afterMs })
        return this.#failLater(party, payment, afterMs)
      }
      case 'slow':
        return this.#send(party, payment, send, this.#partsOf(send), { travelMs: script.ms })
      case 'parts':
        return this.#send(party, payment, send, script.parts, { stuck: script.stuck ?? 0 })
      case 'wrong-preimage':
        payment.corrupt = true
        return this.#send(party, payment, send, this.#partsOf(send), {})
      case undefined:
        return this.#send(party, payment, send, this.#partsOf(send), {})
    }
  }

  /** An HTLC of this party ended. A party that lost its record takes no notice. */
  resolved(party: Party, htlc: Htlc): void {
    const payment = party.records.payments.get(htlc.hash)
    const attempt = payment?.attempts.find((each) => each.htlcId === htlc.id)
    if (payment === undefined || attempt?.status !== 'in-flight') return
    this.#close(payment, attempt, htlc)
    this.#context.paymentChanged(party, payment)
  }

  /** The time of a failure without HTLCs has come. */
  failDue(party: Party, hash: string): void {
    const payment = party.records.payments.get(hash)
    if (payment === undefined || payment.failsAtMs === null || payment.failsAtMs > this.#context.nowMs()) return
    this.#fail(party, payment, payment.scriptedFailure ?? 'error')
  }

  /** The client of a cancelable payment went away: no new attempts; HTLCs that are out decide. */
  cancel(party: Party, hash: string): void {
    const payment = party.records.payments.get(hash)
    const status = payment === undefined ? 'failed' : statusOf(payment)
    if (payment === undefined || status === 'failed' || status === 'succeeded') return
    this.#fail(party, payment, 'canceled')
  }

  /** After a restart: attempts are as the channels say, no new routes are tried, zombies end. */
  resume(party: Party): void {
    for (const payment of party.records.payments.values()) {
      const status = statusOf(payment)
      if (status === 'succeeded' || status === 'failed') continue
      payment.zombie = false
      payment.failsAtMs = null
      payment.scriptedFailure = 'no-route'
      for (const attempt of payment.attempts) {
        const htlc = this.#transport.htlcs.get(attempt.htlcId)
        if (attempt.status === 'in-flight' && htlc !== undefined && !this.#transport.pending.has(htlc.id)) {
          this.#close(payment, attempt, htlc)
        }
      }
      if (statusOf(payment) === 'initiated') payment.failure = 'no-route'
      this.#context.paymentChanged(party, payment)
    }
  }

  /** The hub's fee for one part. */
  feeMsat(amountMsat: number): number {
    const { feeBaseMsat, feePpm } = this.#context.config
    return feeBaseMsat + Math.floor((amountMsat * feePpm) / 1_000_000)
  }

  #partsOf(send: Send): number {
    const { maxPartMsat } = this.#context.config
    return maxPartMsat === null ? 1 : Math.max(1, Math.ceil(send.amountMsat / maxPartMsat))
  }

  #send(
    party: Party,
    payment: Payment,
    send: Send,
    parts: number,
    how: { readonly doom?: HtlcFailure; readonly travelMs?: number; readonly stuck?: number },
  ): void {
    const amounts = split(send.amountMsat, parts)
    const fees = amounts.map((amount) => this.feeMsat(amount))
    const feeMsat = fees.reduce((sum, fee) => sum + fee, 0)
    const payee = this.#partyByKey(payment.payee)
    const timeLock = send.invoice.finalCltv + send.cltvPadding + HUB_CLTV_DELTA
    if (!this.#transport.canSend(party, send.amountMsat + feeMsat)) {
      return this.#fail(party, payment, 'insufficient-balance')
    }
    if (how.doom === undefined) {
      const routable = payee !== null && feeMsat <= send.maxFeeMsat && timeLock <= send.cltvLimit
      if (!routable || parts > send.maxParts) return this.#fail(party, payment, 'no-route')
    }
    const stuck = how.stuck ?? 0
    const htlcs = amounts.map((amountMsat, at) => {
      const plan: NewHtlc = {
        payee: payee?.id ?? null,
        hash: payment.hash,
        secret: send.invoice.secret,
        amountMsat,
        feeMsat: fees[at] ?? 0,
        totalMsat: send.totalMsat,
        expiryHeight: this.#context.height() + send.invoice.finalCltv + send.cltvPadding,
        doom: how.doom ?? (stuck > 0 ? 'TEMPORARY_CHANNEL_FAILURE' : null),
        travelMs: how.travelMs ?? this.#context.config.htlcTravelMs,
        stuck: at < stuck,
      }
      // A stuck part may arrive after all, so its doom is not sealed.
      const htlc = this.#transport.create(party, at < stuck ? { ...plan, doom: null } : plan)
      payment.attempts.push({
        htlcId: htlc.id,
        amountMsat,
        feeMsat: htlc.feeMsat,
        expiryHeight: htlc.expiryHeight,
        startedAtMs: this.#context.nowMs(),
        resolvedAtMs: null,
        status: 'in-flight',
        failure: null,
      })
      return htlc
    })
    this.#context.paymentChanged(party, payment)
    for (const htlc of htlcs) this.#transport.dispatch(htlc)
  }

  #failLater(party: Party, payment: Payment, afterMs: number): void {
    payment.failsAtMs = this.#context.nowMs() + afterMs
    if (afterMs === 0) return this.failDue(party, payment.hash)
    this.#context.schedule({ kind: 'fail-payment', atMs: payment.failsAtMs, party: party.id, hash: payment.hash })
  }

  #fail(party: Party, payment: Payment, reason: PaymentFailure): void {
    payment.failsAtMs = null
    payment.zombie = false
    payment.failure ??= reason
    this.#context.paymentChanged(party, payment)
  }

  #close(payment: Payment, attempt: Attempt, htlc: Htlc): void {
    attempt.resolvedAtMs = this.#context.nowMs()
    if (htlc.state === 'settled') {
      attempt.status = 'succeeded'
      payment.preimage = payment.corrupt ? this.#context.randomHex(32) : htlc.preimage
    } else {
      attempt.status = 'failed'
      attempt.failure = htlc.failure
      payment.failure ??= payment.scriptedFailure ?? reasonOf(htlc.failure)
    }
  }
}

/** LND's status of a payment: in flight while any HTLC is out, whatever failure is already known. */
export function statusOf(payment: Payment): PaymentStatus {
  if (payment.zombie || payment.attempts.some((attempt) => attempt.status === 'in-flight')) return 'in-flight'
  if (payment.attempts.some((attempt) => attempt.status === 'succeeded')) return 'succeeded'
  if (payment.failure !== null) return 'failed'
  return payment.attempts.length === 0 ? 'initiated' : 'in-flight'
}

/** Routing fees of the parts that were settled. */
export function feeOf(payment: Payment): number {
  return payment.attempts
    .filter((attempt) => attempt.status === 'succeeded')
    .reduce((sum, attempt) => sum + attempt.feeMsat, 0)
}

/** Removes a payment; the newest row's id is given out again (money-path.md 1.13). */
export function deletePayment(records: Records, hash: string): void {
  if (!records.payments.delete(hash)) return
  records.lastPaymentIndex = [...records.payments.values()].reduce((max, each) => Math.max(max, each.index), 0)
}

function reasonOf(failure: HtlcFailure | null): PaymentFailure {
  switch (failure) {
    case 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS':
      return 'incorrect-details'
    case 'MPP_TIMEOUT':
      return 'timeout'
    case 'TEMPORARY_CHANNEL_FAILURE':
    case 'PERMANENT_CHANNEL_FAILURE':
    case 'UNKNOWN_NEXT_PEER':
      return 'no-route'
    case null:
      return 'error'
  }
}

function split(amountMsat: number, parts: number): number[] {
  const each = Math.floor(amountMsat / parts)
  return Array.from({ length: parts }, (_, at) => (at === 0 ? amountMsat - each * (parts - 1) : each))
}
