import { expect, it } from 'vitest'
import { SeenEvents } from '../../../src/adapters/nostr/seen-events.ts'

it('a bounded memory forgets what it did not meet for longest', () => {
  const seen = new SeenEvents(2)
  expect(['a', 'b', 'a', 'c', 'a', 'b'].map((key) => seen.add(key))).toEqual([true, true, false, true, false, true])
})

it('whoever is asked about is remembered for longer', () => {
  const seen = new SeenEvents(2)
  seen.add('a')
  seen.add('b')
  expect([seen.has('a'), seen.has('c')]).toEqual([true, false])
  seen.add('c')
  expect([seen.has('a'), seen.has('b'), seen.has('c')]).toEqual([true, false, true])
})
