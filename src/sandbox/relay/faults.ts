/** What a relay does wrong, switched on and off while it runs. */
import type { NostrEvent } from '../../core/protocol.ts'

/** What becomes of an event that a client publishes. */
export type PublishFate =
  /** as a healthy relay would */
  | { readonly kind: 'take' }
  /** not stored, OK false with this text (`blocked: …`, `invalid: …`, `pow: …`, `rate-limited: …`, `error: …`) */
  | { readonly kind: 'refuse'; readonly message: string }
  /** neither stored nor answered */
  | { readonly kind: 'ignore' }
  /** stored, but the OK is lost */
  | { readonly kind: 'lose-ok' }
  /** OK true, but not stored */
  | { readonly kind: 'pretend' }
  /** the connection is cut before the event is stored */
  | { readonly kind: 'cut-before' }
  /** stored, then the connection is cut instead of an OK */
  | { readonly kind: 'cut-after' }

export type Delivery = {
  readonly event: NostrEvent
  /** in answer to a REQ, not because it was just published */
  readonly stored: boolean
  /** which connection receives it; they are numbered from 1 */
  readonly connection: number
  readonly subscription: string
}

/** Null: this rule has nothing to say about the event. */
export type PublishRule = (event: NostrEvent) => PublishFate | null
/** When each copy leaves, in ms from now: `[]` lost, `[0, 0]` twice, `[500]` late. Null: nothing to say. */
export type DeliveryRule = (delivery: Delivery) => readonly number[] | null
/** How long the relay takes over an event before its fate is met, in ms. Null: nothing to say. */
export type DelayRule = (event: NostrEvent) => number | null

const AT_ONCE: readonly number[] = [0]

/** The faults of one relay; of several rules for one thing the first that has something to say decides. */
export class RelayFaults {
  /** never say EOSE */
  withholdEose = false
  readonly #publish: PublishRule[] = []
  readonly #delivery: DeliveryRule[] = []
  readonly #delay: DelayRule[] = []

  /** Decides about published events. Returns how to take the rule back. */
  onPublish(rule: PublishRule): () => void {
    return add(this.#publish, rule)
  }

  /** Decides about deliveries: loss, repetition, delay and, by different delays, order. Returns how to take it back. */
  onDelivery(rule: DeliveryRule): () => void {
    return add(this.#delivery, rule)
  }

  /** Makes the relay slow for some events. Returns how to take it back. */
  onDelay(rule: DelayRule): () => void {
    return add(this.#delay, rule)
  }

  /** Refuses, for ever, what the predicate names. Returns how to take it back. */
  refuse(isMeant: (event: NostrEvent) => boolean, message: string): () => void {
    return this.onPublish((event) => (isMeant(event) ? { kind: 'refuse', message } : null))
  }

  /** A healthy relay again. */
  clear(): void {
    this.withholdEose = false
    this.#publish.length = 0
    this.#delivery.length = 0
    this.#delay.length = 0
  }

  fateOf(event: NostrEvent): PublishFate {
    return firstOf(this.#publish, event) ?? { kind: 'take' }
  }

  copiesOf(delivery: Delivery): readonly number[] {
    return firstOf(this.#delivery, delivery) ?? AT_ONCE
  }

  delayOf(event: NostrEvent): number {
    return firstOf(this.#delay, event) ?? 0
  }
}

function add<T>(rules: T[], rule: T): () => void {
  rules.push(rule)
  return () => {
    const at = rules.indexOf(rule)
    if (at !== -1) rules.splice(at, 1)
  }
}

function firstOf<I, O>(rules: readonly ((input: I) => O | null)[], input: I): O | null {
  for (const rule of rules) {
    const said = rule(input)
    if (said !== null) return said
  }
  return null
}
