/** The simulated LND for real clients: gRPC over TLS with macaroons, served from the .proto files of `lightning`. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { assert } from '../../../core/assert.ts'
import type { Clock } from '../../../ports/system.ts'
import type { LndMethod, SimLndAddress, SimLndServer } from '../control.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { Message } from '../messages.ts'
import type { Network } from '../network.ts'
import type { RpcError } from '../rpc-error.ts'
import { isUnary, type StreamMethod, type UnaryMethod } from '../service.ts'
import { selfSignedCertificate } from './certificate.ts'
import { ADMIN_PERMISSIONS, DAEMON_PERMISSIONS, Macaroons } from './macaroons.ts'
import { TcpProxy } from './tcp-proxy.ts'

const PROTO_DIR = join(dirname(createRequire(import.meta.url).resolve('lightning/package.json')), 'grpc', 'protos')
const PROTO_FILES = ['lightning.proto', 'invoices.proto', 'router.proto', 'chainnotifier.proto', 'verrpc.proto']
/** Long enough for the last messages of streams to leave before their connection is broken. */
const FAREWELL_MS = 100

const SERVICES: Readonly<Record<string, readonly (UnaryMethod | StreamMethod)[]>> = {
  'lnrpc.Lightning': [
    'GetInfo',
    'LookupInvoice',
    'ListInvoices',
    'SubscribeInvoices',
    'ListPayments',
    'DecodePayReq',
    'ChannelBalance',
    'WalletBalance',
    'ListChannels',
    'LookupHtlcResolution',
    'DeletePayment',
  ],
  'invoicesrpc.Invoices': [
    'AddHoldInvoice',
    'SettleInvoice',
    'CancelInvoice',
    'SubscribeSingleInvoice',
    'LookupInvoiceV2',
  ],
  'routerrpc.Router': ['SendPaymentV2', 'TrackPaymentV2', 'TrackPayments', 'EstimateRouteFee'],
  'chainrpc.ChainNotifier': ['RegisterBlockEpochNtfn'],
  'verrpc.Versioner': ['GetVersion'],
}

let loaded: PackageDefinition | undefined

/** Parses the .proto files once a process. */
function definitions(): PackageDefinition {
  loaded ??= loadSync(
    PROTO_FILES.map((file) => join(PROTO_DIR, file)),
    { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [PROTO_DIR] },
  )
  return loaded
}

type AnyCall = ServerUnaryCall<Message, Message> | ServerWritableStream<Message, Message>

/** A server in front of a network; nothing listens before `listen`. */
export function createSimLndServer(network: Network, clock: Clock): SimLndServer {
  return new LndServer(network, clock)
}

class LndServer implements SimLndServer {
  readonly #network: Network
  readonly #clock: Clock
  readonly #dispatcher: Dispatcher
  readonly #macaroons = new Macaroons()
  readonly #streams = new Set<() => void>()
  #server: Server | null = null
  #proxy: TcpProxy | null = null
  #detach: () => void = () => undefined
  /** the proxy's openings and closings, one after the other */
  #switching: Promise<void> = Promise.resolve()
  #open = true

  constructor(network: Network, clock: Clock) {
    this.#network = network
    this.#clock = clock
    this.#dispatcher = new Dispatcher(network, clock)
  }

  async listen(port = 0): Promise<SimLndAddress> {
    assert(this.#server === null, 'the simulated LND is already served')
    const { certPem, keyPem } = selfSignedCertificate(this.#clock.nowMs())
    const server = this.#buildServer()
    this.#server = server
    const pair = { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) }
    const innerPort = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    const proxy = new TcpProxy(innerPort)
    this.#proxy = proxy
    const outerPort = await proxy.open(port)
    this.#detach = this.#network.node.attach({
      disconnect: (how) => {
        if (how === 'orderly') for (const end of [...this.#streams]) end()
        proxy.cut(how === 'orderly' ? FAREWELL_MS : 0)
      },
      halfOpen: () => proxy.silence(),
      setOpen: (open) => this.#setOpen(open),
    })
    return {
      socket: `localhost:${outerPort}`,
      certPem,
      certBase64: Buffer.from(certPem).toString('base64'),
      macaroonHex: this.macaroon(DAEMON_PERMISSIONS),
      adminMacaroonHex: this.macaroon(ADMIN_PERMISSIONS),
    }
  }

  macaroon(permissions: readonly string[]): string {
    return this.#macaroons.bake(permissions)
  }

  async stop(): Promise<void> {
    this.#detach()
    this.#setOpen(false)
    // While its connections are whole: a session whose peer has vanished may never let go of its socket.
    this.#server?.forceShutdown()
    this.#proxy?.cut()
    await this.#switching
  }

  #buildServer(): Server {
    const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
    for (const [name, methods] of Object.entries(SERVICES)) {
      const handlers: UntypedServiceImplementation = {}
      for (const method of methods) {
        const uri = `/${name}/${method}`
        handlers[method] = isUnary(method) ? this.#unary(method, uri) : this.#streaming(method, uri)
      }
      server.addService(definitions()[name] as ServiceDefinition, handlers)
    }
    return server
  }

  #unary(method: UnaryMethod, uri: string): handleUnaryCall<Message, Message> {
    return (call, callback) => {
      const refusal = this.#refusal(call, method, uri)
      if (refusal !== null) return callback(refusal)
      let answer: Message | null = null
      const stop = this.#dispatcher.dispatch(method, call.request, {
        next: (message) => {
          answer ??= message
        },
        end: (error) => callback(error, answer),
        cut: () => this.#proxy?.cutOne(portOf(call)),
      })
      call.on('cancelled', stop)
    }
  }

  #streaming(method: StreamMethod, uri: string): handleServerStreamingCall<Message, Message> {
    return (call) => {
      const refusal = this.#refusal(call, method, uri)
      if (refusal !== null) {
        call.emit('error', refusal)
        return
      }
      let over = false
      let stop = (): void => undefined
      const finish = (): void => {
        over = true
        this.#streams.delete(endInOrder)
        stop()
      }
      const endInOrder = (): void => {
        if (over) return
        finish()
        call.end()
      }
      this.#streams.add(endInOrder)
      call.on('cancelled', finish)
      stop = this.#dispatcher.dispatch(method, call.request, {
        next: (message) => {
          if (!over) call.write(message)
        },
        end: (error) => {
          if (error === null) return endInOrder()
          if (over) return
          finish()
          call.emit('error', error)
        },
        cut: () => this.#proxy?.cutOne(portOf(call)),
      })
      if (over) stop()
    }
  }

  #refusal(call: AnyCall, method: LndMethod, uri: string): RpcError | null {
    return this.#macaroons.refusal(call.metadata.get('macaroon').map(String), method, uri)
  }

  #setOpen(open: boolean): void {
    const proxy = this.#proxy
    if (this.#open === open || proxy === null) return
    this.#open = open
    this.#switching = this.#switching.then(async () => {
      if (open) await proxy.open()
      else proxy.shut()
    })
  }
}

/** The port of the proxy's side of the connection that carries a call. */
function portOf(call: AnyCall): number {
  return Number(call.getPeer().split(':').at(-1))
}
