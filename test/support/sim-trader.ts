/** A trader on virtual time: keys, a wallet, an inbox. Sends what a client would, and keeps every answer. */
import type { Action, Message, NostrEvent, Payload, SmallOrder, Transport } from '../../src/core/protocol.ts'
import type { SimWallet } from '../../src/sandbox/lightning/control.ts'
import { isPublicKey } from '../../src/wire/curves.ts'
import { openFromNode, wrapForNode } from '../../src/wire/transport.ts'
import type { EngineWorld } from './engine-world.ts'
import { seededRandom } from './random.ts'
import { TraderLine } from './trader-line.ts'

export type Heard = {
  readonly message: Message
  readonly createdAtS: number
  readonly eventId: string
  readonly keyIndex: number
}

export type SendOptions = {
  readonly id?: string | null
  readonly payload?: Payload | null
  readonly requestId?: bigint | null
  readonly tradeIndex?: number | null
  readonly key?: number
  readonly transport?: Transport
  readonly fullPrivacy?: boolean
  readonly createdAtS?: number
  readonly pow?: number
}

export class SimTrader {
  readonly name: string
  readonly wallet: SimWallet
  readonly heard: Heard[] = []
  readonly #world: EngineWorld
  readonly #random
  readonly #transport: Transport
  readonly #keys: Uint8Array[] = []
  readonly #identity: Uint8Array
  readonly #lines: readonly TraderLine[]
  readonly #seen = new Set<string>()
  readonly #pubkeys: string[] = []
  /** the key of the present trade */
  key = 0
  /** called with every message after it was heard; a simulated person reacts here */
  onHeard: (heard: Heard) => void = () => undefined

  constructor(world: EngineWorld, name: string, wallet: SimWallet, transport: Transport) {
    this.#world = world
    this.name = name
    this.wallet = wallet
    this.#transport = transport
    this.#random = seededRandom([...name].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 17))
    this.#identity = this.#random.bytes(32)
    const { clock, relayNet } = world
    const onEvent = (event: NostrEvent) => this.#hear(event)
    this.#lines = world.relays.map(
      ({ url }) => new TraderLine({ url, clock, openSocket: relayNet.openSocket, onEvent }),
    )
    this.listen(1)
  }

  /** Trade keys start at 1; index 0 is the identity. */
  secretKey(index: number): Uint8Array {
    while (this.#keys.length <= index) {
      let key = this.#random.bytes(32)
      // Stand-in keys lie on the curve by chance only; the key of a next trade is checked for it.
      if (this.#keys.length >= 2) while (!isPublicKey(this.#world.curves.publicKey(key))) key = this.#random.bytes(32)
      this.#keys.push(key)
    }
    const key = this.#keys[index]
    if (key === undefined) throw new Error('no such key')
    return key
  }

  pubkey(index = this.key): string {
    const known = this.#pubkeys[index]
    if (known !== undefined) return known
    const pubkey = this.#world.curves.publicKey(this.secretKey(index))
    this.#pubkeys[index] = pubkey
    return pubkey
  }

  get identity(): string {
    return this.#world.curves.publicKey(this.#identity)
  }

  /** Uses the next trade key from now on and listens to it. */
  nextKey(): number {
    this.key += 1
    this.listen(this.key)
    return this.key
  }

  /** Listens to a key, and to all below. */
  listen(index: number): void {
    const pubkeys = Array.from({ length: index }, (_, n) => this.pubkey(n + 1))
    for (const line of this.#lines) line.listen(pubkeys)
  }

  #hear(event: NostrEvent): void {
    if (this.#seen.has(event.id)) return
    this.#seen.add(event.id)
    for (let index = 1; index <= Math.max(this.key, 1); index += 1) {
      if (!event.tags.some((t) => t[0] === 'p' && t[1] === this.pubkey(index))) continue
      const opened = openFromNode(event, this.secretKey(index), this.#world.nodePubkey, { curves: this.#world.curves })
      if (opened.ok) {
        const heard = { ...opened.value, eventId: event.id, keyIndex: index }
        this.heard.push(heard)
        this.onHeard(heard)
      } else throw new Error(`${this.name} can not open an event of the node: ${JSON.stringify(opened.error)}`)
    }
  }

  /** Wraps a message without sending it. */
  wrap(action: Action, options: SendOptions = {}): NostrEvent {
    const message: Message = {
      outer: action === 'restore-session' || action === 'last-trade-index' ? 'restore' : 'order',
      version: 2,
      requestId: options.requestId ?? null,
      tradeIndex: options.tradeIndex == null ? null : BigInt(options.tradeIndex),
      id: options.id ?? null,
      action,
      payload: options.payload ?? null,
    }
    return this.wrapMessage(message, options)
  }

  /** Wraps a message as it is, whatever it says. */
  wrapMessage(message: Message, options: SendOptions = {}): NostrEvent {
    return wrapForNode({
      transport: options.transport ?? this.#transport,
      message,
      tradeSecretKey: this.secretKey(options.key ?? this.key),
      identitySecretKey: options.fullPrivacy === true ? null : this.#identity,
      nodePubkey: this.#world.nodePubkey,
      createdAtS: options.createdAtS ?? Math.floor(this.#world.clock.nowMs() / 1000),
      pow: options.pow ?? 0,
      random: (n) => this.#random.bytes(n),
      curves: this.#world.curves,
    })
  }

  /** Publishes an event to every relay; what a relay answers does not matter here. */
  publish(event: NostrEvent): void {
    for (const line of this.#lines) line.publish(event)
  }

  /** Sends a message; answers its request id. */
  send(action: Action, options: SendOptions = {}): bigint {
    const requestId = options.requestId === undefined ? this.#requestId() : (options.requestId ?? 0n)
    this.publish(this.wrap(action, { ...options, requestId: options.requestId === null ? null : requestId }))
    return requestId
  }

  #requestId(): bigint {
    return this.#random.bytes(8).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  }

  /** The messages of one action, about one order if given. */
  all(action: Action, orderId?: string): readonly Message[] {
    return this.heard
      .map((h) => h.message)
      .filter((m) => m.action === action && (orderId === undefined || m.id === orderId))
  }

  /** Waits on virtual time for the n-th message of an action. */
  async hears(action: Action, orderId?: string, nth = 1, limitMs = 120_000): Promise<Message> {
    await this.#world.until(
      () => this.all(action, orderId).length >= nth,
      `${this.name} hears ${action} (heard ${this.actions().join(', ')})`,
      limitMs,
    )
    const message = this.all(action, orderId)[nth - 1]
    if (message === undefined) throw new Error('gone')
    return message
  }

  /** Waits for the answer to a request. */
  async answer(requestId: bigint, limitMs = 60_000): Promise<Message> {
    const find = () => this.heard.map((h) => h.message).find((m) => m.requestId === requestId)
    await this.#world.until(
      () => find() !== undefined,
      `${this.name} is answered (heard ${this.actions().join(', ')})`,
      limitMs,
    )
    const message = find()
    if (message === undefined) throw new Error('gone')
    return message
  }

  /** Actions heard so far, in order. */
  actions(): readonly string[] {
    return this.heard.map((h) => {
      const { action, payload } = h.message
      return payload?.kind === 'cant_do' ? `${action}:${payload.reason}` : action
    })
  }

  /** Makes an order and answers its id. */
  async makes(order: Partial<SmallOrder> & Pick<SmallOrder, 'kind'>, options: SendOptions = {}): Promise<string> {
    const tradeIndex = options.key ?? this.nextKey()
    const requestId = this.send('new-order', {
      payload: { kind: 'order', order: smallOrder(order) },
      tradeIndex,
      ...options,
    })
    const answer = await this.answer(requestId)
    if (answer.action !== 'new-order' || answer.id === null)
      throw new Error(`no order: ${JSON.stringify(answer.payload)}`)
    return answer.id
  }

  /** Takes an order; answers the request id. */
  takes(action: 'take-sell' | 'take-buy', id: string, options: SendOptions = {}): bigint {
    const tradeIndex = options.key ?? this.nextKey()
    return this.send(action, { id, tradeIndex, ...options })
  }

  /** As a person who opens the app again: connects anew, and hears what was missed. */
  refresh(): void {
    for (const line of this.#lines) line.reopen()
  }

  /** Hears and sends nothing any more. */
  close(): void {
    for (const line of this.#lines) line.close()
  }
}

/** An order's payload with defaults. */
export function smallOrder(order: Partial<SmallOrder> & Pick<SmallOrder, 'kind'>): SmallOrder {
  return {
    id: null,
    status: 'pending',
    amount: 0n,
    fiatCode: 'USD',
    minAmount: null,
    maxAmount: null,
    fiatAmount: 50n,
    paymentMethod: 'face to face',
    premium: 0n,
    buyerTradePubkey: null,
    sellerTradePubkey: null,
    buyerInvoice: null,
    createdAt: 0n,
    expiresAt: null,
    ...order,
  }
}

/** A buyer's invoice as a payload. */
export const paymentRequest = (request: string, amount: bigint | null = null): Payload => ({
  kind: 'payment_request',
  order: null,
  request,
  amount,
})

/** The bolt11 that a pay-invoice message carries. */
export function bolt11Of(message: Message): string {
  if (message.payload?.kind !== 'payment_request') throw new Error('no payment request')
  return message.payload.request
}
