/** LND's messages in the words of the port. All of them throw on what they can not read; verbs catch that. */
import { createHash } from 'node:crypto'
import { assert } from '../../core/assert.ts'
import { type Msat, msat } from '../../core/money.ts'
import type { HoldFact, Network, NodeInfo, PaymentFact, PaymentFailure, PaymentRecord } from '../../ports/lightning.ts'
import type { GetInfoResponse, Int64, ListedInvoice, PaymentMessage } from './messages.ts'

const NETWORKS: ReadonlyMap<string, Network> = new Map([
  ['mainnet', 'mainnet'],
  ['testnet', 'testnet'],
  ['testnet4', 'testnet'],
  ['signet', 'signet'],
  ['regtest', 'regtest'],
  ['simnet', 'simnet'],
])

export function nodeInfoOf(message: GetInfoResponse): NodeInfo {
  const name = message.chains[0]?.network ?? ''
  const network = NETWORKS.get(name)
  assert(network !== undefined, `LND is on a network that fianza does not know: "${name}"`)
  assert(/^0[23][0-9a-f]{64}$/.test(message.identity_pubkey), 'LND gave no identity key')
  return {
    pubkey: message.identity_pubkey,
    network,
    alias: message.alias,
    version: message.version,
    commitHash: message.commit_hash,
    uris: [...message.uris],
    blockHeight: message.block_height,
    syncedToChain: message.synced_to_chain,
  }
}

const HOLD_STATES: ReadonlyMap<string, HoldFact['state']> = new Map([
  ['OPEN', 'open'],
  ['ACCEPTED', 'accepted'],
  ['SETTLED', 'settled'],
  ['CANCELED', 'canceled'],
])

/** money-path.md 1.5. HTLCs that are given back already do not limit the hold. */
export function holdFactOf(message: ListedInvoice): HoldFact {
  const state = HOLD_STATES.get(message.state)
  assert(state !== undefined, `an invoice in a state that fianza does not know: "${message.state}"`)
  assert(message.r_hash.length === 32, 'an invoice without a payment hash')
  const heights = message.htlcs.filter(({ state: of }) => of === 'ACCEPTED').map(({ expiry_height }) => expiry_height)
  return {
    hash: Buffer.from(message.r_hash).toString('hex'),
    state,
    request: message.payment_request,
    amountMsat: msatOf(message.value_msat),
    receivedMsat: msatOf(message.amt_paid_msat),
    cltvDelta: integer(message.cltv_expiry),
    memo: message.memo,
    expiresAt: integer(message.creation_date) + integer(message.expiry),
    minHtlcHeight: heights.length === 0 ? null : Math.min(...heights),
    settleIndex: state === 'settled' ? integer(message.settle_index) : null,
  }
}

const FAILURES: ReadonlyMap<string, PaymentFailure> = new Map([
  ['FAILURE_REASON_NONE', 'error'],
  ['FAILURE_REASON_TIMEOUT', 'timeout'],
  ['FAILURE_REASON_NO_ROUTE', 'no-route'],
  ['FAILURE_REASON_ERROR', 'error'],
  ['FAILURE_REASON_INCORRECT_PAYMENT_DETAILS', 'incorrect-details'],
  ['FAILURE_REASON_INSUFFICIENT_BALANCE', 'insufficient-balance'],
  ['FAILURE_REASON_CANCELED', 'canceled'],
])

/**
 * One payment, of this hash. A success counts only with the preimage of the hash: a message that claims one without it
 * is unreadable, never a success (money-path.md 1.7). A reason that is new to us is nobody's fault but the node's.
 */
export function paymentFactOf(message: PaymentMessage, hash: string): PaymentFact {
  assert(message.payment_hash === hash, `LND answered about another payment: ${message.payment_hash}`)
  switch (message.status) {
    case 'INITIATED':
    case 'IN_FLIGHT':
      return { state: 'alive' }
    case 'SUCCEEDED':
      assert(provesHash(message.payment_preimage, hash), `LND claims success of ${hash} with a preimage that is wrong`)
      return {
        state: 'succeeded',
        preimage: message.payment_preimage,
        feeMsat: msatOf(message.fee_msat),
        amountMsat: msatOf(message.value_msat),
      }
    case 'FAILED':
      return {
        state: 'failed',
        reason: FAILURES.get(message.failure_reason) ?? 'error',
        tried: message.htlcs.length > 0,
        startedAtMs: milliseconds(message.creation_time_ns),
      }
    default:
      assert(false, `a payment in a state that fianza does not know: "${message.status}"`)
  }
}

const RECORD_STATES: ReadonlyMap<string, PaymentRecord['status']> = new Map([
  ['INITIATED', 'alive'],
  ['IN_FLIGHT', 'alive'],
  ['SUCCEEDED', 'succeeded'],
  ['FAILED', 'failed'],
])

export function paymentRecordOf(message: PaymentMessage): PaymentRecord {
  const status = RECORD_STATES.get(message.status)
  assert(status !== undefined, `a payment in a state that fianza does not know: "${message.status}"`)
  return { hash: message.payment_hash, createdAtMs: milliseconds(message.creation_time_ns), status }
}

/** Whether sha256(preimage) is the hash; both in hex. */
function provesHash(preimageHex: string, hashHex: string): boolean {
  return isHash(preimageHex) && hashOf(preimageHex) === hashHex
}

/** The payment hash of a preimage, both in hex. */
export function hashOf(preimageHex: string): string {
  return createHash('sha256').update(hexBytes(preimageHex)).digest('hex')
}

/** 32 bytes in lower-case hex: a hash or a preimage. */
export function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

export function hexBytes(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex')
}

export function msatOf(amount: Int64): Msat {
  return msat(integer(amount))
}

function milliseconds(nanoseconds: string): number {
  assert(/^\d{1,20}$/.test(nanoseconds), `not a time: "${nanoseconds}"`)
  return Number(BigInt(nanoseconds) / 1_000_000n)
}

function integer(from: Int64): number {
  const value = Number(from)
  const isWhole = typeof from === 'string' ? /^\d+$/.test(from) : value >= 0
  assert(isWhole && Number.isSafeInteger(value), `not a whole number: "${from}"`)
  return value
}
