/** Traders' requests, made and signed before any clock runs. */
import { randomBytes } from 'node:crypto'
import type { Action, OrderKind, Payload } from '../../src/core/protocol.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { wrapForNode } from '../../src/wire/transport.ts'

export type Key = { readonly secretKey: Uint8Array; readonly pubkey: string }

export type Request = {
  /** what goes over the wire */
  readonly frame: string
  readonly requestId: bigint
  readonly key: Key
  /** the action that answers it; any other answer is wrong */
  readonly answer: Action
}

export const newKey = (): Key => {
  const secretKey = new Uint8Array(randomBytes(32))
  return { secretKey, pubkey: portableCurves.publicKey(secretKey) }
}

/** A trader with a reputation: one identity, one trade key. */
export type Taker = { readonly identity: Key; readonly key: Key }
export const newTaker = (): Taker => ({ identity: newKey(), key: newKey() })

type Draft = {
  readonly action: Action
  readonly answer: Action
  readonly key: Key
  readonly identity?: Key
  readonly id?: string
  readonly payload?: Payload
  readonly tradeIndex?: bigint
}

/** Makes requests for one node. */
export class RequestMaker {
  readonly #nodePubkey: string

  constructor(nodePubkey: string) {
    this.#nodePubkey = nodePubkey
  }

  /** Sats for fiat at a fixed price, by a maker in full privacy. */
  newOrder(maker: Key, kind: OrderKind): Request {
    return this.#make({
      action: 'new-order',
      answer: 'new-order',
      key: maker,
      payload: { kind: 'order', order: { ...ORDER, kind } },
    })
  }

  /** A seller takes a buy order: the answer holds an invoice that LND has to make. */
  takeBuy({ key, identity }: Taker, orderId: string): Request {
    return this.#make({ action: 'take-buy', answer: 'pay-invoice', key, identity, id: orderId, tradeIndex: 1n })
  }

  cancel({ key, identity }: Taker, orderId: string): Request {
    return this.#make({ action: 'cancel', answer: 'canceled', key, identity, id: orderId })
  }

  /** A maker asks for his own order. */
  orders(maker: Key, orderId: string): Request {
    return this.#make({ action: 'orders', answer: 'orders', key: maker, payload: { kind: 'ids', ids: [orderId] } })
  }

  #make({ action, answer, key, identity, id, payload, tradeIndex }: Draft): Request {
    const requestId = randomBytes(8).readBigUInt64BE()
    const event = wrapForNode({
      transport: 2,
      message: {
        outer: 'order',
        version: 2,
        requestId,
        tradeIndex: tradeIndex ?? null,
        id: id ?? null,
        action,
        payload: payload ?? null,
      },
      tradeSecretKey: key.secretKey,
      identitySecretKey: identity?.secretKey ?? null,
      nodePubkey: this.#nodePubkey,
      createdAtS: Math.floor(Date.now() / 1000),
      pow: 0,
      random: (bytes) => new Uint8Array(randomBytes(bytes)),
    })
    return { frame: JSON.stringify(['EVENT', event]), requestId, key, answer }
  }
}

const ORDER = {
  id: null,
  status: 'pending',
  amount: 10_000n,
  fiatCode: 'USD',
  minAmount: null,
  maxAmount: null,
  fiatAmount: 5n,
  paymentMethod: 'bank transfer',
  premium: 0n,
  buyerTradePubkey: null,
  sellerTradePubkey: null,
  buyerInvoice: null,
  createdAt: 0n,
  expiresAt: null,
} as const
