import { NostrRelays } from '../../src/adapters/nostr/nostr-relays.ts'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { systemRandom } from '../../src/adapters/system/random.ts'
import type { EventTemplate, InboundMessage, Message, NostrEvent, Transport } from '../../src/core/protocol.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { leadingZeroBits, signEvent, verifyEvent } from '../../src/wire/event.ts'
import { serializeMessage } from '../../src/wire/message.ts'
import { ConversationKeyCache } from '../../src/wire/nip44.ts'
import { infoEvent, type PublicInfo } from '../../src/wire/public-events.ts'
import { KIND_DIRECT, KIND_GIFT_WRAP, openInbound, wrapForTrader } from '../../src/wire/transport.ts'
import { eventually } from '../support/wait.ts'
import { nodeKey } from '../support/wire-keys.ts'

/** A request as the node read it. */
export type Asked = InboundMessage & { readonly event: NostrEvent }

/** What an answer has; absent means: echoed from the request, version and transport included. */
export type Said = Partial<Message> & Pick<Message, 'action'>

/** A node without a mind: it records what it is asked, and says what the test makes it say. */
export class ScriptedNode {
  readonly asked: Asked[] = []
  /** what it says to a request at once */
  answer: (asked: Asked) => readonly Said[] = () => []
  readonly #relays: NostrRelays
  readonly #errors: unknown[] = []

  private constructor(urls: readonly string[]) {
    this.#relays = new NostrRelays({ urls, clock: systemClock, random: systemRandom })
    this.#relays.open(
      { kinds: [KIND_DIRECT, KIND_GIFT_WRAP], '#p': [nodeKey.pubkey] },
      { onEvent: (event) => this.#receive(event), onUp: () => {}, onDown: () => {} },
    )
  }

  static async start(...urls: readonly string[]): Promise<ScriptedNode> {
    const node = new ScriptedNode(urls)
    await eventually(() => node.#relays.connected().length === urls.length, 'the node to be connected')
    return node
  }

  /** Sends a message to a trade key; fields that are absent are those of an unsolicited one. */
  async say(
    to: string,
    said: Said,
    { transport = 2, createdAtS }: { transport?: Transport; createdAtS?: number } = {},
  ): Promise<NostrEvent> {
    const message: Message = {
      outer: 'order',
      version: transport,
      requestId: null,
      tradeIndex: null,
      id: null,
      payload: null,
      ...said,
    }
    const nowS = createdAtS ?? Math.floor(systemClock.nowMs() / 1000)
    const event = wrapForTrader({
      ...nodeKey,
      curves: portableCurves,
      keys: new ConversationKeyCache(),
      transport,
      body: serializeMessage(message),
      recipient: to,
      createdAtS: nowS,
      expirationS: nowS + 3600,
      derive: () => systemRandom.bytes(32),
    })
    await this.publish(event)
    return event
  }

  /** Publishes what the node shows to everybody. */
  async announce(template: EventTemplate): Promise<NostrEvent> {
    const event = signEvent(template, nodeKey.secretKey, nodeKey.pubkey, new Uint8Array(32), portableCurves)
    await this.publish(event)
    return event
  }

  async publish(event: NostrEvent): Promise<void> {
    await Promise.all(this.#relays.urls().map((url) => this.#relays.publish(url, event, 5_000)))
  }

  /** The last request; its canonical text is what was signed. */
  get lastAsked(): Asked {
    const asked = this.asked.at(-1)
    if (asked === undefined) throw new Error('the node was asked nothing')
    return asked
  }

  /** Ends it. Rejects with what went wrong while it answered. */
  async close(): Promise<void> {
    await this.#relays.close()
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'the node could not answer')
  }

  #receive(event: NostrEvent): void {
    if (!verifyEvent(event, portableCurves)) throw new Error('a request with a false signature')
    const opened = openInbound(event, { ...nodeKey, curves: portableCurves, keys: new ConversationKeyCache() })
    if (!opened.ok) throw new Error(`a request that cannot be opened: ${opened.error.stage}, ${opened.error.why}`)
    const asked = { ...opened.value, event }
    this.asked.push(asked)
    for (const said of this.answer(asked)) {
      const { requestId, tradeIndex, id } = asked.message
      const { transport } = asked
      this.say(asked.sender, { requestId, tradeIndex, id, ...said }, { transport }).catch((error: unknown) =>
        this.#errors.push(error),
      )
    }
  }
}

export const bitsOf = (event: NostrEvent): number => leadingZeroBits(event.id)

const INFO: PublicInfo = {
  version: 'fianza/0.1.0',
  commitHash: '',
  maxOrderSats: 1_000_000,
  minOrderSats: 100,
  expirationHours: 24,
  expirationSeconds: 900,
  fiatCurrencies: ['USD', 'EUR'],
  maxOrdersPerResponse: 50,
  fee: 0.006,
  pow: 0,
  powFirstContact: 0,
  transport: 2,
  holdInvoiceWindowS: 900,
  invoiceWindowS: 900,
  holdInvoiceCltvDelta: 144,
  lightning: null,
  bonds: null,
}

/** An info event that says only what matters to a test. */
export const announcement = (differs: Partial<PublicInfo> = {}, createdAtS = 1_785_000_000): EventTemplate =>
  infoEvent({ ...INFO, ...differs }, { pubkey: nodeKey.pubkey, instanceName: null }, createdAtS)
