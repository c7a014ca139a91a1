import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bakeMacaroonCommand, describeMissingAccess } from '../../../src/adapters/lightning/access.ts'
import { createLnd, type Lnd } from '../../../src/adapters/lightning/lnd.ts'
import { RPC_NAMES, rpcUri } from '../../../src/adapters/lightning/rpcs.ts'
import type { LndTimings } from '../../../src/adapters/lightning/timings.ts'
import { msat } from '../../../src/core/money.ts'
import type { LightningConnection, PayPlan } from '../../../src/ports/lightning.ts'
import type { Clock } from '../../../src/ports/system.ts'
import { readOwnRequest } from '../../../src/wire/bolt11.ts'
import { type FakeHandlers, type FakeLnd, startFakeLnd } from './fake-lnd.ts'
import { HASH, PREIMAGE, paymentMessage } from './scripted-calls.ts'

const clock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}

const SHORT: Partial<LndTimings> = { openMs: 2_000, readMs: 300, effectMs: 300, payWatchMs: 300 }

const plan: PayPlan = {
  hash: HASH,
  request: 'lnbcrt1request',
  amountMsat: msat(100_000),
  invoiceHasAmount: true,
  maxFeeMsat: msat(2_000),
  timeoutS: 60,
  maxParts: 16,
  cltvLimit: 1008,
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function fake(handlers: FakeHandlers = {}): Promise<FakeLnd> {
  const lnd = await startFakeLnd(handlers)
  closing.push(() => lnd.stop())
  return lnd
}

function adapter(lnd: FakeLnd, timings: Partial<LndTimings> = SHORT): Lnd {
  const made = createLnd(
    { socket: lnd.socket, cert: lnd.certPem, macaroonHex: '0201ab' },
    { clock, readRequest: readOwnRequest, timings },
  )
  if (!made.ok) throw new Error(made.error)
  return made.value
}

async function opened(lnd: FakeLnd, timings: Partial<LndTimings> = SHORT): Promise<LightningConnection> {
  const connection = await adapter(lnd, timings).connect()
  if (!connection.ok) throw new Error(connection.detail)
  closing.push(() => connection.value.close())
  return connection.value
}

describe('opening a connection', () => {
  it('proves that both channels answer, and knows the node and its height', async () => {
    const lnd = await fake()
    const connection = await opened(lnd)
    expect(lnd.connections()).toBe(3)
    expect(lnd.called.filter((name) => name === 'blocks')).toHaveLength(2)
    expect(await connection.nodeInfo()).toMatchObject({ ok: true, value: { network: 'regtest', blockHeight: 800 } })
    const height = await new Promise((resolve) => connection.watchBlocks(resolve))
    expect(height).toBe(800)
  })

  it('accepts the certificate in base64, and checks a bare address against the name in a pinned certificate', async () => {
    const lnd = await fake()
    const made = createLnd(
      {
        socket: lnd.socket.replace('localhost', '127.0.0.1'),
        cert: Buffer.from(lnd.certPem).toString('base64'),
        macaroonHex: '0201AB',
      },
      { clock, readRequest: readOwnRequest, timings: SHORT },
    )
    if (!made.ok) throw new Error(made.error)
    const connection = await made.value.connect()
    expect(connection).toMatchObject({ ok: true })
    if (connection.ok) connection.value.close()
  })

  const refusals: readonly (readonly [string, FakeHandlers, RegExp])[] = [
    ['a locked wallet', refuseAll(2, 'wallet locked, unlock it to enable full RPC access'), /unlock its wallet/],
    ['a macaroon without rights', refuseAll(2, 'permission denied'), /macaroon does not allow/],
    ['a block stream that says nothing', { blocks: () => {} }, /did not answer within/],
    ['a node that does not answer', { getInfo: () => {} }, /did not answer within|Deadline exceeded/],
  ]
  it.each(refusals)('fails in time and names the cause: %s', async (_title, handlers, words) => {
    const lnd = await fake(handlers)
    const connection = await adapter(lnd, { ...SHORT, openMs: 300 }).connect()
    expect(connection).toMatchObject({ ok: false, detail: expect.stringMatching(words) })
  })

  it('fails at a closed port and asks whether LND is running', async () => {
    const lnd = await fake()
    lnd.stop()
    expect(await adapter(lnd).connect()).toMatchObject({ ok: false, detail: expect.stringMatching(/is LND running/) })
  })

  it('fails when the certificate is not pinned and nobody vouches for it', async () => {
    const lnd = await fake()
    const made = createLnd(
      { socket: lnd.socket, cert: null, macaroonHex: '0201ab' },
      { clock, readRequest: readOwnRequest, timings: SHORT },
    )
    if (!made.ok) throw new Error(made.error)
    expect(await made.value.connect()).toMatchObject({ ok: false, detail: expect.stringMatching(/tls\.cert/) })
  })

  it('fails within its time at a port that takes the connection and says nothing', async () => {
    const mute = createServer((socket) => socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    closing.push(() => mute.close())
    const { port } = mute.address() as AddressInfo
    const made = createLnd(
      { socket: `localhost:${port}`, cert: null, macaroonHex: '0201ab' },
      { clock, readRequest: readOwnRequest, timings: { knockMs: 200 } },
    )
    if (!made.ok) throw new Error(made.error)
    expect(await made.value.connect()).toMatchObject({ ok: false, detail: expect.stringMatching(/no TLS handshake/) })
  })
})

describe('losing a connection', () => {
  it('settles `lost`, refuses everything afterwards with class S and never dials again by itself', async () => {
    const lnd = await fake()
    const connection = await opened(lnd)
    lnd.cut()
    expect(await connection.lost).toMatch(/broke|block stream/)
    expect((await connection.settleHold(PREIMAGE)).class).toBe('S')
    expect((await connection.cancelHold(HASH)).class).toBe('S')
    expect((await connection.pay(plan, clock.nowMs(), () => {})).class).toBe('S')
    expect((await connection.lookupHold(HASH)).ok).toBe(false)
    expect((await connection.lookupPayment(HASH)).ok).toBe(false)
    expect(lnd.connections()).toBe(3)
  })

  it('is U with `connectionLost` for what was under way', async () => {
    const lnd = await fake({ settleInvoice: () => lnd.cut() })
    const connection = await opened(lnd)
    expect(await connection.settleHold(PREIMAGE)).toMatchObject({ class: 'U', connectionLost: true })
  })

  it('is noticed on a half-open connection by unanswered pings', async () => {
    const lnd = await fake()
    const connection = await opened(lnd, { ...SHORT, keepaliveMs: 150, keepaliveAnswerMs: 150 })
    lnd.freeze()
    await connection.lost
    expect((await connection.settleHold(PREIMAGE)).class).toBe('S')
  })

  it('happens when LND ends the block stream in order, as it does when it stops', async () => {
    const ends: (() => void)[] = []
    const lnd = await fake({
      blocks: (_request, stream) => {
        stream.say({ height: 800 })
        ends.push(() => stream.end())
      },
    })
    const connection = await opened(lnd)
    ends[0]?.()
    expect(await connection.lost).toMatch(/ended the block stream/)
  })

  it('by our own close ends what runs, once', async () => {
    const lnd = await fake({ cancelInvoice: () => {} })
    const connection = await opened(lnd, { ...SHORT, effectMs: 10_000 })
    const cancelling = connection.cancelHold(HASH)
    await vi.waitFor(() => expect(lnd.called).toContain('cancelInvoice'))
    connection.close()
    connection.close()
    expect(await cancelling).toMatchObject({ class: 'U', connectionLost: true })
    expect(await connection.lost).toBe('it was closed')
  })
})

describe('the traps of a payment (money-path.md 0.3)', () => {
  const paying = async (handlers: FakeHandlers) => {
    const lnd = await fake(handlers)
    const connection = await opened(lnd)
    return connection.pay(plan, clock.nowMs(), () => {})
  }
  const onRecord = (over: Parameters<typeof paymentMessage>[0]): FakeHandlers => ({
    trackPayment: (_request, stream) => stream.say(paymentMessage(over)),
  })

  it('trap 1: a stream that ends without a final status settles, and a look-up decides', async () => {
    const outcome = await paying({
      ...onRecord({ status: 'SUCCEEDED', payment_preimage: PREIMAGE }),
      sendPayment: (_request, stream) => {
        stream.say(paymentMessage({ status: 'IN_FLIGHT' }))
        stream.end()
      },
    })
    expect(outcome).toMatchObject({ class: 'A', preimage: PREIMAGE })
  })

  it('F-043: trap 1: a stream that breaks after its final status leaves the process and the outcome alone', async () => {
    const outcome = await paying({
      sendPayment: (_request, stream) => {
        stream.say(paymentMessage({ status: 'SUCCEEDED', payment_preimage: PREIMAGE }))
        stream.fail(13, 'broken after the end')
      },
    })
    expect(outcome).toMatchObject({ class: 'A', preimage: PREIMAGE })
  })

  it('trap 2: a payment that is under way without any HTLC is looked up at once', async () => {
    const lnd = await fake(onRecord({ status: 'IN_FLIGHT', htlcs: [] }))
    const connection = await opened(lnd)
    expect(await connection.lookupPayment(HASH)).toEqual({ ok: true, value: { state: 'alive' } })
  })

  it('F-047: trap 3: "invoice expired" on a resend does not end a payment that is under way', async () => {
    const outcome = await paying({
      ...onRecord({ status: 'IN_FLIGHT' }),
      sendPayment: (_request, stream) => stream.fail(2, 'invoice expired. Valid until 2026-01-01'),
    })
    expect(outcome).toMatchObject({ class: 'U' })
  })

  it('trap 5: an unknown payment after a lost answer is not a failure', async () => {
    const outcome = await paying({
      sendPayment: () => {},
      trackPayment: (_request, stream) => stream.fail(5, "payment isn't initiated"),
    })
    expect(outcome).toMatchObject({ class: 'U' })
  })

  it('a listener that throws ends its own stream and nothing else', async () => {
    const lnd = await fake({
      ...onRecord({ status: 'IN_FLIGHT' }),
      sendPayment: (_request, stream) => stream.say(paymentMessage({ status: 'IN_FLIGHT' })),
    })
    const connection = await opened(lnd)
    const outcome = await connection.pay(plan, clock.nowMs(), () => {
      throw new Error('full disk')
    })
    expect(outcome).toMatchObject({ class: 'U', connectionLost: false })
    expect((await connection.nodeInfo()).ok).toBe(true)
  })
})

describe('deadlines (trap 11)', () => {
  const silent: FakeHandlers = {
    lookupInvoice: () => {},
    listInvoices: () => {},
    listPayments: () => {},
    settleInvoice: () => {},
    cancelInvoice: () => {},
    addHoldInvoice: () => {},
    trackPayment: () => {},
    sendPayment: () => {},
  }
  const holdPlan = { hash: HASH, amountMsat: msat(1_000), cltvDelta: 144, memo: 'm' }
  const calls: readonly (readonly [string, (connection: LightningConnection) => Promise<object>, object])[] = [
    ['lookupHold', (c) => c.lookupHold(HASH), { ok: false }],
    ['listHolds', (c) => c.listHolds({ pendingOnly: true, createdSinceS: 0 }, () => undefined), { ok: false }],
    ['listPayments', (c) => c.listPayments(0), { ok: false }],
    ['lookupPayment', (c) => c.lookupPayment(HASH), { ok: false }],
    ['htlcsResolved', (c) => c.htlcsResolved(HASH), { ok: false }],
    ['settleHold', (c) => c.settleHold(PREIMAGE), { class: 'U' }],
    ['cancelHold', (c) => c.cancelHold(HASH), { class: 'U' }],
    [
      'createHold',
      (c) => c.createHold({ ...holdPlan, expiresAt: Math.floor(clock.nowMs() / 1000) + 900 }),
      { class: 'U' },
    ],
    ['pay', (c) => c.pay(plan, clock.nowMs(), () => {}), { class: 'U' }],
  ]
  it('end every call to a node that never answers', async () => {
    const connection = await opened(await fake(silent))
    const outcomes = await Promise.all(calls.map(async ([name, call]) => [name, await call(connection)] as const))
    for (const [index, [name, outcome]] of outcomes.entries()) {
      expect([name, outcome]).toMatchObject([name, calls[index]?.[2] ?? {}])
    }
  })
})

describe('the macaroon (money-path.md 1.11)', () => {
  it('is baked with the path of every call and nothing else', () => {
    const command = bakeMacaroonCommand('fianza.macaroon')
    expect(command).toMatch(/^lncli bakemacaroon \\\n {2}--save_to fianza\.macaroon/)
    expect(command.match(/uri:\S+/g)).toEqual(RPC_NAMES.map((name) => `uri:${rpcUri(name)}`))
    expect(command).toContain('uri:/invoicesrpc.Invoices/AddHoldInvoice')
    expect(command).not.toMatch(/DeletePayment|SendCoins|address|onchain/)
  })

  const answering: FakeHandlers = {
    lookupInvoice: (_request, answer) => answer({ code: 5, details: 'unable to locate invoice' }),
    listInvoices: (_request, answer) => answer({ invoices: [] }),
    listPayments: (_request, answer) => answer({ payments: [] }),
    lookupHtlcResolution: (_request, answer) =>
      answer({ code: 2, details: 'cannot lookup with flag --store-final-htlc-resolutions=false' }),
    addHoldInvoice: (_request, answer) => answer({ code: 2, details: 'invalid hash length of 0, want 32' }),
    settleInvoice: (_request, answer) => answer({ code: 2, details: 'invalid preimage length of 0, want 32' }),
    cancelInvoice: (_request, answer) => answer({ code: 2, details: 'unable to locate invoice' }),
    subscribeSingleInvoice: (_request, stream) => stream.fail(2, 'invalid hash length of 0, want 32'),
    sendPayment: (_request, stream) => stream.fail(2, 'invalid bech32 string length 4'),
    trackPayment: (_request, stream) => stream.fail(5, "payment isn't initiated"),
  }

  it('has every right when LND answers every harmless call', async () => {
    const lnd = await fake(answering)
    expect(await adapter(lnd).checkAccess()).toEqual({ ok: true, value: { missing: [] } })
    expect(new Set(lnd.called)).toEqual(new Set(RPC_NAMES))
  })

  it('lacks what LND refuses, and the report says which rights and how to get them', async () => {
    const lnd = await fake({
      ...answering,
      settleInvoice: (_request, answer) => answer({ code: 2, details: 'permission denied' }),
      sendPayment: (_request, stream) => stream.fail(2, 'permission denied'),
    })
    const report = await adapter(lnd).checkAccess()
    if (!report.ok) throw new Error(report.detail)
    expect(report.value.missing.map(({ uri }) => uri)).toEqual([
      '/invoicesrpc.Invoices/SettleInvoice',
      '/routerrpc.Router/SendPaymentV2',
    ])
    const words = describeMissingAccess(report.value)
    expect(words).toContain('/invoicesrpc.Invoices/SettleInvoice')
    expect(words).toContain('lncli bakemacaroon')
    expect(describeMissingAccess({ missing: [] })).toBeNull()
  })

  it.each([
    ['is locked', refuseAll(2, 'wallet locked, unlock it to enable full RPC access')],
    ['is silent', { ...answering, subscribeSingleInvoice: () => {} } satisfies FakeHandlers],
  ])('is not judged while LND %s', async (_title, handlers) => {
    expect((await adapter(await fake(handlers)).checkAccess()).ok).toBe(false)
  })
})

describe('the configuration', () => {
  const good = { socket: 'localhost:10009', cert: null, macaroonHex: '0201' }
  it.each([
    ['a socket with a scheme', { socket: 'https://localhost:10009' }, /host:port/],
    ['a socket without a port', { socket: 'localhost' }, /host:port/],
    ['a port that is none', { socket: 'localhost:99999' }, /host:port/],
    ['a macaroon that is not hex', { macaroonHex: 'AgEDbG5k' }, /xxd/],
    ['an empty macaroon', { macaroonHex: '' }, /xxd/],
    ['a certificate that is none', { cert: 'tls.cert' }, /tls\.cert/],
  ])('refuses %s and says what it should be', (_title, over, words) => {
    const made = createLnd({ ...good, ...over }, { clock, readRequest: readOwnRequest })
    expect(made).toMatchObject({ ok: false, error: expect.stringMatching(words) })
  })

  it('accepts a host name, an IPv4 and an IPv6 address', () => {
    for (const socket of ['lnd.example.com:10009', '10.0.0.7:10009', '[::1]:10009']) {
      expect(createLnd({ ...good, socket }, { clock, readRequest: readOwnRequest }).ok).toBe(true)
    }
  })
})

function refuseAll(code: number, details: string): FakeHandlers {
  return {
    getInfo: (_request, answer) => answer({ code, details }),
    blocks: (_request, stream) => stream.fail(code, details),
  }
}
