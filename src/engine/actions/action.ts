/** What an inbound action is made of: an optional preparation, which may await, and a handler, which may not. */
import { assert } from '../../core/assert.ts'
import type { Decision } from '../../core/order/decision.ts'
import type { Order } from '../../core/order/order.ts'
import type { CantDoReason, InboundMessage } from '../../core/protocol.ts'
import { applyDecision } from '../apply.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { STORED_MAX_AGE_S } from '../inbox/freshness.ts'
import { loadOrder } from '../rows.ts'
import { Cause, type Origin } from '../say.ts'

/** A message as the handlers see it: opened, verified, with what the gates found out. */
export type Request = {
  readonly inbound: InboundMessage
  /** it had lain on a relay when we read it */
  readonly stored: boolean
  /** seconds between its inner time and the moment we read it */
  readonly ageS: number
  /** key in the table of repeated requests; null when the client sent no request id, and for queries */
  readonly requestKey: string | null
}

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly reason: CantDoReason }
  /** nothing is said and nothing changes */
  | { readonly kind: 'dropped'; readonly why: string }

export const DONE: Outcome = { kind: 'done' }
export const refuse = (reason: CantDoReason): Outcome => ({ kind: 'refused', reason })
export const drop = (why: string): Outcome => ({ kind: 'dropped', why })

/** Services of the inbox that preparations need. */
export type PrepareTools = { readonly mayLookUp: (address: string) => boolean }

export type ActionHandler<Facts> = {
  /** whether a repeat of the same request is recognised (DEC-05); queries are handled afresh */
  readonly mutation: boolean
  /** it changes nothing: its answers count against the limits on answers (DEC-04) */
  readonly answersOnly?: boolean
  /** gathers facts from outside; at most 8 s, then the request is refused */
  prepare(ctx: Ctx, request: Request, tools: PrepareTools): Promise<Facts> | Facts
  /** decides and writes, in one transaction; checks the facts again */
  handle(ctx: Ctx, tx: Tx, request: Request, facts: Facts): Outcome
}

/** Who asked, for the answer and for the table of repeats. */
export function originOf(request: Request): Origin {
  return {
    sender: request.inbound.sender,
    requestId: request.inbound.message.requestId,
    requestKey: request.requestKey,
  }
}

/** The cause id of a trader's message: its inner id, the same over both transports. */
export const causeOf = (request: Request): Cause => new Cause(request.inbound.innerId)

/** Keeps an accepted mutation, so that the same request again is recognised. */
export function openRequest(tx: Tx, request: Request, orderId: string): void {
  if (request.requestKey !== null) tx.s.request_open({ key: request.requestKey, order_id: orderId, now: tx.nowS })
}

/** The order that a message names, or null when there is none. */
export function namedOrder(tx: Tx, request: Request): Order | null {
  const { id } = request.inbound.message
  return id === null ? null : loadOrder(tx.store, id)
}

/** Writes a decision on a trader's message, or refuses with its reason. */
export function conclude(ctx: Ctx, tx: Tx, request: Request, order: Order, decision: Decision): Outcome {
  if (decision.kind === 'refused') return refuse(decision.reason)
  assert(decision.kind === 'moved', 'a message is answered: it moves the order or is refused')
  openRequest(tx, request, order.id)
  applyDecision(ctx, tx, order, decision, { cause: causeOf(request), origin: originOf(request) })
  return DONE
}

/**
 * A message that lay on a relay since before the present take belongs to an earlier one (DEC-03). The take itself may
 * have lain there for some seconds too: what its taker sent right after it is not older.
 */
export function isOlderThanTake(order: Order, request: Request): boolean {
  if (!request.stored || !('take' in order) || order.take === null) return false
  return request.inbound.createdAtS < order.take.takenAtS - STORED_MAX_AGE_S
}
