/** The built daemon, killed again and again in the middle of trades over real sockets; then everything is compared. */
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { msat } from '../../src/core/money.ts'
import { DaemonProcess } from '../../src/sandbox/demo/daemon-process.ts'
import { startWorld, type World } from '../../src/sandbox/world.ts'
import { Dice } from '../simulation/dice.ts'
import { eventually, letPass } from '../support/wait.ts'
import { audit, type Facts, type Finding, unfinished } from './audit.ts'
import { type Deal, drawPlan, play } from './stories.ts'
import { Purse, TorturedTrader } from './tortured-trader.ts'

const FUNDING_MSAT = msat(10_000_000_000)
/** Trades that go on at the same time. */
const STALLS = 8
/** A trader's mailbox grows with his trades, so he makes room for another after so many. */
const TRADES_OF_ONE = 5
/** Traders that still listen after their last trade: what should not be said twice would be said to them. */
const LISTENERS = 40
/** How long a life lasts that is to end at any moment. */
const LIFE_MS = { min: 50, max: 1600 }
/** How long a kill waits for a payment to begin, and how soon after that it comes. */
const PAYMENT_BEGINS_MS = 10_000
const PAYMENT_BEGUN_MS = 60
const PROGRESS_LINES = 20
const FIRST_START_MS = 1000
const REST_MS = 300_000
/** The part of the kills that has to meet a payment on its way, and below which every kill waits for one. */
const MIN_SHARE = 1 / 3
const AIMED_SHARE = 1 / 2

/** What a kill met. */
export type Kill = {
  /** at any moment of its life, as a payment begins, before it is up */
  readonly aim: 'anywhen' | 'payment' | 'start'
  /** it served: what it had missed was read */
  readonly ready: boolean
  /** payments that LND was making */
  readonly payments: number
  /** escrows that LND held */
  readonly escrows: number
}

export type TortureOptions = {
  readonly command: readonly [string, ...string[]]
  readonly kills: number
  readonly seed: number
  /** progress, a line at a time */
  readonly say: (line: string) => void
  /** called when the daemon has stopped and before anything is compared: where a test moves a sat */
  readonly beforeAudit?: (world: World) => Promise<void> | void
}

export type TortureReport = {
  readonly kills: readonly Kill[]
  readonly deals: number
  /** what the traders were told, in all */
  readonly messages: number
  /** whether too few kills met a payment on its way to prove anything */
  readonly tooGentle: boolean
  readonly findings: readonly Finding[]
  /** where everything is kept; null when nothing differs */
  readonly evidence: string | null
}

/** Kills, restarts, waits for rest and compares. Leaves nothing running; keeps the evidence of a difference. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const world = await startWorld()
  const run = new TortureRun(world, options)
  try {
    return await run.toTheEnd()
  } finally {
    await run.close()
    await world.close()
  }
}

class TortureRun {
  readonly #world: World
  readonly #options: TortureOptions
  readonly #daemon: DaemonProcess
  readonly #dice: Dice
  readonly #kills: Kill[] = []
  readonly #deals: Deal[] = []
  readonly #purses: Purse[] = []
  readonly #traders: TorturedTrader[] = []
  readonly #troubles: string[] = []
  readonly #waiting: (() => void)[] = []
  #startMs = FIRST_START_MS
  #isOver = false

  constructor(world: World, options: TortureOptions) {
    this.#world = world
    this.#options = options
    this.#daemon = new DaemonProcess(options.command, world.nodeDir)
    this.#dice = new Dice(options.seed)
  }

  async toTheEnd(): Promise<TortureReport> {
    const { network, nodeDir } = this.#world
    await this.#daemon.start()
    const nodeStartMsat = network.totals().nodeMsat
    const stalls = Array.from({ length: STALLS }, (_, n) => this.#keepStall(n, new Dice(this.#dice.seed())))
    try {
      await this.#killAgainAndAgain()
    } catch (error) {
      this.#troubles.push(`the daemon: ${inWords(error)}`)
    }
    this.#isOver = true
    this.#tellWaiting()
    await Promise.all(stalls)
    await Promise.all(this.#purses.map((purse) => purse.settled()))
    await eventually(() => unfinished(nodeDir).length === 0, 'everything to be done', REST_MS).catch(() => undefined)
    await this.#daemon.stop()
    await this.#options.beforeAudit?.(this.#world)
    const facts = { world: this.#world, nodeStartMsat, purses: this.#purses, deals: this.#deals }
    const trades: Finding = {
      what: 'trades that came to their end',
      count: this.#deals.length,
      differences: this.#troubles,
    }
    const findings = [trades, ...audit(facts)]
    const evidence = findings.some(({ differences }) => differences.length > 0) ? this.#keepEvidence(facts) : null
    return {
      kills: this.#kills,
      deals: this.#deals.length,
      messages: this.#traders.reduce((sum, { client }) => sum + client.history().length, 0),
      tooGentle: this.#metPayments() < this.#kills.length * MIN_SHARE,
      findings,
      evidence,
    }
  }

  async close(): Promise<void> {
    await this.#daemon.kill()
    await Promise.all(this.#traders.map(({ client }) => client.close()))
  }

  /** One trade after the other, until the killing is over. */
  async #keepStall(stall: number, dice: Dice): Promise<void> {
    const purses = [this.#purse(`stall${stall}left`), this.#purse(`stall${stall}right`)] as const
    const stage = { world: this.#world, nextKill: () => this.#nextKill() }
    let pair: readonly [TorturedTrader, TorturedTrader] | null = null
    for (let n = 0; !this.#isOver; n += 1) {
      if (pair === null || n % TRADES_OF_ONE === 0)
        pair = [await this.#trader(purses[0], dice), await this.#trader(purses[1], dice)]
      const [seller, buyer] = dice.chance(0.5) ? pair : [pair[1], pair[0]]
      const plan = drawPlan(dice)
      try {
        await play(stage, plan, { seller, buyer }, (deal) => this.#deals.push(deal))
      } catch (error) {
        this.#troubles.push(`${JSON.stringify(plan)}: ${inWords(error)}`)
        this.#options.say(`A TRADE DID NOT COME TO ITS END: ${this.#troubles.at(-1)}`)
        return
      }
    }
  }

  #purse(name: string): Purse {
    const purse = new Purse(this.#world.network.addWallet(name, FUNDING_MSAT))
    this.#purses.push(purse)
    return purse
  }

  async #trader(purse: Purse, dice: Dice): Promise<TorturedTrader> {
    const trader = new TorturedTrader(this.#world, purse, dice.pick([1, 2]))
    this.#traders.push(trader)
    if (this.#traders.length > LISTENERS) await this.#traders.at(-LISTENERS)?.client.close()
    return trader
  }

  async #killAgainAndAgain(): Promise<void> {
    const { kills, say } = this.#options
    const every = Math.ceil(kills / PROGRESS_LINES)
    while (this.#kills.length < kills) {
      const aim = this.#aim()
      if (aim === 'start') await this.#killAtStart()
      else {
        if (aim === 'payment') await this.#untilPaymentBegins()
        else await letPass(this.#dice.between(LIFE_MS.min, LIFE_MS.max))
        await this.#kill({ aim, ready: true })
      }
      if (this.#kills.length % every === 0) say(this.#progress())
      await this.#start()
    }
  }

  #aim(): Kill['aim'] {
    const drawn = this.#dice.weighed({ anywhen: 5, payment: 3, start: 2 })
    return drawn === 'anywhen' && this.#metPayments() < this.#kills.length * AIMED_SHARE ? 'payment' : drawn
  }

  #metPayments(): number {
    return this.#kills.filter(({ payments }) => payments > 0).length
  }

  async #start(): Promise<void> {
    const beganMs = performance.now()
    await this.#daemon.start()
    this.#startMs = performance.now() - beganMs
  }

  /** The daemon is replaced by one that is killed before it serves, or just then. */
  async #killAtStart(): Promise<void> {
    await this.#daemon.kill()
    let ready = false
    const started = this.#daemon.start().then(
      () => {
        ready = true
      },
      () => undefined,
    )
    await letPass(this.#dice.between(0, this.#startMs))
    await this.#kill({ aim: 'start', ready })
    await started
  }

  async #untilPaymentBegins(): Promise<void> {
    const { faults } = this.#world.network
    const before = faults.calls('SendPaymentV2')
    const begins = eventually(() => faults.calls('SendPaymentV2') > before, 'a payment to begin', PAYMENT_BEGINS_MS)
    await begins.catch(() => undefined)
    await letPass(this.#dice.between(0, PAYMENT_BEGUN_MS))
  }

  async #kill(how: Pick<Kill, 'aim' | 'ready'>): Promise<void> {
    const escrows = this.#world.network.node.invoices().filter(({ state }) => state === 'accepted').length
    this.#kills.push({ ...how, payments: this.#payments(), escrows })
    await this.#daemon.kill()
    this.#tellWaiting()
  }

  /** Resolves when the daemon has been killed once more, or will not be any more. */
  #nextKill(): Promise<void> {
    return this.#isOver ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  #tellWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #progress(): string {
    return `${this.#kills.length} of ${this.#options.kills} kills, ${this.#metPayments()} with payments in flight; ${this.#deals.length} trades have ended`
  }

  #payments(): number {
    const alive = this.#world.network.node
      .payments()
      .filter(({ state }) => state === 'in-flight' || state === 'initiated')
    return alive.length
  }

  /** The daemon's directory with its log, LND, the relay, and what everybody was told. */
  #keepEvidence({ deals }: Facts): string {
    const { dir, network, relay } = this.#world
    const kept = mkdtempSync(join(tmpdir(), 'fianza-torture-'))
    cpSync(dir, kept, { recursive: true, filter: (source) => !source.endsWith('.sock') })
    const keep = (name: string, value: unknown): void =>
      writeFileSync(
        join(kept, name),
        JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v), 1),
      )
    keep('lightning.json', network.snapshot())
    keep('relay.json', relay.core.events())
    keep(
      'told.json',
      this.#traders.map(({ purse, client }) => ({ name: purse.wallet.name, history: client.history() })),
    )
    keep(
      'deals.json',
      deals.map(({ seller, buyer, ...deal }) => ({
        ...deal,
        seller: seller.purse.wallet.name,
        buyer: buyer.purse.wallet.name,
      })),
    )
    return kept
  }
}

const inWords = (error: unknown): string => (error instanceof Error ? error.message : String(error))
