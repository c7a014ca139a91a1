/** The package as it is shipped: what the torture kills is what an operator runs. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(PROJECT, 'dist/cli/main.js')

/** How to call the built `fianza`; builds it when it is missing or older than its sources. */
export function builtFianza(): readonly [string, string] {
  if (!existsSync(MAIN) || statSync(MAIN).mtimeMs < newestSourceMs()) build()
  return [process.execPath, MAIN]
}

function newestSourceMs(): number {
  const files = readdirSync(join(PROJECT, 'src'), { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
  return Math.max(...files.map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs))
}

function build(): void {
  const run = spawnSync('npm', ['run', 'build'], { cwd: PROJECT, encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`the build failed:\n${run.stdout}${run.stderr}`)
}
