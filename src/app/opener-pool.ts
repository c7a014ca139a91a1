/**
 * Opens events in threads beside the main one, which stays free for timers, Lightning and replies: a message costs
 * portable curves about ten milliseconds, native ones a third of one. With native curves the way to a thread costs more
 * than a lone message is worth: the first of a turn is opened here, and what comes with it goes over in one parcel. So a
 * quiet daemon does without: its thread starts with the first message that is for one. A thread that dies is not missed:
 * its events are opened here.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import type { NostrEvent } from '../core/protocol.ts'
import { type Opened, type Opener, openHere } from '../engine/inbox/opener.ts'
import type { Log } from '../ports/system.ts'
import { portableCurves } from '../wire/curves.ts'
import type { Recipient } from '../wire/transport.ts'
import type { CurvesBackend } from './curves.ts'
import type { Answer } from './opener-thread.ts'

/** Each thread costs memory, and more than a few are never busy. */
const THREADS_MAX = 4

const here = { cores: availableParallelism(), fromSources: import.meta.filename.endsWith('.ts') }

/**
 * How many threads the operator's choice comes to. `auto` is one with native curves, which is never busier than the main
 * thread (perf.md 5), one for each core with portable ones, and none on a single core. Run from sources there are none at
 * all: threads can not load them.
 */
export function openerThreads(choice: number | 'auto', backend: CurvesBackend, { cores, fromSources } = here): number {
  if (fromSources) return 0
  if (choice !== 'auto') return choice
  if (cores === 1) return 0
  return backend === 'native' ? 1 : Math.min(cores, THREADS_MAX)
}

type Question = { readonly event: NostrEvent; opened: Opened | null; readonly resolve: (opened: Opened) => void }

/** A thread with what it was asked and has not answered, in order. */
type Thread = {
  readonly worker: Worker
  readonly asked: Question[]
  /** asked in this turn of the event loop and not handed over yet */
  readonly parcel: NostrEvent[]
}

export class OpenerPool implements Opener {
  readonly #node: Recipient
  readonly #log: Log
  readonly #threads: Thread[] = []
  readonly #start: () => Worker
  #toStart: number
  /** all that is unanswered, in the order in which it was asked */
  readonly #asked: Question[] = []
  readonly #opensFirstHere: boolean
  /** whether something was asked in this turn of the event loop already */
  #isBusyTurn = false
  #isClosed = false

  /** `node.keys` learns the conversation keys that the threads derive; `start` starts one thread for the same key. */
  constructor(node: Recipient, threads: number, log: Log, start: () => Worker) {
    this.#node = node
    this.#log = log
    this.#start = start
    this.#toStart = threads
    this.#opensFirstHere = node.curves.name !== portableCurves.name
    if (!this.#opensFirstHere) this.#startAll()
  }

  open(event: NostrEvent): Promise<Opened> {
    return new Promise((resolve) => {
      const question: Question = { event, opened: null, resolve }
      this.#asked.push(question)
      const isFirst = !this.#isBusyTurn
      if (isFirst) this.#beginTurn()
      const thread = isFirst && this.#opensFirstHere ? null : this.#leastBusy()
      if (thread === null) {
        this.#answer(question, openHere(event, this.#node))
        return
      }
      thread.asked.push(question)
      thread.parcel.push(event)
      // What one read from a socket brought is asked before any microtask runs.
      if (thread.parcel.length === 1) queueMicrotask(() => thread.worker.postMessage(thread.parcel.splice(0)))
    })
  }

  #beginTurn(): void {
    this.#isBusyTurn = true
    setImmediate(() => {
      this.#isBusyTurn = false
    })
  }

  /** Ends the threads. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#toStart = 0
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  #startAll(): void {
    for (; this.#toStart > 0; this.#toStart -= 1) this.#threads.push(this.#adopt(this.#start()))
  }

  #adopt(worker: Worker): Thread {
    const thread: Thread = { worker, asked: [], parcel: [] }
    worker.on('message', (answers: readonly Answer[]) => {
      for (const { opened, conversationKey } of answers) {
        if (opened.ok && conversationKey !== null)
          this.#node.keys.learn(this.#node, opened.value.sender, conversationKey)
        const question = thread.asked.shift()
        if (question !== undefined) this.#answer(question, opened)
      }
    })
    worker.on('error', (error) => this.#lose(thread, String(error)))
    worker.on('exit', (code) => this.#lose(thread, `it ended with code ${code}`))
    return thread
  }

  #leastBusy(): Thread | null {
    this.#startAll()
    return this.#threads.reduce<Thread | null>(
      (best, thread) => (best === null || thread.asked.length < best.asked.length ? thread : best),
      null,
    )
  }

  #lose(thread: Thread, why: string): void {
    const at = this.#threads.indexOf(thread)
    if (at === -1 || this.#isClosed) return
    this.#threads.splice(at, 1)
    this.#log.warn('a thread for opening events is lost', { why, left: this.#threads.length })
    for (const question of thread.asked.splice(0)) this.#answer(question, openHere(question.event, this.#node))
  }

  #answer(question: Question, opened: Opened): void {
    question.opened = opened
    for (let first = this.#asked[0]; first !== undefined && first.opened !== null; first = this.#asked[0]) {
      first.resolve(first.opened)
      this.#asked.shift()
    }
  }
}
