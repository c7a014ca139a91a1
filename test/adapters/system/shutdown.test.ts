import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/system/clock.ts'
import { type ProcessHost, Shutdown } from '../../../src/adapters/system/shutdown.ts'
import type { Log } from '../../../src/ports/system.ts'

class FakeProcess extends EventEmitter implements ProcessHost {
  exitCode: number | undefined
  readonly exits: number[] = []
  exit(code: number): void {
    this.exits.push(code)
  }
}

describe('stopping the daemon', () => {
  let host: FakeProcess
  let events: string[]
  let shutdown: Shutdown

  beforeEach(() => {
    vi.useFakeTimers()
    host = new FakeProcess()
    events = []
    const note = (event: string): void => void events.push(event)
    const log: Log = { debug: note, info: note, warn: note, error: note }
    shutdown = new Shutdown({ host, clock: systemClock, log, deadlineMs: 10_000, graceMs: 500 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function task(name: string, run: () => Promise<void> | void = () => {}): void {
    shutdown.beforeExit(name, async () => {
      events.push(name)
      await run()
    })
  }

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'on %s stops what was started last first, and asks for exit code 0',
    async (signal) => {
      task('store')
      task('relays')
      task('http')
      host.emit(signal)
      expect(shutdown.isStopping).toBe(true)
      await shutdown.stop('joined')
      expect(events).toEqual(['shutdown.begun', 'http', 'relays', 'store', 'shutdown.done'])
      expect(host.exitCode).toBe(0)
      expect(host.exits).toEqual([])
    },
  )

  it('happens once, however often it is asked for', async () => {
    task('store')
    await Promise.all([shutdown.stop('a'), shutdown.stop('b', 7)])
    await shutdown.stop('c')
    expect(events.filter((event) => event === 'store')).toHaveLength(1)
    expect(host.exitCode).toBe(0)
  })

  it('keeps the exit code of a failed start', async () => {
    await shutdown.stop('configuration', 78)
    expect(host.exitCode).toBe(78)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('stuck')
      },
    ],
    ['rejects', () => Promise.reject(new Error('stuck'))],
  ])('goes on when a task %s, and says so in the exit code', async (_, run) => {
    task('store')
    shutdown.beforeExit('relays', run)
    await shutdown.stop('test')
    expect(events).toEqual(['shutdown.begun', 'shutdown.task-failed', 'store', 'shutdown.done'])
    expect(host.exitCode).toBe(1)
  })

  it('gives up a task that hangs at the deadline, and those after it still have their turn', async () => {
    task('store')
    task('inbox', () => new Promise(() => {}))
    task('relays', () => new Promise(() => {}))
    const stopped = shutdown.stop('test')
    await vi.advanceTimersByTimeAsync(9999)
    expect(events).toEqual(['shutdown.begun', 'relays'])
    await vi.advanceTimersByTimeAsync(1)
    expect(events.at(-1)).toBe('inbox')
    await vi.advanceTimersByTimeAsync(500)
    await stopped
    expect(events).toContain('store')
    expect(host.exitCode).toBe(1)
  })

  it('exits at once on a second signal', async () => {
    task('relays', () => new Promise(() => {}))
    host.emit('SIGTERM')
    host.emit('SIGINT')
    expect(host.exits).toEqual([1])
  })

  it('no longer listens to signals when it is done, so that one more ends the process', async () => {
    await shutdown.stop('test')
    expect(host.listenerCount('SIGTERM') + host.listenerCount('SIGINT')).toBe(0)
  })

  it('exits when something holds the event loop after the grace', async () => {
    await shutdown.stop('test')
    await vi.advanceTimersByTimeAsync(499)
    expect(host.exits).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(host.exits).toEqual([0])
    expect(events.at(-1)).toBe('shutdown.lingering')
  })
})

describe('a real process', () => {
  const script = (extra: string): string => `
    import { Shutdown } from './src/adapters/system/shutdown.ts'
    import { systemClock } from './src/adapters/system/clock.ts'
    import { createLog } from './src/adapters/system/log.ts'
    const log = createLog({ level: 'info', pretty: false })
    const shutdown = new Shutdown({ host: process, clock: systemClock, log, deadlineMs: 5000, graceMs: 100 })
    const timer = setInterval(() => {}, 1000)
    ${extra}
    log.info('ready')
  `

  async function stopBySignal(extra: string): Promise<{ readonly code: number | null; readonly events: string[] }> {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script(extra)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 15_000,
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      if (!output.includes('"ready"') && chunk.includes('"ready"')) child.kill('SIGTERM')
      output += chunk.toString()
    })
    const [code] = await once(child, 'close')
    const events = output
      .trim()
      .split('\n')
      .map((line): string => JSON.parse(line).event)
    return { code, events }
  }

  it('ends by itself once everything is stopped', async () => {
    const { code, events } = await stopBySignal(`shutdown.beforeExit('timer', () => clearInterval(timer))`)
    expect(events).toEqual(['ready', 'shutdown.begun', 'shutdown.done'])
    expect(code).toBe(0)
  })

  it('is ended when something was forgotten', async () => {
    const { code, events } = await stopBySignal('')
    expect(events).toEqual(['ready', 'shutdown.begun', 'shutdown.done', 'shutdown.lingering'])
    expect(code).toBe(0)
  })
})
