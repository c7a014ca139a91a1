/**
 * The daemon's engine: made of its ports, started in the order that keeps money safe (design.md 3), stopped in order or
 * killed between any two commits.
 */
import type { Store } from '../adapters/sqlite/store.ts'
import type { NostrEvent } from '../core/protocol.ts'
import type { Addresses } from '../ports/addresses.ts'
import type { Lightning } from '../ports/lightning.ts'
import type { Relays } from '../ports/relays.ts'
import type { Log, Random, SteadyClock } from '../ports/system.ts'
import { type Curves, curvesOfOwner } from '../wire/curves.ts'
import { bytesToHex } from '../wire/hex.ts'
import { ConversationKeyCache } from '../wire/nip44.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP } from '../wire/transport.ts'
import { announce, wantInfo } from './announce.ts'
import { runCommands } from './commands.ts'
import type { Ctx, NodeKey, Pokes } from './context.ts'
import { nowS } from './context.ts'
import { Door, type DoorOptions, type Tx } from './door.ts'
import { OLDEST_S } from './inbox/freshness.ts'
import { type Arrival, Inbox } from './inbox/inbox.ts'
import { inlineOpener, type Opener } from './inbox/opener.ts'
import { ourNode } from './journal/escrow-intents.ts'
import { halt } from './journal/hold-facts.ts'
import { LightningLink } from './lightning-link.ts'
import { Loop } from './loop.ts'
import { type EngineStatus, engineStatus } from './queries.ts'
import { RateBook } from './rates.ts'
import { CatchUp, FIRST_START } from './recovery/catch-up.ts'
import { CURSOR_LAG_S, cameBack, readAgainFrom, writeJump } from './recovery/clock-jumps.ts'
import { CrossChecks } from './recovery/cross-checks.ts'
import { rivalSign } from './recovery/rival.ts'
import { Broadcaster } from './runners/broadcaster.ts'
import { Executor } from './runners/executor.ts'
import { Publisher } from './runners/publisher.ts'
import { Resolver } from './runners/resolver.ts'
import { alert } from './say.ts'
import type { MoneySeed } from './seed.ts'
import type { EngineSettings } from './settings.ts'
import { Duties } from './timers/duties.ts'
import { guardHeights } from './timers/height-guard.ts'
import { type PriceSource, PriceTicks } from './timers/prices.ts'
import { CLOCK_ALERTS, type Jump, WatchedClock } from './watched-clock.ts'

export type EngineParts = DoorOptions & {
  readonly store: Store
  readonly clock: SteadyClock
  readonly random: Random
  readonly log: Log
  readonly settings: EngineSettings
  readonly seed: MoneySeed
  readonly nodeSecretKey: Uint8Array
  readonly curves: Curves
  /** who opens events for this key; this thread when absent */
  readonly opener?: (node: NodeKey) => Opener
  readonly lightning: Lightning
  readonly relays: Relays
  readonly addresses: Addresses
  readonly prices: readonly PriceSource[]
  readonly pid?: number
  /** start although another instance seems to run on our key (DEC-36) */
  readonly onlyOne?: boolean
}

/** Another daemon answers for our key: starting beside it would pay twice. */
export class RivalError extends Error {
  override readonly name = 'RivalError'
}

const LIGHTNING_AT_START_MS = 10_000
const RELAYS_AT_START_MS = 10_000
const HEARTBEAT_MS = 10_000
const HOUSEKEEPING_MS = 30_000
const COLLECT_MS = 3_600_000
const CHECKPOINT_MS = 5000
const BUSY_MS = 100
const STOP_DEADLINE_MS = 10_000

export class Engine {
  readonly #parts: EngineParts
  readonly #ctx: Ctx
  readonly #link: LightningLink
  readonly #executor: Executor
  readonly #resolver: Resolver
  readonly #publisher: Publisher
  readonly #broadcaster: Broadcaster
  readonly #prices: PriceTicks
  readonly #loops: readonly Loop[]
  readonly #checks = new CrossChecks()
  #inbox: Inbox | null = null
  #catchUp: CatchUp | null = null
  #duties: Duties | null = null
  /** live events wait here while what was missed is handled; null when they need not */
  #held: { event: NostrEvent; arrival: Arrival }[] | null = []
  #paused = false
  #stopped = false
  #firstUp: (() => void)[] = []
  #ready = false
  /** connected relays whose past was read completely: from here on their live subscription misses nothing */
  readonly #caughtUp = new Set<string>()
  #reading: Promise<void> | null = null

  constructor(parts: EngineParts) {
    this.#parts = parts
    const { store, random, log, settings, seed, relays, addresses, curves, nodeSecretKey } = parts
    const clock = new WatchedClock(parts.clock, (jump) => this.#clockJumped(jump))
    const poke: Pokes = {
      executor: () => this.#executor.loop.poke(),
      resolver: () => this.#resolver.loop.poke(),
      publisher: () => this.#publisher.loop.poke(),
      broadcaster: () => this.#broadcaster.loop.poke(),
    }
    this.#link = new LightningLink(parts.lightning, (height) => this.#height(height))
    this.#ctx = {
      store,
      clock,
      random,
      log,
      settings,
      seed,
      relays,
      addresses,
      poke,
      door: new Door(store, clock, log, parts),
      key: {
        secretKey: nodeSecretKey,
        pubkey: curves.publicKey(nodeSecretKey),
        curves: curvesOfOwner(curves, nodeSecretKey),
        keys: new ConversationKeyCache(),
      },
      rates: new RateBook(store),
      lightning: this.#link,
      bootId: bytesToHex(random.bytes(8)),
    }
    this.#executor = new Executor(this.#ctx, this.#link)
    this.#resolver = new Resolver(this.#ctx)
    this.#publisher = new Publisher(this.#ctx)
    this.#broadcaster = new Broadcaster(this.#ctx)
    this.#prices = new PriceTicks(this.#ctx, parts.prices)
    this.#loops = [
      new Loop('heartbeat', clock, log, () => this.#heartbeat()),
      new Loop('housekeeping', clock, log, () => this.#housekeeping()),
      new Loop('collector', clock, log, () => this.#collect()),
      new Loop('checkpoint', clock, log, () => this.#checkpoint()),
      new Loop('rival', clock, log, () => this.#lookForRival()),
    ]
  }

  /** The node's public key, x-only hex. */
  get pubkey(): string {
    return this.#ctx.key.pubkey
  }

  /** Facts for the operator; reads only. */
  status(): EngineStatus {
    return engineStatus(this.#ctx, {
      lightning: this.#link,
      relaysUp: this.#parts.relays.connected(),
      intake: this.#inbox?.counts ?? new Map(),
      ready: this.#ready,
    })
  }

  /** Asks every price source now; for tests and the sandbox, which do not wait for the clock. */
  pollPrices(): Promise<void> {
    return this.#prices.tick()
  }

  /** Compares every open hold with Lightning now. */
  sweep(): Promise<void> {
    return this.#link.sweep()
  }

  /**
   * Starts in the order of design.md 3. Resolves when what was missed is handled and timers and payouts run; Lightning
   * or relays that do not answer in time do not hold it up. Throws {@link RivalError} when another instance runs.
   * Stopped meanwhile, it starts nothing more.
   */
  async start(): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const recovery = await ctx.door.submit({ name: 'boot', run: (tx) => this.#boot(tx) })
    const inbox = new Inbox(ctx, (this.#parts.opener ?? inlineOpener)(ctx.key), recovery)
    const catchUp = new CatchUp(ctx, inbox)
    this.#inbox = inbox
    this.#catchUp = catchUp
    this.#prices.loop.start()
    await this.#within(LIGHTNING_AT_START_MS, this.#link.start(ctx))
    await ctx.door.submit({
      name: 'cross-check',
      run: (tx) => {
        runCommands(ctx, tx)
        this.#checks.run(ctx, tx)
      },
    })
    if (this.#stopped) return
    const up = new Promise<void>((resolve) => this.#firstUp.push(resolve))
    const kinds = ctx.settings.transports.map((transport) => (transport === 2 ? KIND_DIRECT : KIND_GIFT_WRAP))
    ctx.relays.open(
      { kinds, '#p': [ctx.key.pubkey], limit: 0 },
      {
        isWorth: (event) => this.#inbox?.isWorth(event) ?? true,
        onEvent: (event, from) => this.#arrived(event, from),
        onUp: (url) => this.#relayUp(url),
        onDown: (url, why) => this.#relayDown(url, why),
      },
    )
    await this.#within(RELAYS_AT_START_MS, up)
    await this.#refuseBesideRival()
    if (this.#stopped) return
    this.#publisher.loop.start()
    this.#broadcaster.loop.start()
    this.#executor.loop.start()
    await this.#readMissed()
    this.#releaseHeld()
    await ctx.door.submit({
      name: 'announce',
      run: (tx) => {
        tx.s.blind_close({ kind: 'down', at: tx.nowS })
        if (ctx.relays.connected().length === 0) tx.s.blind_open({ kind: 'relays', at: tx.nowS })
        announce(ctx, tx)
      },
    })
    if (this.#stopped) return
    this.#executor.startPayments()
    this.#resolver.loop.start()
    this.#duties = new Duties(ctx, this.#link, catchUp)
    this.#duties.loop.start()
    for (const loop of this.#loops) loop.start()
    this.#ready = true
    ctx.log.info('serving', {
      pubkey: ctx.key.pubkey,
      lightning: this.#link.serving,
      relays: ctx.relays.connected().length,
    })
  }

  /** Stops in order: no new message is taken, those in hand are decided, nothing runs afterwards. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#duties?.loop.stop()
    for (const loop of this.#loops) loop.stop()
    this.#prices.loop.stop()
    this.#resolver.loop.stop()
    this.#executor.loop.stop()
    await this.#within(STOP_DEADLINE_MS, this.#drained())
    this.#publisher.loop.stop()
    this.#broadcaster.loop.stop()
    this.#link.stop()
    await this.#parts.relays.close()
    await this.#ctx.door
      .submit({ name: 'stop', run: (tx) => tx.s.process_stop({ boot: this.#ctx.bootId, now: tx.nowS }) })
      .catch(() => undefined)
    this.#ctx.door.close()
  }

  /** Dies on the spot, as if the power went: nothing is written, nothing is said. For crash tests. */
  kill(): void {
    this.#stopped = true
    this.#ctx.door.close()
    this.#duties?.loop.stop()
    for (const loop of this.#loops) loop.stop()
    this.#prices.loop.stop()
    this.#resolver.loop.stop()
    this.#executor.loop.stop()
    this.#publisher.loop.stop()
    this.#broadcaster.loop.stop()
    this.#link.stop()
    this.#parts.relays.close().catch(() => undefined)
  }

  #within(ms: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(ms, resolve)
      work.then(
        () => {
          cancel()
          resolve()
        },
        () => {
          cancel()
          resolve()
        },
      )
    })
  }

  async #drained(): Promise<void> {
    while ((this.#inbox?.depth ?? 0) > 0 || this.#executor.isBusy)
      await new Promise<void>((resolve) => this.#parts.clock.after(20, resolve))
  }

  /** A new incarnation: what the last one had claimed is unknown, and the time between was blind. */
  #boot(tx: Tx): { guarded: boolean; quarantine: ReadonlySet<string>; suspects: boolean } {
    const { ctx } = { ctx: this.#ctx }
    const last = tx.s.process_last()
    if (last === undefined) tx.s.meta_put({ key: FIRST_START, value: String(tx.nowS) })
    else {
      tx.s.blind_open({ kind: 'down', at: last.alive_at })
      // Intervals that were open when we died go on as "down".
      tx.s.blind_close({ kind: 'relays', at: last.alive_at })
      tx.s.blind_close({ kind: 'lightning', at: last.alive_at })
    }
    tx.s.process_start({ boot: ctx.bootId, pid: this.#parts.pid ?? 0, now: tx.nowS })
    tx.s.boot_unknown({ boot: ctx.bootId, now: tx.nowS })
    tx.s.resolve_abandoned({ now: tx.nowS })
    // Who starts us vouches for the clock.
    for (const key of CLOCK_ALERTS) tx.s.alert_close({ key, now: tx.nowS })
    this.#configureRelays(tx)
    // A cursor from the time after now was written by a clock that was ahead, nobody knows since when.
    if (last !== undefined && last.alive_at > tx.nowS + CURSOR_LAG_S) {
      readAgainFrom(tx, tx.nowS - OLDEST_S)
      cameBack(ctx, tx, last.alive_at - tx.nowS)
    }
    const quarantine = new Set<string>()
    tx.s.in_hand_clear()
    const inHand = tx.s.in_hand_boot()
    for (const row of inHand) if (row.exits >= 2) quarantine.add(row.outer_id)
    return { guarded: last !== undefined && last.clean === 0, quarantine, suspects: inHand.length > 0 }
  }

  #configureRelays(tx: Tx): void {
    const urls = this.#parts.relays.urls()
    for (const { url } of tx.store.all<{ url: string }>('SELECT url FROM relay WHERE configured = 1'))
      if (!urls.includes(url)) tx.s.relay_drop({ url })
    for (const url of urls) {
      const known = tx.store.get('SELECT 1 FROM relay WHERE url = :url AND configured = 1', { url })
      if (known === undefined && tx.s.relay_add({ url, cursor: tx.nowS }) !== undefined)
        // A relay that is new to us gets every public event that still counts.
        tx.s.pub_again({ now: tx.nowS })
    }
  }

  async #refuseBesideRival(): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const sign = await rivalSign(ctx, ctx.relays.connected())
    if (sign === null || this.#parts.onlyOne === true) return
    throw new RivalError(
      `${sign.url} has an info event of this node's key, made at ${new Date(sign.createdAtS * 1000).toISOString()}, that this data directory does not know. ` +
        'A second daemon on one key pays twice. If no other one runs (this data directory is new or restored), start once with --i-am-the-only-one.',
    )
  }

  #lookForRival(): number {
    const { ctx } = { ctx: this.#ctx }
    rivalSign(ctx, ctx.relays.connected())
      .then((sign) => {
        if (sign === null || this.#stopped) return undefined
        return ctx.door.submit({
          name: 'rival',
          run: (tx) => {
            const node = ourNode(tx)
            const why = `${sign.url} has an info event under our key that we did not make: another instance runs`
            if (node === null) alert(ctx, tx, 'rival-instance', 3, why)
            else halt(ctx, tx, node, 'rival-instance', why)
          },
        })
      })
      .catch((error: unknown) => ctx.log.error('looking for a rival failed', { error: String(error) }))
    return ctx.settings.infoIntervalS * 1000
  }

  #arrived(event: NostrEvent, from: { readonly stored: boolean; readonly receivedAtMs: number }): void {
    if (this.#stopped) return
    const arrival: Arrival = { stored: from.stored, receivedAtMs: from.receivedAtMs }
    if (this.#held !== null) {
      // What was read is kept: the relay will not send it again.
      this.#held.push({ event, arrival })
      if (this.#held.length >= this.#ctx.settings.limits.intakeDepth) this.#pause(true)
      return
    }
    this.#take(event, arrival)
  }

  #take(event: NostrEvent, arrival: Arrival): void {
    const inbox = this.#inbox
    if (inbox === null) return
    inbox
      .take(event, arrival)
      .catch((error: unknown) =>
        this.#ctx.log.error('an event was not handled', { id: event.id, error: String(error) }),
      )
      .finally(() => {
        if (this.#paused && inbox.depth < this.#ctx.settings.limits.intakeDepth / 2) this.#pause(false)
      })
    if (inbox.depth >= this.#ctx.settings.limits.intakeDepth) this.#pause(true)
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused || this.#stopped) return
    this.#paused = paused
    this.#parts.relays.pause(paused)
  }

  #releaseHeld(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const { event, arrival } of held) this.#take(event, arrival)
    if (this.#paused) this.#pause(false)
  }

  #relayUp(url: string): void {
    if (this.#stopped) return
    this.#ctx.log.info('relay up', { url })
    for (const resolve of this.#firstUp) resolve()
    this.#firstUp = []
    this.#submit('relay-up', (tx) => tx.s.blind_close({ kind: 'relays', at: tx.nowS }))
    this.#publisher.loop.poke()
    this.#broadcaster.loop.poke()
    if (!this.#ready) return
    // Deaf until now: what was missed comes before what is live.
    const deaf = this.#parts.relays.connected().length <= 1
    if (deaf) this.#held ??= []
    this.#readMissed()
      .catch((error: unknown) => this.#ctx.log.error('catch-up failed', { url, error: String(error) }))
      .finally(() => {
        if (deaf && !this.#stopped) this.#releaseHeld()
      })
  }

  /** Catches up with every connected relay that was not read completely since it came; one round at a time. */
  #readMissed(): Promise<void> {
    this.#reading ??= this.#readRounds().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  #readMissedSoon(): void {
    this.#readMissed().catch((error: unknown) => this.#ctx.log.error('catch-up failed', { error: String(error) }))
  }

  async #readRounds(): Promise<void> {
    const catchUp = this.#catchUp
    const tried = new Set<string>()
    while (catchUp !== null && !this.#stopped) {
      const urls = this.#parts.relays.connected().filter((url) => !this.#caughtUp.has(url) && !tried.has(url))
      if (urls.length === 0) return
      for (const url of urls) tried.add(url)
      for (const url of await catchUp.run(urls)) this.#caughtUp.add(url)
    }
  }

  #relayDown(url: string, why: string): void {
    if (this.#stopped) return
    this.#ctx.log.warn('relay down', { url, why })
    this.#caughtUp.delete(url)
    if (this.#parts.relays.connected().length === 0)
      this.#submit('relays-blind', (tx) => tx.s.blind_open({ kind: 'relays', at: tx.nowS }))
  }

  #height(height: number): void {
    if (this.#stopped) return
    this.#submit('height', (tx) => guardHeights(this.#ctx, tx, height))
  }

  #submit(name: string, run: (tx: Tx) => unknown): void {
    this.#ctx.door.submit({ name, run: (tx) => void run(tx) }).catch((error: unknown) => {
      if (!this.#stopped) this.#ctx.log.error('a fact was not written', { name, error: String(error) })
    })
  }

  /** The host's clock was set, or the host slept (ADR 0014). */
  #clockJumped(jump: Jump): void {
    if (this.#stopped) return
    const { byMs, driftMs } = jump
    this.#ctx.log.warn('the clock jumped', { byS: Math.round(byMs / 1000), driftS: Math.round(driftMs / 1000) })
    this.#submit('clock', (tx) => {
      writeJump(this.#ctx, tx, jump, this.#ready)
      tx.after(() => {
        this.#caughtUp.clear()
        if (this.#ready) this.#readMissedSoon()
      })
    })
  }

  #heartbeat(): number {
    const up = this.#parts.relays.connected().filter((url) => this.#caughtUp.has(url))
    this.#submit('heartbeat', (tx) => {
      tx.s.process_alive({ boot: this.#ctx.bootId, now: tx.nowS })
      // The cursor of a relay that was read completely follows the clock, well inside the overlap.
      for (const url of up) tx.s.relay_cursor({ url, cursor: tx.surelyS - CURSOR_LAG_S })
    })
    return HEARTBEAT_MS
  }

  #housekeeping(): number {
    const { ctx } = { ctx: this.#ctx }
    this.#readMissedSoon()
    this.#submit('housekeeping', (tx) => {
      this.#checks.run(ctx, tx)
      tx.s.pub_refresh({ now: tx.nowS })
      wantInfo(ctx, tx)
      const height = ctx.lightning.heightNow()
      if (height !== null) guardHeights(ctx, tx, height)
      tx.after(ctx.poke.broadcaster)
    })
    return HOUSEKEEPING_MS
  }

  /** Does in an idle moment what would else delay a commit (perf.md 3). */
  #checkpoint(): number | null {
    const { store, door } = this.#ctx
    if (!store.writesAhead) return null
    if (door.depth > 0 || (this.#inbox?.depth ?? 0) > 0) return BUSY_MS
    store.checkpoint()
    return CHECKPOINT_MS
  }

  /** Throws away what is old, in chunks (money-path.md 3.9). */
  #collect(): number {
    // What a clock that is ahead calls old may still be needed.
    if (this.#ctx.clock.surelyS < nowS(this.#ctx)) return COLLECT_MS
    this.#submit('collect', (tx) => {
      const now = tx.nowS
      tx.s.request_gc({ now })
      tx.s.outbox_gc({ now })
      tx.s.outbox_seq_gc({ now })
      tx.s.delivery_gc({ now })
      tx.s.inbox_gc({ now })
      tx.s.alert_gc({ now })
    })
    return COLLECT_MS
  }

  /** Unix seconds, for callers that show them. */
  get nowS(): number {
    return nowS(this.#ctx)
  }
}
