/**
 * A world for acceptance tests: the sandbox's own (simulated LND behind real gRPC, wallets, prices, Lightning addresses),
 * as many embedded relays as wanted, and the daemon as production composes it, over its SQLite file.
 */
import { EventEmitter } from 'node:events'
import BetterSqlite3 from 'better-sqlite3'
import type { ProcessHost } from '../../src/adapters/system/shutdown.ts'
import { type AppConfig, loadConfig } from '../../src/app/config/load.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { type RunningDaemon, runDaemon } from '../../src/app/run.ts'
import type { Log, SteadyClock } from '../../src/ports/system.ts'
import type { SimNetwork, SimWallet } from '../../src/sandbox/lightning/control.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { startWorld, type World } from '../../src/sandbox/world.ts'
import { Trader, type TraderOptions } from './trader.ts'
import { eventually } from './wait.ts'

type Timer = { dueMs: number; handle: NodeJS.Timeout; readonly task: () => void }

/** The host's clock, and time that goes by at once. */
class ForwardClock implements SteadyClock {
  readonly #timers = new Set<Timer>()
  #aheadMs = 0

  nowMs(): number {
    return Date.now() + this.#aheadMs
  }

  monotonicMs(): number {
    return performance.now() + this.#aheadMs
  }

  nowS(): number {
    return Math.floor(this.nowMs() / 1000)
  }

  after(delayMs: number, task: () => void): () => void {
    const timer: Timer = { dueMs: this.nowMs() + delayMs, handle: setTimeout(() => this.#run(timer), delayMs), task }
    this.#timers.add(timer)
    return () => {
      clearTimeout(timer.handle)
      this.#timers.delete(timer)
    }
  }

  /** So much time goes by; what falls due in it happens now. */
  letPass(ms: number): void {
    this.#aheadMs += ms
    for (const timer of [...this.#timers].toSorted((a, b) => a.dueMs - b.dueMs)) {
      clearTimeout(timer.handle)
      timer.handle = setTimeout(() => this.#run(timer), Math.max(0, timer.dueMs - this.nowMs()))
    }
  }

  #run(timer: Timer): void {
    this.#timers.delete(timer)
    timer.task()
  }
}

/** Shows what daemons log when LOUD is set, for a look at a failing test. */
function testLog(): Log {
  const isLoud = process.env['LOUD'] !== undefined
  const line =
    (level: string) =>
    (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (isLoud) process.stderr.write(`${level} ${event} ${JSON.stringify(fields)}\n`)
    }
  return { debug: line('debug'), info: line('info'), warn: line('WARN'), error: line('ERROR') }
}

class FakeHost extends EventEmitter implements ProcessHost {
  exitCode: number | undefined
  exit(): void {}
}

type AcceptanceOptions = {
  /** 1 when absent */
  readonly relays?: number
  /** configuration on top of the sandbox's, as environment variables */
  readonly env?: Readonly<Record<string, string>>
}

export class AcceptanceWorld {
  readonly clock: ForwardClock
  readonly world: World
  readonly relays: readonly EmbeddedRelay[]
  readonly #env: Readonly<Record<string, string>>
  readonly #daemons = new Set<RunningDaemon>()
  readonly #traders: Trader[] = []
  #db: BetterSqlite3.Database | null = null

  private constructor(
    clock: ForwardClock,
    world: World,
    relays: readonly EmbeddedRelay[],
    env: Record<string, string>,
  ) {
    this.clock = clock
    this.world = world
    this.relays = relays
    this.#env = env
  }

  /** Builds the world; the daemon is not started. */
  static async start({ relays: count = 1, env = {} }: AcceptanceOptions = {}): Promise<AcceptanceWorld> {
    const clock = new ForwardClock()
    const world = await startWorld({ clock })
    const relays = [world.relay]
    while (relays.length < count) relays.push(await EmbeddedRelay.start({ clock }))
    const urls = relays.map(({ url }) => url).join(',')
    return new AcceptanceWorld(clock, world, relays, { ...env, FIANZA_NOSTR_RELAYS: urls })
  }

  get network(): SimNetwork {
    return this.world.network
  }

  get nodePubkey(): string {
    return this.world.pubkey
  }

  get relayUrls(): readonly string[] {
    return this.relays.map(({ url }) => url)
  }

  /** The environment of a daemon in this world. */
  get env(): Readonly<Record<string, string>> {
    return this.#env
  }

  wallet(name: 'alice' | 'bob' | 'carol'): SimWallet {
    return this.network.wallet(name)
  }

  /** Starts a daemon in the world's data directory, or in another one. Resolves when it serves. */
  async boot(options: { readonly dataDir?: string; readonly onlyOne?: boolean } = {}): Promise<RunningDaemon> {
    const read = loadConfig({ dataDir: this.world.nodeDir, env: this.#env })
    const config: AppConfig = options.dataDir === undefined ? read : { ...read, dataDir: options.dataDir }
    const daemon = await runDaemon({
      config,
      host: new FakeHost(),
      isTerminal: false,
      onlyOne: options.onlyOne ?? false,
      log: testLog(),
      clock: this.clock,
    })
    this.#daemons.add(daemon)
    return daemon
  }

  /** Stops a daemon in order. */
  async stop(daemon: RunningDaemon): Promise<void> {
    this.#daemons.delete(daemon)
    await daemon.stop('the test stops it')
  }

  /** A trader of the tests' own, strict as every client unless told otherwise. */
  async trader(options: Partial<TraderOptions> = {}): Promise<Trader> {
    const trader = await Trader.connect({ relayUrls: this.relayUrls, nodePubkey: this.nodePubkey, ...options })
    this.#traders.push(trader)
    return trader
  }

  /** Reads the daemon's database. */
  rows<Row>(sql: string, ...params: readonly (string | number)[]): readonly Row[] {
    this.#db ??= new BetterSqlite3(databaseOf(this.world.nodeDir), { readonly: true, fileMustExist: true })
    return this.#db.prepare<(string | number)[], Row>(sql).all(...params)
  }

  /** The database is about to be replaced: the next read opens it anew. */
  forgetsRows(): void {
    this.#db?.close()
    this.#db = null
  }

  /** An order's status, and its phase when it is not steady. */
  standing(orderId: string): string {
    const [row] = this.rows<{ status: string; phase: string }>('SELECT status, phase FROM orders WHERE id = ?', orderId)
    if (row === undefined) return 'none'
    return row.phase === 'steady' ? row.status : `${row.status}/${row.phase}`
  }

  async until(orderId: string, standing: string, deadlineMs = 10_000): Promise<void> {
    const what = `order ${orderId} to be ${standing}`
    await eventually(() => this.standing(orderId) === standing, what, deadlineMs).catch((error: unknown) => {
      throw new Error(`${what}: it is ${this.standing(orderId)}`, { cause: error })
    })
  }

  /** What became of an event; null when it was never decided. */
  verdictOf(eventId: string): string | null {
    return this.rows<{ verdict: string }>('SELECT verdict FROM inbox WHERE outer_id = ?', eventId)[0]?.verdict ?? null
  }

  /** Waits until an event was decided. */
  async decided(eventId: string, deadlineMs = 10_000): Promise<string> {
    await eventually(() => this.verdictOf(eventId) !== null, `a verdict on event ${eventId}`, deadlineMs)
    return this.verdictOf(eventId) ?? 'none'
  }

  /** Keys of the open alerts. */
  alerts(): readonly string[] {
    return this.rows<{ key: string }>('SELECT key FROM alert WHERE closed_at IS NULL ORDER BY key').map(
      ({ key }) => key,
    )
  }

  /** So much time goes by once a relay has all that was said: a message under way would be late for no fault of its own. */
  async letPass(ms: number): Promise<void> {
    const underWay = 'SELECT 1 FROM outbox_msg WHERE state < 2 AND first_ok_at IS NULL'
    await eventually(() => this.rows(underWay).length === 0, 'a relay to have every message')
    this.clock.letPass(ms)
  }

  /** Ends everything. Fails when a trader saw the node break a rule. */
  async close(): Promise<void> {
    this.#db?.close()
    const hungUp = await Promise.allSettled(this.#traders.map((trader) => trader.close()))
    await Promise.all([...this.#daemons].map((daemon) => daemon.stop('the test is over')))
    for (const relay of this.relays) relay.freeze(false)
    await Promise.all(this.relays.map((relay) => relay.close()))
    await this.world.close()
    for (const outcome of hungUp) if (outcome.status === 'rejected') throw outcome.reason
  }
}
