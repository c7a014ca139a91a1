/**
 * Everything around a daemon, on loopback ports: a relay, a Lightning network with an LND and three wallets, their
 * Lightning addresses, a price source; and the daemon's own files. No real sats, no real network.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'smol-toml'
import { systemClock } from '../adapters/system/clock.ts'
import { systemRandom } from '../adapters/system/random.ts'
import { configFileOf, defaultKeyFile } from '../app/config/load.ts'
import { createNodeKey, loadNodeKeys } from '../app/keys.ts'
import { EXIT, Refusal } from '../app/refusal.ts'
import { msat } from '../core/money.ts'
import type { NostrEvent } from '../core/protocol.ts'
import type { Clock } from '../ports/system.ts'
import { portableCurves } from '../wire/curves.ts'
import type { SimLndAddress, SimNetwork, SimSnapshot } from './lightning/control.ts'
import { createSimNetwork } from './lightning/network.ts'
import { createSimLndServer } from './lightning/server/server.ts'
import type { ServiceFault } from './lnurl/pay-document.ts'
import { startLnurlServer } from './lnurl/server.ts'
import { startPriceServer } from './price-server.ts'
import { EmbeddedRelay } from './relay/embedded-relay.ts'
import { startWalletService } from './wallet-service.ts'

/** Every wallet's first sats. */
const FUNDING_MSAT = msat(1_000_000_000)
const WALLET_NAMES = ['alice', 'bob', 'carol'] as const
export type WalletName = (typeof WALLET_NAMES)[number]

/** What half a trade costs each party, and other terms of the sandbox. */
export const SANDBOX_FEE = 0.01
const RETRY_S = 5
const BLOCK_INTERVAL_MS = 600_000
const SAVE_MS = 2000

const LIGHTNING_FILE = 'lightning.json'
const RELAY_FILE = 'relay.json'

export type WorldOptions = {
  /** a directory to keep the world in; a temporary one, removed at the end, when absent */
  readonly dir?: string
  /** the relay's port; any free one when absent */
  readonly relayPort?: number
  /** the port of the wallet service; any free one when absent */
  readonly walletPort?: number
  /** the host's when absent */
  readonly clock?: Clock
}

/** A world that runs. */
export type World = {
  readonly dir: string
  /** the daemon's data directory, with key and configuration in it */
  readonly nodeDir: string
  readonly pubkey: string
  readonly npub: string
  readonly relay: EmbeddedRelay
  readonly network: SimNetwork
  readonly lnd: SimLndAddress
  /** where other terminals find the wallets */
  readonly walletUrl: string
  /** the Lightning address of a wallet */
  addressOf(name: string): string
  /** how the address service treats a wallet from now on; null: well */
  setAddressFault(name: string, fault: ServiceFault | null): void
  /**
   * Ends everything; a temporary directory is removed, a named one keeps the state that the daemon last saw, so stop the
   * daemon first. Idempotent.
   */
  close(): Promise<void>
}

/** Builds the world and writes the daemon's files; the daemon is not started. Throws {@link Refusal}, with nothing left. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const endings: (() => Promise<void> | void)[] = []
  const close = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    return await build(options, (end) => endings.push(end), close)
  } catch (error) {
    await close()
    throw error
  }
}

async function build(
  options: WorldOptions,
  atEnd: (end: () => Promise<void> | void) => void,
  close: () => Promise<void>,
): Promise<World> {
  const dir = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'fianza-')) : resolve(options.dir)
  const isTemporary = options.dir === undefined
  if (isTemporary) atEnd(() => rmSync(dir, { recursive: true, force: true }))
  const nodeDir = join(dir, 'node')
  refuseForeign(dir)
  mkdirSync(nodeDir, { recursive: true, mode: 0o700 })

  const { clock = systemClock } = options
  const network = createSimNetwork({
    clock,
    random: systemRandom,
    config: { blockIntervalMs: BLOCK_INTERVAL_MS },
    ...restored<SimSnapshot, 'snapshot'>(dir, LIGHTNING_FILE, 'snapshot'),
  })
  atEnd(() => network.close())
  for (const name of WALLET_NAMES) if (!network.walletNames().includes(name)) network.addWallet(name, FUNDING_MSAT)

  const lndServer = createSimLndServer(network, clock)
  const lnd = await lndServer.listen()
  atEnd(() => lndServer.stop())
  const prices = await startPriceServer()
  atEnd(() => prices.close())
  const faults = new Map<string, ServiceFault>()
  const addresses = await startLnurlServer({
    invoiceFor: (user, amountMsat, descriptionHash) => network.wallet(user).invoice({ amountMsat, descriptionHash }),
    knows: (user) => network.walletNames().includes(user),
    faultOf: (user) => faults.get(user) ?? null,
  })
  atEnd(() => addresses.close())
  const relay = await startRelay(dir, clock, options.relayPort ?? 0)
  atEnd(() => relay.close())
  const wallets = await startWallets(network, addresses.addressOf, options.walletPort ?? 0)
  atEnd(() => wallets.close())
  const node = nodeKeys(nodeDir)
  writeConfig(nodeDir, { relayUrl: relay.url, lnd, addressHost: addresses.host, priceUrl: prices.url })

  const save = (): void => {
    writeWhole(join(dir, LIGHTNING_FILE), JSON.stringify(network.snapshot()))
    writeWhole(join(dir, RELAY_FILE), JSON.stringify(relay.core.events()))
  }
  if (!isTemporary) {
    const saving = setInterval(save, SAVE_MS)
    atEnd(() => {
      clearInterval(saving)
      save()
    })
  }
  return {
    dir,
    nodeDir,
    pubkey: node.pubkey,
    npub: node.npub,
    relay,
    network,
    lnd,
    walletUrl: wallets.url,
    addressOf: addresses.addressOf,
    setAddressFault: (name, fault) => {
      if (fault === null) faults.delete(name)
      else faults.set(name, fault)
    },
    close,
  }
}

/** The sandbox writes into its directory; somebody's real data directory must never be mistaken for one. */
function refuseForeign(dir: string): void {
  for (const name of ['fianza.db', 'money.seed', 'fianza.toml'])
    if (existsSync(join(dir, name)))
      throw new Refusal(`${dir} is the data directory of a daemon (${name}), not a sandbox; name another one`, {
        exitCode: EXIT.usage,
      })
}

function restored<T, Key extends string>(dir: string, file: string, key: Key): { readonly [K in Key]?: T } {
  const path = join(dir, file)
  if (!existsSync(path)) return {}
  return { [key]: JSON.parse(readFileSync(path, 'utf8')) } as { readonly [K in Key]: T }
}

/** The old content or the new one, never half of it. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

async function startWallets(network: SimNetwork, addressOf: (name: string) => string, port: number) {
  try {
    return await startWalletService(network, addressOf, port)
  } catch (error) {
    throw portTaken('the wallets', port, '--wallet-port', error)
  }
}

function portTaken(whose: string, port: number, option: string, cause: unknown): Refusal {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Refusal(`port ${port} cannot be used for ${whose} (${why}); choose another with ${option}`, {
    exitCode: EXIT.usage,
    cause,
  })
}

async function startRelay(dir: string, clock: Clock, port: number): Promise<EmbeddedRelay> {
  const relay = await EmbeddedRelay.start({ clock, port }).catch((error: unknown) => {
    throw portTaken('the relay', port, '--port', error)
  })
  const { events = [] } = restored<readonly NostrEvent[], 'events'>(dir, RELAY_FILE, 'events')
  const inlet = relay.core.connect({ send: () => {}, cut: () => {} }, relay.url)
  for (const event of events) inlet.receive(JSON.stringify(['EVENT', event]))
  inlet.gone()
  return relay
}

function nodeKeys(nodeDir: string) {
  const file = defaultKeyFile(nodeDir)
  return existsSync(file) ? loadNodeKeys({ file }, portableCurves) : createNodeKey(file, portableCurves)
}

function writeConfig(
  nodeDir: string,
  around: {
    readonly relayUrl: string
    readonly lnd: SimLndAddress
    readonly addressHost: string
    readonly priceUrl: string
  },
): void {
  const config = {
    nostr: { relays: [around.relayUrl] },
    lightning: {
      lnd_grpc_host: around.lnd.socket,
      lnd_cert: around.lnd.certBase64,
      lnd_macaroon: around.lnd.macaroonHex,
      payment_attempts: 2,
      payment_retries_interval: RETRY_S,
      plain_address_hosts: [around.addressHost],
    },
    mostro: { name: 'fianza sandbox', about: 'Toy sats, on one machine', fee: SANDBOX_FEE, max_routing_fee: 0.01 },
    price: { providers: { yadio: { enabled: true, url: around.priceUrl } } },
  }
  writeFileSync(configFileOf(nodeDir, undefined, {}), stringify(config), { mode: 0o600 })
}
