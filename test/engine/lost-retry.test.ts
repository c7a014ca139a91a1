/** A retry that never reached Lightning: what Lightning says of the attempt before is no answer, and no reason to wait for ever. */
import { afterEach, expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'
import { sellTradeAt } from '../support/trade-stages.ts'

let world: EngineWorld
afterEach(() => world.close())

test('F-046, I-25: a second attempt that is lost with its connection is made again, and the buyer is paid once', async () => {
  world = new EngineWorld()
  const [alice, bob] = [world.trader('alice'), world.trader('bob')]
  await world.boot()
  const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
  const sent = () => world.network.faults.calls('SendPaymentV2')
  world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
  alice.send('release', { id })
  await world.until(() => world.network.node.payments()[0]?.state === 'failed', 'the first attempt fails')
  world.network.faults.next('SendPaymentV2', { kind: 'swallow' })
  await world.until(() => sent() === 2, 'the second attempt is lost')
  world.network.node.restart({ how: 'kill' })
  await bob.hears('purchase-completed', id, 1, 1_800_000)
  expect(world.network.node.payments().filter(({ state }) => state === 'succeeded')).toHaveLength(1)
  expect(world.standing(id)).toBe('success')
})

test('C-23: when the invoice has expired meanwhile, the buyer is asked for another one', async () => {
  world = new EngineWorld()
  const [alice, bob] = [world.trader('alice'), world.trader('bob')]
  await world.boot()
  const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
  world.network.node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
  alice.send('release', { id })
  await world.until(() => world.network.node.payments()[0]?.state === 'failed', 'the first attempt fails')
  world.network.faults.next('SendPaymentV2', { kind: 'swallow' })
  await world.until(() => world.network.faults.calls('SendPaymentV2') === 2, 'the second attempt is lost')
  world.network.node.stop('kill')
  await world.clock.advance(87_000_000)
  world.network.node.start()
  const asked = bob.all('add-invoice', id).length
  await bob.hears('add-invoice', id, asked + 1, 1_800_000)
  expect(world.standing(id)).toBe('settled-hold-invoice')
}, 60_000)
