/**
 * A daemon and what it stands on: embedded relays, a simulated LND over gRPC and TLS, a price source. The daemon is a
 * process of its own; the rest lives here, in the driver, and does no curve arithmetic while a clock runs.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { systemRandom } from '../../src/adapters/system/random.ts'
import { configFileOf, defaultKeyFile } from '../../src/app/config/load.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { createNodeKey } from '../../src/app/keys.ts'
import type { Transport } from '../../src/core/protocol.ts'
import type { SimNetwork } from '../../src/sandbox/lightning/control.ts'
import { createSimNetwork } from '../../src/sandbox/lightning/network.ts'
import { createSimLndServer } from '../../src/sandbox/lightning/server/server.ts'
import { startPriceServer } from '../../src/sandbox/price-server.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { KIND_INFO } from '../../src/wire/public-events.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP } from '../../src/wire/transport.ts'
import type { BenchOptions } from '../benchmark.ts'
import { audit, standingOf } from './audit.ts'
import { curves } from './curves.ts'
import { DaemonProcess } from './daemon.ts'
import { RelayClient } from './relay-client.ts'
import { delayOks } from './relay-faults.ts'

const START_MS = 30_000
const TARGET_START_MS = 600_000
const BLOCK_INTERVAL_MS = 600_000

/** How the daemon does its work; the section `performance` of its configuration. */
export type Variant = {
  readonly curves: 'auto' | 'native' | 'portable'
  readonly commits: 'grouped' | 'each'
  readonly opener_threads: 'auto' | number
}

/** Sections and keys of the daemon's configuration. */
type ConfigSections = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export type SystemPlan = {
  /** the daemon's defaults when absent */
  readonly variant?: Variant
  /** what an operator could set besides */
  readonly config?: ConfigSections
  /** how many relays; one when absent */
  readonly relays?: number
  /** which of the node's messages the driver reads; those of transport 2 when absent */
  readonly transport?: Transport
  /** of the daemon's process */
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
}

export type System = {
  readonly nodePubkey: string
  /** connected to the first relay, and subscribed to what the node says to traders */
  readonly relay: RelayClient
  readonly relays: readonly EmbeddedRelay[]
  readonly network: SimNetwork
  /** null: somebody else's, which cannot be started, killed or looked into */
  readonly daemon: DaemonProcess | null
  readonly dataDir: string
  /** From now on every LND call waits so long before it is done. */
  setLightningLatency(ms: number): void
  /** From now on the first relay says OK so much later; what it takes it hands on at once. */
  setOkLatency(ms: number): void
  /** Resolves when the daemon has announced itself. */
  announced(): Promise<void>
  /** Takes what is in the database now, while the daemon does not run, for what it began with. */
  filled(): void
  /**
   * Throws `Void` unless the daemon has taken everything that the driver sent, but `junk`, exactly once, and has nothing
   * left to send. Asks nothing of somebody else's daemon.
   */
  audit(junk?: number): Promise<void>
  /** Ends daemon and surroundings; its files are removed. Idempotent. */
  close(): Promise<void>
}

/** Somebody else's daemon keeps its surroundings from one benchmark to the next. */
let targetSystem: Promise<System> | null = null

/** Starts everything; resolves when the daemon has announced itself on the relay. */
export function startSystem(options: BenchOptions, plan: SystemPlan = {}): Promise<System> {
  if (options.target === null) return start(options, plan)
  targetSystem ??= start(options, {})
  return targetSystem.then((system) => ({ ...system, close: () => Promise.resolve() }))
}

/** Ends what `--target` kept. */
export async function closeTarget(): Promise<void> {
  await (await targetSystem)?.close()
}

async function start(options: BenchOptions, plan: SystemPlan): Promise<System> {
  const { target, progress } = options
  const endings: (() => Promise<void> | void)[] = []
  const close = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-'))
    endings.push(() => rmSync(dir, { recursive: true, force: true }))
    const dataDir = join(dir, 'node')
    mkdirSync(dataDir, { mode: 0o700 })
    const network = createSimNetwork({
      clock: systemClock,
      random: systemRandom,
      config: { blockIntervalMs: BLOCK_INTERVAL_MS },
    })
    endings.push(() => network.close())
    const lndServer = createSimLndServer(network, systemClock)
    const lnd = await lndServer.listen(target?.lndPort)
    endings.push(() => lndServer.stop())
    const prices = await startPriceServer()
    endings.push(() => prices.close())
    const relays = await startRelays(plan.relays ?? 1, target?.relayPort ?? 0)
    endings.push(async () => void (await Promise.all(relays.map((relay) => relay.close()))))
    const [relay] = relays
    if (relay === undefined) throw new Error('a system has a relay')
    let okMs = 0
    delayOks(relay, () => okMs)
    const { pubkey } = target ?? createNodeKey(defaultKeyFile(dataDir), curves)

    let daemon: DaemonProcess | null = null
    if (target === null) {
      const config = merged(
        {
          nostr: { relays: relays.map(({ url }) => url) },
          lightning: { lnd_grpc_host: lnd.socket, lnd_cert: lnd.certBase64, lnd_macaroon: lnd.macaroonHex },
          price: { providers: { yadio: { enabled: true, url: prices.url } } },
          ...(plan.variant === undefined ? {} : { performance: plan.variant }),
        },
        plan.config ?? {},
      )
      writeFileSync(configFileOf(dataDir, undefined, {}), stringify(config), { mode: 0o600 })
      const { dist, profileDir } = options
      daemon = new DaemonProcess({ dist, dataDir, profileDir, env: plan.env ?? {}, nodeArgs: plan.nodeArgs ?? [] })
      endings.push(() => daemon?.stop())
    } else {
      const certFile = join(dir, 'tls.cert')
      const macaroonFile = join(dir, 'admin.macaroon')
      writeFileSync(certFile, lnd.certPem)
      writeFileSync(macaroonFile, Buffer.from(lnd.adminMacaroonHex, 'hex'))
      progress(`relay ${relay.url}, LND ${lnd.socket}, prices ${prices.url}, ${certFile}, ${macaroonFile}`)
      progress(`start the daemon of ${pubkey} with these; it is waited for`)
    }

    const client = await RelayClient.connect(relay.url, () => daemon?.failure ?? null)
    endings.push(() => client.close())
    client.subscribe([
      { kinds: [KIND_INFO], authors: [pubkey] },
      // The author of a gift wrap is a key that nobody knows before.
      plan.transport === 1
        ? { kinds: [KIND_GIFT_WRAP], limit: 0 }
        : { kinds: [KIND_DIRECT], authors: [pubkey], limit: 0 },
    ])
    const announced = (): Promise<void> =>
      client.until(
        () => client.sawKind(KIND_INFO),
        () => 'the daemon announces itself',
        target === null ? START_MS : TARGET_START_MS,
      )
    daemon?.start()
    await announced()
    const databaseFile = databaseOf(dataDir)
    let before = daemon === null ? NOTHING : standingOf(databaseFile)
    return {
      nodePubkey: pubkey,
      relay: client,
      relays,
      network,
      daemon,
      dataDir,
      setLightningLatency: (ms) => network.faults.choose(() => ({ kind: 'slow', ms })),
      setOkLatency(ms) {
        okMs = ms
      },
      announced,
      filled() {
        before = standingOf(databaseFile)
      },
      audit: (junk = 0) => (daemon === null ? Promise.resolve() : audit(databaseFile, before, client.sentCount - junk)),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const NOTHING = { inbox: 0, unsent: 0, unpublished: 0 }

/** A relay's own checks are not what is measured. */
function startRelays(count: number, port: number): Promise<readonly EmbeddedRelay[]> {
  return Promise.all(
    Array.from({ length: count }, (_, n) =>
      EmbeddedRelay.start({ clock: systemClock, verify: () => true, port: n === 0 ? port : 0 }),
    ),
  )
}

/** Sections of both; keys of `over` win. */
function merged(base: ConfigSections, over: ConfigSections): ConfigSections {
  const names = [...new Set([...Object.keys(base), ...Object.keys(over)])]
  return Object.fromEntries(names.map((name) => [name, { ...base[name], ...over[name] }]))
}
