/** The driver's connection to the relay. While a clock runs it only stamps what arrives; it is read afterwards. */
import { WebSocket } from 'ws'
import type { EventFilter } from '../../src/adapters/nostr/filter.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { Void } from '../benchmark.ts'

export type Arrived = { readonly event: NostrEvent; readonly atMs: number }

const LOOK_MS = 5

export class RelayClient {
  readonly #socket: WebSocket
  readonly #failed: Promise<never>
  readonly #kinds = new Set<number>()
  #refusal: string | null = null
  #arrived: Arrived[] = []

  private constructor(socket: WebSocket, failed: Promise<never>) {
    this.#socket = socket
    this.#failed = failed
    socket.on('message', (data) => this.#receive(data.toString()))
  }

  /** `failed` rejects when it makes no sense to wait any longer, for whatever it is. */
  static connect(url: string, failed: Promise<never>): Promise<RelayClient> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(new RelayClient(socket, failed)))
      socket.once('error', reject)
    })
  }

  subscribe(filters: readonly EventFilter[]): void {
    this.#socket.send(JSON.stringify(['REQ', 'bench', ...filters]))
  }

  /** Publishes a frame that was made before. Returns when, on the clock of {@link Arrived}. */
  send(frame: string): number {
    const atMs = performance.now()
    this.#socket.send(frame)
    return atMs
  }

  /** How many events arrived since {@link takeArrived}. */
  get arrivedCount(): number {
    return this.#arrived.length
  }

  /** What arrived since the last call, in order. */
  takeArrived(): readonly Arrived[] {
    const arrived = this.#arrived
    this.#arrived = []
    return arrived
  }

  sawKind(kind: number): boolean {
    return this.#kinds.has(kind)
  }

  /** Waits for a condition. Throws {@link Void} when it does not come true in time. */
  async until(isTrue: () => boolean, what: () => string, deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs
    while (!isTrue()) {
      if (this.#refusal !== null) throw new Void(`the relay refused: ${this.#refusal}`)
      if (performance.now() > endMs) throw new Void(`not in ${deadlineMs} ms: ${what()}`)
      await Promise.race([pause(LOOK_MS), this.#failed])
    }
  }

  close(): void {
    this.#socket.terminate()
  }

  #receive(text: string): void {
    const atMs = performance.now()
    const frame: unknown = JSON.parse(text)
    if (!Array.isArray(frame)) return
    if (frame[0] === 'OK' && frame[2] !== true) this.#refusal = text
    if (frame[0] !== 'EVENT') return
    const event = frame[2] as NostrEvent
    this.#kinds.add(event.kind)
    this.#arrived.push({ event, atMs })
  }
}

/** Does nothing for a while. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
