/**
 * Feeds damaged examples to every reader of strangers' bytes, and stops at the first throw.
 *
 *   npm run fuzz                          a million inputs for each codec, fewer for the curves, from a random seed
 *   npm run fuzz -- --seconds 30          as many as fit, the time shared by the codecs
 *   npm run fuzz -- --codec json --seed 7 --at 4711    one input again
 */
import { parseArgs } from 'node:util'
import { Dice } from './fuzz/dice.ts'
import { type Target, targets } from './fuzz/targets.ts'

const DEFAULT_INPUTS = 1_000_000
const PROGRESS_MS = 5_000

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (text === '' || !Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} takes a whole number`)
  return number
}

function options() {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { seed: text, inputs: text, seconds: text, codec: text, at: text } })
  const number = (name: 'seed' | 'inputs' | 'seconds' | 'at'): number | null => {
    const value = values[name]
    return value === undefined ? null : wholeNumber(name, value)
  }
  const chosen = targets.filter(({ name }) => values.codec === undefined || values.codec === name)
  if (chosen.length === 0) throw new Error(`--codec takes one of ${targets.map(({ name }) => name).join(', ')}`)
  const seconds = number('seconds')
  return {
    seed: number('seed') ?? Math.floor(Math.random() * 2 ** 32),
    inputs: number('inputs') ?? (seconds === null ? null : Number.POSITIVE_INFINITY),
    msPerCodec: seconds === null ? Number.POSITIVE_INFINITY : (seconds * 1000) / chosen.length,
    at: number('at'),
    chosen,
  }
}

type Plan = ReturnType<typeof options>

/** Runs one input; false, after a report, when it threw. */
function survives(target: Target, seed: number, index: number, count: (accepted: boolean) => void): boolean {
  let input: string | undefined
  try {
    input = target.make(new Dice(seed, index))
    count(target.run(input))
    return true
  } catch (error) {
    console.error(`CRASH in ${target.name}, seed ${seed}, input ${index}`)
    console.error(`again: npm run fuzz -- --codec ${target.name} --seed ${seed} --at ${index}`)
    console.error(`input: ${JSON.stringify(input)}`)
    console.error(error)
    return false
  }
}

function fuzz(target: Target, { seed, inputs, msPerCodec, at }: Plan): boolean {
  const startedAt = performance.now()
  let reportedAt = startedAt
  let done = 0
  let accepted = 0
  const end = at === null ? (inputs ?? target.inputs ?? DEFAULT_INPUTS) : at + 1
  const report = (now: number) => {
    const rate = Math.round((done / Math.max(1, now - startedAt)) * 1000)
    console.log(`${target.name.padEnd(10)} ${done} inputs, ${accepted} accepted, ${rate}/s`)
  }
  for (let index = at ?? 0; index < end; index++) {
    const survived = survives(target, seed, index, (was) => {
      accepted += was ? 1 : 0
    })
    if (!survived) return false
    done += 1
    if (done % 256 !== 0) continue
    const now = performance.now()
    if (now - startedAt >= msPerCodec) break
    if (now - reportedAt < PROGRESS_MS) continue
    reportedAt = now
    report(now)
  }
  report(performance.now())
  return true
}

const plan = options()
console.log(`seed ${plan.seed}`)
process.exitCode = plan.chosen.every((target) => fuzz(target, plan)) ? 0 : 1
