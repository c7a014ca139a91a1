import type { Clock, Log } from '../../ports/system.ts'

type StopSignal = 'SIGINT' | 'SIGTERM'
const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM']

/** The part of Node's `process` that is needed to stop it. */
export type ProcessHost = {
  on(signal: StopSignal, listener: () => void): unknown
  off(signal: StopSignal, listener: () => void): unknown
  exit(code: number): void
  exitCode?: number | string | null | undefined
}

export type ShutdownOptions = {
  readonly host: ProcessHost
  readonly clock: Clock
  readonly log: Log
  /** for all tasks together, milliseconds */
  readonly deadlineMs: number
  /** for each task whose turn comes after the deadline, and for the event loop to run empty; milliseconds */
  readonly graceMs: number
}

type StopTask = { readonly name: string; readonly run: () => Promise<void> | void }

/**
 * Stops the daemon in order: what was started last is stopped first. A signal or {@link Shutdown.stop} begins it, once.
 * A task that fails or hangs does not keep the others from their turn. The process then ends by itself with its exit
 * code; it is made to exit only when something still holds the event loop after the grace, or on a second signal, which
 * is safe because nothing that matters is in memory alone.
 */
export class Shutdown {
  readonly #options: ShutdownOptions
  readonly #tasks: StopTask[] = []
  readonly #onSignals = new Map<StopSignal, () => void>()
  #stopped: Promise<void> | null = null

  constructor(options: ShutdownOptions) {
    this.#options = options
    for (const signal of STOP_SIGNALS) {
      const listener = (): void => this.#receive(signal)
      this.#onSignals.set(signal, listener)
      options.host.on(signal, listener)
    }
  }

  /** Whether stopping has begun. */
  get isStopping(): boolean {
    return this.#stopped !== null
  }

  /** Adds what must happen at the end. Once stopping has begun it is too late: the task will not run. */
  beforeExit(name: string, run: () => Promise<void> | void): void {
    this.#tasks.push({ name, run })
  }

  /**
   * Begins to stop, or joins a stop that has begun; settles when every task had its turn. Never rejects.
   *
   * @param exitCode of the process when every task succeeds; 1 when one does not
   */
  stop(why: string, exitCode = 0): Promise<void> {
    this.#stopped ??= this.#run(why, exitCode)
    return this.#stopped
  }

  #receive(signal: StopSignal): void {
    if (this.isStopping) {
      this.#options.log.warn('shutdown.forced', { signal })
      this.#options.host.exit(1)
      return
    }
    this.stop(signal).catch(() => {})
  }

  async #run(why: string, exitCode: number): Promise<void> {
    const { clock, log, host, deadlineMs, graceMs } = this.#options
    log.info('shutdown.begun', { why })
    const startedAtMs = clock.nowMs()
    let code = exitCode
    for (const task of this.#tasks.splice(0).reverse()) {
      const leftMs = Math.max(deadlineMs - Math.abs(clock.nowMs() - startedAtMs), graceMs)
      const failure = await this.#attempt(task, leftMs)
      if (failure === null) continue
      code = 1
      log.error('shutdown.task-failed', { task: task.name, failure })
    }
    log.info('shutdown.done', { exitCode: code })
    host.exitCode = code
    for (const [signal, listener] of this.#onSignals) host.off(signal, listener)
    setTimeout(() => {
      log.error('shutdown.lingering', { exitCode: code })
      host.exit(code)
    }, graceMs).unref()
  }

  /** Null when the task is done, else what went wrong. */
  async #attempt({ run }: StopTask, deadlineMs: number): Promise<unknown> {
    let forget = (): void => {}
    const late = new Promise<string>((resolve) => {
      forget = this.#options.clock.after(deadlineMs, () => resolve(`not done within ${deadlineMs} ms`))
    })
    try {
      return await Promise.race([Promise.resolve(run()).then(() => null), late])
    } catch (error) {
      return error
    } finally {
      forget()
    }
  }
}
