/** How old a message may be (DEC-03): fixed when it was read from the socket, never by how long it waited here. */
import type { Action, CantDoReason } from '../../core/protocol.ts'

/** How wrong a client's clock may be. */
export const SKEW_S = 600
/** A stored take or new order that is older has been given up by its client. */
export const STORED_MAX_AGE_S = 15
/** A message that is older is never handled. */
export const OLDEST_S = 29 * 86_400

/** Actions whose client forgets them after some seconds: served late they would bind nobody. */
const FORGOTTEN_SOON: readonly Action[] = ['new-order', 'take-sell', 'take-buy']

export type Freshness =
  | { readonly kind: 'fresh' }
  /** by our clock it is not written yet: it gets no verdict, and is read again when our clock is right (ADR 0014) */
  | { readonly kind: 'early' }
  | { readonly kind: 'dropped'; readonly why: 'stale' | 'too-old' }
  | { readonly kind: 'refused'; readonly reason: CantDoReason }

/** `ageS`: seconds between inner time and reading; negative for a message from the future. */
export function freshness(action: Action, ageS: number, stored: boolean): Freshness {
  if (ageS < -SKEW_S) return { kind: 'early' }
  if (ageS > OLDEST_S) return { kind: 'dropped', why: 'too-old' }
  if (!FORGOTTEN_SOON.includes(action)) return { kind: 'fresh' }
  if (stored) return ageS > STORED_MAX_AGE_S ? { kind: 'dropped', why: 'stale' } : { kind: 'fresh' }
  return ageS > SKEW_S ? { kind: 'refused', reason: 'invalid_parameters' } : { kind: 'fresh' }
}
