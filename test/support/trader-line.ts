/**
 * A simulated trader's connection to one relay: asks for what is addressed to him, hands on every event, comes back when
 * it was cut. It never pings, so that thousands of idle traders cost nothing; who suspects silence calls `reopen`.
 */
import type { OpenSocket, RelaySocket } from '../../src/adapters/nostr/socket.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import type { Clock } from '../../src/ports/system.ts'
import { checkEventShape } from '../../src/wire/event.ts'

const COME_BACK_MS = 3000
const EVENT_FRAME = '["EVENT"'

export type TraderLineParts = {
  readonly url: string
  readonly clock: Clock
  readonly openSocket: OpenSocket
  readonly onEvent: (event: NostrEvent) => void
}

export class TraderLine {
  readonly #parts: TraderLineParts
  #socket: RelaySocket | null = null
  #isOpen = false
  #isClosed = false
  #pubkeys: readonly string[] = []
  /** what was published while the connection was not there yet */
  readonly #waiting: string[] = []

  constructor(parts: TraderLineParts) {
    this.#parts = parts
    this.#connect()
  }

  /** Asks for everything, old and new, that is addressed to these keys. */
  listen(pubkeys: readonly string[]): void {
    this.#pubkeys = pubkeys
    if (this.#isOpen) this.#ask()
  }

  /** Publishes an event, or keeps it until the relay is back. */
  publish(event: NostrEvent): void {
    const frame = JSON.stringify(['EVENT', event])
    if (this.#isOpen) this.#socket?.send(frame)
    else this.#waiting.push(frame)
  }

  /** Connects anew and asks for everything once more, whatever became of the present connection. */
  reopen(): void {
    if (this.#isClosed) return
    this.#drop()
    this.#connect()
  }

  /** Nothing is heard or sent any more. Repeat: safe. */
  close(): void {
    this.#isClosed = true
    this.#drop()
  }

  #drop(): void {
    this.#isOpen = false
    this.#socket?.close().catch(() => undefined)
    this.#socket = null
  }

  #connect(): void {
    if (this.#isClosed) return
    const { clock, openSocket, url, onEvent } = this.#parts
    const socket = openSocket(url, {
      onOpen: () => {
        this.#isOpen = true
        this.#ask()
        for (const frame of this.#waiting.splice(0)) socket.send(frame)
      },
      onText: (text) => {
        const event = text.startsWith(EVENT_FRAME) ? eventIn(text) : null
        if (event !== null) onEvent(event)
      },
      onPong: () => undefined,
      onClose: () => {
        if (this.#socket !== socket) return
        this.#isOpen = false
        this.#socket = null
        clock.after(COME_BACK_MS, () => {
          if (this.#socket === null) this.#connect()
        })
      },
    })
    this.#socket = socket
  }

  #ask(): void {
    if (this.#pubkeys.length > 0)
      this.#socket?.send(JSON.stringify(['REQ', 'mail', { kinds: [14, 1059], '#p': this.#pubkeys }]))
  }
}

/** The event of a frame; null for what only looks like one. */
function eventIn(frame: string): NostrEvent | null {
  try {
    const shape = checkEventShape((JSON.parse(frame) as readonly unknown[])[2])
    return shape.ok ? shape.value : null
  } catch {
    return null
  }
}
