import type { NostrEvent } from '../../core/protocol.ts'
import { checkEventShape } from '../../wire/event.ts'
import { type EventFilter, matchesFilter } from './filter.ts'
import { RELAY_LIMITS } from './limits.ts'
import type { RelayStats } from './relay-stats.ts'

/**
 * Whether what a relay sent for a subscription is an event that we asked for: size, shape, filter. What is not is
 * counted and null. Id and signature are not looked at.
 */
export function admitEvent(
  value: unknown,
  frameChars: number,
  filter: EventFilter,
  stats: RelayStats,
): NostrEvent | null {
  if (frameChars > RELAY_LIMITS.eventFrameChars) {
    stats.oversized += 1
    return null
  }
  const event = checkEventShape(value)
  if (!event.ok) {
    stats.malformed += 1
    return null
  }
  if (!matchesFilter(filter, event.value)) {
    stats.mismatched += 1
    return null
  }
  return event.value
}
