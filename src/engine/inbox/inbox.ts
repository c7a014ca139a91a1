/**
 * From a relay's event to a committed verdict: gates, opening, the sender's lane, preparation, one transaction
 * (wire.md 5.0 as amended by DEC-02 to DEC-05; money-path.md 3.4).
 */
import type { InboxVerdict } from '../../adapters/sqlite/schema.ts'
import { assert } from '../../core/assert.ts'
import { BoundedMap } from '../../core/bounded-map.ts'
import type { Status } from '../../core/order/order.ts'
import type { Action, CantDoReason, InboundMessage, Message, NostrEvent, Transport } from '../../core/protocol.ts'
import { isExpired, leadingZeroBits } from '../../wire/event.ts'
import { sha256Hex } from '../../wire/hex.ts'
import { checkPayload, parseMessage } from '../../wire/message.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP } from '../../wire/transport.ts'
import { type ActionHandler, drop, type Outcome, type Request, refuse } from '../actions/action.ts'
import { handlerOf } from '../actions/index.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { alert, Cause, queueCantDo, queueMessage } from '../say.ts'
import { CLOCK_BEHIND } from '../watched-clock.ts'
import { freshness, SKEW_S } from './freshness.ts'
import { Lanes } from './lanes.ts'
import { Limits } from './limits.ts'
import type { Opener } from './opener.ts'
import { isLasting } from './repeats.ts'

/** Where an event came from. */
export type Arrival = { readonly stored: boolean; readonly receivedAtMs: number }

/** What became of an event; counted, for the operator and for tests. */
export type IntakeVerdict =
  | 'effect'
  | 'refused'
  | 'repeat'
  | 'dropped'
  | 'early'
  | 'failed'
  | 'quarantined'
  | 'known'
  | 'pow'
  | 'kind'
  | 'expired'
  | 'signature'
  | 'first-contact'
  | 'unopened'

type Prepared<Facts> =
  | { readonly kind: 'facts'; readonly facts: Facts }
  /** it would have asked the outside more often than its sender may */
  | { readonly kind: 'limited' }
  | { readonly kind: 'late' }
  | { readonly kind: 'failed'; readonly error: unknown }

const SEEN_MAX = 50_000
/** So few missed messages that handling them one after the other delays nobody. */
const FEW = 8

export class Inbox {
  readonly #ctx: Ctx
  readonly #limits: Limits
  readonly #lanes: Lanes
  /** ids that need not be looked at again */
  readonly #seen = new BoundedMap<string, true>(SEEN_MAX)
  readonly #inHand = new Set<string>()
  readonly #opener: Opener
  #opening = 0
  readonly #quarantine: ReadonlySet<string>
  readonly #guarded: boolean
  readonly #suspects: boolean
  readonly #counts = new Map<IntakeVerdict, number>()

  /**
   * `guarded`: the last process did not stop in order, so every stored message is noted as in hand before it is
   * handled. `quarantine`: ids that were alone in hand at two such ends. `suspects`: some were in hand at the last.
   */
  constructor(
    ctx: Ctx,
    opener: Opener,
    recovery: { readonly guarded: boolean; readonly quarantine: ReadonlySet<string>; readonly suspects: boolean },
  ) {
    this.#ctx = ctx
    this.#opener = opener
    this.#limits = new Limits(ctx.clock, ctx.settings.limits)
    this.#lanes = new Lanes(ctx.settings.limits.laneDepth)
    this.#guarded = recovery.guarded
    this.#quarantine = recovery.quarantine
    this.#suspects = recovery.suspects
  }

  /**
   * Whether so many missed messages are handled one after the other: if one of them kills the daemon, no other is in
   * hand, and none is blamed for what only happened beside it. Many are, once it is known that one of them may (ADR 0016).
   */
  isOneByOne(messages: number): boolean {
    return this.#guarded && (this.#suspects || messages <= FEW)
  }

  /** How often each verdict was given since the start. */
  get counts(): ReadonlyMap<IntakeVerdict, number> {
    return this.#counts
  }

  /** Messages that were taken in and are not yet decided. */
  get depth(): number {
    return this.#opening + this.#inHand.size
  }

  #count(verdict: IntakeVerdict): IntakeVerdict {
    this.#counts.set(verdict, (this.#counts.get(verdict) ?? 0) + 1)
    return verdict
  }

  /**
   * Handles one event that was addressed to us. Resolves when its verdict is on disk. The same event again, from any
   * relay, changes nothing.
   */
  async take(event: NostrEvent, arrival: Arrival): Promise<IntakeVerdict> {
    const admitted = await this.admit(event)
    return typeof admitted === 'string' ? admitted : this.handle(admitted, arrival)
  }

  /** The gates and the opening: a message that may be handled, or the verdict that ends it here. */
  async admit(event: NostrEvent): Promise<InboundMessage | IntakeVerdict> {
    if (this.#seen.has(event.id) || this.#inHand.has(event.id)) return this.#count('known')
    const gate = this.#gate(event)
    if (gate !== null) return this.#count(gate)
    if (this.#isKnown(event.id)) {
      this.#seen.set(event.id, true)
      return this.#count('known')
    }
    this.#opening += 1
    const opened = await this.#opener.open(event).finally(() => {
      this.#opening -= 1
    })
    if (opened.ok) return opened.value
    // Somebody else's signature under this id says nothing about the true event.
    if (opened.error.stage === 'event') return this.#count('signature')
    // The id commits to the content: what did not open once never will.
    this.#seen.set(event.id, true)
    const { stage, why } = opened.error
    this.#ctx.log[stage === 'bug' ? 'error' : 'debug']('event not opened', { id: event.id, stage, why })
    return this.#count('unopened')
  }

  /** Whether an event carries the work that everything must have: what can be seen without computing its id. */
  isWorth(event: NostrEvent): boolean {
    if (leadingZeroBits(event.id) >= this.#ctx.settings.pow) return true
    this.#count('pow')
    return false
  }

  /** Handles an admitted message in its sender's lane. */
  async handle(inbound: InboundMessage, arrival: Arrival): Promise<IntakeVerdict> {
    if (this.#inHand.has(inbound.outerId)) return this.#count('known')
    this.#inHand.add(inbound.outerId)
    try {
      return this.#count(await this.#inLane(inbound, arrival))
    } finally {
      this.#inHand.delete(inbound.outerId)
    }
  }

  /** What is cheap to check: work, kind, age, first contact. Null: it passes. */
  #gate(event: NostrEvent): IntakeVerdict | null {
    const { settings } = this.#ctx
    const bits = leadingZeroBits(event.id)
    if (bits < settings.pow) return 'pow'
    const transport: Transport | null = event.kind === KIND_DIRECT ? 2 : event.kind === KIND_GIFT_WRAP ? 1 : null
    if (transport === null || !settings.transports.includes(transport)) return 'kind'
    if (isExpired(event, this.#ctx.clock.surelyS)) return 'expired'
    // Strangers' work is checked before the costly signature; a forged author gains nothing by it.
    if (bits < settings.powFirstContact && (transport === 1 || !this.#isTrading(event.pubkey))) return 'first-contact'
    return null
  }

  /** Whether a key takes part in a trade that is not over; after a success its parties still rate each other. */
  #isTrading(pubkey: string): boolean {
    const over = `('canceled', 'cooperatively-canceled', 'canceled-by-admin', 'expired')`
    const row = this.#ctx.store.get(
      `SELECT 1 FROM orders WHERE maker_pubkey = :pubkey AND status NOT IN ${over}
        UNION ALL SELECT 1 FROM orders WHERE taker_pubkey = :pubkey AND status NOT IN ${over} LIMIT 1`,
      { pubkey },
    )
    return row !== undefined
  }

  #isKnown(outerId: string): boolean {
    return this.#ctx.store.get('SELECT 1 FROM inbox WHERE outer_id = :outerId', { outerId }) !== undefined
  }

  #inLane(inbound: InboundMessage, arrival: Arrival): Promise<IntakeVerdict> {
    const ageS = this.#ageS(inbound, arrival)
    return this.#lanes.run(
      inbound.sender,
      inbound.createdAtS,
      arrival.stored,
      () => this.#inTurn({ inbound, stored: arrival.stored, ageS, requestKey: requestKeyOf(inbound) }),
      () => this.#refuseUnhandled(inbound),
    )
  }

  /** By wall time, or by the time that it was before the clock was set: whichever speaks better for the sender. */
  #ageS({ createdAtS }: InboundMessage, { receivedAtMs }: Arrival): number {
    const ageS = Math.floor(receivedAtMs / 1000) - createdAtS
    const steadyAgeS = ageS - Math.round(this.#ctx.clock.driftMs / 1000)
    return Math.abs(steadyAgeS) < Math.abs(ageS) ? steadyAgeS : ageS
  }

  /** The lane is full: refused before anything is prepared. */
  #refuseUnhandled(inbound: InboundMessage): Promise<IntakeVerdict> {
    return this.#ctx.door.submit({
      name: 'lane-full',
      run: (tx) => this.#verdict(tx, inbound, () => refuse('too_many_requests')),
    })
  }

  async #inTurn(request: Request): Promise<IntakeVerdict> {
    const { inbound } = request
    const { outerId, message } = inbound
    if (this.#quarantine.has(outerId)) return this.#putInQuarantine(inbound)
    const fresh = freshness(message.action, request.ageS, request.stored)
    if (fresh.kind === 'early') return this.#leave(inbound)
    if (fresh.kind === 'dropped') return this.#decide(request, () => drop(fresh.why))
    if (fresh.kind === 'refused') return this.#decide(request, () => refuse(fresh.reason))
    if (this.#guarded && request.stored)
      await this.#ctx.door.submit({ name: 'in-hand', run: (tx) => tx.s.in_hand_put({ outer: outerId }) })
    const shape = checkPayload(message)
    if (!shape.ok) return this.#decide(request, () => drop(shape.error))
    const handler = handlerOf(message.action)
    if (handler === null) return this.#decide(request, () => withoutHandler(message.action))
    const comparing = message.id === null ? null : this.#ctx.lightning.compared(message.id)
    if (comparing !== null) await comparing
    return handler((h) => this.#run(h, request))
  }

  /** A message from the future stays at the relays, unhandled: theirs is the wrong clock, or ours. */
  async #leave({ sender, outerId, createdAtS }: InboundMessage): Promise<IntakeVerdict> {
    this.#ctx.log.warn('a message from the future', { id: outerId, createdAtS })
    if (this.#isTrading(sender))
      await this.#ctx.door.submit({
        name: 'early',
        run: (tx) =>
          alert(
            this.#ctx,
            tx,
            CLOCK_BEHIND,
            2,
            `a trader's message is dated ${createdAtS - tx.nowS} s in the future and waits at the relays: if the clock of this machine is behind, correct it`,
          ),
      })
    return 'early'
  }

  async #run<Facts>(handler: ActionHandler<Facts>, request: Request): Promise<IntakeVerdict> {
    const keyed: Request = handler.mutation ? request : { ...request, requestKey: null }
    if (handler.answersOnly === true && !this.#limits.mayAnswer(request.inbound.sender))
      return this.#decide(keyed, () => drop('too many answers'))
    const prepared = await this.#prepare(handler, keyed)
    switch (prepared.kind) {
      case 'facts':
        return this.#decide(keyed, (tx) => handler.handle(this.#ctx, tx, keyed, prepared.facts))
      case 'limited':
        return this.#decide(keyed, () => refuse('too_many_requests'))
      case 'late':
        return this.#decide(keyed, () => refuse(lateReason(request.inbound.message.action)))
      case 'failed':
        return this.#decide(keyed, () => {
          throw prepared.error
        })
    }
  }

  /** The only await between a message and its decision: bounded, and it holds nothing. */
  #prepare<Facts>(handler: ActionHandler<Facts>, request: Request): Promise<Prepared<Facts>> {
    return new Promise((resolve) => {
      const cancel = this.#ctx.clock.after(this.#ctx.settings.limits.prepareMs, () => resolve({ kind: 'late' }))
      let limited = false
      const mayLookUp = (address: string): boolean => {
        limited = !this.#limits.mayLookUp(request.inbound.sender, address)
        return !limited
      }
      Promise.resolve()
        .then(() => handler.prepare(this.#ctx, request, { mayLookUp }))
        .then(
          (facts) => resolve(limited ? { kind: 'limited' } : { kind: 'facts', facts }),
          (error: unknown) => resolve({ kind: 'failed', error }),
        )
        .finally(cancel)
    })
  }

  #decide(request: Request, decide: (tx: Tx) => Outcome): Promise<IntakeVerdict> {
    const { inbound } = request
    return this.#ctx.door.submit({
      name: `message:${inbound.message.action}`,
      run: (tx) => this.#verdict(tx, inbound, () => this.#unlessRepeat(tx, request) ?? decide(tx)),
      failed: (tx, error) => this.#failed(tx, inbound, error),
    })
  }

  /** Takes the message for handled, lets it be decided, and writes the verdict; all in the open transaction. */
  #verdict(tx: Tx, inbound: InboundMessage, decide: () => Outcome | 'repeat'): IntakeVerdict {
    if (!this.#isTaken(tx, inbound, 'effect')) return 'known'
    const outcome = decide()
    const verdict = outcome === 'repeat' ? 'repeat' : outcome.kind === 'done' ? 'effect' : outcome.kind
    if (verdict !== 'effect') tx.s.inbox_verdict({ outer: inbound.outerId, verdict })
    if (outcome !== 'repeat' && outcome.kind === 'refused') this.#answer(tx, inbound, outcome.reason)
    const why =
      outcome === 'repeat' || outcome.kind === 'done'
        ? undefined
        : outcome.kind === 'refused'
          ? outcome.reason
          : outcome.why
    tx.after(() =>
      this.#ctx.log.info('message', { action: inbound.message.action, order: inbound.message.id, verdict, why }),
    )
    return verdict
  }

  /** Writes down that the message is handled, and by which transport its sender speaks. False: handled before. */
  #isTaken(tx: Tx, inbound: InboundMessage, verdict: InboxVerdict): boolean {
    const { outerId, innerId, sender, transport, createdAtS } = inbound
    // A direct message is its own inner event: its id is kept once.
    const inner = innerId === outerId ? null : innerId
    const taken = tx.s.inbox_take({ outer: outerId, inner, sender, verdict, now: tx.nowS })
    tx.s.in_hand_drop({ outer: outerId })
    tx.after(() => this.#seen.set(outerId, true))
    if (taken === undefined) return false
    // A clock that is far ahead must not decide the transport for ever.
    tx.s.transport_seen({ r: sender, transport, inner_at: Math.min(createdAtS, tx.nowS + SKEW_S), now: tx.nowS })
    return true
  }

  /** The same request again (DEC-05): absorbed while its effect is pending, answered again while the answer is true. */
  #unlessRepeat(tx: Tx, request: Request): Outcome | 'repeat' | null {
    if (request.requestKey === null) return null
    const known = tx.s.request_look({ key: request.requestKey, now: tx.nowS })
    if (known === undefined) return null
    if (known.answer_msg === null) return 'repeat'
    const answer = this.#answerGiven(tx, known.answer_msg)
    if (known.verdict === 'stale' && !isLasting(answer.message.action, answer.status))
      // An offer that was made and has moved on is not made again; its answer is on its way, or was heard.
      return request.inbound.message.action === 'new-order' ? refuse('invalid_trade_index') : null
    if (this.#limits.mayAnswer(request.inbound.sender)) this.#sayAgain(tx, request.inbound, answer)
    return 'repeat'
  }

  /** An answer of ours, and where its order is now. */
  #answerGiven(tx: Tx, id: number): { readonly message: Message; readonly orderId: string; readonly status: Status } {
    const row = tx.store.get<{ body: string; order_id: string; status: Status }>(
      'SELECT m.body, m.order_id, o.status FROM outbox_msg m JOIN orders o ON o.id = m.order_id WHERE m.id = :id',
      { id },
    )
    assert(row !== undefined, 'an answer that may be asked for again is kept')
    const said = parseMessage(row.body)
    assert(said.ok, 'an answer that we wrote')
    return { message: said.value, orderId: row.order_id, status: row.status }
  }

  #sayAgain(tx: Tx, inbound: InboundMessage, answer: { readonly message: Message; readonly orderId: string }): void {
    const { action, payload, requestId, tradeIndex, id } = answer.message
    queueMessage(this.#ctx, tx, new Cause(`again:${inbound.innerId}`), {
      to: inbound.sender,
      action,
      payload,
      requestId,
      tradeIndex: tradeIndex === null ? null : Number(tradeIndex),
      id,
      asks: false,
      lane: 0,
      orderId: answer.orderId,
      obligationId: null,
    })
  }

  #answer(tx: Tx, inbound: InboundMessage, reason: CantDoReason): void {
    if (!this.#limits.mayAnswer(inbound.sender)) return
    queueCantDo(this.#ctx, tx, new Cause(inbound.innerId), {
      to: inbound.sender,
      reason,
      requestId: inbound.message.requestId,
      id: inbound.message.id,
    })
  }

  /** A handler threw: its writes are gone, the message is handled, its sender is told, the operator is alerted. */
  #failed(tx: Tx, inbound: InboundMessage, error: unknown): IntakeVerdict {
    if (!this.#isTaken(tx, inbound, 'failed')) return 'known'
    this.#answer(tx, inbound, 'too_many_requests')
    const detail = error instanceof Error ? error.message : String(error)
    alert(
      this.#ctx,
      tx,
      `handler-failed:${inbound.message.action}`,
      3,
      `a ${inbound.message.action} could not be handled: ${detail.slice(0, 300)}`,
    )
    return 'failed'
  }

  #putInQuarantine(inbound: InboundMessage): Promise<IntakeVerdict> {
    return this.#ctx.door.submit({
      name: 'quarantine',
      run: (tx) => {
        if (!this.#isTaken(tx, inbound, 'quarantined')) return 'known'
        alert(
          this.#ctx,
          tx,
          `quarantine:${inbound.outerId}`,
          3,
          `message ${inbound.outerId} was in hand when the daemon died twice: not handled`,
        )
        return 'quarantined'
      },
    })
  }
}

/** Names a request by its content, over both transports; null when its client sent no request id (DEC-05). */
function requestKeyOf({ sender, message, canonicalJson }: InboundMessage): string | null {
  return message.requestId === null ? null : sha256Hex(`${sender}${canonicalJson}`)
}

/** What a sender hears whose request could not be prepared in time, in words that clients act on (DEC-04). */
function lateReason(action: Action): CantDoReason {
  if (action === 'take-sell' || action === 'take-buy') return 'pending_order_exists'
  return action === 'new-order' ? 'invalid_parameters' : 'too_many_requests'
}

function withoutHandler(action: Action): Outcome {
  return action === 'pay-invoice' ? refuse('invalid_action') : drop(`nothing is done on ${action}`)
}
