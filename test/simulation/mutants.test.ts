/** A promise that can not be seen to break is none: each invariant notices the defect that is planted for it. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { OrderRow } from '../../src/adapters/sqlite/schema.ts'
import type { EngineWorld } from '../support/engine-world.ts'
import type { Facts } from './facts.ts'
import { INVARIANTS, violations } from './invariants/all.ts'
import { factsOf, MUTANTS, type Picture, picture } from './mutants.ts'
import { drawPlan, type Plan } from './plan.ts'
import { simulate } from './simulation.ts'

const SEED = 5
const TRADES = 12

/** Some trades without trouble: successes and cancellations of every kind. */
const plan: Plan = drawPlan({ seed: SEED, trades: TRADES, faults: [] })

let healthy: Facts

beforeAll(async () => {
  const seen: Facts[] = []
  const outcome = await simulate(plan, { watch: (facts) => facts.atRest && seen.push(factsOf(picture(facts))) })
  expect(outcome.violations).toEqual([])
  const [facts] = seen
  if (facts === undefined) throw new Error('the world never came to rest')
  healthy = facts
}, 60_000)

describe('every standing promise', () => {
  test('holds in a healthy world', () => {
    expect(violations(healthy)).toEqual([])
  })

  test('has a defect that breaks it', () => {
    expect(Object.keys(MUTANTS).sort()).toEqual(INVARIANTS.map(({ name }) => name as string))
  })

  test.each(Object.entries(MUTANTS))('%s is seen to break: $plants', (name, { plant }) => {
    const changed: Picture = picture(healthy)
    plant(changed)
    expect(violations(factsOf(changed)).map(({ invariant }) => invariant)).toContain(name)
  })
})

describe('of a trade whose escrow is settled', () => {
  test.each<readonly [string, (order: OrderRow) => string | null, readonly string[]]>([
    ['the maker must not hear that it is canceled', ({ maker_pubkey: maker }) => maker, ['I-19']],
    ['the taker must not hear that it is canceled', ({ taker_pubkey: taker }) => taker, ['I-19']],
    ['somebody whose own take was undone before may hear of that now', () => 'f'.repeat(64), []],
  ])('%s', (_what, readerOf, broken) => {
    const it = picture(healthy)
    const hold = [...it.rows.hold.values()].find(({ decision }) => decision === 'settle')
    const order = it.rows.orders.get(hold?.order_id ?? '')
    if (order === undefined) throw new Error('nothing was settled')
    const pubkey = readerOf(order) ?? ''
    it.told.push({ trader: 'a reader', pubkey, action: 'canceled', orderId: order.id, requestId: null, eventId: '' })
    expect(violations(factsOf(it)).map(({ invariant }) => invariant)).toEqual(broken)
  })
})

describe('a daemon with a defect', () => {
  const onceItDid = (what: string, then: string) => (world: EngineWorld) =>
    world.store.db.exec(`CREATE TEMP TRIGGER planted AFTER ${what} BEGIN ${then}; END`)

  test.each<readonly [string, (world: EngineWorld) => void, readonly string[]]>([
    [
      'whose payments are never claimable again is found out',
      onceItDid(
        `INSERT ON main.ln_op WHEN NEW.kind = 'pay'`,
        'UPDATE ln_op SET next_at = next_at + 1000000000 WHERE id = NEW.id',
      ),
      ['rest'],
    ],
    [
      'that rewrites a decision is found out',
      (world) => {
        world.store.db.exec('DROP TRIGGER hold_decided_once')
        onceItDid(
          `UPDATE OF rank ON main.hold WHEN NEW.rank = 3 AND NEW.decision = 'settle'`,
          `UPDATE hold SET decision = 'cancel' WHERE hash = NEW.hash`,
        )(world)
      },
      ['I-04', 'I-15'],
    ],
    [
      'that owes more than it pays is found out',
      (world) => {
        world.store.db.exec('DROP TRIGGER obligation_frozen')
        onceItDid(
          `UPDATE OF state ON main.obligation WHEN NEW.state = 'paid'`,
          'UPDATE obligation SET amount_msat = amount_msat + 1000 WHERE id = NEW.id',
        )(world)
      },
      ['I-07'],
    ],
    [
      'that forgets a message is found out',
      onceItDid('INSERT ON main.outbox_msg WHEN NEW.id = 5', 'UPDATE outbox_msg SET state = 2 WHERE id = NEW.id'),
      ['I-27'],
    ],
  ])('%s', { timeout: 60_000 }, async (_, plant, names) => {
    const { violations: found } = await simulate(drawPlan({ seed: SEED, trades: 3, faults: [] }), { plant })
    expect(names).toContain(found[0]?.invariant)
  })
})
