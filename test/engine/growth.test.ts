/** What was said and booked in years slows nobody: the same work is done for a message whatever has grown (perf.md P3, P6). */
import { afterEach, expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'
import { flat, isQuery, longReads, type Runs, watchStatements } from '../support/query-plans.ts'
import { reasonFor, sellTradeAt } from '../support/trade-stages.ts'

const MANY = 100_000

let worlds: EngineWorld[] = []
afterEach(async () => {
  for (const world of worlds) await world.close()
  worlds = []
})

/** A hundred thousand rows of everything that stays: most of it of the one key that will ask. */
function grow({ store, clock }: EngineWorld, key: string, orderId: string): void {
  const nowS = Math.floor(clock.nowMs() / 1000)
  const rows = `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${MANY})`
  store.transaction(() => {
    store.run(
      `${rows} INSERT INTO outbox_msg(recipient, seq, dedup_key, order_id, lane, transport, ev_created_at, body, state,
                                      first_ok_at, next_at, created_at)
       SELECT :key, 1000 + n, 'old/' || n, :orderId, 0, 2, :nowS, '{}', 2, :nowS, :nowS, :nowS FROM i`,
      { key, orderId, nowS },
    )
    store.run(
      `${rows} INSERT INTO delivery(ref, relay, rev, at) SELECT 'm:' || id, 'ws://relay0.example', 0, :nowS
                 FROM outbox_msg WHERE dedup_key LIKE 'old/%'`,
      { nowS },
    )
    store.run(
      `${rows} INSERT INTO inbox(outer_id, inner_id, sender, verdict, received_at)
       SELECT 'outer' || n, 'inner' || n, :key, 'effect', :nowS FROM i`,
      { key, nowS },
    )
    store.run(
      `${rows} INSERT INTO ledger(id, debit, credit, msat, cause, order_id, at)
       SELECT 'old:' || n || ':0', 'ln', 'fee', 1, 'old:' || n, :orderId, :nowS FROM i`,
      { orderId, nowS },
    )
    store.run(
      `${rows} INSERT INTO outbox_pub(coord, want_rev, done_rev, body, next_at) SELECT 'old' || n, 1, 1, '{}', :nowS FROM i`,
      { nowS },
    )
    store.run(`UPDATE outbox_seq SET n = n + ${MANY} + 1000 WHERE recipient = :key`, { key })
  })
}

/** What is counted while the seller of an order releases, is refused something, and his trade ends. */
async function countedTrade(hasGrown: boolean): Promise<ReadonlyMap<string, Runs>> {
  const counted = new Map<string, Runs>()
  let isCounting = false
  const stop = watchStatements((sql, { runs, rows }) => {
    if (!isCounting || runs === 0) return
    const before = counted.get(sql) ?? { runs: 0, rows: 0 }
    counted.set(sql, { runs: before.runs + runs, rows: before.rows + rows })
  })
  const world = new EngineWorld()
  worlds.push(world)
  try {
    const alice = world.trader('alice')
    const bob = world.trader('bob')
    await world.boot()
    const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
    await world.clock.advance(5000)
    if (hasGrown) grow(world, alice.pubkey(), id)
    isCounting = true
    expect(await reasonFor(alice, alice.send('fiat-sent', { id }))).toBe('invalid_order_status')
    alice.send('release', { id })
    await bob.hears('purchase-completed', id)
    await alice.hears('hold-invoice-payment-settled', id)
    await world.clock.advance(40_000)
    isCounting = false
  } finally {
    stop()
  }
  return counted
}

test(`a key with ${MANY} sent messages is answered with the same statements, runs and rows as one with none, in a grown database`, async () => {
  const young = await countedTrade(false)
  const grown = await countedTrade(true)
  expect([...young.keys()].filter(isQuery).length).toBeGreaterThan(50)
  expect(new Map([...grown].toSorted())).toEqual(new Map([...young].toSorted()))
  const [, world] = worlds
  const long = [...grown.keys()]
    .filter(isQuery)
    .flatMap((sql) => (world === undefined ? [] : longReads(world.store.db, sql)))
  expect(long).toEqual([])
  expect(
    [...grown.keys()].map(flat).filter((sql) => /^(INSERT INTO outbox_msg|INSERT INTO ledger)/.test(sql)),
  ).toHaveLength(2)
}, 60_000)
