import type { NostrRelays } from '../adapters/nostr/nostr-relays.ts'
import { SeenEvents } from '../adapters/nostr/seen-events.ts'
import type { NostrEvent, Transport } from '../core/protocol.ts'
import type { Curves } from '../wire/curves.ts'
import { ConversationKeyCache } from '../wire/nip44.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP, openFromNode, wrapForNode } from '../wire/transport.ts'
import { CantDoError, ClosedError, DeadlineError } from './errors.ts'
import type { Clock, Random } from './host.ts'
import type { KeyPair } from './keys.ts'
import { Mailbox, type Received } from './mailbox.ts'
import { Publisher } from './publisher.ts'
import { answers, type TraderRequest } from './requests.ts'
import { Waits } from './waits.ts'

/** Ids of messages remembered, so that none counts twice. */
const SEEN_EVENTS = 20_000

/** Says what the client does, for a log; never secrets or whole messages. */
export type ClientLog = (event: string, fields: Readonly<Record<string, unknown>>) => void

export type CorrespondenceOptions = {
  /** not opened yet; opened and closed here */
  readonly relays: NostrRelays
  readonly nodePubkey: string
  /** null: full privacy */
  readonly identity: KeyPair | null
  /** keys to read from the start */
  readonly keys: readonly KeyPair[]
  readonly clock: Clock
  readonly random: Random
  readonly curves: Curves
  readonly log: ClientLog
}

export type Posting = {
  /** the key that asks */
  readonly key: KeyPair
  readonly transport: Transport
  /** leading zero bits of the event's id */
  readonly pow: number
  readonly deadlineMs: number
}

/** Private messages between a trader's keys and one node, in both directions. */
export class Correspondence {
  /** what the node wrote */
  readonly mailbox: Mailbox
  readonly #options: CorrespondenceOptions
  readonly #publisher: Publisher
  readonly #arrivals: Waits
  readonly #conversationKeys = new ConversationKeyCache()
  readonly #seen = new SeenEvents(SEEN_EVENTS)
  /** keys whose messages we read, by public key */
  readonly #keys = new Map<string, KeyPair>()
  /** what a relay told from its store, before it said that this was all */
  readonly #stored = new Map<string, readonly Received[]>()
  #isClosed = false

  /** Starts connecting. */
  constructor(options: CorrespondenceOptions) {
    const { clock, keys, relays } = options
    this.#options = options
    this.mailbox = new Mailbox(clock)
    this.#arrivals = new Waits(clock)
    this.#publisher = new Publisher(relays, () => clock.nowMs())
    for (const key of keys) this.#keys.set(key.pubkey, key)
    relays.open(this.#filter(), {
      onEvent: (event, from) => this.#receive(event, from.url),
      onUp: (url) => {
        this.#fileStored(url)
        this.#publisher.relayUp(url)
        this.#arrivals.changed()
      },
      onDown: (url) => this.#fileStored(url),
    })
  }

  /** Resolves once a relay is up: what the node writes from then on comes by itself, and what it stored has come. */
  async whenUp(deadlineMs: number): Promise<void> {
    const probe = (): true | null => (this.#options.relays.connected().length > 0 ? true : null)
    await this.#arrivals.until(probe, { deadlineMs, late: () => new DeadlineError('a relay', deadlineMs, []) })
  }

  /** Reads messages to these keys too, from now on and from what relays stored. Repeat: safe. */
  follow(...keys: readonly KeyPair[]): void {
    const added = keys.filter(({ pubkey }) => !this.#keys.has(pubkey))
    for (const key of added) this.#keys.set(key.pubkey, key)
    if (added.length > 0) this.#options.relays.follow(this.#filter())
  }

  /**
   * Sends a request as a new event and resolves with the direct answer. Rejects with `CantDoError`, `DeadlineError`,
   * `PublishError` or `ClosedError`.
   */
  async exchange(request: TraderRequest, posting: Posting): Promise<Received> {
    if (this.#isClosed) throw new ClosedError()
    const { deadlineMs, key, transport } = posting
    const { action, id, requestId } = request.message
    const event = this.#wrap(request, posting)
    this.#options.log('request', { action, orderId: id, tradeIndex: key.index, transport, eventId: event.id })
    this.follow(key)
    const refused = new AbortController()
    this.#publisher.publish(event, deadlineMs).catch((error: unknown) => refused.abort(error))
    // Without a request id, an older message could pass for the answer.
    const older = new Set(requestId === null ? this.mailbox.unread() : [])
    try {
      const answer = await this.mailbox.take({
        matches: (received) =>
          received.tradeIndex === key.index && !older.has(received) && answers(request, received.message),
        what: `${request.replies.join(' or ')} in answer to ${action}${id === null ? '' : ` of order ${id}`}`,
        deadlineMs,
        request,
        signal: refused.signal,
      })
      const { payload } = answer.message
      if (answer.message.action !== 'cant-do') return answer
      throw new CantDoError(payload?.kind === 'cant_do' ? payload.reason : null, request)
    } finally {
      this.#publisher.forget(event.id)
    }
  }

  /** Ends every wait with `ClosedError`. Leaves nothing running. Repeat: safe. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.mailbox.close()
    this.#arrivals.close()
    await this.#options.relays.close()
  }

  #wrap({ message }: TraderRequest, { key, transport, pow }: Posting): NostrEvent {
    const { clock, curves, identity, nodePubkey, random } = this.#options
    return wrapForNode({
      transport,
      message,
      tradeSecretKey: key.secretKey,
      identitySecretKey: identity?.secretKey ?? null,
      nodePubkey,
      createdAtS: Math.floor(clock.nowMs() / 1000),
      pow,
      random: (n) => random.bytes(n),
      curves,
    })
  }

  #filter(): { readonly kinds: readonly number[]; readonly '#p': readonly string[] } {
    return { kinds: [KIND_DIRECT, KIND_GIFT_WRAP], '#p': [...this.#keys.keys()] }
  }

  #receive(event: NostrEvent, url: string): void {
    const received = this.#open(event)
    if (received === null) return
    if (this.#options.relays.connected().includes(url)) this.mailbox.add([received])
    else this.#stored.set(url, [received, ...(this.#stored.get(url) ?? [])])
  }

  /**
   * Relays tell what they stored newest first. It is filed when they have told it all, so that no wait takes the end
   * before the beginning.
   */
  #fileStored(url: string): void {
    this.mailbox.add(this.#stored.get(url) ?? [])
    this.#stored.delete(url)
  }

  /** Reads an event; null when it is not from the node to one of our keys, or was read before. */
  #open(event: NostrEvent): Received | null {
    const { curves, log, nodePubkey } = this.#options
    const key = this.#keys.get(event.tags.find(([name]) => name === 'p')?.[1] ?? '')
    if (key === undefined) return null
    const opened = openFromNode(event, key.secretKey, nodePubkey, { curves, keys: this.#conversationKeys })
    if (!opened.ok) {
      log('unreadable', { eventId: event.id, ...opened.error })
      return null
    }
    return this.#seen.add(event.id) ? { ...opened.value, tradeIndex: key.index, eventId: event.id } : null
  }
}
