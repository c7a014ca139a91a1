/** One run: a whole daemon on virtual time, many trades at once, what goes wrong, and the promises checked all the while. */
import { createHash } from 'node:crypto'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { refusalToEnd, requestOrderEnd } from '../../src/engine/commands.ts'
import { DEFAULT_LIMITS, type EngineSettings } from '../../src/engine/settings.ts'
import type { Log } from '../../src/ports/system.ts'
import type { SimConfig } from '../../src/sandbox/lightning/control.ts'
import type { Curves } from '../../src/wire/curves.ts'
import { EngineWorld, testSettings } from '../support/engine-world.ts'
import { Coverage } from './coverage.ts'
import type { Call, Facts, Purse, Told } from './facts.ts'
import { calm, type Fault, type PowerPoint, type Stage, unleash } from './faults.ts'
import { type Violation, violations } from './invariants/all.ts'
import { type Changes, Mirror, TABLES } from './mirror.ts'
import { ENDED, Party } from './party.ts'
import type { Plan, TradePlan } from './plan.ts'

const STEP_MS = 500
const CALM_STEP_MS = 15_000
const REST_LIMIT_MS = 24 * 3_600_000
/** No multiple of any interval of the daemon, so that the look is not always at the same moment of its turns. */
const CLEAN_UP_MS = 285_000
const BLOCK_MS = 600_000
/** After this long without an end, blocks come fast until the height guard has ended what nobody ends. */
const PATIENCE_MS = 2 * 3_600_000
const BLOCKS_A_STEP = 2
const MONEY_VERBS = ['createHold', 'settleHold', 'cancelHold', 'pay'] as const

const RELAYS = 2
/** A short window in the book, and no limit on strangers that a busy simulation of friends would meet. */
const SETTINGS: Partial<EngineSettings> = {
  order: { ...testSettings().order, windowS: 7200 },
  limits: { ...DEFAULT_LIMITS, answersPerKeyPerMinute: 60, answersPerSecond: 1000, payoutsInAll: 400 },
}
const NETWORK: Partial<SimConfig> = { blockIntervalMs: BLOCK_MS }

export type Outcome = {
  readonly violations: readonly Violation[]
  /** rows that the first violation speaks of */
  readonly evidence: readonly string[]
  /** how the orders ended, by status and phase */
  readonly endings: Readonly<Record<string, number>>
  /** trades of two people who behave and want success: how many, and how many succeeded */
  readonly wellBehaved: { readonly trades: number; readonly successes: number }
  readonly faults: Readonly<Record<string, number>>
  readonly coverage: Coverage
  readonly virtualMs: number
}

type Power = { readonly at: PowerPoint; left: number; readonly downMs: number }
type Later = { readonly atMs: number; readonly task: () => void }

export type SimulationOptions = {
  readonly log?: Log
  readonly curves?: Curves
  /** changes the world before anything happens in it: how a test plants a defect */
  readonly plant?: (world: EngineWorld) => void
  /** sees what the invariants see */
  readonly watch?: (facts: Facts) => void
}

/** Runs a plan to its rest, or to the first broken promise. Equal plans, equal outcomes. */
export async function simulate(plan: Plan, options: SimulationOptions = {}): Promise<Outcome> {
  const simulation = new Simulation(plan, options)
  try {
    return await simulation.run()
  } finally {
    await simulation.close()
  }
}

class Simulation {
  readonly #plan: Plan
  readonly #world: EngineWorld
  readonly #mirror: Mirror
  readonly #coverage = new Coverage()
  readonly #parties: Party[] = []
  readonly #trades: { readonly plan: TradePlan; readonly maker: Party; takers: Party[] }[] = []
  readonly #opening = new Map<string, number>()
  readonly #asked = new Map<string, number>()
  readonly #answers = new Map<string, number>()
  readonly #met = new Map<string, number>()
  readonly #powers: Power[] = []
  #laters: Later[] = []
  #calls: Call[] = []
  /** rows may have changed since the last look */
  #hasCommitted = true
  readonly #told: Told[] = []
  #found: readonly Violation[] = []
  #bootAtMs: number | null = null
  #failing: string | null = null
  #bootFailure: unknown = null
  readonly #gainAtStartMsat: number
  readonly #watch: (facts: Facts) => void

  constructor(plan: Plan, { plant, watch, ...options }: SimulationOptions) {
    this.#plan = plan
    this.#watch = watch ?? (() => undefined)
    const world = new EngineWorld({
      seed: plan.seed,
      relays: RELAYS,
      settings: SETTINGS,
      network: NETWORK,
      ...options,
    })
    this.#world = world
    this.#mirror = new Mirror(world.store)
    plant?.(world)
    world.cut = (point, args) => this.#pass(point, args)
    world.losesPowerBefore = (jobs) => this.#beforeCommit(jobs)
    const { nodeMsat, nodePendingOutMsat } = world.network.totals()
    this.#gainAtStartMsat = nodeMsat + nodePendingOutMsat
  }

  async run(): Promise<Outcome> {
    this.#start()
    const { clock } = this.#world
    const stage = this.#stage()
    const trades = [...this.#plan.trades]
    const faults = [...this.#plan.faults]
    let lookAtMs = CLEAN_UP_MS
    while (this.#found.length === 0 && clock.elapsedMs < this.#plan.stormMs) {
      while ((trades[0]?.atMs ?? Number.POSITIVE_INFINITY) <= clock.elapsedMs) this.#begin(trades.shift())
      while ((faults[0]?.atMs ?? Number.POSITIVE_INFINITY) <= clock.elapsedMs) this.#strike(faults.shift(), stage)
      await this.#step(STEP_MS)
      if (clock.elapsedMs < lookAtMs) continue
      lookAtMs += CLEAN_UP_MS
      for (const party of this.#parties) party.looks()
    }
    for (const trade of trades) this.#begin(trade)
    if (this.#found.length === 0) await this.#rest()
    return this.#outcome()
  }

  async close(): Promise<void> {
    const world = this.#world
    world.cut = () => undefined
    world.losesPowerBefore = () => false
    world.kill()
    await world.close()
  }

  // ---------------------------------------------------------------------------------------------------- time

  #start(): void {
    const { started } = this.#world.ignite()
    const { engine } = this.#world
    started.catch((error: unknown) => {
      if (this.#world.engine === engine) this.#bootFailure = error
    })
  }

  async #step(ms: number): Promise<void> {
    const { clock } = this.#world
    if (this.#bootAtMs !== null && clock.elapsedMs >= this.#bootAtMs) {
      this.#bootAtMs = null
      this.#start()
    }
    await clock.advance(ms)
    const due = this.#laters.filter(({ atMs }) => atMs <= clock.elapsedMs)
    if (due.length > 0) {
      this.#laters = this.#laters.filter(({ atMs }) => atMs > clock.elapsedMs)
      for (const { task } of due) task()
    }
    if (this.#bootFailure !== null) {
      const what = this.#bootFailure instanceof Error ? (this.#bootFailure.stack ?? '') : String(this.#bootFailure)
      this.#found = [{ invariant: 'start', says: 'the daemon starts', what }]
      return
    }
    this.#look(false)
  }

  /** Nothing goes wrong any more: everybody finishes, every window ends, and then everything must be in its place. */
  async #rest(): Promise<void> {
    const { clock } = this.#world
    for (const { task } of this.#laters) task()
    this.#laters = []
    this.#powers.length = 0
    this.#failing = null
    calm(this.#world)
    if (this.#world.engine === null) this.#bootAtMs = clock.elapsedMs
    const calmSinceMs = clock.elapsedMs
    let cleanAtMs = calmSinceMs + CLEAN_UP_MS
    for (const { trader } of this.#parties) trader.refresh()
    let unrest: string | null = null
    while (this.#found.length === 0 && clock.elapsedMs - calmSinceMs < REST_LIMIT_MS) {
      await this.#step(CALM_STEP_MS)
      if (clock.elapsedMs < cleanAtMs) continue
      cleanAtMs += CLEAN_UP_MS
      for (const party of this.#parties) {
        party.looks()
        party.cleansUp()
      }
      if (clock.elapsedMs - calmSinceMs > PATIENCE_MS) this.#world.network.mine(BLOCKS_A_STEP * 10)
      this.#operate()
      unrest = this.#unrest()
      if (unrest === null) break
    }
    if (this.#found.length > 0) return
    if (unrest !== null) {
      this.#found = [{ invariant: 'rest', says: 'a day after the last trouble everything rests', what: unrest }]
      return
    }
    this.#world.network.checkConservation()
    const before = this.#moneyVersions()
    const given = this.#destinationsGiven()
    const swept = this.#world.engine?.sweep()
    await this.#step(60_000)
    await swept
    if (this.#found.length > 0) return
    const after = this.#moneyVersions()
    // A payee who was away may give his invoice at any moment, also in this one.
    for (const [id, revision] of this.#destinationsGiven()) if (given.get(id) !== revision) after.delete(id)
    const changes = [...after].map(([id, versions]) => Math.abs(versions - (before.get(id) ?? 0)))
    this.#look(
      true,
      changes.reduce((sum, change) => sum + change, 0),
    )
  }

  /** What is still open, but for what lies before a person; null when nothing is. */
  #unrest(): string | null {
    if (this.#world.engine === null || this.#bootAtMs !== null) return 'the daemon is down'
    const { rows } = this.#mirror
    const gone = new Set(this.#parties.flatMap(({ isReliable, trader }) => (isReliable ? [] : [trader.pubkey(1)])))
    for (const { id, status, phase } of rows.orders.values()) {
      // Sats of a buyer who is not there any more, or who gives wrong invoices, wait for him.
      const payout = rows.obligation.get(`buyer_payout:${id}`)
      const waits = payout?.state === 'need_destination' && gone.has(payout.payee ?? '')
      if (phase !== 'review' && !ENDED.has(status) && !waits) return `order ${id} is ${status}/${phase}`
    }
    for (const { id, state } of rows.ln_op.values()) if (LIVE_OPS.has(state)) return `${id} is ${state}`
    for (const { id, state } of rows.outbox_msg.values()) if (state < 2) return `message ${id} is not sent`
    for (const { hash, rank, decision, request } of rows.hold.values())
      if (rank < 3 && !(decision === 'cancel' && request === null)) return `hold ${hash} is at rank ${rank}`
    const lost = new Set([...rows.ledger.values()].map(({ cause }) => cause))
    for (const { hash, final, htlc_resolved } of rows.hold.values())
      if (final === 'settled' && htlc_resolved === 0 && !lost.has(`lost:${hash}`))
        return `whether the sats of hold ${hash} arrived is not known yet`
    return null
  }

  /** How often each order's payee has said where he wants his sats. */
  #destinationsGiven(): ReadonlyMap<string, number> {
    const owed = [...this.#mirror.rows.obligation.values()].filter(({ kind }) => kind === 'buyer_payout')
    return new Map(owed.map(({ order_id: id, destination_rev: revision }) => [id, revision]))
  }

  /** How often each order's rows about money were changed; a payee who gives no invoice is asked again whenever it is time. */
  #moneyVersions(): Map<string, number> {
    const { orders, hold, obligation, ledger } = this.#mirror.rows
    const versions = new Map<string, number>()
    const add = (id: string | null, times: number) => versions.set(id ?? '', (versions.get(id ?? '') ?? 0) + times)
    for (const { id, version } of orders.values()) add(id, version)
    for (const { order_id: id, version } of hold.values()) add(id, version)
    for (const { order_id: id, version, state } of obligation.values())
      if (state !== 'need_destination') add(id, version)
    for (const { order_id: id } of ledger.values()) add(id, 1)
    return versions
  }

  /** The operator ends what lies before him and can be ended; it is carried out by the next start. */
  #operate(): void {
    const { store, engine, network } = this.#world
    if (engine === null) return
    // What an alert about a payment that never ends tells him to do (money-path.md C-27).
    for (const { key, closed_at } of this.#mirror.rows.alert.values())
      if (closed_at === null && key.startsWith('slow:pay:')) network.node.restart()
    let asked = 0
    for (const { id, phase } of this.#mirror.rows.orders.values()) {
      if (phase !== 'review' || refusalToEnd(store, id, 'canceled') !== null) continue
      store.transaction(() => requestOrderEnd(store, id, 'canceled'))
      asked += 1
    }
    if (asked === 0) return
    this.#hasCommitted = true
    this.#world.kill()
    this.#bootAtMs = this.#world.clock.elapsedMs
  }

  // ---------------------------------------------------------------------------------------------------- people

  #begin(plan: TradePlan | undefined): void {
    if (plan === undefined) return
    const maker = this.#party(plan, plan.maker, `m${plan.number}`, true)
    const trade = { plan, maker, takers: [] as Party[] }
    this.#trades.push(trade)
    maker.onOffered = () => {
      const next = plan.takers[trade.takers.length]
      if (next === undefined || plan.wish === 'nobody-takes') return
      const taker = this.#party(plan, next, `t${plan.number}x${trade.takers.length}`, false)
      trade.takers = [...trade.takers, taker]
      this.#world.clock.after(1000, () => taker.takes(maker.orderId ?? ''))
    }
    maker.offers()
  }

  #party(trade: TradePlan, plan: TradePlan['maker'], name: string, isMaker: boolean): Party {
    const party = new Party(this.#world, trade, plan, name, isMaker)
    const { trader } = party
    this.#opening.set(name, trader.wallet.balanceMsat())
    const react = trader.onHeard
    trader.onHeard = (heard) => {
      const { action, id, requestId } = heard.message
      this.#told.push({
        trader: name,
        pubkey: trader.pubkey(heard.keyIndex),
        action,
        orderId: id,
        requestId,
        eventId: heard.eventId,
      })
      const key = `${name}:${requestId}:${action}`
      if (requestId !== null) this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1)
      react(heard)
    }
    party.onAsked = (requestId) => {
      const key = `${name}:${requestId}`
      this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1)
    }
    this.#parties.push(party)
    return party
  }

  // ---------------------------------------------------------------------------------------------------- trouble

  #stage(): Stage {
    return {
      world: this.#world,
      cutPower: (at, nth, downMs) => this.#powers.push({ at, left: nth, downMs }),
      later: (afterMs, task) => this.#laters.push({ atMs: this.#world.clock.elapsedMs + afterMs, task }),
      failCommits: (code) => {
        this.#failing = code
      },
    }
  }

  #strike(fault: Fault | undefined, stage: Stage): void {
    if (fault === undefined) return
    this.#met.set(fault.kind, (this.#met.get(fault.kind) ?? 0) + 1)
    unleash(fault, stage)
  }

  #pass(point: string, args: readonly unknown[]): void {
    if (point.startsWith('before:lightning.')) this.#noteCall(point.slice('before:lightning.'.length), args[0])
    if (point.startsWith('commit:')) {
      this.#hasCommitted = true
      this.#look(false)
    }
    if (!pointsAt(point).some((at) => this.#powerGoes(at))) return
    this.#coverage.killed(point)
    this.#world.kill()
  }

  #beforeCommit(jobs: readonly string[]): boolean {
    if (this.#failing !== null) throw Object.assign(new Error('the disk does not take it'), { code: this.#failing })
    const point = `before-commit:${jobs.join('+')}`
    if (!pointsAt(point).some((at) => this.#powerGoes(at))) return false
    this.#coverage.killed(point)
    return true
  }

  #powerGoes(at: PowerPoint): boolean {
    const power = this.#powers.find((planned) => planned.at === at)
    if (power === undefined) return false
    power.left -= 1
    if (power.left >= 0) return false
    this.#powers.splice(this.#powers.indexOf(power), 1)
    this.#bootAtMs = this.#world.clock.elapsedMs + power.downMs
    return true
  }

  #noteCall(name: string, asked: unknown): void {
    const verb = MONEY_VERBS.find((known) => known === name)
    if (verb === undefined) return
    const hash = hashOf(verb, asked)
    const { store } = this.#world
    const node = store.get<{ halted: number; conn_epoch: number; verified_epoch: number }>('SELECT * FROM ln_node')
    this.#calls.push({
      verb,
      hash,
      op:
        store.get('SELECT * FROM ln_op WHERE hash = :hash AND kind = :kind AND state = :state', {
          hash,
          kind: OP_KINDS[verb],
          state: 'dispatching',
        }) ?? null,
      hold: store.get('SELECT * FROM hold WHERE hash = :hash', { hash }) ?? null,
      halted: node?.halted !== 0,
      unverified: node?.conn_epoch !== node?.verified_epoch,
    })
  }

  // ---------------------------------------------------------------------------------------------------- looking

  #look(atRest: boolean, secondSweepChanged = 0): void {
    if (this.#found.length > 0) return
    const isQuiet = !atRest && this.#calls.length === 0 && this.#told.length === 0
    if (isQuiet && !this.#hasCommitted) return
    const changes = this.#mirror.look()
    this.#hasCommitted = false
    if (isQuiet && isEmpty(changes)) return
    const facts = this.#facts(changes, atRest, secondSweepChanged)
    this.#calls = []
    this.#coverage.saw(changes)
    this.#found = violations(facts)
    this.#watch(facts)
  }

  #facts(changes: Changes, atRest: boolean, secondSweepChanged: number): Facts {
    const world = this.#world
    const { network, relays, store } = world
    const told = this.#told.splice(0)
    return {
      nowS: Math.floor((world.clock.nowMs() + world.hostSkewMs) / 1000),
      rows: this.#mirror.rows,
      groups: this.#mirror.groups,
      changes,
      calls: this.#calls,
      told,
      lightning: {
        invoice: (hash) => network.node.invoice(hash),
        payment: (hash) => network.node.payment(hash),
        invoices: () => network.node.invoices(),
        payments: () => network.node.payments(),
        gainMsat: () => {
          const { nodeMsat, nodePendingOutMsat } = network.totals()
          return nodeMsat + nodePendingOutMsat - this.#gainAtStartMsat
        },
      },
      onRelays: () => {
        const events = new Map<string, NostrEvent>()
        for (const { core } of relays) for (const event of core.events()) events.set(event.id, event)
        return [...events.values()]
      },
      nodePubkey: world.nodePubkey,
      asked: this.#asked,
      answers: this.#answers,
      purses: () => this.#purses(),
      inbox: () => store.all('SELECT outer_id, inner_id, verdict FROM inbox'),
      secondSweepChanged,
      atRest,
    }
  }

  #purses(): readonly Purse[] {
    return this.#parties.map(({ trader, routingMsat }) => ({
      name: trader.name,
      lostMsat: (this.#opening.get(trader.name) ?? 0) - trader.wallet.balanceMsat(),
      routingMsat,
      tradePubkeys: Array.from({ length: trader.key }, (_, n) => trader.pubkey(n + 1)),
    }))
  }

  #outcome(): Outcome {
    const { rows } = this.#mirror
    const endings: Record<string, number> = {}
    for (const { status, phase } of rows.orders.values()) {
      const name = phase === 'steady' ? status : `${status}/${phase}`
      endings[name] = (endings[name] ?? 0) + 1
    }
    const good = this.#trades.filter(
      ({ plan, takers }) =>
        plan.wish === 'success' &&
        plan.payee === 'settles' &&
        plan.maker.habit === 'behaves' &&
        takers[0]?.plan.habit === 'behaves',
    )
    const successes = good.filter(({ maker }) => rows.orders.get(maker.orderId ?? '')?.status === 'success')
    return {
      violations: this.#found,
      evidence: this.#found.length === 0 ? [] : this.#evidence(),
      endings,
      wellBehaved: { trades: good.length, successes: successes.length },
      faults: Object.fromEntries(this.#met),
      coverage: this.#coverage,
      virtualMs: this.#world.clock.elapsedMs,
    }
  }

  /** The rows that share a name with what was found. */
  #evidence(): readonly string[] {
    const text = this.#found.map(({ what }) => what).join(' ')
    const names = new Set(text.match(/[0-9a-f]{64}|[0-9a-f-]{36}/g) ?? [])
    const { orders, hold } = this.#mirror.rows
    for (const row of hold.values()) if (names.has(row.hash)) names.add(row.order_id)
    for (const row of hold.values()) if (names.has(row.order_id)) names.add(row.hash)
    for (const row of orders.values()) if (names.has(row.id) && row.range_parent !== null) names.add(row.range_parent)
    const lines: string[] = []
    for (const table of EVIDENT_TABLES)
      for (const row of this.#mirror.rows[table].values()) {
        const line = JSON.stringify(row)
        if ([...names].some((name) => line.includes(name))) lines.push(`${table} ${line}`)
      }
    return lines
  }
}

const OP_KINDS = {
  createHold: 'hold_create',
  settleHold: 'hold_settle',
  cancelHold: 'hold_cancel',
  pay: 'pay',
} as const
const EVIDENT_TABLES = ['orders', 'hold', 'obligation', 'ln_op', 'alert', 'ledger'] as const
const LIVE_OPS: ReadonlySet<string> = new Set(['planned', 'dispatching', 'unknown', 'in_flight'])
const isEmpty = (changes: Changes): boolean => TABLES.every((table) => changes[table].length === 0)

const MONEY_JOB =
  /message:(?!rate|orders|restore|last)|create|settle|cancel|pay|observe|look|claim|reconcile|refund|late|duty/

/** Which plans for the power a point fits. */
function pointsAt(point: string): readonly PowerPoint[] {
  const [kind = '', what = ''] = point.split(/:(.*)/s)
  const side = kind.startsWith('before') ? 'before' : 'after'
  if (kind.endsWith('commit')) {
    const points: PowerPoint[] = [`${side}-commit`]
    if (MONEY_JOB.test(what)) points.push(`${side}-money-commit`)
    if (side === 'after' && what.split('+').includes('in-hand')) points.push('after-in-hand')
    return points
  }
  if (what.startsWith('relays.')) return [`${side}-publish`]
  return MONEY_VERBS.some((verb) => what === `lightning.${verb}`) ? [`${side}-call`] : []
}

/** The hash that a call is about: of its plan, of its preimage, or given as it is. */
function hashOf(verb: Call['verb'], asked: unknown): string {
  if (verb === 'cancelHold') return String(asked)
  if (verb === 'settleHold')
    return createHash('sha256')
      .update(Buffer.from(String(asked), 'hex'))
      .digest('hex')
  return (asked as { readonly hash: string }).hash
}
