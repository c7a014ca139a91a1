/**
 * Takes come as evenly as people do, and LND is so slow that 200 of them are always in flight: what does the daemon add to
 * LND's latency? (When they come in one moment instead, `lightning-burst` says so.)
 */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { exchange, paced } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { newTrader, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const IN_FLIGHT = 200
/** With 500 ms, 200 in flight are 400 takes a second: about all that two cores can do beside relay, LND and driver. */
const LATENCIES = { 'LND 500 ms': 500, 'LND 1000 ms': 1000, 'LND 2000 ms': 2000 } as const
const NAMES = ['LND 500 ms', 'LND 1000 ms', 'LND 2000 ms'] as const
const ALLOWANCE_MS = 250
const SETUP_LATENCY_MS = 5
const WARM_UP_TAKES = 200

async function round(system: System, make: RequestMaker, latencyMs: number, takes: number): Promise<readonly number[]> {
  system.setLightningLatency(SETUP_LATENCY_MS)
  const orders = await makeOrders(system, make, 'buy', takes)
  const requests = orders.map((order) => make.takeBuy(newTrader(), order))
  system.setLightningLatency(latencyMs)
  const answered = await exchange(system, paced(requests, latencyMs / IN_FLIGHT))
  // Until LND first answers, fewer are in flight.
  return answered.slice(IN_FLIGHT).map((one) => one.latencyMs)
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const takes = IN_FLIGHT * (options.quick ? 2 : 4)
  const system = await startSystem(options)
  try {
    const make = new RequestMaker(system.nodePubkey)
    await round(system, make, SETUP_LATENCY_MS * IN_FLIGHT, WARM_UP_TAKES)
    const samples = await inTurn(
      options,
      NAMES,
      (name) => round(system, make, LATENCIES[name], takes),
      (latencies) => `p99 ${ms(percentile(latencies, 0.99))}, last ${ms(percentile(latencies, 1))}`,
    )
    system.setLightningLatency(SETUP_LATENCY_MS)
    await system.audit()
    return NAMES.map((name): Figure => {
      const of = (share: number) => median(samples[name].map((latencies) => percentile(latencies, share)))
      return {
        name: `${IN_FLIGHT} takes in flight, ${name}: p99 / (LND + ${ALLOWANCE_MS} ms)`,
        value: of(0.99) / (LATENCIES[name] + ALLOWANCE_MS),
        unit: 'x',
        goal: atMost(1),
        detail: `p50 ${ms(of(0.5))}, p99 ${ms(of(0.99))}, the slowest ${ms(of(1))}; ${(IN_FLIGHT * 1000) / LATENCIES[name]} takes a second`,
      }
    })
  } finally {
    await system.close()
  }
}

const ms = (value: number): string => `${Math.round(value)} ms`

export const lightningInFlight: Benchmark = {
  name: 'lightning-in-flight',
  summary: `takes that keep ${IN_FLIGHT} of them in flight at LND`,
  needs: 'wire',
  run,
}
