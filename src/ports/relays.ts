/** What the engine needs from Nostr relays. All relays are equal; none is trusted. */
import type { NostrEvent } from '../core/protocol.ts'

/** NIP-01 filter, the parts that we use. */
export type RelayFilter = {
  readonly ids?: readonly string[]
  readonly kinds?: readonly number[]
  readonly authors?: readonly string[]
  readonly '#p'?: readonly string[]
  readonly '#d'?: readonly string[]
  readonly '#z'?: readonly string[]
  readonly since?: number
  readonly until?: number
  readonly limit?: number
}

export type PublishAnswer =
  /** OK true, or OK false with `duplicate:` */
  | { readonly kind: 'accepted' }
  /** OK false; `prefix` is the machine-readable word before the colon, `''` when there is none; `message` the whole text */
  | { readonly kind: 'refused'; readonly prefix: string; readonly message: string }
  /** not connected, no OK in time, connection lost: says nothing about whether the relay has it */
  | { readonly kind: 'silent'; readonly why: string }

export type Page = {
  readonly events: readonly NostrEvent[]
  /** the relay said EOSE; without it the page proves nothing about what is missing */
  readonly complete: boolean
  /**
   * The lowest `created_at` among all events of the page, unix seconds, those included that were dropped for their size
   * or shape: where the next page starts. Null when the relay sent nothing.
   */
  readonly oldestS: number | null
}

export type RelayHandlers = {
  /**
   * Asked about a live event before its id is computed: false drops it there. Its shape was checked, and its id is what
   * it claims to be. Everything is handed on when absent.
   */
  readonly isWorth?: (event: NostrEvent) => boolean
  /**
   * An event that matched the live subscription. Checked for shape and size only: id and signature are the
   * engine's business. `stored`: it came before EOSE. `receivedAtMs`: when it was read from the socket.
   * The same event may come again, from other relays or from the same one.
   */
  readonly onEvent: (
    event: NostrEvent,
    from: { readonly url: string; readonly stored: boolean; readonly receivedAtMs: number },
  ) => void
  /**
   * The relay is connected (and authenticated where it asks) and the live subscription is in place: what is published
   * from now on comes by itself, what is older must be asked for.
   */
  readonly onUp: (url: string) => void
  /** It was up and is not any more, or its first attempt failed. Further attempts fail silently. */
  readonly onDown: (url: string, why: string) => void
}

export interface Relays {
  /** Starts connecting, and keeps reconnecting with backoff until `close`. Once. */
  open(live: RelayFilter, handlers: RelayHandlers): void
  /** Configured relays, normalised. */
  urls(): readonly string[]
  /** Those that are connected now. */
  connected(): readonly string[]
  /** One page of stored events, newest first as the relay gives them; the relay's `max_limit` bounds it. */
  page(url: string, filter: RelayFilter, deadlineMs: number): Promise<Page>
  /** The largest page the relay will give (NIP-11 `limitation.max_limit`), or our default. */
  pageLimit(url: string): number
  /** Publishes to one relay and waits for its OK. Repeat: safe, relays know events by id. Never throws. */
  publish(url: string, event: NostrEvent, deadlineMs: number): Promise<PublishAnswer>
  /** Stop reading from sockets (they keep the events), or read again. */
  pause(paused: boolean): void
  /** Closes everything; no handler is called after it resolved. */
  close(): Promise<void>
}
