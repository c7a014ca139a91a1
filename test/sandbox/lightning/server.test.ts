import { createHash, X509Certificate } from 'node:crypto'
import * as library from 'lightning'
import { afterEach, expect, test } from 'vitest'
import { satsToMsat } from '../../../src/core/money.ts'
import type { Clock } from '../../../src/ports/system.ts'
import type { SimConfig } from '../../../src/sandbox/lightning/control.ts'
import { createSimNetwork } from '../../../src/sandbox/lightning/network.ts'
import { createSimLndServer } from '../../../src/sandbox/lightning/server/server.ts'
import { seededRandom } from '../../support/random.ts'
import { eventually, within } from '../../support/wait.ts'
import { lndClient } from './client.ts'

const hostClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

const PREIMAGE = '22'.repeat(32)
const HASH = createHash('sha256').update(Buffer.from(PREIMAGE, 'hex')).digest('hex')

const cleanups: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function world(config: Partial<SimConfig> = {}) {
  const network = createSimNetwork({ clock: hostClock, random: seededRandom(3), config })
  const server = createSimLndServer(network, hostClock)
  cleanups.push(
    () => network.close(),
    () => server.stop(),
  )
  const address = await server.listen()
  const connect = (macaroon = address.macaroonHex) => {
    const { lnd, close } = lndClient(address.socket, address.certPem, macaroon)
    cleanups.push(close)
    return lnd
  }
  const alice = network.addWallet('alice', satsToMsat(1_000_000))
  const bob = network.addWallet('bob', satsToMsat(1_000_000))
  return { network, server, address, connect, lnd: connect(), alice, bob }
}

const holdOf = (lnd: library.AuthenticatedLnd, id = HASH) =>
  library.createHodlInvoice({
    lnd,
    id,
    tokens: 50_000,
    cltv_delta: 144,
    description: 'escrow',
    expires_at: new Date(Date.now() + 900_000).toISOString(),
  })

/** The code of an error of the library's, and the text behind it. */
const failure = async (promise: Promise<unknown>): Promise<readonly [number, string, string?]> =>
  within(
    promise.then(
      () => [0, 'no error'],
      ([code, message, more]) => [code, message, more?.err?.details],
    ),
    'an error',
  )

type RawPayment = { readonly status: string; readonly payment_preimage: string; readonly failure_reason: string }

/** All messages of a raw router stream, until it ends. */
function rawStream(lnd: library.AuthenticatedLnd, method: string, request: object) {
  const messages: RawPayment[] = []
  const end = new Promise<{ code: number; details: string } | null>((resolve) => {
    const stream = lnd.router[method](request)
    stream.on('data', (message: RawPayment) => messages.push(message))
    stream.on('error', resolve)
    stream.on('end', () => resolve(null))
  })
  return { messages, end: within(end, `the end of ${method}`) }
}

const sendRequest = (request: string) => ({
  payment_request: request,
  fee_limit_msat: '100000',
  timeout_seconds: 60,
  max_parts: 16,
  cltv_limit: 1008,
})

test('the certificate is made for localhost and 127.0.0.1', async () => {
  const { address } = await world()
  const certificate = new X509Certificate(address.certPem)
  expect(certificate.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1')
  expect(certificate.verify(certificate.publicKey)).toBe(true)
})

test('the client that the library builds by itself gets through', async () => {
  const { network, address } = await world()
  const { certBase64: cert, macaroonHex: macaroon, socket } = address
  const { lnd } = library.authenticatedLndGrpc({ cert, macaroon, socket })
  expect((await library.getWalletInfo({ lnd })).public_key).toBe(network.node.pubkey)
})

test('the library creates, watches and settles a hold that alice pays', async () => {
  const { network, lnd, alice } = await world()
  const info = await library.getWalletInfo({ lnd })
  expect(info).toMatchObject({ public_key: network.node.pubkey, is_synced_to_chain: true })

  const { request } = await holdOf(lnd)
  const states: string[] = []
  const watch = library.subscribeToInvoice({ lnd, id: HASH })
  watch.on('invoice_updated', (invoice: library.GetInvoiceResult) =>
    states.push(invoice.is_confirmed ? 'settled' : invoice.is_held ? 'held' : 'open'),
  )
  watch.on('error', () => undefined)
  await eventually(() => states.length === 1, 'the first state')
  const { end } = await within(alice.startPayment(request), 'the HTLC')
  const held = await library.getInvoice({ lnd, id: HASH })
  expect(held).toMatchObject({ is_held: true, received: 50_000, cltv_delta: 144, description: 'escrow' })
  expect(held.payments[0]).toMatchObject({ is_held: true, timeout: network.height() + 147 })

  await library.settleHodlInvoice({ lnd, secret: PREIMAGE })
  await library.settleHodlInvoice({ lnd, secret: PREIMAGE })
  expect(await end).toMatchObject({ ok: true, preimage: PREIMAGE })
  await eventually(() => states.at(-1) === 'settled', 'the settled event')
  expect(states).toEqual(['open', 'held', 'settled'])
  const { channel_balance, unsettled_balance } = await library.getChannelBalance({ lnd })
  expect(channel_balance - Math.floor(10_000_000_000_000 / 1000)).toBe(50_000)
  expect(unsettled_balance).toBe(0)
})

test('the library hears what LND says to settles and cancels that come too early, too late or for nothing', async () => {
  const { lnd } = await world()
  const settle = () => library.settleHodlInvoice({ lnd, secret: PREIMAGE })
  expect(await failure(library.getInvoice({ lnd, id: HASH }))).toEqual([
    503,
    'UnexpectedLookupInvoiceErr',
    'there are no existing invoices',
  ])
  expect(await failure(settle())).toEqual([404, 'SecretDoesNotMatchAnyExistingHodlInvoice', undefined])
  await holdOf(lnd)
  expect(await failure(holdOf(lnd))).toEqual([
    503,
    'UnexpectedAddHodlInvoiceError',
    'invoice with payment hash already exists',
  ])
  expect(await failure(settle())).toEqual([402, 'CannotSettleHtlcBeforeHtlcReceived', undefined])
  await library.cancelHodlInvoice({ lnd, id: HASH })
  await library.cancelHodlInvoice({ lnd, id: HASH })
  expect(await failure(settle())).toEqual([503, 'UnexpectedErrorWhenSettlingHodlInvoice', 'invoice already canceled'])
  expect(await failure(library.cancelHodlInvoice({ lnd, id: 'ab'.repeat(32) }))).toEqual([
    503,
    'UnexpectedErrorCancelingHodlInvoice',
    'unable to locate invoice',
  ])
})

test('the raw router streams pay an invoice once and tell its state at once', async () => {
  const { lnd, bob } = await world()
  const request = bob.invoice({ amountMsat: satsToMsat(10_000) })
  const sent = rawStream(lnd, 'sendPaymentV2', sendRequest(request))
  expect(await sent.end).toBeNull()
  expect(sent.messages.map(({ status }) => status)).toEqual(['IN_FLIGHT', 'IN_FLIGHT', 'SUCCEEDED'])
  const preimage = Buffer.from(sent.messages.at(-1)?.payment_preimage ?? '', 'hex')
  const id = createHash('sha256').update(preimage).digest()

  const tracked = rawStream(lnd, 'trackPaymentV2', { payment_hash: id })
  expect(await tracked.end).toBeNull()
  expect(tracked.messages.map(({ status }) => status)).toEqual(['SUCCEEDED'])
  expect(await rawStream(lnd, 'sendPaymentV2', sendRequest(request)).end).toMatchObject({
    code: 6,
    details: 'invoice is already paid',
  })
  const { payments } = await library.getPayments({ lnd })
  expect(payments).toMatchObject([{ id: id.toString('hex'), is_confirmed: true, tokens: 10_000, fee: 2 }])
  expect((await library.getPayment({ lnd, id: id.toString('hex') })).is_confirmed).toBe(true)
})

test('unknown payments, foreign networks and expired invoices are refused in the words of LND', async () => {
  const { lnd, bob } = await world()
  expect(await rawStream(lnd, 'trackPaymentV2', { payment_hash: Buffer.alloc(32, 9) }).end).toMatchObject({
    code: 5,
    details: "payment isn't initiated",
  })
  const foreign = bob.invoice({ amountMsat: satsToMsat(5), network: 'bc' })
  expect(await rawStream(lnd, 'sendPaymentV2', sendRequest(foreign)).end).toMatchObject({ code: 2 })
  const open = bob.invoice({ amountMsat: null })
  expect(await rawStream(lnd, 'sendPaymentV2', sendRequest(open)).end).toMatchObject({
    code: 2,
    details: 'amount must be specified when paying a zero amount invoice',
  })
  const { request } = await holdOf(lnd)
  expect(await rawStream(lnd, 'sendPaymentV2', sendRequest(request)).end).toMatchObject({
    code: 2,
    details: 'self-payments not allowed',
  })
})

test('a failed payment names its reason and its attempts, and the library can read them', async () => {
  const { network, lnd, bob } = await world()
  bob.onIncoming('fail')
  const request = bob.invoice({ amountMsat: satsToMsat(10_000) })
  const sent = rawStream(lnd, 'sendPaymentV2', sendRequest(request))
  await sent.end
  expect(sent.messages.at(-1)).toMatchObject({
    status: 'FAILED',
    failure_reason: 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS',
    htlcs: [{ failure: { code: 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS' } }],
  })
  bob.onIncoming('settle')
  const again = rawStream(lnd, 'sendPaymentV2', sendRequest(request))
  await again.end
  expect(again.messages.at(-1)?.status).toBe('SUCCEEDED')
  const { payments } = await library.getFailedPayments({ lnd })
  expect(payments).toEqual([])
  expect(network.node.payments()).toHaveLength(1)
})

test('invoices are listed in pages', async () => {
  const { lnd, alice } = await world()
  const ids = Array.from({ length: 5 }, (_, at) => createHash('sha256').update(`${at}`).digest('hex'))
  for (const id of ids) await holdOf(lnd, id)
  await library.cancelHodlInvoice({ lnd, id: ids[0] ?? '' })
  const { request = '' } = await library.getInvoice({ lnd, id: ids[1] ?? '' })
  await within(alice.startPayment(request), 'the HTLC')

  const first = await library.getInvoices({ lnd, is_unconfirmed: true, limit: 3 })
  expect(first.invoices.map(({ id }) => id)).toEqual([ids[4], ids[3], ids[2]])
  const second = await library.getInvoices({ lnd, is_unconfirmed: true, token: first.next ?? '' })
  expect(second.invoices.map(({ id }) => id)).toEqual([ids[1]])
})

test('blocks are announced, the tip first', async () => {
  const { network, lnd } = await world()
  const heights: number[] = []
  const blocks = library.subscribeToBlocks({ lnd })
  blocks.on('block', ({ height }: { height: number }) => heights.push(height))
  blocks.on('error', () => undefined)
  await eventually(() => heights.length === 1, 'the tip')
  network.mine(2)
  await eventually(() => heights.length === 3, 'two blocks')
  expect(heights).toEqual([800_000, 800_001, 800_002])
  blocks.removeAllListeners('block')
})

test('a macaroon gives its rights and no others', async () => {
  const { server, connect } = await world()
  const reader = connect(server.macaroon(['info:read', 'invoices:read']))
  expect((await library.getWalletInfo({ lnd: reader })).is_synced_to_chain).toBe(true)
  expect(await failure(holdOf(reader))).toEqual([503, 'UnexpectedAddHodlInvoiceError', 'permission denied'])
  const byUri = connect(server.macaroon(['uri:/invoicesrpc.Invoices/AddHoldInvoice']))
  expect((await holdOf(byUri)).id).toBe(HASH)
  const forged = connect('00'.repeat(80))
  expect((await failure(library.getWalletInfo({ lnd: forged })))[2]).toContain('verification failed')
})

test('a locked wallet and a stopped node say so, and both come back on the same port', async () => {
  const { network, connect } = await world()
  network.node.lock()
  expect((await failure(library.getWalletInfo({ lnd: connect() })))[2]).toContain('wallet locked')
  network.node.stop()
  expect((await failure(library.getWalletInfo({ lnd: connect() })))[2]).toContain('No connection established')
  network.node.start()
  await eventually(
    () =>
      library.getWalletInfo({ lnd: connect() }).then(
        () => true,
        () => false,
      ),
    'the node to answer again',
  )
})

test.each([
  ['orderly', null],
  ['kill', 14],
] as const)('a restart (%s) ends the stream of a hold', async (how, code) => {
  const { network, lnd } = await world()
  await holdOf(lnd)
  const watch = library.subscribeToInvoice({ lnd, id: HASH })
  let updates = 0
  const end = new Promise<number | null>((resolve) => {
    watch.on('invoice_updated', () => updates++)
    watch.on('error', (error: unknown) => resolve((error as { code: number }).code))
    watch.on('end', () => resolve(null))
  })
  await eventually(() => updates === 1, 'the first state')
  network.node.restart({ how })
  expect(await within(end, 'the end of the stream')).toBe(code)
})

test('an answer that is lost leaves its effect', async () => {
  const { network, lnd } = await world()
  network.faults.next('AddHoldInvoice', { kind: 'lose-answer', how: 'cut' })
  expect((await failure(holdOf(lnd)))[1]).toBe('UnexpectedAddHodlInvoiceError')
  expect(network.node.invoice(HASH)?.state).toBe('open')
})

test('a request that arrives late is executed after its connection was broken', async () => {
  const { network, lnd, bob } = await world()
  const request = bob.invoice({ amountMsat: satsToMsat(10_000) })
  network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 30 })
  expect(await rawStream(lnd, 'sendPaymentV2', sendRequest(request)).end).toMatchObject({ code: 14 })
  expect(network.node.payments()).toEqual([])
  await eventually(() => bob.received().length === 1, 'the late payment')
})

test('a half-open connection stays silent, and a new one works', async () => {
  const { network, lnd, connect } = await world()
  await library.getWalletInfo({ lnd })
  network.node.halfOpenConnections()
  let answered = false
  const asked = library.getWalletInfo({ lnd }).then(
    () => {
      answered = true
    },
    () => undefined,
  )
  expect((await library.getWalletInfo({ lnd: connect() })).public_key).toBe(network.node.pubkey)
  expect(answered).toBe(false)
  network.node.cutConnections()
  await within(asked, 'the broken call')
})

test('an answer without its fields is refused by the library', async () => {
  const { network, lnd } = await world()
  network.faults.next('AddHoldInvoice', { kind: 'garbage' })
  expect((await failure(holdOf(lnd)))[1]).toBe('ExpectedPaymentRequestForCreatedInvoice')
})
