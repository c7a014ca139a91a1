import type { NostrEvent, Transport } from '../core/protocol.ts'
import { Tags } from './tags.ts'

/** What a node announces about itself (kind 38385, wire.md 7.4). Null: it does not say. */
export type NodeInfo = {
  /** what runs there, `fianza/0.1.0` */
  readonly version: string | null
  /** the node reads and writes this one unless it takes both; without the tag it is the old one */
  readonly transport: Transport
  /** leading zero bits asked of the id of every event */
  readonly pow: number
  /** and of the events of keys that the node does not know yet */
  readonly powFirstContact: number
  readonly minOrderSats: number | null
  readonly maxOrderSats: number | null
  /** the node's share of an order, a fraction; each side pays half */
  readonly fee: number | null
  /** empty: all */
  readonly fiatCurrencies: readonly string[]
  readonly expirationHours: number | null
  /** how long a take waits for an invoice or a payment */
  readonly expirationSeconds: number | null
  readonly maxOrdersPerResponse: number | null
  readonly bondsEnabled: boolean
  /** chains of its Lightning node */
  readonly networks: readonly string[]
  readonly createdAtS: number
  readonly eventId: string
}

const listed = (text: string | null): readonly string[] => (text === null || text === '' ? [] : text.split(','))

/** Reads a verified info event. A tag that is missing or makes no sense reads as not said. */
export function readNodeInfo(event: NostrEvent): NodeInfo {
  const tags = new Tags(event)
  const pow = tags.integer('pow') ?? 0
  return {
    version: tags.text('mostro_version'),
    transport: tags.text('protocol_version') === '2' ? 2 : 1,
    pow,
    powFirstContact: Math.max(pow, tags.integer('pow_first_contact') ?? 0),
    minOrderSats: tags.integer('min_order_amount'),
    maxOrderSats: tags.integer('max_order_amount'),
    fee: tags.decimal('fee'),
    fiatCurrencies: listed(tags.text('fiat_currencies_accepted')),
    expirationHours: tags.integer('expiration_hours'),
    expirationSeconds: tags.integer('expiration_seconds'),
    maxOrdersPerResponse: tags.integer('max_orders_per_response'),
    bondsEnabled: tags.text('bond_enabled') === 'true',
    networks: listed(tags.text('lnd_networks')),
    createdAtS: event.created_at,
    eventId: event.id,
  }
}
