import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { ControlledRelay } from './controlled-relay.ts'
import { RelayCore, type RelayCoreOptions } from './relay-core.ts'

const MAX_FRAME_BYTES = 1_048_576

export type EmbeddedRelayOptions = RelayCoreOptions & {
  /** 0 or absent: any free one */
  readonly port?: number
  /** the interface to listen on; loopback when absent */
  readonly host?: string
}

/** A relay on a local port that real clients can use: WebSocket, and the NIP-11 document over HTTP. */
export class EmbeddedRelay implements ControlledRelay {
  readonly core: RelayCore
  readonly #host: string
  #port: number
  #server: http.Server | null = null
  #isFrozen = false
  readonly #sockets = new Set<WebSocket>()

  private constructor(options: EmbeddedRelayOptions) {
    this.core = new RelayCore(options)
    this.#host = options.host ?? '127.0.0.1'
    this.#port = options.port ?? 0
  }

  /** Listens. Rejects when the port is taken. */
  static async start(options: EmbeddedRelayOptions): Promise<EmbeddedRelay> {
    const relay = new EmbeddedRelay(options)
    await relay.comeBack()
    return relay
  }

  /** Where a client on this machine finds it. */
  get url(): string {
    return `ws://${this.#host === '0.0.0.0' ? '127.0.0.1' : this.#host}:${this.#port}`
  }

  async comeBack(): Promise<void> {
    if (this.#server !== null) return
    const server = http.createServer((request, response) => this.#answerHttp(request, response))
    const sockets = new WebSocketServer({ server, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false })
    sockets.on('connection', (socket, request) => this.#accept(socket, request))
    // The HTTP server reports its errors here too; the one that counts rejects the start below.
    sockets.on('error', () => {})
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, this.#host, () => {
        server.off('error', reject)
        resolve()
      })
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async goAway(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    this.core.dropConnections()
    for (const socket of this.#sockets) socket.terminate()
    server.closeAllConnections()
    await closed
  }

  /** Ends it; nothing of it keeps running. Repeat: safe. */
  close(): Promise<void> {
    return this.goAway()
  }

  freeze(frozen: boolean): void {
    this.#isFrozen = frozen
    for (const socket of this.#sockets) {
      if (frozen) socket.pause()
      else socket.resume()
    }
  }

  #accept(socket: WebSocket, request: http.IncomingMessage): void {
    this.#sockets.add(socket)
    const address = `ws://${request.headers.host ?? ''}${request.url ?? ''}`
    const inlet = this.core.connect(
      {
        send: (text) => {
          if (!this.#isFrozen) socket.send(text)
        },
        cut: () => socket.terminate(),
      },
      address,
    )
    if (this.#isFrozen) socket.pause()
    socket.on('message', (data, isBinary) => inlet.receive(isBinary ? '' : data.toString()))
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      inlet.gone()
    })
  }

  #answerHttp(request: http.IncomingMessage, response: http.ServerResponse): void {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', '*')
    response.setHeader('access-control-allow-methods', 'GET, OPTIONS')
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end()
    } else if (request.headers.accept?.includes('application/nostr+json') === true) {
      response.setHeader('content-type', 'application/nostr+json')
      response.end(JSON.stringify(this.core.info()))
    } else {
      response.setHeader('content-type', 'text/plain')
      response.end('A Nostr relay. Connect with a WebSocket.\n')
    }
  }
}
