/** What every statement of a running daemon reads, as SQLite plans it: no table that grows is read from end to end. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADDRESS_HOST, EngineWorld } from '../support/engine-world.ts'
import { EXCEPTIONS, flat, isQuery, longReads, stepsOf, watchStatements } from '../support/query-plans.ts'
import type { SimTrader } from '../support/sim-trader.ts'
import { AMOUNT_SATS, paysEscrow, sellTradeAt } from '../support/trade-stages.ts'

const HOUR_MS = 3_600_000

/** When a statement ran: while the daemon started, or while it served traders. */
type Phase = 'start' | 'service'

/** The texts of all statements that were prepared, and when each of them ran. */
const statements = new Map<string, Set<Phase>>()
let phase: Phase = 'start'

let world: EngineWorld

/** Buys from a seller and is paid to a Lightning address; both rate. */
async function buysToAddress(seller: SimTrader, buyer: SimTrader): Promise<void> {
  const id = await buyer.makes({
    kind: 'buy',
    amount: BigInt(AMOUNT_SATS),
    buyerInvoice: `${buyer.name}@${ADDRESS_HOST}`,
  })
  seller.takes('take-buy', id)
  await paysEscrow(world, seller, id)
  await buyer.hears('hold-invoice-payment-accepted', id)
  buyer.send('fiat-sent', { id })
  await seller.hears('fiat-sent-ok', id)
  seller.send('release', { id })
  await buyer.hears('purchase-completed', id)
  for (const trader of [seller, buyer]) {
    trader.send('rate-user', { id, payload: { kind: 'rating_user', rating: 5 } })
    await trader.hears('rate-received', id)
  }
}

async function starts(): Promise<void> {
  phase = 'start'
  await world.boot()
  phase = 'service'
}

/** Everything that a daemon does for traders: trades in every ending, questions, restarts, what was missed, timers. */
async function aDayOfTrades(): Promise<void> {
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await starts()
  for (const stage of ['success', 'canceled', 'cooperatively-canceled'] as const)
    await sellTradeAt(world, stage, alice, bob)
  await buysToAddress(alice, bob)
  await bob.answer(bob.send('last-trade-index', {}))
  bob.send('restore-session', {})
  await bob.hears('restore-session')
  await bob.answer(bob.send('release', { id: '00000000-0000-4000-8000-000000000000' }))
  const { id } = await sellTradeAt(world, 'active', alice, bob)
  world.kill()
  bob.send('fiat-sent', { id })
  await world.clock.advance(60_000)
  await starts()
  await alice.hears('fiat-sent-ok', id)
  const unpaid = await sellTradeAt(world, 'waiting-payment', alice, bob)
  await world.until(() => world.standing(unpaid.id) === 'canceled', 'the seller was too slow', HOUR_MS, 5000)
  for (const relay of world.relays) relay.core.dropConnections()
  await world.clock.advance(2 * HOUR_MS)
}

beforeAll(async () => {
  const stop = watchStatements((sql, { runs }) => {
    const phases = statements.get(sql) ?? new Set<Phase>()
    statements.set(sql, phases)
    if (runs > 0) phases.add(phase)
  })
  world = new EngineWorld({ relays: 2 })
  try {
    await aDayOfTrades()
  } finally {
    stop()
  }
}, 60_000)
afterAll(() => world.close())

describe('a daemon that trades, restarts, catches up and keeps its books', () => {
  let texts: readonly string[]
  beforeAll(() => {
    texts = [...statements.keys()].filter(isQuery)
  })

  test('reads no growing table from end to end', () => {
    expect(texts.length).toBeGreaterThan(150)
    const found = texts.flatMap((sql) => longReads(world.store.db, sql).map((step) => `${step} <- ${flat(sql)}`))
    expect(found).toEqual([])
  })

  test('looks through the leases of dead calls at its start only', () => {
    const [boot, ...others] = [...statements].filter(([sql]) =>
      /^UPDATE ln_op SET state = 'unknown'.*boot_id/.test(flat(sql)),
    )
    expect(others).toEqual([])
    expect([...(boot?.[1] ?? [])]).toEqual(['start'])
  })

  test('has a reason for every exception that is made for it', () => {
    const used = EXCEPTIONS.filter(({ step, in: where }) =>
      texts.some((sql) => where.test(flat(sql)) && stepsOf(world.store.db, sql).some((s) => step.test(s))),
    )
    expect(used).toEqual(EXCEPTIONS)
  })

  test.each([
    ['a whole table', 'SELECT * FROM ledger'],
    ['a whole table by an index', 'SELECT id FROM orders'],
    ['a partial index that is not for messages', "SELECT * FROM orders WHERE phase <> 'steady' ORDER BY phase"],
    ['all messages of a recipient', 'SELECT * FROM outbox_msg WHERE recipient = ?'],
    ['the history of settled holds without an end', "SELECT * FROM hold WHERE final = 'settled' AND node_pubkey = ?"],
    ['all that a sender ever sent', 'SELECT 1 FROM inbox WHERE sender = ?'],
    [
      'an index that would have to be built',
      'SELECT 1 FROM hold a JOIN outbox_msg b ON b.body = a.memo AND a.hash = ?',
    ],
  ])('would be caught if it read %s', (_, sql) => {
    expect(longReads(world.store.db, sql)).not.toEqual([])
  })
})
