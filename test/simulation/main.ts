/**
 * `npm run sim -- --seed N --trades M --faults all|none|LIST [--runs K] [--verbose]`: simulated trades of the whole daemon.
 * One integer reproduces a run. Exits with 1 when a promise was broken, after telling the shortest story found, and when
 * a long run under all faults never came across a crash point or fault of its list.
 */
import { parseArgs } from 'node:util'
import { LOUD } from '../support/engine-world.ts'
import { drawPlan, readFaults } from './plan.ts'
import { failureOf, Tally } from './report.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulation.ts'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      trades: { type: 'string', default: '50' },
      faults: { type: 'string', default: 'all' },
      runs: { type: 'string', default: '1' },
      verbose: { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
      log: { type: 'boolean', default: false },
    },
  })
  const kinds = readFaults(values.faults)
  const first = values.seed === undefined ? Date.now() % 0x7fff_ffff : Number(values.seed)
  const [trades, runs] = [Number(values.trades), Number(values.runs)]
  if (kinds === null || ![first, trades, runs].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    say('usage: npm run sim -- [--seed N] [--trades M] [--faults all|none|LIST] [--runs K] [--verbose] [--no-shrink]')
    return 2
  }
  const options = values.log ? { log: LOUD } : {}
  const tally = new Tally()
  for (let seed = first; seed < first + runs; seed += 1) {
    const plan = drawPlan({ seed, trades, faults: kinds })
    const outcome = await simulate(plan, options)
    tally.add(plan, outcome)
    say(tally.progress(seed))
    if (outcome.violations.length === 0) continue
    const story = values['no-shrink'] ? { plan, outcome } : await shrink(plan, outcome, say)
    for (const line of failureOf(story.plan, story.outcome, values.faults, trades)) say(line)
    return 1
  }
  for (const line of tally.summary(values.verbose)) say(line)
  if (values.faults !== 'all' || tally.missed.length === 0) return 0
  say(`so long a run must come across ${tally.missed.join(' ')}`)
  return 1
}

process.exitCode = await main()
