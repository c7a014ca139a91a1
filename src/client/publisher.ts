import type { NostrRelays } from '../adapters/nostr/nostr-relays.ts'
import type { NostrEvent } from '../core/protocol.ts'
import { PublishError } from './errors.ts'

type Publication = {
  readonly event: NostrEvent
  readonly deadlineAtMs: number
  /** relays that have it, or are being offered it */
  readonly placed: Set<string>
  readonly refusals: Map<string, string>
  readonly done: () => void
  readonly failed: (error: PublishError) => void
}

/** Publishes to every relay, also to those that come up before the deadline. */
export class Publisher {
  readonly #relays: NostrRelays
  readonly #nowMs: () => number
  readonly #open = new Map<string, Publication>()

  constructor(relays: NostrRelays, nowMs: () => number) {
    this.#relays = relays
    this.#nowMs = nowMs
  }

  /**
   * Resolves when the first relay has accepted the event; rejects with {@link PublishError} when every one has refused
   * it. While relays are silent it stays open: whoever asks has a deadline of their own, and calls {@link forget} in the
   * end.
   */
  publish(event: NostrEvent, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const publication: Publication = {
        event,
        deadlineAtMs: this.#nowMs() + deadlineMs,
        placed: new Set(),
        refusals: new Map(),
        done: resolve,
        failed: reject,
      }
      this.#open.set(event.id, publication)
      for (const url of this.#relays.urls()) this.#offer(publication, url)
    })
  }

  /** A relay came up: it gets what is still open. */
  relayUp(url: string): void {
    for (const publication of this.#open.values()) this.#offer(publication, url)
  }

  /** Offers this event to no further relay. Repeat: safe. */
  forget(eventId: string): void {
    this.#open.delete(eventId)
  }

  #offer(publication: Publication, url: string): void {
    const { event, deadlineAtMs, placed, refusals } = publication
    const leftMs = deadlineAtMs - this.#nowMs()
    if (leftMs <= 0 || placed.has(url) || refusals.has(url)) return
    placed.add(url)
    this.#relays.publish(url, event, leftMs).then((answer) => {
      if (answer.kind === 'accepted') return publication.done()
      placed.delete(url)
      if (answer.kind === 'refused') refusals.set(url, answer.message)
      if (refusals.size === this.#relays.urls().length) publication.failed(new PublishError(refusals))
    }, publication.failed)
  }
}
