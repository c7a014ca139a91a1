import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { satsToMsat } from '../../src/core/money.ts'
import { bytesToHex } from '../../src/wire/hex.ts'
import { EngineWorld } from '../support/engine-world.ts'
import { paymentRequest, type SendOptions, type SimTrader } from '../support/sim-trader.ts'
import { standInCurves } from '../support/stand-in-curves.ts'

/** What a message cost: how often each of its signatures was checked, and whom the node derived a secret with. */
type Cost = { readonly checks: readonly number[]; readonly secretsWith: readonly string[] }

let world: EngineWorld
let alice: SimTrader
let checked: string[]
let secretsWith: string[]

beforeEach(async () => {
  const { verify, ecdhX, publicKey } = standInCurves
  checked = []
  secretsWith = []
  vi.spyOn(standInCurves, 'verify').mockImplementation((signature, digest, by) => {
    checked.push(bytesToHex(signature))
    return verify(signature, digest, by)
  })
  vi.spyOn(standInCurves, 'ecdhX').mockImplementation((secretKey, peer) => {
    if (publicKey(secretKey) === world.nodePubkey) secretsWith.push(peer)
    return ecdhX(secretKey, peer)
  })
  world = new EngineWorld()
  alice = world.trader('alice')
  await world.boot()
})
afterEach(async () => {
  await world.close()
  vi.restoreAllMocks()
})

/** Sends a message, lets the node answer it, and tells what both cost the node; and who wrote the outer event. */
async function costOf(
  trader: SimTrader,
  action: 'take-sell' | 'add-invoice',
  options: SendOptions,
): Promise<Cost & { readonly author: string }> {
  const sign = vi.spyOn(standInCurves, 'sign')
  const event = trader.wrap(action, { requestId: 7n, ...options })
  const signatures = sign.mock.results.map(({ value }) => bytesToHex(value as Uint8Array))
  sign.mockRestore()
  checked.length = 0
  secretsWith.length = 0
  const heardBefore = trader.heard.length
  trader.publish(event)
  await world.until(() => trader.heard.length > heardBefore, `${trader.name} is answered`)
  return {
    author: event.pubkey,
    checks: signatures.map((signature) => checked.filter((each) => each === signature).length),
    secretsWith: [...secretsWith],
  }
}

const once = [1, 1, 1]

describe('A signature is checked once, and a secret derived once for each trade key', () => {
  test('when an order is taken over transport 2, and when its taker writes again', async () => {
    const bob = world.trader('bob')
    const id = await alice.makes({ kind: 'sell', amount: 100_000n, fiatAmount: 100n })
    const take = await costOf(bob, 'take-sell', { id, tradeIndex: bob.nextKey() })
    expect(take).toEqual({ author: bob.pubkey(), checks: once, secretsWith: [bob.pubkey()] })
    const request = bob.wallet.invoice({ amountMsat: satsToMsat(99_700), expiryS: 86_400 })
    const invoice = await costOf(bob, 'add-invoice', { id, payload: paymentRequest(request) })
    expect(invoice).toEqual({ author: bob.pubkey(), checks: once, secretsWith: [] })
  })

  test('when an order is taken over transport 1, whose outer keys never return', async () => {
    const bob = world.trader('bob', { transport: 1 })
    const id = await alice.makes({ kind: 'sell', amount: 100_000n, fiatAmount: 100n })
    const take = await costOf(bob, 'take-sell', { id, tradeIndex: bob.nextKey() })
    expect(take).toMatchObject({ checks: once, secretsWith: [take.author, bob.identity, bob.pubkey()] })
    const request = bob.wallet.invoice({ amountMsat: satsToMsat(99_700), expiryS: 86_400 })
    const invoice = await costOf(bob, 'add-invoice', { id, payload: paymentRequest(request) })
    expect(invoice).toMatchObject({ checks: once, secretsWith: [invoice.author] })
    expect(invoice.author).not.toBe(take.author)
  })
})
