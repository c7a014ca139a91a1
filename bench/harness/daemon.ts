/** The system under test: the `fianza` command in a process of its own, with the settings of production. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'

const COMMAND = join(import.meta.dirname, '../../dist/cli/main.js')
const STOP_MS = 20_000

export type DaemonProcess = {
  /** Rejects when the daemon ends before it was told to. */
  readonly ended: Promise<never>
  /** Asks it to stop, and kills it when it does not. Idempotent. */
  stop(): Promise<void>
}

/** Starts a daemon on a data directory; its log is written to `daemon.log` there. */
export function startDaemonProcess(dataDir: string, profileDir: string | null): DaemonProcess {
  const profiling = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
  const child = spawn(process.execPath, [...profiling, COMMAND, '--dir', dataDir, 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Settings of a real daemon in the environment must not reach this one.
    env: { PATH: process.env['PATH'] },
  })
  const logFile = join(dataDir, 'daemon.log')
  const log = createWriteStream(logFile)
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  let stopping = false
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      log.end()
      if (!stopping) reject(new Error(`the daemon ended with code ${code}; see ${logFile}`))
    })
  })
  // Whoever waits for something races it; nobody may be waiting just now.
  ended.catch(() => undefined)
  return {
    ended,
    async stop() {
      if (stopping) return exited
      stopping = true
      await endProcess(child, exited)
    },
  }
}

async function endProcess(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await exited
  clearTimeout(killer)
}
