/** What runs came to, in words. */
import { Coverage } from './coverage.ts'
import type { Plan } from './plan.ts'
import { reachedBy } from './scenarios.ts'
import type { Outcome } from './simulation.ts'

const EVIDENCE_LINES = 30
const EVIDENCE_CHARS = 600
/** So many trades under all faults come across every point of the storm. */
const LONG_RUN_TRADES = 3000

/** Sums up runs. */
export class Tally {
  readonly coverage = new Coverage()
  #runs = 0
  #trades = 0
  #good = 0
  #successes = 0
  #virtualMs = 0
  readonly #startMs = performance.now()
  readonly #startCpu = process.cpuUsage()
  readonly #endings = new Map<string, number>()
  readonly faults = new Map<string, number>()

  add(plan: Plan, outcome: Outcome): void {
    this.#runs += 1
    this.#trades += plan.trades.length
    this.#good += outcome.wellBehaved.trades
    this.#successes += outcome.wellBehaved.successes
    this.#virtualMs += outcome.virtualMs
    this.coverage.add(outcome.coverage)
    addAll(this.#endings, outcome.endings)
    addAll(this.faults, outcome.faults)
  }

  /** Share of the trades of two well-behaved people that ended in success. */
  get successShare(): number {
    return this.#good === 0 ? 1 : this.#successes / this.#good
  }

  get faultsPerTrade(): number {
    return [...this.faults.values()].reduce((sum, n) => sum + n, 0) / this.#trades
  }

  /** Points of the storm that these runs should have come across and did not; few trades owe nothing. */
  get missed(): readonly string[] {
    return this.#trades < LONG_RUN_TRADES ? [] : reachedBy(this.coverage, this.faults).missed
  }

  progress(seed: number): string {
    const seconds = (performance.now() - this.#startMs) / 1000
    const { user, system } = process.cpuUsage(this.#startCpu)
    const perCore = (this.#trades / (user + system)) * 1e6
    return `seed ${seed}: ${this.#trades} trades in ${seconds.toFixed(1)} s, ${perCore.toFixed(1)} a second and core`
  }

  summary(verbose: boolean): string[] {
    const { reached, missed } = reachedBy(this.coverage, this.faults)
    const hours = (this.#virtualMs / 3_600_000).toFixed(1)
    return [
      `${this.#runs} runs, ${this.#trades} trades, ${hours} virtual hours; no promise was broken`,
      `orders ended: ${counts(this.#endings)}`,
      `well-behaved trades: ${this.#good}, of them ${(100 * this.successShare).toFixed(0)} % succeeded`,
      `faults, ${this.faultsPerTrade.toFixed(2)} a trade: ${counts(this.faults)}`,
      `crash points and faults reached: ${reached.join(' ')}; missed: ${missed.join(' ') || 'none'}`,
      ...(verbose
        ? [`the power went at: ${counts(this.coverage.killedAt)}`, `seen: ${counts(this.coverage.seen)}`]
        : []),
    ]
  }
}

/** Everything that one needs to look at a broken promise. */
export function failureOf(plan: Plan, outcome: Outcome, faults: string, trades: number): string[] {
  return [
    '',
    `BROKEN with seed ${plan.seed}: npm run sim -- --seed ${plan.seed} --trades ${trades} --faults ${faults}`,
    ...outcome.violations.slice(0, 10).map(({ invariant, says, what }) => `  ${invariant} (${says}): ${what}`),
    'the story:',
    ...plan.trades.map((trade) => `  at ${trade.atMs} ms trade ${JSON.stringify(trade)}`),
    ...plan.faults.map(
      ({ atMs, kind, forMs, nth, method }) => `  at ${atMs} ms ${kind} (${method}, ${nth}) for ${forMs} ms`,
    ),
    `rows at ${outcome.virtualMs} ms:`,
    ...outcome.evidence.slice(0, EVIDENCE_LINES).map((line) => `  ${line.slice(0, EVIDENCE_CHARS)}`),
  ]
}

function addAll(into: Map<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(from)) into.set(name, (into.get(name) ?? 0) + n)
}

const counts = (from: ReadonlyMap<string, number>): string =>
  [...from]
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')
