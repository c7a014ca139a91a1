import { describe, expect, it } from 'vitest'
import { randomMnemonic, TraderKeys } from '../../src/client/keys.ts'
import { seededRandom } from '../support/random.ts'
import { identityKey, otherTradeKey, tradeKey } from '../support/wire-keys.ts'

import { MNEMONIC } from './client-world.ts'

describe("a trader's keys", () => {
  it("are those of the protocol's test vector", () => {
    const keys = new TraderKeys(MNEMONIC)
    expect(keys.identity).toEqual({ index: 0, ...identityKey })
    expect(keys.trade(1)).toEqual({ index: 1, ...tradeKey })
    expect(keys.trade(2)).toEqual({ index: 2, ...otherTradeKey })
  })

  it('give each trade a fresh index', () => {
    const keys = new TraderKeys(MNEMONIC)
    expect([keys.takeNext(), keys.takeNext()].map(({ index }) => index)).toEqual([1, 2])
    expect(keys.nextIndex).toBe(3)
  })

  it.each([
    { known: [7], next: 8 },
    { known: [7, 3], next: 8 },
    { known: [0], next: 1 },
  ])('begin behind the indexes in use, $known', ({ known, next }) => {
    const keys = new TraderKeys(MNEMONIC)
    for (const index of known) keys.markUsed(index)
    expect(keys.nextIndex).toBe(next)
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 31])('have no trade index %s', (index) => {
    expect(() => new TraderKeys(MNEMONIC).trade(index)).toThrow('not a trade index')
  })

  it.each(['', 'leader monkey', MNEMONIC.replace('bean', 'leader')])('refuse the words %o', (words) => {
    expect(() => new TraderKeys(words)).toThrow('not a mnemonic')
  })

  it('can be made from chance: twelve words that only this chance gives', () => {
    const mnemonic = randomMnemonic(seededRandom(1))
    expect(mnemonic.split(' ')).toHaveLength(12)
    expect(randomMnemonic(seededRandom(1))).toBe(mnemonic)
    expect(randomMnemonic(seededRandom(2))).not.toBe(mnemonic)
    expect(randomMnemonic()).not.toBe(randomMnemonic())
    expect(() => new TraderKeys(mnemonic)).not.toThrow()
  })
})
