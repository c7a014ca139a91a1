import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js'
import type { RpcMessages } from '../../../src/adapters/lightning/messages.ts'
import { RPC_NAMES, RPCS, type RpcName } from '../../../src/adapters/lightning/rpcs.ts'
import { selfSignedCertificate } from '../../../src/sandbox/lightning/server/certificate.ts'
import { LND_PROTOS } from '../../support/lnd-protos.ts'

const { certPem: CERT, keyPem: KEY } = selfSignedCertificate(Date.now())

/** `answer` may be called never, once or (a defect) twice. */
type UnaryHandler<N extends RpcName> = (
  request: RpcMessages[N]['request'],
  answer: (result: Partial<RpcMessages[N]['response']> | { readonly code: number; readonly details: string }) => void,
) => void
type StreamHandler<N extends RpcName> = (
  request: RpcMessages[N]['request'],
  stream: {
    say(message: Partial<RpcMessages[N]['response']>): void
    end(): void
    fail(code: number, details: string): void
  },
) => void

type StreamName = 'subscribeSingleInvoice' | 'sendPayment' | 'trackPayment' | 'blocks'

export type FakeHandlers = { [N in RpcName]?: N extends StreamName ? StreamHandler<N> : UnaryHandler<N> }

export type FakeLnd = {
  readonly socket: string
  readonly certPem: string
  /** paths that were called, in order */
  readonly called: readonly RpcName[]
  /** TCP connections that were opened so far */
  connections(): number
  /** Breaks all connections. */
  cut(): void
  /** Connections stay open, but nothing passes any more in either direction. */
  freeze(): void
  stop(): void
}

/** A gRPC server over TLS with scripted handlers, behind a TCP relay that can break. It always says who it is. */
export async function startFakeLnd(handlers: FakeHandlers = {}): Promise<FakeLnd> {
  const called: RpcName[] = []
  const all: FakeHandlers = {
    getInfo: (_request, answer) =>
      answer({ identity_pubkey: `02${'ab'.repeat(32)}`, chains: [{ network: 'regtest' }], block_height: 800 }),
    blocks: (_request, stream) => stream.say({ height: 800 }),
    ...handlers,
  }
  const server = new Server()
  for (const service of new Set(RPC_NAMES.map((name) => RPCS[name].service))) {
    const names = RPC_NAMES.filter((name) => RPCS[name].service === service && all[name] !== undefined)
    const served = Object.entries(LND_PROTOS[service] ?? {})
    const definition = Object.fromEntries(served.filter(([method]) => names.some((n) => RPCS[n].method === method)))
    const implementation = Object.fromEntries(names.map((name) => [RPCS[name].method, handle(name, all, called)]))
    if (names.length > 0) server.addService(definition as ServiceDefinition, implementation)
  }
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(CERT), private_key: Buffer.from(KEY) },
  ])
  const grpcPort = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error))),
  )

  const pairs = new Set<readonly [Socket, Socket]>()
  let connections = 0
  const relay = createServer((client) => {
    connections += 1
    const upstream = connect(grpcPort, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        pairs.delete(pair)
        for (const other of pair) other.destroy()
      })
    }
    client.pipe(upstream)
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const [client] of pairs) client.destroy()
  }
  return {
    socket: `localhost:${(relay.address() as AddressInfo).port}`,
    certPem: CERT,
    called,
    connections: () => connections,
    cut,
    freeze: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream)
        upstream.unpipe(client)
        client.pause()
        upstream.pause()
      }
    },
    stop: () => {
      relay.close()
      cut()
      server.forceShutdown()
    },
  }
}

function handle(name: RpcName, handlers: FakeHandlers, called: RpcName[]) {
  const handler = handlers[name] as (request: unknown, reply: unknown) => void
  if (RPCS[name].kind === 'unary') {
    return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
      called.push(name)
      handler(call.request, (result: { readonly code?: number; readonly details?: string }) => {
        if (result.code === undefined) callback(null, result)
        else callback({ code: result.code, details: result.details ?? '' })
      })
    }
  }
  return (call: ServerWritableStream<unknown, unknown>) => {
    called.push(name)
    handler(call.request, {
      say: (message: unknown) => call.write(message),
      end: () => call.end(),
      fail: (code: number, details: string) => call.emit('error', { code, details }),
    })
  }
}
