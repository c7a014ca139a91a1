import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/system/clock.ts'
import { systemRandom } from '../../../src/adapters/system/random.ts'

describe('the host’s clock', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('tells the time', () => {
    vi.setSystemTime(1_785_000_000_123)
    expect(systemClock.nowMs()).toBe(1_785_000_000_123)
  })

  it('never runs a task synchronously, and runs it once', () => {
    const task = vi.fn()
    systemClock.after(0, task)
    expect(task).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1000)
    expect(task).toHaveBeenCalledTimes(1)
  })

  it('runs what is due at once without waiting a millisecond, and can forget it', () => {
    const task = vi.fn()
    const forgotten = vi.fn()
    systemClock.after(0, task)
    systemClock.after(0, forgotten)()
    vi.advanceTimersByTime(0)
    expect(task).toHaveBeenCalledTimes(1)
    expect(forgotten).not.toHaveBeenCalled()
  })

  it('forgets a task', () => {
    const task = vi.fn()
    const forget = systemClock.after(50, task)
    forget()
    forget()
    vi.advanceTimersByTime(1000)
    expect(task).not.toHaveBeenCalled()
  })

  it('waits ninety days when told so, and can forget in between', () => {
    const ninetyDaysMs = 90 * 86_400_000
    const task = vi.fn()
    const forgotten = vi.fn()
    systemClock.after(ninetyDaysMs, task)
    const forget = systemClock.after(ninetyDaysMs, forgotten)
    vi.advanceTimersByTime(ninetyDaysMs - 1)
    expect(task).not.toHaveBeenCalled()
    forget()
    vi.advanceTimersByTime(1)
    expect(task).toHaveBeenCalledTimes(1)
    expect(forgotten).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('the host’s chance', () => {
  it('gives as many bytes as asked, and others every time', () => {
    const first = systemRandom.bytes(32)
    expect(first).toHaveLength(32)
    expect(systemRandom.bytes(32)).not.toEqual(first)
    expect(systemRandom.bytes(0)).toHaveLength(0)
  })
})
