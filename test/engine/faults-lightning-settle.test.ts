/** From the release to the sats in hand (money-path.md 7, "Settle"): one decision, carried out once, told once. */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { AMOUNT_SATS, ESCROW_MSAT, FEE_SATS, Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const FEES_MSAT = satsToMsat(2 * FEE_SATS)
/** from the payment of an escrow to the height at which LND gives it back */
const BLOCKS_HELD = 147 - 18
/** more than settles and cancels may be under way at once */
const REQUESTS = 70

let market: Market
afterEach(() => market.close())

const faults = () => market.world.network.faults
const settles = () => faults().calls('SettleInvoice')
const releasing = (id: string) =>
  market.world.until(() => market.world.standing(id) === 'fiat-sent/releasing', 'the release is decided')

describe('an escrow is taken', () => {
  test('F-031: LND answers the settle with an error and has done it: settled once, told once, paid once', async () => {
    market = await Market.open()
    faults().next('SettleInvoice', { kind: 'lose-answer', how: 'deadline' })
    const lookups = faults().calls('LookupInvoice')
    const id = await market.released()
    await market.completed(id)
    expect(settles()).toBe(1)
    expect(faults().calls('LookupInvoice')).toBeGreaterThan(lookups)
    expect(market.rows(`SELECT 1 FROM ledger WHERE cause LIKE 'settle:%' AND credit LIKE 'owed:%'`)).toHaveLength(1)
    expect(market.world.alerts()).toEqual([])
    await market.checkTraded(id)
  })

  test('F-033: LND denies the sats that it held: the operator is told, at the second time all money halts, and nothing storms', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.taken()
    const hash = market.escrowHash(id)
    const image = world.network.node.image()
    market.paysEscrow(id)
    await bob.hears('hold-invoice-payment-accepted', id)
    bob.send('fiat-sent', { id })
    await alice.hears('fiat-sent-ok', id)
    faults().always('SettleInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('release', { id })
    await releasing(id)
    // LND is away until the sats are back with their payer, and knows nothing of them when it returns.
    world.network.node.stop('kill')
    world.network.mine(BLOCKS_HELD + 30)
    world.network.node.start({ image })
    expect(world.network.node.invoice(hash)?.state).toBe('open')
    faults().clear('SettleInvoice')
    await world.until(() => world.alerts().includes(`conflict:${hash}`), 'the operator is told', MINUTE_MS)
    expect(world.engine?.status().lightning.serving).toBe(true)
    const before = settles()
    await market.passes(HOUR_MS)
    expect(settles()).toBe(before + 1)
    expect(world.engine?.status().lightning.serving).toBe(false)
    expect(world.alerts()).toEqual([`conflict:${hash}`, `height:${hash}`])
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(market.times(alice, 'hold-invoice-payment-settled', id)).toBe(0)
    expect(market.times(bob, 'released', id)).toBe(0)
    expect(world.network.node.payments()).toEqual([])
    market.checkBooks({ feeMsat: 0 })
  })

  test('F-034: three blocks before LND gives the sats back, behind seventy requests that LND does not answer: the settle is not late', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    world.network.mine(BLOCKS_HELD - 3)
    expect(world.network.node.invoice(market.escrowHash(id))?.state).toBe('accepted')
    faults().always('AddHoldInvoice', { kind: 'swallow' })
    for (let n = 0; n < REQUESTS; n += 1) {
      const maker = world.trader(`maker${n}`)
      const order = await maker.makes({ kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n })
      const taker = world.trader(`taker${n}`)
      const destination = taker.wallet.invoice({ amountMsat: PAYOUT_MSAT, expiryS: 86_400 })
      taker.publish(taker.wrap('take-sell', { id: order, key: 1, tradeIndex: 1, payload: paymentRequest(destination) }))
    }
    const busy = () =>
      market.rows(`SELECT 1 FROM ln_op WHERE kind = 'hold_create' AND state IN ('planned', 'dispatching', 'unknown')`)
    await world.until(() => busy().length === REQUESTS, 'the requests wait', 5000)
    alice.send('release', { id })
    await alice.hears('hold-invoice-payment-settled', id, 1, 1000)
    expect(busy()).toHaveLength(REQUESTS)
    world.network.mine(3)
    expect(world.network.node.invoice(market.escrowHash(id))?.state).toBe('settled')
    faults().clear()
    await market.completed(id)
    await market.checkTraded(id)
  })

  test('F-035: the release comes again in another wrap, and again as a new request: one decision, each answered from the state', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    faults().always('SettleInvoice', { kind: 'refuse', with: 'no-connection' })
    const requestId = alice.send('release', { id })
    await releasing(id)
    const [decision] = market.rows<{ decided_at: number; version: number }>('SELECT decided_at, version FROM hold')
    alice.send('release', { id, requestId })
    expect(reasonOf(await alice.answer(alice.send('release', { id })))).toBe('not_allowed_by_status')
    await market.passes(5000)
    expect(market.rows(`SELECT 1 FROM inbox WHERE verdict = 'repeat'`).length).toBeGreaterThan(0)
    expect(market.rows('SELECT decided_at, version FROM hold')).toEqual([decision])
    faults().clear('SettleInvoice')
    await market.completed(id)
    expect(reasonOf(await alice.answer(alice.send('release', { id })))).toBe('not_allowed_by_status')
    expect(market.rows(`SELECT 1 FROM ln_op WHERE kind = 'hold_settle'`)).toHaveLength(1)
    expect(world.alerts()).toEqual([])
    await market.checkTraded(id)
  })

  test('F-036: the peer comes back in time: the operator is told that the sats are not there yet, and that they are', async () => {
    market = await Market.open()
    const { world } = market
    const id = await market.fiatSent()
    world.network.node.setPeerOnline(false)
    market.alice.send('release', { id })
    await market.alice.hears('hold-invoice-payment-settled', id)
    await market.passes(HOUR_MS + 11 * MINUTE_MS)
    expect(world.alerts()).toContain(`unclaimed:${market.escrowHash(id)}`)
    world.network.node.setPeerOnline(true)
    await market.passes(11 * MINUTE_MS)
    expect(world.alerts()).not.toContain(`unclaimed:${market.escrowHash(id)}`)
    expect(market.rows('SELECT htlc_resolved FROM hold')).toEqual([{ htlc_resolved: 1 }])
    await market.completed(id)
    expect(world.alerts()).toEqual([])
    await market.checkTraded(id)
  })

  test('F-036: the peer stays away until the sats go back to the payer: booked as a loss once, the operator knows', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    world.network.node.setPeerOnline(false)
    alice.send('release', { id })
    await alice.hears('hold-invoice-payment-settled', id)
    world.network.mine(BLOCKS_HELD + 30)
    world.network.node.setPeerOnline(true)
    expect((await market.escrowEnd(id)).ok).toBe(false)
    await market.completed(id)
    await market.passes(2 * HOUR_MS)
    expect(world.alerts()).toEqual([`escrow-not-received:${market.escrowHash(id)}`])
    expect(market.account('loss')).toBe(-ESCROW_MSAT)
    expect(market.gains().node + market.account('ln')).toBe(0)
    expect(market.gains()).toMatchObject({ alice: 0, bob: PAYOUT_MSAT })
    // What an operator has seen is not told again.
    world.store.s.alert_close({ key: `escrow-not-received:${market.escrowHash(id)}`, now: 0 })
    await market.passes(HOUR_MS)
    expect(world.alerts()).toEqual([])
    expect(market.account('loss')).toBe(-ESCROW_MSAT)
    world.network.checkConservation()
  })

  test('F-036: LND records nothing of it until its operator says so: what was settled before raises no alarm', async () => {
    market = await Market.open()
    const { world, alice } = market
    const id = await market.fiatSent()
    world.network.node.setPeerOnline(false)
    const details = 'cannot lookup with flag --store-final-htlc-resolutions=false'
    faults().always('LookupHtlcResolution', { kind: 'refuse', with: { code: 2, details } })
    alice.send('release', { id })
    await alice.hears('hold-invoice-payment-settled', id)
    await market.passes(2 * HOUR_MS)
    const asked = faults().calls('LookupHtlcResolution')
    expect(asked).toBeGreaterThan(0)
    faults().clear('LookupHtlcResolution')
    await market.passes(2 * HOUR_MS)
    expect(faults().calls('LookupHtlcResolution')).toBeGreaterThan(asked)
    expect(world.alerts()).not.toContain(`unclaimed:${market.escrowHash(id)}`)
    world.network.node.setPeerOnline(true)
    await market.completed(id)
    expect(world.alerts()).toEqual([])
    await market.checkTraded(id)
  })

  test('F-037: the guard of heights comes while the release waits for LND: nothing is given back, and the settle is booked', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    const hash = market.escrowHash(id)
    faults().always('SettleInvoice', { kind: 'refuse', with: 'no-connection' })
    alice.send('release', { id })
    await releasing(id)
    world.network.mine(BLOCKS_HELD - 10)
    await market.passes(MINUTE_MS)
    expect(world.alerts()).toEqual([`height:${hash}`])
    expect(reasonOf(await bob.answer(bob.send('cancel', { id })))).toBe('not_allowed_by_status')
    expect(world.standing(id)).toBe('fiat-sent/releasing')
    expect(faults().calls('CancelInvoice')).toBe(0)
    let settled = ''
    world.cut = () => {
      if (settled === '' && world.standing(id) !== 'fiat-sent/releasing') settled = world.standing(id)
    }
    faults().clear('SettleInvoice')
    await market.completed(id)
    expect(settled).toBe('settled-hold-invoice')
    expect(faults().calls('CancelInvoice')).toBe(0)
    await market.checkTraded(id)
  })

  test('F-038: the settle is confirmed and the order is no longer what it was: the sats are booked, a person must look', async () => {
    market = await Market.open()
    const { world, alice, bob } = market
    const id = await market.fiatSent()
    faults().next('SettleInvoice', { kind: 'slow', ms: 5000 })
    alice.send('release', { id })
    await releasing(id)
    world.store.all(`UPDATE orders SET status = 'active', phase = 'steady' WHERE id = :id RETURNING id`, { id })
    const states: string[] = []
    world.cut = () => {
      const [hold] = market.rows<{ final: string | null }>('SELECT final FROM hold')
      states.push(`${hold?.final ?? 'held'} ${world.standing(id)} ${world.alerts().join()} ${market.payout(id).state}`)
    }
    await market.passes(60_000)
    expect(states.at(-1)).toMatch(/^settled /)
    // One transaction: there is no moment with one of them and without the others.
    const first = states.find((state) => state.startsWith('settled'))
    expect(first).toBe(`settled active/review order-review:${id} ready`)
    await market.quiet()
    expect(world.standing(id)).toBe('active/review')
    expect(world.alerts()).toContain(`order-review:${id}`)
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    expect(market.times(bob, 'released', id)).toBe(0)
    market.checkBooks({ feeMsat: FEES_MSAT })
  })
})
