/** What one relay sent that we did not hand on, since the start. Counts only ever rise. */
export type RelayStats = {
  /** frames of any kind */
  frames: number
  /** events handed on from the live subscription */
  delivered: number
  /** copies of live events that had been handed on before */
  duplicates: number
  /** frames that are no JSON or no NIP-01, and events with a wrong shape */
  malformed: number
  /** events in frames above the size limit */
  oversized: number
  /** events and EOSE for subscriptions that we do not have */
  unasked: number
  /** events that do not satisfy the filter we gave */
  mismatched: number
  /** events whose id is not the hash of their content */
  forged: number
  /** OK for events that we do not wait for; late ones included */
  unknownOk: number
  /** NOTICE texts */
  notices: number
}

/** All zero. */
export const newRelayStats = (): RelayStats => ({
  frames: 0,
  delivered: 0,
  duplicates: 0,
  malformed: 0,
  oversized: 0,
  unasked: 0,
  mismatched: 0,
  forged: 0,
  unknownOk: 0,
  notices: 0,
})

/** What no honest relay sends; a few come from races, a thousand do not. */
export const nonsenseOf = (stats: RelayStats): number =>
  stats.malformed + stats.unasked + stats.mismatched + stats.forged
