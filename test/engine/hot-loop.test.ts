/** What can not be written down is not asked of Lightning again and again (money-path.md I-29). */
import { afterEach, expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'
import { sellTradeAt } from '../support/trade-stages.ts'

let world: EngineWorld
afterEach(() => world.close())

test('I-29: a settlement that the database refuses is looked at now and then, and ends when the database takes it', async () => {
  world = new EngineWorld()
  const [alice, bob] = [world.trader('alice'), world.trader('bob')]
  await world.boot()
  const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
  world.store.db.exec(
    `CREATE TEMP TRIGGER no_ledger BEFORE INSERT ON main.ledger BEGIN SELECT RAISE(ABORT, 'not today'); END`,
  )
  const calls = () => world.network.faults.calls('SettleInvoice') + world.network.faults.calls('LookupInvoiceV2')
  const before = calls()
  alice.send('release', { id })
  await world.clock.advance(60_000)
  expect(world.standing(id)).toBe('fiat-sent/releasing')
  expect(world.network.node.invoices()[0]?.state).toBe('settled')
  expect(calls() - before).toBeLessThan(40)
  world.store.db.exec('DROP TRIGGER temp.no_ledger')
  await bob.hears('purchase-completed', id)
  expect(world.standing(id)).toBe('success')
})
