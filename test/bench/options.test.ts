import { describe, expect, test } from 'vitest'
import { readOptions } from '../../bench/options.ts'

const KEY = 'ab'.repeat(32)
const NONE = { names: [], quick: false, target: null, profileDir: null, dist: null }

describe('the command line of the benchmarks', () => {
  test.each([
    ['nothing', [], NONE],
    ['names', ['P1', 'P2b'], { ...NONE, names: ['P1', 'P2b'] }],
    [
      'options',
      ['--quick', 'P1', '--cpu-prof', '/tmp/p'],
      { ...NONE, names: ['P1'], quick: true, profileDir: '/tmp/p' },
    ],
    ['a build', ['--dist', 'elsewhere'], { ...NONE, dist: 'elsewhere' }],
    [
      'a daemon of somebody else, behind a name',
      ['P8', '--target', 'relay=ws://127.0.0.1:7000', `pubkey=${KEY}`, 'lnd=127.0.0.1:10009'],
      { ...NONE, names: ['P8'], target: { relayPort: 7000, pubkey: KEY, lndPort: 10_009 } },
    ],
    [
      'a daemon of somebody else, in another order',
      ['--target', 'lnd=localhost:1', `pubkey=${KEY}`, 'relay=ws://localhost:2/', 'P6'],
      { ...NONE, names: ['P6'], target: { relayPort: 2, pubkey: KEY, lndPort: 1 } },
    ],
  ])('reads %s', (_, args, expected) => {
    expect(readOptions(args)).toEqual({ ok: true, value: expected })
  })

  test.each([
    ['an option that there is not', ['--slow'], /slow/],
    ['a target without --target', ['P1', 'relay=ws://127.0.0.1:7000'], /behind --target/],
    ['a target without a key', ['--target', 'relay=ws://127.0.0.1:7', 'lnd=127.0.0.1:1'], /pubkey=/],
    ['a relay elsewhere', ['--target', 'relay=wss://nos.lol', `pubkey=${KEY}`, 'lnd=127.0.0.1:1'], /relay=ws/],
    ['an LND elsewhere', ['--target', 'relay=ws://127.0.0.1:7', `pubkey=${KEY}`, 'lnd=10.0.0.1:1'], /lnd=/],
    ['what belongs to no target', ['--target', 'relais=1'], /relais/],
  ])('refuses %s, and says what is wrong', (_, args, why) => {
    expect(readOptions(args)).toEqual({ ok: false, error: expect.stringMatching(why) })
  })
})
