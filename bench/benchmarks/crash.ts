/** P9: the daemon is killed at random moments while it is as busy as it can be, and started again. */
import { randomInt } from 'node:crypto'
import BetterSqlite3 from 'better-sqlite3'
import { databaseOf } from '../../src/app/data-dir.ts'
import { atMost, type Benchmark, type BenchOptions, type Figure, Void } from '../benchmark.ts'
import { needNativeCurves } from '../harness/curves.ts'
import type { DaemonProcess } from '../harness/daemon.ts'
import { closedLoop } from '../harness/exchange.ts'
import { madeBy } from '../harness/market.ts'
import { pause } from '../harness/relay-client.ts'
import { newTrader, type Request, RequestMaker } from '../harness/requests.ts'
import { median } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'
import { FAST } from '../harness/variants.ts'

/** A daemon that has just answered lives on for so long; the first dies early, since a small load is over in a second. */
const LIFE_MS = { least: 50, first: 300, most: 1500 } as const
const DEADLINE_MS = 30_000
/**
 * Requests are signed before the clock runs, but one that a daemon finds 15 s old when it comes back it drops: its client
 * has given it up. By the clocks of these traders they are young.
 */
const AHEAD_S = 480
const SPREAD_S = 60
const LOAD_MS = 120_000

/** Kills and starts until told to stop. Returns, for every start, ms from exec to the first answer. */
async function torment(system: System, daemon: DaemonProcess, isOver: () => boolean): Promise<readonly number[]> {
  const { relay } = system
  const firstAnswersMs: number[] = []
  while (!isOver()) {
    await pause(randomInt(LIFE_MS.least, firstAnswersMs.length === 0 ? LIFE_MS.first : LIFE_MS.most))
    if (isOver()) break
    await daemon.kill()
    const before = relay.heardCount
    const startedMs = daemon.start()
    await relay.until(
      () => relay.heardCount > before || isOver(),
      () => 'a daemon that was killed answers again',
      DEADLINE_MS,
    )
    if (relay.heardCount > before) firstAnswersMs.push(relay.firstHeardAfter(before) - startedMs)
  }
  return firstAnswersMs
}

/** All requests, with a daemon that dies again and again. Throws `Void` when anything is lost, doubled or wrong. */
async function tormented(system: System, daemon: DaemonProcess, requests: readonly Request[], window: number) {
  let isOver = false
  const dying = torment(system, daemon, () => isOver)
  // Whoever waits for it comes later.
  dying.catch(() => undefined)
  try {
    return { ...(await closedLoop(system, requests, window, LOAD_MS)), dying }
  } finally {
    isOver = true
  }
}

/** What the database says was done: as many orders and takes as there were requests, and each once. */
function effectsOf(dataDir: string): { readonly orders: number; readonly taken: number } {
  const db = new BetterSqlite3(databaseOf(dataDir), { readonly: true, timeout: 5000 })
  try {
    const row = db
      .prepare<[], { orders: number; taken: number }>(
        'SELECT COUNT(*) AS orders, COUNT(taker_pubkey) AS taken FROM orders',
      )
      .get()
    if (row === undefined) throw new Error('a count is always a row')
    return row
  } finally {
    db.close()
  }
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  needNativeCurves()
  const system = await startSystem(options, { variant: FAST })
  const { daemon } = system
  try {
    if (daemon === null) throw new Error('the daemon is ours')
    const make = new RequestMaker(system.nodePubkey, { aheadS: AHEAD_S, spreadS: SPREAD_S })
    const [half, window] = options.quick ? [800, 64] : [5000, 256]
    const offers = Array.from({ length: half }, () => {
      const { key, identity } = newTrader()
      return make.newOrder(key, 'sell', identity)
    })
    const made = await tormented(system, daemon, offers, window)
    const afterMakes = await made.dying
    const takes = made.answered.map((one) => make.takeSell(newTrader(), madeBy(one)))
    const taken = await tormented(system, daemon, takes, window)
    const firstAnswersMs = [...afterMakes, ...(await taken.dying)]
    await system.audit()
    const effects = effectsOf(system.dataDir)
    const wrong = Math.abs(effects.orders - half) + Math.abs(effects.taken - half)
    if (firstAnswersMs.length === 0) throw new Void('the load was over before the daemon was killed once')
    const kills = `${firstAnswersMs.length} times killed under ${2 * half} actions, ${window} in flight`
    options.progress(kills)
    return [
      {
        name: 'P9 effects lost or doubled',
        value: wrong,
        unit: '',
        goal: atMost(0),
        detail: `${kills}; each answered with one set of replies`,
      },
      {
        name: 'P9 from exec to the first answer after a crash',
        value: median(firstAnswersMs) / 1000,
        unit: 's',
        goal: atMost(1),
        detail: `median; the longest took ${(Math.max(...firstAnswersMs) / 1000).toFixed(2)} s`,
      },
    ]
  } finally {
    await system.close()
  }
}

export const crash: Benchmark = {
  name: 'P9',
  summary: 'killed at random under full load',
  needs: 'our daemon',
  run,
}
