import { describe, expect, it } from 'vitest'
import {
  classify,
  explain,
  type Meaning,
  type Operation,
  settledTrouble,
} from '../../../src/adapters/lightning/classification.ts'
import { type Evidence, evidenceOf } from '../../../src/adapters/lightning/evidence.ts'

const URI = '/lnrpc.Lightning/Any'
const status = (code: number, details: string): Evidence => ({ kind: 'status', uri: URI, code, details })

const OPERATIONS: readonly Operation[] = [
  'create-hold',
  'settle-hold',
  'cancel-hold',
  'lookup-hold',
  'send-payment',
  'track-payment',
  'lookup-resolution',
  'read',
]

describe('what every failed call means, whatever it asked (money-path.md 1.1)', () => {
  const rows: readonly (readonly [string, Evidence, Meaning])[] = [
    [
      'a port where nobody listens',
      status(14, 'No connection established. Last error: connect ECONNREFUSED'),
      'never-sent',
    ],
    ['a call that the adapter kept back', { kind: 'kept-back', uri: URI, details: 'it was closed' }, 'never-sent'],
    ['a dropped connection', status(14, 'Connection dropped'), 'unknown'],
    ['a reset connection', status(14, 'read ECONNRESET'), 'unknown'],
    ['a GOAWAY', status(14, 'Received RST_STREAM with code 0'), 'unknown'],
    ['the words of a dead dial in the middle of another text', status(14, 'x No connection established'), 'unknown'],
    ['a deadline', status(4, 'Deadline exceeded after 30s'), 'unknown'],
    ['a cancelled call', status(1, 'Cancelled on client'), 'unknown'],
    ['an internal error', status(13, 'Response message parsing error'), 'unknown'],
    ['an exhausted resource', status(8, 'Received message larger than max'), 'unknown'],
    ['an aborted call', status(10, ''), 'unknown'],
    ['lost data', status(15, ''), 'unknown'],
    ['a locked wallet', status(2, 'wallet locked, unlock it to enable full RPC access'), 'not-ready'],
    ['a missing wallet', status(2, 'wallet not created, create one to enable full RPC access'), 'not-ready'],
    ['a node that waits to lead', status(2, 'waiting to start, RPC services not available'), 'not-ready'],
    [
      'a starting node',
      status(2, 'the RPC server is in the process of starting up, but not yet ready to accept calls'),
      'not-ready',
    ],
    ['a right that is missing', status(2, 'permission denied'), 'misconfigured'],
    ['no macaroon', status(2, 'expected 1 macaroon, got 0'), 'misconfigured'],
    ['a macaroon of garbage', status(2, 'cannot determine data format of binary-encoded macaroon'), 'misconfigured'],
    ['a macaroon of another node', status(2, 'verification failed: signature mismatch after caveat'), 'misconfigured'],
    [
      'a macaroon whose root key is gone',
      status(2, "cannot get macaroon: root key with id 7 doesn't exist"),
      'misconfigured',
    ],
    ['a stream that ended without a word', { kind: 'other', uri: URI, details: '' }, 'unknown'],
  ]
  it.each(rows)('%s', (_title, evidence, meaning) => {
    for (const operation of OPERATIONS) expect(classify(operation, evidence)).toBe(meaning)
  })

  it('a method that LND does not serve is our configuration, except the optional record of HTLCs', () => {
    const unserved = status(12, 'unknown method LookupHtlcResolution for service lnrpc.Lightning')
    for (const operation of OPERATIONS) {
      expect(classify(operation, unserved)).toBe(operation === 'lookup-resolution' ? 'unsupported' : 'misconfigured')
    }
  })
})

describe('what a failed call means by what it asked (money-path.md 1.2 to 1.8)', () => {
  const rows: readonly (readonly [Operation, Evidence, Meaning])[] = [
    ['create-hold', status(2, 'invoice with payment hash already exists'), 'duplicate'],
    ['create-hold', status(2, 'unable to add: invoice with payment hash already exists'), 'duplicate'],
    ['create-hold', status(2, 'memo too large: 1030 bytes (maxsize=1024)'), 'refused'],
    ['create-hold', status(2, 'expiry of 32000000 seconds greater than max of 31536000 seconds'), 'refused'],
    ['create-hold', status(6, 'already exists'), 'unknown'],
    ['create-hold', status(5, 'unable to locate invoice'), 'unknown'],
    ['settle-hold', status(2, 'invoice still open'), 'unknown'],
    ['settle-hold', status(2, 'invoice already canceled'), 'unknown'],
    ['settle-hold', status(2, 'unable to locate invoice'), 'unknown'],
    ['cancel-hold', status(2, 'invoice already settled'), 'unknown'],
    ['cancel-hold', status(2, 'unable to locate invoice'), 'unknown'],
    ['lookup-hold', status(5, 'unable to locate invoice'), 'not-found'],
    ['lookup-hold', status(5, 'there are no existing invoices'), 'not-found'],
    ['lookup-hold', status(2, 'there are no existing invoices'), 'not-found'],
    ['lookup-hold', status(2, 'unable to locate invoice'), 'unknown'],
    ['send-payment', status(6, 'payment already exists'), 'payment-exists'],
    ['send-payment', status(6, 'payment is in transition'), 'payment-exists'],
    ['send-payment', status(6, 'failed to initialize payment: invoice is already paid'), 'payment-exists'],
    ['send-payment', status(2, 'payment is in transition'), 'unknown'],
    ['send-payment', status(2, 'invoice expired. Valid until 2026-01-01 00:00:00 +0000 UTC'), 'unpayable'],
    ['send-payment', status(2, 'self-payments not allowed'), 'unpayable'],
    ['send-payment', status(2, 'cltv limit 100 should be greater than 144'), 'unpayable'],
    ['send-payment', status(2, 'the AMP flag (--amp) must be set to pay an AMP invoice'), 'unpayable'],
    ['send-payment', status(2, 'feature vector contains unknown required features: [100]'), 'unpayable'],
    ['send-payment', status(2, 'amount must be specified when paying a zero amount invoice'), 'bad-parameters'],
    ['send-payment', status(2, 'amount must not be specified when paying a non-zero amount invoice'), 'bad-parameters'],
    ['send-payment', status(2, 'total time lock of 4000 exceeds max allowed 2016'), 'bad-parameters'],
    ['send-payment', status(2, 'words of a later version'), 'unknown'],
    ['send-payment', status(5, "payment isn't initiated"), 'unknown'],
    ['track-payment', status(5, "payment isn't initiated"), 'not-found'],
    ['track-payment', status(5, "rpc: payment isn't initiated"), 'not-found'],
    ['track-payment', status(2, "payment isn't initiated"), 'unknown'],
    ['lookup-resolution', status(2, 'cannot lookup with flag --store-final-htlc-resolutions=false'), 'unsupported'],
    ['lookup-resolution', status(2, 'htlc unknown'), 'not-found'],
    ['read', status(2, 'anything'), 'unknown'],
    ['read', status(5, 'anything'), 'unknown'],
  ]
  it.each(rows)('%s: %o', (operation, evidence, meaning) => {
    expect(classify(operation, evidence)).toBe(meaning)
  })
})

describe('classes that need no look-up', () => {
  it('are S when LND was never reached or its gate was closed, and B when the configuration is wrong', () => {
    const evidence = status(2, 'x')
    expect(settledTrouble('never-sent', evidence)?.class).toBe('S')
    expect(settledTrouble('not-ready', evidence)?.class).toBe('S')
    expect(settledTrouble('misconfigured', evidence)?.class).toBe('B')
  })

  it('are not given to anything that may have been executed or that LND must be asked about', () => {
    const open: readonly Meaning[] = [
      'not-found',
      'duplicate',
      'refused',
      'payment-exists',
      'unpayable',
      'bad-parameters',
      'unsupported',
      'unknown',
    ]
    for (const meaning of open) expect(settledTrouble(meaning, status(2, 'x'))).toBeNull()
  })
})

describe('errors name the fix', () => {
  it.each([
    ['a locked wallet', status(2, 'wallet locked, unlock it'), /unlock its wallet/],
    ['a missing right', status(2, 'permission denied'), /macaroon does not allow \/lnrpc.Lightning\/Any/],
    ['a missing service', status(12, 'unknown service'), /release build/],
    ['a closed port', status(14, 'No connection established. Last error: connect ECONNREFUSED'), /is LND running/],
    ['an unknown host', status(14, 'No connection established. Last error: getaddrinfo ENOTFOUND lnd'), /host name/],
    ['a wrong certificate', status(14, 'No connection established. Last error: self-signed certificate'), /tls\.cert/],
  ])('%s', (_title, evidence, words) => {
    expect(explain(classify('read', evidence), evidence)).toMatch(words)
  })
})

describe('decoding what a call failed with', () => {
  it.each([
    ['a gRPC error', Object.assign(new Error('2 UNKNOWN: x'), { code: 2, details: 'x' }), status(2, 'x')],
    [
      'the array of a library helper',
      [503, 'UnexpectedLookupInvoiceErr', { err: { code: 5, details: 'y' } }],
      status(5, 'y'),
    ],
    [
      'an array without a cause',
      [503, 'ExpectedResponse'],
      { kind: 'other', uri: URI, details: '503 ExpectedResponse' },
    ],
    ['a plain error', new TypeError('boom'), { kind: 'other', uri: URI, details: 'boom' }],
    [
      'a system error with a textual code',
      Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
      { kind: 'other', uri: URI, details: 'reset' },
    ],
    ['nothing', undefined, { kind: 'other', uri: URI, details: 'no reason given' }],
    ['null', null, { kind: 'other', uri: URI, details: 'null' }],
    ['a text', 'oops', { kind: 'other', uri: URI, details: 'oops' }],
    ['a status without details', { code: 13 }, status(13, '')],
  ])('%s', (_title, thrown, evidence) => {
    expect(evidenceOf(URI, thrown)).toEqual(evidence)
  })

  it('keeps no more of a text than a row can hold', () => {
    expect(evidenceOf(URI, { code: 2, details: 'x'.repeat(10_000) }).details.length).toBeLessThan(400)
  })
})
