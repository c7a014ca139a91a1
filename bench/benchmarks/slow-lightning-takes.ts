/** P2: takes at once, each of which needs an invoice of an LND that takes its time; relays say OK after 50 ms. */
import { atLeast, atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { exchange, latenciesOf } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { newTrader, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const OK_MS = 50
const SETUP_MS = 5
const LATENCIES_MS = [300, 2000] as const
const CROWDS = [10, 50, 200] as const
const BIG_CROWD = 200
/** What the daemon may add to LND's latency. */
const ALLOWANCE_MS = 250

type Case = { readonly lndMs: number; readonly crowd: number }

/** Latencies of all answers, in ms; all of them came, or this throws `Void`. */
async function burst(system: System, make: RequestMaker, { lndMs, crowd }: Case): Promise<readonly number[]> {
  system.setLightningLatency(SETUP_MS)
  system.setOkLatency(0)
  const orders = await makeOrders(system, make, 'buy', crowd)
  const requests = orders.map((order) => make.takeBuy(newTrader(), order))
  system.setLightningLatency(lndMs)
  system.setOkLatency(OK_MS)
  const answered = await exchange(
    system,
    requests.map((request) => ({ request, atMs: 0 })),
  )
  return latenciesOf(answered, requests)
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const cases = (options.quick ? [300] : LATENCIES_MS).flatMap((lndMs) => CROWDS.map((crowd) => ({ lndMs, crowd })))
  const system = await startSystem(options)
  try {
    const make = new RequestMaker(system.nodePubkey)
    await burst(system, make, { lndMs: SETUP_MS, crowd: BIG_CROWD })
    const byName = new Map(cases.map((one) => [`${one.crowd} takes, LND ${one.lndMs} ms`, one]))
    const samples = await inTurn(
      options,
      [...byName.keys()],
      (name) => burst(system, make, byName.get(name) ?? { lndMs: 0, crowd: 0 }),
      (latencies) => `p99 ${percentile(latencies, 0.99).toFixed(0)} ms`,
    )
    system.setLightningLatency(SETUP_MS)
    await system.audit()
    const answers = Object.values(samples)
      .flat()
      .reduce((sum, latencies) => sum + latencies.length, 0)
    const asked = options.rounds * cases.reduce((sum, { crowd }) => sum + crowd, 0)
    return [
      ...[...byName].map(([name, one]) => figureOf(name, one, samples[name] ?? [])),
      {
        name: 'P2 takes that were answered',
        value: (100 * answers) / asked,
        unit: '%',
        goal: atLeast(100),
        detail: `${answers} of ${asked}, each exactly once, with an invoice`,
      },
    ]
  } finally {
    await system.close()
  }
}

function figureOf(name: string, { lndMs, crowd }: Case, rounds: readonly (readonly number[])[]): Figure {
  const p99 = median(rounds.map((latencies) => percentile(latencies, 0.99)))
  const p50 = median(rounds.map((latencies) => percentile(latencies, 0.5)))
  return {
    name: `P2 p99 of ${name}`,
    value: p99,
    unit: 'ms',
    goal: crowd === BIG_CROWD ? atMost(lndMs + ALLOWANCE_MS) : null,
    quickShare: 0.25,
    detail: `p50 ${p50.toFixed(0)} ms; one after the other would be ${((crowd * lndMs) / 1000).toFixed(0)} s`,
  }
}

export const slowLightningTakes: Benchmark = {
  name: 'P2',
  summary: 'takes at once while LND takes 300 ms or 2 s',
  needs: 'wire',
  run,
}
