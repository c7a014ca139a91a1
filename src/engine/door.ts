/**
 * The one door to the store. Messages, facts from Lightning, acceptances by relays, timers and commands all enter as
 * jobs; what waits when the last commit ended shares the next transaction, with a savepoint each (design.md 2).
 * A job is synchronous: there is no await between its reads and its writes.
 */
import type { Store } from '../adapters/sqlite/store.ts'
import type { Log } from '../ports/system.ts'
import type { WatchedClock } from './watched-clock.ts'

/** What a job works with. */
export type Tx = {
  readonly store: Store
  readonly s: Store['s']
  /** unix seconds, fixed for the job */
  readonly nowS: number
  readonly nowMs: number
  /** unix seconds that have surely come: what LND may still do until some moment must be judged by these (ADR 0014) */
  readonly surelyS: number
  /** Runs after the commit that made this job's writes durable; never if it is rolled back. */
  after(task: () => void): void
}

export type Job<T> = {
  /** for logs and for the crash points of tests */
  readonly name: string
  run(tx: Tx): T
  /** nobody waits for it: it shares the commit of what somebody does wait for, or has one of its own a little later */
  readonly lazy?: boolean
  /** LND is waited for, before it or after it: where not all fit into a commit, new messages come later */
  readonly early?: boolean
  /** writes what remains of a job that threw (its own writes are rolled back) and gives its result */
  failed?(tx: Tx, error: unknown): T
}

/** Tests cut here: called around every commit with the names of its jobs. */
export type CommitHooks = {
  readonly beforeCommit?: (names: readonly string[]) => void
  readonly afterCommit?: (names: readonly string[]) => void
}

/** Calls a task soon, after the caller. */
export type Defer = (task: () => void) => void

/** Whether jobs that wait together share a commit, or each has its own: a slow baseline, for measuring. */
export type Commits = 'grouped' | 'each'

export type DoorOptions = {
  readonly hooks?: CommitHooks
  /** when a commit is made after the first of its jobs came; what comes until then shares it */
  readonly defer?: Defer
  readonly commits?: Commits
}

const BATCH_MAX = 64
/** So many places in a batch are for jobs that nobody waits for, however many others there are. */
const LAZY_PLACES = 16
/**
 * After a commit the door stays shut for so many times as long as it took, but not longer than the maximum: under load
 * the disk then has a third of the time, and the jobs that came meanwhile share the next commit. Who comes to an idle
 * door does not wait.
 */
const REST_SHARE = 2
const REST_MAX_MS = 10
/** How long a job that nobody waits for waits for company. */
const LAZY_MS = 5
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 5000
/** A database that took nothing for so long is told to the operator, as soon as that can be written. */
const STALL_MS = 30_000

type Waiting = {
  readonly job: Job<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** The disk's fault, not the job's: the whole batch is tried again. */
function isStoreTrouble(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false
  return (
    error.code.startsWith('SQLITE_') && !error.code.startsWith('SQLITE_CONSTRAINT') && error.code !== 'SQLITE_ERROR'
  )
}

export class Door {
  readonly #store: Store
  readonly #clock: WatchedClock
  readonly #log: Log
  readonly #hooks: CommitHooks
  readonly #defer: Defer
  readonly #batchMax: number
  #queue: Waiting[] = []
  #scheduled = false
  /** forgets the commit that lazy jobs will have of their own */
  #cancelLazy: (() => void) | null = null
  #restsUntilMs = Number.NEGATIVE_INFINITY
  #urgentAtMs = Number.NEGATIVE_INFINITY
  #closed = false
  #retryMs = 0
  /** since when no commit went through, and why the last one did not; null when all is well */
  #stalled: { readonly sinceMs: number; readonly why: string } | null = null

  constructor(store: Store, clock: WatchedClock, log: Log, options: DoorOptions = {}) {
    const { hooks = {}, defer = queueMicrotask, commits = 'grouped' } = options
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#hooks = hooks
    this.#defer = defer
    this.#batchMax = commits === 'each' ? 1 : BATCH_MAX
  }

  /** How many jobs wait for the next commit. */
  get depth(): number {
    return this.#queue.length
  }

  /** For how long nobody has handed in a job that somebody waits for. */
  get quietMs(): number {
    return this.#clock.monotonicMs() - this.#urgentAtMs
  }

  /**
   * Hands in a job. Resolves with its result once it is on disk; rejects when it threw and has no `failed`, or when the
   * door is closed. A full or broken disk delays it, it does not lose it.
   */
  submit<T>(job: Job<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error(`the engine has stopped: ${job.name} is not done`))
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, resolve: (value) => resolve(value as T), reject })
      if (job.lazy === true) {
        this.#scheduleLazy()
        return
      }
      this.#urgentAtMs = this.#clock.monotonicMs()
      this.#schedule(0)
    })
  }

  #scheduleLazy(): void {
    if (this.#scheduled || this.#cancelLazy !== null) return
    this.#cancelLazy = this.#clock.after(LAZY_MS, () => {
      this.#cancelLazy = null
      this.#schedule(0)
    })
  }

  #schedule(delayMs: number): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    const flush = () => {
      this.#scheduled = false
      this.#flush()
    }
    const waitMs = Math.max(delayMs, this.#restsUntilMs - this.#clock.monotonicMs())
    if (waitMs <= 0) this.#defer(flush)
    else this.#clock.after(waitMs, flush)
  }

  #flush(): void {
    if (this.#closed || this.#queue.length === 0) return
    this.#cancelLazy?.()
    this.#cancelLazy = null
    const batch = this.#nextBatch()
    const names = batch.map((w) => w.job.name)
    let beganMs = this.#clock.monotonicMs()
    let outcomes: readonly (() => void)[]
    try {
      outcomes = this.#store.transaction(() => {
        const done = batch.map((w) => this.#one(w))
        this.#hooks.beforeCommit?.(names)
        beganMs = this.#clock.monotonicMs()
        return done
      })
    } catch (error) {
      if (this.#closed) return
      this.#queue = [...batch, ...this.#queue]
      this.#retryMs = Math.min(Math.max(this.#retryMs * 2, RETRY_MIN_MS), RETRY_MAX_MS)
      this.#stalled = { sinceMs: this.#stalled?.sinceMs ?? this.#clock.monotonicMs(), why: String(error) }
      this.#log.error('commit failed, will be tried again', {
        jobs: names,
        error: String(error),
        retryMs: this.#retryMs,
      })
      this.#schedule(this.#retryMs)
      return
    }
    this.#retryMs = 0
    const endedMs = this.#clock.monotonicMs()
    this.#restsUntilMs =
      this.#batchMax === 1 ? endedMs : endedMs + Math.min(REST_SHARE * (endedMs - beganMs), REST_MAX_MS)
    this.#tellStall()
    this.#hooks.afterCommit?.(names)
    for (const outcome of outcomes) {
      if (this.#closed) return
      outcome()
    }
    if (this.#queue.length > 0) this.#schedule(0)
  }

  /** What the next commit takes from the queue: all of it, or what is early, then the others, and some that are lazy. */
  #nextBatch(): readonly Waiting[] {
    const max = this.#batchMax
    if (max === 1 || this.#queue.length <= max) return this.#queue.splice(0, max)
    const lazy = this.#queue.filter(({ job }) => job.lazy === true)
    const urgent = this.#queue.filter(({ job }) => job.lazy !== true)
    const inTurn = [
      ...urgent.filter(({ job }) => job.early === true),
      ...urgent.filter(({ job }) => job.early !== true),
    ]
    const lazyPlaces = Math.min(lazy.length, Math.max(LAZY_PLACES, max - urgent.length))
    const batch = [...inTurn.slice(0, max - lazyPlaces), ...lazy.slice(0, lazyPlaces)]
    const taken = new Set(batch)
    this.#queue = this.#queue.filter((waiting) => !taken.has(waiting))
    return batch
  }

  #tellStall(): void {
    const stalled = this.#stalled
    this.#stalled = null
    if (stalled === null) return
    const ms = this.#clock.monotonicMs() - stalled.sinceMs
    if (ms < STALL_MS) return
    const detail = `the database took nothing for ${Math.round(ms / 1000)} s: ${stalled.why}`
    this.submit({
      name: 'stalled',
      run: (tx) => void tx.s.alert_open({ key: 'database-stalled', sev: 2, detail, now: tx.nowS }),
    }).catch(() => undefined)
  }

  #one({ job, resolve, reject }: Waiting): () => void {
    const attempt = (run: (tx: Tx) => unknown): (() => void) => {
      const tasks: (() => void)[] = []
      const nowMs = this.#clock.nowMs()
      const tx: Tx = {
        store: this.#store,
        s: this.#store.s,
        nowMs,
        nowS: Math.floor(nowMs / 1000),
        surelyS: this.#clock.surelyS,
        after: (task) => tasks.push(task),
      }
      const value = this.#store.savepoint(() => run(tx))
      return () => {
        for (const task of tasks) task()
        resolve(value)
      }
    }
    try {
      return attempt((tx) => job.run(tx))
    } catch (error) {
      if (isStoreTrouble(error)) throw error
      this.#log.error('a job failed', {
        job: job.name,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
      const { failed } = job
      if (failed === undefined) return () => reject(error)
      try {
        return attempt((tx) => failed.call(job, tx, error))
      } catch (second) {
        if (isStoreTrouble(second)) throw second
        return () => reject(second)
      }
    }
  }

  /** Refuses everything from now on; what waits is never done. What was committed stays. */
  close(): void {
    this.#closed = true
    this.#cancelLazy?.()
    const left = this.#queue
    this.#queue = []
    for (const { job, reject } of left) reject(new Error(`the engine has stopped: ${job.name} is not done`))
  }
}
