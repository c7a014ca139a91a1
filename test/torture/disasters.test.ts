/**
 * What goes wrong around a daemon beside its own death, to a process of its own over real sockets: each ends with a clear
 * error or a full recovery, and nothing is lost.
 */
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configFileOf } from '../../src/app/config/load.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { EXIT } from '../../src/app/refusal.ts'
import { AcceptanceWorld } from '../support/acceptance.ts'
import { activeSell, completes, fiatSentSell, type Side, say, type Trade } from '../support/acceptance-trades.ts'
import { DaemonChild, type DaemonChildOptions } from '../support/daemon-child.ts'
import { eventually } from '../support/wait.ts'

const SLOW_PAYOUT_MS = 1500
const LONG_MS = 120_000
const FILE_LIMIT_BYTES = 2 * 1024 * 1024

const preload = (name: string): { readonly preload: URL } => ({
  preload: new URL(`preload/${name}.ts`, import.meta.url),
})

const clockBack = (query: string): { readonly preload: URL } => ({
  preload: new URL(`preload/clock-back.ts?${query}`, import.meta.url),
})

let world: AcceptanceWorld
let daemons: DaemonChild[]
beforeEach(async () => {
  world = await AcceptanceWorld.start()
  daemons = []
})
afterEach(async () => {
  await Promise.all(daemons.map((daemon) => daemon.kill()))
  await world.close()
})

/** A daemon process; `up` waits for it. */
function start(options: Partial<DaemonChildOptions> = {}): DaemonChild {
  const daemon = new DaemonChild({ dataDir: world.world.nodeDir, env: world.env, ...options })
  daemons.push(daemon)
  return daemon
}

async function up(options: Partial<DaemonChildOptions> = {}): Promise<DaemonChild> {
  const daemon = start(options)
  await daemon.up()
  return daemon
}

async function sides(key = 1): Promise<readonly [Side, Side]> {
  return [
    { trader: await world.trader(), key, wallet: world.wallet('alice') },
    { trader: await world.trader(), key, wallet: world.wallet('bob') },
  ]
}

const logged = (daemon: DaemonChild, words: string): Promise<void> =>
  eventually(() => daemon.output.includes(words), `the log to say ${words}`, 20_000)

/** Lets the log of the database grow beyond what the system allows a daemon; gives what makes it small again. */
function growLog(): () => void {
  const file = databaseOf(world.world.nodeDir)
  const reader = new BetterSqlite3(file, { readonly: true })
  const writer = new BetterSqlite3(file)
  // A log that somebody reads can not begin anew.
  reader.exec('BEGIN; SELECT * FROM meta')
  writer.pragma('synchronous = OFF')
  const put = writer.prepare<[number]>("INSERT OR REPLACE INTO meta(key, value) VALUES ('ballast', ?)")
  for (let n = 0; statSync(`${file}-wal`).size <= FILE_LIMIT_BYTES; n += 1) put.run(n)
  return () => {
    reader.close()
    writer.pragma('wal_checkpoint(TRUNCATE)')
    writer.close()
  }
}

/** The buyer says that he has paid, the seller releases, and the sats arrive: once. */
async function goesOn(trade: Trade): Promise<void> {
  const { id, seller, buyer } = trade
  await buyer.trader.answer(await say(buyer, 'fiat-sent', id), 'fiat-sent-ok')
  await seller.trader.expect('fiat-sent-ok', { id })
  await completes(trade)
  expectPaidOnce()
}

function expectPaidOnce(): void {
  expect(world.wallet('bob').received()).toHaveLength(1)
  expect(world.network.node.payments().filter(({ state }) => state === 'succeeded')).toHaveLength(1)
  expect(world.rows("SELECT 1 FROM ledger WHERE cause LIKE 'paid:%'")).not.toEqual([])
  world.network.checkConservation()
}

describe('a disk that takes nothing more', () => {
  test.each([
    ['is full', 'full-disk', 'SQLITE_FULL|full'],
    ['has become read-only', 'read-only-disk', 'readonly'],
  ])(
    'when it %s, the trade waits, and goes on when it is repaired',
    async (_, spoiling, why) => {
      const daemon = await up(preload(spoiling))
      const trade = await fiatSentSell(...(await sides()))
      daemon.signal('SIGUSR2')
      const released = await say(trade.seller, 'release', trade.id)
      await logged(daemon, 'commit failed')
      expect(daemon.output).toMatch(new RegExp(why))

      daemon.signal('SIGUSR2')
      await trade.seller.trader.answer(released, 'hold-invoice-payment-settled')
      await trade.buyer.trader.expect('purchase-completed', { id: trade.id })
      expectPaidOnce()
      expect(daemon.hasEnded).toBe(false)
    },
    LONG_MS,
  )

  test(
    'when the system refuses every byte of a commit, the trade waits, and goes on when there is room again',
    async () => {
      const daemon = await up({ fileLimitBytes: FILE_LIMIT_BYTES })
      const trade = await fiatSentSell(...(await sides()))
      const makeRoom = growLog()
      const released = await say(trade.seller, 'release', trade.id)
      await logged(daemon, 'commit failed')
      expect(daemon.output).toContain('disk I/O error')
      expect(world.network.node.payments()).toEqual([])

      makeRoom()
      await trade.seller.trader.answer(released, 'hold-invoice-payment-settled')
      await trade.buyer.trader.expect('purchase-completed', { id: trade.id })
      expectPaidOnce()
      expect(daemon.hasEnded).toBe(false)
    },
    LONG_MS,
  )

  test(
    'F-044: a payout that succeeds while the disk is full is believed after a kill, and not sent again',
    async () => {
      const daemon = await up(preload('full-disk'))
      const trade = await fiatSentSell(...(await sides()))
      const { node } = world.network
      node.scriptPayment('next', { kind: 'slow', ms: SLOW_PAYOUT_MS })
      await trade.seller.trader.answer(await say(trade.seller, 'release', trade.id), 'hold-invoice-payment-settled')
      await eventually(() => node.payments().some(({ state }) => state === 'in-flight'), 'the payout to begin', 15_000)
      daemon.signal('SIGUSR2')
      await eventually(() => node.payments().some(({ state }) => state === 'succeeded'), 'the payout to end', 15_000)
      await logged(daemon, 'commit failed')
      expect(world.rows("SELECT 1 FROM ledger WHERE cause LIKE 'paid:%'")).toEqual([])
      await daemon.kill()
      await up()
      await trade.buyer.trader.expect('purchase-completed', { id: trade.id })
      expectPaidOnce()
    },
    LONG_MS,
  )
})

describe('a start that must not be', () => {
  test.each([
    ['that is read-only', preload('read-only-file'), 'attempt to write a readonly database'],
    ['for which the system has no room', { fileLimitBytes: 4096 }, 'disk I/O error'],
  ])(
    'a database %s is named, and the trade in it goes on when it can be written',
    async (_, spoiled, why) => {
      const first = await up()
      const trade = await activeSell(...(await sides()))
      await first.kill()
      const second = start(spoiled)
      expect(await second.ended()).toEqual({ code: EXIT.config, signal: null })
      expect(second.output).toContain(`${databaseOf(world.world.nodeDir)} cannot be used: ${why}`)
      await up()
      await goesOn(trade)
    },
    LONG_MS,
  )

  test(
    'a configuration that is corrupt is named, and the trade goes on when it is restored',
    async () => {
      const first = await up()
      const trade = await activeSell(...(await sides()))
      await first.kill()
      const file = configFileOf(world.world.nodeDir, undefined, {})
      const good = readFileSync(file, 'utf8')
      const corrupt = [good.slice(0, good.length / 2), '\0'.repeat(good.length), '', `${good}\n[nowhere]\nkey = 1\n`]
      for (const text of corrupt) {
        writeFileSync(file, text)
        const second = start()
        expect(await second.ended()).toEqual({ code: EXIT.config, signal: null })
        expect(second.output).toContain(file)
        expect(second.output).not.toContain('    at ')
      }
      writeFileSync(file, good)
      await up()
      await goesOn(trade)
    },
    LONG_MS,
  )

  test(
    'F-060: a second daemon on one directory is told who is there, and the first goes on',
    async () => {
      const first = await up()
      const trade = await activeSell(...(await sides()))
      const second = start()
      expect(await second.ended()).toEqual({ code: EXIT.busy, signal: null })
      expect(second.output).toContain(`${world.world.nodeDir} is in use by process`)
      expect(first.hasEnded).toBe(false)
      await goesOn(trade)
      // A dead one holds nothing.
      await first.kill()
      await up()
    },
    LONG_MS,
  )
})

describe('a clock that is set back', () => {
  test.each(['at a restart', 'while it runs'])(
    'by five minutes %s, everybody is told what happens, and all goes on when it is right again',
    async (when) => {
      let daemon = await up(clockBack('minutes=5&later'))
      const trade = await activeSell(...(await sides()))
      if (when === 'while it runs') daemon.signal('SIGUSR2')
      else {
        await daemon.kill()
        daemon = await up(clockBack('minutes=5'))
      }
      const said = await say(trade.buyer, 'fiat-sent', trade.id)
      await trade.buyer.trader.answer(said, 'fiat-sent-ok')
      await trade.seller.trader.expect('fiat-sent-ok', { id: trade.id })
      await activeSell(...(await sides()))

      daemon.signal('SIGUSR2')
      await completes(trade)
      expectPaidOnce()
    },
    LONG_MS,
  )

  test(
    'F-097: by two hours it is named, and the trade goes on when it is right again',
    async () => {
      const first = await up()
      const trade = await activeSell(...(await sides()))
      await first.kill()
      const second = start(clockBack('minutes=120'))
      expect(await second.ended()).toEqual({ code: EXIT.config, signal: null })
      expect(second.output).toContain('Correct the clock')
      await up()
      await goesOn(trade)
    },
    LONG_MS,
  )

  test(
    'when the operator takes two hours for right, messages wait for the true time, and none is lost',
    async () => {
      const first = await up()
      const trade = await activeSell(...(await sides()))
      await first.kill()
      const second = await up({ ...clockBack('minutes=120'), args: ['--the-clock-is-right'] })
      const said = await say(trade.buyer, 'fiat-sent', trade.id)
      await eventually(() => world.alerts().includes('clock-behind'), 'the operator to hear of it', 15_000)
      await second.kill()
      await up()
      await trade.buyer.trader.answer(said, 'fiat-sent-ok')
      await trade.seller.trader.expect('fiat-sent-ok', { id: trade.id })
      await completes(trade)
      expectPaidOnce()
    },
    LONG_MS,
  )
})

test(
  'F-059: a database from before a payout stops everything, and the payout is not sent again',
  async () => {
    const first = await up()
    const trade = await fiatSentSell(...(await sides()))
    await first.stop()
    const file = databaseOf(world.world.nodeDir)
    copyFileSync(file, `${file}.backup`)
    const second = await up()
    await completes(trade)
    await second.stop()
    const before = world.network.totals()
    world.forgetsRows()
    for (const beside of ['', '-wal', '-shm']) rmSync(`${file}${beside}`, { force: true })
    copyFileSync(`${file}.backup`, file)

    // Lightning knows better, and the daemon asks it before it pays.
    await up()
    await eventually(() => world.rows('SELECT 1 FROM ln_node WHERE halted = 1').length === 1, 'the halt', 15_000)
    expect(world.alerts().length).toBeGreaterThan(0)
    expect(world.network.totals()).toEqual(before)
    expect(world.wallet('bob').received()).toHaveLength(1)
    world.network.checkConservation()
  },
  LONG_MS,
)
