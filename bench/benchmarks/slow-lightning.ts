/**
 * 100 trades are in flight, takes and cancellations keep LND busy: do messages that need no LND notice whether LND takes
 * 5 ms or 500 ms for every call? Both variants get the same load on the same schedule, below what the daemon can do, so
 * that waiting for LND could not hide behind waiting for the processor.
 */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { exchange, latenciesOf, type Planned, paced } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { type Made, newKey, newTrader, type Request, RequestMaker, type Trader } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const IN_FLIGHT = 100
const FAST_MS = 5
const SLOW_MS = 500
const TARGET = 1.5
/** How many trades end, and as many begin, in one round. */
const TURNOVER = { full: 40, quick: 16 } as const
const TURNOVER_GAP_MS = 250
/** Messages that need no LND, for each trade that ends: questions and new orders in turn. */
const PROBES = 4
const SETUP_GAP_MS = 50

type Trade = { readonly order: Made; readonly taker: Trader }

/** The orders and trades of a node between the rounds. */
class Floor {
  readonly #system: System
  readonly #make: RequestMaker
  readonly #bystanders: readonly Made[]
  readonly #free: Made[]
  readonly #trades: Trade[] = []

  readonly #turnover: number

  private constructor(
    system: System,
    turnover: number,
    make: RequestMaker,
    free: readonly Made[],
    bystanders: readonly Made[],
  ) {
    this.#system = system
    this.#turnover = turnover
    this.#make = make
    this.#free = [...free]
    this.#bystanders = bystanders
  }

  /** Opens with so many trades in flight and some orders that nobody takes. */
  static async open(system: System, turnover: number): Promise<Floor> {
    const make = new RequestMaker(system.nodePubkey)
    system.setLightningLatency(FAST_MS)
    const orders = await makeOrders(system, make, 'buy', IN_FLIGHT + turnover)
    // Each asks once a round: nobody gets many answers a minute.
    const bystanders = await makeOrders(system, make, 'buy', (turnover * PROBES) / 2)
    const floor = new Floor(system, turnover, make, orders, bystanders)
    await exchange(system, paced(floor.#takes(IN_FLIGHT), SETUP_GAP_MS))
    return floor
  }

  /** How long the answers took to messages that need no LND, in ms. */
  async round(latencyMs: number): Promise<readonly number[]> {
    const ending = this.#trades.splice(0, this.#turnover)
    const cancels = ending.map(({ taker, order }) => this.#make.cancel(taker, order.id))
    const takes = this.#takes(this.#turnover)
    const probes = Array.from({ length: this.#turnover * PROBES }, (_, n) => this.#probe(n))
    const plan = [
      ...paced(cancels, TURNOVER_GAP_MS),
      ...later(paced(takes, TURNOVER_GAP_MS), TURNOVER_GAP_MS / 2),
      ...paced(probes, TURNOVER_GAP_MS / PROBES),
    ]
    this.#system.setLightningLatency(latencyMs)
    const answered = await exchange(this.#system, plan)
    this.#free.push(...ending.map(({ order }) => order))
    return latenciesOf(answered, probes)
  }

  #takes(count: number): readonly Request[] {
    const trades = this.#free.splice(0, count).map((order) => ({ order, taker: newTrader() }))
    this.#trades.push(...trades)
    return trades.map(({ order, taker }) => this.#make.takeBuy(taker, order))
  }

  #probe(n: number): Request {
    const asker = this.#bystanders[Math.floor(n / 2) % this.#bystanders.length]
    return n % 2 === 0 || asker === undefined
      ? this.#make.newOrder(newKey(), 'sell')
      : this.#make.orders(asker.maker, asker.id)
  }
}

const later = (plan: readonly Planned[], byMs: number): readonly Planned[] =>
  plan.map(({ request, atMs }) => ({ request, atMs: atMs + byMs }))

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(options)
  try {
    const floor = await Floor.open(system, TURNOVER[options.quick ? 'quick' : 'full'])
    const measure = (name: 'fast' | 'slow') => floor.round(name === 'fast' ? FAST_MS : SLOW_MS)
    const samples = await inTurn(
      options,
      ['fast', 'slow'],
      measure,
      (latencies) => `p99 ${percentile(latencies, 0.99).toFixed(0)} ms`,
    )
    await system.audit()
    const of = (name: 'fast' | 'slow', share: number): number =>
      median(samples[name].map((latencies) => percentile(latencies, share)))
    const [fast, slow] = [of('fast', 0.99), of('slow', 0.99)]
    return [
      {
        name: `p99 of what needs no LND, ${IN_FLIGHT} trades in flight: LND ${SLOW_MS} ms / ${FAST_MS} ms`,
        value: slow / fast,
        unit: 'x',
        goal: atMost(TARGET),
        detail: `p99 ${slow.toFixed(0)} / ${fast.toFixed(0)} ms, p50 ${of('slow', 0.5).toFixed(0)} / ${of('fast', 0.5).toFixed(0)} ms`,
      },
    ]
  } finally {
    await system.close()
  }
}

export const slowLightning: Benchmark = {
  name: 'slow-lightning',
  summary: 'bystanders while every LND call takes 500 ms',
  needs: 'wire',
  run,
}
