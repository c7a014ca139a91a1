/**
 * What an order is. One member of the union per group of statuses that share the same facts; a field that is not
 * true in a state does not exist there.
 *
 * ```text
 *            take              adopted            paid (LND)         fiat-sent          release          settled (LND)     paid (LND)
 *  pending ───────► opening ───────────► waiting-payment ───► active ───────► fiat-sent ───────► releasing ───────► settled-hold-invoice ───► success
 *     │  ▲                                    │    ▲  │          │                │
 *     │  └── taker gone, duty over ───────────┤    │  └──────────┴── cooperative cancel ──► refunding ──► cooperatively-canceled
 *     │                                       ▼    │
 *     └── expiry, maker's cancel      waiting-buyer-invoice
 * ```
 *
 * `opening`, `releasing`, `refunding` are phases (DEC-24): internal, beside the wire status, never on the wire.
 */
import type { Msat } from '../money.ts'
import type { OrderKind } from '../protocol.ts'

export type Side = 'buyer' | 'seller'

export const STORED_STATUSES = [
  'waiting-maker-bond',
  'pending',
  'waiting-taker-bond',
  'waiting-buyer-invoice',
  'waiting-payment',
  'active',
  'fiat-sent',
  'dispute',
  'settled-hold-invoice',
  'success',
  'canceled',
  'cooperatively-canceled',
  'canceled-by-admin',
  'expired',
] as const
/** The statuses that an order can be stored with. */
export type Status = (typeof STORED_STATUSES)[number]

export const PHASES = ['steady', 'opening', 'releasing', 'refunding', 'timing-out', 'resolving', 'review'] as const
/** What is under way with an order, beside its status (DEC-24). */
export type Phase = (typeof PHASES)[number]

/** Which phases a status can be in (money-path.md 3.2); the schema holds the same pairs. */
export const PHASES_OF: Readonly<Record<Status, readonly Phase[]>> = {
  'waiting-maker-bond': ['steady', 'opening', 'review'],
  pending: ['steady', 'opening', 'review'],
  'waiting-taker-bond': ['steady', 'opening', 'review'],
  'waiting-buyer-invoice': ['steady', 'opening', 'timing-out', 'review'],
  'waiting-payment': ['steady', 'timing-out', 'review'],
  active: ['steady', 'releasing', 'resolving', 'review'],
  'fiat-sent': ['steady', 'releasing', 'resolving', 'review'],
  dispute: ['steady', 'releasing', 'resolving', 'review'],
  'settled-hold-invoice': ['steady', 'review'],
  success: ['steady', 'review'],
  canceled: ['steady', 'refunding', 'review'],
  'cooperatively-canceled': ['steady', 'refunding', 'review'],
  'canceled-by-admin': ['steady', 'review'],
  expired: ['steady', 'refunding', 'review'],
}

/** One trader in one trade. `identity` equals `pubkey` in full-privacy mode. */
export type Party = {
  /** trade key, x-only hex */
  readonly pubkey: string
  readonly identity: string
  /** the index of the trade key; null where a full-privacy client sent none */
  readonly tradeIndex: number | null
}

/** Where a buyer wants the sats: a bolt11 invoice, or a Lightning address or lnurl that gives one when asked. */
export type Destination =
  | { readonly kind: 'bolt11'; readonly request: string }
  | { readonly kind: 'address'; readonly address: string }

/** Fixed sats, or sats from the market price at the take. */
export type Price = { readonly kind: 'fixed'; readonly amountMsat: Msat } | { readonly kind: 'market' }

/** One fiat amount, or a range of which a taker chooses a slice. */
export type Fiat =
  | { readonly kind: 'single'; readonly amount: number }
  | { readonly kind: 'range'; readonly min: number; readonly max: number }

/** The key under which the remainder of a range goes on. */
export type NextTrade = { readonly pubkey: string; readonly index: number }

/** What the maker offers; true in every state. */
export type Offer = {
  readonly id: string
  readonly kind: OrderKind
  readonly maker: Party
  readonly price: Price
  readonly fiat: Fiat
  readonly fiatCode: string
  readonly paymentMethod: string
  /** percent; only with a market price */
  readonly premium: number
  /** where the maker of a buy order wants the sats, if said at creation */
  readonly makerDestination: Destination | null
  readonly rangeParent: string | null
  readonly createdAtS: number
  /** end of the take window */
  readonly expiresAtS: number
  /** raised by every change that a party could notice */
  readonly version: number
}

/** What a take fixes. */
export type Take = {
  readonly taker: Party
  readonly fiatAmount: number
  readonly amountMsat: Msat
  /** the node's fee, per party */
  readonly feeMsat: Msat
  readonly devFeeMsat: Msat
  readonly takenAtS: number
  readonly buyerDestination: Destination | null
}

/** Somebody must act in time; the clock starts with the transaction that asks. */
export type Duty = {
  /** raised by every hand-over */
  readonly epoch: number
  readonly anchorAtS: number
  /** when a relay first took the request for it; null = nobody can know of the duty yet */
  readonly okAtS: number | null
}

export type PendingOrder = Offer & { readonly status: 'pending'; readonly phase: 'steady' }
/** A take whose escrow invoice is planned and not yet there: nothing is published, nobody was told. */
export type OpeningOrder = Offer & { readonly status: 'pending'; readonly phase: 'opening'; readonly take: Take }
export type WaitingOrder = Offer & {
  readonly status: 'waiting-buyer-invoice' | 'waiting-payment'
  readonly phase: 'steady' | 'opening' | 'timing-out'
  readonly take: Take
  readonly duty: Duty
}
export type LiveOrder = Offer & {
  readonly status: 'active' | 'fiat-sent' | 'dispute'
  readonly phase: 'steady' | 'releasing' | 'resolving'
  readonly take: Take
  /** who asked to cancel together, if anybody did */
  readonly cancelInitiator: Side | null
  /** announced by a buyer who is the maker of a range */
  readonly nextTrade: NextTrade | null
}
export type SettledOrder = Offer & {
  readonly status: 'settled-hold-invoice' | 'success'
  readonly phase: 'steady'
  readonly take: Take
}
export type EndedOrder = Offer & {
  readonly status: 'canceled' | 'cooperatively-canceled' | 'canceled-by-admin' | 'expired'
  readonly phase: 'steady' | 'refunding'
  readonly take: Take | null
}
/** A fact contradicted the row; a person must look. Nothing moves by itself. */
export type ReviewOrder = Offer & { readonly status: Status; readonly phase: 'review'; readonly take: Take | null }
/** Statuses of the bond flow, which this version never writes. */
export type BondOrder = Offer & {
  readonly status: 'waiting-maker-bond' | 'waiting-taker-bond'
  readonly phase: 'steady' | 'opening'
}

export type Order =
  | PendingOrder
  | OpeningOrder
  | WaitingOrder
  | LiveOrder
  | SettledOrder
  | EndedOrder
  | ReviewOrder
  | BondOrder

/** The party on one side of a taken order. Sell order: the maker sells; buy order: the maker buys. */
export function partyOf(order: Offer & { readonly take: Take }, side: Side): Party {
  const makerSide: Side = order.kind === 'buy' ? 'buyer' : 'seller'
  return side === makerSide ? order.maker : order.take.taker
}

/** The maker's side of an order. */
export function makerSide(order: Pick<Offer, 'kind'>): Side {
  return order.kind === 'buy' ? 'buyer' : 'seller'
}

/** The side on which a trade key stands, or null for a stranger. */
export function sideOf(order: Offer & { readonly take: Take }, pubkey: string): Side | null {
  if (partyOf(order, 'buyer').pubkey === pubkey) return 'buyer'
  if (partyOf(order, 'seller').pubkey === pubkey) return 'seller'
  return null
}

/** The take of an order, if it has one. */
export function takeOf(order: Order): Take | null {
  return 'take' in order ? order.take : null
}

/** A one-line name of where an order stands, for logs and tables. */
export function standing(order: { readonly status: Status; readonly phase: Phase }): string {
  return order.phase === 'steady' ? order.status : `${order.status}/${order.phase}`
}
