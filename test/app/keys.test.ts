import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  createNodeKey,
  loadMoneySeed,
  loadNodeKeys,
  npubOf,
  nsecOf,
  readMoneySeed,
  readPublicKey,
  readSecretKey,
  seedFileOf,
} from '../../src/app/keys.ts'
import { EXIT, Refusal } from '../../src/app/refusal.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { hexToBytes } from '../../src/wire/hex.ts'
import { tempTree } from '../support/temp-tree.ts'

// NIP-19's own example
const HEX = '67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa'
const NSEC = 'nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'
const PUBKEY = '7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e'
const NPUB = 'npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg'

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    expect(error.exitCode).toBe(EXIT.config)
    return error.message
  }
  throw new Error('it was not refused')
}

describe("the node's key", () => {
  it.for<readonly [string, string]>([
    ['hex', HEX],
    ['hex in capitals', HEX.toUpperCase()],
    ['an nsec', NSEC],
    ['a line of a file', `${NSEC}\n`],
  ])('is read as %s', ([, text]) => {
    expect(readSecretKey(text)).toEqual({ ok: true, value: hexToBytes(HEX) })
  })

  it.for<readonly [string, string, RegExp]>([
    ['nothing', '', /neither nsec1/],
    ['too little hex', HEX.slice(2), /neither nsec1/],
    ['a mistyped nsec', NSEC.replace('vl029', 'vl028'), /neither nsec1/],
    ['a public key', NPUB, /an npub is no secret key/],
  ])('is not %s', ([, text, error]) => {
    const read = readSecretKey(text)
    expect(read.ok ? '' : read.error).toMatch(error)
  })

  it('is shown as people write it', () => {
    expect(nsecOf(hexToBytes(HEX))).toBe(NSEC)
    expect(npubOf(PUBKEY)).toBe(NPUB)
    expect([NPUB, PUBKEY, PUBKEY.toUpperCase(), NSEC, '00'.repeat(32), 'f'.repeat(64)].map(readPublicKey)).toEqual([
      PUBKEY,
      PUBKEY,
      PUBKEY,
      null,
      null,
      null,
    ])
  })

  it('comes from the configuration or from a file', () => {
    using dir = tempTree({ 'nostr.key': `${NSEC}\n` })
    const file = join(dir.path, 'nostr.key')
    chmodSync(file, 0o600)
    const keys = { secretKey: hexToBytes(HEX), pubkey: PUBKEY, npub: NPUB }
    expect(loadNodeKeys({ file }, portableCurves)).toEqual(keys)
    expect(loadNodeKeys({ text: HEX }, portableCurves)).toEqual(keys)
  })

  it('is never made up: without a file the operator is told what to do', () => {
    using dir = tempTree({})
    expect(refusal(() => loadNodeKeys({ file: join(dir.path, 'nostr.key') }, portableCurves))).toContain(
      '`fianza init`',
    )
  })

  it('is refused without repeating it', () => {
    const said = refusal(() => loadNodeKeys({ text: `${NSEC}x` }, portableCurves))
    expect(said).toBe('nostr.nsec_privkey: not the key of a node: neither nsec1... nor 64 hex digits')
    expect(refusal(() => loadNodeKeys({ text: '0'.repeat(64) }, portableCurves))).toContain('no such point')
  })

  it('is refused in a file that others can read', () => {
    using dir = tempTree({ 'nostr.key': NSEC })
    const file = join(dir.path, 'nostr.key')
    chmodSync(file, 0o640)
    expect(refusal(() => loadNodeKeys({ file }, portableCurves))).toBe(
      `${file}: others can read or write it (mode 640); run: chmod 600 ${file}`,
    )
  })

  it('is made on request, for its owner alone, and never twice', () => {
    using dir = tempTree({})
    const file = join(dir.path, 'nostr.key')
    const made = createNodeKey(file, portableCurves)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(loadNodeKeys({ file }, portableCurves)).toEqual(made)
    expect(refusal(() => createNodeKey(file, portableCurves))).toContain('left as it is')
  })
})

describe('the money seed', () => {
  it('is made at the first start and stays', () => {
    using dir = tempTree({})
    const seed = loadMoneySeed(dir.path, false)
    const file = seedFileOf(dir.path)
    expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(loadMoneySeed(dir.path, true).preimage('escrow', 7)).toBe(seed.preimage('escrow', 7))
    expect(existsSync(`${file}.new`)).toBe(false)
  })

  it('is made anew for every node: two never share a preimage', () => {
    using one = tempTree({})
    using two = tempTree({})
    expect(loadMoneySeed(one.path, false).preimage('escrow', 1)).not.toBe(
      loadMoneySeed(two.path, false).preimage('escrow', 1),
    )
  })

  it('is never made anew beside a database: its escrows could not be settled any more', () => {
    using dir = tempTree({ 'fianza.db': '' })
    const said = refusal(() => loadMoneySeed(dir.path, true))
    expect(said).toContain(`${seedFileOf(dir.path)}: the money seed is not there, but the database is`)
    expect(said).toContain('restore the file from the backup')
    expect(existsSync(seedFileOf(dir.path))).toBe(false)
  })

  it('survives a crash while it was being written', () => {
    using dir = tempTree({ 'money.seed.new': 'abc' })
    loadMoneySeed(dir.path, false)
    expect(readFileSync(seedFileOf(dir.path), 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  })

  it('is refused when it is damaged', () => {
    using dir = tempTree({})
    const file = seedFileOf(dir.path)
    writeFileSync(file, 'abc\n', { mode: 0o600 })
    expect(refusal(() => loadMoneySeed(dir.path, true))).toContain('not a money seed')
    expect(refusal(() => readMoneySeed(join(dir.path, 'elsewhere')))).toContain('restore it from a backup')
  })
})
