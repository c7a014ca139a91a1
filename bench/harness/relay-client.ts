/** The driver's connection to the relay. While a clock runs it only stamps what arrives; it is read afterwards. */
import { WebSocket } from 'ws'
import type { EventFilter } from '../../src/adapters/nostr/filter.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { Void } from '../benchmark.ts'

export type Arrived = { readonly event: NostrEvent; readonly atMs: number }

const LOOK_MS = 5
const OK_MS = 10_000
const SUBSCRIPTION = 'bench'

export class RelayClient {
  readonly #socket: WebSocket
  readonly #trouble: () => Error | null
  readonly #kinds = new Set<number>()
  readonly #ids = new Set<string>()
  #refusal: string | null = null
  #arrived: Arrived[] = []
  #listener: (one: Arrived) => void = () => undefined
  #sentCount = 0
  #okCount = 0
  readonly #heardAtMs: number[] = []

  private constructor(socket: WebSocket, trouble: () => Error | null) {
    this.#socket = socket
    this.#trouble = trouble
    socket.on('message', (data) => this.#receive(data.toString()))
  }

  /** `trouble` gives the reason when it makes no sense to wait any longer, for whatever it is. */
  static connect(url: string, trouble: () => Error | null): Promise<RelayClient> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(new RelayClient(socket, trouble)))
      socket.once('error', reject)
    })
  }

  subscribe(filters: readonly EventFilter[]): void {
    this.#socket.send(JSON.stringify(['REQ', SUBSCRIPTION, ...filters]))
  }

  /** Publishes a frame that was made before. */
  send(frame: string): void {
    this.#sentCount += 1
    this.#socket.send(frame)
  }

  /** Resolves when the relay has said OK to everything that was published. Throws {@link Void} when it does not. */
  flushed(): Promise<void> {
    return this.until(
      () => this.#okCount === this.#sentCount,
      () => 'the relay has everything',
      OK_MS,
    )
  }

  /** How many events were published in all. */
  get sentCount(): number {
    return this.#sentCount
  }

  /** Calls back for everything that arrives from now on, as it arrives. */
  onArrival(listener: (one: Arrived) => void): void {
    this.#listener = listener
  }

  /** What arrived since the last call, in order; the same event twice is one. */
  takeArrived(): readonly Arrived[] {
    const arrived = this.#arrived
    this.#arrived = []
    return arrived
  }

  /** How many events were heard in all. */
  get heardCount(): number {
    return this.#heardAtMs.length
  }

  /** When the first event was heard after the first `count` of them. */
  firstHeardAfter(count: number): number {
    const atMs = this.#heardAtMs[count]
    if (atMs === undefined) throw new Error('nothing more was heard')
    return atMs
  }

  sawKind(kind: number): boolean {
    return this.#kinds.has(kind)
  }

  /** Waits for a condition. Throws {@link Void} when it does not come true in time. */
  async until(isTrue: () => boolean, what: () => string, deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs
    while (!isTrue()) {
      const trouble = this.#trouble()
      if (trouble !== null) throw trouble
      if (this.#refusal !== null) throw new Void(`the relay refused: ${this.#refusal}`)
      if (performance.now() > endMs) throw new Void(`not in ${deadlineMs} ms: ${what()}`)
      await pause(LOOK_MS)
    }
  }

  close(): void {
    this.#socket.terminate()
  }

  #receive(text: string): void {
    const atMs = performance.now()
    const frame: unknown = JSON.parse(text)
    if (!Array.isArray(frame)) return
    if (frame[0] === 'OK') this.#okCount += 1
    if (frame[0] === 'OK' && frame[2] !== true) this.#refusal = text
    if (frame[0] !== 'EVENT' || frame[1] !== SUBSCRIPTION) return
    const event = frame[2] as NostrEvent
    this.#kinds.add(event.kind)
    // A daemon that was killed says again what it does not know to have said: the same event.
    if (this.#ids.has(event.id)) return
    this.#ids.add(event.id)
    this.#heardAtMs.push(atMs)
    const one = { event, atMs }
    this.#arrived.push(one)
    this.#listener(one)
  }
}

/** Does nothing for a while. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
