/** What the client needs of the machine it runs on; tests and simulations bring their own. */
import { randomBytes } from 'node:crypto'
import type { NostrRelaysOptions } from '../adapters/nostr/nostr-relays.ts'

/** Milliseconds since 1970, and one-shot timers that can be forgotten. */
export type Clock = NostrRelaysOptions['clock']
/** Bytes that nobody can guess. */
export type Random = NostrRelaysOptions['random']

export const hostClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

export const hostRandom: Random = { bytes: (n) => new Uint8Array(randomBytes(n)) }
