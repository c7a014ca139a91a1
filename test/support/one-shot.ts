/**
 * A client as mostro-cli is one (wire.md 9): for each request it opens a subscription with limit 0, sends, takes the first
 * event that comes to its key for the answer, and hangs up. What it misses it never sees again.
 */
import WebSocket from 'ws'
import type { Sent, Trader } from './trader.ts'
import { isObject, type Json, parseJson, plain } from './trader-json.ts'
import { judgeAnswer, judgeMessage, type Violation } from './trader-strictness.ts'
import { open, wrap } from './trader-wire.ts'

/** mostro-cli's patience. */
const PATIENCE_MS = 15_000
const SUBSCRIPTION = 'answer'

type OneShotAnswer = {
  readonly action: string
  readonly id: string | null
  readonly requestId: bigint | null
  readonly payload: Json
  readonly eventId: string
  readonly createdAtS: number
}

type OneShotOptions = { readonly relayUrl: string; readonly nodePubkey: string; readonly trader: Trader }

type Connection = {
  send(frame: readonly unknown[]): void
  /** the first frame that `isMeant` */
  frame(isMeant: (frame: Json[]) => boolean): Promise<Json[]>
  hangUp(): Promise<void>
}

export class OneShot {
  readonly #options: OneShotOptions

  constructor(options: OneShotOptions) {
    this.#options = options
  }

  /** Sends the request and hangs up before the answer can come: it is lost. */
  async sendAndHangUp(sent: Sent): Promise<void> {
    const connection = await this.#connect()
    connection.send(['EVENT', sent.event])
    await connection.frame(([type, id]) => type === 'OK' && id === sent.event.id)
    await connection.hangUp()
  }

  /** Sends the very same message again, as a new event, and waits for the first event that comes. */
  async ask(sent: Sent): Promise<OneShotAnswer> {
    const { nodePubkey, trader } = this.#options
    const event = await wrap({
      ...sent,
      identity: trader.key(0),
      nodePubkey,
      createdAtS: Math.floor(Date.now() / 1000),
      pow: 0,
    })
    const connection = await this.#connect()
    try {
      const kind = sent.transport === 2 ? { kinds: [14], authors: [nodePubkey] } : { kinds: [1059] }
      connection.send(['REQ', SUBSCRIPTION, { ...kind, '#p': [sent.key.pubkey], limit: 0 }])
      await connection.frame(([type, id]) => type === 'EOSE' && id === SUBSCRIPTION)
      connection.send(['EVENT', event])
      const [, , first] = await connection.frame(([type]) => type === 'EVENT')
      return this.#read(first, sent)
    } finally {
      await connection.hangUp()
    }
  }

  #read(value: Json | undefined, sent: Sent): OneShotAnswer {
    const event = JSON.parse(JSON.stringify(value)) as Parameters<typeof open>[0]
    const { text, createdAtS } = open(event, sent.key, this.#options.nodePubkey)
    const tuple = parseJson(text)
    const message = Array.isArray(tuple) ? tuple[0] : undefined
    const [inner] = isObject(message) ? Object.values(message) : []
    const { action, id, payload, request_id } = (inner === undefined ? {} : plain(inner)) as Partial<
      Record<string, Json>
    >
    const got = {
      action: String(action),
      id: typeof id === 'string' ? id : null,
      requestId: typeof request_id === 'bigint' ? request_id : null,
    }
    refuse([...judgeMessage(message, sent.transport), ...judgeAnswer({ sent, got })], text)
    return { ...got, payload: payload ?? null, eventId: event.id, createdAtS }
  }

  #connect(): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#options.relayUrl)
      const frames: Json[][] = []
      const looks = new Set<() => void>()
      socket.on('message', (data) => {
        frames.push(JSON.parse(String(data)))
        for (const look of looks) look()
      })
      socket.on('error', reject)
      socket.on('open', () =>
        resolve({
          send: (frame) => socket.send(JSON.stringify(frame)),
          frame: (isMeant) =>
            new Promise((found, late) => {
              const look = (): void => {
                const frame = frames.find(isMeant)
                if (frame === undefined) return
                clearTimeout(timer)
                looks.delete(look)
                found(frame)
              }
              const timer = setTimeout(() => late(new Error(`no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS)
              looks.add(look)
              look()
            }),
          hangUp: () =>
            new Promise((gone) => {
              socket.once('close', () => gone())
              socket.terminate()
            }),
        }),
      )
    })
  }
}

function refuse(violations: readonly Violation[], text: string): void {
  const rules = violations.map(({ clients, rule }) => `${clients.join(', ')}: ${rule}`)
  if (rules.length > 0) throw new Error(`${rules.join('\n')}\n${text}`)
}
