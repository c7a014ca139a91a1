/**
 * Every key of the configuration: name, meaning, default, limits. Section and key names are those of a Mostro node
 * (trade.md 7), so that its operator finds his way; keys of fianza's own stand beside them. `fianza.example.toml` is
 * written from this file.
 */
import { z } from 'zod'
import { DEFAULT_LIMITS } from '../../engine/settings.ts'
import {
  autoOr,
  between,
  currency,
  filePath,
  flag,
  fractionBelow,
  listOf,
  oneOf,
  text,
  webUrl,
  wholeNumber,
} from './keys.ts'

const YEAR_DAYS = 366

export const TRANSPORT_NAMES = ['nip44', 'gift-wrap'] as const

const nostr = z.strictObject({
  relays: listOf(text(512, 'the address of a relay'), 50, '["wss://relay.mostro.network"]')
    .describe('Relays to read from and publish to. All are equal; two or three of different owners are a good number.')
    .meta({ sample: ['wss://relay.mostro.network', 'wss://nos.lol'] }),
  nsec_privkey: text(100, 'a key as nsec1... or as 64 hex digits')
    .optional()
    .describe(
      'The key of the node, as nsec1... or hex. Better in the file below, or in the variable MOSTRO_NSEC_PRIVKEY, than here.',
    )
    .meta({ secret: true, sample: 'nsec1...' }),
  nsec_file: filePath()
    .optional()
    .describe('A file with that key and mode 600. Default: nostr.key in the data directory; `fianza init` makes one.')
    .meta({ sample: 'nostr.key' }),
  min_relay_oks: wholeNumber('relays', 1, 50)
    .default(1)
    .describe('A message counts as sent when so many relays took it; it is offered to all of them anyway.'),
})

const lightning = z.strictObject({
  lnd_grpc_host: text(300, 'the host and port of LND')
    .describe('Where LND listens for gRPC: host and port.')
    .meta({ sample: 'localhost:10009' }),
  lnd_cert_file: filePath()
    .optional()
    .describe('tls.cert of LND. Leave it out when a public authority signed the certificate.')
    .meta({ sample: '~/.lnd/tls.cert', shown: true }),
  lnd_cert: text(20_000, 'the text of tls.cert, or that text in base64')
    .optional()
    .describe('Instead of the file: its text, or its text in base64.')
    .meta({ sample: 'LS0tLS1CRUdJTi...' }),
  lnd_macaroon_file: filePath()
    .optional()
    .describe('A macaroon with the rights that fianza needs and no others: `fianza init` prints how to make it.')
    .meta({ sample: '~/.lnd/fianza.macaroon', shown: true }),
  lnd_macaroon: text(20_000, 'the macaroon in hex or base64')
    .optional()
    .describe('Instead of the file: its bytes in hex or base64.')
    .meta({ secret: true, sample: '0201036c6e64...' }),
  hold_expiry_delta: wholeNumber('blocks', 1, 200)
    .default(18)
    .describe("LND's --invoices.holdexpirydelta: 18 unless its operator changed it (12 before LND 0.21)."),
  hold_invoice_cltv_delta: wholeNumber('blocks', 40, 288)
    .default(144)
    .describe(
      'How long an escrow may be held, in blocks. 144 is a day. Longer locks sellers longer and finds fewer routes.',
    ),
  escrow_deadline_margin_blocks: wholeNumber('blocks', 1, 288)
    .optional()
    .describe(
      'So many blocks before LND would give an escrow back, fianza acts. Default: twice hold_expiry_delta, at least 36.',
    )
    .meta({ sample: 36 }),
  invoice_expiration_window: wholeNumber('seconds', 60, 30 * 86_400)
    .default(3600)
    .describe("A buyer's invoice must live at least so long, in seconds."),
  payment_attempts: wholeNumber('attempts', 2, 100)
    .default(3)
    .describe('How often an invoice is tried before its owner is asked for another.'),
  payment_retries_interval: wholeNumber('seconds', 5, 86_400)
    .default(60)
    .describe('Seconds between two of these attempts.'),
  max_final_cltv_expiry_delta: wholeNumber('blocks', 144, 1008)
    .default(144)
    .describe('Longest time lock that an invoice we pay may ask for at its end, in blocks.'),
  plain_address_hosts: listOf(text(300, 'a host and port'), 20, '["127.0.0.1:8080"]')
    .default([])
    .describe(
      'Lightning address services that may be private and speak http, for a sandbox. Empty where sats are real.',
    ),
})

const mostro = z.strictObject({
  name: text(100, 'a name')
    .optional()
    .describe('Name of this instance, shown by clients.')
    .meta({ sample: 'my fianza' }),
  about: text(2000, 'a text').optional().describe('What it says about itself.').meta({ sample: 'Trades in my town' }),
  picture: webUrl().optional().describe('Address of its picture.').meta({ sample: 'https://example.com/me.png' }),
  website: webUrl().optional().describe('Address of its website.').meta({ sample: 'https://example.com' }),
  fee: fractionBelow(0.5, '0.006 for 0.6 %')
    .default(0)
    .describe('What a trade costs, as a fraction of its amount; each trader pays half. 0.006 = 0.6 %.'),
  max_routing_fee: between(0, 0.1, '0.002 for 0.2 %')
    .default(0.002)
    .describe('The most that a payout may cost to route, as a fraction of its amount. The node pays it.'),
  min_payment_amount: wholeNumber('sats', 1, 100_000_000_000).default(100).describe('Smallest trade, in sats.'),
  max_order_amount: wholeNumber('sats', 1, 100_000_000_000).default(1_000_000).describe('Largest trade, in sats.'),
  fiat_currencies_accepted: listOf(currency(), 200, '["USD", "EUR"]')
    .default([])
    .describe('Currencies that orders may name. Empty: all that can be priced.'),
  expiration_hours: wholeNumber('hours', 1, 24 * YEAR_DAYS)
    .default(24)
    .describe('How long an order stays in the book unless its maker says otherwise, in hours.'),
  max_expiration_days: wholeNumber('days', 1, YEAR_DAYS)
    .default(15)
    .describe('The most that a maker may ask for, in days.'),
  expiration_seconds: wholeNumber('seconds', 60, 86_399)
    .default(900)
    .describe('How long a trader has to pay the escrow, or to give an invoice, in seconds.'),
  answer_deadline_seconds: wholeNumber('seconds', 1, 9)
    .default(8)
    .describe('A take that Lightning does not answer within so many seconds is undone and refused; clients wait 10.'),
  pow: wholeNumber('bits', 0, 64).default(0).describe('Proof of work that every message must carry, in bits.'),
  pow_first_contact: wholeNumber('bits', 0, 64)
    .optional()
    .describe('Proof of work of strangers, in bits. Default: as pow.')
    .meta({ sample: 8 }),
  transport: oneOf(TRANSPORT_NAMES)
    .default('nip44')
    .describe('How we write to a trader who has not written yet, and what clients are told to use.'),
  transports: listOf(oneOf(TRANSPORT_NAMES), 2, '["nip44", "gift-wrap"]')
    .default(['nip44', 'gift-wrap'])
    .describe('What we read. Both: clients of either kind can trade.'),
  max_orders_per_response: wholeNumber('orders', 1, 255)
    .default(DEFAULT_LIMITS.ordersPerResponse)
    .describe('How many orders a client may ask for at once.'),
  publish_relays_interval: wholeNumber('seconds', 10, 86_400)
    .default(60)
    .describe('Seconds between two looks whether our list of relays is published.'),
  publish_mostro_info_interval: wholeNumber('seconds', 10, 86_400)
    .default(300)
    .describe('Seconds between two looks whether our information event is published.'),
  dev_fee_percentage: between(0, 1, '0.3 for 30 %')
    .default(0)
    .describe('Share of the fees that goes to the developers, as a fraction. 0 = nothing.'),
  dev_fee_address: text(320, 'a Lightning address')
    .optional()
    .describe('Lightning address that it goes to.')
    .meta({ sample: 'developers@example.com' }),
})

const expiration = z.strictObject({
  order_days: wholeNumber('days', 1, 10 * YEAR_DAYS)
    .default(30)
    .describe('Relays may forget order events after so many days.'),
  fee_audit_days: wholeNumber('days', 1, 10 * YEAR_DAYS)
    .default(365)
    .describe('The same for events about development fees.'),
  dm_days: wholeNumber('days', 1, 10 * YEAR_DAYS)
    .default(30)
    .describe('The same for messages to traders.'),
})

const provider = {
  enabled: flag().default(false).describe('Whether this source is asked.'),
  only: listOf(currency(), 200, '["EUR"]')
    .optional()
    .describe('Use it for these currencies only.')
    .meta({ sample: ['EUR'] }),
  except: listOf(currency(), 200, '["CUP"]')
    .optional()
    .describe('Use it for all currencies but these.')
    .meta({ sample: ['CUP'] }),
}
const httpProvider = (url: string, fallbackUrls: readonly string[] = []) =>
  z.strictObject({
    ...provider,
    url: webUrl().default(url).describe('Its address.'),
    fallback_urls: listOf(webUrl(), 10, '["https://example.com"]')
      .default([...fallbackUrls])
      .describe('Asked in this order when the address before gave nothing.'),
    api_key: text(200, 'a key')
      .optional()
      .describe('Key of a paid plan (coingecko).')
      .meta({ secret: true, sample: 'CG-...' }),
  })

const providers = z.strictObject({
  yadio: httpProvider('https://api.yadio.io').prefault({}),
  coingecko: httpProvider('https://api.coingecko.com/api/v3').prefault({}),
  currency_api: httpProvider('https://cdn.jsdelivr.net/npm/@fawazahmed0/currency-api@latest/v1', [
    'https://latest.currency-api.pages.dev/v1',
  ]).prefault({}),
  blockchain: httpProvider('https://blockchain.info').prefault({}),
  nostr: z
    .strictObject({
      ...provider,
      trusted_nodes: listOf(text(70, 'a public key as npub1... or 64 hex digits'), 50, '["npub1..."]')
        .default([])
        .describe('Nodes whose published rates we believe where nobody else knows the currency.'),
    })
    .prefault({}),
})

const price = z.strictObject({
  update_interval_seconds: wholeNumber('seconds', 60, 86_400)
    .default(300)
    .describe('Seconds between two polls of all sources.'),
  max_price_staleness_seconds: wholeNumber('seconds', 60, 86_400)
    .default(1800)
    .describe('No trade at a market price older than so many seconds.'),
  outlier_threshold_pct: between(0.01, 100, '5.0')
    .default(5)
    .describe('With three sources and more, those further from the median than so many percent do not count.'),
  provider_timeout_seconds: wholeNumber('seconds', 1, 60)
    .default(10)
    .describe('How long one address is waited for, in seconds.'),
  provider_failure_threshold: wholeNumber('failures', 1, 1000)
    .default(3)
    .describe('A source that fails so often in a row is left alone for a while.'),
  provider_failure_cooldown_seconds: wholeNumber('seconds', 1, 1800)
    .default(120)
    .describe('For so many seconds, then twice as long each time, at most half an hour.'),
  publish_to_nostr: flag().default(true).describe('Publish our rates, for clients and other nodes.'),
  providers: providers.prefault({
    yadio: { enabled: true },
    coingecko: { enabled: true },
    currency_api: { enabled: true },
    blockchain: { enabled: true },
  }),
})

const most = 1_000_000
const limits = z.strictObject({
  open_orders_per_identity: wholeNumber('orders', 1, most)
    .default(DEFAULT_LIMITS.openOrdersPerIdentity)
    .describe('Open orders of one trader.'),
  pending_takes_per_key: wholeNumber('takes', 1, most)
    .default(DEFAULT_LIMITS.pendingTakesPerKey)
    .describe('Takes of one key that wait for Lightning.'),
  answers_per_key_per_minute: wholeNumber('answers', 1, most)
    .default(DEFAULT_LIMITS.answersPerKeyPerMinute)
    .describe('Refusals that one key gets in a minute.'),
  answers_per_second: wholeNumber('answers', 1, most)
    .default(DEFAULT_LIMITS.answersPerSecond)
    .describe('Refusals that all together get in a second.'),
  lane_depth: wholeNumber('messages', 1, most)
    .default(DEFAULT_LIMITS.laneDepth)
    .describe('Messages of one sender that may wait.'),
  intake_depth: wholeNumber('messages', 1, most)
    .default(DEFAULT_LIMITS.intakeDepth)
    .describe('Messages of all senders that may wait; above it we stop reading from relays.'),
  prepare_ms: wholeNumber('milliseconds', 100, 60_000)
    .default(DEFAULT_LIMITS.prepareMs)
    .describe('How long a message may wait for a price or a Lightning address, in milliseconds.'),
  payouts_per_destination: wholeNumber('payouts', 1, 400)
    .default(DEFAULT_LIMITS.payoutsPerDestination)
    .describe('Payouts under way to one Lightning node.'),
  payouts_in_all: wholeNumber('payouts', 1, 400)
    .default(DEFAULT_LIMITS.payoutsInAll)
    .describe('Payouts under way in all.'),
  address_lookups_per_key_per_hour: wholeNumber('lookups', 1, most)
    .default(DEFAULT_LIMITS.addressLookupsPerKeyPerHour)
    .describe('Lightning addresses that one key can make us ask in an hour.'),
})

const performance = z.strictObject({
  curves: oneOf(['auto', 'native', 'portable'])
    .default('auto')
    .describe(
      'Arithmetic of keys. native: libsecp256k1; portable: JavaScript, some thirty times slower; auto: native where it runs.',
    ),
  commits: oneOf(['grouped', 'each'])
    .default('grouped')
    .describe('grouped: what happens at once shares one write to the disk. each: nothing does, for comparison.'),
  opener_threads: autoOr('threads', 0, 16)
    .default('auto')
    .describe(
      'Threads that open messages beside the main one. auto: one with native curves, else one for each core, at most 4.',
    ),
})

const log = z.strictObject({
  level: oneOf(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('The least important lines that are written.'),
  format: oneOf(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('auto: coloured lines on a terminal, else one JSON object a line.'),
})

/** The whole file, with its sections in the order in which an operator needs them. */
export const SCHEMA = z.strictObject({
  nostr: nostr.describe('Who we are on Nostr, and where.'),
  lightning: lightning.describe('The LND that holds and pays the sats.'),
  mostro: mostro.prefault({}).describe('The terms of trade.'),
  price: price.prefault({}).describe('Where market prices come from.'),
  expiration: expiration.prefault({}).describe('How long relays should keep what we publish.'),
  limits: limits.prefault({}).describe('What strangers may cost us.'),
  performance: performance.prefault({}).describe('How fast we are. The defaults suit everybody.'),
  log: log.prefault({}).describe('What we say.'),
})

export type ConfigFile = z.infer<typeof SCHEMA>
