/** The system under test: the `fianza` command of a build, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const STOP_MS = 20_000
const LOG_TAIL_CHARS = 1500

export type DaemonPlan = {
  /** the build */
  readonly dist: string
  readonly dataDir: string
  readonly profileDir: string | null
  /** set in its environment besides the path */
  readonly env?: Readonly<Record<string, string>>
  /** options of node itself */
  readonly nodeArgs?: readonly string[]
}

/** One daemon at a time on one data directory; it can be killed and started again. */
export class DaemonProcess {
  readonly #plan: DaemonPlan
  readonly #logFile: string
  #child: ChildProcess | null = null
  #exited: Promise<void> = Promise.resolve()
  #failure: Error | null = null

  constructor(plan: DaemonPlan) {
    this.#plan = plan
    this.#logFile = join(plan.dataDir, 'daemon.log')
  }

  /** Starts it; its log is appended to `daemon.log` in the data directory. Returns when on the clock of `performance`. */
  start(): number {
    const { dist, dataDir, profileDir, env = {}, nodeArgs = [] } = this.#plan
    const profiling = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
    const log = openSync(this.#logFile, 'a', 0o600)
    const args = [...profiling, ...nodeArgs, join(dist, 'cli/main.js'), '--dir', dataDir, 'start']
    const startedMs = performance.now()
    // Settings of a real daemon in the environment must not reach this one.
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'], ...env },
    })
    closeSync(log)
    const killAtExit = (): void => void child.kill('SIGKILL')
    process.once('exit', killAtExit)
    child.once('exit', () => process.off('exit', killAtExit))
    this.#child = child
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()))
    child.once('error', (error) => {
      this.#failure = error
    })
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return
      const tail = readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_CHARS)
      this.#failure = new Error(`the daemon ended with ${signal ?? `code ${code}`}. The end of its log:\n${tail}`)
    })
    return startedMs
  }

  /** Why the daemon is gone although nobody told it to go; null while all is well. */
  get failure(): Error | null {
    return this.#failure
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the daemon does not run')
    return pid
  }

  /** The daemon dies on the spot. Settles when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    child?.kill('SIGKILL')
    await this.#exited
  }

  /** Asks it to stop, and kills it when it does not. Idempotent. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await this.#exited
    clearTimeout(killer)
  }
}
