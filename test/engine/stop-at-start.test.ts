/** A daemon that is told to stop while it starts: nothing of it runs afterwards. */
import { expect, test } from 'vitest'
import { EngineWorld } from '../support/engine-world.ts'

test.each([5, 400, 5000, 11_000])(
  'stopped %i ms after its start began, the engine leaves nothing running',
  async (ms) => {
    const world = new EngineWorld()
    const before = world.clock.pendingCount
    // Neither Lightning nor the relay answers at once: the start takes its time.
    world.network.node.stop()
    await world.relays[0]?.goAway()
    const { engine, started } = world.ignite()
    const ended = started.catch(() => undefined)
    await world.clock.advance(ms)
    await world.settle(engine.stop())
    await world.clock.advance(120_000)
    await ended
    expect(world.clock.pendingCount).toBe(before)
    world.engine = null
    await world.close()
  },
)
