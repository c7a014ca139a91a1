/** The daemon as a process of its own, so that it can be killed like one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { askStatus } from '../../app/control-socket.ts'

const UP_MS = 30_000
const DOWN_MS = 25_000
const POLL_MS = 50
const LOG_TAIL_LINES = 15

export class DaemonProcess {
  readonly #command: readonly [string, ...string[]]
  readonly #dataDir: string
  readonly #logFile: string
  #child: ChildProcess | null = null

  /** `command` is how to call `fianza`; its output is appended to `daemon.log` in the data directory. */
  constructor(command: readonly [string, ...string[]], dataDir: string) {
    this.#command = command
    this.#dataDir = dataDir
    this.#logFile = join(dataDir, 'daemon.log')
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Resolves when it serves; rejects when it does not come up. */
  async start(): Promise<void> {
    const [program, ...args] = this.#command
    const log = openSync(this.#logFile, 'a', 0o600)
    const child = spawn(program, [...args, '--dir', this.#dataDir, 'start'], {
      stdio: ['ignore', log, log],
      env: withoutOurs(process.env),
    })
    closeSync(log)
    this.#child = child
    const failed = new Promise<never>((_, reject) => child.once('error', reject))
    await Promise.race([failed, this.#untilReady(child)])
  }

  /** SIGKILL: it has no time for a last word. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** SIGTERM: it stops in order. Repeat: safe. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** The last lines that it wrote. */
  lastWords(): string {
    if (!existsSync(this.#logFile)) return ''
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n')
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const untilMs = performance.now() + UP_MS
    for (;;) {
      const status = await askStatus(this.#dataDir)
      if (isReady(status, child.pid)) return
      if (hasEnded(child) || performance.now() > untilMs) {
        await this.kill()
        throw new Error('the daemon did not come up')
      }
      await new Promise<void>((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || hasEnded(child)) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const insist = setTimeout(() => child.kill('SIGKILL'), DOWN_MS)
    await ended
    clearTimeout(insist)
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function isReady(status: unknown, pid: number | undefined): boolean {
  return (
    typeof status === 'object' &&
    status !== null &&
    'pid' in status &&
    status.pid === pid &&
    'engine' in status &&
    (status.engine as { readonly ready?: unknown }).ready === true
  )
}

/** What configures a real daemon must not reach this one. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('FIANZA_') && name !== 'MOSTRO_NSEC_PRIVKEY'),
  )
}
