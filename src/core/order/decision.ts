/**
 * What a decision is: the next state and its effects, as data. The engine writes both in one transaction
 * (design.md 2); nothing here happens by itself.
 */
import type { Msat } from '../money.ts'
import type { Action, CantDoReason, Payload } from '../protocol.ts'
import type { Destination, NextTrade, Phase, Side, Status, Take } from './order.ts'

/** Why an escrow is cancelled; frozen beside the decision. */
export type CancelWhy =
  | 'maker-canceled'
  | 'taker-canceled'
  | 'cooperative'
  | 'duty-over'
  | 'answer-late'
  | 'overpaid'
  | 'height-guard'
  | 'expired'
  | 'order-ended'

/** What the aftermath of a settle needs; frozen beside the decision. */
export type SettleWhy = {
  readonly v: 1
  readonly reason: 'released'
  readonly buyer: string
  readonly payoutMsat: Msat
  readonly feeMsat: Msat
  readonly devFeeMsat: Msat
  /** the remainder of a range, or why there is none */
  readonly child: RangeChild | null
  /** the maker expected a remainder and there will be none */
  readonly childRefused: boolean
}

/** The remainder of a range order, created when the parent's escrow is settled (DEC-21). */
export type RangeChild = {
  readonly fiat:
    | { readonly kind: 'single'; readonly amount: number }
    | { readonly kind: 'range'; readonly min: number; readonly max: number }
  readonly maker: { readonly pubkey: string; readonly identity: string; readonly tradeIndex: number }
}

/**
 * Everything that a decision can ask for.
 *
 * | effect | if it fails | after a restart | why twice is safe |
 * |---|---|---|---|
 * | say | stays in the outbox, retried with backoff | the row is sent | the wrapped event is derived: same id |
 * | plan-escrow | the intent is retried by its outcome class | the reconciler asks LND by hash | LND refuses a second invoice of one hash |
 * | cancel-escrow | retried until LND confirms; the decision already bars every settle | as above | cancel is idempotent in LND |
 * | settle-escrow | retried; `already canceled` sends the order to review | as above | settle is idempotent in LND |
 * | burn-index | – (same transaction) | – | an index is only ever raised |
 * | alert | – (same transaction) | – | one row a key |
 */
export type Effect =
  | {
      readonly kind: 'say'
      /** trade key of the reader */
      readonly to: string
      readonly action: Action
      readonly payload: Payload | null
      /** carries the request id of the message that this decision answers */
      readonly echo: boolean
      readonly tradeIndex: number | null
      /** asks its reader for an act: its first acceptance by a relay is a fact that duties wait for */
      readonly asks: boolean
      /** the order that it is about; null: the one that is decided */
      readonly about: string | null
    }
  | {
      readonly kind: 'plan-escrow'
      readonly amountMsat: Msat
      /** the first hold of a request: must be there within the answer deadline (DEC-35) */
      readonly answers: boolean
    }
  | { readonly kind: 'cancel-escrow'; readonly why: CancelWhy }
  | { readonly kind: 'settle-escrow'; readonly why: SettleWhy }
  | { readonly kind: 'burn-index'; readonly identity: string; readonly index: number }
  /** refuses a request that was still open: its sender learns that it came to nothing */
  | { readonly kind: 'refuse-waiting'; readonly to: string; readonly reason: CantDoReason }
  | { readonly kind: 'alert'; readonly key: string; readonly severity: 1 | 2 | 3; readonly detail: string }

/** The columns that a decision changes, beside status and phase. */
export type OrderChange = {
  readonly status: Status
  readonly phase: Phase
  /** a new take, or null: the take is undone */
  readonly take?: Take | null
  /** start: somebody must act from now on; clear: nobody must */
  readonly duty?: 'start' | 'clear'
  readonly cancelInitiator?: Side
  readonly nextTrade?: NextTrade
  readonly makerPubkey?: string
  readonly buyerDestination?: Destination
}

export type Decision =
  | { readonly kind: 'moved'; readonly change: OrderChange; readonly effects: readonly Effect[] }
  | { readonly kind: 'refused'; readonly reason: CantDoReason }
  | { readonly kind: 'ignored'; readonly why: string }

/** A decision that moves. */
export function moved(change: OrderChange, ...effects: readonly Effect[]): Decision {
  return { kind: 'moved', change, effects }
}

/** A decision that refuses. */
export function refused(reason: CantDoReason): Decision {
  return { kind: 'refused', reason }
}

/** A message to a trader; no payload, no request id and no act asked for unless said. */
export function say(
  to: string,
  action: Action,
  rest: Partial<Pick<Extract<Effect, { kind: 'say' }>, 'payload' | 'echo' | 'tradeIndex' | 'asks' | 'about'>> = {},
): Effect {
  return { kind: 'say', to, action, payload: null, echo: false, tradeIndex: null, asks: false, about: null, ...rest }
}
