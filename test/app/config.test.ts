import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../../src/app/config/environment.ts'
import { variableOf } from '../../src/app/config/environment.ts'
import { exampleToml } from '../../src/app/config/example.ts'
import { type AppConfig, ConfigError, dataDirOf, loadConfig } from '../../src/app/config/load.ts'
import { MOSTRO_KEYS } from '../../src/app/config/mostro-keys.ts'
import { didYouMean } from '../../src/app/config/problems.ts'
import { KEYS } from '../../src/app/config/tree.ts'
import { EXIT } from '../../src/app/refusal.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'

const LEAST = `
[nostr]
relays = ["wss://relay.example"]
[lightning]
lnd_grpc_host = "localhost:10009"
lnd_macaroon = "0201ff"
`

describe('the configuration', () => {
  let dir: TempTree | null = null
  beforeEach(() => {
    dir = null
  })
  afterEach(() => dir?.[Symbol.dispose]())

  const load = (toml: string, env: Environment = {}, files: Record<string, string> = {}): AppConfig => {
    dir?.[Symbol.dispose]()
    dir = tempTree({ 'fianza.toml': toml, ...files })
    return loadConfig({ dataDir: dir.path, env })
  }
  const problems = (toml: string, env: Environment = {}): readonly string[] => {
    try {
      load(toml, env)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      expect(error.exitCode).toBe(EXIT.config)
      return error.problems.map((problem) => problem.replaceAll(`${dir?.path ?? ''}/`, ''))
    }
    return []
  }
  /** The least configuration with a key set in its section. */
  const withKey = (section: string, line: string): string =>
    LEAST.includes(`[${section}]`)
      ? LEAST.replace(`[${section}]`, `[${section}]\n${line}`)
      : `${LEAST}[${section}]\n${line}\n`

  it('needs relays and LND, and has a default for everything else', () => {
    const config = load(LEAST)
    expect(config.relayUrls).toEqual(['wss://relay.example'])
    expect(config.lnd).toEqual({ socket: 'localhost:10009', cert: null, macaroonHex: '0201ff' })
    expect(config.nodeKey).toEqual({ file: join(config.dataDir, 'nostr.key') })
    expect(config.engine).toMatchObject({
      transports: [2, 1],
      defaultTransport: 2,
      pow: 0,
      powFirstContact: 0,
      feeRate: 0,
      devFee: null,
      dutyS: 900,
      answerDeadlineMs: 8000,
      holdCltvDelta: 144,
      actionMarginBlocks: 36,
      maxFinalCltv: 144,
      payoutAttempts: 3,
      payoutRetryS: 60,
      order: { minOrderMsat: 100_000, maxOrderMsat: 1_000_000_000, windowS: 86_400, maxWindowS: 15 * 86_400 },
    })
    expect(Object.entries(config.prices.providers).flatMap(([id, { enabled }]) => (enabled ? [id] : []))).toEqual([
      'yadio',
      'coingecko',
      'currency_api',
      'blockchain',
    ])
  })

  it('leaves speed to the daemon unless the operator knows better', () => {
    const performance = (toml: string, env = {}) => load(LEAST + toml, env).performance
    expect(performance('')).toEqual({ curves: 'auto', commits: 'grouped', opener_threads: 'auto' })
    const section = '[performance]\ncurves = "portable"\ncommits = "each"\nopener_threads = 2\n'
    expect(performance(section)).toEqual({ curves: 'portable', commits: 'each', opener_threads: 2 })
    expect(performance(section, { FIANZA_PERFORMANCE_OPENER_THREADS: 'auto' }).opener_threads).toBe('auto')
    expect(performance('', { FIANZA_PERFORMANCE_OPENER_THREADS: '0' }).opener_threads).toBe(0)
  })

  it('says what is missing in an empty file', () => {
    expect(problems('')).toEqual([
      'fianza.toml: section [nostr] is missing; `fianza init` writes an example',
      'fianza.toml: section [lightning] is missing; `fianza init` writes an example',
    ])
  })

  it('tells where a missing file should be', () => {
    using empty = tempTree({})
    expect(() => loadConfig({ dataDir: empty.path, env: {} })).toThrow(
      `${empty.path}/fianza.toml: there is no such file; \`fianza init\` writes one, --config names another`,
    )
  })

  it('shows line and column of what is not TOML', () => {
    expect(problems('[nostr]\nrelays = wss://relay.example\n')[0]).toMatch(
      /^fianza\.toml: line 2, column \d+ is not TOML\n[\s\S]*relays = wss/,
    )
  })

  describe('refuses what would lose money, trades or time', () => {
    it.for<readonly [string, string, string]>([
      [
        'mostro',
        'fee = 0.5',
        'mostro.fee is 0.5; it must be a fraction from 0 to below 0.5, for example 0.006 for 0.6 %',
      ],
      [
        'mostro',
        'fee = -0.1',
        'mostro.fee is -0.1; it must be a fraction from 0 to below 0.5, for example 0.006 for 0.6 %',
      ],
      [
        'mostro',
        'fee = "free"',
        'mostro.fee is "free"; it must be a fraction from 0 to below 0.5, for example 0.006 for 0.6 %',
      ],
      [
        'mostro',
        'max_routing_fee = 0.2',
        'mostro.max_routing_fee is 0.2; it must be a number from 0 to 0.1, for example 0.002 for 0.2 %',
      ],
      [
        'mostro',
        'min_payment_amount = 0',
        'mostro.min_payment_amount is 0; it must be a whole number of sats from 1 to 100000000000',
      ],
      [
        'mostro',
        'min_payment_amount = 2_000_000',
        'mostro.min_payment_amount is 2000000; it must be at most mostro.max_order_amount, 1000000',
      ],
      [
        'mostro',
        'max_order_amount = 10.5',
        'mostro.max_order_amount is 10.5; it must be a whole number of sats from 1 to 100000000000',
      ],
      [
        'performance',
        'curves = "fast"',
        'performance.curves is "fast"; it must be one of "auto", "native", "portable"',
      ],
      [
        'performance',
        'opener_threads = 17',
        'performance.opener_threads is 17; it must be "auto" or a whole number of threads from 0 to 16',
      ],
      [
        'performance',
        'opener_threads = "many"',
        'performance.opener_threads is "many"; it must be "auto" or a whole number of threads from 0 to 16',
      ],
      [
        'mostro',
        'expiration_hours = 0',
        'mostro.expiration_hours is 0; it must be a whole number of hours from 1 to 8784',
      ],
      [
        'mostro',
        'expiration_hours = 400',
        'mostro.expiration_hours is 400; it must be at most 360, which is mostro.max_expiration_days',
      ],
      [
        'mostro',
        'expiration_seconds = 59',
        'mostro.expiration_seconds is 59; it must be a whole number of seconds from 60 to 86399',
      ],
      [
        'mostro',
        'expiration_seconds = 86400',
        'mostro.expiration_seconds is 86400; it must be a whole number of seconds from 60 to 86399',
      ],
      [
        'mostro',
        'publish_relays_interval = 1',
        'mostro.publish_relays_interval is 1; it must be a whole number of seconds from 10 to 86400',
      ],
      [
        'mostro',
        'publish_mostro_info_interval = 9',
        'mostro.publish_mostro_info_interval is 9; it must be a whole number of seconds from 10 to 86400',
      ],
      [
        'mostro',
        'dev_fee_percentage = 1.1',
        'mostro.dev_fee_percentage is 1.1; it must be a number from 0 to 1, for example 0.3 for 30 %',
      ],
      [
        'mostro',
        'dev_fee_percentage = 0.3',
        'mostro.dev_fee_address is not given; it must be a Lightning address, because mostro.dev_fee_percentage is above 0',
      ],
      [
        'mostro',
        'pow = 8\npow_first_contact = 4',
        'mostro.pow_first_contact is 4; it must be at least mostro.pow, 8: strangers cannot be trusted more than traders',
      ],
      ['mostro', 'transport = "dm"', 'mostro.transport is "dm"; it must be one of "nip44", "gift-wrap"'],
      [
        'mostro',
        'transports = ["gift-wrap"]',
        'mostro.transports is ["gift-wrap"]; it must be a list that names mostro.transport, "nip44": clients are told to use it',
      ],
      [
        'mostro',
        'fiat_currencies_accepted = ["usd"]',
        'mostro.fiat_currencies_accepted, entry 1, is "usd"; it must be a currency code in capitals, for example "EUR"',
      ],
      [
        'mostro',
        'website = "example.com"',
        'mostro.website is "example.com"; it must be an address that begins with https:// or http://',
      ],
      [
        'mostro',
        'answer_deadline_seconds = 30',
        'mostro.answer_deadline_seconds is 30; it must be a whole number of seconds from 1 to 9',
      ],
      [
        'lightning',
        'payment_attempts = 1',
        'lightning.payment_attempts is 1; it must be a whole number of attempts from 2 to 100',
      ],
      [
        'lightning',
        'payment_retries_interval = 0',
        'lightning.payment_retries_interval is 0; it must be a whole number of seconds from 5 to 86400',
      ],
      [
        'lightning',
        'hold_invoice_cltv_delta = 39',
        'lightning.hold_invoice_cltv_delta is 39; it must be a whole number of blocks from 40 to 288',
      ],
      [
        'lightning',
        'hold_invoice_cltv_delta = 100',
        'lightning.hold_invoice_cltv_delta is 100; it must be at least 108: the last 36 blocks are kept to act in, and a trade needs 72 before them',
      ],
      [
        'lightning',
        'escrow_deadline_margin_blocks = 20',
        'lightning.escrow_deadline_margin_blocks is 20; it must be at least 24: LND gives an escrow back 18 blocks before its height',
      ],
      [
        'lightning',
        'hold_expiry_delta = 60',
        'lightning.hold_invoice_cltv_delta is 144; it must be at least 240: the last 120 blocks are kept to act in, and a trade needs 72 before them',
      ],
      [
        'lightning',
        'max_final_cltv_expiry_delta = 100',
        'lightning.max_final_cltv_expiry_delta is 100; it must be a whole number of blocks from 144 to 1008',
      ],
      [
        'lightning',
        'lnd_cert = "what"',
        'section [lightning]: the certificate of LND can not be read; use the text of tls.cert, or that text in base64',
      ],
      [
        'lightning',
        'lnd_macaroon_file = "admin.macaroon"',
        'lightning.lnd_macaroon is a value that is not shown here; it must be left out, because lightning.lnd_macaroon_file is given too',
      ],
      ['nostr', 'min_relay_oks = 2', 'nostr.min_relay_oks is 2; it must be at most 1, the number of relays'],
      [
        'price',
        'max_price_staleness_seconds = 120',
        'price.max_price_staleness_seconds is 120; it must be at least price.update_interval_seconds, 300: every price would be too old',
      ],
      [
        'price',
        'outlier_threshold_pct = 0',
        'price.outlier_threshold_pct is 0; it must be a number from 0.01 to 100, for example 5.0',
      ],
      [
        'price.providers.yadio',
        'only = ["USD"]\nexcept = ["EUR"]',
        'price.providers.yadio.except is ["EUR"]; it must be left out, because price.providers.yadio.only is given too',
      ],
      [
        'price.providers.nostr',
        'enabled = true',
        'price.providers.nostr.trusted_nodes is []; it must be a list with one node at least, because the source is enabled',
      ],
      ['log', 'level = "loud"', 'log.level is "loud"; it must be one of "debug", "info", "warn", "error"'],
    ])('[%s] %s', ([section, line, problem]) => {
      const found = problems(withKey(section, line))
      expect(found.map((text) => text.replace('fianza.toml: ', ''))).toContain(problem)
      expect(found.every((text) => text.startsWith('fianza.toml: '))).toBe(true)
    })

    it.for<readonly [string, string]>([
      ['[]', 'a list with one relay at least, for example ["wss://relay.mostro.network"]'],
      ['["relay.example"]', 'a list of addresses that begin with wss:// or ws://; "relay.example" is none'],
      ['"wss://relay.example"', 'a list of at most 50, for example ["wss://relay.mostro.network"]'],
    ])('relays = %s', ([relays, expected]) => {
      const found = problems(LEAST.replace('["wss://relay.example"]', relays))
      expect(found).toEqual([`fianza.toml: nostr.relays is ${relays}; it must be ${expected}`])
    })
  })

  it('lists all problems at once', () => {
    expect(problems(withKey('mostro', 'fee = 2\npow = -1\ncolour = "red"'))).toHaveLength(3)
  })

  it('never repeats a secret', () => {
    const secret = 'nsec1'.padEnd(120, 'q')
    const said = problems(withKey('nostr', `nsec_privkey = "${secret}"`)).join()
    expect(said).toContain('nostr.nsec_privkey is a value that is not shown here')
    expect(said).not.toContain('qqqq')
  })

  it.for<readonly [string, string, string]>([
    ['a key', `${LEAST}[mostro]\nfees = 0.006`, 'mostro.fees is not a key of the configuration; did you mean fee?'],
    [
      'a key in the wrong section',
      `${LEAST}[mostro]\npayment_attempts = 3`,
      'mostro.payment_attempts is not a key of the configuration; it belongs into section [lightning]',
    ],
    ['a section', `${LEAST}[mostr]\nfee = 0.006`, 'mostr is not a key of the configuration; did you mean mostro?'],
    [
      'a key like no other',
      `${LEAST}[log]\ncolour = "red"`,
      'log.colour is not a key of the configuration; known here: level, format',
    ],
    [
      'a price source',
      `${LEAST}[price.providers.yado]\nenabled = true`,
      'price.providers.yado is not a key of the configuration; did you mean yadio?',
    ],
    ['a value for a section', `mostro = 3\n${LEAST}`, 'mostro is 3; it must be a section, [mostro]'],
  ])('helps with %s that it does not know', ([, toml, problem]) => {
    expect(problems(toml)).toEqual([`fianza.toml: ${problem}`])
  })

  it.for<readonly [string, string | null]>([
    ['payment_attemps', 'payment_attempts'],
    ['attempts_payment', null],
    ['fee', 'fee'],
    ['zzz', null],
  ])('takes %s for %s', ([word, meant]) => {
    expect(didYouMean(word, ['fee', 'payment_attempts', 'pow'])).toBe(meant)
  })

  describe('and the environment', () => {
    it('lets the environment win, key by key', () => {
      const config = load(withKey('mostro', 'fee = 0.01\npow = 4'), {
        FIANZA_MOSTRO_FEE: '0.006',
        FIANZA_NOSTR_RELAYS: 'wss://one.example, wss://two.example',
        FIANZA_PRICE_PUBLISH_TO_NOSTR: 'false',
        FIANZA_PRICE_PROVIDERS_YADIO_ENABLED: 'true',
        FIANZA_LOG_LEVEL: '',
        FIANZA_DIR: '/elsewhere',
        FIANZA_TEST_LND_SOCKET: 'localhost:1',
        PATH: '/bin',
      })
      expect(config.engine).toMatchObject({ feeRate: 0.006, pow: 4, publishRates: false })
      expect(config.relayUrls).toEqual(['wss://one.example', 'wss://two.example'])
      expect(config.prices.providers.yadio.enabled).toBe(true)
      expect(config.log.level).toBe('info')
    })

    it('is enough alone for sections that the file does not have', () => {
      const config = load('', {
        FIANZA_NOSTR_RELAYS: 'wss://relay.example',
        FIANZA_LIGHTNING_LND_GRPC_HOST: 'https://localhost:10009/',
        FIANZA_LIGHTNING_LND_MACAROON: Buffer.from('0201ff88', 'hex').toString('base64'),
      })
      expect(config.lnd).toMatchObject({ socket: 'localhost:10009', macaroonHex: '0201ff88' })
    })

    it('knows the name that Mostro gives the key of the node', () => {
      expect(load(LEAST, { MOSTRO_NSEC_PRIVKEY: 'nsec1abc' }).nodeKey).toEqual({ text: 'nsec1abc' })
      const both = { MOSTRO_NSEC_PRIVKEY: 'nsec1abc', FIANZA_NOSTR_NSEC_PRIVKEY: 'nsec1def' }
      expect(load(LEAST, both).nodeKey).toEqual({ text: 'nsec1def' })
    })

    it('is named as the place of what is wrong', () => {
      expect(problems(LEAST, { FIANZA_MOSTRO_FEE: '7' })).toEqual([
        'environment variable FIANZA_MOSTRO_FEE: mostro.fee is 7; it must be a fraction from 0 to below 0.5, for example 0.006 for 0.6 %',
      ])
      expect(problems(LEAST, { FIANZA_MOSTRO_POW: 'much' })).toEqual([
        'environment variable FIANZA_MOSTRO_POW: mostro.pow is "much"; it must be a whole number of bits from 0 to 64',
      ])
    })

    it('is refused where it names nothing', () => {
      expect(problems(LEAST, { FIANZA_MOSTRO_FEES: '0' })).toEqual([
        'environment variable FIANZA_MOSTRO_FEES names no key of the configuration; did you mean FIANZA_MOSTRO_FEE?',
      ])
    })

    it('has a variable of its own for every key', () => {
      const names = KEYS.map(({ path }) => variableOf(path))
      expect(new Set(names).size).toBe(names.length)
    })
  })

  describe('with files of LND', () => {
    it('reads them relative to itself', () => {
      const toml = LEAST.replace('lnd_macaroon = "0201ff"', 'lnd_macaroon_file = "lnd/fianza.macaroon"')
      const config = load(toml, {}, { 'lnd/fianza.macaroon': '\x02\x01' })
      expect(config.lnd.macaroonHex).toBe('0201')
    })

    it('says which one cannot be read, and by whom', () => {
      const toml = LEAST.replace('lnd_macaroon = "0201ff"', 'lnd_macaroon_file = "gone.macaroon"')
      expect(problems(toml)[0]).toMatch(
        /^fianza\.toml: lightning\.lnd_macaroon_file is gone\.macaroon; user \S+ cannot read it: ENOENT/,
      )
    })

    it('asks for a macaroon', () => {
      expect(problems(LEAST.replace('lnd_macaroon = "0201ff"', ''))).toEqual([
        'fianza.toml: lightning.lnd_macaroon is not given; it must be given, or lightning.lnd_macaroon_file: without a macaroon LND answers nothing',
      ])
    })
  })

  describe('of a Mostro node', () => {
    it('works unchanged, with a note on each key that means nothing here', () => {
      const config = load(
        `
        [lightning]
        lnd_cert_file = "tls.cert"
        lnd_macaroon_file = "admin.macaroon"
        lnd_grpc_host = "https://localhost:10009"
        invoice_expiration_window = 3600
        hold_invoice_cltv_delta = 144
        hold_invoice_expiration_window = 300
        payment_attempts = 3
        payment_retries_interval = 60
        [nostr]
        nsec_privkey = "nsec1abc"
        relays = ["wss://relay.mostro.network"]
        [mostro]
        fee = 0.006
        max_routing_fee = 0.002
        max_order_amount = 1000000
        min_payment_amount = 100
        expiration_hours = 24
        max_expiration_days = 15
        expiration_seconds = 900
        user_rates_sent_interval_seconds = 3600
        publish_relays_interval = 60
        pow = 0
        publish_mostro_info_interval = 300
        fiat_currencies_accepted = ["USD", "EUR", "ARS", "CUP"]
        max_orders_per_response = 10
        dev_fee_percentage = 0.0
        [database]
        url = "sqlite://mostro.db"
        [rpc]
        enabled = false
        listen_address = "127.0.0.1"
        port = 50051
        [price.providers.eltoque]
        enabled = false
        url = "https://tasas.eltoque.com"
      `.replace('lnd_cert_file = "tls.cert"\n', ''),
        {},
        { 'admin.macaroon': '\x02\x01' },
      )
      expect(config.engine.feeRate).toBe(0.006)
      expect(config.notes.map((note) => note.replace(/^.*fianza\.toml: /, ''))).toEqual([
        'section [rpc] has no effect',
        'section [price.providers.eltoque] has no effect',
        'database.url has no effect: the database is fianza.db in the data directory',
        'lightning.hold_invoice_expiration_window has no effect: an escrow invoice lives as long as mostro.expiration_seconds',
        'mostro.user_rates_sent_interval_seconds has no effect: ratings are published when they are given',
      ])
    })

    it('is refused when its operator relies on what is not here', () => {
      expect(problems(`${LEAST}[anti_abuse_bond]\nenabled = true\n`)).toEqual([
        'fianza.toml: anti_abuse_bond.enabled is true; this version does not have bonds: remove the section, or write false',
      ])
    })

    it('has no foreign key that is one of ours too', () => {
      const ours = KEYS.map(({ path }) => path.join('.'))
      expect(MOSTRO_KEYS.filter((name) => ours.some((key) => key === name || key.startsWith(`${name}.`)))).toEqual([])
    })
  })

  describe('as the example shows it', () => {
    it('is what the schema says', () => {
      expect(readFileSync(new URL('../../fianza.example.toml', import.meta.url), 'utf8')).toBe(exampleToml())
    })

    it('explains every key', () => {
      expect(KEYS.filter(({ about }) => about === '').map(({ path }) => path.join('.'))).toEqual([])
    })

    const credentials = { 'fianza.macaroon': '\x02\x01' }
    const env = { FIANZA_LIGHTNING_LND_MACAROON_FILE: 'fianza.macaroon' }
    const withoutCert = exampleToml().replace(/^lnd_cert_file/m, '# lnd_cert_file')

    it('loads once the files of LND are there', () => {
      expect(load(withoutCert, env, credentials).relayUrls).toEqual(['wss://relay.mostro.network', 'wss://nos.lol'])
    })

    it('shows the defaults: with every line switched on, the same daemon comes out', () => {
      const optional =
        /nsec_privkey|nsec_file|lnd_cert|lnd_macaroon|^# (name|about|picture|website|dev_fee_address|api_key|only|except)\b/
      const full = withoutCert
        .split('\n')
        .map((line) => (/^# \w+ = /.test(line) && !optional.test(line) ? line.slice(2) : line))
        .join('\n')
      const { engine, prices } = load(full, env, credentials)
      const least = load(LEAST)
      expect(engine).toEqual({ ...least.engine, powFirstContact: 8 })
      expect(prices).toEqual(least.prices)
    })
  })

  it('finds the data directory: command line, environment, home', () => {
    expect(dataDirOf('/a', { FIANZA_DIR: '/b' })).toBe('/a')
    expect(dataDirOf(undefined, { FIANZA_DIR: '/b' })).toBe('/b')
    expect(dataDirOf(undefined, {})).toMatch(/\/\.fianza$/)
    expect(dataDirOf('~/x', {})).toMatch(/^\/.+\/x$/)
  })
})
