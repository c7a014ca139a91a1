/** P3: the same messages on a database of a thousand orders, a hundred thousand, a million. */
import { databaseOf } from '../../src/app/data-dir.ts'
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { closedLoop } from '../harness/exchange.ts'
import { fillWithPast } from '../harness/fill.ts'
import { madeBy } from '../harness/market.ts'
import { newTrader, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { type Noted, type StatementTimes, scansOf, statementTimes } from '../harness/statement-times.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const LIVE = 1000
const SIZES = { full: [1000, 100_000, 1_000_000], quick: [1000, 30_000] } as const
const ACTIONS = { full: 600, quick: 200 } as const
/** The first requests may wait for a long start; by the clocks of their traders they are young even then. */
const AHEAD_S = 300

/** A daemon with a past, and how SQLite fares in it. */
type Grown = { readonly system: System; readonly times: StatementTimes; readonly make: RequestMaker }

async function grow(options: BenchOptions, orders: number): Promise<Grown> {
  const times = statementTimes()
  try {
    const { nodeArgs, env } = times
    const system = await startSystem(options, { nodeArgs, env })
    const { daemon, dataDir } = system
    if (daemon === null) throw new Error('the daemon is ours')
    await daemon.stop()
    const startedMs = performance.now()
    fillWithPast(dataDir, orders, LIVE)
    system.filled()
    options.progress(`${orders} orders written in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
    daemon.start()
    const grown = { system, times, make: new RequestMaker(system.nodePubkey, { aheadS: AHEAD_S }) }
    await act(grown, 20)
    await times.take(daemon)
    return grown
  } catch (error) {
    times.remove()
    throw error
  }
}

/** One after the other: every message has a commit of its own. */
async function act({ system, make }: Grown, actions: number): Promise<void> {
  const offers = Array.from({ length: actions / 2 }, () => {
    const { key, identity } = newTrader()
    return make.newOrder(key, 'sell', identity)
  })
  const { answered } = await closedLoop(system, offers, 1)
  const takes = answered.map((one) => make.takeSell(newTrader(), madeBy(one)))
  await closedLoop(system, takes, 1)
}

async function measure(grown: Grown, actions: number): Promise<Noted> {
  const { daemon } = grown.system
  if (daemon === null) throw new Error('the daemon is ours')
  await act(grown, actions)
  return grown.times.take(daemon)
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const mode = options.quick ? 'quick' : 'full'
  const grown = new Map<string, Grown>()
  try {
    for (const orders of SIZES[mode]) grown.set(sizeName(orders), await grow(options, orders))
    const noted = await inTurn(
      options,
      [...grown.keys()],
      (size) => measure(grownAt(grown, size), ACTIONS[mode]),
      ({ samplesMs }) => `${us(percentile(samplesMs, 0.5))} of SQLite an action`,
    )
    for (const { system } of grown.values()) await system.audit()
    const sizes = [...grown.keys()]
    const [small = '', large = ''] = [sizes[0], sizes.at(-1)]
    const of = (size: string, share: number): number =>
      median((noted[size] ?? []).map(({ samplesMs }) => percentile(samplesMs, share)))
    const scans = (noted[large] ?? []).flatMap(({ statements }) =>
      scansOf(databaseOf(grownAt(grown, large).system.dataDir), statements),
    )
    const statements = Math.max(...(noted[large] ?? []).map((one) => one.statements.length))
    const all = (share: number): string => sizes.map((size) => `${us(of(size, share))} at ${size}`).join(', ')
    return [
      {
        name: `P3 p50 of SQLite an action: ${large} orders / ${small}`,
        value: of(large, 0.5) / of(small, 0.5),
        unit: 'x',
        goal: atMost(1.3),
        detail: `${all(0.5)}; one message a commit, fsync included`,
      },
      {
        name: `P3 p99 of SQLite an action: ${large} orders / ${small}`,
        value: of(large, 0.99) / of(small, 0.99),
        unit: 'x',
        goal: atMost(2),
        detail: all(0.99),
      },
      {
        name: 'P3 scans of growing tables on the hot path',
        value: new Set(scans).size,
        unit: '',
        goal: atMost(0),
        detail: scans.length === 0 ? `in the plans of ${statements} statements` : [...new Set(scans)].join('; '),
      },
    ]
  } finally {
    for (const { system, times } of grown.values()) {
      await system.close()
      times.remove()
    }
  }
}

function grownAt(grown: ReadonlyMap<string, Grown>, size: string): Grown {
  const found = grown.get(size)
  if (found === undefined) throw new Error(`nothing has grown to ${size}`)
  return found
}

const us = (ms: number): string => `${(ms * 1000).toFixed(0)} us`
const sizeName = (orders: number): string => (orders >= 1_000_000 ? `${orders / 1_000_000}M` : `${orders / 1000}k`)

export const growth: Benchmark = {
  name: 'P3',
  summary: 'SQLite an action as the database grows',
  needs: 'our daemon',
  run,
}
