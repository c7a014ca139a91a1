/**
 * P4: from exec to the first action answered, with a book of 100,000 orders and 50,000 trades whose escrow is held. The
 * action is about an order whose escrow was paid while the daemon was away: it can be answered only after the daemon has
 * compared its holds with LND's, and waits for it at the relay.
 */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { closedLoop } from '../harness/exchange.ts'
import { fillWithTrades } from '../harness/fill.ts'
import { holdInvoices } from '../harness/held-invoices.ts'
import { memoryMbOf } from '../harness/process-stats.ts'
import { newKey, RequestMaker } from '../harness/requests.ts'
import { median } from '../harness/statistics.ts'
import { startSystem } from '../harness/system.ts'

const FULL = { open: 100_000, held: 50_000 }
const QUICK = { open: 5000, held: 2000 }
const DEADLINE_MS = 120_000

type Start = { readonly answeredMs: number; readonly residentMb: number; readonly peakMb: number }

async function measure(options: BenchOptions): Promise<Start> {
  const { open, held } = options.quick ? QUICK : FULL
  const system = await startSystem(options)
  try {
    const { daemon, dataDir, network } = system
    if (daemon === null) throw new Error('the daemon is ours')
    await daemon.stop()
    const buyer = newKey()
    const { holds, paidMeanwhile } = fillWithTrades(dataDir, { open, held, buyer, height: network.height() })
    holdInvoices(network, holds)
    system.filled()
    const make = new RequestMaker(system.nodePubkey)
    const request = make.fiatSent(buyer, paidMeanwhile)
    const answer = closedLoop(system, [request], 1, DEADLINE_MS)
    // A rejection is met where it is awaited.
    answer.catch(() => undefined)
    await system.relay.flushed()
    const startedMs = daemon.start()
    const { answered } = await answer
    const { resident, peak } = memoryMbOf(daemon.pid)
    const answeredAtMs = answered[0]?.atMs ?? Number.POSITIVE_INFINITY
    await system.audit()
    return { answeredMs: answeredAtMs - startedMs, residentMb: resident, peakMb: peak }
  } finally {
    await system.close()
  }
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { open, held } = options.quick ? QUICK : FULL
  const starts: Start[] = []
  for (let n = 1; n <= options.rounds; n++) {
    const start = await measure(options)
    options.progress(
      `round ${n}/${options.rounds}: ${start.answeredMs.toFixed(0)} ms, ${start.residentMb.toFixed(0)} MB`,
    )
    starts.push(start)
  }
  const of = (name: keyof Start): number => median(starts.map((start) => start[name]))
  const about = `${open} open orders, ${held} held invoices`
  return [
    {
      name: 'P4 from exec to the first answer about a reconciled order',
      value: of('answeredMs') / 1000,
      unit: 's',
      goal: atMost(1.5),
      detail: about,
    },
    {
      name: 'P4 memory then',
      value: of('residentMb'),
      unit: 'MB',
      goal: atMost(200),
      detail: `${about}; ${of('peakMb').toFixed(0)} MB at most on the way`,
    },
  ]
}

export const startup: Benchmark = {
  name: 'P4',
  summary: 'start with a full book and many held invoices',
  needs: 'our daemon',
  run,
}
