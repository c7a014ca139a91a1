import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import table from './boundaries.data.json' with { type: 'json' }
import { PROJECT } from './repository.ts'

/** One row of the import table: what the files of one folder of `src` may import beside each other. */
export type Boundary = {
  readonly folder: string
  /** folders (or single files) of `src` */
  readonly imports: readonly string[]
  /** folders of `src` from which only types may be imported */
  readonly types: readonly string[]
  /** packages; `*` stands for any characters */
  readonly packages: readonly string[]
  /** modules of Node, without the `node:`; `*` is any */
  readonly node: readonly string[]
  readonly why: string
}

/** The import table, from the one file that the checker's rules and `docs/architecture.md` come from too. */
export const BOUNDARIES: readonly Boundary[] = table.folders

type Violation = { readonly rule: { readonly name: string }; readonly from: string; readonly to: string }
type CruiseReport = {
  readonly modules: readonly { readonly source: string }[]
  readonly summary: { readonly violations: readonly Violation[] }
}

/**
 * Every import below `root`/src that the table forbids, as `rule: from -> to`, and every folder that the table does not
 * name. Fails too when fewer than `minimumModules` were read: a checker that reads nothing finds nothing.
 */
export function brokenBoundaries(root: string, minimumModules: number): readonly string[] {
  const cruised = cruise(root)
  const found = cruised.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)
  const count = cruised.modules.filter(({ source }) => source.startsWith('src/')).length
  if (count < minimumModules) found.push(`only ${count} modules were read, of at least ${minimumModules}`)
  return [...found, ...unnamedFolders(root)]
}

function cruise(root: string): CruiseReport {
  const config = join(PROJECT, '.dependency-cruiser.cjs')
  const command = join(PROJECT, 'node_modules/.bin/depcruise')
  const run = spawnSync(command, ['src', '--config', config, '--output-type', 'json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  if (!run.stdout.startsWith('{')) throw new Error(`dependency-cruiser did not answer: ${run.stderr}`)
  return JSON.parse(run.stdout) as CruiseReport
}

function unnamedFolders(root: string): readonly string[] {
  const named = new Set(BOUNDARIES.map(({ folder }) => folder))
  const top = subfolders(join(root, 'src')).filter((name) => name !== 'adapters')
  const adapters = subfolders(join(root, 'src/adapters')).map((name) => `adapters/${name}`)
  return [...top, ...adapters].filter((name) => !named.has(name)).map((name) => `src/${name} is not in the table`)
}

function subfolders(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

if (process.argv[1] === import.meta.filename) {
  const broken = brokenBoundaries(PROJECT, table.minimumModules)
  for (const line of broken) console.error(line)
  process.exitCode = broken.length === 0 ? 0 : 1
}
