/** `fianza start` as a process of its own, from the sources. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { askStatus } from '../../src/app/control-socket.ts'
import { eventually, within } from './wait.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const UP_MS = 30_000
const DOWN_MS = 25_000
/** POSIX counts so. */
const ULIMIT_BLOCK_BYTES = 512

export type DaemonChildOptions = {
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string>>
  /** a module that is loaded before the daemon's own */
  readonly preload?: URL
  /** after `start` */
  readonly args?: readonly string[]
  /** the system refuses to let any of its files grow beyond this */
  readonly fileLimitBytes?: number
}

type End = { readonly code: number | null; readonly signal: string | null }

export class DaemonChild {
  readonly #dataDir: string
  readonly #child: ChildProcess
  readonly #end: Promise<End>
  #output = ''

  constructor({ dataDir, env = {}, preload, args = [], fileLimitBytes }: DaemonChildOptions) {
    this.#dataDir = dataDir
    const modules = ['--import', 'tsx', ...(preload === undefined ? [] : ['--import', preload.href])]
    const node = [process.execPath, ...modules, MAIN, '--dir', dataDir, 'start', ...args]
    const limit =
      fileLimitBytes === undefined ? '' : `ulimit -S -f ${Math.ceil(fileLimitBytes / ULIMIT_BLOCK_BYTES)} && `
    this.#child = spawn('/bin/sh', ['-c', `${limit}exec "$0" "$@"`, ...node], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ...env },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (part: Buffer) => {
        this.#output += part.toString()
      })
    this.#end = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  /** All that it has written. */
  get output(): string {
    return this.#output
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Resolves when it serves; rejects when it ends instead. */
  async up(): Promise<void> {
    await eventually(
      async () => {
        if (this.hasEnded) throw new Error(`the daemon has ended:\n${this.#output}`)
        const status = await askStatus(this.#dataDir)
        return isOf(status, this.#child.pid)
      },
      'the daemon to serve',
      UP_MS,
    )
  }

  /** How it ended by itself. */
  ended(): Promise<End> {
    return within(this.#end, 'the daemon to end', UP_MS)
  }

  /** Sends it a signal, which ends it or not. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** SIGKILL: it has no time for a last word. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGKILL')
    await this.#end
  }

  /** Stops it in order, if it still runs. */
  async stop(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGTERM')
    await within(this.#end, 'the daemon to stop', DOWN_MS).catch((error: unknown) => {
      this.#child.kill('SIGKILL')
      throw error
    })
  }
}

const isOf = (status: unknown, pid: number | undefined): boolean =>
  typeof status === 'object' && status !== null && 'pid' in status && status.pid === pid
