/**
 * The whole daemon on virtual time: the production engine, store and wire between a simulated Lightning network and
 * simulated relays. It can be killed between any two commits and around every effect, and started again.
 */
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { type Msat, satsToMsat } from '../../src/core/money.ts'
import type { EventTemplate, NostrEvent, Transport } from '../../src/core/protocol.ts'
import { Engine, type EngineParts } from '../../src/engine/engine.ts'
import { MoneySeed } from '../../src/engine/seed.ts'
import { DEFAULT_LIMITS, type EngineSettings } from '../../src/engine/settings.ts'
import type { Lightning, LightningConnection } from '../../src/ports/lightning.ts'
import type { RelayFilter, RelayHandlers, Relays } from '../../src/ports/relays.ts'
import type { Log, SteadyClock } from '../../src/ports/system.ts'
import { FakeAddresses } from '../../src/sandbox/fake-ports/fake-addresses.ts'
import { FakePriceProvider } from '../../src/sandbox/fake-ports/fake-price-provider.ts'
import type { SimConfig } from '../../src/sandbox/lightning/control.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { createSimNetwork } from '../../src/sandbox/lightning/network.ts'
import type { ServiceFault } from '../../src/sandbox/lnurl/pay-document.ts'
import { type SimRelay, SimRelayNetwork } from '../../src/sandbox/relay/sim-relays.ts'
import type { Curves } from '../../src/wire/curves.ts'
import { signEvent } from '../../src/wire/event.ts'
import { TestClock } from './clock.ts'
import { seededRandom } from './random.ts'
import { SimTrader } from './sim-trader.ts'
import { standInCurves } from './stand-in-curves.ts'

export const ADDRESS_HOST = 'wallets.example'

/** Settings of a test node: small waits, no proof of work, 0.6 % fee. */
export function testSettings(over: Partial<EngineSettings> = {}): EngineSettings {
  return {
    instanceName: 'fianza test',
    version: 'fianza/test',
    commitHash: 'test',
    profile: { name: 'fianza test' },
    transports: [2, 1],
    defaultTransport: 2,
    pow: 0,
    powFirstContact: 0,
    order: {
      fiatCurrencies: [],
      minOrderMsat: satsToMsat(100),
      maxOrderMsat: satsToMsat(1_000_000),
      windowS: 86_400,
      maxWindowS: 15 * 86_400,
    },
    feeRate: 0.006,
    devFee: null,
    maxRoutingFeeRate: 0.002,
    dutyS: 900,
    answerDeadlineMs: 8000,
    holdCltvDelta: 144,
    holdExpiryDelta: 18,
    actionMarginBlocks: 36,
    maxFinalCltv: 144,
    invoiceWindowS: 3600,
    payoutAttempts: 3,
    payoutRetryS: 60,
    maxPriceStalenessS: 1800,
    priceIntervalS: 300,
    outlierThresholdPct: 5,
    priceBreaker: { failureThreshold: 3, cooldownS: 120 },
    publishRates: true,
    infoIntervalS: 300,
    retentionDays: { order: 30, feeAudit: 365, message: 30 },
    minRelayOks: 1,
    limits: DEFAULT_LIMITS,
    ...over,
  }
}

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** Writes what the engine logs to stderr; for looking at a failing test. */
export const LOUD: Log = {
  debug: (event, fields) => process.stderr.write(`debug ${event} ${JSON.stringify(fields ?? {})}\n`),
  info: (event, fields) => process.stderr.write(`info ${event} ${JSON.stringify(fields ?? {})}\n`),
  warn: (event, fields) => process.stderr.write(`WARN ${event} ${JSON.stringify(fields ?? {})}\n`),
  error: (event, fields) => process.stderr.write(`ERROR ${event} ${JSON.stringify(fields ?? {})}\n`),
}

/** Places where a crash test cuts: named, in the order in which they are passed; with what a port was asked. */
export type Cut = (point: string, args: readonly unknown[]) => void

export type WorldOptions = {
  readonly settings?: Partial<EngineSettings>
  readonly relays?: number
  readonly curves?: Curves
  readonly log?: Log
  readonly file?: string
  readonly seed?: number
  readonly network?: Partial<SimConfig>
}

/** A store that throws as soon as the engine that holds it is dead. */
function mortal(store: Store, dead: () => boolean): Store {
  const bound = new Map<string | symbol, unknown>()
  return new Proxy(store, {
    get(target, key) {
      if (dead()) throw new Error('a dead engine reached for its store')
      const known = bound.get(key)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, key, target)
      const given: unknown = typeof value === 'function' ? value.bind(target) : value
      bound.set(key, given)
      return given
    },
  })
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/** A port whose calls pass two cut points each; after the engine's death nothing comes back. */
function cutting<T extends object>(port: T, name: string, cut: Cut, dead: () => boolean): T {
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (dead()) return never()
        cut(`before:${name}.${String(key)}`, args)
        if (dead()) return never()
        const result: unknown = value.apply(target, args)
        if (!(result instanceof Promise)) return result
        return result.then((out: unknown) => {
          if (dead()) return never()
          cut(`after:${name}.${String(key)}`, args)
          return dead() ? never() : out
        })
      }
    },
  })
}

export class EngineWorld {
  readonly clock = new TestClock(1_780_000_000_000)
  readonly network
  readonly relayNet: SimRelayNetwork
  readonly relays: SimRelay[] = []
  readonly addresses: FakeAddresses
  readonly settings: EngineSettings
  readonly store: Store
  readonly curves: Curves
  readonly quotes = new Map([
    ['USD', 100_000],
    ['EUR', 90_000],
  ])
  readonly #options: WorldOptions
  readonly #nodeSecretKey: Uint8Array
  readonly nodePubkey: string
  engine: Engine | null = null
  /** called at every cut point; a crash test replaces it */
  cut: Cut = () => undefined
  /** says whether the power goes just before a transaction with these jobs is on disk */
  losesPowerBefore: (jobs: readonly string[]) => boolean = () => false
  /** how the host of Lightning addresses misbehaves to a user right now */
  addressFault: (user: string) => ServiceFault | null = () => null
  /** what the host of Lightning addresses gives for a user; tests replace it */
  addressInvoice = (user: string, amountMsat: Msat, descriptionHash: string): string =>
    this.network.wallet(user).invoice({ amountMsat, descriptionHash, expiryS: 3600 })
  /** why the price source fails now; null = it does not */
  priceFault: string | null = null
  /** how far the clock of the daemon's host is ahead of everybody else's */
  hostSkewMs = 0
  /** how long the host of Lightning addresses takes */
  addressLatencyMs = 0
  /** the relays that the daemon is configured with from its next start on; null: all there are */
  configured: readonly SimRelay[] | null = null
  /** engines that go on beside the present one, as nothing but a mistake lets them */
  readonly beside = new Set<Engine>()
  readonly #traders: SimTrader[] = []
  #incarnation = 0
  /** a crash test lets a dead engine be started again as soon as somebody waits */
  reboots = false

  constructor(options: WorldOptions = {}) {
    this.#options = options
    const random = seededRandom(options.seed ?? 1)
    this.curves = options.curves ?? standInCurves
    this.network = createSimNetwork({
      clock: this.clock,
      random,
      ...(options.network === undefined ? {} : { config: options.network }),
    })
    this.relayNet = new SimRelayNetwork({ clock: this.clock })
    const verify = options.curves === undefined ? { verify: () => true } : {}
    for (let n = 0; n < (options.relays ?? 1); n += 1)
      this.relays.push(this.relayNet.add(`ws://relay${n}.example`, verify))
    this.settings = testSettings(options.settings)
    this.store = openStore(options.file ?? ':memory:')
    this.#nodeSecretKey = random.bytes(32)
    this.nodePubkey = this.curves.publicKey(this.#nodeSecretKey)
    this.addresses = new FakeAddresses({
      clock: this.clock,
      host: ADDRESS_HOST,
      faultOf: (user) => this.addressFault(user),
      latencyMs: () => this.addressLatencyMs,
      invoiceFor: (user: string, amountMsat: Msat, descriptionHash: string) =>
        this.addressInvoice(user, amountMsat, descriptionHash),
    })
  }

  /** Signs as the node itself, as a second daemon on its key would. */
  signAsNode(template: EventTemplate): NostrEvent {
    return signEvent(template, this.#nodeSecretKey, this.nodePubkey, new Uint8Array(32), this.curves)
  }

  /** A new incarnation over what was committed, started. */
  async boot(): Promise<Engine> {
    const { engine, started } = this.ignite()
    await this.settle(started)
    return engine
  }

  /** A new incarnation over what was committed, whose start needs virtual time to pass. */
  ignite(): { readonly engine: Engine; readonly started: Promise<void> } {
    this.#incarnation += 1
    const random = seededRandom(1000 + this.#incarnation)
    let engine: Engine | null = null
    const isDead = () => engine !== null && this.engine !== engine && !this.beside.has(engine)
    const cut: Cut = (point, args) => {
      if (!isDead()) this.cut(point, args)
    }
    const lightning: Lightning = cutting(createSimLightning(this.network, this.clock), 'lightning', cut, isDead)
    const wrapped: Lightning = {
      connect: async () => {
        const connected = await lightning.connect()
        if (!connected.ok) return connected
        const conn: LightningConnection = cutting(connected.value, 'lightning', cut, isDead)
        return { ok: true, value: conn }
      },
    }
    const urls = (this.configured ?? this.relays).map((relay) => relay.url)
    const relays: Relays = this.relayNet.client({ random, urls })
    const publishing: Relays = new Proxy(relays, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        if (key === 'open')
          return (filter: RelayFilter, handlers: RelayHandlers) =>
            target.open(filter, { ...handlers, onEvent: (event, from) => handlers.onEvent(event, this.#read(from)) })
        if (key === 'publish') return cutting({ publish: target.publish.bind(target) }, 'relays', cut, isDead).publish
        return value.bind(target)
      },
    })
    const hostClock: SteadyClock = {
      nowMs: () => this.clock.nowMs() + this.hostSkewMs,
      monotonicMs: () => this.clock.monotonicMs(),
      after: (delayMs, task) => this.clock.after(delayMs, task),
    }
    const parts: EngineParts = {
      store: mortal(this.store, isDead),
      clock: hostClock,
      random,
      log: this.#options.log ?? SILENT,
      settings: this.settings,
      seed: new MoneySeed(new Uint8Array(32).fill(7)),
      nodeSecretKey: this.#nodeSecretKey,
      curves: this.curves,
      lightning: wrapped,
      relays: publishing,
      addresses: this.addresses,
      prices: [
        {
          provider: new FakePriceProvider({
            id: 'yadio',
            clock: this.clock,
            quotes: () => this.quotes,
            fault: () => this.priceFault,
          }),
        },
      ],
      hooks: {
        beforeCommit: (names) => {
          if (isDead() || !this.losesPowerBefore(names)) return
          this.kill()
          throw new Error('the power went before the commit')
        },
        afterCommit: (names) => cut(`commit:${names.join('+')}`, names),
      },
    }
    engine = new Engine(parts)
    this.engine = engine
    return { engine, started: engine.start() }
  }

  /** When the daemon's host read something, by its own clock. */
  #read<From extends { readonly receivedAtMs: number }>(from: From): From {
    return { ...from, receivedAtMs: from.receivedAtMs + this.hostSkewMs }
  }

  /** Power off: the engine's handles are dead, what was committed stays. */
  kill(): void {
    const { engine } = this
    this.engine = null
    engine?.kill()
  }

  /** Moves virtual time until the promise settles. */
  async settle<T>(work: Promise<T>, limitMs = 60_000): Promise<T | undefined> {
    let done = false
    let value: T | undefined
    let failure: unknown
    work.then(
      (v) => {
        done = true
        value = v
      },
      (error: unknown) => {
        done = true
        failure = error ?? new Error('rejected')
      },
    )
    for (let waited = 0; !done && waited < limitMs; waited += 50) await this.clock.advance(50)
    if (failure !== undefined) throw failure
    return value
  }

  /** Moves virtual time until a condition holds; throws when it does not within the limit. */
  async until(condition: () => boolean, what: string, limitMs = 600_000, stepMs = 100): Promise<void> {
    for (let waited = 0; waited <= limitMs; waited += stepMs) {
      if (condition()) return
      if (this.reboots && this.engine === null) await this.boot()
      await this.clock.advance(stepMs)
    }
    throw new Error(`did not happen within ${limitMs} ms of virtual time: ${what}`)
  }

  /** A trader with a funded wallet. */
  trader(name: string, options: { readonly transport?: Transport; readonly fundingSats?: number } = {}): SimTrader {
    const wallet = this.network.addWallet(name, satsToMsat(options.fundingSats ?? 1_000_000))
    const trader = new SimTrader(this, name, wallet, options.transport ?? 2)
    this.#traders.push(trader)
    return trader
  }

  /** The status and phase of an order, as one word. */
  standing(orderId: string): string {
    const row = this.store.get<{ status: string; phase: string }>('SELECT status, phase FROM orders WHERE id = :id', {
      id: orderId,
    })
    return row === undefined ? 'none' : row.phase === 'steady' ? row.status : `${row.status}/${row.phase}`
  }

  /** Open alerts, worst first. */
  alerts(): readonly string[] {
    return this.store
      .all<{ key: string }>('SELECT key FROM alert WHERE closed_at IS NULL ORDER BY severity DESC, key')
      .map((row) => row.key)
  }

  /** The public status of an order at the first relay, or null. */
  published(orderId: string): string | null {
    const events = this.relays[0]?.core.events({ kinds: [38383] }) ?? []
    const event = events.find((e) => e.tags.some((t) => t[0] === 'd' && t[1] === orderId))
    return event?.tags.find((t) => t[0] === 's')?.[1] ?? null
  }

  async close(): Promise<void> {
    for (const trader of this.#traders) trader.close()
    if (this.engine !== null) {
      const { engine } = this
      await this.settle(engine.stop())
      this.engine = null
    }
    this.network.close()
    this.store.close()
  }
}
