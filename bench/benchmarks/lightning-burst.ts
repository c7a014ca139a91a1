/** 200 takes at once, each of which needs an invoice of LND: how long until the last taker has his answer? */
import type { Benchmark, BenchOptions, Figure } from '../benchmark.ts'
import { exchange } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { type CurveCosts, measureCurves } from '../harness/micro.ts'
import { newTaker, RequestMaker } from '../harness/requests.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const IN_FLIGHT = 200
const LATENCIES_MS = [5, 500] as const
/** What the daemon may add to LND's latency with the portable curves. */
const ALLOWANCE_MS = 2000
const SETUP_LATENCY_MS = 5

async function round(system: System, make: RequestMaker, latencyMs: number): Promise<readonly number[]> {
  system.setLightningLatency(SETUP_LATENCY_MS)
  const orders = await makeOrders(system, make, 'buy', IN_FLIGHT)
  const plan = orders.map(({ id }) => ({ request: make.takeBuy(newTaker(), id), atMs: 0 }))
  system.setLightningLatency(latencyMs)
  const answered = await exchange(system, plan)
  return answered.map((a) => a.latencyMs)
}

async function run({ rounds, profileDir, progress }: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(profileDir)
  try {
    const make = new RequestMaker(system.nodePubkey)
    const costs = measureCurves()
    progress(arithmetic(costs))
    const seenAt = new Map<number, { p50: number[]; last: number[] }>()
    for (let n = 1; n <= rounds; n++) {
      for (const latencyMs of LATENCIES_MS) {
        const samples = await round(system, make, latencyMs)
        const seen = seenAt.get(latencyMs) ?? { p50: [], last: [] }
        seenAt.set(latencyMs, seen)
        seen.p50.push(percentile(samples, 0.5))
        seen.last.push(percentile(samples, 1))
        progress(`round ${n}/${rounds}, LND ${latencyMs} ms: last answer after ${ms(percentile(samples, 1))}`)
      }
    }
    return [...seenAt].map(([latencyMs, { p50, last }]) => ({
      name: `${IN_FLIGHT} takes at once, LND ${latencyMs} ms: last answer / (LND + ${ALLOWANCE_MS} ms)`,
      ratio: median(last) / (latencyMs + ALLOWANCE_MS),
      target: 1,
      detail: `p50 ${ms(median(p50))}, last ${ms(median(last))}; ${arithmetic(costs)}`,
    }))
  } finally {
    await system.close()
  }
}

/** Three signatures and a shared secret in, one signature out: the least that a take of a stranger costs one core. */
function arithmetic({ verify, sign, ecdh }: CurveCosts): string {
  const one = 3 * verify + ecdh + sign
  const parts = `3 x ${verify.toFixed(2)} + ${ecdh.toFixed(2)} + ${sign.toFixed(2)}`
  return `curves alone, one core: ${IN_FLIGHT} x (${parts}) ms = ${ms(IN_FLIGHT * one)}`
}

const ms = (value: number): string => `${Math.round(value)} ms`

export const lightningBurst: Benchmark = {
  name: 'lightning-burst',
  summary: `${IN_FLIGHT} takes at once, all of which need LND`,
  run,
}
