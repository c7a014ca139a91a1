/**
 * The acceptance tests' own trader. It shares no code with what it tests: events, encryption and keys come from
 * published libraries, JSON from a reader of its own, and every message of the node is held to what deployed clients
 * accept (wire.md 9). What they would refuse fails the test with the client's name and the rule.
 */
import { randomBytes } from 'node:crypto'
import { HDKey } from '@scure/bip32'
import { generateMnemonic, mnemonicToSeedSync } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { getPublicKey, type NostrEvent, verifyEvent } from 'nostr-tools/pure'
import { isObject, type Json, parseJson, plain, writeJson } from './trader-json.ts'
import { TraderRelay, type Verdict } from './trader-relay.ts'
import {
  judgeAnswer,
  judgeMessage,
  judgePublicEvent,
  STRICT_CLIENTS,
  type StrictClient,
  type Violation,
} from './trader-strictness.ts'
import { type Key, open, wrap } from './trader-wire.ts'

const DEADLINE_MS = 10_000
/** Keys that are listened to from the start: the identity key and the first trade keys. */
const LISTENED_KEYS = 40
const PUBLIC_KINDS = [0, 8383, 10002, 30078, 38383, 38384, 38385, 38386]

export type Transport = 1 | 2

export type TraderOptions = {
  readonly relayUrls: readonly string[]
  readonly nodePubkey: string
  /** a new one when absent */
  readonly mnemonic?: string
  /** 2 when absent */
  readonly transport?: Transport
  /** `reputation` when absent */
  readonly privacy?: 'reputation' | 'full'
  /** whose rules are enforced; all when absent */
  readonly strictAs?: readonly StrictClient[]
  /** leading zero bits of every event; 0 when absent */
  readonly pow?: number
  /** unix seconds by which requests are dated; the host's clock when absent */
  readonly nowS?: () => number
}

export type SendOptions = {
  readonly id?: string
  readonly payload?: Json
  /** a random u64 when absent; null: none */
  readonly requestId?: bigint | null
  /** what the message names; when absent, the key's index on `new-order` and takes in reputation mode, else null */
  readonly tradeIndex?: bigint | number | null
  /** index of the trade key that signs; 1 when absent */
  readonly key?: number
  /** outer key; as mostro-cli chooses it when absent */
  readonly outer?: string
  readonly transport?: Transport
  /** inner version; that of the transport when absent */
  readonly version?: number
  /** inner time, unix seconds; now when absent */
  readonly createdAtS?: number
}

/** A request on its way: what was asked, and the event that asks it. */
export type Sent = {
  readonly action: string
  readonly id: string | null
  readonly requestId: bigint | null
  readonly key: Key
  readonly transport: Transport
  /** the canonical message, outer key included */
  readonly json: string
  readonly event: NostrEvent
  /** how many messages had come before */
  readonly after: number
}

/** A message of the node. Whole numbers in the payload are bigint. */
export type Heard = {
  /** counted from 0, over all keys, in the order of arrival */
  readonly number: number
  readonly outer: string
  readonly action: string
  readonly id: string | null
  readonly requestId: bigint | null
  readonly tradeIndex: bigint | null
  readonly payload: Json
  /** index of the key that it came to */
  readonly key: number
  readonly transport: Transport
  readonly createdAtS: number
  readonly event: NostrEvent
}

type Wait = { readonly look: () => boolean; readonly fail: (error: Error) => void }

const hostNowS = (): number => Math.floor(Date.now() / 1000)

/** What stands at a path of keys and indexes; undefined when there is nothing. */
export function at(value: Json, ...path: readonly (string | number)[]): Json | undefined {
  let here: Json | undefined = value
  for (const step of path) {
    if (Array.isArray(here) && typeof step === 'number') here = here[step]
    else if (isObject(here)) here = here[step]
    else return undefined
  }
  return here
}

export class Trader {
  readonly mnemonic: string
  readonly #options: TraderOptions
  readonly #account: HDKey
  readonly #keys = new Map<number, Key>()
  readonly #byPubkey = new Map<string, Key>()
  readonly #relays: TraderRelay[] = []
  readonly #seen = new Set<string>()
  readonly #heard: Heard[] = []
  #unread: readonly Heard[] = []
  readonly #public = new Map<string, NostrEvent>()
  readonly #publicLog: NostrEvent[] = []
  #violations: readonly string[] = []
  #waits: readonly Wait[] = []

  private constructor(options: TraderOptions) {
    this.#options = options
    this.mnemonic = options.mnemonic ?? generateMnemonic(wordlist)
    this.#account = HDKey.fromMasterSeed(mnemonicToSeedSync(this.mnemonic)).derive("m/44'/1237'/38383'/0")
    for (let index = 0; index < LISTENED_KEYS; index++) this.#byPubkey.set(this.key(index).pubkey, this.key(index))
  }

  /** Connects to every relay and listens. */
  static async connect(options: TraderOptions): Promise<Trader> {
    const trader = new Trader(options)
    const filters = [
      { kinds: [14, 1059], '#p': [...trader.#byPubkey.keys()] },
      { kinds: PUBLIC_KINDS, authors: [options.nodePubkey] },
    ]
    for (const url of options.relayUrls) {
      trader.#relays.push(await TraderRelay.open(url, filters, (event) => trader.#receive(event)))
    }
    return trader
  }

  /** A key by its index: 0 is the identity, others are trade keys. */
  key(index: number): Key {
    const known = this.#keys.get(index)
    if (known !== undefined) return known
    const { privateKey: secretKey } = this.#account.deriveChild(index)
    if (secretKey === null) throw new Error('no secret key')
    const key = { index, secretKey, pubkey: getPublicKey(secretKey) }
    this.#keys.set(index, key)
    return key
  }

  /** Signs and encrypts a request without publishing it, to tamper with the event or keep it for later. */
  async prepare(action: string, options: SendOptions = {}): Promise<Sent> {
    const { id = null, payload = null, requestId = randomBytes(8).readBigUInt64BE() } = options
    const { transport = this.#options.transport ?? 2, version = transport } = options
    const key = this.key(options.key ?? 1)
    const isRestore = action === 'restore-session' || action === 'last-trade-index'
    const begins = ['new-order', 'take-sell', 'take-buy'].includes(action)
    const namedIndex = begins && this.#options.privacy !== 'full' ? key.index : null
    const { tradeIndex = namedIndex, outer = isRestore ? 'restore' : 'order' } = options
    const inner: { [name: string]: Json } = { version, request_id: requestId, trade_index: tradeIndex }
    if (id !== null) inner['id'] = id
    const json = writeJson({ [outer]: { ...inner, action, payload } })
    const request = { action, id, requestId, key, transport, json }
    return { ...request, event: await this.#wrap(request, options.createdAtS), after: this.#heard.length }
  }

  /** Sends a request; the first relay's refusal is an error. */
  async send(action: string, options: SendOptions = {}): Promise<Sent> {
    const sent = await this.prepare(action, options)
    await this.#publishAccepted(sent.event)
    return sent
  }

  /** Sends the same message again, as a new event, by either transport. */
  async resend(former: Sent, { transport = former.transport }: Pick<SendOptions, 'transport'> = {}): Promise<Sent> {
    const again = { ...former, transport }
    const sent = { ...again, event: await this.#wrap(again), after: this.#heard.length }
    await this.#publishAccepted(sent.event)
    return sent
  }

  /** Publishes any event to every relay as it is, the impossible ones included. */
  publish(event: NostrEvent): Promise<readonly Verdict[]> {
    return Promise.all(this.#relays.map((relay) => relay.publish(event, DEADLINE_MS)))
  }

  /**
   * The answer to a request: the first message that comes to the asking key after it, since some clients look at no
   * other. Fails when it is another action than one of those named, or when a client would not take it for the answer.
   */
  async answer(sent: Sent, actions: string | readonly string[], deadlineMs = DEADLINE_MS): Promise<Heard> {
    const wanted = typeof actions === 'string' ? [actions] : actions
    const what = `${wanted.join(' or ')} in answer to ${sent.action}`
    const isFirst = ({ number, key }: Heard): boolean => number >= sent.after && key === sent.key.index
    const heard = await this.#take(isFirst, what, deadlineMs)
    this.#blame(judgeAnswer({ sent, got: heard }), `answer to ${sent.action}`)
    this.#check()
    if (!wanted.includes(heard.action)) throw new Error(`waited for ${what}, but ${inWords(heard)} came`)
    return heard
  }

  /** The refusal of a request. */
  async cantDo(sent: Sent, reason: string, deadlineMs = DEADLINE_MS): Promise<Heard> {
    const heard = await this.answer(sent, 'cant-do', deadlineMs)
    const given = at(heard.payload, 'cant_do')
    if (given !== reason) throw new Error(`${sent.action} was refused for ${String(given)}, not ${reason}`)
    return heard
  }

  /** The first message with this action that was not expected yet, or the next one to come. */
  async expect(
    action: string,
    where: { readonly id?: string; readonly requestId?: bigint | null; readonly key?: number } = {},
    deadlineMs = DEADLINE_MS,
  ): Promise<Heard> {
    const { id, key, requestId } = where
    const isMeant = (heard: Heard): boolean =>
      heard.action === action &&
      (id === undefined || heard.id === id) &&
      (key === undefined || heard.key === key) &&
      (requestId === undefined || heard.requestId === requestId)
    const about = id === undefined ? '' : ` about order ${id}`
    return await this.#take(isMeant, `${action}${about}`, deadlineMs)
  }

  /** What came and was not expected yet. */
  unread(): readonly Heard[] {
    return this.#unread
  }

  /** Everything that came, in order. */
  heard(): readonly Heard[] {
    return this.#heard
  }

  /**
   * Fails when the node has said anything that was not expected. A question whose answer must come marks the end:
   * what the node sent before it has arrived by then.
   */
  async nothingElse(deadlineMs = DEADLINE_MS): Promise<void> {
    const marker = await this.send('last-trade-index')
    const isAnswer = ({ requestId }: Heard): boolean => requestId === marker.requestId
    await this.#take(isAnswer, 'the answer to last-trade-index', deadlineMs)
    if (this.#unread.length > 0) throw new Error(`the node also said ${this.#unread.map(inWords).join(', ')}`)
  }

  /** Fails when the node says anything within this time: only for what must get no answer at all. */
  async silence(ms: number): Promise<void> {
    const before = this.#heard.length
    const heard = await this.#take(({ number }) => number >= before, 'anything', ms).catch(() => null)
    this.#check()
    if (heard !== null) throw new Error(`the node should have kept silent, but ${inWords(heard)} came`)
  }

  /** The newest revision of a public event with this `d` tag (or, without one, of this kind), or null. */
  publicEvent(kind: number, d = ''): NostrEvent | null {
    return this.#public.get(`${kind}:${d}`) ?? null
  }

  /** Every public event of the node, in the order of arrival. */
  publicEvents(kind: number): readonly NostrEvent[] {
    return this.#publicLog.filter((event) => event.kind === kind)
  }

  /** An order's newest public event as soon as its `s` is this one. */
  async inBook(orderId: string, status: string, deadlineMs = DEADLINE_MS): Promise<NostrEvent> {
    const probe = (): NostrEvent | null => {
      const event = this.publicEvent(38383, orderId)
      return event !== null && tagOf(event, 's') === status ? event : null
    }
    const late = (): string => {
      const event = this.publicEvent(38383, orderId)
      return `order ${orderId} with s=${status} in the book; it shows ${event === null ? 'nothing' : tagOf(event, 's')}`
    }
    return await this.#until(probe, late, deadlineMs)
  }

  /** The node's info event, as soon as there is one. */
  info(deadlineMs = DEADLINE_MS): Promise<NostrEvent> {
    const probe = (): NostrEvent | null => this.publicEvent(38385, this.#options.nodePubkey)
    return this.#until(probe, () => "the node's info event", deadlineMs)
  }

  /** Hangs up. Fails when the node ever broke a rule. */
  async close(): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.close()))
    for (const wait of this.#waits) wait.fail(new Error('the trader has hung up'))
    this.#check()
  }

  #wrap({ json, key, transport }: Pick<Sent, 'json' | 'key' | 'transport'>, createdAtS?: number): Promise<NostrEvent> {
    const { nodePubkey, nowS = hostNowS, pow = 0, privacy = 'reputation' } = this.#options
    const identity = privacy === 'full' || key.index === 0 ? null : this.key(0)
    return wrap({ json, transport, key, identity, nodePubkey, createdAtS: createdAtS ?? nowS(), pow })
  }

  async #publishAccepted(event: NostrEvent): Promise<void> {
    for (const { accepted, message, url } of await this.publish(event)) {
      if (!accepted) throw new Error(`${url} refused the event: ${message}`)
    }
  }

  #receive(event: NostrEvent): void {
    const { id, pubkey, created_at, kind, tags, content, sig } = event
    if (this.#seen.has(id)) return
    this.#seen.add(id)
    const fresh = { id, pubkey, created_at, kind, tags, content, sig }
    try {
      if (kind === 14 || kind === 1059) this.#receivePrivate(fresh)
      else this.#receivePublic(fresh)
    } catch (error) {
      this.#violations = [...this.#violations, `event ${id}: ${error instanceof Error ? error.message : String(error)}`]
    }
    for (const wait of this.#waits) wait.look()
  }

  #receivePrivate(event: NostrEvent): void {
    const key = this.#byPubkey.get(tagOf(event, 'p') ?? '')
    if (key === undefined) return
    const { createdAtS, text, transport } = open(event, key, this.#options.nodePubkey)
    const tuple = parseJson(text)
    const nulls = transport === 1 ? 1 : 2
    if (!Array.isArray(tuple) || tuple.length !== 1 + nulls || tuple.slice(1).some((slot) => slot !== null)) {
      throw new Error(`the tuple of transport ${transport} is a message and ${nulls} null`)
    }
    if (writeJson(tuple) !== text) throw new Error('the message is written as the reference writes it')
    const [message] = tuple
    this.#blame(judgeMessage(message, transport), `message ${text}`)
    const [outer = '', inner] = isObject(message) ? (Object.entries(message)[0] ?? []) : []
    const { action, id, payload, request_id, trade_index } = (inner === undefined ? {} : plain(inner)) as Partial<
      Record<string, Json>
    >
    const heard: Heard = {
      number: this.#heard.length,
      outer,
      action: String(action),
      id: typeof id === 'string' ? id : null,
      requestId: typeof request_id === 'bigint' ? request_id : null,
      tradeIndex: typeof trade_index === 'bigint' ? trade_index : null,
      payload: payload ?? null,
      key: key.index,
      transport,
      createdAtS,
      event,
    }
    this.#heard.push(heard)
    this.#unread = [...this.#unread, heard]
  }

  #receivePublic(event: NostrEvent): void {
    if (!verifyEvent({ ...event })) throw new Error('id and signature hold')
    this.#blame(judgePublicEvent(event), `public event ${JSON.stringify(event.tags)}`)
    this.#publicLog.push(event)
    const name = `${event.kind}:${tagOf(event, 'd') ?? ''}`
    const former = this.#public.get(name)
    const isNewer =
      former === undefined ||
      event.created_at > former.created_at ||
      (event.created_at === former.created_at && event.id < former.id)
    if (isNewer) this.#public.set(name, event)
  }

  #blame(violations: readonly Violation[], where: string): void {
    const { strictAs = STRICT_CLIENTS } = this.#options
    const words = violations.flatMap(({ clients, rule }) => {
      const strict = clients.filter((client) => strictAs.includes(client))
      return strict.length === 0 ? [] : [`${strict.join(', ')} would not accept this: ${rule} (${where})`]
    })
    this.#violations = [...this.#violations, ...words]
  }

  #check(): void {
    const [first, ...others] = this.#violations
    if (first !== undefined) throw new Error([first, ...others].join('\n'))
  }

  async #take(isMeant: (heard: Heard) => boolean, what: string, deadlineMs: number): Promise<Heard> {
    const probe = (): Heard | null => {
      const found = this.#unread.find(isMeant) ?? null
      if (found !== null) this.#unread = this.#unread.filter((other) => other !== found)
      return found
    }
    const late = (): string => `${what}; unread: ${this.#unread.map(inWords).join(', ') || 'nothing'}`
    const heard = await this.#until(probe, late, deadlineMs)
    this.#check()
    return heard
  }

  #until<T>(probe: () => T | null, late: () => string, deadlineMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        this.#waits = this.#waits.filter((other) => other !== wait)
      }
      const fail = (error: Error): void => {
        leave()
        reject(error)
      }
      const look = (): boolean => {
        const found = probe()
        if (found === null) return false
        leave()
        resolve(found)
        return true
      }
      const wait: Wait = { look, fail }
      const timer = setTimeout(() => {
        const broken = this.#violations.length === 0 ? '' : `\n${this.#violations.join('\n')}`
        fail(new Error(`waited ${deadlineMs} ms for ${late()}${broken}`))
      }, deadlineMs)
      this.#waits = [...this.#waits, wait]
      look()
    })
  }
}

const tagOf = ({ tags }: NostrEvent, name: string): string | undefined => tags.find(([tag]) => tag === name)?.[1]

function inWords({ action, id, key, payload }: Heard): string {
  const reason = action === 'cant-do' ? `: ${String(at(payload, 'cant_do'))}` : ''
  return `${action}${reason} to key ${key}${id === null ? '' : ` (order ${id})`}`
}
