/**
 * 100 trades are in flight, takes and cancellations keep LND busy: do messages that need no LND notice whether LND takes
 * 5 ms or 500 ms for every call? Both variants get the same load on the same schedule, below what the daemon can do, so
 * that waiting for LND could not hide behind waiting for the processor.
 */
import type { Benchmark, BenchOptions, Figure } from '../benchmark.ts'
import { type Answered, exchange, type Planned, paced } from '../harness/exchange.ts'
import { type Made, makeOrders } from '../harness/market.ts'
import { newKey, newTaker, type Request, RequestMaker, type Taker } from '../harness/requests.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const IN_FLIGHT = 100
const FAST_MS = 5
const SLOW_MS = 500
const TARGET = 1.5
/** How many trades end, and as many begin, in one round. */
const TURNOVER = 40
const TURNOVER_GAP_MS = 250
/** Messages that need no LND in one round: questions and new orders in turn. */
const PROBES = 160
/** Each asks once a round: nobody gets many answers a minute. */
const BYSTANDERS = PROBES / 2
const SPAN_MS = TURNOVER * TURNOVER_GAP_MS
const SETUP_GAP_MS = 50

type Trade = { readonly order: Made; readonly taker: Taker }

/** The orders and trades of a node between the rounds. */
class Floor {
  readonly #system: System
  readonly #make: RequestMaker
  readonly #bystanders: readonly Made[]
  readonly #free: Made[]
  readonly #trades: Trade[] = []

  private constructor(system: System, make: RequestMaker, free: readonly Made[], bystanders: readonly Made[]) {
    this.#system = system
    this.#make = make
    this.#free = [...free]
    this.#bystanders = bystanders
  }

  /** Opens with so many trades in flight and some orders that nobody takes. */
  static async open(system: System): Promise<Floor> {
    const make = new RequestMaker(system.nodePubkey)
    system.setLightningLatency(FAST_MS)
    const orders = await makeOrders(system, make, 'buy', IN_FLIGHT + TURNOVER)
    const bystanders = await makeOrders(system, make, 'buy', BYSTANDERS)
    const floor = new Floor(system, make, orders, bystanders)
    await exchange(system, paced(floor.#takes(IN_FLIGHT), SETUP_GAP_MS))
    return floor
  }

  /** How long the answers took to messages that need no LND, in ms. */
  async round(latencyMs: number): Promise<readonly number[]> {
    const ending = this.#trades.splice(0, TURNOVER)
    const cancels = ending.map(({ taker, order }) => this.#make.cancel(taker, order.id))
    const takes = this.#takes(TURNOVER)
    const probes = Array.from({ length: PROBES }, (_, n) => this.#probe(n))
    const plan = [
      ...paced(cancels, TURNOVER_GAP_MS),
      ...later(paced(takes, TURNOVER_GAP_MS), TURNOVER_GAP_MS / 2),
      ...paced(probes, SPAN_MS / PROBES),
    ]
    this.#system.setLightningLatency(latencyMs)
    const answered = await exchange(this.#system, plan)
    this.#free.push(...ending.map(({ order }) => order))
    return latenciesOf(answered, probes)
  }

  #takes(count: number): readonly Request[] {
    const trades = this.#free.splice(0, count).map((order) => ({ order, taker: newTaker() }))
    this.#trades.push(...trades)
    return trades.map(({ order, taker }) => this.#make.takeBuy(taker, order.id))
  }

  #probe(n: number): Request {
    const asker = this.#bystanders[Math.floor(n / 2) % BYSTANDERS]
    return n % 2 === 0 || asker === undefined
      ? this.#make.newOrder(newKey(), 'sell')
      : this.#make.orders(asker.maker, asker.id)
  }
}

const later = (plan: readonly Planned[], byMs: number): readonly Planned[] =>
  plan.map(({ request, atMs }) => ({ request, atMs: atMs + byMs }))

function latenciesOf(answered: readonly Answered[], requests: readonly Request[]): readonly number[] {
  const wanted = new Set(requests)
  return answered.filter(({ request }) => wanted.has(request)).map(({ latencyMs }) => latencyMs)
}

async function run({ rounds, profileDir, progress }: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(profileDir)
  try {
    const floor = await Floor.open(system)
    const p99 = { fast: [] as number[], slow: [] as number[] }
    const p50 = { fast: [] as number[], slow: [] as number[] }
    for (let n = 1; n <= rounds; n++) {
      for (const variant of n % 2 === 1 ? (['fast', 'slow'] as const) : (['slow', 'fast'] as const)) {
        const latencyMs = variant === 'fast' ? FAST_MS : SLOW_MS
        const samples = await floor.round(latencyMs)
        p99[variant].push(percentile(samples, 0.99))
        p50[variant].push(percentile(samples, 0.5))
        progress(`round ${n}/${rounds}, LND ${latencyMs} ms: p99 ${percentile(samples, 0.99).toFixed(0)} ms`)
      }
    }
    const fast = median(p99.fast)
    const slow = median(p99.slow)
    return [
      {
        name: `p99 of messages that need no LND, ${IN_FLIGHT} trades in flight: LND ${SLOW_MS} ms / LND ${FAST_MS} ms`,
        ratio: slow / fast,
        target: TARGET,
        detail: `p99 ${slow.toFixed(0)} / ${fast.toFixed(0)} ms, p50 ${median(p50.slow).toFixed(0)} / ${median(p50.fast).toFixed(0)} ms`,
      },
    ]
  } finally {
    await system.close()
  }
}

export const slowLightning: Benchmark = {
  name: 'slow-lightning',
  summary: 'bystanders while every LND call takes 500 ms',
  run,
}
