import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ADDRESS_HOST, EngineWorld } from '../support/engine-world.ts'
import { smallOrder } from '../support/sim-trader.ts'

let dir: string
let world: EngineWorld
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fianza-checkpoint-'))
  world = new EngineWorld({ file: join(dir, 'a.db') })
})
afterEach(async () => {
  await world.close()
  rmSync(dir, { recursive: true })
})

/** Pages that were committed and are not in the database's own file yet. */
function pagesAhead(): number {
  const [row] = world.store.db.pragma('wal_checkpoint(NOOP)') as { log: number; checkpointed: number }[]
  return (row?.log ?? 0) - (row?.checkpointed ?? 0)
}

describe('what was written ahead', () => {
  test('goes into the database while nobody sends anything', async () => {
    const alice = world.trader('alice')
    await world.boot()
    await alice.makes({ kind: 'sell', amount: 100_000n, fiatAmount: 100n })
    expect(pagesAhead()).toBeGreaterThan(0)
    await world.until(() => pagesAhead() === 0, 'a checkpoint in an idle moment', 6000)
  })

  test('stays where it is while a message is in hand', async () => {
    const checkpoints = vi.spyOn(world.store, 'checkpoint')
    const alice = world.trader('alice')
    await world.boot()
    world.addressLatencyMs = 7000
    const order = smallOrder({ kind: 'buy', amount: 100_000n, buyerInvoice: `alice@${ADDRESS_HOST}` })
    alice.send('new-order', { tradeIndex: alice.nextKey(), payload: { kind: 'order', order } })
    await world.clock.advance(500)
    checkpoints.mockClear()
    await world.clock.advance(6000)
    expect(alice.actions()).toEqual([])
    expect(checkpoints).not.toHaveBeenCalled()
    await world.until(() => alice.actions().length === 1, 'alice is answered')
    await world.until(() => checkpoints.mock.calls.length > 0, 'a checkpoint soon after', 1000)
  })
})
