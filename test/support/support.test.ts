import { describe, expect, it } from 'vitest'
import { TestClock } from './clock.ts'
import { seededRandom } from './random.ts'
import { type RunModule, summaryOf } from './summary-reporter.ts'
import { eventually, within } from './wait.ts'

describe('the test clock', () => {
  it('runs tasks in the order of their time, also those that a task sets', async () => {
    const clock = new TestClock(1_000)
    const seen: string[] = []
    clock.after(30, () => seen.push(`late ${clock.nowMs()}`))
    clock.after(10, () => {
      seen.push(`early ${clock.nowMs()}`)
      clock.after(5, () => seen.push(`set by early ${clock.nowMs()}`))
    })
    clock.after(10, () => seen.push(`second ${clock.nowMs()}`))
    await clock.advance(30)
    expect(seen).toEqual(['early 1010', 'second 1010', 'set by early 1015', 'late 1030'])
    expect(clock.nowMs()).toBe(1_030)
  })

  it('forgets a task that was taken back', async () => {
    const clock = new TestClock()
    const forget = clock.after(10, () => expect.unreachable('the task was taken back'))
    forget()
    await clock.advance(20)
    expect(clock.pendingCount).toBe(0)
  })

  it('keeps every delay when the host sets its clock', async () => {
    const clock = new TestClock(5_000)
    const seen: number[] = []
    clock.after(10, () => seen.push(clock.nowMs()))
    clock.jumpTo(1_000)
    await clock.advance(9)
    expect(seen).toEqual([])
    await clock.advance(1)
    expect(seen).toEqual([1_010])
  })
})

describe('a wait', () => {
  it('ends with the value', async () => {
    await expect(within(Promise.resolve(7), 'a number')).resolves.toBe(7)
  })

  it('ends at its deadline and says what it waited for', async () => {
    const never = new Promise<void>(() => undefined)
    await expect(within(never, 'the relay', 10)).rejects.toThrow('waited 10 ms for the relay')
    await expect(eventually(() => false, 'the trade', 10)).rejects.toThrow('waited 10 ms for the trade')
  })

  it('ends as soon as the condition holds', async () => {
    let asked = 0
    await eventually(() => ++asked === 3, 'the third question')
    expect(asked).toBe(3)
  })
})

describe('seeded chance', () => {
  it('is the same for the same seed and another for another', () => {
    expect(seededRandom(7).bytes(16)).toEqual(seededRandom(7).bytes(16))
    expect(seededRandom(7).bytes(16)).not.toEqual(seededRandom(8).bytes(16))
  })
})

describe('the last line of a run', () => {
  const moduleWith = (states: readonly RunState[], errorCount = 0): RunModule => ({
    children: { allTests: () => states.map((state) => ({ result: () => ({ state }) })) },
    errors: () => Array.from({ length: errorCount }),
  })
  type RunState = 'passed' | 'failed' | 'skipped'

  it.for<readonly [string, readonly RunModule[], number, string]>([
    ['nothing ran', [], 0, '0 passed, 0 failed'],
    ['all passed', [moduleWith(['passed', 'passed']), moduleWith(['passed'])], 0, '3 passed, 0 failed'],
    ['one failed', [moduleWith(['passed', 'failed'])], 0, '1 passed, 1 failed'],
    ['one was skipped', [moduleWith(['passed', 'skipped'])], 0, '1 passed, 0 failed'],
    ['a file could not be read', [moduleWith(['passed']), moduleWith([], 1)], 0, '1 passed, 1 failed'],
    ['something failed outside any test', [moduleWith(['passed'])], 2, '1 passed, 2 failed'],
  ])('tells that %s', ([, modules, unhandledCount, line]) => {
    expect(summaryOf(modules, unhandledCount)).toBe(line)
  })
})
