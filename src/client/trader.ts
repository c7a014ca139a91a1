import { NostrRelays } from '../adapters/nostr/nostr-relays.ts'
import type { Action, RestoredDispute, RestoredOrder, SmallOrder, Transport } from '../core/protocol.ts'
import { type Curves, portableCurves } from '../wire/curves.ts'
import { type ClientLog, Correspondence } from './correspondence.ts'
import { type Clock, hostClock, hostRandom, type Random } from './host.ts'
import { isTradeIndex, type KeyPair, type Privacy, TraderKeys } from './keys.ts'
import type { Received } from './mailbox.ts'
import { OrderBook } from './order-book.ts'
import { type Draft, drafts, type Offer, type TraderRequest } from './requests.ts'

const DEADLINE_MS = 15_000
/** Trade key for questions that belong to no trade, as other clients do it (wire.md 6). */
const QUESTIONS_INDEX = 1
/** More proof of work would keep this process busy for minutes. */
const MAX_POW_BITS = 28

export type TraderClientOptions = {
  /** addresses, or how to make the connections (it is called twice: one for messages, one for the book) */
  readonly relays: readonly string[] | (() => NostrRelays)
  /** of the node to trade with; x-only, hex */
  readonly nodePubkey: string
  /** twelve words or more; {@link randomMnemonic} makes new ones */
  readonly mnemonic: string
  /** `reputation` when absent */
  readonly privacy?: Privacy
  /** `as-announced` when absent: what the node's info event names */
  readonly transport?: Transport | 'as-announced'
  /** leading zero bits; `as-announced` when absent: what the node's info event asks */
  readonly pow?: number | 'as-announced'
  /** the first trade index that was never used with this mnemonic; 1 when absent */
  readonly nextTradeIndex?: number
  /** how long an answer may take, where a call says nothing else; 15 s when absent */
  readonly deadlineMs?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: ClientLog
  readonly curves?: Curves
}

export type CallOptions = {
  /** for this call alone */
  readonly deadlineMs?: number
  /** for this call alone */
  readonly transport?: Transport
  /** a random u64 when absent; null sends none, and the answer is recognised by action and order */
  readonly requestId?: bigint | null
  /** the trade key that asks, when it is not the one that the order is known by */
  readonly tradeIndex?: number
}

/** What the node remembers of this trader (wire.md 3.2). */
export type RestoredSession = {
  readonly orders: readonly RestoredOrder[]
  readonly disputes: readonly RestoredDispute[]
}

/**
 * A trader. Every method sends one request under the right key and resolves with the node's direct answer. It rejects
 * with `CantDoError` when the node refuses, `DeadlineError` when no answer came, `PublishError` when no relay took the
 * request. What the node says by itself is awaited with {@link next}.
 */
export class TraderClient {
  /** The node's public orders and announcements. */
  readonly book: OrderBook
  readonly #options: TraderClientOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #privacy: Privacy
  readonly #keys: TraderKeys
  readonly #correspondence: Correspondence
  /** Trade keys by which orders are known, from answers to our requests. */
  readonly #indexOfOrder = new Map<string, number>()
  #lastRequest: TraderRequest | null = null

  /** Starts connecting. Throws on a bad mnemonic or relay address. */
  constructor(options: TraderClientOptions) {
    const { clock = hostClock, curves = portableCurves, random = hostRandom, nodePubkey, relays } = options
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#privacy = options.privacy ?? 'reputation'
    this.#keys = new TraderKeys(options.mnemonic, curves)
    if (options.nextTradeIndex !== undefined) this.#keys.markUsed(options.nextTradeIndex - 1)
    const connect = typeof relays === 'function' ? relays : () => new NostrRelays({ urls: relays, clock, random })
    this.book = new OrderBook({ relays: connect(), nodePubkey, clock, curves })
    this.#correspondence = new Correspondence({
      relays: connect(),
      nodePubkey,
      identity: this.#privacy === 'reputation' ? this.#keys.identity : null,
      keys: [this.#keys.trade(QUESTIONS_INDEX), this.#keys.trade(this.#keys.nextIndex)],
      clock,
      random,
      curves,
      log: options.log ?? (() => {}),
    })
  }

  /**
   * Resolves once a relay is connected and has told what it stored for this trader. Calls do not need it: a request
   * waits for its relays by itself.
   */
  ready({ deadlineMs = this.#deadlineMs }: Pick<CallOptions, 'deadlineMs'> = {}): Promise<void> {
    return this.#correspondence.whenUp(deadlineMs)
  }

  /** The key that stands for this trader in `reputation` mode; x-only, hex. */
  get identityPubkey(): string {
    return this.#keys.identity.pubkey
  }

  /** The index that the next trade gets; to be kept for the next start. */
  get nextTradeIndex(): number {
    return this.#keys.nextIndex
  }

  /** The index of the trade key that an order is known by, or null. */
  tradeIndexOf(orderId: string): number | null {
    const received = (): number | undefined =>
      this.history(orderId).find(({ message }) => message.action !== 'cant-do')?.tradeIndex
    return this.#indexOfOrder.get(orderId) ?? received() ?? null
  }

  /** The public key of a trade; x-only, hex. */
  tradePubkeyAt(tradeIndex: number): string {
    return this.#keys.trade(tradeIndex).pubkey
  }

  /** Puts an order into the book, under a fresh trade key. Answer: `new-order`, or `pay-bond-invoice`. */
  async newOrder(offer: Offer, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.newOrder(offer), this.#tradeKey(options), options)
  }

  /**
   * Buys from a seller, under a fresh trade key. `fiatAmount` chooses within a range; `invoice` is a bolt11 or Lightning
   * address to be paid to. Answer: `add-invoice`, `waiting-seller-to-pay` or `pay-bond-invoice`.
   */
  async takeSell(
    orderId: string,
    { fiatAmount, invoice, ...options }: CallOptions & { readonly fiatAmount?: number; readonly invoice?: string } = {},
  ): Promise<Received> {
    return await this.#ask(drafts.takeSell(orderId, fiatAmount, invoice), this.#tradeKey(options), options)
  }

  /** Sells to a buyer, under a fresh trade key. Answer: `pay-invoice` or `pay-bond-invoice`. */
  async takeBuy(
    orderId: string,
    { fiatAmount, ...options }: CallOptions & { readonly fiatAmount?: number } = {},
  ): Promise<Received> {
    return await this.#ask(drafts.takeBuy(orderId, fiatAmount), this.#tradeKey(options), options)
  }

  /**
   * Where the buyer is paid: bolt11 or Lightning address; `amountSats` when the invoice names none. Answer:
   * `waiting-seller-to-pay`, `hold-invoice-payment-accepted` or `invoice-updated`.
   */
  async addInvoice(
    orderId: string,
    invoice: string,
    { amountSats, ...options }: CallOptions & { readonly amountSats?: number } = {},
  ): Promise<Received> {
    return await this.#ask(drafts.addInvoice(orderId, invoice, amountSats), this.#keyOf(orderId, options), options)
  }

  /** Where this trader's share of the other one's bond is paid. Answer: `bond-invoice-accepted`. */
  async addBondInvoice(orderId: string, invoice: string, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.addBondInvoice(orderId, invoice), this.#keyOf(orderId, options), options)
  }

  /**
   * The buyer has paid the fiat. `withNext`: this maker's range order may go on, under a fresh trade key that the
   * request names. Answer: `fiat-sent-ok`.
   */
  async fiatSent(
    orderId: string,
    { withNext = false, ...options }: CallOptions & { readonly withNext?: boolean } = {},
  ): Promise<Received> {
    const next = withNext ? this.#freshKey() : null
    return await this.#ask(drafts.fiatSent(orderId, next), this.#keyOf(orderId, options), options)
  }

  /** The seller has the fiat: the buyer gets the sats. `withNext`: as in {@link fiatSent}. Answer: `hold-invoice-payment-settled`. */
  async release(
    orderId: string,
    { withNext = false, ...options }: CallOptions & { readonly withNext?: boolean } = {},
  ): Promise<Received> {
    const next = withNext ? this.#freshKey() : null
    return await this.#ask(drafts.release(orderId, next), this.#keyOf(orderId, options), options)
  }

  /** Ends an order, or agrees that it ends. Answer: `canceled`, `cooperative-cancel-initiated-by-you` or `-accepted`. */
  async cancel(orderId: string, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.cancel(orderId), this.#keyOf(orderId, options), options)
  }

  /** Calls for a solver. Answer: `dispute-initiated-by-you` with the id of the dispute. */
  async dispute(orderId: string, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.dispute(orderId), this.#keyOf(orderId, options), options)
  }

  /** Rates the other side, 1 to 5. Answer: `rate-received`; none when the other side trades in full privacy. */
  async rateUser(orderId: string, rating: number, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.rateUser(orderId, rating), this.#keyOf(orderId, options), options)
  }

  /** Moves an own pending order to a fresh trade key. Answer, to that key: `trade-pubkey`. */
  async tradePubkey(orderId: string, options: CallOptions = {}): Promise<Received> {
    return await this.#ask(drafts.tradePubkey(orderId), this.#tradeKey(options), options)
  }

  /** The present state of own orders. Rejects with `not_found` when the node shows none of them. */
  async orders(ids: readonly string[], options: CallOptions = {}): Promise<readonly SmallOrder[]> {
    const { message } = await this.#ask(drafts.orders(ids), this.#questionKey(options), options)
    return message.payload?.kind === 'orders' ? message.payload.orders : []
  }

  /**
   * Open orders and disputes of this trader. From here on their messages are read, their orders are known, and fresh
   * trade keys begin behind theirs.
   */
  async restoreSession(options: CallOptions = {}): Promise<RestoredSession> {
    const withoutId = { requestId: null, ...options }
    const { message } = await this.#ask(drafts.restoreSession(), this.#questionKey(options), withoutId)
    const { orders, disputes } =
      message.payload?.kind === 'restore_data' ? message.payload : { orders: [], disputes: [] }
    for (const { orderId, tradeIndex } of [...orders, ...disputes]) {
      const index = Number(tradeIndex)
      if (!isTradeIndex(index)) continue
      this.#indexOfOrder.set(orderId, index)
      this.#keys.markUsed(index)
      this.#follow(this.#keys.trade(index))
    }
    return { orders, disputes }
  }

  /**
   * The highest trade index that the node knows of this trader; fresh trade keys begin behind it. Rejects with
   * `not_found` for one it does not know.
   */
  async lastTradeIndex(options: CallOptions = {}): Promise<number> {
    const { message } = await this.#ask(drafts.lastTradeIndex(), this.#questionKey(options), options)
    const index = Number(message.tradeIndex ?? 0n)
    this.#keys.markUsed(index)
    this.#follow(this.#keys.trade(this.#keys.nextIndex))
    return index
  }

  /**
   * Asks the very same thing again, as a new event: after a lost answer, say (DEC-05). The request is found on the
   * error; {@link lastRequest} has the latest one.
   */
  async resend(request: TraderRequest, options: Pick<CallOptions, 'deadlineMs' | 'transport'> = {}): Promise<Received> {
    this.#lastRequest = request
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs
    const untilMs = this.#clock.nowMs() + deadlineMs
    const transport = await this.#transport(options, deadlineMs)
    const pow = await this.#pow(deadlineMs)
    const key = this.#keys.trade(request.tradeIndex)
    const leftMs = Math.max(0, untilMs - this.#clock.nowMs())
    const answer = await this.#correspondence.exchange(request, { key, transport, pow, deadlineMs: leftMs })
    if (answer.message.id !== null) this.#indexOfOrder.set(answer.message.id, key.index)
    return answer
  }

  /** The latest request that was sent, or null. */
  get lastRequest(): TraderRequest | null {
    return this.#lastRequest
  }

  /**
   * The first message with this action (one of these) that nobody has taken yet, or the next one to come: about an
   * order, to a trade key, or any. Rejects with `DeadlineError`.
   */
  next(
    action: Action | readonly Action[],
    orderId?: string,
    { deadlineMs = this.#deadlineMs, tradeIndex }: Pick<CallOptions, 'deadlineMs' | 'tradeIndex'> = {},
  ): Promise<Received> {
    const actions: readonly Action[] = typeof action === 'string' ? [action] : action
    const about = orderId === undefined ? '' : ` about order ${orderId}`
    const to = tradeIndex === undefined ? '' : ` to trade key ${tradeIndex}`
    return this.#correspondence.mailbox.take({
      matches: (received) =>
        actions.includes(received.message.action) &&
        (orderId === undefined || received.message.id === orderId) &&
        (tradeIndex === undefined || received.tradeIndex === tradeIndex),
      what: `${actions.join(' or ')}${about}${to}`,
      deadlineMs,
    })
  }

  /** What the node said, about one order or at all, oldest first; whether it was awaited or not. */
  history(orderId?: string): readonly Received[] {
    return this.#correspondence.mailbox.history(orderId)
  }

  /** What the node said and nobody has taken yet, oldest first. */
  unread(): readonly Received[] {
    return this.#correspondence.mailbox.unread()
  }

  /** Ends every wait with `ClosedError` and leaves nothing running. Repeat: safe. */
  async close(): Promise<void> {
    await Promise.all([this.#correspondence.close(), this.book.close()])
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? DEADLINE_MS
  }

  /** Uses up a key. The one behind it is followed already, so that no message can come too early. */
  #freshKey(): KeyPair {
    const key = this.#keys.takeNext()
    this.#follow(key, this.#keys.trade(this.#keys.nextIndex))
    return key
  }

  #follow(...keys: readonly KeyPair[]): void {
    this.#correspondence.follow(...keys)
  }

  /** The key for a new trade. */
  #tradeKey({ tradeIndex }: CallOptions): KeyPair {
    return tradeIndex === undefined ? this.#freshKey() : this.#keys.trade(tradeIndex)
  }

  #keyOf(orderId: string, { tradeIndex }: CallOptions): KeyPair {
    const index = tradeIndex ?? this.tradeIndexOf(orderId)
    if (index === null) throw new Error(`no trade key is known for order ${orderId}`)
    return this.#keys.trade(index)
  }

  #questionKey({ tradeIndex = QUESTIONS_INDEX }: CallOptions): KeyPair {
    return this.#keys.trade(tradeIndex)
  }

  async #ask(draft: Draft, key: KeyPair, options: CallOptions): Promise<Received> {
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs
    const untilMs = this.#clock.nowMs() + deadlineMs
    const transport = await this.#transport(options, deadlineMs)
    const { namesIndex, replies, ...content } = draft
    const request: TraderRequest = {
      message: {
        ...content,
        version: transport,
        requestId: options.requestId === undefined ? this.#randomId() : options.requestId,
        tradeIndex: namesIndex && this.#privacy === 'reputation' ? BigInt(key.index) : null,
      },
      tradeIndex: key.index,
      replies,
    }
    return await this.resend(request, { transport, deadlineMs: Math.max(0, untilMs - this.#clock.nowMs()) })
  }

  async #transport({ transport }: Pick<CallOptions, 'transport'>, deadlineMs: number): Promise<Transport> {
    const wanted = transport ?? this.#options.transport ?? 'as-announced'
    return wanted === 'as-announced' ? (await this.book.waitForInfo(deadlineMs)).transport : wanted
  }

  /** Every key may be unknown to the node, also that of a finished trade, so the larger number is mined always. */
  async #pow(deadlineMs: number): Promise<number> {
    const { pow: wanted = 'as-announced' } = this.#options
    const bits = wanted === 'as-announced' ? (await this.book.waitForInfo(deadlineMs)).powFirstContact : wanted
    if (bits > MAX_POW_BITS) throw new RangeError(`${bits} bits of proof of work are more than this client mines`)
    return bits
  }

  #randomId(): bigint {
    return Buffer.from(this.#random.bytes(8)).readBigUInt64BE()
  }
}
