import { verifyEvent } from 'nostr-tools/pure'
import { type EventFilter, matchesFilter } from '../../adapters/nostr/filter.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import type { Clock } from '../../ports/system.ts'
import { checkEventShape } from '../../wire/event.ts'
import { type AuthRule, refusalOf } from './authentication.ts'
import { EventStore, type StoreVerdict } from './event-store.ts'
import { RelayFaults } from './faults.ts'
import { parseFilter } from './filters.ts'
import { type LogEntry, RelayLog } from './relay-log.ts'
import { SubscriptionBook } from './subscription-book.ts'

export type RelayLimits = {
  /** events in one answer to a REQ */
  maxLimit: number
  maxSubscriptions: number
  maxFilters: number
  /** characters of one message */
  maxMessageChars: number
  /** how far in the future an event may lie, in seconds */
  maxFutureS: number
  /** stored events; beyond it the oldest is forgotten */
  maxStored: number
}

const RELAY_CORE_LIMITS: RelayLimits = {
  maxLimit: 500,
  maxSubscriptions: 300,
  maxFilters: 20,
  maxMessageChars: 262_144,
  maxFutureS: 900,
  maxStored: 100_000,
}

export type RelayCoreOptions = {
  readonly clock: Clock
  /** whether id and signature of an event hold; nostr-tools' check when absent (slow: portable code) */
  readonly verify?: (event: NostrEvent) => boolean
  readonly limits?: Partial<RelayLimits>
  readonly auth?: AuthRule
  /** what the relay calls itself */
  readonly name?: string
}

/** The other end of a connection, as the relay sees it. */
export interface RelayPeer {
  send(text: string): void
  /** Cuts the connection without a farewell. */
  cut(): void
}

/** What a transport tells the relay about one connection. */
export interface RelayInlet {
  receive(text: string): void
  /** The connection is gone; nothing is sent to its peer any more. Repeat: safe. */
  gone(): void
}

type Connection = {
  readonly number: number
  readonly peer: RelayPeer
  /** the URL that the client believes it talks to */
  readonly address: string
  readonly challenge: string
  readonly pubkeys: Set<string>
}

/** A relay without a transport: NIP-01, 11, 40 and 42 over frames, its faults, and a view of all it did. */
export class RelayCore {
  readonly faults = new RelayFaults()
  /** May be changed while it runs. */
  readonly limits: RelayLimits
  /** Who must prove its key for what; null: nobody. A change holds for what is asked from then on. */
  auth: AuthRule | null
  readonly #clock: Clock
  readonly #verify: (event: NostrEvent) => boolean
  readonly #name: string
  readonly #store: EventStore
  readonly #log = new RelayLog()
  readonly #connections = new Map<number, Connection>()
  readonly #subscriptions = new SubscriptionBook<Connection>()
  #lastNumber = 0

  constructor(options: RelayCoreOptions) {
    this.#clock = options.clock
    this.#verify = options.verify ?? verifyWithNostrTools
    this.#name = options.name ?? 'fianza sandbox relay'
    this.limits = { ...RELAY_CORE_LIMITS, ...options.limits }
    this.auth = options.auth ?? null
    this.#store = new EventStore(this.limits.maxStored)
  }

  /** A client connected, to the URL `address`. */
  connect(peer: RelayPeer, address: string): RelayInlet {
    const number = ++this.#lastNumber
    const connection: Connection = {
      number,
      peer,
      address,
      // Told apart, not secret: a relay without data worth guarding stays the same from run to run.
      challenge: `challenge-${number}-${this.#clock.nowMs()}`,
      pubkeys: new Set(),
    }
    this.#connections.set(number, connection)
    if (this.auth !== null) this.#send(connection, ['AUTH', connection.challenge])
    return {
      receive: (text) => this.#receive(connection, text),
      gone: () => this.#leave(connection),
    }
  }

  /** The NIP-11 document. */
  info(): Readonly<Record<string, unknown>> {
    return {
      name: this.#name,
      description: 'Keeps its events in memory, for sandboxes and tests',
      software: 'fianza',
      supported_nips: [1, 11, 40, 42],
      limitation: {
        max_limit: this.limits.maxLimit,
        default_limit: this.limits.maxLimit,
        max_subscriptions: this.limits.maxSubscriptions,
        max_filters: this.limits.maxFilters,
        max_message_length: this.limits.maxMessageChars,
        created_at_upper_limit: this.limits.maxFutureS,
        auth_required: this.auth !== null && (this.auth.toRead || this.auth.toWrite),
      },
    }
  }

  /** All that is stored, newest first. */
  events(filter: EventFilter = {}): readonly NostrEvent[] {
    return this.#store.all(this.#nowS()).filter((event) => matchesFilter(filter, event))
  }

  /** What clients sent, in order of arrival; the newest 20,000 at least. */
  log(): readonly LogEntry[] {
    return this.#log.entries()
  }

  connectionCount(): number {
    return this.#connections.size
  }

  /** Every open subscription of every client. */
  subscriptions(): readonly {
    readonly connection: number
    readonly id: string
    readonly filters: readonly EventFilter[]
  }[] {
    return this.#subscriptions.all().map(({ owner, id, filters }) => ({ connection: owner.number, id, filters }))
  }

  /** Takes an event in as if somebody had published it, unchecked, and hands it to whoever subscribed. */
  inject(event: NostrEvent): StoreVerdict {
    const verdict = this.#store.add(event, this.#nowS())
    if (verdict === 'stored' || verdict === 'ephemeral') this.#deliverToAll(event)
    return verdict
  }

  /** Sends stored events again, oldest first, to every subscription that they match. */
  replay(filter: EventFilter = {}): void {
    for (const event of [...this.events(filter)].reverse()) this.#deliverToAll(event)
  }

  /** Forgets one event, or all. */
  forget(id?: string): void {
    if (id === undefined) this.#store.clear()
    else this.#store.remove(id)
  }

  /** Sends a text to every client, whatever it means. */
  say(text: string): void {
    for (const connection of this.#connections.values()) connection.peer.send(text)
  }

  /** Cuts every connection without a farewell. */
  dropConnections(): void {
    for (const connection of [...this.#connections.values()]) this.#cut(connection)
  }

  #nowS(): number {
    return Math.floor(this.#clock.nowMs() / 1000)
  }

  #send(connection: Connection, frame: readonly unknown[]): void {
    if (this.#connections.get(connection.number) === connection) connection.peer.send(JSON.stringify(frame))
  }

  #cut(connection: Connection): void {
    if (this.#leave(connection)) connection.peer.cut()
  }

  /** Whether the connection was still there. */
  #leave(connection: Connection): boolean {
    this.#subscriptions.closeAll(connection)
    return this.#connections.delete(connection.number)
  }

  #note(connection: Connection, entry: LogDetail): void {
    this.#log.add({ atMs: this.#clock.nowMs(), connection: connection.number, ...entry })
  }

  #receive(connection: Connection, text: string): void {
    if (!this.#connections.has(connection.number)) return
    const frame = parseList(text)
    const [kind, first, ...rest] = frame ?? []
    switch (kind) {
      case 'EVENT':
        return this.#receiveEvent(connection, first, text.length)
      case 'REQ':
        if (typeof first === 'string') return this.#receiveReq(connection, first, rest, text.length)
        break
      case 'CLOSE':
        if (typeof first !== 'string') break
        this.#note(connection, { kind: 'close', subscription: first })
        this.#subscriptions.close(connection, first)
        return
      case 'AUTH':
        return this.#receiveAuth(connection, first)
      case 'COUNT':
        if (typeof first === 'string') return this.#send(connection, ['CLOSED', first, 'unsupported: no counting here'])
        break
      default:
    }
    this.#note(connection, { kind: 'garbage', text: text.slice(0, 200) })
    this.#send(connection, ['NOTICE', 'invalid: not understood'])
  }

  #receiveEvent(connection: Connection, value: unknown, chars: number): void {
    const shape = checkEventShape(value)
    if (!shape.ok) {
      this.#note(connection, { kind: 'garbage', text: shape.error })
      const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : null
      if (typeof id === 'string')
        return this.#send(connection, ['OK', id.slice(0, 64), false, `invalid: ${shape.error}`])
      return this.#send(connection, ['NOTICE', `invalid: ${shape.error}`])
    }
    const event = shape.value
    const delayMs = this.faults.delayOf(event)
    if (delayMs === 0) this.#meetFate(connection, event, chars)
    else this.#clock.after(delayMs, () => this.#meetFate(connection, event, chars))
  }

  #meetFate(connection: Connection, event: NostrEvent, chars: number): void {
    const fate = this.faults.fateOf(event)
    const answer = (accepted: boolean, message: string): void => {
      this.#note(connection, { kind: 'event', event, fate: fate.kind, accepted, message })
      if (fate.kind === 'take' || fate.kind === 'refuse' || fate.kind === 'pretend') {
        this.#send(connection, ['OK', event.id, accepted, message])
      }
    }
    switch (fate.kind) {
      case 'refuse':
        return answer(false, fate.message)
      case 'pretend':
        return answer(true, '')
      case 'ignore':
        return answer(false, '')
      case 'cut-before':
        answer(false, '')
        return this.#cut(connection)
      case 'take':
      case 'lose-ok':
      case 'cut-after': {
        const refusal = this.#refusalOf(connection, event, chars)
        if (refusal !== null) return answer(false, refusal)
        const verdict = this.#store.add(event, this.#nowS())
        const isNew = verdict === 'stored' || verdict === 'ephemeral'
        answer(isNew || verdict === 'duplicate', VERDICT_MESSAGES[verdict])
        if (isNew) this.#deliverToAll(event)
        if (fate.kind === 'cut-after') this.#cut(connection)
      }
    }
  }

  #refusalOf(connection: Connection, event: NostrEvent, chars: number): string | null {
    if (this.auth?.toWrite === true && connection.pubkeys.size === 0) return 'auth-required: prove your key to write'
    if (chars > this.limits.maxMessageChars) return 'invalid: event too large'
    if (event.created_at > this.#nowS() + this.limits.maxFutureS) return 'invalid: created_at too far in the future'
    return this.#verify(event) ? null : 'invalid: id or signature'
  }

  #receiveReq(connection: Connection, id: string, values: readonly unknown[], chars: number): void {
    const filters = this.#readReq(connection, id, values, chars)
    if (typeof filters === 'string') {
      this.#note(connection, { kind: 'garbage', text: filters })
      return this.#send(connection, ['CLOSED', id.slice(0, 64), filters])
    }
    this.#note(connection, { kind: 'req', subscription: id, filters })
    this.#subscriptions.open(connection, id, filters)
    for (const event of this.#store.query(filters, this.limits.maxLimit, this.#nowS())) {
      this.#deliver(connection, id, event, true)
    }
    if (!this.faults.withholdEose) this.#send(connection, ['EOSE', id])
  }

  /** The filters of a REQ, or why it is refused. */
  #readReq(
    connection: Connection,
    id: string,
    values: readonly unknown[],
    chars: number,
  ): readonly EventFilter[] | string {
    if (id.length === 0 || id.length > 64) return 'invalid: a subscription id has 1 to 64 characters'
    if (chars > this.limits.maxMessageChars) return 'invalid: message too large'
    if (values.length === 0 || values.length > this.limits.maxFilters) return 'invalid: number of filters'
    if (this.auth?.toRead === true && connection.pubkeys.size === 0) return 'auth-required: prove your key to read'
    const open = this.#subscriptions.of(connection)
    if (!open.has(id) && open.size >= this.limits.maxSubscriptions) {
      return 'error: too many subscriptions'
    }
    const filters: EventFilter[] = []
    for (const value of values) {
      const filter = parseFilter(value)
      if (!filter.ok) return `invalid: ${filter.error}`
      filters.push(filter.value)
    }
    return filters
  }

  #receiveAuth(connection: Connection, value: unknown): void {
    const shape = checkEventShape(value)
    if (!shape.ok) return this.#send(connection, ['NOTICE', `invalid: ${shape.error}`])
    const event = shape.value
    const refusal = this.#verify(event)
      ? refusalOf(
          event,
          { rule: this.auth, challenge: connection.challenge, address: connection.address },
          this.#nowS(),
        )
      : 'invalid: id or signature'
    this.#note(connection, { kind: 'auth', pubkey: event.pubkey, accepted: refusal === null })
    if (refusal === null) connection.pubkeys.add(event.pubkey)
    this.#send(connection, ['OK', event.id, refusal === null, refusal ?? ''])
  }

  #deliverToAll(event: NostrEvent): void {
    for (const { owner, id } of this.#subscriptions.matching(event)) this.#deliver(owner, id, event, false)
  }

  #deliver(connection: Connection, subscription: string, event: NostrEvent, stored: boolean): void {
    const frame = ['EVENT', subscription, event]
    for (const delayMs of this.faults.copiesOf({ event, stored, connection: connection.number, subscription })) {
      if (delayMs === 0) this.#send(connection, frame)
      else {
        this.#clock.after(delayMs, () => {
          if (this.#subscriptions.of(connection).has(subscription)) this.#send(connection, frame)
        })
      }
    }
  }
}

/** A log entry without its place and time, which are added where it is written. */
type LogDetail = LogEntry extends infer Entry
  ? Entry extends LogEntry
    ? Omit<Entry, 'atMs' | 'connection'>
    : never
  : never

const VERDICT_MESSAGES: Readonly<Record<StoreVerdict, string>> = {
  stored: '',
  ephemeral: '',
  duplicate: 'duplicate: have this event',
  replaced: 'replaced: have a newer event',
  expired: 'invalid: expired',
}

/** Checks a fresh copy: nostr-tools believes a verdict that it finds attached to the object. */
function verifyWithNostrTools({ id, pubkey, created_at, kind, tags, content, sig }: NostrEvent): boolean {
  return verifyEvent({ id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig })
}

function parseList(text: string): readonly unknown[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : null
  } catch {
    return null
  }
}
