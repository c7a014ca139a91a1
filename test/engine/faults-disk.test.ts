/** Faults of the disk and of who uses it (money-path.md 7, F-059, F-060, F-095 to F-096a): nothing committed is lost. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LnOpRow } from '../../src/adapters/sqlite/schema.ts'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { Inbox } from '../../src/engine/inbox/inbox.ts'
import { DEFAULT_LIMITS } from '../../src/engine/settings.ts'
import { Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { paymentRequest, smallOrder } from '../support/sim-trader.ts'

let market: Market
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fianza-disk-'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await market.close()
  rmSync(dir, { recursive: true })
})

const file = (): string => join(dir, 'fianza.db')

describe('a database that does not take what is written', () => {
  test('F-095: another program locks the database for ten seconds: messages wait, none has half an effect, then the trade goes on', async () => {
    market = await Market.open({ file: file() })
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    await market.quiet()
    const other = new BetterSqlite3(file())
    const rows = () => market.rows('SELECT * FROM inbox').length
    const before = rows()
    const sends = () => world.network.faults.calls('SettleInvoice')
    other.exec('BEGIN IMMEDIATE')
    expect(() => world.store.run("INSERT INTO meta(key, value) VALUES ('busy', '')")).toThrow(/locked/)
    alice.send('release', { id })
    bob.send('cancel', { id })
    await market.passes(10_000)
    expect(rows()).toBe(before)
    expect(world.standing(id)).toBe('fiat-sent')
    expect(sends()).toBe(0)
    other.exec('ROLLBACK')
    other.close()
    await market.completed(id)
    expect(rows()).toBe(before + 2)
    expect(market.rows('SELECT 1 FROM alert WHERE severity > 1')).toEqual([])
    await market.checkTraded(id)
  })

  test('F-095: while the database is locked, no more is taken in than may wait: the rest stays in the sockets', async () => {
    const limits = { ...DEFAULT_LIMITS, intakeDepth: 20, answersPerSecond: 1000 }
    market = await Market.open({ file: file(), settings: { limits } })
    const { world } = market
    const id = await market.fiatSent()
    await market.quiet()
    const crowd = Array.from({ length: 60 }, (_, n) => world.trader(`s${n}`, { fundingSats: 1 }))
    for (const stranger of crowd) stranger.nextKey()
    await world.clock.advance(3000)
    const other = new BetterSqlite3(file())
    other.exec('BEGIN IMMEDIATE')
    const takes = vi.spyOn(Inbox.prototype, 'take')
    for (const stranger of crowd) stranger.send('cancel', { id })
    await market.passes(10_000)
    const takenIn = takes.mock.calls.length
    other.exec('ROLLBACK')
    other.close()
    await world.until(() => crowd.every(({ heard }) => heard.length === 1), 'all are answered')
    expect(takenIn).toBe(limits.intakeDepth)
    expect(takes.mock.calls.length).toBeGreaterThanOrEqual(crowd.length)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-096a: the commit of thirty messages fails for want of space: all of them are handled again, once each', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    const crowd = Array.from({ length: 29 }, (_, n) => world.trader(`s${n}`, { fundingSats: 1 }))
    for (const stranger of crowd) stranger.nextKey()
    await market.passes(5000)
    let failed = 0
    let most = 0
    world.losesPowerBefore = (jobs) => {
      const messages = jobs.filter((job) => job.startsWith('message:')).length
      most = Math.max(most, messages)
      if (messages === 0) return false
      failed += 1
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
    }
    for (const stranger of crowd)
      stranger.send('new-order', {
        payload: { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) },
        tradeIndex: 1,
      })
    alice.send('release', { id })
    await market.passes(4000)
    expect(most).toBe(30)
    expect(failed).toBeGreaterThan(2)
    expect(world.standing(id)).toBe('fiat-sent')
    expect(market.rows('SELECT 1 FROM orders')).toHaveLength(1)
    world.losesPowerBefore = () => false
    await market.completed(id)
    for (const stranger of crowd) await stranger.hears('new-order')
    expect(market.rows('SELECT 1 FROM orders')).toHaveLength(30)
    expect(crowd.map(({ heard }) => heard.length)).toEqual(crowd.map(() => 1))
    await market.checkTraded(id)
  })

  test.each([
    ['a payment', 'claim:pay', 'before:lightning.pay'],
    ['a settle', 'claim:hold_settle', 'before:lightning.settleHold'],
  ] as const)(
    'F-096a: %s is claimed in one commit with the news of another connection: nothing goes out on the lost one',
    async (_, claim, call) => {
      market = await Market.open()
      const { world, alice } = market
      const id = await market.fiatSent()
      let isCut = false
      let isFull = true
      const calls: string[] = []
      world.cut = (point) => {
        if (point.startsWith(call)) calls.push(point)
        return false
      }
      world.losesPowerBefore = (jobs) => {
        if (!isFull || !jobs.includes(claim)) return false
        if (!isCut) world.network.node.cutConnections()
        isCut = true
        if (jobs.includes('lightning-verified') || jobs.includes('lightning-connect')) {
          isFull = false
          return false
        }
        throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
      }
      alice.send('release', { id })
      await world.until(() => !isFull, 'the claim is written with the news')
      expect(calls).toEqual([])
      await market.completed(id)
      expect(calls).toHaveLength(1)
      expect(market.rows('SELECT 1 FROM ln_op WHERE attempt > 1')).toHaveLength(1)
      await market.checkTraded(id)
    },
  )
})

describe('power and copies', () => {
  test('F-096: the power goes at every claim of a trade, before anything was written back to the file: no claim is lost', async () => {
    market = await Market.open({ file: file() })
    const { world } = market
    const claims = new Map<string, string>()
    world.cut = (point) => {
      for (const kind of point.match(/claim:\w+/g) ?? [])
        claims.set(kind, claimAfterPowerLoss(kind.slice('claim:'.length)))
    }
    const id = await market.released()
    await market.completed(id)
    expect(Object.fromEntries(claims)).toEqual({
      'claim:hold_create': 'dispatching',
      'claim:hold_settle': 'dispatching',
      'claim:pay': 'dispatching',
    })
    await market.checkTraded(id)
  })

  /** What a disk has whose power went now: the file as it is, and what was synced beside it. The newest intent of a kind there. */
  function claimAfterPowerLoss(kind: string): string {
    const copy = join(dir, `${kind}.db`)
    copyFileSync(file(), copy)
    copyFileSync(`${file()}-wal`, `${copy}-wal`)
    const found = openStore(copy)
    const [op] = found.all<LnOpRow>('SELECT * FROM ln_op WHERE kind = :kind ORDER BY created_at DESC', { kind })
    found.close()
    const bare = join(dir, `${kind}-bare.db`)
    copyFileSync(file(), bare)
    const without = openStore(bare)
    expect(
      without.all('SELECT * FROM ln_op WHERE kind = :kind AND state = :state', { kind, state: 'dispatching' }),
    ).toEqual([])
    without.close()
    return op?.state ?? 'lost'
  }

  test('F-059: yesterday’s database: payouts halt, a repeated offer is the same order, no counter is used twice', async () => {
    market = await Market.open({ file: file() })
    const { world, alice, bob } = market
    await market.passes(60_000)
    await world.store.backup(join(dir, 'backup.db'))
    const id = await market.released()
    await market.completed(id)
    await market.taken()
    await market.passes(30_000)
    const key = alice.nextKey()
    const offer = alice.wrap('new-order', {
      payload: { kind: 'order', order: smallOrder({ kind: 'sell', amount: 5000n }) },
      requestId: 7n,
      tradeIndex: key,
    })
    alice.publish(offer)
    const again = (await alice.answer(7n)).id
    world.kill()
    restore(world.store, join(dir, 'backup.db'))
    expect(market.rows('SELECT 1 FROM orders')).toEqual([])
    await world.boot()
    await world.until(() => world.alerts().length > 0, 'the operator is told')
    await market.passes(120_000)
    expect(world.engine?.status().lightning).toMatchObject({ serving: false })
    expect(world.alerts().some((alert) => alert.startsWith('foreign-payment:') || alert === 'rival-instance')).toBe(
      true,
    )
    expect(market.rows('SELECT id FROM orders')).toEqual([{ id: again }])
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    // The operator looks, explains what is not known, and starts again.
    world.kill()
    const { node } = world.network
    explain(
      world.store,
      [...node.payments(), ...node.invoices()].map(({ hash }) => hash),
    )
    await world.boot()
    const next = await market.offer()
    bob.takes('take-sell', next, { payload: paymentRequest(market.bobsInvoice()) })
    await alice.hears('pay-invoice', next)
    expect(node.invoices()).toHaveLength(3)
    world.network.checkConservation()
  })
})

describe('two daemons on one database', () => {
  test('F-060: forced past the lock, both see the release: only the newer may claim, and the buyer is paid once', async () => {
    market = await Market.open()
    const { world } = market
    const first = world.engine
    if (first === null) throw new Error('no engine')
    const id = await market.fiatSent()
    const before = first.status().intake
    world.beside.add(first)
    const second = await world.boot()
    expect([first, second].map((engine) => engine.status().ready)).toEqual([true, true])
    market.alice.send('release', { id })
    await market.passes(600_000)
    // Neither lets the other one be: what both want to do is done at most once, and surely when the older one ends.
    first.kill()
    await market.completed(id)
    const handled = (verdict: string) =>
      (first.status().intake[verdict] ?? 0) - (before[verdict] ?? 0) + (second.status().intake[verdict] ?? 0)
    expect(handled('effect')).toBe(1)
    expect(handled('known')).toBeGreaterThanOrEqual(1)
    expect(world.network.faults.calls('SettleInvoice')).toBe(1)
    expect(world.network.faults.calls('SendPaymentV2')).toBe(1)
    await market.checkTraded(id)
  })
})

describe('two daemons with one key', () => {
  test('F-060a: another machine answers for us: no take, no settle and no payout is begun until an operator has looked', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    await market.passes(10_000)
    const core = world.relays[0]?.core
    const [info] = core?.events({ kinds: [38385] }) ?? []
    if (core === undefined || info === undefined) throw new Error('the node has said what it is')
    const { kind, tags, content } = info
    const rival = world.signAsNode({ kind, tags, content, created_at: Math.floor(world.clock.nowMs() / 1000) + 30 })
    core.inject(rival)
    await world.until(() => world.alerts().includes('rival-instance'), 'the rival is noticed')
    alice.send('release', { id })
    const other = await market.offer()
    const refused = await bob.answer(bob.takes('take-sell', other, { payload: paymentRequest(market.bobsInvoice()) }))
    expect(reasonOf(refused)).toBe('pending_order_exists')
    await market.passes(600_000)
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(world.network.faults.calls('SettleInvoice') + world.network.faults.calls('SendPaymentV2')).toBe(0)
    // The operator ends the other one, and starts this one again.
    world.kill()
    core.forget(rival.id)
    explain(world.store, [])
    await world.boot()
    await market.completed(id)
    await market.checkTraded(id)
  })
})

/** Puts the rows of a backup in the place of those that are there, as an operator does with the file. */
function restore(store: Store, backup: string): void {
  const { db } = store
  const triggers = db.prepare(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger'`).all() as {
    name: string
    sql: string
  }[]
  const tables = db
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .pluck()
    .all() as string[]
  db.pragma('foreign_keys = OFF')
  db.prepare('ATTACH ? AS backup').run(backup)
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`)
  for (const name of tables)
    db.exec(`DELETE FROM main."${name}"; INSERT INTO main."${name}" SELECT * FROM backup."${name}"`)
  for (const { sql } of triggers) db.exec(sql)
  db.exec('DETACH backup')
  db.pragma('foreign_keys = ON')
}

/** What `fianza review` does with what an operator explains. */
function explain(store: Store, hashes: readonly string[]): void {
  store.transaction(() => {
    for (const hash of hashes) store.s.meta_put({ key: `mapped:${hash}`, value: 'by hand' })
    for (const { node_pubkey: node } of store.all<{ node_pubkey: string }>('SELECT node_pubkey FROM ln_node'))
      store.s.node_clear({ node })
  })
}
