/** Every crash point of the money path has a scenario under its name. */
import { describe, expect, test } from 'vitest'
import { projectFiles } from '../../scripts/repository.ts'
import { Coverage } from './coverage.ts'
import { reachedBy } from './scenarios.ts'

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, n) => `C-${String(from + n).padStart(2, '0')}`)

/** Only disputes and bonds bring these. */
const WAITING = new Set([...numbers(29, 49), 'C-53', 'C-54'])
const CRASH_POINTS = [...numbers(1, 65), 'C-18a', 'C-18b', 'C-28a'].filter((name) => !WAITING.has(name))

describe('crash points', () => {
  test('each has a test that bears its name, but for those that wait for disputes and bonds', () => {
    const texts = projectFiles()
      .filter(({ path }) => path.startsWith('test/') && path.endsWith('.test.ts') && !path.includes('scenarios'))
      .map(({ text }) => text)
    const without = CRASH_POINTS.filter((name) => !texts.some((text) => new RegExp(`${name}(?![0-9a-z])`).test(text)))
    expect(without).toEqual([])
  })

  test('of a storm that met nothing are all missed', () => {
    const { reached, missed } = reachedBy(new Coverage(), new Map())
    expect(reached).toEqual([])
    expect(missed.length).toBeGreaterThan(25)
  })

  test('of a storm are told from where the power went, what rows went through, and which faults came', () => {
    const coverage = new Coverage()
    coverage.killed('after:lightning.pay')
    const { reached } = reachedBy(coverage, new Map([['disk-full', 1]]))
    expect(reached).toEqual(['C-21', 'F-096a'])
  })
})
