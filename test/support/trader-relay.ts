import type { NostrEvent } from 'nostr-tools/pure'
import WebSocket from 'ws'

export type Verdict = { readonly url: string; readonly accepted: boolean; readonly message: string }

type Frame = readonly [type: string, ...rest: unknown[]]

const RECONNECT_MS = 100
const SUBSCRIPTION = 'trader'

/** One relay as a test's own trader sees it: one subscription, and events published with their OK. Reconnects by itself. */
export class TraderRelay {
  readonly url: string
  readonly #filters: readonly object[]
  readonly #onEvent: (event: NostrEvent) => void
  readonly #verdicts = new Map<string, (verdict: Verdict) => void>()
  #socket: WebSocket
  readonly #onReady: () => void
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(
    url: string,
    filters: readonly object[],
    onEvent: (event: NostrEvent) => void,
    onReady: () => void,
  ) {
    this.url = url
    this.#filters = filters
    this.#onEvent = onEvent
    this.#onReady = onReady
    this.#socket = this.#connect()
  }

  /** Resolves once the relay has answered for the subscription. */
  static open(url: string, filters: readonly object[], onEvent: (event: NostrEvent) => void): Promise<TraderRelay> {
    return new Promise((resolve) => {
      const relay: TraderRelay = new TraderRelay(url, filters, onEvent, () => resolve(relay))
    })
  }

  /** The relay's OK; rejects when there is no connection or no OK in time. */
  publish(event: NostrEvent, deadlineMs: number): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#verdicts.delete(event.id)
        reject(new Error(`${this.url} said nothing about event ${event.id} in ${deadlineMs} ms`))
      }, deadlineMs)
      this.#verdicts.set(event.id, (verdict) => {
        clearTimeout(timer)
        this.#verdicts.delete(event.id)
        resolve(verdict)
      })
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(['EVENT', event]))
    })
  }

  /** Nothing of it keeps running. Repeat: safe. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = new Promise((resolve) => this.#socket.once('close', resolve))
    this.#socket.terminate()
    await closed
  }

  #connect(): WebSocket {
    const socket = new WebSocket(this.url)
    socket.on('open', () => socket.send(JSON.stringify(['REQ', SUBSCRIPTION, ...this.#filters])))
    socket.on('message', (data) => this.#receive(JSON.parse(String(data))))
    // A failure is followed by 'close', which tries again.
    socket.on('error', () => {})
    socket.on('close', () => {
      if (this.#isClosed) return
      this.#timer = setTimeout(() => {
        this.#socket = this.#connect()
      }, RECONNECT_MS)
    })
    return socket
  }

  #receive([type, ...rest]: Frame): void {
    if (type === 'EVENT') this.#onEvent(rest[1] as NostrEvent)
    if (type === 'EOSE') this.#onReady()
    if (type === 'OK') {
      const [id, accepted, message] = rest as [string, boolean, string]
      this.#verdicts.get(id)?.({ url: this.url, accepted, message })
    }
  }
}
