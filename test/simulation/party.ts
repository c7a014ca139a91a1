/** A simulated person in one trade: reacts to what the daemon says, as his plan and his habits have it. */
import { satsToMsat } from '../../src/core/money.ts'
import type { Action, Message, Payload, SmallOrder } from '../../src/core/protocol.ts'
import type { PayOptions } from '../../src/sandbox/lightning/control.ts'
import { ADDRESS_HOST, type EngineWorld } from '../support/engine-world.ts'
import {
  bolt11Of,
  type Heard,
  paymentRequest,
  type SendOptions,
  type SimTrader,
  smallOrder,
} from '../support/sim-trader.ts'
import { Dice } from './dice.ts'
import type { PartyPlan, TradePlan } from './plan.ts'

export type Role = 'seller' | 'buyer'

const PATIENCE_MS = 15_000
/** A payment that LND swallowed keeps its invoice from being replaced until that has expired; all windows end within a day. */
const INVOICE_LIFE_S = 72_000
const TRIES = 30
const FUNDING_SATS = 3_000_000
const PAYEE_ANSWERS = { settles: 'settle', holds: 'hold', fails: 'fail' } as const
/** Statuses after which nothing happens to an order. */
export const ENDED: ReadonlySet<string> = new Set([
  'success',
  'canceled',
  'cooperatively-canceled',
  'canceled-by-admin',
  'expired',
])
/** Refusals after which a person tries once more a little later. */
const PASSING = new Set(['pending_order_exists', 'too_many_requests', 'price_too_stale', 'invalid_order_status'])

export class Party {
  readonly trader: SimTrader
  readonly plan: PartyPlan
  readonly role: Role
  readonly isMaker: boolean
  /** what the routing of this person's payments cost so far */
  routingMsat = 0
  orderId: string | null = null
  /** called when the order is on the book, again too */
  onOffered: () => void = () => undefined
  /** called with every request that is sent, again too */
  onAsked: (requestId: bigint) => void = () => undefined
  readonly #world: EngineWorld
  readonly #trade: TradePlan
  readonly #dice: Dice
  readonly #answered = new Set<bigint>()
  readonly #paying = new Set<string>()
  /** what this maker put on the book and may still be there */
  readonly #offers = new Set<string>()
  #isOver = false
  #acts = 0
  /** has vanished for good */
  isGone = false

  constructor(world: EngineWorld, trade: TradePlan, plan: PartyPlan, name: string, isMaker: boolean) {
    this.#world = world
    this.#trade = trade
    this.plan = plan
    this.isMaker = isMaker
    this.role = isMaker === (trade.kind === 'sell') ? 'seller' : 'buyer'
    this.#dice = new Dice(plan.seed)
    this.trader = world.trader(name, { transport: plan.transport, fundingSats: FUNDING_SATS })
    if (this.role === 'buyer') this.trader.wallet.onIncoming(PAYEE_ANSWERS[trade.payee])
    this.trader.onHeard = (heard) => this.#hear(heard)
  }

  /** Does in the end what is asked of him. */
  get isReliable(): boolean {
    return !this.isGone && this.plan.habit !== 'lies'
  }

  /** Offers the order. */
  offers(): void {
    const { kind, pricing, amountSats, fiatAmount } = this.#trade
    const range = { minAmount: 10n, maxAmount: BigInt(fiatAmount + 10), fiatAmount: 0n, amount: 0n }
    const order: SmallOrder = smallOrder({
      kind,
      fiatAmount: BigInt(fiatAmount),
      amount: pricing === 'fixed' ? BigInt(amountSats) : 0n,
      ...(pricing === 'range' ? range : {}),
    })
    const tradeIndex = this.trader.nextKey()
    this.#act('new-order', { payload: { kind: 'order', order }, tradeIndex })
  }

  /** Takes the order. */
  takes(orderId: string): void {
    this.orderId = orderId
    const tradeIndex = this.trader.nextKey()
    const action = this.#trade.kind === 'sell' ? 'take-sell' : 'take-buy'
    this.#act(action, { id: orderId, tradeIndex, payload: this.#takePayload() })
  }

  /** Opens the app again while the trade has not ended: a message may have got lost on the way. */
  looks(): void {
    if (this.isGone || this.orderId === null || this.#isOver) return
    this.#isOver = ENDED.has(this.#world.standing(this.orderId))
    if (!this.#isOver) this.trader.refresh()
  }

  /** Storm over: every wallet takes its payments; who is still there asks for his sats and takes his offers from the book. */
  cleansUp(): void {
    this.trader.wallet.onIncoming('settle')
    for (const hash of this.trader.wallet.held()) this.trader.wallet.settleHeld(hash)
    if (this.isGone) return
    this.#insistsOnPayout()
    for (const id of this.#offers) {
      const standing = this.#world.standing(id)
      const key = id === this.orderId ? 1 : this.trader.key
      if (standing === 'pending') this.#send('cancel', { id, key, requestId: this.#requestId() })
      if (ENDED.has(standing)) this.#offers.delete(id)
    }
  }

  /** Gives another invoice for sats that still wait; the daemon asks for one only once a day after a while. */
  #insistsOnPayout(): void {
    if (this.role !== 'buyer' || this.orderId === null || this.#isOver) return
    if (this.#world.standing(this.orderId) !== 'settled-hold-invoice') return
    const asked = this.trader.heard.findLast(
      ({ message }) => message.action === 'add-invoice' && message.id === this.orderId,
    )?.message.payload
    if (asked?.kind === 'order') this.#givesDestination(asked.order.amount)()
  }

  #takePayload(): Payload | null {
    const fiat = this.#trade.pricing === 'range' ? 10n : null
    if (this.role === 'buyer' && this.#trade.payout === 'address') return paymentRequest(this.#address(), fiat)
    if (this.role === 'buyer' && this.#trade.payout === 'early') return paymentRequest(this.#invoice(null), fiat)
    return fiat === null ? null : { kind: 'amount', amount: fiat }
  }

  #address(): string {
    return `${this.trader.name}@${ADDRESS_HOST}`
  }

  #invoice(amountSats: bigint | null): string {
    const amountMsat = amountSats === null ? null : satsToMsat(Number(amountSats))
    return this.trader.wallet.invoice({ amountMsat, expiryS: INVOICE_LIFE_S })
  }

  #hear({ message }: Heard): void {
    if (message.requestId !== null) {
      const isFirst = !this.#answered.has(message.requestId)
      this.#answered.add(message.requestId)
      if (!isFirst && message.action === 'cant-do') return
    }
    if (message.action === 'new-order') return this.#offered(message)
    if (message.id === null || message.id !== this.orderId) return
    const react = this.#reaction(message)
    if (react !== null) this.#soon(react)
  }

  #offered(message: Message): void {
    if (!this.isMaker || message.id === null) return
    this.#offers.add(message.id)
    // The remainder of a range is another offer, which nobody takes here.
    if (this.orderId !== null && message.id !== this.orderId) return
    this.orderId = message.id
    if (this.#trade.wish === 'maker-cancels') this.#soon(() => this.#act('cancel', { id: this.orderId }))
    else this.onOffered()
  }

  /** What this person does about a message, or null. */
  #reaction(message: Message): (() => void) | null {
    const id = this.orderId
    const cancels = () => this.#act('cancel', { id })
    const wish = this.#trade.wish
    switch (message.action) {
      case 'pay-invoice':
        if (message.payload?.kind !== 'payment_request' || this.role !== 'seller') return null
        if (wish === 'taker-cancels' && !this.isMaker) return cancels
        return () => this.#pays(bolt11Of(message))
      case 'add-invoice':
        if (message.payload?.kind !== 'order' || this.role !== 'buyer') return null
        if (wish === 'taker-cancels' && !this.isMaker && message.payload.order.status === 'waiting-buyer-invoice')
          return cancels
        return this.#givesDestination(message.payload.order.amount)
      case 'hold-invoice-payment-accepted':
        if (wish === 'cooperative-cancel') return this.isMaker ? cancels : null
        return () => this.#act('fiat-sent', { id, payload: this.#nextTrade() })
      case 'buyer-took-order':
        return wish === 'cooperative-cancel' && this.isMaker ? cancels : null
      case 'cooperative-cancel-initiated-by-peer':
        return cancels
      case 'fiat-sent-ok':
        return this.role === 'seller' ? () => this.#act('release', { id, payload: this.#nextTrade() }) : null
      case 'rate':
        return () => this.#act('rate-user', { id, payload: { kind: 'rating_user', rating: this.#dice.between(1, 5) } })
      default:
        return null
    }
  }

  #givesDestination(amountSats: bigint): () => void {
    const amount = this.plan.habit === 'lies' && this.#dice.chance(0.5) ? amountSats + 1n : amountSats
    return () => {
      const request = this.#trade.payout === 'address' ? this.#address() : this.#invoice(amount)
      this.#act('add-invoice', { id: this.orderId, payload: paymentRequest(request) })
    }
  }

  #nextTrade(): Payload | null {
    if (this.#trade.pricing !== 'range' || !this.isMaker) return null
    this.trader.listen(2)
    this.trader.key = 2
    return { kind: 'next_trade', pubkey: this.trader.pubkey(2), index: 2 }
  }

  #pays(request: string): void {
    if (this.#paying.has(request)) return
    this.#paying.add(request)
    const lies = this.plan.habit === 'lies'
    const options: PayOptions = lies && this.#dice.chance(0.3) ? { overpayMsat: satsToMsat(3) } : {}
    this.trader.wallet.pay(request, options).then(
      (end) => {
        if (end.ok) this.routingMsat += end.feeMsat
      },
      () => undefined,
    )
  }

  #soon(act: () => void): void {
    const { habit, acts } = this.plan
    if (habit === 'vanishes' && this.#acts >= acts) {
      this.isGone = true
      return
    }
    this.#acts += 1
    const thinksMs = habit === 'dawdles' ? this.#dice.between(60_000, 1_200_000) : this.#dice.between(500, 6000)
    this.#world.clock.after(thinksMs, act)
  }

  /** Sends a request, and again while nobody answers; as a liar, something else besides. */
  #act(action: Action, options: SendOptions): void {
    const given = { key: this.#keyOf(options), fullPrivacy: this.plan.fullPrivacy, ...options }
    const requestId = this.#requestId()
    const event = this.trader.wrap(action, { ...given, requestId })
    this.onAsked(requestId)
    this.trader.publish(event)
    if (this.plan.habit === 'repeats') {
      this.trader.publish(event)
      this.#send(action, { ...given, requestId })
    }
    if (this.plan.habit === 'lies') this.#lies(given)
    this.#insist(action, { ...given, requestId }, 1)
  }

  #keyOf(options: SendOptions): number {
    return options.tradeIndex ?? 1
  }

  #insist(action: Action, options: SendOptions & { readonly requestId: bigint }, tries: number): void {
    this.#world.clock.after(PATIENCE_MS, () => {
      const answer = this.trader.heard.findLast(({ message }) => message.requestId === options.requestId)?.message
      const refusal = answer?.payload?.kind === 'cant_do' ? answer.payload.reason : null
      const isAnswered = answer !== undefined && (refusal === null || !PASSING.has(refusal))
      if (isAnswered || tries >= TRIES || this.isGone) return
      if (answer === undefined) this.trader.refresh()
      // An offer stays the same request: one that was refused may have been repeated meanwhile, and be taken after all.
      const isSame = refusal === null || action === 'new-order'
      const requestId = isSame ? options.requestId : this.#requestId()
      this.#send(action, { ...options, requestId })
      this.#insist(action, { ...options, requestId }, tries + 1)
    })
  }

  #send(action: Action, options: SendOptions & { readonly requestId: bigint }): void {
    this.onAsked(options.requestId)
    this.trader.send(action, options)
  }

  #requestId(): bigint {
    return BigInt(this.#dice.between(1, 0x7fff_ffff))
  }

  /** Says what is not this person's to say. */
  #lies(options: SendOptions): void {
    const action = this.#dice.pick(['release', 'fiat-sent', 'add-invoice', 'cancel', 'rate-user'] as const)
    const id = options.id ?? '00000000-0000-4000-8000-000000000000'
    if (action === 'cancel') return
    const payload: Payload | null =
      action === 'add-invoice'
        ? paymentRequest(this.#invoice(1n))
        : action === 'rate-user'
          ? { kind: 'rating_user', rating: 9 }
          : null
    this.#send(action, { id, payload, key: this.#keyOf(options), requestId: this.#requestId() })
  }
}
