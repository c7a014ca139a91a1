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
  readonly #open = new Set<Publication>()

  constructor(relays: NostrRelays, nowMs: () => number) {
    this.#relays = relays
    this.#nowMs = nowMs
  }

  /**
   * Resolves when the first relay has accepted the event; rejects with {@link PublishError} when every one has refused
   * it. Stays open while relays are silent: whoever asks has a deadline of their own. The same event again: safe.
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
      this.#open.add(publication)
      for (const url of this.#relays.urls()) this.#offer(publication, url)
    })
  }

  /** A relay came up: it gets what is still open. */
  relayUp(url: string): void {
    for (const publication of this.#open) this.#offer(publication, url)
  }

  /** Offers nothing any more. Repeat: safe. */
  close(): void {
    this.#open.clear()
  }

  #offer(publication: Publication, url: string): void {
    const { event, deadlineAtMs, placed, refusals } = publication
    const leftMs = deadlineAtMs - this.#nowMs()
    if (leftMs <= 0) this.#open.delete(publication)
    if (leftMs <= 0 || placed.has(url) || refusals.has(url)) return
    placed.add(url)
    this.#relays.publish(url, event, leftMs).then((answer) => {
      if (answer.kind !== 'accepted') placed.delete(url)
      if (answer.kind === 'accepted') publication.done()
      if (answer.kind === 'refused') refusals.set(url, answer.message)
      const relayCount = this.#relays.urls().length
      if (refusals.size === relayCount) publication.failed(new PublishError(refusals))
      if (answer.kind !== 'silent' && placed.size + refusals.size === relayCount) this.#open.delete(publication)
    }, publication.failed)
  }
}
