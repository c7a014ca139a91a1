import { describe, expect, test } from 'vitest'
import { isDateRefusal, isFinalRefusal } from '../../src/engine/runners/refusals.ts'
import type { PublishAnswer } from '../../src/ports/relays.ts'

const refused = (message: string): PublishAnswer => ({
  kind: 'refused',
  prefix: /^([a-z-]+):/.exec(message)?.[1] ?? '',
  message,
})

describe('what a refusal of a relay means', () => {
  test.each([
    ['invalid: bad signature'],
    ['blocked: pubkey not on the list'],
    ['restricted: paid relay'],
    ['invalid: event too large: 70000'],
    ['rejected: content is too long'],
  ])('for ever: %s', (message) => {
    expect(isFinalRefusal(refused(message))).toBe(true)
    expect(isDateRefusal(refused(message))).toBe(false)
  })

  test.each([
    ['invalid: created_at too far in the future'],
    ['invalid: created_at too late'],
    ['invalid: event creation date is too far off from the current time'],
    ['invalid: The event created_at field is out of the acceptable range (+30min) for this relay.'],
    ['rejected: created_at is more than 900 seconds in the future'],
    ['invalid: event too much in the future'],
    ['invalid: event is too old'],
  ])('for its date, which a clock set right mends: %s', (message) => {
    expect(isFinalRefusal(refused(message))).toBe(false)
    expect(isDateRefusal(refused(message))).toBe(true)
  })

  test.each([
    ['rate-limited: slow down'],
    ['error: could not connect to the database'],
    ['auth-required: log in'],
    [''],
  ])('for now: %j', (message) => {
    expect(isFinalRefusal(refused(message))).toBe(false)
    expect(isDateRefusal(refused(message))).toBe(false)
  })

  test('an acceptance and a silence are no refusals', () => {
    for (const answer of [{ kind: 'accepted' }, { kind: 'silent', why: 'no OK, whatever the timestamp' }] as const) {
      expect(isFinalRefusal(answer)).toBe(false)
      expect(isDateRefusal(answer)).toBe(false)
    }
  })
})
