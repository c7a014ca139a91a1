/**
 * The connection to the Lightning node: opened again for ever, proved to be the node we know before anything is claimed
 * on it, compared with our rows, then served from (money-path.md 3.7; DEC-36).
 */
import type { HoldRow, LnNodeRow, LnOpRow } from '../adapters/sqlite/schema.ts'
import { assert } from '../core/assert.ts'
import type { HoldFact, Lightning, LightningConnection, Lookup, NodeInfo, Watch } from '../ports/lightning.ts'
import type { Ctx, LightningState } from './context.ts'
import { nowS } from './context.ts'
import { canceledFact, halt, observeHold } from './journal/hold-facts.ts'
import { CLOCK_SKEW_S } from './journal/obligations.ts'
import { paymentSucceeded } from './journal/payment-facts.ts'
import { foreignHold, foreignPayment, meetNode } from './recovery/foreign.ts'
import { newsAmong } from './recovery/hold-news.ts'
import { checkSentinels } from './recovery/sentinels.ts'
import { auditSettled } from './recovery/settled-audit.ts'
import { holdRow } from './rows.ts'

/** A connection that was verified and compared with our rows: what claims are made on. */
export type Verified = { readonly conn: LightningConnection; readonly epoch: number; readonly node: string }

/**
 * A verified connection whose holds are being compared with our rows; those of `unseen` were not yet. `asked`: the orders
 * whose own holds were asked for, each once, however many messages name it.
 */
type Comparing = {
  readonly conn: LightningConnection
  readonly node: string
  readonly unseen: Set<string>
  readonly asked: Map<string, Promise<void>>
}

const RECONNECT_MIN_MS = 1000
const RECONNECT_MAX_MS = 30_000
const SWEEP_MS = 30_000
/** One sweep in so many asks what became of settled escrows. */
const SWEEPS_AN_AUDIT = 20
/** Without a block for this long we count blocks by the clock. */
const HEIGHT_STALE_MS = 90 * 60_000
const BLOCK_MS = 10 * 60_000
const WATCH_MAX = 200
/** Hundreds of subscriptions wait until what arrived meanwhile was answered: all that they tell now was just read. */
const WATCH_AFTER_MS = 1000
const DAY_S = 86_400
/** How long a payment is watched that was given up while a request of it was unread; invoices seldom live longer. */
const ABANDONED_WATCH_S = 7 * DAY_S

export class LightningLink implements LightningState {
  readonly #lightning: Lightning
  readonly #onHeight: (height: number) => void
  #ctx: Ctx | null = null
  #verified: Verified | null = null
  #comparing: Comparing | null = null
  #node: NodeInfo | null = null
  #height: { readonly height: number; readonly atMs: number } | null = null
  readonly #watches = new Map<string, Watch>()
  #blocks: Watch | null = null
  readonly #timers = new Set<() => void>()
  #stopped = false
  #backoffMs = RECONNECT_MIN_MS
  #firstRound: (() => void)[] = []
  #sweeping = false
  #sweeps = 0
  #open: LightningConnection | null = null

  constructor(lightning: Lightning, onHeight: (height: number) => void) {
    this.#lightning = lightning
    this.#onHeight = onHeight
  }

  get serving(): boolean {
    const node = this.#verified?.node ?? this.#comparing?.node
    return node !== undefined && !this.#halted(node)
  }

  get node(): NodeInfo | null {
    return this.#node
  }

  /** The connection to make claims on; null while there is none that was verified, or while we are halted. */
  get verified(): Verified | null {
    return this.#verified === null || this.#halted(this.#verified.node) ? null : this.#verified
  }

  compared(orderId: string): Promise<void> | null {
    const comparing = this.#comparing
    if (comparing === null) return null
    const asked = comparing.asked.get(orderId)
    if (asked !== undefined) return asked
    const hashes = this.#c.store
      .all<Pick<HoldRow, 'hash'>>('SELECT hash FROM hold WHERE order_id = :orderId AND final IS NULL', { orderId })
      .map(({ hash }) => hash)
      .filter((hash) => comparing.unseen.has(hash))
    if (hashes.length === 0) return null
    // A long list comes page by page: nobody waits for all of it.
    const compared = this.#lookUp(comparing.conn, comparing.node, hashes).catch((error: unknown) => {
      if (!this.#stopped) this.#c.log.error('holds were not compared', { orderId, error: String(error) })
    })
    comparing.asked.set(orderId, compared)
    return compared
  }

  heightNow(): number | null {
    if (this.#height === null) return null
    // By the time that nobody can set: a clock that jumps must not bring escrows near to their height.
    const ageMs = this.#c.clock.monotonicMs() - this.#height.atMs
    return ageMs <= HEIGHT_STALE_MS ? this.#height.height : this.#height.height + Math.floor(ageMs / BLOCK_MS)
  }

  get #c(): Ctx {
    assert(this.#ctx !== null, 'the link was started')
    return this.#ctx
  }

  #halted(node: string): boolean {
    const row = this.#c.store.get<{ halted: 0 | 1 }>('SELECT halted FROM ln_node WHERE node_pubkey = :node', { node })
    return row === undefined || row.halted === 1
  }

  /** Starts connecting. Resolves when the node is verified, and is compared from then on, or when it does not answer. */
  start(ctx: Ctx): Promise<void> {
    this.#ctx = ctx
    const done = new Promise<void>((resolve) => this.#firstRound.push(resolve))
    this.#again()
    return done
  }

  /** Closes the connection and forgets every timer. */
  stop(): void {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#drop()
    this.#open?.close()
    this.#settleFirstRound()
  }

  #later(ms: number, task: () => void): void {
    if (this.#stopped) return
    const cancel = this.#c.clock.after(ms, () => {
      this.#timers.delete(cancel)
      if (!this.#stopped) task()
    })
    this.#timers.add(cancel)
  }

  #settleFirstRound(): void {
    for (const resolve of this.#firstRound) resolve()
    this.#firstRound = []
  }

  #again(): void {
    this.#round().catch((error: unknown) => {
      if (!this.#stopped) this.#c.log.error('the lightning link failed', { error: String(error) })
    })
  }

  async #round(): Promise<void> {
    const failed = await this.#connect().catch((error: unknown) => String(error))
    this.#settleFirstRound()
    if (this.#stopped || failed === null) return
    this.#c.log.warn('lightning is not there', { why: failed, retryMs: this.#backoffMs })
    await this.#c.door
      .submit({ name: 'lightning-blind', run: (tx) => tx.s.blind_open({ kind: 'lightning', at: tx.nowS }) })
      .catch(() => undefined)
    this.#later(this.#backoffMs, () => this.#again())
    this.#backoffMs = Math.min(this.#backoffMs * 2, RECONNECT_MAX_MS)
  }

  /** One connection from opening to serving. Null when it serves, else why not. */
  async #connect(): Promise<string | null> {
    const connected = await this.#lightning.connect()
    if (this.#stopped) {
      if (connected.ok) connected.value.close()
      return null
    }
    if (!connected.ok) return connected.detail
    const conn = connected.value
    this.#open = conn
    const failed = await this.#admit(conn)
    if (failed !== null) {
      conn.close()
      return failed
    }
    this.#backoffMs = RECONNECT_MIN_MS
    conn.lost.then(
      (why) => {
        if (this.#stopped || this.#verified?.conn !== conn) return
        this.#drop()
        this.#c.log.warn('lightning connection lost', { why })
        this.#again()
      },
      () => undefined,
    )
    return null
  }

  async #admit(conn: LightningConnection): Promise<string | null> {
    const info = await conn.nodeInfo()
    if (!info.ok) return info.detail
    const node = info.value.pubkey
    const epoch = await this.#c.door.submit({
      name: 'lightning-connect',
      run: (tx) => meetNode(this.#c, tx, info.value),
    })
    if (epoch === null) return `this data directory belongs to another Lightning node, not to ${node}`
    const verification = await checkSentinels(this.#c, conn, node)
    if (verification.kind === 'no-answer') return 'it does not answer while it is verified'
    if (verification.kind === 'mismatch') {
      await this.#c.door.submit({
        name: 'lightning-mismatch',
        run: (tx) => halt(this.#c, tx, node, 'lightning-mismatch', verification.why),
      })
      return verification.why
    }
    const halted = await this.#c.door.submit({
      name: 'lightning-verified',
      run: (tx) => {
        const row = tx.store.get<LnNodeRow>('SELECT * FROM ln_node WHERE node_pubkey = :node', { node })
        if (row?.halted === 1) return row.halted_why
        if (tx.s.node_verified({ node, conn: epoch, settle_index: verification.settleIndex }) !== undefined) return null
        halt(this.#c, tx, node, 'lightning-mismatch', 'LND settled fewer invoices than it had: restored from a backup?')
        return 'its settle index fell'
      },
    })
    if (halted !== null) return `halted: ${halted}`
    this.#node = info.value
    this.#comparing = { conn, node, unseen: this.#openHolds(), asked: new Map() }
    this.#settleFirstRound()
    const reconciled = await this.#reconcile(this.#comparing).finally(() => {
      this.#comparing = null
    })
    if (reconciled !== null) return reconciled
    if (this.#stopped) return null
    this.#verified = { conn, epoch, node }
    this.#height = { height: info.value.blockHeight, atMs: this.#c.clock.monotonicMs() }
    this.#blocks = conn.watchBlocks((height) => this.#block(height))
    await this.#c.door.submit({
      name: 'lightning-up',
      run: (tx) => tx.s.blind_close({ kind: 'lightning', at: tx.nowS }),
    })
    this.#c.log.info('lightning is there', {
      node,
      alias: info.value.alias,
      network: info.value.network,
      height: info.value.blockHeight,
    })
    this.#c.poke.executor()
    this.#c.poke.resolver()
    this.#later(WATCH_AFTER_MS, () => this.#watchLive())
    this.#later(SWEEP_MS, () => void this.#sweepForEver(conn))
    return null
  }

  #drop(): void {
    this.#verified = null
    this.#blocks?.close()
    this.#blocks = null
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  #block(height: number): void {
    this.#height = { height: Math.max(height, this.#height?.height ?? 0), atMs: this.#c.clock.monotonicMs() }
    this.#onHeight(height)
  }

  /** Bulk comparison of what LND has with our rows. Null, or why it could not be made. */
  async #reconcile({ conn, node, unseen }: Comparing): Promise<string | null> {
    const row = this.#c.store.get<LnNodeRow>('SELECT * FROM ln_node WHERE node_pubkey = :node', { node })
    const metAt = Number(this.#c.store.s.meta_get({ key: `met:${node}` })?.value ?? nowS(this.#c))
    const sinceS = Math.max(metAt, (row?.last_alive_at ?? 0) - DAY_S)
    // Of what is older only what is pending: nothing that ended so long ago is news.
    const reading = this.#readHolds(node, unseen)
    const older = await conn.listHolds(
      { pendingOnly: true, createdSinceS: 0, createdUntilS: sinceS - 1 },
      reading.onPage,
    )
    if (!older.ok) return older.detail
    const recent = await conn.listHolds({ pendingOnly: false, createdSinceS: sinceS }, reading.onPage)
    if (!recent.ok) return recent.detail
    const payments = await conn.listPayments(sinceS)
    if (!payments.ok) return payments.detail
    await reading.listed()
    // Of those that fell out of LND's list, each is asked for by itself.
    await this.#lookUp(conn, node, unseen)
    await this.#c.door.submit({
      name: 'reconcile-payments',
      run: (tx) => {
        for (const payment of payments.value) foreignPayment(this.#c, tx, node, payment)
        tx.s.node_alive({ node, now: tx.nowS })
      },
    })
    return null
  }

  /** The hashes of all holds that have not ended. An index alone answers this: a node may have tens of thousands. */
  #openHolds(): Set<string> {
    const rows = this.#c.store.all<Pick<HoldRow, 'hash'>>('SELECT hash FROM hold WHERE final IS NULL ORDER BY order_id')
    return new Set(rows.map(({ hash }) => hash))
  }

  /** Compares LND's list with our rows, a page at a time. `listed`: what is news was written, and `unseen` is left. */
  #readHolds(node: string, unseen: Set<string>) {
    const written: Promise<void>[] = []
    return {
      onPage: (facts: readonly HoldFact[]): void => {
        if (this.#stopped) return
        const news = newsAmong(this.#c.store, facts)
        const unwritten = new Set(news.map(({ hash }) => hash))
        for (const { hash } of facts) if (!unwritten.has(hash)) unseen.delete(hash)
        for (const fact of news) {
          const observed = this.#observe(fact, node).then(() => void unseen.delete(fact.hash))
          // A rejection is met where all are awaited.
          observed.catch(() => undefined)
          written.push(observed)
        }
      },
      listed: async (): Promise<void> => {
        await Promise.all(written)
      },
    }
  }

  #observe(fact: HoldFact, node: string): Promise<void> {
    return this.#c.door.submit({
      name: `observe:${fact.state}`,
      run: (tx) => {
        observeHold(this.#c, tx, fact)
        foreignHold(this.#c, tx, node, fact)
      },
    })
  }

  /** Asks LND for each of some holds; what it does not answer stays as it was. */
  async #lookUp(conn: LightningConnection, node: string, hashes: Iterable<string>): Promise<void> {
    for (const hash of hashes) {
      const hold = holdRow(this.#c.store, hash)
      if (hold === undefined || hold.final !== null || hold.request === null || hold.node_pubkey !== node) continue
      const seen: Lookup<HoldFact | 'not-found'> = await conn.lookupHold(hash)
      if (!seen.ok) continue
      const fact = seen.value === 'not-found' ? this.#expiredFact(hold) : seen.value
      if (fact === null || newsAmong(this.#c.store, [fact]).length === 0) continue
      await this.#c.door.submit({ name: `observe:${fact.state}`, run: (tx) => observeHold(this.#c, tx, fact) })
    }
  }

  /** Payments that were given up although an unread request could start them: a late success is never missed (I-08). */
  async #lookUpAbandoned({ conn, node }: Pick<Verified, 'conn' | 'node'>): Promise<void> {
    const rows = this.#c.store.all<LnOpRow>(
      `SELECT p.* FROM ln_op p WHERE p.kind = 'pay' AND p.state = 'refused' AND p.unacked > 0 AND p.node_pubkey = :node
          AND p.created_at > :since AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.cause = 'paid:' || p.id)`,
      { node, since: nowS(this.#c) - ABANDONED_WATCH_S },
    )
    for (const op of rows) {
      const seen = await conn.lookupPayment(op.hash)
      if (!seen.ok || seen.value === 'not-found' || seen.value.state !== 'succeeded') continue
      const { preimage, feeMsat } = seen.value
      await this.#c.door.submit({
        name: 'late-success',
        run: (tx) => paymentSucceeded(this.#c, tx, op.id, preimage, feeMsat),
      })
    }
  }

  /** What LND threw away after it had expired unpaid is gone (W23); what else it does not know says nothing here. */
  #expiredFact(hold: HoldRow): HoldFact | null {
    const isOver = hold.expires_at !== null && hold.expires_at + CLOCK_SKEW_S < nowS(this.#c)
    return isOver && hold.rank < 2 && hold.decision === 'none' ? canceledFact(hold) : null
  }

  async #sweepForEver(conn: LightningConnection): Promise<void> {
    await this.sweep().catch((error: unknown) => this.#c.log.error('sweep failed', { error: String(error) }))
    if (this.#verified?.conn !== conn) return
    if (this.serving) {
      this.#later(SWEEP_MS, () => void this.#sweepForEver(conn))
      return
    }
    // Halted while we were connected: nothing is claimed until an operator clears it and a new connection is verified.
    this.#drop()
    conn.close()
    this.#again()
  }

  /** One round of the sweeper: LND's pending holds against our rows. Subscriptions are only hints. */
  async sweep(): Promise<void> {
    const verified = this.#verified
    if (verified === null || this.#sweeping) return
    this.#sweeping = true
    try {
      const unseen = this.#openHolds()
      const reading = this.#readHolds(verified.node, unseen)
      const pending = await verified.conn.listHolds({ pendingOnly: true, createdSinceS: 0 }, reading.onPage)
      await reading.listed()
      if (!pending.ok) return
      await this.#lookUp(verified.conn, verified.node, unseen)
      await this.#lookUpAbandoned(verified)
      this.#sweeps += 1
      if (this.#sweeps % SWEEPS_AN_AUDIT === 0) await auditSettled(this.#c, verified)
      await this.#c.door.submit({
        name: 'lightning-alive',
        run: (tx) => tx.s.node_alive({ node: verified.node, now: tx.nowS }),
      })
      this.#watchLive()
    } finally {
      this.#sweeping = false
    }
  }

  /** Watches a hold for news; at most a few hundred, the sweeper sees the rest. */
  watch(hash: string): void {
    const verified = this.#verified
    if (verified === null || this.#watches.has(hash) || this.#watches.size >= WATCH_MAX) return
    const watch = verified.conn.watchHold(hash, (fact) => {
      if (this.#stopped) return
      if (fact.state === 'settled' || fact.state === 'canceled') this.#unwatch(hash)
      // LND says first how it stands, which we mostly know.
      if (newsAmong(this.#c.store, [fact]).length === 0) return
      this.#c.door
        .submit({ name: `observe:${fact.state}`, run: (tx) => observeHold(this.#c, tx, fact) })
        .catch((error: unknown) => this.#c.log.error('a hold fact was not written', { hash, error: String(error) }))
    })
    this.#watches.set(hash, watch)
  }

  #unwatch(hash: string): void {
    this.#watches.get(hash)?.close()
    this.#watches.delete(hash)
  }

  #watchLive(): void {
    const rows = this.#c.store.all<{ hash: string }>(
      `SELECT hash FROM hold WHERE final IS NULL AND request IS NOT NULL ORDER BY created_at DESC LIMIT ${WATCH_MAX}`,
    )
    const live = new Set(rows.map((row) => row.hash))
    for (const hash of this.#watches.keys()) if (!live.has(hash)) this.#unwatch(hash)
    for (const hash of live) this.watch(hash)
  }
}
