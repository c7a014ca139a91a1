import { type EventFilter, matchesFilter } from '../../adapters/nostr/filter.ts'
import type { NostrEvent } from '../../core/protocol.ts'

export type StoreVerdict = 'stored' | 'ephemeral' | 'duplicate' | 'replaced' | 'expired'

/** Above so many recipients a walk through everything is as good as their own mail. */
const FEW_RECIPIENTS = 16

/**
 * What a relay remembers: regular events all, of replaceable and addressable ones the newest (NIP-01; on equal times
 * the lowest id), ephemeral ones never, expired ones no longer (NIP-40). Beyond its capacity the oldest goes.
 */
export class EventStore {
  readonly #capacity: number
  /** newest first, on equal times the lowest id first: the order in which relays answer */
  readonly #newestFirst: NostrEvent[] = []
  readonly #byId = new Map<string, NostrEvent>()
  readonly #byAddress = new Map<string, NostrEvent>()
  /** by the values of their `p` tags: what nearly every reader asks for */
  readonly #byRecipient = new Map<string, Set<NostrEvent>>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Takes an event in. A repeat is a duplicate and changes nothing. */
  add(event: NostrEvent, nowS: number): StoreVerdict {
    if (this.#byId.has(event.id)) return 'duplicate'
    if (isExpired(event, nowS)) return 'expired'
    if (isEphemeral(event.kind)) return 'ephemeral'
    const address = addressOf(event)
    if (address !== null) {
      const known = this.#byAddress.get(address)
      if (known !== undefined && compareNewestFirst(known, event) < 0) return 'replaced'
      if (known !== undefined) this.remove(known.id)
      this.#byAddress.set(address, event)
    }
    this.#byId.set(event.id, event)
    this.#newestFirst.splice(this.#positionOf(event), 0, event)
    for (const recipient of recipientsOf(event)) {
      const mail = this.#byRecipient.get(recipient)
      if (mail === undefined) this.#byRecipient.set(recipient, new Set([event]))
      else mail.add(event)
    }
    const oldest = this.#newestFirst.length > this.#capacity ? this.#newestFirst.at(-1) : undefined
    if (oldest !== undefined) this.remove(oldest.id)
    return 'stored'
  }

  /** Forgets an event, as a relay that lost its disk; a repeat does nothing. */
  remove(id: string): void {
    const event = this.#byId.get(id)
    if (event === undefined) return
    this.#byId.delete(id)
    this.#newestFirst.splice(this.#positionOf(event), 1)
    for (const recipient of recipientsOf(event)) this.#byRecipient.get(recipient)?.delete(event)
    const address = addressOf(event)
    if (address !== null && this.#byAddress.get(address) === event) this.#byAddress.delete(address)
  }

  /** Forgets everything. */
  clear(): void {
    this.#newestFirst.length = 0
    this.#byId.clear()
    this.#byAddress.clear()
    this.#byRecipient.clear()
  }

  /** All that is stored and not expired, newest first. */
  all(nowS: number): readonly NostrEvent[] {
    return this.#newestFirst.filter((event) => !isExpired(event, nowS))
  }

  /** What matches any of the filters, newest first, each filter limited to its own `limit` and to `maxLimit`. */
  query(filters: readonly EventFilter[], maxLimit: number, nowS: number): readonly NostrEvent[] {
    const found = new Set<NostrEvent>()
    for (const filter of filters) {
      for (const event of this.#queryOne(filter, Math.min(filter.limit ?? maxLimit, maxLimit), nowS)) found.add(event)
    }
    return filters.length === 1 ? [...found] : [...found].sort(compareNewestFirst)
  }

  #queryOne(filter: EventFilter, limit: number, nowS: number): NostrEvent[] {
    const recipients = filter['#p']
    if (recipients !== undefined && recipients.length <= FEW_RECIPIENTS)
      return this.#mailFor(recipients, filter, limit, nowS)
    const found: NostrEvent[] = []
    const until = filter.until ?? Number.POSITIVE_INFINITY
    for (let at = this.#firstAtOrBefore(until); at < this.#newestFirst.length && found.length < limit; at++) {
      const event = this.#newestFirst[at]
      if (event === undefined || (filter.since !== undefined && event.created_at < filter.since)) break
      if (matchesFilter(filter, event) && !isExpired(event, nowS)) found.push(event)
    }
    return found
  }

  #mailFor(recipients: readonly string[], filter: EventFilter, limit: number, nowS: number): NostrEvent[] {
    if (limit <= 0) return []
    const mail = new Set(recipients.flatMap((recipient) => [...(this.#byRecipient.get(recipient) ?? [])]))
    return [...mail]
      .filter((event) => matchesFilter(filter, event) && !isExpired(event, nowS))
      .sort(compareNewestFirst)
      .slice(0, limit)
  }

  #firstAtOrBefore(timeS: number): number {
    return this.#lowestWhere((event) => event.created_at <= timeS)
  }

  #positionOf(event: NostrEvent): number {
    return this.#lowestWhere((other) => compareNewestFirst(other, event) >= 0)
  }

  /** The lowest index whose event has a property that, once it holds, holds for all that follow. */
  #lowestWhere(holds: (event: NostrEvent) => boolean): number {
    let low = 0
    let high = this.#newestFirst.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const event = this.#newestFirst[middle]
      if (event !== undefined && holds(event)) high = middle
      else low = middle + 1
    }
    return low
  }
}

function compareNewestFirst(a: NostrEvent, b: NostrEvent): number {
  if (a.created_at !== b.created_at) return b.created_at - a.created_at
  if (a.id === b.id) return 0
  return a.id < b.id ? -1 : 1
}

const recipientsOf = (event: NostrEvent): readonly string[] =>
  event.tags.flatMap(([tag, value]) => (tag === 'p' && value !== undefined ? [value] : []))

const isEphemeral = (kind: number): boolean => kind >= 20_000 && kind < 30_000

/** NIP-01: under which name a newer event takes the place of an older one; null when it never does. */
function addressOf(event: NostrEvent): string | null {
  const { kind, pubkey } = event
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return `${kind}:${pubkey}`
  if (kind >= 30_000 && kind < 40_000) return `${kind}:${pubkey}:${tagValue(event, 'd') ?? ''}`
  return null
}

/** NIP-40: whether the event's `expiration` has passed. */
function isExpired(event: NostrEvent, nowS: number): boolean {
  const expiration = tagValue(event, 'expiration')
  return expiration !== undefined && /^\d{1,15}$/.test(expiration) && Number(expiration) <= nowS
}

const tagValue = (event: NostrEvent, name: string): string | undefined => event.tags.find(([tag]) => tag === name)?.[1]
