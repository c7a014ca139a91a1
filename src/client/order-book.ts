import type { NostrRelays } from '../adapters/nostr/nostr-relays.ts'
import type { NostrEvent } from '../core/protocol.ts'
import { type Curves, portableCurves } from '../wire/curves.ts'
import { verifyEvent } from '../wire/event.ts'
import { KIND_INFO, KIND_ORDER } from '../wire/public-events.ts'
import { type BookEntry, readBookEntry } from './book-entry.ts'
import { DeadlineError } from './errors.ts'
import { type Clock, hostClock } from './host.ts'
import { type NodeInfo, readNodeInfo } from './node-info.ts'
import { Waits } from './waits.ts'

export type OrderBookOptions = {
  /** not opened yet; the book opens and closes them */
  readonly relays: NostrRelays
  /** x-only, hex */
  readonly nodePubkey: string
  readonly clock?: Clock
  readonly curves?: Curves
}

/** Orders kept; beyond it those that were not revised for longest are forgotten. */
const MAX_ENTRIES = 20_000

/** What one node shows to everybody: its orders and its info event, each in the newest revision. */
export class OrderBook {
  readonly #relays: NostrRelays
  readonly #nodePubkey: string
  readonly #clock: Clock
  readonly #curves: Curves
  readonly #waits: Waits
  readonly #entries = new Map<string, BookEntry>()
  readonly #listeners = new Set<(entry: BookEntry) => void>()
  #info: NodeInfo | null = null

  /** Starts to follow the node. */
  constructor({ relays, nodePubkey, clock = hostClock, curves = portableCurves }: OrderBookOptions) {
    this.#relays = relays
    this.#nodePubkey = nodePubkey
    this.#clock = clock
    this.#curves = curves
    this.#waits = new Waits(clock)
    relays.open(
      { kinds: [KIND_ORDER, KIND_INFO], authors: [nodePubkey] },
      { onEvent: (event) => this.#receive(event), onUp: () => {}, onDown: () => {} },
    )
  }

  /** The newest info event, or null while none was seen. */
  get info(): NodeInfo | null {
    return this.#info
  }

  /** The newest revision of an order, or null while none was seen. */
  get(orderId: string): BookEntry | null {
    return this.#entries.get(orderId) ?? null
  }

  /** Every order that was seen, whatever became of it. */
  entries(): readonly BookEntry[] {
    return [...this.#entries.values()]
  }

  /** What can be taken now. */
  offers(): readonly BookEntry[] {
    const nowS = this.#clock.nowMs() / 1000
    return this.entries().filter(
      ({ status, expirationS }) => status === 'pending' && (expirationS === null || expirationS > nowS),
    )
  }

  /** Tells about each new revision from now on. Returns how to stop. */
  onChange(listener: (entry: BookEntry) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The info event, as soon as there is one. */
  waitForInfo(deadlineMs: number): Promise<NodeInfo> {
    const late = (): Error => new DeadlineError("the node's info event", deadlineMs, [])
    return this.#waits.until(() => this.#info, { deadlineMs, late })
  }

  /** An order as soon as it satisfies the condition, now or later. */
  waitFor(orderId: string, condition: (entry: BookEntry) => boolean, deadlineMs: number): Promise<BookEntry> {
    const probe = (): BookEntry | null => {
      const entry = this.get(orderId)
      return entry !== null && condition(entry) ? entry : null
    }
    const late = (): Error => {
      const found = this.get(orderId)?.status ?? 'not in the book'
      return new DeadlineError(`order ${orderId} in the book (now: ${found})`, deadlineMs, [])
    }
    return this.#waits.until(probe, { deadlineMs, late })
  }

  /** Leaves nothing running. Repeat: safe. */
  async close(): Promise<void> {
    this.#waits.close()
    await this.#relays.close()
  }

  #receive(event: NostrEvent): void {
    if (event.kind === KIND_INFO) this.#receiveInfo(event)
    else this.#receiveOrder(event)
  }

  #receiveInfo(event: NostrEvent): void {
    if (!isNewer(event, this.#info) || !this.#isByNode(event)) return
    this.#info = readNodeInfo(event)
    this.#waits.changed()
  }

  #receiveOrder(event: NostrEvent): void {
    const entry = readBookEntry(event)
    if (entry === null || !isNewer(event, this.get(entry.orderId)) || !this.#isByNode(event)) return
    this.#entries.delete(entry.orderId)
    this.#entries.set(entry.orderId, entry)
    if (this.#entries.size > MAX_ENTRIES) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    for (const listener of this.#listeners) listener(entry)
    this.#waits.changed()
  }

  #isByNode(event: NostrEvent): boolean {
    return event.pubkey === this.#nodePubkey && verifyEvent(event, this.#curves)
  }
}

/** Of two revisions the later one counts, and of two in the same second the one with the lower id (NIP-01). */
function isNewer(event: NostrEvent, known: { readonly createdAtS: number; readonly eventId: string } | null): boolean {
  if (known === null) return true
  if (event.created_at !== known.createdAtS) return event.created_at > known.createdAtS
  return event.id < known.eventId
}
