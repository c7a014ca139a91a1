/**
 * What the node publishes: templates of its public events from plain views, with the tags in the order in which the
 * reference writes them (wire.md 7). Pure: the same view gives the same template.
 */
import type { DisputeStatus, EventTemplate, OrderKind, WireStatus } from '../core/protocol.ts'
import { jsonFloat, tagFloat, tagInteger } from './numbers.ts'

export const KIND_PROFILE = 0
export const KIND_DEV_FEE = 8383
export const KIND_RELAYS = 10002
export const KIND_RATES = 30078
export const KIND_ORDER = 38383
export const KIND_RATING = 38384
export const KIND_INFO = 38385
const KIND_DISPUTE = 38386

type Tag = readonly string[]

/** `["y","mostro","<instance>"]`: clients look for the protocol's name first (DEC-23). */
const instanceTag = (instanceName: string | null): Tag => {
  const name = instanceName?.trim() ?? ''
  return name === '' ? ['y', 'mostro'] : ['y', 'mostro', name]
}

/** Chains of the Lightning node as one tag value. */
const networkText = (networks: readonly string[]): string => (networks.length === 0 ? 'unknown' : networks.join(','))

/** The `s` of an order's event. */
export type PublicStatus = 'pending' | 'in-progress' | 'success' | 'canceled' | 'completed-by-admin'

/**
 * What the book shows for an order in this status; null: it was never published. Every order that left `pending` and
 * is not over is `in-progress`, also a sell order that was taken with an invoice (DEC-19).
 */
export function publicStatus(status: WireStatus): PublicStatus | null {
  switch (status) {
    case 'waiting-maker-bond':
      return null
    case 'pending':
    case 'waiting-taker-bond':
      return 'pending'
    case 'waiting-buyer-invoice':
    case 'waiting-payment':
    case 'in-progress':
    case 'active':
    case 'fiat-sent':
    case 'settled-hold-invoice':
    case 'dispute':
    case 'settled-by-admin':
      return 'in-progress'
    case 'canceled':
    case 'canceled-by-admin':
    case 'cooperatively-canceled':
    case 'expired':
      return 'canceled'
    case 'success':
      return 'success'
    case 'completed-by-admin':
      return 'completed-by-admin'
  }
}

export type PublicReputation = {
  /** since the account exists */
  readonly days: number
  readonly totalRating: number
  readonly totalReviews: number
}

/** An order as the book shows it. */
export type PublicOrder = {
  readonly id: string
  readonly kind: OrderKind
  readonly fiatCode: string
  /** 0: market price */
  readonly amountSats: number
  /** the whole or, once taken, the chosen amount */
  readonly fiatAmount: number
  /** comma-separated, as the maker wrote it */
  readonly paymentMethod: string
  /** percent */
  readonly premium: number
  /** chains of the Lightning node, `mainnet`; empty when unknown */
  readonly networks: readonly string[]
  /** until when it can be taken, unix seconds; 0: for ever */
  readonly expiresAtS: number
  /** until when relays keep an event that does not end with the offer itself, unix seconds */
  readonly retainedUntilS: number
} & (
  | {
      readonly status: 'pending'
      /** fiat bounds of a range order */
      readonly range: { readonly min: number; readonly max: number } | null
      /** of the maker; zeros for a new or fully private one */
      readonly reputation: PublicReputation
      /** as configured; where a deep link finds the order */
      readonly relays: readonly string[]
    }
  | { readonly status: Exclude<PublicStatus, 'pending'> }
)

export type NodeIdentity = {
  /** x-only hex */
  readonly pubkey: string
  /** the operator's name for this instance */
  readonly instanceName: string | null
}

function fiatTag(order: PublicOrder): Tag {
  if (order.status === 'pending' && order.range !== null) {
    return ['fa', tagInteger(order.range.min), tagInteger(order.range.max)]
  }
  return ['fa', tagInteger(order.fiatAmount)]
}

/** Reputation and deep link, which only an offer carries. */
function offerTags(order: PublicOrder, node: NodeIdentity): readonly Tag[] {
  if (order.status !== 'pending') return []
  const { days, totalRating, totalReviews } = order.reputation
  const facts = `{"days":${tagInteger(days)},"total_rating":${jsonFloat(totalRating)},"total_reviews":${tagInteger(totalReviews)}}`
  return [
    ['rating', `["rating",${facts}]`],
    ['source', `mostro:${order.id}?relays=${order.relays.join(',')}&mostro=${node.pubkey}`],
  ]
}

/** Kind 38383. A revision needs a `createdAtS` above that of the one before it, or clients keep the old one. */
export function orderEvent(order: PublicOrder, node: NodeIdentity, createdAtS: number): EventTemplate {
  const endsWithOffer = order.status === 'pending' && order.expiresAtS > 0
  return {
    kind: KIND_ORDER,
    created_at: createdAtS,
    content: '',
    tags: [
      ['d', order.id],
      ['k', order.kind],
      ['f', order.fiatCode],
      ['s', order.status],
      ['amt', tagInteger(order.amountSats)],
      fiatTag(order),
      ['pm', ...order.paymentMethod.split(',').filter((method) => method !== '')],
      ['premium', tagInteger(order.premium)],
      ...offerTags(order, node),
      ['network', networkText(order.networks)],
      ['layer', 'lightning'],
      ['expires_at', tagInteger(order.expiresAtS)],
      ['expiration', tagInteger(endsWithOffer ? order.expiresAtS : order.retainedUntilS)],
      instanceTag(node.instanceName),
      ['z', 'order'],
    ],
  }
}

export type PublicRating = {
  /** trade key under which the rated user made that trade, never an identity key (DEC-11) */
  readonly ratedTradePubkey: string
  readonly reputation: PublicReputation
  readonly lastRating: number
  readonly maxRating: number
  readonly minRating: number
  /** unix seconds */
  readonly retainedUntilS: number
}

/** Kind 38384: the reputation of a user after a trade. */
export function ratingEvent(rating: PublicRating, node: NodeIdentity, createdAtS: number): EventTemplate {
  return {
    kind: KIND_RATING,
    created_at: createdAtS,
    content: '',
    tags: [
      ['d', rating.ratedTradePubkey],
      ['expiration', tagInteger(rating.retainedUntilS)],
      ['total_reviews', tagInteger(rating.reputation.totalReviews)],
      ['total_rating', tagFloat(rating.reputation.totalRating)],
      ['last_rating', tagInteger(rating.lastRating)],
      ['max_rate', tagInteger(rating.maxRating)],
      ['min_rate', tagInteger(rating.minRating)],
      instanceTag(node.instanceName),
      ['z', 'rating'],
      ['days', tagInteger(rating.reputation.days)],
    ],
  }
}

export type PublicInfo = {
  /** what runs here: `fianza/0.1.0` (DEC-23) */
  readonly version: string
  readonly commitHash: string
  readonly maxOrderSats: number
  readonly minOrderSats: number
  readonly expirationHours: number
  readonly expirationSeconds: number
  /** accepted currencies; empty: all */
  readonly fiatCurrencies: readonly string[]
  readonly maxOrdersPerResponse: number
  /** the node's share of an order, a fraction */
  readonly fee: number
  readonly pow: number
  readonly powFirstContact: number
  readonly transport: 1 | 2
  /** seconds until an unpaid hold invoice, or a missing buyer's invoice, ends a take */
  readonly holdInvoiceWindowS: number
  readonly invoiceWindowS: number
  /** blocks */
  readonly holdInvoiceCltvDelta: number
  /** null while the Lightning node was never reached */
  readonly lightning: {
    readonly version: string
    readonly pubkey: string
    readonly commitHash: string
    readonly alias: string
    readonly chains: readonly string[]
    readonly networks: readonly string[]
    readonly uris: readonly string[]
  } | null
  /** null: no bonds are asked for */
  readonly bonds: {
    /** a fraction of the amount */
    readonly amountPct: number
    readonly baseAmountSats: number
    readonly applyTo: 'take' | 'make' | 'both'
    readonly slashOnWaitingTimeout: boolean
    /** a fraction */
    readonly slashNodeSharePct: number
    readonly payoutClaimWindowDays: number
  } | null
}

function lightningTags(lightning: PublicInfo['lightning']): readonly Tag[] {
  if (lightning === null) return []
  return [
    ['lnd_version', lightning.version],
    ['lnd_node_pubkey', lightning.pubkey],
    ['lnd_commit_hash', lightning.commitHash],
    ['lnd_node_alias', lightning.alias],
    ['lnd_chains', lightning.chains.join(',')],
    ['lnd_networks', lightning.networks.join(',')],
    ['lnd_uris', lightning.uris.join(',')],
  ]
}

function bondTags(bonds: PublicInfo['bonds']): readonly Tag[] {
  if (bonds === null) return [['bond_enabled', 'false']]
  return [
    ['bond_enabled', 'true'],
    ['bond_amount_pct', tagFloat(bonds.amountPct)],
    ['bond_base_amount_sats', tagInteger(bonds.baseAmountSats)],
    ['bond_apply_to', bonds.applyTo],
    ['bond_slash_on_waiting_timeout', String(bonds.slashOnWaitingTimeout)],
    ['bond_slash_node_share_pct', tagFloat(bonds.slashNodeSharePct)],
    ['bond_payout_claim_window_days', tagInteger(bonds.payoutClaimWindowDays)],
  ]
}

/** Kind 38385: what clients must know before they trade. Without it they assume transport 1. */
export function infoEvent(info: PublicInfo, node: NodeIdentity, createdAtS: number): EventTemplate {
  return {
    kind: KIND_INFO,
    created_at: createdAtS,
    content: '',
    tags: [
      ['d', node.pubkey],
      ['mostro_version', info.version],
      ['mostro_commit_hash', info.commitHash],
      ['max_order_amount', tagInteger(info.maxOrderSats)],
      ['min_order_amount', tagInteger(info.minOrderSats)],
      ['expiration_hours', tagInteger(info.expirationHours)],
      ['expiration_seconds', tagInteger(info.expirationSeconds)],
      ['fiat_currencies_accepted', info.fiatCurrencies.join(',')],
      ['max_orders_per_response', tagInteger(info.maxOrdersPerResponse)],
      ['fee', tagFloat(info.fee)],
      ['pow', tagInteger(info.pow)],
      ['pow_first_contact', tagInteger(info.powFirstContact)],
      ['protocol_version', String(info.transport)],
      ['hold_invoice_expiration_window', tagInteger(info.holdInvoiceWindowS)],
      ['hold_invoice_cltv_delta', tagInteger(info.holdInvoiceCltvDelta)],
      ['invoice_expiration_window', tagInteger(info.invoiceWindowS)],
      ...lightningTags(info.lightning),
      instanceTag(node.instanceName),
      ['z', 'info'],
      ...bondTags(info.bonds),
    ],
  }
}

export type PublicDispute = {
  readonly id: string
  readonly status: DisputeStatus
  readonly initiator: 'buyer' | 'seller' | 'unknown'
  /** when it was opened, unix seconds */
  readonly openedAtS: number
  /** unix seconds */
  readonly retainedUntilS: number
}

/** Kind 38386: a dispute, for solvers to take. */
export function disputeEvent(dispute: PublicDispute, node: NodeIdentity, createdAtS: number): EventTemplate {
  return {
    kind: KIND_DISPUTE,
    created_at: createdAtS,
    content: '',
    tags: [
      ['d', dispute.id],
      ['expiration', tagInteger(dispute.retainedUntilS)],
      ['s', dispute.status],
      ['initiator', dispute.initiator],
      ['created_at', tagInteger(dispute.openedAtS)],
      instanceTag(node.instanceName),
      ['z', 'dispute'],
    ],
  }
}

export type PublicProfile = {
  readonly name: string | null
  readonly about: string | null
  readonly website: string | null
  readonly picture: string | null
  /** what runs here; null keeps it private */
  readonly software: string | null
}

/** As clients read URLs: a bare host gains its slash; what is not a URL is left out. */
const normalUrl = (url: string | null): string | null => (url !== null && URL.canParse(url) ? new URL(url).href : null)

/** Kind 0, or null when the operator configured nothing to show. */
export function profileEvent(profile: PublicProfile, createdAtS: number): EventTemplate | null {
  const { name, about, website, picture, software } = profile
  if (name === null && about === null && website === null && picture === null) return null
  const fields = { name, about, website: normalUrl(website), picture: normalUrl(picture), software }
  const known = Object.entries(fields).filter(([, value]) => value !== null)
  return { kind: KIND_PROFILE, created_at: createdAtS, tags: [], content: JSON.stringify(Object.fromEntries(known)) }
}

/** Kind 10002: the relays on which the node can be found. */
export function relaysEvent(urls: readonly string[], createdAtS: number): EventTemplate {
  return { kind: KIND_RELAYS, created_at: createdAtS, tags: urls.map((url) => ['r', url]), content: '' }
}

export type PublicRates = {
  /** fiat units for one bitcoin, by upper-case currency code */
  readonly rates: ReadonlyMap<string, number>
  /** ids of the providers that they come from */
  readonly sources: readonly string[]
  /** seconds between two publications */
  readonly intervalS: number
}

const MAX_RATES_LIFE_S = 3600

/** Kind 30078: exchange rates. Outdated ones expire after two intervals, at most an hour. */
export function ratesEvent({ rates, sources, intervalS }: PublicRates, createdAtS: number): EventTemplate {
  const quotes = [...rates]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, rate]) => `${JSON.stringify(code)}:${jsonFloat(rate)}`)
  return {
    kind: KIND_RATES,
    created_at: createdAtS,
    tags: [
      ['d', 'mostro-rates'],
      ['published_at', tagInteger(createdAtS)],
      ['source', sources.toSorted().join(',')],
      ['expiration', tagInteger(createdAtS + Math.min(2 * intervalS, MAX_RATES_LIFE_S))],
    ],
    content: `{"BTC":{${quotes.join(',')}}}`,
  }
}

export type PublicDevFee = {
  readonly orderId: string
  readonly amountSats: number
  /** payment hash, hex */
  readonly hash: string
  /** Lightning address that was paid */
  readonly destination: string
  readonly networks: readonly string[]
  /** unix seconds */
  readonly retainedUntilS: number
}

/** Kind 8383: proof that a development fee was paid. A regular event, and nothing in it names a user. */
export function devFeeEvent(fee: PublicDevFee, node: NodeIdentity, createdAtS: number): EventTemplate {
  return {
    kind: KIND_DEV_FEE,
    created_at: createdAtS,
    content: '',
    tags: [
      ['order-id', fee.orderId],
      ['amount', tagInteger(fee.amountSats)],
      ['hash', fee.hash],
      ['destination', fee.destination],
      ['network', networkText(fee.networks)],
      instanceTag(node.instanceName),
      ['z', 'dev-fee-payment'],
      ['expiration', tagInteger(fee.retainedUntilS)],
    ],
  }
}
