/** One WebSocket as the adapter needs it: real in production, in memory in simulations. */

export type SocketHandlers = {
  readonly onOpen: () => void
  /** One text message; `''` for a binary one, which no relay sends. */
  readonly onText: (text: string) => void
  readonly onPong: () => void
  /** Once and last, also when the connection was never made. */
  readonly onClose: (why: string) => void
}

export interface RelaySocket {
  /** Hands a text to the connection; lost when it is not open. */
  send(text: string): void
  /** Bytes handed over and not yet taken by the network. */
  bufferedBytes(): number
  ping(): void
  /** Stop reading or read again. What was already read may still be delivered. Before the opening it is kept. */
  pause(paused: boolean): void
  /** Ends at once, without a farewell; no handler is called any more. Resolves when nothing is left. Repeat: safe. */
  close(): Promise<void>
}

/** Starts connecting. No handler is called before it returned. */
export type OpenSocket = (url: string, handlers: SocketHandlers) => RelaySocket
