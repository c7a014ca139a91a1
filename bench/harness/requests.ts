/** Traders' requests, made and signed before any clock runs. */
import { randomBytes } from 'node:crypto'
import type { Action, OrderKind, Payload, Transport } from '../../src/core/protocol.ts'
import { wrapForNode } from '../../src/wire/transport.ts'
import { curves } from './curves.ts'

export type Key = { readonly secretKey: Uint8Array; readonly pubkey: string }

export type Request = {
  /** what goes over the wire */
  readonly frame: string
  readonly requestId: bigint
  readonly key: Key
  /** the actions that may answer it; any other answer is wrong */
  readonly answers: readonly Action[]
  /** who else must hear of it, if it succeeds, and what */
  readonly tells: { readonly key: Key; readonly action: Action; readonly id: string } | null
}

export const newKey = (): Key => {
  const secretKey = new Uint8Array(randomBytes(32))
  return { secretKey, pubkey: curves.publicKey(secretKey) }
}

/** A trader with a reputation: one identity, one trade key. */
export type Trader = { readonly identity: Key; readonly key: Key }
export const newTrader = (): Trader => ({ identity: newKey(), key: newKey() })

/** An order in the book. */
export type Made = { readonly id: string; readonly maker: Key }

type Draft = {
  readonly action: Action
  readonly answers: readonly Action[]
  readonly key: Key
  readonly identity?: Key
  readonly id?: string
  readonly payload?: Payload
  readonly tradeIndex?: bigint
  readonly tells?: Request['tells']
}

export type RequestOptions = {
  readonly transport: Transport
  /** leading zero bits that the node asks for */
  readonly pow: number
  /** how far the traders' clocks are ahead, in seconds; a daemon allows ten minutes */
  readonly aheadS: number
  /** over how many seconds of their clocks the requests are spread: a relay shows only so many of one second */
  readonly spreadS: number
}

/** Makes requests for one node. */
export class RequestMaker {
  readonly #nodePubkey: string
  readonly #options: RequestOptions
  #made = 0

  constructor(nodePubkey: string, options: Partial<RequestOptions> = {}) {
    this.#nodePubkey = nodePubkey
    this.#options = { transport: 2, pow: 0, aheadS: 0, spreadS: 1, ...options }
  }

  /** Sats for fiat at a fixed price, by a maker in full privacy, or with an identity. */
  newOrder(maker: Key, kind: OrderKind, identity?: Key): Request {
    return this.#make({
      action: 'new-order',
      answers: ['new-order'],
      key: maker,
      ...(identity === undefined ? {} : { identity, tradeIndex: 1n }),
      payload: { kind: 'order', order: { ...ORDER, kind } },
    })
  }

  /** A buyer who wants his sats sent to a Lightning address that cannot be reached: refused, in whatever words. */
  newOrderToNowhere(maker: Key, address: string): Request {
    return this.#make({
      action: 'new-order',
      answers: ['cant-do'],
      key: maker,
      payload: { kind: 'order', order: { ...ORDER, kind: 'buy', buyerInvoice: address } },
    })
  }

  /** A seller takes a buy order: the answer holds an invoice that LND has to make. */
  takeBuy({ key, identity }: Trader, { id, maker }: Made): Request {
    const tells = { key: maker, action: 'waiting-seller-to-pay', id } as const
    return this.#make({ action: 'take-buy', answers: ['pay-invoice'], key, identity, id, tradeIndex: 1n, tells })
  }

  /** A buyer takes a sell order: he is asked where his sats should go, and LND has nothing to do yet. */
  takeSell({ key, identity }: Trader, { id, maker }: Made): Request {
    const tells = { key: maker, action: 'waiting-buyer-invoice', id } as const
    return this.#make({ action: 'take-sell', answers: ['add-invoice'], key, identity, id, tradeIndex: 1n, tells })
  }

  /** One of many who want the same order: the first is asked for his invoice, all others are refused. */
  raceForSell({ key, identity }: Trader, { id }: Made): Request {
    return this.#make({ action: 'take-sell', answers: ['add-invoice', 'cant-do'], key, identity, id, tradeIndex: 1n })
  }

  cancel({ key, identity }: Trader, orderId: string): Request {
    return this.#make({ action: 'cancel', answers: ['canceled'], key, identity, id: orderId })
  }

  /** A maker asks for his own order. */
  orders(maker: Key, orderId: string): Request {
    return this.#make({ action: 'orders', answers: ['orders'], key: maker, payload: { kind: 'ids', ids: [orderId] } })
  }

  /** A buyer says that he has sent the fiat of an order that is active. */
  fiatSent(buyer: Key, orderId: string): Request {
    return this.#make({ action: 'fiat-sent', answers: ['fiat-sent-ok'], key: buyer, id: orderId })
  }

  #make({ action, answers, key, identity, id, payload, tradeIndex, tells }: Draft): Request {
    const requestId = randomBytes(8).readBigUInt64BE()
    const event = wrapForNode({
      transport: this.#options.transport,
      message: {
        outer: 'order',
        version: this.#options.transport,
        requestId,
        tradeIndex: tradeIndex ?? null,
        id: id ?? null,
        action,
        payload: payload ?? null,
      },
      tradeSecretKey: key.secretKey,
      identitySecretKey: identity?.secretKey ?? null,
      nodePubkey: this.#nodePubkey,
      createdAtS: Math.floor(Date.now() / 1000) + this.#options.aheadS - (this.#made++ % this.#options.spreadS),
      pow: this.#options.pow,
      random: (bytes) => new Uint8Array(randomBytes(bytes)),
      curves,
    })
    return { frame: JSON.stringify(['EVENT', event]), requestId, key, answers, tells: tells ?? null }
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
