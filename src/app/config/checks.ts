/** Rules between keys: what each of them allows alone can still lose money, or trades, together. */
import { normalizeRelayUrl } from '../../adapters/nostr/relay-url.ts'
import { readPublicKey } from '../keys.ts'
import { keyName, type Origins, shown, valueAt } from './problems.ts'
import type { ConfigFile } from './schema.ts'

/** Blocks before the last-resort margin at which LND gives an escrow back by itself (DEC-10). */
const LAST_RESORT_BLOCKS = 6
/** The action margin is never less (DEC-10). */
const LEAST_MARGIN_BLOCKS = 36
/** A trade has so many blocks at least before the action margin (money-path.md 4.9). */
const LEAST_TRADE_BLOCKS = 72

/** How many blocks before LND would give an escrow back we act (DEC-10). */
export function actionMarginBlocks(lightning: ConfigFile['lightning']): number {
  return lightning.escrow_deadline_margin_blocks ?? Math.max(2 * lightning.hold_expiry_delta, LEAST_MARGIN_BLOCKS)
}

type Check = {
  readonly key: string
  /** what it must be, or null when it is so */
  readonly wrong: (config: ConfigFile) => string | null
}

const CHECKS: readonly Check[] = [
  {
    key: 'mostro.min_payment_amount',
    wrong: ({ mostro }) =>
      mostro.min_payment_amount > mostro.max_order_amount
        ? `at most mostro.max_order_amount, ${mostro.max_order_amount}`
        : null,
  },
  {
    key: 'mostro.expiration_hours',
    wrong: ({ mostro }) =>
      mostro.expiration_hours > 24 * mostro.max_expiration_days
        ? `at most ${24 * mostro.max_expiration_days}, which is mostro.max_expiration_days`
        : null,
  },
  {
    key: 'mostro.pow_first_contact',
    wrong: ({ mostro }) =>
      mostro.pow_first_contact !== undefined && mostro.pow_first_contact < mostro.pow
        ? `at least mostro.pow, ${mostro.pow}: strangers cannot be trusted more than traders`
        : null,
  },
  {
    key: 'mostro.transports',
    wrong: ({ mostro }) =>
      mostro.transports.includes(mostro.transport)
        ? null
        : `a list that names mostro.transport, "${mostro.transport}": clients are told to use it`,
  },
  {
    key: 'mostro.dev_fee_address',
    wrong: ({ mostro }) =>
      mostro.dev_fee_percentage > 0 && mostro.dev_fee_address === undefined
        ? 'a Lightning address, because mostro.dev_fee_percentage is above 0'
        : null,
  },
  {
    key: 'lightning.escrow_deadline_margin_blocks',
    wrong: ({ lightning }) => {
      const least = lightning.hold_expiry_delta + LAST_RESORT_BLOCKS
      return actionMarginBlocks(lightning) < least
        ? `at least ${least}: LND gives an escrow back ${lightning.hold_expiry_delta} blocks before its height`
        : null
    },
  },
  {
    key: 'lightning.hold_invoice_cltv_delta',
    wrong: ({ lightning }) => {
      const margin = actionMarginBlocks(lightning)
      const least = Math.max(margin + LEAST_TRADE_BLOCKS, 2 * margin)
      return lightning.hold_invoice_cltv_delta < least
        ? `at least ${least}: the last ${margin} blocks are kept to act in, and a trade needs ${LEAST_TRADE_BLOCKS} before them`
        : null
    },
  },
  {
    key: 'lightning.lnd_macaroon',
    wrong: ({ lightning }) =>
      lightning.lnd_macaroon === undefined && lightning.lnd_macaroon_file === undefined
        ? 'given, or lightning.lnd_macaroon_file: without a macaroon LND answers nothing'
        : lightning.lnd_macaroon !== undefined && lightning.lnd_macaroon_file !== undefined
          ? 'left out, because lightning.lnd_macaroon_file is given too'
          : null,
  },
  {
    key: 'lightning.lnd_cert',
    wrong: ({ lightning }) =>
      lightning.lnd_cert !== undefined && lightning.lnd_cert_file !== undefined
        ? 'left out, because lightning.lnd_cert_file is given too'
        : null,
  },
  {
    key: 'nostr.nsec_privkey',
    wrong: ({ nostr }) =>
      nostr.nsec_privkey !== undefined && nostr.nsec_file !== undefined
        ? 'left out, because nostr.nsec_file is given too'
        : null,
  },
  {
    key: 'nostr.relays',
    wrong: ({ nostr }) => {
      const bad = nostr.relays.find((url) => !normalizeRelayUrl(url).ok)
      if (bad !== undefined) return `a list of addresses that begin with wss:// or ws://; "${bad}" is none`
      return nostr.relays.length === 0
        ? 'a list with one relay at least, for example ["wss://relay.mostro.network"]'
        : null
    },
  },
  {
    key: 'nostr.min_relay_oks',
    wrong: ({ nostr }) =>
      nostr.min_relay_oks > nostr.relays.length && nostr.relays.length > 0
        ? `at most ${nostr.relays.length}, the number of relays`
        : null,
  },
  {
    key: 'price.max_price_staleness_seconds',
    wrong: ({ price }) =>
      price.max_price_staleness_seconds < price.update_interval_seconds
        ? `at least price.update_interval_seconds, ${price.update_interval_seconds}: every price would be too old`
        : null,
  },
  {
    key: 'price.providers.nostr.trusted_nodes',
    wrong: ({ price: { providers } }) => {
      const { enabled, trusted_nodes } = providers.nostr
      if (enabled && trusted_nodes.length === 0) return 'a list with one node at least, because the source is enabled'
      const bad = trusted_nodes.find((key) => readPublicKey(key) === null)
      return bad === undefined ? null : `a list of public keys as npub1... or 64 hex digits; "${bad}" is none`
    },
  },
  ...(['yadio', 'coingecko', 'currency_api', 'blockchain', 'nostr'] as const).map((id) => ({
    key: `price.providers.${id}.except`,
    wrong: ({ price: { providers } }: ConfigFile) =>
      providers[id].only !== undefined && providers[id].except !== undefined
        ? `left out, because price.providers.${id}.only is given too`
        : null,
  })),
]

/** One line a broken rule. */
export function checkTogether(config: ConfigFile, file: string, origins: Origins): string[] {
  return CHECKS.flatMap(({ key, wrong }) => {
    const expected = wrong(config)
    if (expected === null) return []
    const path = key.split('.')
    const found = valueAt(config, path)
    const where = origins.get(keyName(path)) ?? file
    return [
      found === undefined
        ? `${where}: ${key} is not given; it must be ${expected}`
        : `${where}: ${key} is ${shown(path, found)}; it must be ${expected}`,
    ]
  })
}
