/**
 * The daemon's node as LND's RPC server behaves: checks in LND's order, its codes and texts (money-path.md 1.2 to 1.9,
 * 1.13, 6.4). Both doors speak through it; neither knows the model.
 */
import { createHash } from 'node:crypto'
import { hex } from '@scure/base'
import { msat } from '../../core/money.ts'
import { type Bolt11, decodeBolt11, encodeBolt11, LND_INVOICE_FEATURES } from './bolt11.ts'
import type { PaymentScript } from './control.ts'
import { deletePayment, HUB_CLTV_DELTA, type Send, statusOf } from './model/payer.ts'
import type { Invoice, Party, Payment } from './model/records.ts'
import { expiresAtMs } from './model/registry.ts'
import type { World } from './model/world.ts'
import { RpcError, STATUS } from './rpc-error.ts'

/** One answer after the other, then the end; `null` is a status of OK. Values are read at once and not kept. */
export type Sink<T> = { readonly next: (value: T) => void; readonly end: (error: RpcError | null) => void }

/** Ends a stream from the client's side. Idempotent. */
export type StopStream = () => void

export type AddHold = {
  readonly hash: string
  readonly memo: string
  readonly descriptionHash: string | null
  readonly valueMsat: number
  /** seconds from execution; zero or less means a day */
  readonly expiryS: number
  /** 0: LND's default of 80 */
  readonly cltvDelta: number
}

export type InvoiceQuery = {
  readonly pendingOnly: boolean
  readonly indexOffset: number
  readonly max: number
  readonly reversed: boolean
  readonly createdFromS: number
  /** 0: no end */
  readonly createdToS: number
}

export type PaymentQuery = Omit<InvoiceQuery, 'pendingOnly'> & { readonly includeIncomplete: boolean }

export type SendRequest = {
  readonly request: string
  /** 0: what the invoice says */
  readonly amountMsat: number
  readonly feeLimitMsat: number
  readonly timeoutS: number
  readonly maxParts: number
  /** 0: the node's maximum */
  readonly cltvLimit: number
  readonly allowSelfPayment: boolean
  readonly cancelable: boolean
  readonly noInflightUpdates: boolean
}

export type PageOf<T> = { readonly items: readonly T[]; readonly firstIndex: number; readonly lastIndex: number }

const MAX_MEMO_BYTES = 1024
const MAX_INVOICE_EXPIRY_S = 365 * 86_400
const DEFAULT_EXPIRY_S = 86_400
const MIN_CLTV_DELTA = 24
const DEFAULT_CLTV_DELTA = 80
const BLOCK_PADDING = 3
const DEFAULT_PAGE = 100
const DEFAULT_TIMEOUT_S = 60
/** Feature bits an invoice may require of a payer that is no AMP payer. */
const KNOWN_REQUIRED_FEATURES: ReadonlySet<number> = new Set([0, 4, 6, 8, 12, 14, 16, 18, 24, 44, 48])

export class Lnd {
  readonly #world: World
  readonly #takeScript: (hash: string) => PaymentScript | null

  constructor(world: World, takeScript: (hash: string) => PaymentScript | null) {
    this.#world = world
    this.#takeScript = takeScript
  }

  pubkey(): string {
    return this.#world.pubkey(this.#node)
  }

  height(): number {
    return this.#world.height()
  }

  channel(): {
    readonly scid: string
    readonly localMsat: number
    readonly hubMsat: number
    readonly capacityMsat: number
  } & {
    readonly pendingInMsat: number
    readonly pendingOutMsat: number
  } {
    return this.#node.channel
  }

  storesFinalHtlcs(): boolean {
    return this.#world.config.storesFinalHtlcs
  }

  reportsInitiated(): boolean {
    return this.#world.config.reportsInitiated
  }

  /** AddHoldInvoice. Repeat: refused. */
  addHoldInvoice(plan: AddHold): { readonly request: string; readonly addIndex: number; readonly secret: string } {
    const memoBytes = Buffer.byteLength(plan.memo)
    if (memoBytes > MAX_MEMO_BYTES) throw unknown(`memo too large: ${memoBytes} bytes (maxsize=${MAX_MEMO_BYTES})`)
    if (!/^[0-9a-f]{64}$/.test(plan.hash)) throw unknown('invalid hash length')
    if (plan.valueMsat < 0)
      throw unknown(`payments of negative amounts are not allowed, value is ${plan.valueMsat} mSAT`)
    if (plan.expiryS > MAX_INVOICE_EXPIRY_S) {
      throw unknown(`expiry of ${plan.expiryS} seconds greater than max expiry of ${MAX_INVOICE_EXPIRY_S} seconds`)
    }
    const cltvDelta = plan.cltvDelta === 0 ? DEFAULT_CLTV_DELTA : plan.cltvDelta
    if (cltvDelta < MIN_CLTV_DELTA) {
      throw unknown(`CLTV delta of ${cltvDelta} must be greater than minimum of ${MIN_CLTV_DELTA}`)
    }
    if (cltvDelta > 65_535) throw unknown(`CLTV delta of ${cltvDelta} is too large, max accepted is: 65535`)
    if (this.#invoices.has(plan.hash)) {
      throw this.#wrapped(STATUS.unknown, 'unable to add invoice', 'invoice with payment hash already exists')
    }
    const createdAtMs = this.#world.nowMs()
    const expiryS = plan.expiryS <= 0 ? DEFAULT_EXPIRY_S : plan.expiryS
    const secret = this.#world.randomHex(32)
    const request = this.#sign({ ...plan, cltvDelta, expiryS, secret, createdAtMs })
    const invoice = this.#world.act(() =>
      this.#world.registry.add(this.#node, {
        hash: plan.hash,
        preimage: null,
        request,
        secret,
        amountMsat: plan.valueMsat,
        memo: plan.memo,
        descriptionHash: plan.descriptionHash,
        cltvDelta,
        createdAtMs,
        expiryS,
        features: LND_INVOICE_FEATURES,
      }),
    )
    return { request, addIndex: invoice.addIndex, secret }
  }

  /** SettleInvoice. Repeat: safe. */
  settleInvoice(preimage: string): void {
    const hash = createHash('sha256').update(hex.decode(preimage)).digest('hex')
    const refusal = this.#world.act(() => this.#world.registry.settle(this.#node, hash, preimage))
    const during = 'unable to settle invoice'
    if (refusal === 'unknown') throw this.#wrapped(STATUS.unknown, during, 'unable to locate invoice')
    if (refusal === 'open') throw this.#wrapped(STATUS.unknown, during, 'invoice still open')
    if (refusal === 'canceled') throw this.#wrapped(STATUS.unknown, during, 'invoice already canceled')
  }

  /** CancelInvoice. Repeat: safe. */
  cancelInvoice(hash: string): void {
    const refusal = this.#world.act(() => this.#world.registry.cancel(this.#node, hash))
    const during = 'unable to cancel invoice'
    if (refusal === 'unknown') throw this.#wrapped(STATUS.unknown, during, 'unable to locate invoice')
    if (refusal === 'settled') throw this.#wrapped(STATUS.unknown, during, 'invoice already settled')
  }

  lookupInvoice(hash: string): Invoice {
    const invoice = this.#invoices.get(hash)
    if (invoice !== undefined) return invoice
    const text = this.#invoices.size === 0 ? 'there are no existing invoices' : 'unable to locate invoice'
    throw this.#wrapped(STATUS.notFound, 'unable to fetch invoice', text)
  }

  listInvoices(query: InvoiceQuery): PageOf<Invoice> {
    const wanted = (invoice: Invoice): boolean =>
      (!query.pendingOnly || invoice.state === 'open' || invoice.state === 'accepted') &&
      createdWithin(invoice.createdAtMs, query)
    return page(this.#invoices.values(), { wanted, indexOf: (invoice) => invoice.addIndex }, query, DEFAULT_PAGE)
  }

  /** SubscribeSingleInvoice: the present state, then every change, and OK after a final one. Silent for unknown hashes. */
  watchInvoice(hash: string, sink: Sink<Invoice>): StopStream {
    const tell = (invoice: Invoice): void => {
      sink.next(invoice)
      if (invoice.state !== 'settled' && invoice.state !== 'canceled') return
      stop()
      sink.end(null)
    }
    const stop = this.#world.listen(`invoice:node:${hash}`, tell)
    const present = this.#invoices.get(hash)
    if (present !== undefined) tell(present)
    return stop
  }

  /** SubscribeInvoices: new open ones and settled ones, after a backlog beyond the given indexes (0: none). */
  watchInvoices(from: { readonly addIndex: number; readonly settleIndex: number }, sink: Sink<Invoice>): StopStream {
    const stop = this.#world.listen('invoices:node', (invoice) => {
      if ((invoice.state === 'open' && invoice.htlcs.length === 0) || invoice.state === 'settled') sink.next(invoice)
    })
    const all = [...this.#invoices.values()]
    if (from.addIndex > 0) for (const invoice of all) if (invoice.addIndex > from.addIndex) sink.next(invoice)
    if (from.settleIndex > 0) {
      const settled = all.filter((invoice) => (invoice.settleIndex ?? 0) > from.settleIndex)
      for (const invoice of settled.sort((a, b) => (a.settleIndex ?? 0) - (b.settleIndex ?? 0))) sink.next(invoice)
    }
    return stop
  }

  /** SendPaymentV2. Throws before anything is recorded, in LND's order of checks. */
  sendPayment(plan: SendRequest, sink: Sink<Payment>): StopStream {
    const world = this.#world
    const node = this.#node
    const send = this.#admit(plan)
    const { hash } = send.invoice
    const refusal = world.payer.refusal(node, hash)
    if (refusal !== null) {
      const texts = {
        initiated: 'payment already exists',
        'in-flight': 'payment is in transition',
        succeeded: 'invoice is already paid',
      }
      const during = 'failed to initialize payment: payment is not initializable'
      throw this.#wrapped(STATUS.alreadyExists, during, texts[refusal])
    }
    const complete: Send = { ...send, script: this.#takeScript(hash) }
    const payment = world.act(() => world.payer.create(node, complete))
    const stop = this.#follow(payment, plan.noInflightUpdates, sink)
    world.act(() => world.payer.launch(node, payment, complete))
    return () => {
      stop()
      if (plan.cancelable) world.act(() => world.payer.cancel(node, hash))
    }
  }

  /** TrackPaymentV2: the present state at once, then every change until the end. */
  trackPayment(hash: string, noInflightUpdates: boolean, sink: Sink<Payment>): StopStream {
    const payment = this.#node.records.payments.get(hash)
    if (payment === undefined) {
      throw this.#wrapped(STATUS.notFound, 'unable to fetch payment', "payment isn't initiated")
    }
    return this.#follow(payment, noInflightUpdates, sink)
  }

  /** TrackPayments: every change of every payment from now on. */
  trackPayments(noInflightUpdates: boolean, sink: Sink<Payment>): StopStream {
    return this.#world.listen('payments:node', (payment) => {
      if (!noInflightUpdates || isFinal(payment)) sink.next(payment)
    })
  }

  listPayments(query: PaymentQuery): PageOf<Payment> {
    const wanted = (payment: Payment): boolean =>
      (query.includeIncomplete || statusOf(payment) === 'succeeded') && createdWithin(payment.createdAtMs, query)
    const payments = this.#node.records.payments.values()
    return page(payments, { wanted, indexOf: (payment) => payment.index }, query, Number.MAX_SAFE_INTEGER)
  }

  /** DeletePayment. */
  deletePayment(hash: string): void {
    if (!this.#node.records.payments.has(hash)) throw unknown('payment not found')
    deletePayment(this.#node.records, hash)
  }

  /** LookupHtlcResolution of one incoming HTLC. */
  htlcResolution(scid: string, index: number): { readonly settled: boolean; readonly offchain: boolean } {
    if (!this.#world.config.storesFinalHtlcs) {
      throw new RpcError(STATUS.unavailable, 'cannot lookup with flag --store-final-htlc-resolutions=false')
    }
    const htlc = scid === this.#node.channel.scid ? this.#world.transport.incoming(this.#node, index) : null
    if (htlc?.state === 'settled') return { settled: true, offchain: true }
    if (htlc?.state === 'failed') return { settled: false, offchain: htlc.failure !== 'PERMANENT_CHANNEL_FAILURE' }
    throw new RpcError(STATUS.notFound, 'htlc unknown')
  }

  /** DecodePayReq. */
  decode(request: string): Bolt11 {
    const invoice = decodeBolt11(request)
    if (invoice === null) throw unknown('invalid bech32 string or checksum failed')
    if (invoice.network !== 'bcrt') throw unknown("invoice not for current active network 'regtest'")
    return invoice
  }

  /** EstimateRouteFee for an invoice: what its one route costs; null when there is none. */
  estimateFee(request: string): { readonly feeMsat: number; readonly timeLock: number } | null {
    const invoice = this.decode(request)
    if (this.#world.partyByKey(invoice.payee) === null) return null
    const feeMsat = this.#world.payer.feeMsat(invoice.amountMsat ?? 1000)
    return { feeMsat, timeLock: invoice.finalCltv + BLOCK_PADDING + HUB_CLTV_DELTA }
  }

  /** RegisterBlockEpochNtfn: the tip first. */
  watchBlocks(sink: Sink<number>): StopStream {
    const stop = this.#world.listen('blocks', (height) => sink.next(height))
    sink.next(this.#world.height())
    return stop
  }

  get #node(): Party {
    return this.#world.transport.party('node')
  }

  get #invoices(): ReadonlyMap<string, Invoice> {
    return this.#node.records.invoices
  }

  /** Everything that LND checks before its control tower is asked. */
  #admit(plan: SendRequest): Omit<Send, 'script'> {
    const { maxCltvExpiry } = this.#world.config
    const invoice = this.decode(plan.request)
    const validUntilMs = expiresAtMs({ createdAtMs: invoice.createdAtS * 1000, expiryS: invoice.expiryS })
    if (validUntilMs < this.#world.nowMs()) throw unknown(`invoice expired. Valid until ${goTime(validUntilMs)}`)
    if (invoice.amountMsat === null && plan.amountMsat === 0) {
      throw unknown('amount must be specified when paying a zero amount invoice')
    }
    if (invoice.amountMsat !== null && plan.amountMsat !== 0) {
      throw unknown('amount must not be specified when paying a non-zero amount invoice')
    }
    const unsupported = invoice.features.filter((bit) => bit % 2 === 0 && !KNOWN_REQUIRED_FEATURES.has(bit))
    if (unsupported.length > 0) throw unknown(`feature vector contains unknown required features: [${unsupported}]`)
    if (plan.cltvLimit > maxCltvExpiry) {
      throw unknown(`total time lock of ${plan.cltvLimit} exceeds max allowed ${maxCltvExpiry}`)
    }
    const cltvLimit = plan.cltvLimit === 0 ? maxCltvExpiry : plan.cltvLimit
    const least = invoice.finalCltv + BLOCK_PADDING
    if (cltvLimit <= least) throw unknown(`cltv limit ${cltvLimit} should be greater than ${least}`)
    if (!plan.allowSelfPayment && invoice.payee === this.pubkey()) throw unknown('self-payments not allowed')
    const amountMsat = invoice.amountMsat ?? plan.amountMsat
    return {
      invoice,
      request: plan.request,
      amountMsat,
      totalMsat: amountMsat,
      maxFeeMsat: plan.feeLimitMsat,
      maxParts: Math.max(1, plan.maxParts),
      timeoutMs: (plan.timeoutS > 0 ? plan.timeoutS : DEFAULT_TIMEOUT_S) * 1000,
      cltvPadding: BLOCK_PADDING,
      cltvLimit,
    }
  }

  #follow(payment: Payment, noInflightUpdates: boolean, sink: Sink<Payment>): StopStream {
    let finalsLeft = isFinal(payment) ? 1 : null
    const tell = (present: Payment): void => {
      const final = isFinal(present)
      if (final || !noInflightUpdates) sink.next(present)
      if (!final) return
      finalsLeft = (finalsLeft ?? (present.echoes ? 2 : 1)) - 1
      if (finalsLeft > 0) return
      stop()
      sink.end(null)
    }
    const stop = this.#world.listen(`payment:node:${payment.hash}`, tell)
    tell(payment)
    return stop
  }

  #sign(plan: AddHold & { readonly secret: string; readonly createdAtMs: number }): string {
    try {
      const key = hex.decode(this.#node.records.key)
      return encodeBolt11(
        {
          network: 'bcrt',
          amountMsat: plan.valueMsat === 0 ? null : msat(plan.valueMsat),
          createdAtS: Math.floor(plan.createdAtMs / 1000),
          expiryS: plan.expiryS,
          hash: plan.hash,
          secret: plan.secret,
          finalCltv: plan.cltvDelta,
          memo: plan.memo,
          descriptionHash: plan.descriptionHash,
          features: LND_INVOICE_FEATURES,
        },
        key,
      )
    } catch (error) {
      throw unknown(error instanceof Error ? error.message : 'unable to encode invoice')
    }
  }

  #wrapped(code: number, during: string, text: string): RpcError {
    return new RpcError(code, this.#world.config.errorTexts === 'wrapped' ? `${during}: ${text}` : text)
  }
}

function unknown(details: string): RpcError {
  return new RpcError(STATUS.unknown, details)
}

function isFinal(payment: Payment): boolean {
  const status = statusOf(payment)
  return status === 'succeeded' || status === 'failed'
}

function createdWithin(
  createdAtMs: number,
  query: { readonly createdFromS: number; readonly createdToS: number },
): boolean {
  const createdS = Math.floor(createdAtMs / 1000)
  return createdS >= query.createdFromS && (query.createdToS === 0 || createdS <= query.createdToS)
}

/** One page in ascending order of index, beyond or before the offset, as LND's list calls cut it. */
function page<T>(
  ascending: Iterable<T>,
  { wanted, indexOf }: { readonly wanted: (item: T) => boolean; readonly indexOf: (item: T) => number },
  query: { readonly indexOffset: number; readonly max: number; readonly reversed: boolean },
  defaultMax: number,
): PageOf<T> {
  const max = query.max === 0 ? defaultMax : query.max
  const { indexOffset, reversed } = query
  const isBeyond = (index: number): boolean =>
    reversed ? indexOffset === 0 || index < indexOffset : index > indexOffset
  const found: T[] = []
  for (const item of ascending) {
    if (!isBeyond(indexOf(item)) || !wanted(item)) continue
    found.push(item)
    if (!reversed && found.length === max) break
  }
  const items = reversed ? found.slice(-max) : found
  const first = items[0]
  const last = items.at(-1)
  return {
    items,
    firstIndex: first === undefined ? 0 : indexOf(first),
    lastIndex: last === undefined ? 0 : indexOf(last),
  }
}

/** A time as Go prints it. */
function goTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`
}
