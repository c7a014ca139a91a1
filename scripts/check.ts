import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { PROJECT, projectFiles } from './repository.ts'

/** Everything that is checked beside the tests themselves, in this order; one failure does not hide the next. */
const STEPS: readonly { readonly name: string; readonly command: readonly [string, ...string[]] }[] = [
  { name: 'format', command: ['biome', 'format', '.'] },
  { name: 'lint', command: ['biome', 'check', '--formatter-enabled=false', '--error-on-warnings', '.'] },
  { name: 'promises and switches', command: ['oxlint', '--type-aware', '--deny-warnings', '.'] },
  { name: 'types (TypeScript 7)', command: ['tsc', '-p', '.'] },
  { name: 'types (TypeScript 6)', command: ['tsc6', '-p', '.'] },
  { name: 'types (package)', command: ['tsc', '-p', 'tsconfig.build.json', '--noEmit'] },
  { name: 'boundaries', command: ['tsx', 'scripts/boundaries.ts'] },
  { name: 'unused', command: ['knip'] },
  { name: 'generated docs', command: ['tsx', 'scripts/generate-docs.ts'] },
  { name: 'tidy', command: ['vitest', 'run', 'test/tidy.test.ts'] },
]

const LONG_FILE_LINES = 400

/** Runs one command of the project; prints its output only when it failed. */
function passes(name: string, [tool, ...rest]: readonly [string, ...string[]]): boolean {
  const startedMs = Date.now()
  const run = spawnSync(join(PROJECT, 'node_modules/.bin', tool), rest, {
    cwd: PROJECT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
  const passed = run.status === 0
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (!passed) console.log([run.stdout, run.stderr, run.error?.message].filter(Boolean).join('\n'))
  return passed
}

/** A prompt to look, not a rule: cohesion is what counts. */
function listLongFiles(): void {
  for (const { path, text } of projectFiles()) {
    const lines = text.split('\n').length
    if (path.endsWith('.ts') && lines > LONG_FILE_LINES) console.log(`long   ${path}: ${lines} lines`)
  }
}

const wanted = process.argv.slice(2)
const steps = STEPS.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)))
const failed = steps.filter(({ name, command }) => !passes(name, command))
if (steps.length === 0) console.error(`no such step; there are: ${STEPS.map(({ name }) => name).join(', ')}`)
listLongFiles()
process.exitCode = failed.length === 0 && steps.length > 0 ? 0 : 1
