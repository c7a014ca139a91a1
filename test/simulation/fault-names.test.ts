/** Every fault of the money path has a scenario under its name: the title of a test, and where it says so a storm. */
import { describe, expect, test } from 'vitest'
import { projectFiles } from '../../scripts/repository.ts'
import { Coverage } from './coverage.ts'
import { FAULTS, WAITING_FAULTS } from './fault-names.ts'
import { reachedBy } from './scenarios.ts'

const NAME = /^F-\d{3}[a-z]?$/
/** The beginning of a title: names of what it shows, apart by commas, and a colon. */
const TITLE = /['"`]((?:[A-Z]+-?\d+[a-z]?, )*[A-Z]+-?\d+[a-z]?): /g
/** The cell of a table that a title repeats. */
const CELL = /['"`](F-\d{3}[a-z]?)['"`],/g

const texts = projectFiles()
  .filter(({ path }) => path.startsWith('test/') && path.endsWith('.test.ts') && !path.startsWith('test/simulation/'))
  .map(({ text }) => text)
const named = (pattern: RegExp) =>
  texts.flatMap((text) => [...text.matchAll(pattern)].flatMap((match) => (match[1] ?? '').split(', ')))
const titled = new Set([...named(TITLE), ...named(CELL)].filter((name) => NAME.test(name)))

const provenBy = (proof: 'test' | 'storm') =>
  Object.entries(FAULTS)
    .filter(([, proofs]) => proofs.includes(proof))
    .map(([name]) => name)

describe('faults', () => {
  test('each has a test whose title bears its name', () => {
    expect(provenBy('test').filter((name) => !titled.has(name))).toEqual([])
  })

  test('those of the storm are the ones that a run reports', () => {
    const { missed } = reachedBy(new Coverage(), new Map())
    expect(missed.filter((name) => name.startsWith('F-')).sort()).toEqual(provenBy('storm'))
  })

  test('no title bears the name of a fault that is not listed', () => {
    const known = new Set([...Object.keys(FAULTS), ...WAITING_FAULTS])
    expect([...titled].filter((name) => !known.has(name))).toEqual([])
  })

  test('none is left without a proof, and none that is proven is said to wait for disputes and bonds', () => {
    expect(Object.entries(FAULTS).filter(([, proofs]) => proofs.length === 0)).toEqual([])
    expect(WAITING_FAULTS.filter((name) => name in FAULTS)).toEqual([])
    expect(Object.keys(FAULTS).length + WAITING_FAULTS.length, 'as many as the money path names').toBe(96)
  })
})
