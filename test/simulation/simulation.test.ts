/** A short run of the simulator in every push; the long ones are `npm run sim`. */
import { describe, expect, test } from 'vitest'
import { portableCurves } from '../../src/wire/curves.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { dumpState, sellTradeAt } from '../support/trade-stages.ts'
import { FAULT_KINDS } from './faults.ts'
import { drawPlan, readFaults } from './plan.ts'
import { failureOf } from './report.ts'
import { type Outcome, type SimulationOptions, simulate } from './simulation.ts'

const TRADES = 12

async function run(seed: number, faults: string, trades = TRADES, options: SimulationOptions = {}): Promise<Outcome> {
  const plan = drawPlan({ seed, trades, faults: readFaults(faults) ?? [] })
  const outcome = await simulate(plan, options)
  if (outcome.violations.length > 0) throw new Error(failureOf(plan, outcome, faults, trades).join('\n'))
  return outcome
}

describe('simulated trades', () => {
  test('without trouble keep every promise, and trades of people who behave succeed', async () => {
    const { wellBehaved } = await run(1, 'none')
    expect(wellBehaved.trades).toBeGreaterThan(0)
    expect(wellBehaved.successes).toBe(wellBehaved.trades)
  })

  test.each([2, 3])('with every kind of trouble keep every promise: seed %i', async (seed) => {
    const { faults } = await run(seed, 'all')
    expect(Object.keys(faults).length).toBeGreaterThan(5)
  })

  test('keep every promise with a seed from the clock', async () => {
    const seed = Date.now() % 0x7fff_ffff
    process.stdout.write(`simulation: seed ${seed}\n`)
    await run(seed, 'all')
  })

  test('keep every promise with real keys and signatures', async () => {
    await run(4, 'all', 3, { curves: portableCurves })
  })

  test('come out the same, whenever they are run', async () => {
    const [one, other] = [await run(7, 'all', 8), await run(7, 'all', 8)]
    expect(other).toEqual(one)
  })
})

describe('what may go wrong', () => {
  test('is named by kind, or by the beginning of a kind', () => {
    expect(readFaults('all')).toEqual(FAULT_KINDS)
    expect(readFaults('none')).toEqual([])
    expect(readFaults('kill,disk-full')?.every((kind) => kind.startsWith('kill-') || kind === 'disk-full')).toBe(true)
    expect(readFaults('kill,luck')).toBeNull()
  })
})

describe('a dead engine', () => {
  test('reaches neither store nor ports, however late its answers come', async () => {
    const world = new EngineWorld()
    const [alice, bob] = [world.trader('alice'), world.trader('bob')]
    const engine = await world.boot()
    const { id } = await sellTradeAt(world, 'fiat-sent', alice, bob)
    world.network.faults.next('SettleInvoice', { kind: 'slow', ms: 5000 })
    alice.send('release', { id })
    await world.until(() => world.network.faults.calls('SettleInvoice') === 1, 'the settle is on its way')
    world.kill()
    expect(() => engine.status()).toThrow('a dead engine reached for its store')
    const points: string[] = []
    world.cut = (point) => points.push(point)
    const before = dumpState(world)
    const calls = world.network.faults.calls('LookupInvoiceV2')
    const events = world.relays[0]?.core.log().length
    await world.clock.advance(120_000)
    expect(world.network.node.invoices()[0]?.state).toBe('settled')
    expect(dumpState(world)).toEqual(before)
    expect(points).toEqual([])
    expect(world.network.faults.calls('LookupInvoiceV2')).toBe(calls)
    expect(world.relays[0]?.core.log().length).toBe(events)
    await world.close()
  })
})
