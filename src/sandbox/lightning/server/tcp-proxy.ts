/** A TCP proxy before the gRPC server: it can break connections, or keep them open and forward nothing. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { assert } from '../../../core/assert.ts'

type Pair = { readonly client: Socket; readonly upstream: Socket; upstreamPort: number | null; silent: boolean }

const HOST = '127.0.0.1'

export class TcpProxy {
  readonly #targetPort: number
  readonly #pairs = new Set<Pair>()
  #server: Server | null = null
  #port = 0

  constructor(targetPort: number) {
    this.#targetPort = targetPort
  }

  /** Takes connections; port 0 the first time means any, and the same one again later. Returns the port. */
  async open(port = 0): Promise<number> {
    if (this.#server !== null) return this.#port
    const server = createServer((client) => this.#accept(client))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port === 0 ? port : this.#port, HOST, resolve)
    })
    const address = server.address()
    assert(address !== null && typeof address === 'object', 'the proxy listens on TCP')
    this.#port = address.port
    return this.#port
  }

  /** Refuses new connections; open ones stay. */
  shut(): void {
    this.#server?.close()
    this.#server = null
  }

  /** Breaks the connections that are open now, after a while if they still need it. */
  cut(afterMs = 0): void {
    const pairs = [...this.#pairs]
    const cut = (): void => {
      for (const pair of pairs) this.#drop(pair)
    }
    if (afterMs === 0) cut()
    else setTimeout(cut, afterMs).unref()
  }

  /** Breaks the connection whose upstream side has this port. */
  cutOne(upstreamPort: number): void {
    for (const pair of [...this.#pairs]) if (pair.upstreamPort === upstreamPort) this.#drop(pair)
  }

  /** From now on nothing passes through the connections that are open now, in either direction. */
  silence(): void {
    for (const pair of this.#pairs) {
      pair.silent = true
      pair.client.unpipe(pair.upstream)
      pair.upstream.unpipe(pair.client)
      // Both sides are read to the end of time, as a dead router would let them believe.
      pair.client.resume()
      pair.upstream.resume()
    }
  }

  #accept(client: Socket): void {
    const upstream = connect(this.#targetPort, HOST)
    const pair: Pair = { client, upstream, upstreamPort: null, silent: false }
    this.#pairs.add(pair)
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.#drop(pair))
      socket.on('close', () => this.#drop(pair))
    }
    upstream.once('connect', () => {
      pair.upstreamPort = upstream.localPort ?? null
      if (pair.silent) return
      client.pipe(upstream)
      upstream.pipe(client)
    })
  }

  #drop(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return
    pair.client.destroy()
    pair.upstream.destroy()
  }
}
