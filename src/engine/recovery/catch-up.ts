/**
 * Reading what arrived while we were down or deaf (DEC-03): backwards in pages from every relay, from a stored cursor
 * with overlap, opened, sorted by inner time, handled oldest first; the cursor moves only over a complete range.
 */
import type { RelayRow } from '../../adapters/sqlite/schema.ts'
import type { InboundMessage, NostrEvent } from '../../core/protocol.ts'
import type { RelayFilter } from '../../ports/relays.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP } from '../../wire/transport.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import type { Arrival, Inbox } from '../inbox/inbox.ts'
import { alert } from '../say.ts'

/** Where the store keeps when this data directory was first used: what was sent before is not for us (DEC-03). */
export const FIRST_START = 'first_start_at'

const OVERLAP_DIRECT_S = 600
/** Gift wraps are dated up to two days back on purpose. */
const OVERLAP_WRAP_S = 3 * 86_400
const EVENTS_MAX = 50_000
const PAGES_MAX = 2000
const PAGE_DEADLINE_MS = 10_000
/** Authors in one question about a crowded second. */
const AUTHORS_MAX = 100

/** How far back a kind is asked for. */
type Range = { readonly kind: number; readonly sinceS: number }

type Collected = {
  readonly complete: boolean
  readonly full: boolean
  /** a second of which the relay has more than it gives at once, so that something may have stayed hidden */
  readonly crowdedS?: number
}

export class CatchUp {
  readonly #ctx: Ctx
  readonly #inbox: Inbox
  #endedAtMs: number | null = null

  constructor(ctx: Ctx, inbox: Inbox) {
    this.#ctx = ctx
    this.#inbox = inbox
  }

  /** Milliseconds since the last catch-up ended; nobody is timed out shortly after (DEC-38). 0 before the first. */
  get endedAgoMs(): number {
    return this.#endedAtMs === null ? 0 : this.#ctx.clock.monotonicMs() - this.#endedAtMs
  }

  /**
   * Reads what these relays have for us, and handles it. Resolves when every message has its verdict, with the relays
   * whose range was read completely; the others have to be asked again.
   */
  async run(urls: readonly string[]): Promise<readonly string[]> {
    const startedS = this.#ctx.clock.surelyS
    const receivedAtMs = this.#ctx.clock.nowMs()
    const found = new Map<string, NostrEvent>()
    const results = await Promise.all(urls.map(async (url) => ({ url, ...(await this.#collect(url, found)) })))
    const messages = await this.#open([...found.values()])
    this.#ctx.log.info('caught up', { relays: urls.length, events: found.size, messages: messages.length })
    await this.#handle(messages, { stored: true, receivedAtMs })
    await this.#ctx.door.submit({
      name: 'cursors',
      run: (tx) => {
        for (const { url, complete } of results) if (complete) tx.s.relay_cursor({ url, cursor: startedS })
        for (const { url, crowdedS } of results)
          if (crowdedS !== undefined)
            alert(
              this.#ctx,
              tx,
              `catch-up-crowded:${url}`,
              1,
              `${url} keeps more messages of unix second ${crowdedS} than it shows: messages of strangers, and gift wraps, may be hidden there`,
            )
        if (results.some((r) => r.full))
          alert(
            this.#ctx,
            tx,
            'catch-up-full',
            2,
            `more than ${EVENTS_MAX} events wait at the relays: the oldest were not read`,
          )
      },
    })
    this.#endedAtMs = this.#ctx.clock.monotonicMs()
    return results.filter((r) => r.complete).map((r) => r.url)
  }

  async #handle(messages: readonly InboundMessage[], arrival: Arrival): Promise<void> {
    if (this.#inbox.isOneByOne(messages.length)) {
      for (const message of messages) await Promise.allSettled([this.#inbox.handle(message, arrival)])
      return
    }
    // All are handed in before any is waited for: lanes keep each sender's order, the door its batches.
    await Promise.allSettled(messages.map((message) => this.#inbox.handle(message, arrival)))
  }

  async #open(events: readonly NostrEvent[]): Promise<readonly InboundMessage[]> {
    const firstStartS = Number(this.#ctx.store.s.meta_get({ key: FIRST_START })?.value ?? 0)
    const messages: InboundMessage[] = []
    for (const admitted of await Promise.all(events.map((event) => this.#inbox.admit(event)))) {
      if (typeof admitted !== 'string' && admitted.createdAtS >= firstStartS) messages.push(admitted)
    }
    return messages.sort((a, b) => a.createdAtS - b.createdAtS || (a.outerId < b.outerId ? -1 : 1))
  }

  #ranges(url: string): readonly Range[] {
    const row = this.#ctx.store.get<RelayRow>('SELECT * FROM relay WHERE url = :url', { url })
    const cursor = row?.cursor ?? nowS(this.#ctx)
    const { transports } = this.#ctx.settings
    return [
      ...(transports.includes(2) ? [{ kind: KIND_DIRECT, sinceS: cursor - OVERLAP_DIRECT_S }] : []),
      ...(transports.includes(1) ? [{ kind: KIND_GIFT_WRAP, sinceS: cursor - OVERLAP_WRAP_S }] : []),
    ]
  }

  async #collect(url: string, found: Map<string, NostrEvent>): Promise<Collected> {
    let all: Collected = { complete: true, full: false }
    for (const range of this.#ranges(url)) {
      const result = await this.#pages(url, range, found)
      if (result.full) return result
      all = { ...all, ...result, complete: all.complete && result.complete }
    }
    return all
  }

  /** One kind of one relay, newest first, until a page is empty or all of the range was seen. */
  async #pages(url: string, range: Range, found: Map<string, NostrEvent>): Promise<Collected> {
    let untilS: number | null = null
    let newHere = 0
    let crowded: { readonly crowdedS?: number } = {}
    for (let n = 0; n < PAGES_MAX; n += 1) {
      const filter: RelayFilter = {
        kinds: [range.kind],
        '#p': [this.#ctx.key.pubkey],
        since: range.sinceS,
        limit: this.#ctx.relays.pageLimit(url),
        ...(untilS === null ? {} : { until: untilS }),
      }
      const page = await this.#ctx.relays.page(url, filter, PAGE_DEADLINE_MS)
      const before = found.size
      for (const event of page.events) found.set(event.id, event)
      newHere += found.size - before
      if (!page.complete) return { complete: false, full: false, ...crowded }
      if (found.size > EVENTS_MAX) return { complete: false, full: true }
      if (page.events.length === 0 || page.oldestS === null) return { complete: true, full: false, ...crowded }
      // Several events share a second: ask for that second again, unless it brought nothing new.
      const isStuck: boolean = page.oldestS === untilS && found.size === before
      if (isStuck && page.events.length >= this.#ctx.relays.pageLimit(url)) {
        crowded = { crowdedS: page.oldestS }
        if (!(await this.#ofTraders(url, range.kind, page.oldestS, found)))
          return { complete: false, full: false, ...crowded }
      }
      const nextS: number = isStuck ? page.oldestS - 1 : page.oldestS
      if (nextS < range.sinceS) return { complete: true, full: false, ...crowded }
      untilS = nextS
    }
    this.#ctx.log.warn('a relay gives page after page', { url, events: newHere })
    return { complete: false, full: true }
  }
  /**
   * What the keys of open trades sent in one second, past whatever strangers crowded it with. Gift wraps have other
   * authors and can not be told apart. False when the relay did not answer.
   */
  async #ofTraders(url: string, kind: number, atS: number, found: Map<string, NostrEvent>): Promise<boolean> {
    if (kind !== KIND_DIRECT) return true
    const keys = this.#ctx.store.s.orders_open_keys().map(({ key }) => key)
    for (let n = 0; n < keys.length; n += AUTHORS_MAX) {
      const authors = keys.slice(n, n + AUTHORS_MAX)
      const filter = { kinds: [kind], '#p': [this.#ctx.key.pubkey], authors, since: atS, until: atS }
      const page = await this.#ctx.relays.page(
        url,
        { ...filter, limit: this.#ctx.relays.pageLimit(url) },
        PAGE_DEADLINE_MS,
      )
      for (const event of page.events) found.set(event.id, event)
      if (!page.complete) return false
    }
    return true
  }
}
