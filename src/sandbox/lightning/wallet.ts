/** A trader's wallet: invoices it wrote, payments it makes, and how it answers what comes in. */
import { createHash } from 'node:crypto'
import { hex } from '@scure/base'
import { assert } from '../../core/assert.ts'
import { type Msat, msat } from '../../core/money.ts'
import { decodeBolt11, encodeBolt11, LND_INVOICE_FEATURES } from './bolt11.ts'
import type {
  IncomingAnswer,
  InvoiceOptions,
  PayOptions,
  Received,
  SimWallet,
  WalletFailure,
  WalletPayment,
} from './control.ts'
import { feeOf, type Send, statusOf } from './model/payer.ts'
import type { Party, Payment } from './model/records.ts'
import type { World } from './model/world.ts'

const DEFAULT_EXPIRY_S = 86_400
const DEFAULT_FINAL_CLTV = 40
const DEFAULT_CLTV_PADDING = 3
const LONGEST_TIME_LOCK = 2016

export class Wallet implements SimWallet {
  readonly name: string
  readonly #world: World

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  get pubkey(): string {
    return this.#world.pubkey(this.#party)
  }

  balanceMsat(): Msat {
    return msat(this.#party.channel.localMsat)
  }

  async pay(request: string, options: PayOptions = {}): Promise<WalletPayment> {
    const { end } = await this.startPayment(request, options)
    return end
  }

  startPayment(
    request: string,
    options: PayOptions = {},
  ): Promise<{ readonly held: boolean; readonly end: Promise<WalletPayment> }> {
    const send = this.#plan(request, options)
    if (typeof send === 'string') return Promise.resolve({ held: false, end: refused(send) })
    const { hash } = send.invoice
    const refusal = this.#world.payer.refusal(this.#party, hash)
    if (refusal !== null) {
      return Promise.resolve({ held: false, end: refused(refusal === 'succeeded' ? 'already-paid' : 'in-flight') })
    }
    return new Promise((resolve) => {
      this.#world.act(() => {
        const payment = this.#world.payer.create(this.#party, send)
        const end = new Promise<WalletPayment>((finish) => {
          const stopWatching = this.#world.listen(`payment:${this.#party.id}:${hash}`, (present) => {
            const outcome = outcomeOf(present)
            if (outcome === null) return
            stopWatching()
            stopWaiting()
            finish(outcome)
            resolve({ held: false, end })
          })
        })
        const stopWaiting = this.#world.listen(`held:${this.#party.id}:${hash}`, () => resolve({ held: true, end }))
        this.#world.payer.launch(this.#party, payment, send)
      })
    })
  }

  invoice(options: InvoiceOptions): string {
    const preimage = this.#world.randomHex(32)
    const hash = createHash('sha256').update(hex.decode(preimage)).digest('hex')
    const secret = this.#world.randomHex(32)
    const createdAtMs = this.#world.nowMs()
    const fields = {
      hash,
      secret,
      expiryS: options.expiryS ?? DEFAULT_EXPIRY_S,
      memo: options.memo ?? '',
      descriptionHash: options.descriptionHash ?? null,
      features: options.features ?? LND_INVOICE_FEATURES,
    }
    const finalCltv = options.finalCltv ?? DEFAULT_FINAL_CLTV
    const request = encodeBolt11(
      {
        ...fields,
        network: options.network ?? 'bcrt',
        amountMsat: options.amountMsat,
        createdAtS: Math.floor(createdAtMs / 1000),
        finalCltv,
      },
      hex.decode(this.#party.records.key),
    )
    const amountMsat = options.amountMsat ?? 0
    this.#world.act(() =>
      this.#world.registry.add(this.#party, {
        ...fields,
        preimage,
        request,
        amountMsat,
        cltvDelta: finalCltv,
        createdAtMs,
      }),
    )
    return request
  }

  received(): readonly Received[] {
    return [...this.#party.records.invoices.values()]
      .filter((invoice) => invoice.state === 'settled')
      .sort((a, b) => (a.settleIndex ?? 0) - (b.settleIndex ?? 0))
      .map((invoice) => ({
        hash: invoice.hash,
        amountMsat: msat(invoice.receivedMsat),
        memo: invoice.memo,
        settledAtMs: invoice.settledAtMs ?? 0,
      }))
  }

  onIncoming(answer: IncomingAnswer, hash?: string): void {
    if (hash === undefined) this.#party.incoming = answer
    else this.#party.incomingByHash.set(hash, answer)
  }

  settleHeld(hash: string): void {
    const invoice = this.#party.records.invoices.get(hash)
    const preimage = invoice?.state === 'accepted' ? invoice.preimage : null
    assert(preimage !== null, `${this.name} holds nothing for ${hash}`)
    this.#world.act(() => this.#world.registry.settle(this.#party, hash, preimage))
  }

  failHeld(hash: string): void {
    this.#world.act(() => this.#world.registry.reject(this.#party, hash))
  }

  held(): readonly string[] {
    return [...this.#party.records.invoices.values()]
      .filter((invoice) => invoice.state === 'accepted')
      .map((invoice) => invoice.hash)
  }

  get #party(): Party {
    return this.#world.transport.party(`wallet:${this.name}`)
  }

  #plan(request: string, options: PayOptions): Send | WalletFailure {
    const invoice = decodeBolt11(request)
    if (invoice === null || invoice.network !== 'bcrt') return 'malformed'
    const expired = (invoice.createdAtS + invoice.expiryS) * 1000 <= this.#world.nowMs()
    if (expired && !options.ignoreExpiry) return 'expired'
    const asked = options.amountMsat ?? invoice.amountMsat
    if (asked === null) return 'amount-missing'
    const totalMsat = asked + (options.overpayMsat ?? 0)
    return {
      invoice,
      request,
      amountMsat: options.partialMsat ?? totalMsat,
      totalMsat,
      maxFeeMsat: Number.MAX_SAFE_INTEGER,
      maxParts: 1000,
      timeoutMs: 60_000,
      cltvPadding: options.cltvPadding ?? DEFAULT_CLTV_PADDING,
      cltvLimit: LONGEST_TIME_LOCK,
      script: null,
    }
  }
}

/** How a payment ended; null while it has not. */
function outcomeOf(payment: Payment): WalletPayment | null {
  switch (statusOf(payment)) {
    case 'initiated':
    case 'in-flight':
      return null
    case 'succeeded':
      assert(payment.preimage !== null, 'a payment that succeeded has its preimage')
      return { ok: true, preimage: payment.preimage, feeMsat: msat(feeOf(payment)) }
    case 'failed':
      return { ok: false, reason: payment.failure ?? 'error' }
  }
}

async function refused(reason: WalletFailure): Promise<WalletPayment> {
  return { ok: false, reason }
}
