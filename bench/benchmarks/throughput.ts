/**
 * P1, P1b and P1v1: how many actions a second are decoded, committed and answered, 256 in flight, against the same build
 * in plain JavaScript with one thread and a commit for every fact; and against what the machine could do at most.
 */
import { availableParallelism } from 'node:os'
import type { Transport } from '../../src/core/protocol.ts'
import { atLeast, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { curves, needNativeCurves } from '../harness/curves.ts'
import { type CurveCosts, measureCurves, measureSteps, type StepCosts } from '../harness/micro.ts'
import { RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { type Rush, rush } from '../harness/rush.ts'
import { median } from '../harness/statistics.ts'
import { type System, startSystem } from '../harness/system.ts'
import { FAST, PLAIN } from '../harness/variants.ts'

const WINDOW = 256
const WARM_UP = 200

const say = ({ perSecond }: Rush): string => `${perSecond.toFixed(0)} actions/s`
const rateOf = (rushes: readonly Rush[]): number => median(rushes.map(({ perSecond }) => perSecond))

async function run(options: BenchOptions, transport: Transport): Promise<readonly Figure[]> {
  return options.target === null ? compare(options, transport) : absolute(options, transport)
}

/** Somebody else's daemon has no other form to compare it with. */
async function absolute(options: BenchOptions, transport: Transport): Promise<readonly Figure[]> {
  const system = await startSystem(options, { transport })
  const make = new RequestMaker(system.nodePubkey, { transport })
  const actions = options.quick ? 100 : 1000
  const { only } = await inTurn(options, ['only'], () => rush(system, make, actions, WINDOW), say)
  const detail = `${actions} actions a round, ${WINDOW} in flight`
  return [{ name: `${nameOf(transport)} actions`, value: rateOf(only), unit: '/s', goal: null, detail }]
}

async function compare(options: BenchOptions, transport: Transport): Promise<readonly Figure[]> {
  needNativeCurves()
  const { quick, progress } = options
  const actions = quick ? { fast: 2000, plain: 200 } : { fast: 5000, plain: 600 }
  const fast = await startSystem(options, { variant: FAST, transport })
  try {
    const plain = await startSystem(options, { variant: PLAIN, transport })
    try {
      const systems = { fast, plain }
      const makers = { fast: makerOf(fast, transport), plain: makerOf(plain, transport) }
      for (const name of ['fast', 'plain'] as const)
        await rush(systems[name], makers[name], name === 'fast' ? WARM_UP : WARM_UP / 10, WINDOW)
      const measure = (name: 'fast' | 'plain') => rush(systems[name], makers[name], actions[name], WINDOW)
      const rushes = await inTurn(options, ['plain', 'fast'], measure, say)
      await fast.audit()
      await plain.audit()
      const rate = { fast: rateOf(rushes.fast), plain: rateOf(rushes.plain) }
      if (transport === 2)
        progress(`the plain form does ${rate.plain.toFixed(0)} actions/s; on two such cores it must do 60`)
      const ratio: Figure = {
        name: `${nameOf(transport)} actions a second, against the plain form`,
        value: rate.fast / rate.plain,
        unit: 'x',
        goal: atLeast(15),
        detail: `${rate.fast.toFixed(0)} / ${rate.plain.toFixed(0)} actions/s, ${WINDOW} in flight`,
      }
      if (transport === 1) return [ratio]
      return [ratio, baseline(rate.plain), await ceiling(rushes.fast, rate.fast)]
    } finally {
      await plain.close()
    }
  } finally {
    await fast.close()
  }
}

const nameOf = (transport: Transport): string => (transport === 2 ? 'P1' : 'P1v1')
const makerOf = ({ nodePubkey }: System, transport: Transport): RequestMaker =>
  new RequestMaker(nodePubkey, { transport })

/** The other side of the ratio may not be slowed down to improve it. */
function baseline(perSecond: number): Figure {
  return {
    name: 'P1 plain form, actions',
    value: perSecond,
    unit: '/s',
    goal: atLeast(60),
    detail: 'portable curves, a commit for every fact, one thread; keys cached, nothing checked twice',
  }
}

/** P1b: what the cores could do if nothing but the unavoidable steps, the relay and the driver had to run on them. */
async function ceiling(rushes: readonly Rush[], perSecond: number): Promise<Figure> {
  const curve = measureCurves(curves)
  const step = await measureSteps(curves)
  const steps = (leastMsOf(curve, step, 1) + leastMsOf(curve, step, 2)) / 2
  const driver = median(rushes.map(({ makes, takes, actions }) => (makes.cpuMs + takes.cpuMs) / actions))
  const cores = availableParallelism()
  const most = (cores * 1000) / (steps + driver)
  const us = (ms: number): string => `${(ms * 1000).toFixed(0)} us`
  return {
    name: 'P1b share of what the cores could do',
    value: (100 * perSecond) / most,
    unit: '%',
    goal: atLeast(45),
    detail: `${perSecond.toFixed(0)} of ${most.toFixed(0)} actions/s: ${cores} cores, ${us(steps)} of steps and ${us(driver)} of relay and driver an action; verify ${us(curve.verify)}, sign ${us(curve.sign)}, shared key ${us(curve.ecdh)}, store ${us(step.store)}, frame ${us(step.frame)}`,
  }
}

/** An action in, `replies` messages and one public event out. */
function leastMsOf({ verify, sign, ecdh }: CurveCosts, step: StepCosts, replies: number): number {
  const opened = 3 * verify + ecdh + step.decrypt + step.id + step.read
  const said = replies * (step.encrypt + step.id + sign) + step.id + sign
  const published = replies + 1
  return opened + step.store + said + (1 + 2 * published) * step.frame
}

export const throughput: Benchmark = {
  name: 'P1',
  summary: 'actions a second: new orders and takes, 256 in flight',
  needs: 'wire',
  run: (options) => run(options, 2),
}

export const throughputOfGiftWraps: Benchmark = {
  name: 'P1v1',
  summary: 'the same in gift wraps',
  needs: 'wire',
  run: (options) => run(options, 1),
}
