/** Sends requests on a schedule and says how long each answer took, if every answer is right. */
import type { Message } from '../../src/core/protocol.ts'
import { openFromNode } from '../../src/wire/transport.ts'
import { Void } from '../benchmark.ts'
import { type Arrived, pause } from './relay-client.ts'
import type { Request } from './requests.ts'
import type { System } from './system.ts'

/** A request and when it goes out, in ms from the start. */
export type Planned = { readonly request: Request; readonly atMs: number }

export type Answered = {
  readonly request: Request
  readonly message: Message
  /** from the moment in which the request was due to the arrival of its answer */
  readonly latencyMs: number
}

const DEADLINE_MS = 60_000
/** How long we listen for what should not come: second answers. */
const QUIET_MS = 300

/**
 * Sends every request when it is due, whether or not earlier ones are answered, and waits for all answers. Throws
 * {@link Void} unless each request has exactly one answer, to its key, with its id and the expected action, and whatever
 * the node said can be read.
 */
export async function exchange(system: System, plan: readonly Planned[]): Promise<readonly Answered[]> {
  const { relay } = system
  const ordered = [...plan].sort((a, b) => a.atMs - b.atMs)
  const waiting = new Map<string, number>()
  for (const { request } of ordered) waiting.set(request.key.pubkey, (waiting.get(request.key.pubkey) ?? 0) + 1)
  relay.takeArrived()
  const startMs = performance.now()
  const dueMs = new Map<bigint, number>()
  for (const { request, atMs } of ordered) {
    const aheadMs = startMs + atMs - performance.now()
    if (aheadMs > 0) await pause(aheadMs)
    relay.send(request.frame)
    dueMs.set(request.requestId, startMs + atMs)
  }
  const arrived: Arrived[] = []
  const allHere = (): boolean => {
    for (const one of relay.takeArrived()) {
      arrived.push(one)
      const reader = readerOf(one)
      const left = waiting.get(reader)
      if (left === 1) waiting.delete(reader)
      else if (left !== undefined) waiting.set(reader, left - 1)
    }
    return waiting.size === 0
  }
  const missing = () => {
    const actions = ordered
      .filter(({ request }) => waiting.has(request.key.pubkey))
      .map(({ request }) => request.answer)
    return `${plan.length} requests are answered; missing: ${actions.join(', ')}`
  }
  await relay.until(allHere, missing, DEADLINE_MS)
  await pause(QUIET_MS)
  allHere()
  return match(system.nodePubkey, ordered, arrived, dueMs)
}

const readerOf = ({ event }: Arrived): string => event.tags.find((tag) => tag[0] === 'p')?.[1] ?? ''

function match(
  nodePubkey: string,
  plan: readonly Planned[],
  arrived: readonly Arrived[],
  dueMs: ReadonlyMap<bigint, number>,
): readonly Answered[] {
  const keys = new Map(plan.map(({ request }) => [request.key.pubkey, request.key]))
  const answers = new Map<string, { message: Message; atMs: number }>()
  for (const one of arrived) {
    const key = keys.get(readerOf(one))
    // Makers hear of takes of their orders; they are not who waits here.
    if (key === undefined) continue
    const opened = openFromNode(one.event, key.secretKey, nodePubkey)
    if (!opened.ok) throw new Void(`a reply can not be read: ${opened.error.stage}: ${opened.error.why}`)
    const { message } = opened.value
    if (message.requestId === null) continue
    const name = `${key.pubkey}:${message.requestId}`
    if (answers.has(name)) throw new Void(`a request is answered twice: ${message.action}`)
    answers.set(name, { message, atMs: one.atMs })
  }
  return plan.map(({ request }) => {
    const answer = answers.get(`${request.key.pubkey}:${request.requestId}`)
    if (answer === undefined) throw new Void(`a request has no answer; expected: ${request.answer}`)
    const { message, atMs } = answer
    if (message.action !== request.answer)
      throw new Void(`${request.answer} expected, ${message.action} ${JSON.stringify(message.payload)} came`)
    return { request, message, latencyMs: atMs - (dueMs.get(request.requestId) ?? 0) }
  })
}

/** One request after the other every `gapMs`, for what has to be there before a clock runs. */
export function paced(requests: readonly Request[], gapMs: number): readonly Planned[] {
  return requests.map((request, n) => ({ request, atMs: n * gapMs }))
}
