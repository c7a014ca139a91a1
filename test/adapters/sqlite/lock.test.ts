import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acquireDataDirLock, DirectoryLockedError } from '../../../src/adapters/sqlite/lock.ts'

const HOLDER = fileURLToPath(new URL('./lock-holder.ts', import.meta.url))
const NOBODY = 2 ** 22 + 1 // above the largest pid of the system

describe('the lock of a data directory', () => {
  let dir: string
  let child: ChildProcess | undefined
  beforeEach(() => {
    dir = join(mkdtempSync(join(tmpdir(), 'fianza-lock-')), 'data')
  })
  afterEach(async () => {
    await kill()
    rmSync(join(dir, '..'), { recursive: true })
  })

  /** Another process that holds the directory; its pid. */
  async function holder(): Promise<number | undefined> {
    child = spawn(process.execPath, ['--import', 'tsx', HOLDER, dir], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (child.stdout === null) throw new Error('no pipe')
    const [said] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(15_000) })
    expect(String(said)).toBe('locked\n')
    return child.pid
  }

  async function kill(): Promise<void> {
    if (child === undefined) return
    const gone = once(child, 'exit', { signal: AbortSignal.timeout(15_000) })
    child.kill('SIGKILL')
    child = undefined
    await gone
  }

  const refused = (): unknown => {
    try {
      acquireDataDirLock(dir).release()
      return undefined
    } catch (error) {
      return error
    }
  }

  test('is refused while another process holds it, and names that process', async () => {
    const pid = await holder()
    expect(refused()).toBeInstanceOf(DirectoryLockedError)
    expect(refused()).toMatchObject({ pid, message: `${dir} is in use by process ${pid}` })
  })

  test('is free again when its holder was killed, whatever its pid file says', async () => {
    const pid = await holder()
    await kill()
    expect(readFileSync(join(dir, 'lock.pid'), 'utf8')).toBe(`${pid}\n`)
    const lock = acquireDataDirLock(dir)
    expect(readFileSync(join(dir, 'lock.pid'), 'utf8')).toBe(`${process.pid}\n`)
    lock.release()
  })

  test('is held once within a process, released once or twice, and leaves no pid behind', () => {
    const lock = acquireDataDirLock(dir)
    expect(refused()).toMatchObject({ pid: process.pid })
    lock.release()
    const next = acquireDataDirLock(dir)
    lock.release()
    expect(refused()).toBeInstanceOf(DirectoryLockedError)
    next.release()
    expect(existsSync(join(dir, 'lock.pid'))).toBe(false)
  })

  test.each([`${NOBODY}\n`, 'rubbish', '-1', '', '1e99'])('names nobody when the pid file says %j', (text) => {
    const lock = acquireDataDirLock(dir)
    writeFileSync(join(dir, 'lock.pid'), text)
    expect(refused()).toMatchObject({ pid: null, message: `${dir} is in use by another process` })
    lock.release()
  })

  test('a stale pid file stops nobody, not even with a living pid in it', () => {
    acquireDataDirLock(dir).release()
    writeFileSync(join(dir, 'lock.pid'), `${process.ppid}\n`)
    expect(refused()).toBeUndefined()
  })

  test('makes the directory for its owner only', () => {
    acquireDataDirLock(dir).release()
    expect(statSync(dir).mode & 0o777).toBe(0o700)
  })
})
