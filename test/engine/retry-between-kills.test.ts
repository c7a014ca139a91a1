/** A pause before another try ends at its time, however often the daemon is killed within it. */
import { afterEach, expect, test } from 'vitest'
import { Market } from '../support/market.ts'

/** One minute in both cases: what the tests configure for payments, and the first pause of an address. */
const PAUSE_S = 60
const LIFE_MS = 7000
/** A start takes its own time, and the pause may end in the middle of a life. */
const SLACK_S = 12

let market: Market
afterEach(() => market.close())

/** Kills and starts the daemon every few seconds until it has happened; resolves with the seconds that it took. */
async function killedUntil(happened: () => boolean): Promise<number> {
  const { world } = market
  const sinceMs = world.clock.nowMs()
  while (!happened()) {
    if (world.clock.nowMs() - sinceMs > 10 * PAUSE_S * 1000) throw new Error('it never happened')
    world.kill()
    await world.boot()
    await world.clock.advance(LIFE_MS)
  }
  return (world.clock.nowMs() - sinceMs) / 1000
}

function expectPause(tookS: number): void {
  expect(tookS).toBeGreaterThan(PAUSE_S - SLACK_S)
  expect(tookS).toBeLessThan(PAUSE_S + SLACK_S)
}

/** A trade whose payout goes to an address that gives no invoice when it is asked first; how often it was asked. */
async function releasedToFailingAddress(): Promise<{ readonly id: string; readonly asked: () => number }> {
  market = await Market.open()
  const { world } = market
  const id = await market.fiatSent('bob@wallets.example')
  let times = 0
  world.addressFault = () => {
    times += 1
    return times === 1 ? 'down' : null
  }
  market.alice.send('release', { id })
  await world.until(() => times === 1, 'the address is asked')
  await market.alice.hears('hold-invoice-payment-settled', id)
  return { id, asked: () => times }
}

test('I-25: a payment that failed is sent again at its time by a daemon that is killed every few seconds', async () => {
  market = await Market.open()
  const { node, faults } = market.world.network
  node.scriptPayment('next', { kind: 'fail', reason: 'no-route' })
  const id = await market.released()
  await market.world.until(() => node.payments()[0]?.state === 'failed', 'the first attempt fails')
  expectPause(await killedUntil(() => faults.calls('SendPaymentV2') === 2))
  await market.completed(id)
  await market.checkTraded(id)
})

test('I-25: an address that gave no invoice is asked again at its time by a daemon that is killed every few seconds', async () => {
  const { id, asked } = await releasedToFailingAddress()
  expectPause(await killedUntil(() => asked() > 1))
  await market.completed(id)
  await market.checkTraded(id)
})

test('an address that was being asked once more when the daemon died is asked at its next start', async () => {
  const { id, asked } = await releasedToFailingAddress()
  const { world } = market
  world.addressLatencyMs = 5000
  await world.until(() => asked() === 2, 'it is asked again after its pause')
  world.kill()
  world.addressLatencyMs = 0
  const killedMs = world.clock.nowMs()
  await world.boot()
  await market.completed(id)
  expect((world.clock.nowMs() - killedMs) / 1000).toBeLessThan(SLACK_S)
  await market.checkTraded(id)
})
