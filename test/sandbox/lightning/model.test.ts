import { describe, expect, test } from 'vitest'
import { addMsat, msat, satsToMsat } from '../../../src/core/money.ts'
import type { PaymentFailure } from '../../../src/ports/lightning.ts'
import { decodeBolt11 } from '../../../src/sandbox/lightning/bolt11.ts'
import { createSimNetwork } from '../../../src/sandbox/lightning/network.ts'
import { seededRandom } from '../../support/random.ts'
import {
  AMOUNT_MSAT,
  addHold,
  FUNDING_MSAT,
  HASH,
  hashOf,
  PREIMAGE,
  preimageOf,
  refusal,
  send,
  world,
} from './world.ts'

describe('a hold invoice', () => {
  test('goes from open to accepted to settled, and settling again changes nothing', async () => {
    const { network, alice } = world()
    const request = addHold(network)
    expect(refusal(() => network.lnd.settleInvoice(PREIMAGE))).toEqual([2, 'invoice still open'])
    const { end } = await alice.startPayment(request)
    expect(network.node.invoice(HASH)).toMatchObject({ state: 'accepted', receivedMsat: AMOUNT_MSAT })
    network.lnd.settleInvoice(PREIMAGE)
    network.lnd.settleInvoice(PREIMAGE)
    expect(refusal(() => network.lnd.cancelInvoice(HASH))).toEqual([2, 'invoice already settled'])
    expect(await end).toEqual({ ok: true, preimage: PREIMAGE, feeMsat: 6_000 })
  })

  test('gives everything back when it is canceled from accepted, and remembers what had arrived', async () => {
    const { network, alice } = world()
    const { end } = await alice.startPayment(addHold(network))
    network.lnd.cancelInvoice(HASH)
    network.lnd.cancelInvoice(HASH)
    expect(refusal(() => network.lnd.settleInvoice(PREIMAGE))).toEqual([2, 'invoice already canceled'])
    expect(await end).toEqual({ ok: false, reason: 'incorrect-details' })
    expect(network.node.invoice(HASH)).toMatchObject({ state: 'canceled', receivedMsat: AMOUNT_MSAT })
    expect(alice.balanceMsat()).toBe(FUNDING_MSAT)
  })

  test('is never replaced, but its hash is free again once the canceled one was collected', () => {
    const { network } = world()
    addHold(network)
    const again = () => addHold(network)
    expect(refusal(again)).toEqual([2, 'invoice with payment hash already exists'])
    network.lnd.cancelInvoice(HASH)
    expect(refusal(again)).toEqual([2, 'invoice with payment hash already exists'])
    network.node.restart({ collectCanceled: true })
    expect(refusal(() => network.lnd.cancelInvoice(HASH))).toEqual([2, 'unable to locate invoice'])
    expect(refusal(again)).toBeNull()
    expect(network.lnd.lookupInvoice(HASH).addIndex).toBe(1)
  })

  test.each([
    ['in the past lives a day', -5, 86_400],
    ['of zero lives a day', 0, 86_400],
    ['of a minute lives a minute', 60, 60],
  ])('with an expiry %s', (_name, expiryS, lifeS) => {
    const { network } = world()
    expect(decodeBolt11(addHold(network, PREIMAGE, expiryS))?.expiryS).toBe(lifeS)
  })

  test.each([
    ['a memo of 1025 bytes', { memo: 'x'.repeat(1025) }],
    ['a life of two years', { expiryS: 2 * 365 * 86_400 }],
    ['a delta of 23 blocks', { cltvDelta: 23 }],
  ])('is refused with %s', (_name, change) => {
    const { network } = world()
    const plan = { hash: HASH, memo: '', descriptionHash: null, valueMsat: 1000, expiryS: 900, cltvDelta: 144 }
    expect(refusal(() => network.lnd.addHoldInvoice({ ...plan, ...change }))?.[0]).toBe(2)
    expect(network.node.invoices()).toEqual([])
  })

  test('is canceled by the clock only while nobody has paid it', async () => {
    const { clock, network, alice, bob } = world()
    const paid = addHold(network)
    const { end } = await alice.startPayment(paid)
    addHold(network, preimageOf(2))
    const partly = addHold(network, preimageOf(3))
    const { end: partEnd } = await bob.startPayment(partly, { partialMsat: satsToMsat(10_000) })
    await clock.advance(900_000)
    expect(network.node.invoices().map(({ state }) => state)).toEqual(['accepted', 'canceled', 'canceled'])
    expect(await partEnd).toMatchObject({ ok: false })
    expect(bob.balanceMsat()).toBe(FUNDING_MSAT)
    network.lnd.settleInvoice(PREIMAGE)
    expect((await end).ok).toBe(true)
  })

  test('still accepts an HTLC that comes after its expiry but before the watcher', async () => {
    const { clock, network, alice } = world({ expiryWatcherLagMs: 5_000 })
    const request = addHold(network)
    await clock.advance(902_000)
    expect(await alice.pay(request)).toEqual({ ok: false, reason: 'expired' })
    expect((await alice.startPayment(request, { ignoreExpiry: true })).held).toBe(true)
    await clock.advance(10_000)
    expect(network.node.invoice(HASH)?.state).toBe('accepted')
  })

  test.each([18, 12])('is canceled by height when its HTLC is %i blocks from its expiry', async (holdExpiryDelta) => {
    const { network, alice } = world({ holdExpiryDelta })
    const { end } = await alice.startPayment(addHold(network))
    network.mine(147 - holdExpiryDelta - 1)
    expect(network.node.invoice(HASH)?.state).toBe('accepted')
    network.mine(1)
    expect(network.node.invoice(HASH)?.state).toBe('canceled')
    expect((await end).ok).toBe(false)
  })

  test('keeps a part for two minutes and gives it back', async () => {
    const { clock, network, alice } = world()
    const { held, end } = await alice.startPayment(addHold(network), { partialMsat: satsToMsat(10_000) })
    expect(held).toBe(true)
    await clock.advance(119_999)
    expect(network.totals().walletsPendingOutMsat).toBeGreaterThan(0)
    await clock.advance(1)
    expect(await end).toEqual({ ok: false, reason: 'timeout' })
    expect(network.node.invoice(HASH)?.state).toBe('open')
    expect(alice.balanceMsat()).toBe(FUNDING_MSAT)
  })

  test('takes more than it asks, but nothing twice and nothing short of its blocks', async () => {
    const { network, alice, bob } = world()
    const request = addHold(network)
    expect(await bob.pay(request, { cltvPadding: -1 })).toEqual({ ok: false, reason: 'incorrect-details' })
    expect(await bob.pay(request, { amountMsat: satsToMsat(49_999) })).toMatchObject({ ok: false })
    await alice.startPayment(request, { overpayMsat: msat(50_000) })
    expect(network.node.invoice(HASH)?.receivedMsat).toBe(addMsat(AMOUNT_MSAT, msat(50_000)))
    expect(await bob.pay(request)).toEqual({ ok: false, reason: 'incorrect-details' })
    expect(await alice.pay(request)).toEqual({ ok: false, reason: 'in-flight' })
  })

  test('is settled at once while the peer is away, and lost when the peer stays away until its height', async () => {
    const { network, alice } = world()
    const { end } = await alice.startPayment(addHold(network))
    const before = network.node.balanceMsat()
    network.node.setPeerOnline(false)
    network.lnd.settleInvoice(PREIMAGE)
    expect(network.node.invoice(HASH)?.state).toBe('settled')
    const { scid } = network.lnd.channel()
    expect(refusal(() => network.lnd.htlcResolution(scid, 0))).toEqual([5, 'htlc unknown'])
    network.mine(147)
    expect(network.lnd.htlcResolution(scid, 0)).toEqual({ settled: false, offchain: false })
    expect(network.node.balanceMsat()).toBe(before)
    expect((await end).ok).toBe(false)
  })

  test('is settled for good when the peer returns', async () => {
    const { network, alice } = world()
    const { end } = await alice.startPayment(addHold(network))
    network.node.setPeerOnline(false)
    network.lnd.settleInvoice(PREIMAGE)
    network.node.setPeerOnline(true)
    expect(network.lnd.htlcResolution(network.lnd.channel().scid, 0)).toEqual({ settled: true, offchain: true })
    expect((await end).ok).toBe(true)
  })

  test('that an older image does not know gives its HTLCs back, one that was open there is accepted again', async () => {
    const { network, alice, bob } = world()
    const open = addHold(network, preimageOf(2))
    const image = network.node.image()
    const { end } = await alice.startPayment(addHold(network))
    await bob.startPayment(open)
    network.node.restoreWhileConnected(image)
    expect(await end).toMatchObject({ ok: false })
    expect(network.node.invoices()).toMatchObject([{ hash: hashOf(preimageOf(2)), state: 'accepted' }])
    network.checkConservation()
  })

  test('is told to its watchers state by state, and the stream ends with the last one', async () => {
    const { network, alice } = world()
    const request = addHold(network)
    const seen: string[] = []
    network.lnd.watchInvoice(HASH, { next: ({ state }) => seen.push(state), end: () => seen.push('end') })
    network.lnd.watchInvoice(hashOf(preimageOf(9)), { next: () => seen.push('?'), end: () => seen.push('?') })
    await alice.startPayment(request)
    network.lnd.settleInvoice(PREIMAGE)
    network.lnd.watchInvoice(HASH, { next: ({ state }) => seen.push(state), end: () => seen.push('end') })
    expect(seen).toEqual(['open', 'accepted', 'settled', 'end', 'settled', 'end'])
  })
})

describe('a payment', () => {
  const reasons: readonly PaymentFailure[] = [
    'no-route',
    'incorrect-details',
    'timeout',
    'insufficient-balance',
    'error',
    'canceled',
  ]

  test.each(reasons.flatMap((reason) => [[reason, true] as const, [reason, false] as const]))(
    'that is scripted to fail with %s (tried: %s) does so, and may begin again',
    async (reason, tried) => {
      const { clock, network, bob } = world()
      const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
      network.node.scriptPayment('next', { kind: 'fail', reason, tried })
      const seen = send(network, request)
      await clock.advance(60_000)
      expect(seen.slice(-2)).toEqual(['failed', 'end'])
      expect(network.node.payments()).toMatchObject([{ failure: reason, attempts: tried ? 1 : 0 }])
      const first = network.node.payments()[0]
      expect(send(network, request).slice(-2)).toEqual(['succeeded', 'end'])
      expect(network.node.payments()).toHaveLength(1)
      expect(network.node.payments()[0]?.createdAtMs).toBeGreaterThan(first?.createdAtMs ?? Number.NaN)
    },
  )

  test.each([
    ['nobody has the key of its invoice', 'no-route', {}],
    ['its fee would be above the limit', 'no-route', { feeLimitMsat: 5_999 }],
    ['its time lock would be above the limit', 'no-route', { cltvLimit: 50 }],
  ] as const)('fails when %s', (name, failure, changes) => {
    const { network, bob } = world()
    const request = name.startsWith('nobody')
      ? world({}, 99).bob.invoice({ amountMsat: AMOUNT_MSAT })
      : bob.invoice({ amountMsat: AMOUNT_MSAT })
    send(network, request, changes)
    expect(network.node.payments()).toMatchObject([{ state: 'failed', failure, attempts: 0 }])
  })

  test('fails for lack of our own balance without an HTLC, and for lack of the payee inbound with one', () => {
    const { network, bob } = world({ nodeLocalMsat: satsToMsat(1_000), walletInboundMsat: satsToMsat(100) })
    send(network, bob.invoice({ amountMsat: AMOUNT_MSAT }))
    send(network, bob.invoice({ amountMsat: satsToMsat(500) }))
    expect(network.node.payments()).toMatchObject([
      { failure: 'insufficient-balance', attempts: 0 },
      { failure: 'no-route', attempts: 1 },
    ])
  })

  test.each([
    ['an expired invoice', 'expired', {}, [2, /^invoice expired. Valid until 2023-11-14 22:28:20 \+0000 UTC$/]],
    ['an amount on top of one', 'valid', { amountMsat: 5 }, [2, /^amount must not be specified/]],
    ['a time lock above the node maximum', 'valid', { cltvLimit: 2017 }, [2, /exceeds max allowed 2016$/]],
    ['a time lock below the invoice', 'valid', { cltvLimit: 43 }, [2, /^cltv limit 43 should be greater than 43$/]],
    ['an AMP invoice', 'amp', {}, [2, /unknown required features/]],
    ['no invoice at all', 'none', {}, [2, /./]],
  ] as const)('is refused without a record for %s', async (_name, kind, changes, [code, text]) => {
    const { clock, network, bob } = world()
    const request =
      kind === 'none'
        ? 'lnbcrt1none'
        : bob.invoice({ amountMsat: AMOUNT_MSAT, expiryS: 900, ...(kind === 'amp' ? { features: [8, 14, 30] } : {}) })
    if (kind === 'expired') await clock.advance(900_001)
    const refused = refusal(() => send(network, request, changes))
    expect(refused?.[0]).toBe(code)
    expect(refused?.[1]).toMatch(text)
    expect(network.node.payments()).toEqual([])
  })

  test('asks for the expiry before it looks at its records', async () => {
    const { clock, network, bob } = world()
    const request = bob.invoice({ amountMsat: AMOUNT_MSAT, expiryS: 60 })
    send(network, request)
    expect(refusal(() => send(network, request))).toEqual([6, 'invoice is already paid'])
    await clock.advance(60_001)
    expect(refusal(() => send(network, request))?.[1]).toMatch(/^invoice expired/)
  })

  test('is in transition while its payee holds it, and lasts until the payee decides', async () => {
    const { network, bob } = world()
    bob.onIncoming('hold')
    const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
    const seen = send(network, request)
    expect(refusal(() => send(network, request))).toEqual([6, 'payment is in transition'])
    const [hash = ''] = bob.held()
    bob.settleHeld(hash)
    expect(seen).toEqual(['initiated', 'in-flight', 'succeeded', 'end'])
    expect(bob.received()).toMatchObject([{ hash, amountMsat: AMOUNT_MSAT }])
  })

  test('of several parts stays in flight while one part is stuck, though the others have failed', () => {
    const { network, bob } = world()
    const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
    network.node.scriptPayment('next', { kind: 'parts', parts: 3, stuck: 1 })
    send(network, request)
    const hash = decodeBolt11(request)?.hash ?? ''
    expect(network.node.payment(hash)).toMatchObject({ state: 'in-flight', failure: 'no-route', attempts: 3 })
    network.node.releaseStuck(hash, 'fail')
    expect(network.node.payment(hash)?.state).toBe('failed')
  })

  test('arrives in parts', () => {
    const { network, bob } = world({ maxPartMsat: satsToMsat(20_000) })
    send(network, bob.invoice({ amountMsat: AMOUNT_MSAT }))
    expect(network.node.payments()).toMatchObject([{ state: 'succeeded', attempts: 3, feeMsat: 7_998 }])
  })

  test('that fails twice says so twice, a zombie ends with a restart, a wrong preimage is not the right one', () => {
    const { network, bob } = world()
    const request = () => bob.invoice({ amountMsat: AMOUNT_MSAT })
    network.node.scriptPayment('next', { kind: 'fail-twice', reason: 'error' })
    expect(send(network, request()).slice(-3)).toEqual(['failed', 'failed', 'end'])

    const undead = request()
    network.node.scriptPayment('next', { kind: 'zombie' })
    expect(send(network, undead)).toEqual(['initiated', 'in-flight'])
    network.node.restart()
    expect(network.node.payment(decodeBolt11(undead)?.hash ?? '')).toMatchObject({ failure: 'no-route' })

    const wrong = request()
    network.node.scriptPayment('next', { kind: 'wrong-preimage' })
    send(network, wrong)
    const payment = network.node.payment(decodeBolt11(wrong)?.hash ?? '')
    expect(payment?.state).toBe('succeeded')
    expect(hashOf(payment?.preimage ?? '')).not.toBe(payment?.hash)
  })

  test('that is under way when the node restarts succeeds later, or fails without another route', async () => {
    const { clock, network, bob } = world()
    network.node.scriptPayment('next', { kind: 'slow', ms: 10_000 })
    send(network, bob.invoice({ amountMsat: AMOUNT_MSAT }))
    network.node.stop('kill')
    await clock.advance(10_000)
    expect(bob.received()).toHaveLength(1)
    expect(network.node.payments()).toMatchObject([{ state: 'in-flight' }])
    network.node.start()
    expect(network.node.payments()).toMatchObject([{ state: 'succeeded' }])

    bob.onIncoming('hold')
    send(network, bob.invoice({ amountMsat: AMOUNT_MSAT }))
    network.node.restart()
    bob.failHeld(bob.held()[0] ?? '')
    expect(network.node.payments()[1]).toMatchObject({ state: 'failed', failure: 'no-route' })
  })

  test('that was forgotten can be sent again, and its payee does not take it twice', () => {
    const { network, bob } = world()
    const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
    send(network, request)
    network.node.forgetPayment(decodeBolt11(request)?.hash ?? '')
    send(network, request)
    expect(network.node.payments()).toMatchObject([{ failure: 'incorrect-details' }])
    expect(bob.received()).toHaveLength(1)
  })

  test('wears the prefixes of the SQL store when they are switched on', () => {
    const { network, bob } = world({ errorTexts: 'wrapped' })
    const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
    send(network, request)
    expect(refusal(() => send(network, request))).toEqual([
      6,
      'failed to initialize payment: payment is not initializable: invoice is already paid',
    ])
    expect(refusal(() => network.lnd.settleInvoice(PREIMAGE))?.[1]).toBe(
      'unable to settle invoice: unable to locate invoice',
    )
  })
})

test('a network goes on from a snapshot that went through JSON', async () => {
  const { clock, network, alice, bob } = world()
  const request = addHold(network)
  await alice.startPayment(request)
  send(network, bob.invoice({ amountMsat: AMOUNT_MSAT }))
  const snapshot = JSON.parse(JSON.stringify(network.snapshot()))
  const next = createSimNetwork({ clock, random: seededRandom(12), snapshot })
  expect(next.totals()).toEqual(network.totals())
  expect(next.node.invoices()).toEqual(network.node.invoices())
  expect(next.node.pubkey).toBe(network.node.pubkey)
  next.lnd.settleInvoice(PREIMAGE)
  expect(next.wallet('alice').balanceMsat()).toBe(FUNDING_MSAT - AMOUNT_MSAT - 6_000)
  next.checkConservation()
  next.close()
})
