/** What the tests of the model share. */
import { createHash } from 'node:crypto'
import { afterEach } from 'vitest'
import { satsToMsat } from '../../../src/core/money.ts'
import type { SimConfig } from '../../../src/sandbox/lightning/control.ts'
import type { SendRequest } from '../../../src/sandbox/lightning/lnd.ts'
import { statusOf } from '../../../src/sandbox/lightning/model/payer.ts'
import { createSimNetwork, type Network } from '../../../src/sandbox/lightning/network.ts'
import { RpcError } from '../../../src/sandbox/lightning/rpc-error.ts'
import { TestClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'

export const AMOUNT_MSAT = satsToMsat(50_000)
export const FUNDING_MSAT = satsToMsat(10_000_000)
/** What most holds of the tests are settled with. */
export const PREIMAGE = preimageOf(1)
export const HASH = hashOf(PREIMAGE)

export function preimageOf(n: number): string {
  return n.toString(16).padStart(64, '0')
}

export function hashOf(preimage: string): string {
  return createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex')
}

const opened: Network[] = []
afterEach(() => {
  for (const network of opened.splice(0)) network.close()
})

/** A network with two wallets on a clock that stands still; closed after the test. */
export function world(config: Partial<SimConfig> = {}, seed = 11) {
  const clock = new TestClock()
  const network = createSimNetwork({ clock, random: seededRandom(seed), config })
  opened.push(network)
  const alice = network.addWallet('alice', FUNDING_MSAT)
  const bob = network.addWallet('bob', FUNDING_MSAT)
  return { clock, network, alice, bob }
}

/** Adds a hold of the node over the usual amount; returns its request. */
export function addHold(network: Network, preimage = PREIMAGE, expiryS = 900): string {
  const { request } = network.lnd.addHoldInvoice({
    hash: hashOf(preimage),
    memo: 'escrow',
    descriptionHash: null,
    valueMsat: AMOUNT_MSAT,
    expiryS,
    cltvDelta: 144,
  })
  return request
}

/** Sends a payment of the node and collects what its stream says. */
export function send(network: Network, request: string, changes: Partial<SendRequest> = {}) {
  const seen: string[] = []
  network.lnd.sendPayment(
    {
      request,
      amountMsat: 0,
      feeLimitMsat: 100_000,
      timeoutS: 60,
      maxParts: 16,
      cltvLimit: 1008,
      allowSelfPayment: false,
      cancelable: false,
      noInflightUpdates: false,
      ...changes,
    },
    { next: (payment) => seen.push(statusOf(payment)), end: () => seen.push('end') },
  )
  return seen
}

/** Code and text of what a call throws; null when it passes. */
export function refusal(call: () => unknown): readonly [number, string] | null {
  try {
    call()
    return null
  } catch (error) {
    if (error instanceof RpcError) return [error.code, error.details]
    throw error
  }
}
