import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { assert } from '../../src/core/assert.ts'
import { AcceptanceWorld } from '../support/acceptance.ts'
import { activeSell, completes, type Side, say } from '../support/acceptance-trades.ts'
import { DaemonChild } from '../support/daemon-child.ts'

const planted = vi.hoisted(() => ({ orderId: '', times: 0 }))
vi.mock('../../src/core/order/trade.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/core/order/trade.ts')>()
  const decideFiatSent: typeof original.decideFiatSent = (order, ...rest) => {
    if (order.id === planted.orderId) planted.times += 1
    assert(order.id !== planted.orderId, 'planted')
    return original.decideFiatSent(order, ...rest)
  }
  return { ...original, decideFiatSent }
})

const PLANTED = new URL('../support/planted-assertion.ts', import.meta.url)

let world: AcceptanceWorld
beforeEach(async () => {
  world = await AcceptanceWorld.start()
})
afterEach(() => world.close())

async function parties(): Promise<{ readonly seller: Side; readonly buyer: Side }> {
  return {
    seller: { trader: await world.trader(), key: 1, wallet: world.wallet('alice') },
    buyer: { trader: await world.trader(), key: 1, wallet: world.wallet('bob') },
  }
}

describe('a message that our own code trips over', () => {
  test('a planted assertion in a handler, three restarts, the next message is served', async () => {
    const { nodeDir } = world.world
    const daemons: DaemonChild[] = []
    const start = (options: { readonly isPlanted: boolean }): DaemonChild => {
      const daemon = new DaemonChild({
        dataDir: nodeDir,
        env: { ...world.env, FIANZA_TEST_PLANTED: 'fiat-sent' },
        ...(options.isPlanted ? { preload: PLANTED } : {}),
      })
      daemons.push(daemon)
      return daemon
    }
    try {
      const first = start({ isPlanted: true })
      await first.up()
      const { seller, buyer } = await parties()
      const trade = await activeSell(seller, buyer)
      const poison = await say(buyer, 'fiat-sent', trade.id)
      expect(await first.ended()).not.toMatchObject({ code: 0 })
      expect(first.output).toContain('planted')
      // Another trader's message waits beside it.
      const asked = await seller.trader.send('orders', { key: 1, payload: { ids: [trade.id] } })
      // It kills the first daemons that find it; the third knows it, and lets it lie.
      for (const _ of [1, 2]) expect(await start({ isPlanted: true }).ended()).not.toMatchObject({ code: 0 })
      const third = start({ isPlanted: true })
      await third.up()
      expect(world.verdictOf(poison.event.id)).toBe('quarantined')
      expect(world.alerts()).toEqual([`quarantine:${poison.event.id}`])
      await seller.trader.answer(asked, 'orders')
      expect(world.standing(trade.id)).toBe('active')
      await buyer.trader.answer(await say(buyer, 'cancel', trade.id), 'cooperative-cancel-initiated-by-you')
      await third.stop()
      // Without the bug the trade goes on.
      await start({ isPlanted: false }).up()
      await buyer.trader.answer(await say(buyer, 'fiat-sent', trade.id), 'fiat-sent-ok')
      await completes(trade)
    } finally {
      for (const daemon of daemons) await daemon.stop()
    }
  }, 120_000)

  test('a handler that fails is undone, answered and reported, and stays handled', async () => {
    const { seller, buyer } = await parties()
    const first = await world.boot()
    const trade = await activeSell(seller, buyer)
    const other = await activeSell({ ...seller, key: 2 }, { ...buyer, key: 2 })
    planted.orderId = trade.id
    const failed = await say(buyer, 'fiat-sent', trade.id)
    await buyer.trader.cantDo(failed, 'too_many_requests')
    expect(world.verdictOf(failed.event.id)).toBe('failed')
    expect(world.standing(trade.id)).toBe('active')
    expect(world.alerts()).toEqual(['handler-failed:fiat-sent'])
    await buyer.trader.answer(await say({ ...buyer, key: 2 }, 'fiat-sent', other.id), 'fiat-sent-ok')
    await world.stop(first)
    const second = await world.boot()
    expect(second.status().engine.intake).not.toHaveProperty('failed')
    expect(planted.times).toBe(1)
    planted.orderId = ''
    await buyer.trader.answer(await say(buyer, 'fiat-sent', trade.id), 'fiat-sent-ok')
    await completes(trade)
  }, 30_000)
})
