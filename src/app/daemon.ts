/**
 * The composition root: makes every real part, in the order in which a failure of the next can still be undone, and hands
 * them to the engine (design.md 3, money-path.md 3.7).
 */

import { describeMissingAccess } from '../adapters/lightning/access.ts'
import { createLnd, type Lnd } from '../adapters/lightning/lnd.ts'
import { LnurlAddresses } from '../adapters/lnurl/lnurl-addresses.ts'
import { NostrRelays } from '../adapters/nostr/nostr-relays.ts'
import { openStore, type Store } from '../adapters/sqlite/store.ts'
import { systemClock } from '../adapters/system/clock.ts'
import { systemRandom } from '../adapters/system/random.ts'
import type { Shutdown } from '../adapters/system/shutdown.ts'
import type { Commits } from '../engine/door.ts'
import { Engine, RivalError } from '../engine/engine.ts'
import type { EngineStatus } from '../engine/queries.ts'
import type { Log, SteadyClock } from '../ports/system.ts'
import { readOwnRequest } from '../wire/bolt11.ts'
import { signEvent } from '../wire/event.ts'
import { type AppConfig, ConfigError } from './config/load.ts'
import { canListen, serveControl } from './control-socket.ts'
import { loadCurves } from './curves.ts'
import { claimDataDir, databaseOf, hasDatabase, lockDataDir, refuseClockSetBack } from './data-dir.ts'
import { loadMoneySeed, loadNodeKeys } from './keys.ts'
import { OpenerPool, openerThreads } from './opener-pool.ts'
import { startOpenerThread } from './opener-thread.ts'
import { priceSources } from './prices.ts'
import { EXIT, Refusal } from './refusal.ts'
import { VERSION } from './version.ts'

/** What `fianza status` shows of a running daemon. */
export type DaemonStatus = {
  readonly version: string
  readonly pid: number
  readonly startedAtMs: number
  readonly dataDir: string
  readonly npub: string
  readonly performance: PerformanceStatus
  readonly engine: EngineStatus
}

/** What the settings of section `[performance]` came to. */
export type PerformanceStatus = {
  /** the library that does the arithmetic of keys and signatures */
  readonly curves: string
  /** why it is not the native one, where that was wanted */
  readonly curvesNote?: string
  readonly commits: Commits
  readonly openerThreads: number
}

export type Daemon = {
  readonly pubkey: string
  readonly npub: string
  status(): DaemonStatus
}

export type DaemonOptions = {
  readonly config: AppConfig
  readonly log: Log
  /** ends what was started; also when the start itself fails, which is the caller's part */
  readonly shutdown: Shutdown
  /** the operator vouches that no other daemon uses this key (DEC-36) */
  readonly onlyOne?: boolean
  /** the operator vouches that the clock is right now, and was wrong before */
  readonly clockIsRight?: boolean
  /** the host's when absent */
  readonly clock?: SteadyClock
}

/**
 * Starts a daemon. Everything that was opened is registered with `shutdown` as it is opened, so that the caller ends it
 * by `shutdown.stop`, after a failure too. Throws {@link Refusal} when the operator must correct something first; LND or
 * relays that do not answer are no such thing: the daemon starts and waits for them.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, log, shutdown, onlyOne = false, clockIsRight = false, clock = systemClock } = options
  const { dataDir } = config
  const startedAtMs = clock.nowMs()
  for (const note of config.notes) log.warn('config.note', { note })

  const lock = lockDataDir(dataDir, 'start another daemon there')
  shutdown.beforeExit('lock', () => lock.release())
  const { commits, curves: wantedCurves, opener_threads: wantedThreads } = config.performance
  const { curves, backend, note } = loadCurves(wantedCurves)
  if (note !== null) log.warn('the native curves can not be used; the portable ones are much slower', { why: note })
  const threads = openerThreads(wantedThreads, backend)
  const node = loadNodeKeys(config.nodeKey, curves)
  const seed = loadMoneySeed(dataDir, hasDatabase(dataDir))
  const store = openDatabase(dataDir)
  shutdown.beforeExit('database', () => store.close())
  refuseUnwritable(store, dataDir)
  claimDataDir(store, dataDir, node, seed)
  if (!clockIsRight) refuseClockSetBack(store, dataDir, clock)

  const lightning = createLnd(config.lnd, { clock, readRequest: readOwnRequest })
  if (!lightning.ok) throw new ConfigError([`${config.file}: section [lightning]: ${lightning.error}`])
  await checkRights(lightning.value, log)
  refuseWhenStopping(shutdown)

  const relays = new NostrRelays({
    urls: config.relayUrls,
    clock,
    random: systemRandom,
    authenticate: (template) => signEvent(template, node.secretKey, node.pubkey, systemRandom.bytes(32), curves),
  })
  shutdown.beforeExit('relays', () => relays.close())
  let openers: OpenerPool | null = null
  shutdown.beforeExit('openers', () => openers?.close())
  const engine = new Engine({
    store,
    clock,
    random: systemRandom,
    log,
    settings: config.engine,
    seed,
    nodeSecretKey: node.secretKey,
    curves,
    opener: (key) => {
      openers = new OpenerPool(key, threads, log, () => startOpenerThread(key, backend))
      return openers
    },
    lightning: lightning.value,
    relays,
    addresses: new LnurlAddresses({ plainHosts: config.plainAddressHosts }),
    prices: priceSources(config.prices, { clock, relays, curves }),
    // Messages that arrive within one turn of the event loop share a commit.
    defer: setImmediate,
    commits,
    pid: process.pid,
    onlyOne,
  })
  shutdown.beforeExit('engine', () => engine.stop())
  await startEngine(engine)
  refuseWhenStopping(shutdown)

  const performance: PerformanceStatus = {
    curves: curves.name,
    ...(note === null ? {} : { curvesNote: note }),
    commits,
    openerThreads: threads,
  }
  const status = (): DaemonStatus => ({
    version: VERSION,
    pid: process.pid,
    startedAtMs,
    dataDir,
    npub: node.npub,
    performance,
    engine: engine.status(),
  })
  if (canListen(dataDir)) {
    const control = await serveControl(dataDir, status)
    shutdown.beforeExit('control socket', () => control.close())
  } else log.warn('the path of the data directory is too long for a socket; `fianza status` will not see this daemon')
  log.info('fianza is up', {
    version: VERSION,
    pubkey: node.pubkey,
    npub: node.npub,
    curves: curves.name,
    relays: config.relayUrls,
    dataDir,
  })
  return { pubkey: node.pubkey, npub: node.npub, status }
}

async function startEngine(engine: Engine): Promise<void> {
  try {
    await engine.start()
  } catch (error) {
    if (error instanceof RivalError) throw new Refusal(error.message, { exitCode: EXIT.config, cause: error })
    throw error
  }
}

function openDatabase(dataDir: string): Store {
  try {
    return openStore(databaseOf(dataDir))
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

/** A database that can be read but not written would hold up every message for ever: it is refused now. */
function refuseUnwritable(store: Store, dataDir: string): void {
  try {
    store.transaction(() => store.s.meta_put({ key: 'opened_by', value: VERSION }))
  } catch (error) {
    throw unusable(dataDir, error)
  }
}

function unusable(dataDir: string, error: unknown): Refusal {
  const why = error instanceof Error ? error.message : String(error)
  return new Refusal(`${databaseOf(dataDir)} cannot be used: ${why}`, { exitCode: EXIT.config, cause: error })
}

/** A macaroon without a right that we need would fail in the middle of a trade: it is refused now. */
async function checkRights(lnd: Lnd, log: Log): Promise<void> {
  const report = await lnd.checkAccess()
  if (!report.ok) {
    log.warn('LND does not answer; orders that need it are refused until it does', { why: report.detail })
    return
  }
  const missing = describeMissingAccess(report.value)
  if (missing !== null) throw new Refusal(missing, { exitCode: EXIT.config })
}

function refuseWhenStopping(shutdown: Shutdown): void {
  if (shutdown.isStopping) throw new Refusal('stopped while it was starting', { exitCode: EXIT.failed })
}
