import type { EventFilter } from '../../adapters/nostr/filter.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import type { PublishFate } from './faults.ts'

/** One thing that a client sent. `connection`: they are numbered from 1. */
export type LogEntry = { readonly atMs: number; readonly connection: number } & (
  | {
      readonly kind: 'event'
      readonly event: NostrEvent
      /** what the faults made of it */
      readonly fate: PublishFate['kind']
      /** what the OK said, or would have said */
      readonly accepted: boolean
      readonly message: string
    }
  | { readonly kind: 'req'; readonly subscription: string; readonly filters: readonly EventFilter[] }
  | { readonly kind: 'close'; readonly subscription: string }
  | { readonly kind: 'auth'; readonly pubkey: string; readonly accepted: boolean }
  | { readonly kind: 'garbage'; readonly text: string }
)

const CAPACITY = 20_000

/** A bounded record of what was received. */
export class RelayLog {
  readonly #entries: LogEntry[] = []

  /** Appends; forgets the older half beyond twice the capacity. */
  add(entry: LogEntry): void {
    this.#entries.push(entry)
    if (this.#entries.length > 2 * CAPACITY) this.#entries.splice(0, CAPACITY)
  }

  entries(): readonly LogEntry[] {
    return this.#entries
  }
}
