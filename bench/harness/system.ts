/**
 * A daemon and what it stands on: an embedded relay, a simulated LND over gRPC and TLS, a price source. The daemon is a
 * process of its own; the rest lives here, in the driver, and does no curve arithmetic while a clock runs.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { systemRandom } from '../../src/adapters/system/random.ts'
import { configFileOf, defaultKeyFile } from '../../src/app/config/load.ts'
import { createNodeKey } from '../../src/app/keys.ts'
import { createSimNetwork } from '../../src/sandbox/lightning/network.ts'
import { createSimLndServer } from '../../src/sandbox/lightning/server/server.ts'
import { startPriceServer } from '../../src/sandbox/price-server.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { KIND_INFO } from '../../src/wire/public-events.ts'
import { startDaemonProcess } from './daemon.ts'
import { RelayClient } from './relay-client.ts'

const START_MS = 30_000
const BLOCK_INTERVAL_MS = 600_000

export type System = {
  readonly nodePubkey: string
  /** connected, and subscribed to what the node says to traders */
  readonly relay: RelayClient
  /** From now on every LND call waits so long before it is done. */
  setLightningLatency(ms: number): void
  /** Ends daemon and surroundings; its files are removed. Idempotent. */
  close(): Promise<void>
}

/** Starts everything; resolves when the daemon has announced itself on the relay. */
export async function startSystem(profileDir: string | null): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-'))
  const dataDir = join(dir, 'node')
  mkdirSync(dataDir, { mode: 0o700 })
  const network = createSimNetwork({
    clock: systemClock,
    random: systemRandom,
    config: { blockIntervalMs: BLOCK_INTERVAL_MS },
  })
  const lndServer = createSimLndServer(network, systemClock)
  const lnd = await lndServer.listen()
  const prices = await startPriceServer()
  // A relay's own checks are not what is measured.
  const relay = await EmbeddedRelay.start({ clock: systemClock, verify: () => true })
  const { pubkey } = createNodeKey(defaultKeyFile(dataDir), portableCurves)
  const config = {
    nostr: { relays: [relay.url] },
    lightning: { lnd_grpc_host: lnd.socket, lnd_cert: lnd.certBase64, lnd_macaroon: lnd.macaroonHex },
    price: { providers: { yadio: { enabled: true, url: prices.url } } },
  }
  writeFileSync(configFileOf(dataDir, undefined, {}), stringify(config), { mode: 0o600 })
  const daemon = startDaemonProcess(dataDir, profileDir)
  const client = await RelayClient.connect(relay.url, daemon.ended)
  let isClosed = false
  const system: System = {
    nodePubkey: pubkey,
    relay: client,
    setLightningLatency: (ms) => network.faults.choose(() => ({ kind: 'slow', ms })),
    async close() {
      if (isClosed) return
      isClosed = true
      await daemon.stop()
      client.close()
      await Promise.all([lndServer.stop(), prices.close(), relay.close()])
      network.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  try {
    client.subscribe([
      { kinds: [14], authors: [pubkey], limit: 0 },
      { kinds: [KIND_INFO], authors: [pubkey] },
    ])
    await client.until(
      () => client.sawKind(KIND_INFO),
      () => 'the daemon announces itself',
      START_MS,
    )
  } catch (error) {
    await system.close()
    throw error
  }
  return system
}
