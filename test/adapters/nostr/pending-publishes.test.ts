import { expect, test } from 'vitest'
import { RELAY_LIMITS } from '../../../src/adapters/nostr/limits.ts'
import { PendingPublishes } from '../../../src/adapters/nostr/pending-publishes.ts'
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { TestClock } from '../../support/clock.ts'

const LIMIT = RELAY_LIMITS.unansweredPublishes
const event = (n: number): NostrEvent => ({
  id: n.toString(16).padStart(64, '0'),
  pubkey: 'a'.repeat(64),
  created_at: 1,
  kind: 14,
  tags: [],
  content: '',
  sig: 'b'.repeat(128),
})

test('a relay that answers nothing is sent a window of events, and the next one as soon as an answer or a deadline makes room', async () => {
  const clock = new TestClock()
  const sent: string[] = []
  const publishes = new PendingPublishes(clock, ({ id }) => sent.push(id))
  const answers = Array.from({ length: LIMIT }, (_, n) => publishes.add(event(n), 10_000))
  expect(await publishes.add(event(LIMIT), 10_000)).toEqual({ kind: 'silent', why: 'the relay does not answer' })
  expect(sent).toHaveLength(LIMIT)

  publishes.answer(event(7).id, true, '', false)
  expect(await answers[7]).toEqual({ kind: 'accepted' })
  const next = publishes.add(event(LIMIT), 10_000)
  expect(sent.at(-1)).toBe(event(LIMIT).id)
  const again = publishes.add(event(8), 10_000)
  expect(sent).toHaveLength(LIMIT + 1)

  await clock.advance(10_000)
  for (const answer of [next, again, answers[8]]) expect(await answer).toEqual({ kind: 'silent', why: 'no OK in time' })
  const last = publishes.add(event(LIMIT + 1), 10_000)
  expect(sent).toHaveLength(LIMIT + 2)
  publishes.answer(event(LIMIT + 1).id, true, '', false)
  expect(await last).toEqual({ kind: 'accepted' })
})
