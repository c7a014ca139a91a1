import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLog, type LogLevel } from '../../../src/adapters/system/log.ts'

const PREIMAGE = '5e'.repeat(32)
const NSEC = `nsec1${'q'.repeat(58)}`

function recorder(level: LogLevel = 'debug', pretty = false) {
  const lines: string[] = []
  const log = createLog({ level, pretty, stream: { write: (line) => void lines.push(line) } })
  return { log, lines }
}

function lineOf(fields: Record<string, unknown>, event = 'order.taken'): Record<string, unknown> {
  const { log, lines } = recorder()
  log.info(event, fields)
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0] ?? '')
}

describe('the log', () => {
  it('writes one JSON object a line, with level, time, event and fields', () => {
    expect(lineOf({ orderId: 'abc', amountMsat: 5000 })).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event: 'order.taken',
      orderId: 'abc',
      amountMsat: 5000,
    })
  })

  it('leaves out what is less important than the operator asked for', () => {
    const { log, lines } = recorder('warn')
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['c', 'd'])
  })

  it('writes for a person on a terminal', () => {
    const { log, lines } = recorder('info', true)
    log.warn('relay.down', { url: 'wss://relay.example', preimage: PREIMAGE })
    const text = lines.join('')
    expect(text).toContain('relay.down')
    expect(text).toContain('wss://relay.example')
    expect(text).not.toContain(PREIMAGE)
    expect(text.trim().split('\n')).toHaveLength(1)
  })

  it('keeps its own words when a field has the same name', () => {
    expect(lineOf({ event: 'x', level: 9, time: 1 })).toMatchObject({
      level: 'info',
      event: 'order.taken',
      event_: 'x',
      level_: 9,
      time_: 1,
    })
  })

  it('writes one line for text with line breaks', () => {
    const { log, lines } = recorder()
    log.info('a\nb', { reason: 'c\nd' })
    expect(lines.join('').trim().split('\n')).toHaveLength(1)
  })
})

describe('the log never shows', () => {
  it.each([
    ['preimage'],
    ['paymentPreimage'],
    ['payment_preimage'],
    ['PREIMAGE'],
    ['secret'],
    ['moneySeed'],
    ['nsec'],
    ['nsecPrivkey'],
    ['adminMacaroon'],
    ['macaroon_hex'],
    ['mnemonic'],
    ['password'],
    ['privateKey'],
    ['api_key'],
    ['rpcToken'],
    ['authorization'],
  ])('what is called %s', (name) => {
    for (const value of [PREIMAGE, [PREIMAGE], { hex: PREIMAGE }, new Uint8Array(32), 7n]) {
      expect(lineOf({ [name]: value })[name]).toBe('[redacted]')
      expect(lineOf({ deep: { er: [{ [name]: value }] } })).toMatchObject({ deep: { er: [{ [name]: '[redacted]' }] } })
    }
  })

  it.each([
    ['a Nostr key in a field', { note: `key ${NSEC} leaked` }],
    ['a Nostr key in an error', { error: new Error(`bad key ${NSEC}`) }],
    ['a Nostr key in an error’s cause', { error: new Error('x', { cause: new Error(NSEC) }) }],
    ['a Nostr key in a list', { list: ['a', NSEC.toUpperCase()] }],
    ['a Nostr key in a map', { map: new Map([['k', NSEC]]) }],
  ])('%s', (_, fields) => {
    expect(JSON.stringify(lineOf(fields))).not.toMatch(/nsec1q/i)
  })

  it('a Nostr key in the event itself', () => {
    expect(lineOf({}, `started with ${NSEC}`)['event']).toBe('started with [redacted]')
  })

  it.each(['preimage ', 'preimage: ', 'preimage="', 'macaroon=', 'private key ', 'secret: '])(
    'hexadecimal digits after %j in a text',
    (words) => {
      expect(lineOf({ error: new Error(`refused ${words}${PREIMAGE}`) })).toMatchObject({
        error: { message: `refused ${words}[redacted]` },
      })
    },
  )

  it('a password in a URL', () => {
    expect(lineOf({ url: 'https://bob:hunter2@host/x' })['url']).toBe('https://[redacted]@host/x')
  })

  it('bytes, whatever they are called', () => {
    expect(lineOf({ blob: new Uint8Array(32) })['blob']).toBe('[32 bytes]')
  })

  it('a secret under any name that holds the word, however deep', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z_]{0,8}$/),
        fc.constantFrom('preimage', 'Secret', 'nsec', 'MACAROON'),
        fc.integer({ min: 0, max: 9 }),
        (prefix, word, depth) => {
          let fields: Record<string, unknown> = { [`${prefix}${word}`]: PREIMAGE }
          for (let i = 0; i < depth; i += 1) fields = { inner: fields }
          expect(JSON.stringify(lineOf(fields))).not.toContain(PREIMAGE)
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('the log still shows', () => {
  it('what is public: hashes, pubkeys, ids', () => {
    const fields = { hash: PREIMAGE, pubkey: PREIMAGE, npub: `npub1${'q'.repeat(58)}`, address: 'alice@wallet.example' }
    expect(lineOf(fields)).toMatchObject(fields)
  })

  it('public keys and hashes that a text names', () => {
    expect(lineOf({}, `pubkey ${PREIMAGE} key: ${PREIMAGE} hash=${PREIMAGE}`)['event']).toContain(`pubkey ${PREIMAGE}`)
    expect(lineOf({}, `key: ${PREIMAGE}`)['event']).toBe(`key: ${PREIMAGE}`)
  })

  it('flags and numbers about a secret', () => {
    expect(lineOf({ hasPreimage: true, seed: 7, token: null })).toMatchObject({
      hasPreimage: true,
      seed: 7,
      token: null,
    })
  })

  it('amounts, errors and times in a form that JSON has', () => {
    const line = lineOf({ sats: 12n, at: new Date(0), bad: new Date(Number.NaN), error: new TypeError('no route') })
    expect(line).toMatchObject({
      sats: '12',
      at: '1970-01-01T00:00:00.000Z',
      bad: '[no date]',
      error: { type: 'TypeError', message: 'no route' },
    })
  })

  it('the beginning of what is endless', () => {
    const cyclic: Record<string, unknown> = { name: 'loop' }
    cyclic['self'] = cyclic
    const line = lineOf({ cyclic, long: 'x'.repeat(100_000), many: Array.from({ length: 9999 }, () => 1) })
    expect(JSON.stringify(line).length).toBeLessThan(5000)
    expect(line).toMatchObject({ cyclic: { name: 'loop', self: { name: 'loop' } } })
  })
})
