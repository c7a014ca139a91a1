/** P2b: one of three relays takes what it gets and never says OK. */
import { KIND_ORDER } from '../../src/wire/public-events.ts'
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { exchange, paced } from '../harness/exchange.ts'
import { madeBy } from '../harness/market.ts'
import { hang } from '../harness/relay-faults.ts'
import { newKey, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const RELAYS = 3
const GAP_MS = 20
/** What the hung relay may add. */
const ALLOWANCE_MS = 50
const PUBLISHED_MS = 30_000

async function round(system: System, make: RequestMaker, requests: number): Promise<readonly number[]> {
  const plan = Array.from({ length: requests }, () => make.newOrder(newKey(), 'sell'))
  const answered = await exchange(system, paced(plan, GAP_MS))
  await allPublished(system, new Set(answered.map((one) => madeBy(one).id)))
  return answered.map(({ latencyMs }) => latencyMs)
}

/** The relays that work have the public event of every order. */
async function allPublished({ relays, relay, nodePubkey }: System, ids: ReadonlySet<string>): Promise<void> {
  const missing = (): number => {
    const [first, second] = relays.map(({ core }) => core.events({ kinds: [KIND_ORDER], authors: [nodePubkey] }))
    const counts = [first ?? [], second ?? []].map(
      (events) => events.filter(({ tags }) => ids.has(tags.find(([name]) => name === 'd')?.[1] ?? '')).length,
    )
    return ids.size - Math.min(...counts)
  }
  let left = ids.size
  await relay.until(
    () => {
      left = missing()
      return left === 0
    },
    () => `relays that work have all public events; ${left} are missing`,
    PUBLISHED_MS,
  )
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(options, { relays: RELAYS })
  try {
    const make = new RequestMaker(system.nodePubkey)
    const [, , third] = system.relays
    if (third === undefined) throw new Error('there are three relays')
    const requests = options.quick ? 100 : 400
    await round(system, make, 50)
    const samples = await inTurn(
      options,
      ['healthy', 'hung'],
      async (state) => {
        const heal = state === 'hung' ? hang(third) : () => undefined
        try {
          return await round(system, make, requests)
        } finally {
          heal()
          // What the third relay still has to get is not the business of the next round.
          await system.audit()
        }
      },
      (latencies) => `p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
    )
    const p99 = (state: 'healthy' | 'hung') => median(samples[state].map((latencies) => percentile(latencies, 0.99)))
    const added = p99('hung') - p99('healthy')
    const tied = `p99 ${p99('hung').toFixed(1)} / ${p99('healthy').toFixed(1)} ms; every reply and every public event came`
    return [
      { name: 'P2b what a hung relay adds to p99', value: added, unit: 'ms', goal: atMost(ALLOWANCE_MS), detail: tied },
    ]
  } finally {
    await system.close()
  }
}

export const hungRelay: Benchmark = {
  name: 'P2b',
  summary: 'one of three relays never says OK',
  needs: 'our daemon',
  run,
}
