/** What a relay's refusal of an event means for the next try (NIP-01, "OK" messages). */
import type { PublishAnswer } from '../../ports/relays.ts'

/** Words with which a relay says that it will never take this event. */
const FINAL_REFUSALS: readonly string[] = ['invalid', 'blocked', 'restricted', 'error: too large']

/** Every relay software has words of its own for a date that it does not like. */
const OF_DATES = /created_?at|creation (date|time)|timestamp|too (late|early|old|new)|(in|from) the (future|past)/i

/** Our own date may be off by this much for other reasons than a wrong clock: several messages to one reader in a second. */
export const DATE_SLACK_S = 60

/**
 * Whether it is the event's date that the relay does not take. Never final: the clock of one of us is wrong, and may be
 * set right.
 */
export function isDateRefusal(answer: PublishAnswer): boolean {
  return answer.kind === 'refused' && OF_DATES.test(answer.message)
}

/** Whether a refusal is for ever: another try would be the same event. */
export function isFinalRefusal(answer: PublishAnswer): boolean {
  if (answer.kind !== 'refused' || isDateRefusal(answer)) return false
  return FINAL_REFUSALS.includes(answer.prefix) || /too (large|big|long)/i.test(answer.message)
}

/** The operator's line about it. */
export const aheadDetail = (said: string): string =>
  `relays do not take what we date as now: if the clock of this machine is wrong, correct it; nothing is lost meanwhile (${said.slice(0, 300)})`
