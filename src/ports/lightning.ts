/**
 * What the engine needs from a Lightning node. Every call ends in exactly one outcome class (money-path.md 0.2);
 * implementations never throw past this interface, never retry by themselves and put a deadline on everything.
 */
import type { Msat } from '../core/money.ts'

/** What the payment request of an invoice says, as far as it must fit what we asked for. */
export type OwnRequest = {
  /** payment hash, hex */
  readonly hash: string
  /** null: the payer chooses */
  readonly amountMsat: Msat | null
  readonly minFinalCltv: number
  /** null: it carries only a hash of it */
  readonly description: string | null
  /** unix seconds */
  readonly expiresAtS: number
}

/** Reads a BOLT 11 request that our own node made: its signature is not checked. Null when it is none. Never throws. */
export type ReadOwnRequest = (text: string) => OwnRequest | null

/** Why a call did not do what was asked, when it is not the business's own failure. */
export type CallTrouble =
  /** S: proved not executed; the same call may be repeated. */
  | { readonly class: 'S'; readonly detail: string }
  /** U: unknown; only a lookup is allowed next. `connectionLost`: the connection that carried it died. */
  | { readonly class: 'U'; readonly detail: string; readonly connectionLost: boolean }
  /** B: refused because of our own configuration or a bug; not executed. */
  | { readonly class: 'B'; readonly detail: string }

/** A read either answered or gave no information at all. */
export type Lookup<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly detail: string }

export type Network = 'mainnet' | 'testnet' | 'signet' | 'regtest' | 'simnet'

export type NodeInfo = {
  readonly pubkey: string
  readonly network: Network
  readonly alias: string
  readonly version: string
  readonly commitHash: string
  readonly uris: readonly string[]
  readonly blockHeight: number
  readonly syncedToChain: boolean
}

/** One hold invoice as the node sees it (money-path.md 1.5). */
export type HoldFact = {
  readonly hash: string
  readonly state: 'open' | 'accepted' | 'settled' | 'canceled'
  /** the bolt11 text */
  readonly request: string
  readonly amountMsat: Msat
  /** what arrived; stays non-zero after a cancel from accepted */
  readonly receivedMsat: Msat
  readonly cltvDelta: number
  readonly memo: string
  /** unix seconds */
  readonly expiresAt: number
  /** earliest expiry height over held HTLCs; null when nothing is held */
  readonly minHtlcHeight: number | null
  /** the node's settle sequence number; null unless settled */
  readonly settleIndex: number | null
}

export type HoldPlan = {
  readonly hash: string
  readonly amountMsat: Msat
  readonly cltvDelta: number
  readonly memo: string
  /** unix seconds; in the future by more than 60 s, else class S */
  readonly expiresAt: number
}

/** One outgoing payment as the node sees it. */
export type PaymentFact =
  | { readonly state: 'alive' }
  | { readonly state: 'succeeded'; readonly preimage: string; readonly feeMsat: Msat; readonly amountMsat: Msat }
  | {
      readonly state: 'failed'
      readonly reason: PaymentFailure
      /** true when at least one HTLC was tried */
      readonly tried: boolean
      /** when the node began this attempt, unix ms; tells attempts of one hash apart */
      readonly startedAtMs: number
    }

/** LND's FAILURE_REASON_*, in our words. */
export type PaymentFailure =
  | 'no-route'
  | 'incorrect-details'
  | 'timeout'
  | 'insufficient-balance'
  | 'error'
  | 'canceled'

export type PayPlan = {
  readonly hash: string
  readonly request: string
  /** what we owe; sent as amt_msat only when the invoice names no amount */
  readonly amountMsat: Msat
  readonly invoiceHasAmount: boolean
  readonly maxFeeMsat: Msat
  readonly timeoutS: number
  readonly maxParts: number
  /** total time lock in blocks */
  readonly cltvLimit: number
}

export type PayOutcome =
  /** A: paid; sha256(preimage) = hash was checked by the adapter */
  | { readonly class: 'A'; readonly preimage: string; readonly feeMsat: Msat }
  /** verified failed by a fresh lookup that belongs to this attempt */
  | { readonly class: 'T'; readonly reason: PaymentFailure; readonly tried: boolean; readonly known: true }
  /** this invoice can not be paid any more (expired, features); `known`: LND has the record of an earlier, failed attempt */
  | { readonly class: 'T'; readonly reason: 'unpayable'; readonly tried: false; readonly known: boolean }
  | CallTrouble

/** How the HTLCs of a settled hold ended in the channels. */
export type HtlcResolution =
  /** all are irrevocably ours */
  | { readonly state: 'ours' }
  /** at least one is not resolved yet */
  | { readonly state: 'pending' }
  /** all are resolved, and these sats went back to the payer */
  | { readonly state: 'lost'; readonly lostMsat: Msat }
  /** the node does not record it */
  | { readonly state: 'unsupported' }

export type PaymentRecord = {
  readonly hash: string
  readonly createdAtMs: number
  readonly status: 'alive' | 'succeeded' | 'failed'
}

/** A running subscription; `close` is idempotent and nothing is reported after it. */
export interface Watch {
  close(): void
}

/**
 * One verified-or-not connection. After `lost` it refuses every call with class S: a call of an old connection can not
 * slip onto a new one.
 */
export interface LightningConnection {
  /** Settles once, with the reason, when the channel left its ready state or `close` was called. */
  readonly lost: Promise<string>
  nodeInfo(): Promise<Lookup<NodeInfo>>
  /** A: in place now or before, adopted only when it equals the plan. Repeat: safe, refused or adopted by hash. */
  createHold(
    plan: HoldPlan,
  ): Promise<
    { readonly class: 'A'; readonly fact: HoldFact } | { readonly class: 'T'; readonly detail: string } | CallTrouble
  >
  /**
   * Repeat: safe, settling a settled invoice is A. T: the hold is canceled; escrow is gone. `conflict`: nobody has paid the
   * hold, or the node does not know it, although it told us that it was held.
   */
  settleHold(
    preimage: string,
  ): Promise<
    | { readonly class: 'A'; readonly fact: HoldFact }
    | { readonly class: 'T' | 'conflict'; readonly detail: string }
    | CallTrouble
  >
  /** Repeat: safe. T: already settled. `not-found` is decided by the caller (money-path.md 1.4). */
  cancelHold(
    hash: string,
  ): Promise<
    | { readonly class: 'A' }
    | { readonly class: 'not-found' }
    | { readonly class: 'T'; readonly detail: string }
    | CallTrouble
  >
  lookupHold(hash: string): Promise<Lookup<HoldFact | 'not-found'>>
  /**
   * The node's invoices created from `createdSinceS` to `createdUntilS`, both included; all, or the open and accepted. There
   * may be tens of thousands, so they come in pages, while the next page is on its way. Resolves after the last one; when one
   * is missing there were others that may not have come, and what came is true all the same.
   */
  listHolds(
    query: {
      readonly pendingOnly: boolean
      readonly createdSinceS: number
      /** no end when absent */
      readonly createdUntilS?: number
    },
    onPage: (facts: readonly HoldFact[]) => void,
  ): Promise<Lookup<null>>
  /** Hints only: facts of one hold as they happen; silent for unknown hashes; ends by itself after a final state. */
  watchHold(hash: string, onFact: (fact: HoldFact) => void): Watch
  /** Sends. `onAck` is called once when the node owns the hash (initiated or in flight). */
  pay(plan: PayPlan, startedAtMs: number, onAck: () => void): Promise<PayOutcome>
  lookupPayment(hash: string): Promise<Lookup<PaymentFact | 'not-found'>>
  /** All payments created since; all pages. */
  listPayments(createdSinceS: number): Promise<Lookup<readonly PaymentRecord[]>>
  /** Heights as they come, the tip first; this stream also keeps the connection's keepalive legal. */
  watchBlocks(onHeight: (height: number) => void): Watch
  /** What became of a settled hold's HTLCs in the channels. */
  htlcsResolved(hash: string): Promise<Lookup<HtlcResolution>>
  /** Closes the channel; idempotent. */
  close(): void
}

export interface Lightning {
  /** Opens a fresh connection and proves that it answers. Fails within ten seconds. */
  connect(): Promise<Lookup<LightningConnection>>
}
