/** P2c: one message in twenty names a Lightning address whose host takes the connection and never answers. */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { openBlackHoles } from '../harness/black-holes.ts'
import { exchange, latenciesOf, paced } from '../harness/exchange.ts'
import { newKey, type Request, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const EVERY = 20
const GAP_MS = 20
/** The daemon asks one host no more than ten times a minute, and would refuse the rest without being stuck. */
const HOSTS = 20

type Plan = { readonly others: readonly Request[]; readonly all: readonly Request[] }

function planOf(make: RequestMaker, count: number, hosts: readonly string[]): Plan {
  const others: Request[] = []
  const all = Array.from({ length: count }, (_, n) => {
    const host = hosts.length === 0 || n % EVERY !== 0 ? undefined : hosts[(n / EVERY) % hosts.length]
    if (host !== undefined) return make.newOrderToNowhere(newKey(), `nobody@${host}`)
    const other = make.newOrder(newKey(), 'sell')
    others.push(other)
    return other
  })
  return { others, all }
}

async function round(system: System, { others, all }: Plan): Promise<readonly number[]> {
  return latenciesOf(await exchange(system, paced(all, GAP_MS)), others)
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const holes = await openBlackHoles(HOSTS)
  try {
    const config = { lightning: { plain_address_hosts: holes.hosts } }
    const system = await startSystem(options, { config })
    try {
      const make = new RequestMaker(system.nodePubkey)
      const count = options.quick ? 200 : 400
      // The daemon loads its HTTP client with the first address.
      await round(system, planOf(make, 50, holes.hosts))
      const samples = await inTurn(
        options,
        ['none', 'stuck'],
        (state) => round(system, planOf(make, count, state === 'stuck' ? holes.hosts : [])),
        (latencies) => `p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
      )
      await system.audit()
      const p99 = (state: 'none' | 'stuck') => median(samples[state].map((latencies) => percentile(latencies, 0.99)))
      return [
        {
          name: 'P2c p99 beside messages stuck at an address / without them',
          value: p99('stuck') / p99('none'),
          unit: 'x',
          goal: atMost(1.5),
          detail: `p99 ${p99('stuck').toFixed(1)} / ${p99('none').toFixed(1)} ms, ${1000 / GAP_MS} messages a second`,
        },
      ]
    } finally {
      await system.close()
    }
  } finally {
    await holes.close()
  }
}

export const stuckAddress: Benchmark = {
  name: 'P2c',
  summary: 'one message in twenty names an address whose host never answers',
  needs: 'our daemon',
  run,
}
