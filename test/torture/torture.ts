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
const STALLS = 6
/** A trader's mailbox grows with his trades, so he makes room for another after so many. */
const TRADES_OF_ONE = 5
/** Traders that still listen after their last trade: what should not be said twice would be said to them. */
const LISTENERS = 40
const PAYMENT_BEGINS_MS = 6000
const REST_MS = 90_000

/** What a kill met. */
export type Kill = {
  readonly aim: 'anywhen' | 'payment' | 'start'
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
    return { kills: this.#kills, deals: this.#deals.length, findings, evidence }
  }

  async close(): Promise<void> {
    await this.#daemon.kill()
    await Promise.all(this.#traders.map(({ client }) => client.close()))
  }

  /** One trade after the other, until the killing is over. */
  async #keepStall(stall: number, dice: Dice): Promise<void> {
    const purses = [this.#purse(`stall${stall}left`), this.#purse(`stall${stall}right`)] as const
    let pair: readonly [TorturedTrader, TorturedTrader] | null = null
    for (let n = 0; !this.#isOver; n += 1) {
      if (pair === null || n % TRADES_OF_ONE === 0)
        pair = [await this.#trader(purses[0], dice), await this.#trader(purses[1], dice)]
      const [seller, buyer] = dice.chance(0.5) ? pair : [pair[1], pair[0]]
      const plan = drawPlan(dice)
      try {
        await play(this.#world, plan, { seller, buyer }, (deal) => this.#deals.push(deal))
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
    while (this.#kills.length < kills) {
      const aim = this.#dice.weighed({ anywhen: 4, payment: 5, start: 1 })
      if (aim === 'start') {
        await this.#daemon.kill()
        const started = this.#daemon.start().then(
          () => undefined,
          () => undefined,
        )
        await letPass(this.#dice.between(50, 1200))
        await this.#kill(aim)
        await started
      } else {
        if (aim === 'payment')
          await eventually(() => this.#payments() > 0, '', PAYMENT_BEGINS_MS).catch(() => undefined)
        await letPass(aim === 'payment' ? this.#dice.between(0, 300) : this.#dice.between(50, 2500))
        await this.#kill(aim)
      }
      const { payments, escrows } = this.#kills.at(-1) ?? { payments: 0, escrows: 0 }
      say(
        `kill ${this.#kills.length}/${kills}: ${payments} payments in flight, ${escrows} escrows held; ${this.#deals.length} trades have ended`,
      )
      await this.#daemon.start()
    }
  }

  async #kill(aim: Kill['aim']): Promise<void> {
    const escrows = this.#world.network.node.invoices().filter(({ state }) => state === 'accepted').length
    this.#kills.push({ aim, payments: this.#payments(), escrows })
    await this.#daemon.kill()
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
