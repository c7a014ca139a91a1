import { type EventFilter, matchesFilter } from '../../adapters/nostr/filter.ts'
import type { NostrEvent } from '../../core/protocol.ts'

/** One open subscription of one connection. */
export type Subscription<Owner> = {
  readonly owner: Owner
  readonly id: string
  readonly filters: readonly EventFilter[]
  /** its place among all, kept when its filters change */
  readonly place: number
}

/**
 * Who wants which events. Subscriptions that ask for their own mail, as nearly all do, are found by its recipient, so that
 * an event costs what its readers cost, however many others are connected.
 */
export class SubscriptionBook<Owner extends object> {
  readonly #byOwner = new Map<Owner, Map<string, Subscription<Owner>>>()
  readonly #byRecipient = new Map<string, Set<Subscription<Owner>>>()
  readonly #others = new Set<Subscription<Owner>>()
  #lastPlace = 0

  /** The subscriptions of one owner, by their ids. */
  of(owner: Owner): ReadonlyMap<string, Subscription<Owner>> {
    return this.#byOwner.get(owner) ?? new Map<string, Subscription<Owner>>()
  }

  all(): readonly Subscription<Owner>[] {
    return [...this.#byOwner.values()].flatMap((own) => [...own.values()])
  }

  /** Opens a subscription, or changes what it asks for. */
  open(owner: Owner, id: string, filters: readonly EventFilter[]): void {
    const before = this.of(owner).get(id)
    if (before !== undefined) this.#forget(before)
    const subscription = { owner, id, filters, place: before?.place ?? ++this.#lastPlace }
    const own = this.#byOwner.get(owner) ?? new Map<string, Subscription<Owner>>()
    this.#byOwner.set(owner, own.set(id, subscription))
    const recipients = recipientsOf(filters)
    if (recipients === null) this.#others.add(subscription)
    else for (const recipient of recipients) this.#readersOf(recipient).add(subscription)
  }

  /** Ends a subscription. Repeat: safe. */
  close(owner: Owner, id: string): void {
    const subscription = this.of(owner).get(id)
    if (subscription === undefined) return
    this.#forget(subscription)
    this.#byOwner.get(owner)?.delete(id)
  }

  /** Ends all of an owner's. Repeat: safe. */
  closeAll(owner: Owner): void {
    for (const subscription of this.of(owner).values()) this.#forget(subscription)
    this.#byOwner.delete(owner)
  }

  /** Whom an event goes to, in the order in which the subscriptions were opened. */
  matching(event: NostrEvent): readonly Subscription<Owner>[] {
    const asked = new Set(this.#others)
    for (const [tag, value] of event.tags)
      if (tag === 'p' && value !== undefined)
        for (const subscription of this.#byRecipient.get(value) ?? []) asked.add(subscription)
    return [...asked]
      .filter(({ filters }) => filters.some((filter) => matchesFilter(filter, event)))
      .sort((a, b) => a.place - b.place)
  }

  #readersOf(recipient: string): Set<Subscription<Owner>> {
    const known = this.#byRecipient.get(recipient)
    if (known !== undefined) return known
    const readers = new Set<Subscription<Owner>>()
    this.#byRecipient.set(recipient, readers)
    return readers
  }

  #forget(subscription: Subscription<Owner>): void {
    this.#others.delete(subscription)
    for (const recipient of recipientsOf(subscription.filters) ?? []) {
      const readers = this.#byRecipient.get(recipient)
      readers?.delete(subscription)
      if (readers?.size === 0) this.#byRecipient.delete(recipient)
    }
  }
}

/** Whose mail the filters ask for; null when one of them asks for anything else. */
function recipientsOf(filters: readonly EventFilter[]): ReadonlySet<string> | null {
  const recipients = new Set<string>()
  for (const filter of filters) {
    if (filter['#p'] === undefined) return null
    for (const recipient of filter['#p']) recipients.add(recipient)
  }
  return recipients
}
