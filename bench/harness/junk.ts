/** What anybody can throw at a node: events that cost nothing to make. */
import { randomBytes } from 'node:crypto'
import type { EventTemplate, NostrEvent } from '../../src/core/protocol.ts'
import { eventId, leadingZeroBits, mine } from '../../src/wire/event.ts'
import { KIND_DIRECT } from '../../src/wire/transport.ts'
import { pause } from './relay-client.ts'
import { type Key, newKey, type Request } from './requests.ts'
import type { System } from './system.ts'

const TICK_MS = 10
const AUTHORS = 20
const BODIES = 100
/** As long as the content of a take. */
const CONTENT_BYTES = 900

export const JUNK = ['bad signatures', 'replays', 'too little work'] as const
export type JunkKind = (typeof JUNK)[number]

/** Frames for the daemon's subscription, made one after the other and never the same, replays aside. */
export class JunkMaker {
  readonly #subscription: string
  readonly #worked: readonly Omit<NostrEvent, 'sig'>[]
  readonly #idle: readonly Omit<NostrEvent, 'sig'>[]
  readonly #replays: readonly string[]

  /** `handled`: requests that the daemon has answered. */
  constructor(system: System, pow: number, handled: readonly Request[]) {
    this.#subscription = subscriptionOf(system)
    const authors = Array.from({ length: AUTHORS }, newKey)
    const bodies = Array.from({ length: BODIES }, (_, n) => templateOf(system.nodePubkey, authors[n % AUTHORS]))
    this.#worked = bodies.map(({ template, pubkey }) => unsigned(mine(template, pubkey, pow), pubkey))
    this.#idle = bodies.map(({ template, pubkey }) => unsigned(without(template, pubkey, pow), pubkey))
    this.#replays = handled.map(({ frame }) => this.#frame((JSON.parse(frame) as [string, NostrEvent])[1]))
  }

  make(kind: JunkKind, n: number): string {
    switch (kind) {
      case 'bad signatures':
        return this.#frame(withAnySignature(at(this.#worked, n)))
      case 'too little work':
        return this.#frame(withAnySignature(at(this.#idle, n)))
      case 'replays':
        return at(this.#replays, n)
    }
  }

  /** A frame as long as the others that a client reads, and that says nothing: what reading alone costs. */
  makeSilence(n: number): string {
    return JSON.stringify(['NOTICE', '', withAnySignature(at(this.#worked, n))])
  }

  #frame(event: NostrEvent): string {
    return JSON.stringify(['EVENT', this.#subscription, event])
  }
}

function templateOf(
  nodePubkey: string,
  author: Key | undefined,
): { readonly template: EventTemplate; readonly pubkey: string } {
  const template = {
    kind: KIND_DIRECT,
    created_at: Math.floor(Date.now() / 1000),
    tags: [['p', nodePubkey]],
    content: randomBytes(CONTENT_BYTES).toString('base64'),
  }
  return { template, pubkey: author?.pubkey ?? '' }
}

/** Sends what `make` gives, so many a second, for a while; returns how many frames that were. */
export async function flood(
  system: System,
  perSecond: number,
  spanMs: number,
  make: (n: number) => string,
): Promise<number> {
  const [relay] = system.relays
  const startMs = performance.now()
  let sent = 0
  for (;;) {
    const elapsedMs = Math.min(performance.now() - startMs, spanMs)
    for (const due = Math.floor((elapsedMs * perSecond) / 1000); sent < due; sent++) relay?.core.say(make(sent))
    if (elapsedMs >= spanMs) return sent
    await pause(TICK_MS)
  }
}

/** The name by which the daemon knows the subscription for its messages. */
function subscriptionOf({ relays, nodePubkey }: System): string {
  const found = relays[0]?.core
    .subscriptions()
    .find(({ filters }) => filters.some((filter) => filter['#p']?.includes(nodePubkey) === true))
  if (found === undefined) throw new Error('the daemon has not subscribed to its messages')
  return found.id
}

/** With a nonce for which the id has less work than asked. */
function without(template: EventTemplate, pubkey: string, pow: number): EventTemplate {
  for (let nonce = 0; ; nonce++) {
    const tried = { ...template, tags: [...template.tags, ['nonce', String(nonce), String(pow)]] }
    if (leadingZeroBits(eventId(tried, pubkey)) < pow) return tried
  }
}

const unsigned = (template: EventTemplate, pubkey: string): Omit<NostrEvent, 'sig'> => ({
  id: eventId(template, pubkey),
  pubkey,
  ...template,
})

/** Below the order of the curve in both halves, so that only the arithmetic can tell that it is wrong. */
function withAnySignature(event: Omit<NostrEvent, 'sig'>): NostrEvent {
  const sig = randomBytes(64)
  sig.writeUInt8(sig.readUInt8(0) & 0x7f, 0)
  sig.writeUInt8(sig.readUInt8(32) & 0x7f, 32)
  return { ...event, sig: sig.toString('hex') }
}

function at<T>(list: readonly T[], n: number): T {
  const found = list[n % list.length]
  if (found === undefined) throw new Error('there is nothing to choose from')
  return found
}
