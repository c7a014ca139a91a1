import { describe, expect, it } from 'vitest'
import { brokenBoundaries } from '../../scripts/boundaries.ts'
import { tempTree } from '../support/temp-tree.ts'

/** A small tree that keeps every rule; each row below plants one more file in it. */
const GOOD_TREE: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module", "dependencies": { "zod": "4.0.0", "undici": "7.0.0" } }',
  'tsconfig.json':
    '{ "compilerOptions": { "module": "NodeNext", "allowImportingTsExtensions": true, "noEmit": true } }',
  'node_modules/zod/package.json': '{ "name": "zod", "version": "4.0.0", "main": "index.js" }',
  'node_modules/zod/index.js': 'exports.z = {}',
  'node_modules/undici/package.json': '{ "name": "undici", "version": "7.0.0", "main": "index.js" }',
  'node_modules/undici/index.js': 'exports.request = {}',
  'src/core/money.ts': 'export type Msat = number\nexport const ZERO = 0',
  'src/ports/prices.ts': "import type { Msat } from '../core/money.ts'\nexport type Price = Msat",
  'src/wire/parse.ts':
    "import { ZERO } from '../core/money.ts'\nimport { z } from 'zod'\nexport const parse = [ZERO, z]",
  'src/engine/inbox.ts': "import { parse } from '../wire/parse.ts'\nexport const inbox = parse",
  'src/engine/queries.ts': 'export const query = 1',
  'src/adapters/price/http.ts': "import { z } from 'zod'\nexport const price = z",
  'src/adapters/system/clock.ts': "import { hrtime } from 'node:process'\nexport const now = hrtime",
  'src/http/health.ts': "import { query } from '../engine/queries.ts'\nexport const health = query",
  'src/sandbox/world.ts': "import { inbox } from '../engine/inbox.ts'\nexport const world = inbox",
  'src/cli/main.ts': "import { world } from '../sandbox/world.ts'\nexport const main = world",
}
const MODULES = Object.keys(GOOD_TREE).filter((name) => name.startsWith('src/')).length

/** Each: what is wrong, the file that does it, its text, and the rule that must name the file. */
const PLANTED: readonly (readonly [string, string, string, string])[] = [
  ['the core imports the engine', 'src/core/bad-1.ts', "import '../engine/inbox.ts'", 'core-folders'],
  [
    'the core imports a type of a port',
    'src/core/bad-2.ts',
    "import type { Price } from '../ports/prices.ts'\nexport type P = Price",
    'core-folders',
  ],
  ['the core imports a package', 'src/core/bad-3.ts', "import 'zod'", 'core-packages'],
  ['the core imports a module of Node', 'src/core/bad-4.ts', "import 'node:crypto'", 'core-node'],
  [
    'a port imports a value of the core',
    'src/ports/bad-5.ts',
    "import { ZERO } from '../core/money.ts'\nexport const zero = ZERO",
    'ports-types-only',
  ],
  ['the wire imports an HTTP client', 'src/wire/bad-6.ts', "import 'undici'", 'wire-packages'],
  ['the wire reads files', 'src/wire/bad-7.ts', "import 'node:fs'", 'wire-node'],
  [
    'the engine imports an adapter other than the store',
    'src/engine/bad-8.ts',
    "import '../adapters/price/http.ts'",
    'engine-folders',
  ],
  [
    'an adapter imports another',
    'src/adapters/price/bad-9.ts',
    "import '../system/clock.ts'",
    'adapters-price-folders',
  ],
  [
    'an adapter that is not the relay pool imports the wire',
    'src/adapters/price/bad-10.ts',
    "import '../../wire/parse.ts'",
    'adapters-price-folders',
  ],
  [
    'the dashboard passes by the doors of the engine',
    'src/http/bad-11.ts',
    "import '../engine/inbox.ts'",
    'http-folders',
  ],
  ['the composition root imports the sandbox', 'src/app/bad-12.ts', "import '../sandbox/world.ts'", 'app-folders'],
  ['the sandbox imports the command line', 'src/sandbox/bad-13.ts', "import '../cli/main.ts'", 'sandbox-folders'],
  [
    'the command line imports a value of the core',
    'src/cli/bad-14.ts',
    "import { ZERO } from '../core/money.ts'\nexport const zero = ZERO",
    'cli-types-only',
  ],
  ['a file imports itself', 'src/core/bad-15.ts', "import './bad-15.ts'", 'no-cycles'],
  ['an import leads nowhere', 'src/core/bad-16.ts', "import './gone.ts'", 'no-unresolvable'],
  [
    'a folder is missing in the table',
    'src/helpers/bad-17.ts',
    'export const helper = 1',
    'src/helpers is not in the table',
  ],
]

describe('the import table', () => {
  const planted = Object.fromEntries(PLANTED.map(([, file, text]) => [file, text]))
  const broken = brokenIn({ ...GOOD_TREE, ...planted }, MODULES)

  it('lets a tree pass that keeps it', () => {
    expect(brokenIn(GOOD_TREE, MODULES)).toEqual([])
  })

  it('fails when fewer modules were read than there must be', () => {
    expect(brokenIn(GOOD_TREE, MODULES + 1)).toEqual([`only ${MODULES} modules were read, of at least ${MODULES + 1}`])
  })

  it('fails on a tree without a module', () => {
    const empty = { 'tsconfig.json': '{}', 'tool.ts': '', 'src/core/empty.txt': '' }
    expect(brokenIn(empty, 1)).toEqual(['only 0 modules were read, of at least 1'])
  })

  it.for(PLANTED)('is broken when %s', ([, file, , rule]) => {
    const named = rule.startsWith('src/') ? rule : `${rule}: ${file} -> `
    expect(broken.filter((line) => line.startsWith(named))).not.toEqual([])
  })

  it('names nothing but what is planted', () => {
    const names = PLANTED.map(([, file, , rule]) => (rule.startsWith('src/') ? rule : file))
    expect(broken.filter((line) => !names.some((name) => line.includes(name)))).toEqual([])
  })
})

function brokenIn(files: Readonly<Record<string, string>>, minimumModules: number): readonly string[] {
  using tree = tempTree(files)
  return brokenBoundaries(tree.path, minimumModules)
}
