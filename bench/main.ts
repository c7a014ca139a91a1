/** The command of `options.ts`. */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { type Benchmark, type BenchOptions, CannotRun, type Figure, Void } from './benchmark.ts'
import { betterOf, isMet, isMetQuickly } from './figures.ts'
import { closeTarget } from './harness/system.ts'
import { readOptions, USAGE } from './options.ts'
import { BENCHMARKS } from './registry.ts'
import { machine, tableOf, writeReadme } from './report.ts'

const PROJECT = join(import.meta.dirname, '..')
const ROUNDS = 3
/** How often a quick run measures what misses its goal: other work on the machine may have been in the way. */
const QUICK_TRIES = 3

// Daemons are killed when this process exits; a signal alone would leave them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const read = readOptions(args)
  if (!read.ok) return refuse(read.error)
  const { names, quick, target, profileDir, dist } = read.value
  const isNamed = ({ name }: Benchmark): boolean => names.some((word) => word.toLowerCase() === name.toLowerCase())
  const unknown = names.find((word) => !BENCHMARKS.some(({ name }) => name.toLowerCase() === word.toLowerCase()))
  if (unknown !== undefined) return refuse(`no such benchmark: ${unknown}`)
  const chosen = names.length === 0 ? BENCHMARKS : BENCHMARKS.filter(isNamed)
  if (target === null && dist === null) build()
  const options: BenchOptions = {
    rounds: quick ? 1 : ROUNDS,
    quick,
    target,
    profileDir,
    dist: resolve(dist ?? join(PROJECT, 'dist')),
    progress: (line) => console.log(`  ${line}`),
  }
  const figures: Figure[] = []
  const voids: string[] = []
  for (const benchmark of chosen) {
    const done = await runTries(benchmark, options)
    if (done === null) voids.push(benchmark.name)
    else figures.push(...done)
  }
  await closeTarget()
  console.log(`\n${machine()}\n\n${tableOf(figures)}`)
  if (voids.length === 0 && !quick && target === null && chosen.length === BENCHMARKS.length)
    writeReadme(figures, options.rounds)
  const missed = figures.filter((figure) => (quick ? !isMetQuickly(figure) : !isMet(figure)))
  for (const { name } of missed) console.error(`MISSED${quick ? ' by far' : ''}: ${name}`)
  for (const name of voids) console.error(`VOID: ${name} (see above)`)
  return voids.length === 0 && missed.length === 0 ? 0 : 1
}

/** The figures of one benchmark, the best of a few tries where it is a quick one; null when they are void. */
async function runTries(benchmark: Benchmark, options: BenchOptions): Promise<readonly Figure[] | null> {
  let figures = await runOne(benchmark, options)
  for (let tries = 1; options.quick && tries < QUICK_TRIES && figures?.every(isMetQuickly) === false; tries += 1) {
    console.log('  missed by far: once more')
    const again = await runOne(benchmark, options)
    figures = again === null ? null : betterOf(figures, again)
  }
  return figures
}

/** The figures of one run of a benchmark; null when they are void. */
async function runOne(benchmark: Benchmark, options: BenchOptions): Promise<readonly Figure[] | null> {
  const startedMs = performance.now()
  console.log(`${benchmark.name}: ${benchmark.summary}`)
  if (options.target !== null && benchmark.needs === 'our daemon') {
    console.log('  left out: it needs a daemon that we start, kill or look into')
    return []
  }
  try {
    const figures = await benchmark.run(options)
    console.log(`  ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
    return figures
  } catch (error) {
    if (error instanceof CannotRun) console.error(`  CANNOT RUN: ${error.message}`)
    else if (error instanceof Void) console.error(`  VOID: ${error.message}`)
    else console.error(`  FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return null
  }
}

function refuse(why: string): number {
  console.error(`${why}\n\n${USAGE}\n`)
  for (const { name, summary } of BENCHMARKS) console.error(`  ${name.padEnd(18)}${summary}`)
  return 2
}

/** The package is what is measured: sources run through a loader, and without threads. */
function build(): void {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: PROJECT, stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed')
}
