import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tempTree } from '../support/temp-tree.ts'

const project = resolve(import.meta.dirname, '../..')

const PORTS = `export type Ports = { readonly pay: (hash: string) => Promise<string>; readonly log: (text: string) => void }
export async function later(): Promise<void> {}
`
const IMPORT = "import { later, type Ports } from './ports.ts'\n"

/** The ways to lose a promise, each in a file of its own; a lost promise here is lost money. */
const LOST_PROMISES: readonly (readonly [string, string])[] = [
  ['a direct call', 'async function own(): Promise<void> {}\nexport function f(): void { own() }'],
  ['a call through a port', `${IMPORT}export function f(p: Ports): void { p.pay('a'); later }`],
  [
    'an array of promises from map',
    `${IMPORT}export function f(p: Ports, xs: readonly string[]): void { xs.map((x) => p.pay(x)) }`,
  ],
  [
    'an async callback of forEach',
    `${IMPORT}export function f(p: Ports, xs: readonly string[]): void { xs.forEach(async (x) => { await p.pay(x) }) }`,
  ],
  [
    'a promise out of a generic wrapper',
    `${IMPORT}const wrap = <T>(g: () => T): T => g()\nexport function f(p: Ports): void { wrap(() => p.pay('b')) }`,
  ],
  ['a promise behind &&', `${IMPORT}export function f(p: Ports, b: boolean): void { b && p.pay('c') }`],
  ['a promise as a condition', `${IMPORT}export function f(p: Ports): number { if (p.pay('d')) return 1; return 0 }`],
  ['a then without a catch', `${IMPORT}export function f(p: Ports): void { p.pay('e').then((x) => { p.log(x) }) }`],
  ['a function of another file', `${IMPORT}export function f(): void { later() }`],
  ['a promise thrown away with void', `${IMPORT}export function f(): void { void later() }`],
]

const UNION = "type S = { readonly kind: 'a' } | { readonly kind: 'b' } | { readonly kind: 'c' }\n"
const OPEN_SWITCH = `${UNION}export function f(s: S): void { switch (s.kind) { case 'a': break; case 'b': break } }`
const DEFAULT_SWITCH = `${UNION}export function f(s: S): number { switch (s.kind) { case 'a': return 1; default: return 2 } }`
const FULL_SWITCH = `${UNION}export function f(s: S): number { switch (s.kind) { case 'a': return 1; case 'b': return 2; case 'c': return 3 } }`

const GOOD = `${IMPORT}export async function f(p: Ports): Promise<string> { await later(); return await p.pay('a') }`

/** Names of the rules that the project's own oxlint configuration reports for each file of a tree. */
function findings(files: Readonly<Record<string, string>>): ReadonlyMap<string, readonly string[]> {
  using tree = tempTree({
    'tsconfig.json':
      '{ "compilerOptions": { "strict": true, "target": "ES2022", "module": "NodeNext", "allowImportingTsExtensions": true, "noEmit": true } }',
    'package.json': '{ "type": "module" }',
    '.oxlintrc.json': readFileSync(join(project, '.oxlintrc.json'), 'utf8'),
    ...files,
  })
  const run = spawnSync(join(project, 'node_modules/.bin/oxlint'), ['--type-aware', '--format', 'json', '.'], {
    cwd: tree.path,
    encoding: 'utf8',
  })
  const report = JSON.parse(run.stdout) as {
    readonly diagnostics: readonly { readonly code: string; readonly filename: string }[]
  }
  return new Map(
    Object.keys(files).map((name) => [
      name,
      report.diagnostics.filter(({ filename }) => filename.endsWith(name)).map(({ code }) => code),
    ]),
  )
}

describe('the linter', () => {
  const files = Object.fromEntries(LOST_PROMISES.map(([, text], index) => [`src/engine/lost-${index}.ts`, text]))
  const found = findings({
    ...files,
    'src/engine/ports.ts': PORTS,
    'src/engine/good.ts': GOOD,
    'src/engine/open-switch.ts': OPEN_SWITCH,
    'src/engine/full-switch.ts': FULL_SWITCH,
    'src/core/default-switch.ts': DEFAULT_SWITCH,
  })

  it.for(LOST_PROMISES.map(([shape], index) => [shape, index] as const))('finds %s', ([, index]) => {
    expect(found.get(`src/engine/lost-${index}.ts`)?.join()).toMatch(/no-floating-promises|no-misused-promises/)
  })

  it('finds a switch that does not answer every member of a union', () => {
    expect(found.get('src/engine/open-switch.ts')?.join()).toContain('switch-exhaustiveness-check')
  })

  it('finds a default in the core that hides a missing member', () => {
    expect(found.get('src/core/default-switch.ts')?.join()).toContain('switch-exhaustiveness-check')
  })

  it.for(['good', 'ports', 'full-switch'])('has nothing to say about %s', (name) => {
    expect(found.get(`src/engine/${name}.ts`)).toEqual([])
  })
})
