/**
 * Keys of a Mostro node that mean nothing here. A file that has them still works, with a note; one that switches on what
 * is not here is refused, because its operator relies on it.
 */
import { keyName, valueAt } from './problems.ts'

const NO_EFFECT: Readonly<Record<string, string>> = {
  'database.url': 'the database is fianza.db in the data directory',
  'lightning.hold_invoice_expiration_window': 'an escrow invoice lives as long as mostro.expiration_seconds',
  'mostro.user_rates_sent_interval_seconds': 'ratings are published when they are given',
  'mostro.active_pubkeys_refresh_interval': 'who trades is always known',
  'mostro.bitcoin_price_api_url': 'sources are listed in [price.providers]',
  'mostro.exchange_rates_update_interval_seconds': 'use price.update_interval_seconds',
  'mostro.publish_exchange_rates_to_nostr': 'use price.publish_to_nostr',
  'expiration.rating_days': 'ratings are not published by this version',
  'expiration.dispute_days': 'disputes are not published by this version',
}

/** Sections with a switch `enabled`, for what this version does not do. */
const SWITCHED: Readonly<Record<string, string>> = {
  rpc: 'the administration service',
  anti_abuse_bond: 'bonds',
  cashu: 'Cashu escrow',
  'price.providers.eltoque': 'the price source El Toque',
}

export type Without = {
  readonly tree: Record<string, unknown>
  readonly problems: readonly string[]
  readonly notes: readonly string[]
}

/** The tree without Mostro's own keys, which of them are refused, and a note on each that has no effect. */
export function withoutMostroKeys(raw: Record<string, unknown>, file: string): Without {
  const tree = structuredClone(raw)
  const problems: string[] = []
  const notes: string[] = []
  for (const [name, what] of Object.entries(SWITCHED)) {
    const path = name.split('.')
    if (valueAt(tree, path) === undefined) continue
    if (valueAt(tree, [...path, 'enabled']) === true)
      problems.push(
        `${file}: ${name}.enabled is true; this version does not have ${what}: remove the section, or write false`,
      )
    else notes.push(`${file}: section [${name}] has no effect`)
    remove(tree, path)
  }
  for (const [name, why] of Object.entries(NO_EFFECT)) {
    const path = name.split('.')
    if (valueAt(tree, path) === undefined) continue
    notes.push(`${file}: ${name} has no effect: ${why}`)
    remove(tree, path)
  }
  if (isEmpty(valueAt(tree, ['database']))) remove(tree, ['database'])
  return { tree, problems, notes }
}

function remove(tree: Record<string, unknown>, path: readonly string[]): void {
  const parent = path.length === 1 ? tree : valueAt(tree, path.slice(0, -1))
  const last = path.at(-1)
  if (typeof parent === 'object' && parent !== null && last !== undefined) Reflect.deleteProperty(parent, last)
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/** For tests: every name above is foreign to our schema. */
export const MOSTRO_KEYS: readonly string[] = [...Object.keys(NO_EFFECT), ...Object.keys(SWITCHED)].map((name) =>
  keyName(name.split('.')),
)
