/** `npm run bench [-- NAME ...] [--quick] [--cpu-prof DIR]` */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, Void } from './benchmark.ts'
import { BENCHMARKS } from './registry.ts'
import { isMet, machine, tableOf, writeReadme } from './report.ts'

const ROUNDS = 3

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, 'cpu-prof': { type: 'string' } },
})
const chosen = BENCHMARKS.filter(({ name }) => names.length === 0 || names.includes(name))
const unknown = names.filter((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are`)
  for (const { name, summary } of BENCHMARKS) console.error(`  ${name.padEnd(20)}${summary}`)
  process.exit(2)
}
build()
const rounds = values.quick ? 1 : ROUNDS
const figures: Figure[] = []
let isVoid = false
for (const { name, summary, run } of chosen) {
  console.log(`${name}: ${summary}`)
  const progress = (line: string): void => console.log(`  ${line}`)
  try {
    figures.push(...(await run({ rounds, profileDir: values['cpu-prof'] ?? null, progress })))
  } catch (error) {
    if (!(error instanceof Void)) throw error
    isVoid = true
    console.error(`  VOID: ${error.message}`)
  }
}
console.log(`\n${machine()}\n\n${tableOf(figures)}`)
if (!isVoid && !values.quick && chosen.length === BENCHMARKS.length) writeReadme(figures, rounds)
process.exitCode = !isVoid && figures.every(isMet) ? 0 : 1

/** The package is what is measured: sources run through a loader, and without threads. */
function build(): void {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: join(import.meta.dirname, '..'),
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the build failed')
}
