/** 200 takes at once, each of which needs an invoice of LND: how long until the last taker has his answer? */

import { portableCurves } from '../../src/wire/curves.ts'
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { curves } from '../harness/curves.ts'
import { exchange } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { type CurveCosts, measureCurves } from '../harness/micro.ts'
import { newTrader, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'
import { FAST, PORTABLE } from '../harness/variants.ts'

const IN_FLIGHT = 200
const LATENCIES = { 'LND 5 ms': 5, 'LND 500 ms': 500 } as const
/** What the daemon may add to LND's latency, by the curves it has. */
const FORMS = [
  { form: 'portable curves', variant: PORTABLE, curves: portableCurves, allowanceMs: 2000 },
  { form: 'native curves', variant: FAST, curves, allowanceMs: 250 },
] as const
const SETUP_LATENCY_MS = 5

async function round(system: System, make: RequestMaker, latencyMs: number): Promise<readonly number[]> {
  system.setLightningLatency(SETUP_LATENCY_MS)
  const orders = await makeOrders(system, make, 'buy', IN_FLIGHT)
  const plan = orders.map((order) => ({ request: make.takeBuy(newTrader(), order), atMs: 0 }))
  system.setLightningLatency(latencyMs)
  const answered = await exchange(system, plan)
  return answered.map((a) => a.latencyMs)
}

/** Of a daemon that we do not start nobody knows the curves: it is measured as a native one. */
async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const forms = options.target === null ? FORMS : FORMS.slice(1)
  const figures: Figure[] = []
  for (const form of forms) figures.push(...(await burst(options, form)))
  return figures
}

async function burst(options: BenchOptions, { form, variant, curves, allowanceMs }: (typeof FORMS)[number]) {
  options.progress(form)
  const system = await startSystem(options, options.target === null ? { variant } : {})
  try {
    const make = new RequestMaker(system.nodePubkey)
    const costs = measureCurves(curves)
    const measure = (latency: keyof typeof LATENCIES) => round(system, make, LATENCIES[latency])
    const samples = await inTurn(
      options,
      ['LND 5 ms', 'LND 500 ms'],
      measure,
      (latencies) => `last answer after ${ms(percentile(latencies, 1))}`,
    )
    await system.audit()
    return (['LND 5 ms', 'LND 500 ms'] as const).map((name): Figure => {
      const last = median(samples[name].map((latencies) => percentile(latencies, 1)))
      const p50 = median(samples[name].map((latencies) => percentile(latencies, 0.5)))
      return {
        name: `${IN_FLIGHT} takes at once, ${form}, ${name}: last answer / (LND + ${allowanceMs} ms)`,
        value: last / (LATENCIES[name] + allowanceMs),
        unit: 'x',
        goal: atMost(1),
        quickShare: 0.25,
        detail: `p50 ${ms(p50)}, last ${ms(last)}; ${arithmetic(costs)}`,
      }
    })
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
  needs: 'wire',
  run,
}
