/**
 * P4: from exec to the first action answered, with a book of 100,000 orders and 50,000 trades whose escrow is held. The
 * action is about an order whose escrow was paid while the daemon was away: it can be answered only after the daemon has
 * compared this order's hold with LND's, and waits for it at the relay. A take waits there too: its invoice is asked of
 * LND only after all holds were compared, and memory is read then.
 */
import { atMost, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { closedLoop } from '../harness/exchange.ts'
import { fillWithTrades } from '../harness/fill.ts'
import { holdInvoices } from '../harness/held-invoices.ts'
import { memoryMbOf } from '../harness/process-stats.ts'
import { newKey, newTrader, RequestMaker } from '../harness/requests.ts'
import { median } from '../harness/statistics.ts'
import { startSystem } from '../harness/system.ts'

const FULL = { open: 100_000, held: 50_000 }
const QUICK = { open: 5000, held: 2000 }
const DEADLINE_MS = 120_000

type Start = {
  readonly answeredMs: number
  readonly invoiceMs: number
  readonly residentMb: number
  readonly peakMb: number
}

async function measure(options: BenchOptions): Promise<Start> {
  const { open, held } = options.quick ? QUICK : FULL
  const system = await startSystem(options)
  try {
    const { daemon, dataDir, network } = system
    if (daemon === null) throw new Error('the daemon is ours')
    await daemon.stop()
    const buyer = newKey()
    const maker = newKey()
    const book = { open, held, buyer, maker, height: network.height() }
    const { holds, paidMeanwhile, offer } = fillWithTrades(dataDir, book)
    holdInvoices(network, holds)
    system.filled()
    const make = new RequestMaker(system.nodePubkey)
    const requests = [make.fiatSent(buyer, paidMeanwhile), make.takeBuy(newTrader(), { id: offer, maker })]
    const answers = closedLoop(system, requests, requests.length, DEADLINE_MS)
    // A rejection is met where it is awaited.
    answers.catch(() => undefined)
    await system.relay.flushed()
    const startedMs = daemon.start()
    const { answered } = await answers
    const { resident, peak } = memoryMbOf(daemon.pid)
    const [answeredMs = Number.POSITIVE_INFINITY, invoiceMs = Number.POSITIVE_INFINITY] = requests.map(
      (request) =>
        (answered.find((answer) => answer.request === request)?.atMs ?? Number.POSITIVE_INFINITY) - startedMs,
    )
    await system.audit()
    return { answeredMs, invoiceMs, residentMb: resident, peakMb: peak }
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
      `round ${n}/${options.rounds}: ${start.answeredMs.toFixed(0)} ms, all compared and an invoice made after ${start.invoiceMs.toFixed(0)} ms, ${start.residentMb.toFixed(0)} MB`,
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
      detail: `${about}; all of them compared, and a new invoice made, after ${(of('invoiceMs') / 1000).toFixed(2)} s`,
    },
    {
      name: 'P4 memory when all are compared',
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
