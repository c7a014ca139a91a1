/** Sends requests, on a schedule or so many at a time, and says how long each answer took, if every answer is right. */
import type { Message } from '../../src/core/protocol.ts'
import { openFromNode } from '../../src/wire/transport.ts'
import { Void } from '../benchmark.ts'
import { curves } from './curves.ts'
import { type Arrived, pause } from './relay-client.ts'
import type { Key, Request } from './requests.ts'
import type { System } from './system.ts'

/** A request and when it goes out, in ms from the start. */
export type Planned = { readonly request: Request; readonly atMs: number }

export type Answered = {
  readonly request: Request
  readonly message: Message
  /** from the moment in which the request was due to the arrival of its answer */
  readonly latencyMs: number
  /** when it arrived, on the clock of `performance` */
  readonly atMs: number
}

export type Exchanged = {
  /** in the order of the requests */
  readonly answered: readonly Answered[]
  /** from the first request to the last thing that the node had to say */
  readonly spanMs: number
  /** processor time that driver, relay and LND took meanwhile */
  readonly cpuMs: number
}

const DEADLINE_MS = 60_000
/** How long we listen for what should not come: second answers. And how long what was done before a measurement may end. */
const QUIET_MS = 300

/** Waits until what was begun before is over: while many requests are made, relay and LND, in the same process, do nothing. */
export const settle = (): Promise<void> => pause(QUIET_MS)

/**
 * Sends every request when it is due, whether or not earlier ones are answered, and waits for all answers. Throws
 * {@link Void} unless each request has exactly one answer, to its key, with its id and an expected action, all others who
 * must hear of it did once, and whatever the node said can be read.
 */
export async function exchange(system: System, plan: readonly Planned[]): Promise<readonly Answered[]> {
  const ordered = [...plan].sort((a, b) => a.atMs - b.atMs)
  await settle()
  const talk = new Talk(
    system,
    ordered.map(({ request }) => request),
  )
  for (const { request, atMs } of ordered) {
    const aheadMs = talk.startMs + atMs - performance.now()
    if (aheadMs > 0) await pause(aheadMs)
    talk.send(request, talk.startMs + atMs)
  }
  return (await talk.end(DEADLINE_MS)).answered
}

/** Sends requests so that never more than `window` of them wait for their answer. Throws as {@link exchange}. */
export async function closedLoop(
  system: System,
  requests: readonly Request[],
  window: number,
  deadlineMs = 300_000,
): Promise<Exchanged> {
  const talk = new Talk(system, requests)
  const left = [...requests].reverse()
  const next = (): void => {
    const request = left.pop()
    if (request !== undefined) talk.send(request, performance.now())
  }
  talk.onAnswer(next)
  for (let n = 0; n < window; n++) next()
  return talk.end(deadlineMs)
}

/** One request after the other every `gapMs`. */
export function paced(requests: readonly Request[], gapMs: number): readonly Planned[] {
  return requests.map((request, n) => ({ request, atMs: n * gapMs }))
}

/** How long the answers to some of the requests took, in ms. */
export function latenciesOf(answered: readonly Answered[], requests: readonly Request[]): readonly number[] {
  const wanted = new Set(requests)
  return answered.filter(({ request }) => wanted.has(request)).map(({ latencyMs }) => latencyMs)
}

const readerOf = ({ event }: Arrived): string => event.tags.find((tag) => tag[0] === 'p')?.[1] ?? ''

/** What is said while requests are under way, and who still waits for something. */
class Talk {
  readonly startMs: number
  readonly #system: System
  readonly #requests: readonly Request[]
  readonly #dueMs = new Map<bigint, number>()
  /** how many messages each reader still waits for */
  readonly #waiting = new Map<string, number>()
  readonly #askers: ReadonlySet<string>
  #onAnswer: () => void = () => undefined
  #lastMs: number
  readonly #cpuBefore = process.cpuUsage()

  constructor(system: System, requests: readonly Request[]) {
    this.#system = system
    this.#requests = requests
    for (const { key, tells } of requests) {
      this.#expect(key)
      if (tells !== null) this.#expect(tells.key)
    }
    this.#askers = new Set(requests.map(({ key }) => key.pubkey))
    system.relay.takeArrived()
    system.relay.onArrival((one) => this.#arrived(one))
    this.startMs = performance.now()
    this.#lastMs = this.startMs
  }

  onAnswer(task: () => void): void {
    this.#onAnswer = task
  }

  send(request: Request, dueMs: number): void {
    this.#dueMs.set(request.requestId, dueMs)
    this.#system.relay.send(request.frame)
  }

  async end(deadlineMs: number): Promise<Exchanged> {
    const { relay, nodePubkey } = this.#system
    await relay.until(
      () => this.#waiting.size === 0,
      () => `${this.#requests.length} requests are answered; missing: ${this.#missing()}`,
      deadlineMs,
    )
    const { user, system } = process.cpuUsage(this.#cpuBefore)
    await pause(QUIET_MS)
    relay.onArrival(() => undefined)
    const answered = match(nodePubkey, this.#requests, relay.takeArrived(), this.#dueMs)
    return { answered, spanMs: this.#lastMs - this.startMs, cpuMs: (user + system) / 1000 }
  }

  #expect({ pubkey }: Key): void {
    this.#waiting.set(pubkey, (this.#waiting.get(pubkey) ?? 0) + 1)
  }

  #arrived(one: Arrived): void {
    const reader = readerOf(one)
    const left = this.#waiting.get(reader)
    if (left === undefined) return
    this.#lastMs = one.atMs
    if (left === 1) this.#waiting.delete(reader)
    else this.#waiting.set(reader, left - 1)
    if (this.#askers.has(reader)) this.#onAnswer()
  }

  #missing(): string {
    const counts = new Map<string, number>()
    for (const { key, answers, tells } of this.#requests) {
      const missing = this.#waiting.has(key.pubkey) ? answers.join('/') : null
      const unheard = tells !== null && this.#waiting.has(tells.key.pubkey) ? tells.action : null
      for (const what of [missing, unheard]) if (what !== null) counts.set(what, (counts.get(what) ?? 0) + 1)
    }
    return [...counts].map(([what, count]) => `${count} x ${what}`).join(', ')
  }
}

function match(
  nodePubkey: string,
  requests: readonly Request[],
  arrived: readonly Arrived[],
  dueMs: ReadonlyMap<bigint, number>,
): readonly Answered[] {
  const keys = new Map(requests.flatMap(({ key, tells }) => [key, ...(tells === null ? [] : [tells.key])]).map(named))
  const answers = new Map<string, { message: Message; atMs: number }>()
  const told = new Map<string, number>()
  for (const one of arrived) {
    const key = keys.get(readerOf(one))
    // Others may hear of what happens here; they are not who waits.
    if (key === undefined) continue
    const opened = openFromNode(one.event, key.secretKey, nodePubkey, { curves })
    if (!opened.ok) throw new Void(`a reply can not be read: ${opened.error.stage}: ${opened.error.why}`)
    const { message } = opened.value
    if (message.requestId === null) {
      const what = `${key.pubkey}:${message.action}:${message.id}`
      told.set(what, (told.get(what) ?? 0) + 1)
      continue
    }
    const name = `${key.pubkey}:${message.requestId}`
    if (answers.has(name)) throw new Void(`a request is answered twice: ${message.action}`)
    answers.set(name, { message, atMs: one.atMs })
  }
  return requests.map((request) => {
    const { key, requestId, answers: right, tells } = request
    const answer = answers.get(`${key.pubkey}:${requestId}`)
    if (answer === undefined) throw new Void(`a request has no answer; expected: ${right.join(' or ')}`)
    const { message, atMs } = answer
    if (!right.includes(message.action))
      throw new Void(`${right.join(' or ')} expected, ${message.action} ${inWords(message)} came`)
    if (tells !== null) {
      const heard = told.get(`${tells.key.pubkey}:${tells.action}:${tells.id}`) ?? 0
      if (heard !== 1) throw new Void(`${tells.action} was said ${heard} times`)
    }
    return { request, message, latencyMs: atMs - (dueMs.get(requestId) ?? 0), atMs }
  })
}

const named = (key: Key): [string, Key] => [key.pubkey, key]

const inWords = ({ payload }: Message): string =>
  JSON.stringify(payload, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
