/** One request makes one offer, however often it comes and whatever has become of the order (DEC-05, I-28). */
import { afterEach, expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'
import { smallOrder } from '../support/sim-trader.ts'
import { reasonFor } from '../support/trade-stages.ts'

let world: EngineWorld
afterEach(() => world.close())

test.each([
  ['in full privacy', true],
  ['with an identity', false],
])('F-100: an offer that was taken is not made again by its repeated request, %s', async (_, fullPrivacy) => {
  world = new EngineWorld()
  const [alice, bob] = [world.trader('alice'), world.trader('bob')]
  await world.boot()
  const order = smallOrder({ kind: 'sell', amount: 100_000n, fiatAmount: 100n })
  const request = { payload: { kind: 'order', order }, tradeIndex: alice.nextKey(), fullPrivacy } as const
  const requestId = alice.send('new-order', request)
  const { id } = await alice.answer(requestId)
  await bob.answer(bob.takes('take-sell', id ?? ''))
  alice.heard.length = 0
  await world.clock.advance(1000)
  alice.send('new-order', { ...request, requestId })
  expect(await reasonFor(alice, requestId)).toBe('invalid_trade_index')
  expect(world.store.get<{ n: number }>('SELECT COUNT(*) AS n FROM orders')?.n).toBe(1)
})
