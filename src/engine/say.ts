/** Putting messages to traders into the outbox, in the transaction of the change that they report (design.md 4). */
import type { Lane } from '../adapters/sqlite/schema.ts'
import { assert } from '../core/assert.ts'
import type { Action, CantDoReason, Message, OuterKey, Payload } from '../core/protocol.ts'
import { serializeMessage } from '../wire/message.ts'
import type { Ctx } from './context.ts'
import type { Tx } from './door.ts'

/** Why something is said: names its messages, so that a repeated step says nothing twice. */
export class Cause {
  readonly id: string
  #ordinal = 0

  constructor(id: string) {
    this.id = id
  }

  /** The next message's number within this cause. */
  next(): number {
    return this.#ordinal++
  }
}

/** Whose request is answered, kept with the intent while the answer waits for Lightning. */
export type Origin = {
  readonly sender: string
  readonly requestId: bigint | null
  /** key in the table of repeated requests; null when the client sent no request id */
  readonly requestKey: string | null
}

/** An {@link Origin} as JSON, inside the parameters of an intent. */
export type OriginJson = {
  readonly sender: string
  readonly requestId: string | null
  readonly requestKey: string | null
}

export const originJson = (origin: Origin | null): OriginJson | null =>
  origin === null ? null : { ...origin, requestId: origin.requestId === null ? null : String(origin.requestId) }

export const originFrom = (json: OriginJson | null): Origin | null =>
  json === null ? null : { ...json, requestId: json.requestId === null ? null : BigInt(json.requestId) }

export type Saying = {
  readonly to: string
  readonly action: Action
  readonly payload: Payload | null
  readonly requestId: bigint | null
  readonly tradeIndex: number | null
  /** order id on the wire; null for messages without one */
  readonly id: string | null
  readonly asks: boolean
  readonly lane: Lane
  readonly orderId: string | null
  readonly obligationId: string | null
}

function outerKeyOf(action: Action): OuterKey {
  if (action === 'cant-do') return 'cant-do'
  if (action === 'restore-session' || action === 'last-trade-index') return 'restore'
  return 'order'
}

/**
 * Queues one message. The transport is the one that the reader last used (DEC-02). Returns its row id; a repeat of the
 * same cause returns null and queues nothing.
 */
export function queueMessage(ctx: Ctx, tx: Tx, cause: Cause, saying: Saying): number | null {
  const { n: seq, last_created_at, transport: known } = tx.s.outbox_seq({ r: saying.to, now: tx.surelyS })
  const transport = known ?? ctx.settings.defaultTransport
  const message: Message = {
    outer: outerKeyOf(saying.action),
    version: transport,
    requestId: saying.requestId,
    tradeIndex: saying.tradeIndex === null ? null : BigInt(saying.tradeIndex),
    id: saying.id,
    action: saying.action,
    payload: saying.payload,
  }
  const row = tx.s.outbox_put({
    r: saying.to,
    seq,
    cause: cause.id,
    n: cause.next(),
    order_id: saying.orderId,
    oid: saying.obligationId,
    lane: saying.lane,
    asks: saying.asks ? 1 : 0,
    transport,
    ev_at: last_created_at,
    body: serializeMessage(message),
    now: tx.nowS,
  })
  if (saying.lane === 0) tx.s.outbox_lift({ r: saying.to, lane: 0 })
  tx.after(ctx.poke.publisher)
  return row?.id ?? null
}

/** Queues a refusal. `id` is the order id that the request named. */
export function queueCantDo(
  ctx: Ctx,
  tx: Tx,
  cause: Cause,
  refusal: {
    readonly to: string
    readonly reason: CantDoReason
    readonly requestId: bigint | null
    readonly id: string | null
  },
): number | null {
  return queueMessage(ctx, tx, cause, {
    to: refusal.to,
    action: 'cant-do',
    payload: { kind: 'cant_do', reason: refusal.reason },
    requestId: refusal.requestId,
    tradeIndex: null,
    id: refusal.id,
    asks: false,
    lane: 1,
    orderId: null,
    obligationId: null,
  })
}

/** Ties an answer to the request that it answers, so that the same request again gets the same answer (DEC-05). */
export function answerRequest(tx: Tx, origin: Origin | null, messageId: number | null): void {
  if (origin?.requestKey == null || messageId === null) return
  tx.s.request_answer({ key: origin.requestKey, msg: messageId })
}

/** Opens, or repeats the opening of, an alert to the operator. */
export function alert(ctx: Ctx, tx: Tx, key: string, severity: 1 | 2 | 3, detail: string): void {
  assert(key.length <= 200, 'an alert has a short key')
  tx.s.alert_open({ key, sev: severity, detail, now: tx.nowS })
  tx.after(() => ctx.log.warn('alert', { key, severity, detail }))
}
