/** P7: two thousand events a second with bad signatures, as many replays, as many with too little work. */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { closedLoop, exchange, paced } from '../harness/exchange.ts'
import { flood, JUNK, type JunkKind, JunkMaker } from '../harness/junk.ts'
import { cpuMsOf } from '../harness/process-stats.ts'
import { pause } from '../harness/relay-client.ts'
import { newKey, RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { median, percentile } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'

const POW_BITS = 4
const PER_SECOND = 2000
const BYSTANDERS_PER_S = 20
const HANDLED = 100
/** What was sent last is dealt with after so long. */
const SETTLE_MS = 500
/** Of processor time for one rejected event, in microseconds. */
const COSTS_US: Readonly<Record<JunkKind, number>> = { 'bad signatures': 90, replays: 5, 'too little work': 5 }

type Bystanding = 'idle' | 'under junk'

/** Latencies of those who have nothing to do with it, in ms. */
async function bystand(system: System, make: RequestMaker, junk: JunkMaker, state: Bystanding, spanMs: number) {
  const requests = Array.from({ length: (spanMs * BYSTANDERS_PER_S) / 1000 }, () => make.newOrder(newKey(), 'sell'))
  const flooding =
    state === 'idle'
      ? Promise.resolve(0)
      : flood(system, JUNK.length * PER_SECOND, spanMs, (n) => junk.make(JUNK[n % JUNK.length] ?? 'replays', n))
  const [answered] = await Promise.all([exchange(system, paced(requests, 1000 / BYSTANDERS_PER_S)), flooding])
  return answered.map(({ latencyMs }) => latencyMs)
}

/** Microseconds of the daemon's processor time for one frame. */
async function costOf(system: System, pid: number, spanMs: number, make: (n: number) => string): Promise<number> {
  const before = cpuMsOf(pid)
  const frames = await flood(system, PER_SECOND, spanMs, make)
  await pause(SETTLE_MS)
  return ((cpuMsOf(pid) - before) * 1000) / frames
}

async function costs(options: BenchOptions, system: System, pid: number, junk: JunkMaker): Promise<readonly Figure[]> {
  const spanMs = options.quick ? 1000 : 4000
  const makers = {
    reading: (n: number) => junk.makeSilence(n),
    'bad signatures': (n: number) => junk.make('bad signatures', n),
    replays: (n: number) => junk.make('replays', n),
    'too little work': (n: number) => junk.make('too little work', n),
  }
  const samples = await inTurn(
    options,
    ['reading', ...JUNK],
    (name) => costOf(system, pid, spanMs, makers[name]),
    (us) => `${us.toFixed(0)} us a frame`,
  )
  const readingUs = median(samples.reading)
  return JUNK.map((kind) => {
    const wholeUs = median(samples[kind])
    return {
      name: `P7 ${kind}: processor time beyond reading the frame`,
      value: Math.max(wholeUs - readingUs, 0),
      unit: 'us',
      goal: atMost(COSTS_US[kind]),
      detail: `${wholeUs.toFixed(0)} us in all, ${readingUs.toFixed(0)} us to read such a frame`,
    }
  })
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const system = await startSystem(options, { config: { mostro: { pow: POW_BITS } } })
  try {
    const make = new RequestMaker(system.nodePubkey, { pow: POW_BITS })
    const handled = Array.from({ length: HANDLED }, () => make.newOrder(newKey(), 'sell'))
    await closedLoop(system, handled, 16)
    const junk = new JunkMaker(system, POW_BITS, handled)
    const spanMs = options.quick ? 3000 : 10_000
    const samples = await inTurn(
      options,
      ['idle', 'under junk'],
      (state) => bystand(system, make, junk, state, spanMs),
      (latencies) => `bystanders' p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
    )
    const p99 = (state: Bystanding): number => median(samples[state].map((latencies) => percentile(latencies, 0.99)))
    const figure: Figure = {
      name: "P7 bystanders' p99 under junk / idle",
      value: p99('under junk') / p99('idle'),
      unit: 'x',
      goal: atMost(2),
      // Two p99 of some milliseconds: what else runs on the machine shows most.
      quickShare: 0.2,
      detail: `p99 ${p99('under junk').toFixed(1)} / ${p99('idle').toFixed(1)} ms; ${PER_SECOND} a second each of ${JUNK.join(', ')}`,
    }
    const { daemon } = system
    const figures = daemon === null ? [figure] : [figure, ...(await costs(options, system, daemon.pid, junk))]
    await system.audit()
    return figures
  } finally {
    await system.close()
  }
}

export const junkFlood: Benchmark = {
  name: 'P7',
  summary: 'bad signatures, replays and too little work, 2,000 a second each',
  needs: 'wire',
  run,
}
