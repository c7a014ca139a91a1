/**
 * Mutation testing (docs/mutation-testing.md). `npm run mutate` mutates src/core but its orders, `MUTATE=order npm run mutate`
 * the orders, `MUTATE=journal npm run mutate` the journal; each against the tests that answer for it, and no others.
 */
import { env } from 'node:process'

const AREAS = {
  core: { mutate: ['src/core/*.ts'], dir: 'test/core', tests: ['test/core/*.test.ts'] },
  order: { mutate: ['src/core/order/*.ts'], dir: 'test/core/order', tests: ['test/core/order/*.test.ts'] },
  journal: { mutate: ['src/engine/journal/*.ts'], dir: 'test/engine', tests: ['test/engine/journal-*.test.ts'] },
}

const area = env.MUTATE ?? 'core'
const chosen = AREAS[area]
if (chosen === undefined) throw new Error(`MUTATE is one of ${Object.keys(AREAS).join(', ')}`)

/** Which argument of a call is a text for people: nothing decides by it, and tests of its wording would only repeat it. */
const TEXT_ARGUMENTS = {
  assert: 1,
  alert: 4,
  halt: 4,
  toReview: 3,
  alertLost: 1,
  addressFailed: 4,
  withdraw: 2,
  AssertionError: 0,
}

/** Texts for people, found in the syntax tree; what is returned is the reason in the report. */
const texts = {
  kind: 'Ignore',
  name: 'texts',
  value: {
    shouldIgnore({ node, parent, listKey, key }) {
      const isCall = parent?.type === 'CallExpression' || parent?.type === 'NewExpression'
      if (isCall && listKey === 'arguments' && TEXT_ARGUMENTS[parent.callee.name] === key) return 'a text for people'
      const isLogged = node.type === 'CallExpression' && node.callee.object?.property?.name === 'log'
      if (isLogged) return 'a line in the log'
      const isDetail = node.type === 'ObjectProperty' && ['detail', 'why'].includes(node.key.name)
      if (isDetail && ['StringLiteral', 'TemplateLiteral'].includes(node.value.type) && !isReason(parent))
        return 'a text for people'
      return undefined
    },
  },
}

/** A `why` that is a word of the protocol or is stored and read again. */
function isReason(object) {
  const kind = object.properties.find((property) => property.key?.name === 'kind')
  return kind?.value.value === 'cancel-escrow'
}

export const strykerPlugins = [texts]

// biome-ignore lint/style/noDefaultExport: Stryker reads its options from it.
export default {
  mutate: chosen.mutate,
  testFiles: chosen.tests,
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner', import.meta.filename],
  ignorers: ['texts'],
  vitest: { configFile: 'vitest.mutation.config.ts', dir: chosen.dir, related: false },
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  concurrency: 1,
  timeoutMS: 60_000,
  ignorePatterns: ['dist', 'coverage', 'bench', '.stryker-tmp'],
  incremental: true,
  incrementalFile: `reports/mutation/${area}-incremental.json`,
  reporters: ['progress-append-only', 'clear-text', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: `reports/mutation/${area}.json` },
  tempDirName: `.stryker-tmp/${area}`,
}
