import { createHash } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { msat, satsToMsat } from '../../../src/core/money.ts'
import type { HoldFact, LightningConnection, PayOutcome, PayPlan } from '../../../src/ports/lightning.ts'
import { decodeBolt11 } from '../../../src/sandbox/lightning/bolt11.ts'
import { createSimLightning } from '../../../src/sandbox/lightning/in-process.ts'
import { createSimNetwork, type Network } from '../../../src/sandbox/lightning/network.ts'
import { TestClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'

const PREIMAGE = '11'.repeat(32)
const HASH = createHash('sha256').update(Buffer.from(PREIMAGE, 'hex')).digest('hex')
const AMOUNT_MSAT = satsToMsat(50_000)

const opened: Network[] = []
afterEach(() => {
  for (const network of opened.splice(0)) network.close()
})

async function world() {
  const clock = new TestClock()
  const network = createSimNetwork({ clock, random: seededRandom(7) })
  opened.push(network)
  const alice = network.addWallet('alice', satsToMsat(1_000_000))
  const bob = network.addWallet('bob', satsToMsat(1_000_000))
  const lightning = createSimLightning(network, clock)
  const run = async <T>(promise: Promise<T>, ms = 1_000): Promise<T> => {
    await clock.advance(ms)
    return promise
  }
  const connect = async (): Promise<LightningConnection> => {
    const opening = await run(lightning.connect())
    if (!opening.ok) throw new Error(opening.detail)
    return opening.value
  }
  return { clock, network, alice, bob, lightning, run, connect, connection: await connect() }
}

const plan = (clock: TestClock) => ({
  hash: HASH,
  amountMsat: AMOUNT_MSAT,
  cltvDelta: 144,
  memo: 'escrow of a trade',
  expiresAt: Math.floor(clock.nowMs() / 1000) + 900,
})

const payPlan = (request: string): PayPlan => ({
  hash: decodeBolt11(request)?.hash ?? '',
  request,
  amountMsat: AMOUNT_MSAT,
  invoiceHasAmount: true,
  maxFeeMsat: msat(100_000),
  timeoutS: 60,
  maxParts: 16,
  cltvLimit: 1008,
})

test('a seller pays a hold, it is settled, and a buyer is paid; no sat is lost', async () => {
  const { clock, network, alice, bob, run, connection } = await world()
  const seen: HoldFact['state'][] = []
  const created = await run(connection.createHold(plan(clock)))
  if (created.class !== 'A') throw new Error(JSON.stringify(created))
  connection.watchHold(HASH, (fact) => seen.push(fact.state))
  await clock.advance(10)

  const { held, end } = await alice.startPayment(created.fact.request)
  expect(held).toBe(true)
  await clock.advance(10)
  expect((await run(connection.settleHold(PREIMAGE))).class).toBe('A')
  expect(await end).toEqual({ ok: true, preimage: PREIMAGE, feeMsat: 6_000 })
  expect(seen).toEqual(['open', 'accepted', 'settled'])

  const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
  let acks = 0
  const paid = await run(connection.pay(payPlan(request), clock.nowMs(), () => acks++))
  expect(paid).toMatchObject({ class: 'A', feeMsat: 6_000 })
  expect(acks).toBe(1)
  expect(bob.received().map((each) => each.amountMsat)).toEqual([AMOUNT_MSAT])
  expect(await run(connection.htlcsResolved(HASH))).toEqual({ ok: true, value: { state: 'ours' } })
  network.checkConservation()
  expect(network.totals().routingFeesMsat).toBe(12_000)
})

test.each([
  ['no connection', { kind: 'refuse', with: 'no-connection' }, 'S', false],
  ['a locked wallet', { kind: 'refuse', with: 'locked' }, 'S', false],
  ['a macaroon without the right', { kind: 'refuse', with: 'permission' }, 'B', false],
  ['a cut after execution', { kind: 'lose-answer', how: 'cut' }, 'U', true],
] as const)('creating a hold with %s ends in its class', async (_name, fault, outcome, executed) => {
  const { clock, network, run, connection } = await world()
  network.faults.next('AddHoldInvoice', fault)
  expect((await run(connection.createHold(plan(clock)), 60_000)).class).toBe(outcome)
  expect(network.node.invoice(HASH) !== null).toBe(executed)
})

test('a payment request that arrives late is executed once, although its client has given up', async () => {
  const { clock, network, bob, run, connect, connection } = await world()
  const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
  network.faults.next('SendPaymentV2', { kind: 'deliver-late', ms: 40_000 })
  const outcome: PayOutcome = await run(connection.pay(payPlan(request), clock.nowMs(), () => {}))
  expect(outcome).toMatchObject({ class: 'U', connectionLost: true })

  const next = await connect()
  expect(await run(next.lookupPayment(payPlan(request).hash))).toEqual({ ok: true, value: 'not-found' })
  expect(await run(next.pay(payPlan(request), clock.nowMs(), () => {}))).toMatchObject({ class: 'A' })
  await clock.advance(60_000)
  expect(bob.received()).toHaveLength(1)
})

test('a half-open connection answers nothing and is found lost by its keepalive', async () => {
  const { clock, network, run, connection, connect } = await world()
  network.node.halfOpenConnections()
  expect((await run(connection.lookupHold(HASH), 10_000)).ok).toBe(false)
  await clock.advance(30_000)
  expect(await connection.lost).toContain('keepalive')
  expect((await run((await connect()).lookupHold(HASH))).ok).toBe(true)
})

test('a node that comes back with older records has forgotten the payment', async () => {
  const { clock, network, bob, run, connection, connect } = await world()
  const image = network.node.image()
  const request = bob.invoice({ amountMsat: AMOUNT_MSAT })
  expect((await run(connection.pay(payPlan(request), clock.nowMs(), () => {}))).class).toBe('A')
  network.node.restoreWhileConnected(image)
  expect(await connection.lost).not.toBe('')
  expect((await run(connection.lookupPayment(HASH))).ok).toBe(false)
  expect(await run((await connect()).lookupPayment(payPlan(request).hash))).toEqual({ ok: true, value: 'not-found' })
  network.checkConservation()
})

test('garbage is no answer, and nothing is thrown', async () => {
  const { clock, network, run, connection } = await world()
  for (const method of ['GetInfo', 'LookupInvoice', 'AddHoldInvoice'] as const) {
    network.faults.always(method, { kind: 'garbage' })
  }
  expect((await run(connection.createHold(plan(clock)), 60_000)).class).toBe('U')
  expect((await run(connection.nodeInfo())).ok).toBe(false)
  expect((await run(connection.lookupHold(HASH))).ok).toBe(false)
})
