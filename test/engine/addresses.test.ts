/** Payouts to Lightning addresses, and the development fee, which is one (money-path.md 4.6, 4.8). */
import { afterEach, describe, expect, test } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import type { ServiceFault } from '../../src/sandbox/lnurl/pay-document.ts'
import { AMOUNT_SATS, FEE_SATS, Market, PAYOUT_MSAT, reasonOf } from '../support/market.ts'
import { paymentRequest } from '../support/sim-trader.ts'

const ADDRESS = 'bob@wallets.example'
const FEES_MSAT = satsToMsat(2 * FEE_SATS)

let market: Market
afterEach(() => market.close())

/** Counts how often the host was asked for an invoice, and what it gave. */
const watchHost = (): string[] => {
  const given: string[] = []
  const give = market.world.addressInvoice
  market.world.addressInvoice = (...args) => {
    const invoice = give(...args)
    given.push(invoice)
    return invoice
  }
  return given
}

describe('a payout to a Lightning address', () => {
  test('the address is asked once, and its invoice is paid', async () => {
    market = await Market.open()
    const given = watchHost()
    const id = await market.released(ADDRESS)
    await market.completed(id)
    expect(given).toHaveLength(1)
    await market.checkTraded(id)
  })

  test.each(['down', 'silent', 'refuses', 'garbage', 'redirects', 'floods'] as const)(
    'C-55, F-086: a host that is "%s" is asked again ever more rarely, and the trade ends well when it recovers',
    async (fault: ServiceFault) => {
      market = await Market.open()
      const { world } = market
      const id = await market.fiatSent(ADDRESS)
      world.addressFault = () => fault
      market.alice.send('release', { id })
      await market.alice.hears('hold-invoice-payment-settled', id)
      await market.passes(500_000)
      expect(market.payout(id)).toMatchObject({ state: 'ready', resolve_failures: 3, failures: 0 })
      market.checkBooks({ feeMsat: FEES_MSAT })
      world.addressFault = () => null
      await market.completed(id, 3_600_000)
      expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
      await market.checkTraded(id)
    },
  )

  test('after five look-ups in vain the buyer is asked, and may name an invoice instead', async () => {
    market = await Market.open()
    const { world, bob } = market
    const id = await market.fiatSent(ADDRESS)
    world.addressFault = () => 'down'
    market.alice.send('release', { id })
    await bob.hears('add-invoice', id, 1, 4 * 3_600_000)
    expect(market.payout(id).state).toBe('need_destination')
    const answer = await bob.answer(bob.send('add-invoice', { id, payload: paymentRequest(market.bobsInvoice()) }))
    expect(reasonOf(answer)).toBe('invoice-updated')
    await market.completed(id)
    await market.checkTraded(id)
  })

  test.each([
    ['C-55: before the host is asked', { at: 'commit:resolve-claim' }],
    ['F-085, C-56: after it gave an invoice, before that is on disk', { before: 'resolve-answered' }],
    ['C-57: after its invoice is on disk', { at: 'commit:resolve-answered' }],
    ['C-57: with its invoice claimed', { at: 'commit:claim:pay' }],
    ['C-21: before the paid buyer is on disk', { before: 'pay:A' }],
  ] as const)('%s the power goes: the buyer is paid once', async (what, cut) => {
    market = await Market.open()
    const given = watchHost()
    const id = await market.fiatSent(ADDRESS)
    const power = market.powerGoes(id, cut)
    market.alice.send('release', { id })
    await market.completed(id)
    expect(power.happened()).toBe(true)
    expect(given).toHaveLength(what.includes('C-56') ? 2 : 1)
    expect(market.payments(id)).toHaveLength(1)
    await market.checkTraded(id)
  })

  test.each([
    ['C-55', { at: 'commit:resolve-claim' }],
    ['C-56', { before: 'resolve-answered' }],
  ] as const)('%s: the next start asks the host at once, although the last one had claimed to', async (_, cut) => {
    market = await Market.open()
    const id = await market.fiatSent(ADDRESS)
    const power = market.powerGoes(id, cut)
    market.alice.send('release', { id })
    await market.completed(id, 20_000)
    expect(power.happened()).toBe(true)
  })

  test('C-57: while the fate of its invoice is unknown the host is not asked again', async () => {
    market = await Market.open()
    const { world } = market
    const given = watchHost()
    world.network.node.scriptPayment('next', { kind: 'slow', ms: 1_200_000 })
    world.network.faults.next('SendPaymentV2', { kind: 'lose-answer', how: 'internal' })
    world.network.faults.always('TrackPaymentV2', { kind: 'swallow' })
    const id = await market.released(ADDRESS)
    await market.passes(900_000)
    expect(given).toHaveLength(1)
    world.network.faults.clear('TrackPaymentV2')
    await market.completed(id, 3_600_000)
    expect(given).toHaveLength(1)
    await market.checkTraded(id)
  })

  test.each([
    ['an invoice that it gave before', (before: string) => before],
    [
      'an invoice over another amount',
      (_: string, hash: string) =>
        market.bob.wallet.invoice({ amountMsat: satsToMsat(AMOUNT_SATS), descriptionHash: hash, expiryS: 3600 }),
    ],
    [
      'an invoice that commits to another description',
      () => market.bob.wallet.invoice({ amountMsat: PAYOUT_MSAT, descriptionHash: '11'.repeat(32), expiryS: 3600 }),
    ],
    [
      'an invoice that ends at once',
      (_: string, hash: string) =>
        market.bob.wallet.invoice({ amountMsat: PAYOUT_MSAT, descriptionHash: hash, expiryS: 60 }),
    ],
  ] as const)('C-58: the host gives %s: not paid, asked again later', async (_what, bad) => {
    market = await Market.open()
    const { world } = market
    const given = watchHost()
    const first = await market.released(ADDRESS)
    await market.completed(first)
    const before = given[0] ?? ''
    const good = world.addressInvoice
    world.addressInvoice = (_user, _amount, hash) => bad(before, hash)
    const id = await market.released(ADDRESS)
    await market.passes(30_000)
    expect(market.payout(id)).toMatchObject({ state: 'ready', resolve_failures: 1 })
    expect(market.payments(id)).toEqual([])
    world.addressInvoice = good
    await market.completed(id)
    expect(market.gains().bob).toBe(2 * PAYOUT_MSAT)
    market.checkBooks({ feeMsat: 2 * FEES_MSAT })
  })

  test('F-084: an invoice of the host expires while paying it fails: a fresh one is fetched, the count is kept', async () => {
    market = await Market.open()
    const { world } = market
    const give = world.addressInvoice
    let asked = 0
    world.addressInvoice = (user, amountMsat, descriptionHash) => {
      asked += 1
      return asked === 1
        ? market.bob.wallet.invoice({ amountMsat, descriptionHash, expiryS: 700 })
        : give(user, amountMsat, descriptionHash)
    }
    const id = await market.fiatSent(ADDRESS)
    world.network.faults.always('SendPaymentV2', { kind: 'refuse', with: 'no-connection' })
    market.alice.send('release', { id })
    await market.alice.hears('hold-invoice-payment-settled', id)
    await market.passes(720_000)
    world.network.faults.clear('SendPaymentV2')
    await market.completed(id)
    expect(asked).toBe(2)
    expect(new Set(market.payments(id).map((op) => op.state))).toEqual(new Set(['refused', 'done']))
    expect(market.times(market.bob, 'add-invoice', id)).toBe(0)
    await market.checkTraded(id)
  })
})

describe('the development fee', () => {
  const DEV_FEE_SATS = 180
  const settings = { devFee: { percentage: 0.3, address: 'dev@wallets.example' } }
  /** A market with a developer, and a trade whose buyer is paid. */
  const opened = async () => {
    market = await Market.open({ settings })
    return market.world.network.addWallet('dev', satsToMsat(1000))
  }
  const devFee = (id: string) => market.obligation(`dev_fee:${id}`)
  const sent = (id: string) =>
    market.rows<{ state: string }>(`SELECT state FROM ln_op WHERE obligation_id = 'dev_fee:' || :id`, { id })

  test("it is paid apart from the trade, out of the node's fee", async () => {
    const dev = await opened()
    const id = await market.released()
    await market.completed(id)
    await market.world.until(() => devFee(id).state === 'paid', 'the fee is paid')
    expect(dev.received().map((r) => r.amountMsat)).toEqual([satsToMsat(DEV_FEE_SATS)])
    await market.quiet()
    expect(market.gains().bob).toBe(PAYOUT_MSAT)
    market.checkBooks({ feeMsat: FEES_MSAT - satsToMsat(DEV_FEE_SATS) })
  })

  test.each([
    ['C-50: after the address answered, before that is on disk', { before: 'resolve-answered' }],
    ['C-51: after its invoice is on disk', { at: 'commit:resolve-answered' }],
  ] as const)('%s the power goes: paid once', async (_what, cut) => {
    const dev = await opened()
    const id = await market.fiatSent()
    const power = market.powerGoes(id, cut)
    market.alice.send('release', { id })
    await market.completed(id)
    await market.world.until(() => devFee(id).state === 'paid', 'the fee is paid')
    expect(power.happened()).toBe(true)
    expect(dev.received()).toHaveLength(1)
    await market.quiet()
    market.checkBooks({ feeMsat: FEES_MSAT - satsToMsat(DEV_FEE_SATS) })
  })

  test('C-51, F-087: while its payment is unknown there is no fresh invoice, and no trader waits', async () => {
    const dev = await opened()
    const { world } = market
    dev.onIncoming('hold')
    const id = await market.released()
    await market.completed(id).catch(() => undefined)
    await market.passes(86_400_000 / 4)
    expect(market.times(market.bob, 'purchase-completed', id)).toBe(1)
    expect(sent(id).map((op) => op.state)).toEqual(['in_flight'])
    expect(dev.held()).toHaveLength(1)
    dev.settleHeld(dev.held()[0] ?? '')
    await world.until(() => devFee(id).state === 'paid', 'the fee is paid')
    expect(dev.received()).toHaveLength(1)
  }, 30_000)

  test('C-52: it fails again and again: tried ever with one invoice at a time, then slowly, and given up after a week', async () => {
    const dev = await opened()
    const { world } = market
    dev.onIncoming('fail')
    const id = await market.released()
    await market.bob.hears('purchase-completed', id)
    await market.passes(4 * 3_600_000)
    expect(devFee(id)).toMatchObject({ state: 'ready', failures: 3 })
    expect(sent(id).filter((op) => op.state !== 'refused').length).toBeLessThanOrEqual(1)
    expect(sent(id).length).toBeLessThanOrEqual(6)
    market.checkBooks({ feeMsat: FEES_MSAT - satsToMsat(DEV_FEE_SATS) })
    world.kill()
    await world.clock.advance(7 * 86_400_000)
    await world.boot()
    await world.until(() => devFee(id).state === 'void', 'it is given up', 2 * 3_600_000)
    await market.quiet()
    expect(dev.received()).toEqual([])
    expect(market.account('share')).toBe(satsToMsat(DEV_FEE_SATS))
    expect(world.alerts()).toEqual([`obligation-void:dev_fee:${id}`])
    market.checkBooks({ feeMsat: FEES_MSAT - satsToMsat(DEV_FEE_SATS) })
  }, 30_000)
})
