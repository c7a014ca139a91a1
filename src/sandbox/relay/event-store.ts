import { type EventFilter, matchesFilter } from '../../adapters/nostr/filter.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import { isExpired } from '../../wire/event.ts'
import { compareNewestFirst, Timeline } from './timeline.ts'

export type StoreVerdict = 'stored' | 'ephemeral' | 'duplicate' | 'replaced' | 'expired'

/** Above so many recipients a walk through everything is as good as their own mail. */
const FEW_RECIPIENTS = 16

/**
 * What a relay remembers: regular events all, of replaceable and addressable ones the newest (NIP-01; on equal times
 * the lowest id), ephemeral ones never, expired ones no longer (NIP-40). Beyond its capacity the oldest goes.
 */
export class EventStore {
  readonly #capacity: number
  readonly #timeline = new Timeline()
  readonly #byId = new Map<string, NostrEvent>()
  readonly #byAddress = new Map<string, NostrEvent>()
  /** by the values of their `p` tags: what nearly every reader asks for */
  readonly #byRecipient = new Map<string, Timeline>()

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
    this.#timeline.add(event)
    for (const recipient of recipientsOf(event)) this.#mailOf(recipient).add(event)
    const oldest = this.#timeline.length > this.#capacity ? this.#timeline.oldest : undefined
    if (oldest !== undefined) this.remove(oldest.id)
    return 'stored'
  }

  /** Forgets an event, as a relay that lost its disk; a repeat does nothing. */
  remove(id: string): void {
    const event = this.#byId.get(id)
    if (event === undefined) return
    this.#byId.delete(id)
    this.#timeline.remove(event)
    for (const recipient of recipientsOf(event)) this.#mailOf(recipient).remove(event)
    const address = addressOf(event)
    if (address !== null && this.#byAddress.get(address) === event) this.#byAddress.delete(address)
  }

  /** Forgets everything. */
  clear(): void {
    this.#timeline.clear()
    this.#byId.clear()
    this.#byAddress.clear()
    this.#byRecipient.clear()
  }

  /** All that is stored and not expired, newest first. */
  all(nowS: number): readonly NostrEvent[] {
    return this.#timeline.all().filter((event) => !isExpired(event, nowS))
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
    if (recipients === undefined || recipients.length > FEW_RECIPIENTS)
      return firstOf(this.#timeline, filter, limit, nowS)
    const found = new Set<NostrEvent>()
    for (const recipient of recipients) {
      const mail = this.#byRecipient.get(recipient)
      if (mail !== undefined) for (const event of firstOf(mail, filter, limit, nowS)) found.add(event)
    }
    return recipients.length === 1 ? [...found] : [...found].sort(compareNewestFirst).slice(0, limit)
  }

  #mailOf(recipient: string): Timeline {
    const known = this.#byRecipient.get(recipient)
    if (known !== undefined) return known
    const mail = new Timeline()
    this.#byRecipient.set(recipient, mail)
    return mail
  }
}

/** The first `limit` events of a timeline that a filter matches. */
function firstOf(timeline: Timeline, filter: EventFilter, limit: number, nowS: number): NostrEvent[] {
  const found: NostrEvent[] = []
  if (limit <= 0) return found
  for (const event of timeline.between(filter.since ?? 0, filter.until ?? Number.POSITIVE_INFINITY)) {
    if (!matchesFilter(filter, event) || isExpired(event, nowS)) continue
    found.push(event)
    if (found.length >= limit) break
  }
  return found
}

const recipientsOf = (event: NostrEvent): ReadonlySet<string> =>
  new Set(event.tags.flatMap(([tag, value]) => (tag === 'p' && value !== undefined ? [value] : [])))

const isEphemeral = (kind: number): boolean => kind >= 20_000 && kind < 30_000

/** NIP-01: under which name a newer event takes the place of an older one; null when it never does. */
function addressOf(event: NostrEvent): string | null {
  const { kind, pubkey } = event
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return `${kind}:${pubkey}`
  if (kind >= 30_000 && kind < 40_000) return `${kind}:${pubkey}:${tagValue(event, 'd') ?? ''}`
  return null
}

const tagValue = (event: NostrEvent, name: string): string | undefined => event.tags.find(([tag]) => tag === name)?.[1]
