/** The invoice registry of one party, as LND keeps it (money-path.md 1.13, 6.4). */
import { assert } from '../../../core/assert.ts'
import type { Context, Htlc, HtlcFailure, Invoice, InvoiceHtlc, Party, Records } from './records.ts'
import type { Transport } from './transport.ts'

/** LND refuses HTLCs that expire sooner than this many blocks ahead. */
const FINAL_CLTV_REJECT_DELTA = 19

export type SettleRefusal = 'unknown' | 'open' | 'canceled'

export class Registry {
  readonly #context: Context
  readonly #transport: Transport

  constructor(context: Context, transport: Transport) {
    this.#context = context
    this.#transport = transport
  }

  /** Records a new open invoice. The hash must not be in the records. */
  add(
    party: Party,
    plan: Omit<Invoice, 'addIndex' | 'state' | 'receivedMsat' | 'settleIndex' | 'settledAtMs' | 'htlcs'>,
  ): Invoice {
    const { records } = party
    assert(!records.invoices.has(plan.hash), `invoice exists: ${plan.hash}`)
    const invoice: Invoice = {
      ...plan,
      addIndex: ++records.lastAddIndex,
      state: 'open',
      receivedMsat: 0,
      settleIndex: null,
      settledAtMs: null,
      htlcs: [],
    }
    records.invoices.set(invoice.hash, invoice)
    this.scheduleExpiry(party, invoice)
    this.#context.invoiceChanged(party, invoice)
    return invoice
  }

  /** Makes sure that LND's watcher looks at an open invoice when it has expired. */
  scheduleExpiry(party: Party, invoice: Invoice): void {
    if (invoice.state !== 'open') return
    const atMs = expiresAtMs(invoice) + this.#context.config.expiryWatcherLagMs
    this.#context.schedule({ kind: 'expire', atMs, party: party.id, hash: invoice.hash })
  }

  /** Takes part in a set, completes it or refuses it. */
  accept(party: Party, htlc: Htlc): void {
    const invoice = party.records.invoices.get(htlc.hash)
    if (invoice === undefined || !this.#fits(party, invoice, htlc)) {
      this.#transport.fail(htlc, 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS')
      return
    }
    assert(htlc.payeeIndex !== null, 'an accepted HTLC has an index')
    invoice.htlcs.push({
      htlcId: htlc.id,
      channelIndex: htlc.payeeIndex,
      amountMsat: htlc.amountMsat,
      totalMsat: htlc.totalMsat,
      expiryHeight: htlc.expiryHeight,
      acceptHeight: this.#context.height(),
      acceptedAtMs: this.#context.nowMs(),
      resolvedAtMs: null,
      state: 'accepted',
    })
    const arrivedMsat = accepted(invoice).reduce((sum, part) => sum + part.amountMsat, 0)
    if (arrivedMsat >= htlc.totalMsat) {
      this.#complete(party, invoice, arrivedMsat)
    } else {
      const atMs = this.#context.nowMs() + this.#context.config.mppTimeoutMs
      this.#context.schedule({ kind: 'release-part', atMs, party: party.id, hash: invoice.hash, htlcId: htlc.id })
    }
  }

  /** SettleInvoice. Repeat: safe. */
  settle(party: Party, hash: string, preimage: string): SettleRefusal | null {
    const invoice = party.records.invoices.get(hash)
    if (invoice === undefined) return 'unknown'
    if (invoice.state === 'settled') return null
    if (invoice.state !== 'accepted') return invoice.state
    invoice.state = 'settled'
    invoice.preimage = preimage
    invoice.settleIndex = ++party.records.lastSettleIndex
    invoice.settledAtMs = this.#context.nowMs()
    const parts = accepted(invoice)
    for (const part of parts) this.#close(part, 'settled')
    this.#context.invoiceChanged(party, invoice)
    for (const part of parts) this.#transport.settle(part.htlcId, preimage)
    return null
  }

  /** CancelInvoice: open and accepted alike. Repeat: safe. */
  cancel(party: Party, hash: string, failure?: HtlcFailure): 'unknown' | 'settled' | null {
    const invoice = party.records.invoices.get(hash)
    if (invoice === undefined) return 'unknown'
    if (invoice.state === 'settled') return 'settled'
    if (invoice.state === 'canceled') return null
    invoice.state = 'canceled'
    this.#returnParts(invoice, failure ?? 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS')
    this.#context.invoiceChanged(party, invoice)
    return null
  }

  /** A wallet gives a held set back and keeps its invoice payable. */
  reject(party: Party, hash: string): void {
    const invoice = party.records.invoices.get(hash)
    assert(invoice?.state === 'accepted', `nothing is held for ${hash}`)
    invoice.state = 'open'
    invoice.receivedMsat = 0
    this.#returnParts(invoice, 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS')
    this.scheduleExpiry(party, invoice)
    this.#context.invoiceChanged(party, invoice)
  }

  /** The watcher's look at an invoice whose time is over: only an unpaid one is canceled. */
  expire(party: Party, hash: string): void {
    const invoice = party.records.invoices.get(hash)
    if (invoice?.state === 'open' && expiresAtMs(invoice) <= this.#context.nowMs()) {
      this.cancel(party, hash, 'MPP_TIMEOUT')
    }
  }

  /** Gives one part of an incomplete set back. */
  releasePart(party: Party, hash: string, htlcId: number): void {
    const invoice = party.records.invoices.get(hash)
    const part = invoice?.htlcs.find((each) => each.htlcId === htlcId)
    if (invoice?.state !== 'open' || part?.state !== 'accepted') return
    this.#close(part, 'canceled')
    const htlc = this.#transport.htlcs.get(htlcId)
    if (htlc !== undefined) this.#transport.fail(htlc, 'MPP_TIMEOUT')
  }

  /** An HTLC went back on chain: the part is gone, and an accepted invoice with it. */
  timedOut(party: Party, htlc: Htlc): void {
    const invoice = party.records.invoices.get(htlc.hash)
    const part = invoice?.htlcs.find((each) => each.htlcId === htlc.id)
    if (invoice === undefined || part?.state !== 'accepted') return
    if (invoice.state === 'accepted') this.cancel(party, invoice.hash)
    else this.#close(part, 'canceled')
  }

  /** Cancels accepted invoices that come too close to their earliest HTLC expiry. */
  guardHeight(party: Party): void {
    const limit = this.#context.height() + this.#context.config.holdExpiryDelta
    for (const id of [...this.#transport.pending]) {
      const htlc = this.#transport.htlcs.get(id)
      if (htlc?.payee !== party.id || htlc.state !== 'held' || htlc.expiryHeight > limit) continue
      if (party.records.invoices.get(htlc.hash)?.state === 'accepted') this.cancel(party, htlc.hash)
    }
  }

  /**
   * What LND does when it comes up: held HTLCs are offered to the registry again, so an older image accepts them once
   * more or, when it does not know their invoice, gives them back; then the height is looked at.
   */
  resume(party: Party): void {
    for (const id of [...this.#transport.pending]) {
      const htlc = this.#transport.htlcs.get(id)
      if (htlc?.payee !== party.id || htlc.state !== 'held') continue
      const invoice = party.records.invoices.get(htlc.hash)
      const part = invoice?.htlcs.find((each) => each.htlcId === id)
      if (part === undefined) this.accept(party, htlc)
      else if (part.state === 'canceled') this.#transport.fail(htlc, 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS')
      else if (part.state === 'settled' && invoice?.preimage) this.#transport.settle(id, invoice.preimage)
    }
    this.guardHeight(party)
  }

  #fits(party: Party, invoice: Invoice, htlc: Htlc): boolean {
    const set = accepted(invoice)[0]
    const reject = party.id === 'node' ? FINAL_CLTV_REJECT_DELTA : 0
    return (
      invoice.state === 'open' &&
      htlc.secret === invoice.secret &&
      htlc.totalMsat >= invoice.amountMsat &&
      htlc.expiryHeight >= this.#context.height() + Math.max(invoice.cltvDelta, reject) &&
      (set === undefined || set.totalMsat === htlc.totalMsat)
    )
  }

  #complete(party: Party, invoice: Invoice, receivedMsat: number): void {
    invoice.state = 'accepted'
    invoice.receivedMsat = receivedMsat
    const answer = party.id === 'node' ? 'hold' : (party.incomingByHash.get(invoice.hash) ?? party.incoming)
    if (answer === 'fail') return this.reject(party, invoice.hash)
    this.#context.invoiceChanged(party, invoice)
    if (answer === 'settle' && invoice.preimage !== null) this.settle(party, invoice.hash, invoice.preimage)
  }

  #returnParts(invoice: Invoice, failure: HtlcFailure): void {
    const parts = accepted(invoice)
    for (const part of parts) this.#close(part, 'canceled')
    for (const part of parts) {
      const htlc = this.#transport.htlcs.get(part.htlcId)
      if (htlc !== undefined) this.#transport.fail(htlc, failure)
    }
  }

  #close(part: InvoiceHtlc, state: 'settled' | 'canceled'): void {
    part.state = state
    part.resolvedAtMs = this.#context.nowMs()
  }
}

/** When the invoice may no longer be paid, by the clock. */
export function expiresAtMs(invoice: Pick<Invoice, 'createdAtMs' | 'expiryS'>): number {
  return (Math.floor(invoice.createdAtMs / 1000) + invoice.expiryS) * 1000
}

/** Removes an invoice; row ids of SQLite are given out again when the newest row goes (money-path.md 1.13). */
export function deleteInvoice(records: Records, hash: string): void {
  records.invoices.delete(hash)
  records.lastAddIndex = [...records.invoices.values()].reduce((max, each) => Math.max(max, each.addIndex), 0)
}

function accepted(invoice: Invoice): InvoiceHtlc[] {
  return invoice.htlcs.filter((part) => part.state === 'accepted')
}
