/** P6: a thousand traders want the same order, while others go about their business. */
import { atMost, type Benchmark, type BenchOptions, type Figure, Void } from '../benchmark.ts'
import { exchange, latenciesOf, paced } from '../harness/exchange.ts'
import { makeOrders } from '../harness/market.ts'
import { newKey, newTrader, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const TAKES = 1000
const SPAN_MS = 10_000
const BYSTANDERS_PER_S = 20
/** What an operator sets who wants every loser to be told at once. */
const CONFIG = { limits: { answers_per_second: 10_000 } }

type Round = { readonly bystanders: readonly number[]; readonly winners: number; readonly refused: number }

async function round(system: System, make: RequestMaker, takes: number, spanMs: number): Promise<Round> {
  const [order] = await makeOrders(system, make, 'sell', 1)
  if (order === undefined) throw new Error('an order was made')
  const bystanders = Array.from({ length: (spanMs / 1000) * BYSTANDERS_PER_S }, () => make.newOrder(newKey(), 'sell'))
  const race = Array.from({ length: takes }, () => make.raceForSell(newTrader(), order))
  const answered = await exchange(system, [
    ...paced(race, spanMs / Math.max(takes, 1)),
    ...paced(bystanders, 1000 / BYSTANDERS_PER_S),
  ])
  const racers = new Set(race)
  const answers = answered.filter(({ request }) => racers.has(request)).map(({ message }) => message.action)
  const winners = answers.filter((action) => action === 'add-invoice').length
  if (takes > 0 && winners !== 1) throw new Void(`${winners} of ${takes} takers got the same order`)
  return { bystanders: latenciesOf(answered, bystanders), winners, refused: answers.length - winners }
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(options, { config: CONFIG })
  try {
    const make = new RequestMaker(system.nodePubkey)
    const [takes, spanMs] = options.quick ? [300, 3000] : [TAKES, SPAN_MS]
    await round(system, make, 50, 1000)
    const samples = await inTurn(
      options,
      ['idle', 'hot'],
      (state) => round(system, make, state === 'hot' ? takes : 0, spanMs),
      ({ bystanders, winners, refused }) =>
        `bystanders' p99 ${percentile(bystanders, 0.99).toFixed(1)} ms; ${winners} winners, ${refused} refused`,
    )
    await system.audit()
    const p99 = (state: 'idle' | 'hot') => median(samples[state].map((one) => percentile(one.bystanders, 0.99)))
    return [
      {
        name: `P6 bystanders' p99 while ${takes} take one order / idle`,
        value: p99('hot') / p99('idle'),
        unit: 'x',
        goal: atMost(2),
        detail: `p99 ${p99('hot').toFixed(1)} / ${p99('idle').toFixed(1)} ms; in ${spanMs / 1000} s one winner and ${takes - 1} refused, all told`,
      },
    ]
  } finally {
    await system.close()
  }
}

export const hotOrder: Benchmark = {
  name: 'P6',
  summary: 'a thousand takes of one order, and others beside them',
  needs: 'wire',
  run,
}
