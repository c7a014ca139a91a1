import type { NostrEvent, OrderKind } from '../core/protocol.ts'
import type { PublicReputation, PublicStatus } from '../wire/public-events.ts'
import { Tags } from './tags.ts'

/** An order as the node shows it to everybody (kind 38383, wire.md 7.2). */
export type BookEntry = {
  readonly orderId: string
  /** the maker's side */
  readonly kind: OrderKind
  readonly status: PublicStatus
  readonly fiatCode: string
  /** 0: market price */
  readonly amountSats: number
  /** the amount, or the bounds between which a taker chooses */
  readonly fiatAmount: number | { readonly min: number; readonly max: number }
  readonly paymentMethods: readonly string[]
  /** percent */
  readonly premium: number
  /** of the maker, while the order is pending */
  readonly reputation: PublicReputation | null
  /** chains of the node's Lightning node */
  readonly networks: readonly string[]
  /** until when it can be taken, unix seconds; 0: for ever */
  readonly expiresAtS: number
  /** until when relays keep this revision (NIP-40), unix seconds; null: for ever */
  readonly expirationS: number | null
  readonly createdAtS: number
  readonly eventId: string
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const isKind = (text: string | null): text is OrderKind => text === 'buy' || text === 'sell'

const STATUSES: readonly string[] = [
  'pending',
  'in-progress',
  'success',
  'canceled',
  'completed-by-admin',
] satisfies readonly PublicStatus[]

const isStatus = (text: string | null): text is PublicStatus => text !== null && STATUSES.includes(text)

function readFiat(values: readonly string[]): BookEntry['fiatAmount'] | null {
  const [first, second] = values.map((value) => (/^[0-9]{1,15}$/.test(value) ? Number(value) : null))
  if (first === undefined || first === null || second === null) return null
  return second === undefined ? first : { min: first, max: second }
}

function readReputation(text: string | null): PublicReputation | null {
  try {
    const [, facts] = JSON.parse(text ?? '') as [unknown, Partial<Record<string, unknown>>]
    const { days, total_rating: totalRating, total_reviews: totalReviews } = facts
    if (typeof days !== 'number' || typeof totalRating !== 'number' || typeof totalReviews !== 'number') return null
    return { days, totalRating, totalReviews }
  } catch {
    return null
  }
}

/** Reads a verified order event; null when something that a trader must know is missing or makes no sense. */
export function readBookEntry(event: NostrEvent): BookEntry | null {
  const tags = new Tags(event)
  const orderId = tags.text('d')
  const kind = tags.text('k')
  const status = tags.text('s')
  const fiatCode = tags.text('f')
  const amountSats = tags.integer('amt')
  const fiatAmount = readFiat(tags.all('fa'))
  const premium = tags.integer('premium')
  if (orderId === null || !UUID.test(orderId) || !isKind(kind) || !isStatus(status)) return null
  if (fiatCode === null || amountSats === null || amountSats < 0 || fiatAmount === null || premium === null) return null
  return {
    orderId,
    kind,
    status,
    fiatCode,
    amountSats,
    fiatAmount,
    paymentMethods: tags.all('pm'),
    premium,
    reputation: readReputation(tags.text('rating')),
    networks: tags.text('network')?.split(',') ?? [],
    expiresAtS: tags.integer('expires_at') ?? 0,
    expirationS: tags.integer('expiration'),
    createdAtS: event.created_at,
    eventId: event.id,
  }
}
