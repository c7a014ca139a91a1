import { type ChannelOptions, Client, connectivityState, credentials, Metadata } from '@grpc/grpc-js'
import { err, ok, type Result } from '../../core/result.ts'
import type { OpenStream, StreamListener } from './calls.ts'
import type { LndTarget } from './config.ts'
import { type Evidence, evidenceOf } from './evidence.ts'
import type { RpcMessages } from './messages.ts'
import { methodOf } from './protos.ts'
import { RPCS, type RpcName, rpcUri } from './rpcs.ts'
import type { LndTimings } from './timings.ts'

/** LND's own limit of a message. */
const MESSAGE_BYTES_MAX = 400 * 1024 * 1024

/** A page of a list comes without asking for leave on the way: HTTP/2's 64 kB would cost a dozen round trips. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** money-path.md 1.12 */
const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.initial_reconnect_backoff_ms': 1_000,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc-node.flow_control_window': WINDOW_BYTES,
}

/**
 * One TCP connection to LND. It never reconnects: when it leaves its ready state it is closed, and every later call is
 * kept back, so a call that was meant for this connection can not go out on another one (money-path.md 1.12, 3.7).
 */
export class Channel {
  readonly #client: Client
  readonly #metadata = new Metadata()
  readonly #running = new Set<{ cancel(): void }>()
  readonly #timings: LndTimings
  readonly #onLost: (reason: string) => void
  #state: 'opening' | 'ready' | 'closed' = 'opening'
  #reason = ''

  /** Dials with the first call. `onLost` is called once, when the channel is closed for whatever reason. */
  constructor(target: LndTarget, timings: LndTimings, onLost: (reason: string) => void) {
    const pem = target.certPem
    this.#client = new Client(target.socket, credentials.createSsl(pem === null ? null : Buffer.from(pem, 'utf8')), {
      ...CHANNEL_OPTIONS,
      'grpc.keepalive_time_ms': timings.keepaliveMs,
      'grpc.keepalive_timeout_ms': timings.keepaliveAnswerMs,
      ...(target.serverName === null ? {} : { 'grpc.ssl_target_name_override': target.serverName }),
    })
    this.#metadata.set('macaroon', target.macaroonHex)
    this.#timings = timings
    this.#onLost = onLost
  }

  /** From now on, leaving the ready state is the end. Call it once, after the first answer. */
  guard(): void {
    if (this.#state !== 'opening') return
    this.#state = 'ready'
    if (this.#leftReady()) {
      this.close('the connection to LND broke while it was being opened')
      return
    }
    this.#client
      .getChannel()
      .watchConnectivityState(connectivityState.READY, Number.POSITIVE_INFINITY, () =>
        this.close('the connection to LND broke'),
      )
  }

  /** Cancels what is running and refuses what comes. Idempotent; the first reason stays. */
  close(reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#reason = reason
    this.#client.close()
    for (const call of [...this.#running]) call.cancel()
    this.#onLost(reason)
  }

  /** Whether no call can leave any more, also in the moment before the state change is announced. */
  isLost(): boolean {
    return this.#state === 'closed' || (this.#state === 'ready' && this.#leftReady())
  }

  /** Ends within the RPC's deadline, by the clock of the host. Never throws. */
  unary<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
  ): Promise<Result<RpcMessages[N]['response'], Evidence>> {
    const uri = rpcUri(name)
    if (this.isLost()) return Promise.resolve(err(this.#keptBack(uri)))
    return new Promise((resolve) => {
      try {
        const method = methodOf(name)
        const call = this.#client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          this.#metadata,
          deadlineIn(this.#deadlineMs(name)),
          (error, response) => {
            this.#running.delete(call)
            if (error !== null) resolve(err(evidenceOf(uri, error)))
            else if (response === undefined) resolve(err({ kind: 'other', uri, details: 'an answer without content' }))
            else resolve(ok(response))
          },
        )
        this.#running.add(call)
      } catch (error) {
        resolve(err(evidenceOf(uri, error)))
      }
    })
  }

  /**
   * See `Calls.stream`. All listeners are attached at once, and what comes after the end is dropped. A listener that throws
   * ends its stream: the exception must not reach the socket's event, where it would end the process.
   */
  stream<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
    listener: StreamListener<RpcMessages[N]['response']>,
    deadlineMs: number | null = this.#deadlineMs(name),
  ): OpenStream {
    const uri = rpcUri(name)
    let over = false
    const end = (evidence: Evidence | null) => {
      if (over) return
      over = true
      listener.onEnd(evidence)
    }
    const endSoon = (evidence: Evidence): OpenStream => {
      queueMicrotask(() => end(evidence))
      return { cancel: () => (over = true) }
    }
    if (this.isLost()) return endSoon(this.#keptBack(uri))
    try {
      const method = methodOf(name)
      const call = this.#client.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        deadlineIn(deadlineMs),
      )
      this.#running.add(call)
      call.on('data', (message: RpcMessages[N]['response']) => {
        if (over) return
        try {
          listener.onMessage(message)
        } catch (error) {
          call.cancel()
          end({ kind: 'other', uri, details: `the listener threw: ${String(error)}` })
        }
      })
      // `error` comes before `status`, `end` may come without either: the first one ends the stream.
      call.on('error', (error) => {
        this.#running.delete(call)
        end(evidenceOf(uri, error))
      })
      call.on('end', () => {
        this.#running.delete(call)
        setImmediate(() => end(null))
      })
      return {
        cancel: () => {
          over = true
          this.#running.delete(call)
          call.cancel()
        },
      }
    } catch (error) {
      return endSoon(evidenceOf(uri, error))
    }
  }

  #deadlineMs(name: RpcName): number | null {
    const { deadline } = RPCS[name]
    return deadline === null ? null : this.#timings[deadline]
  }

  #leftReady(): boolean {
    return this.#client.getChannel().getConnectivityState(false) !== connectivityState.READY
  }

  #keptBack(uri: string): Evidence {
    return { kind: 'kept-back', uri, details: this.#reason === '' ? 'the connection to LND broke' : this.#reason }
  }
}

function deadlineIn(deadlineMs: number | null): { deadline?: number } {
  return deadlineMs === null ? {} : { deadline: Date.now() + deadlineMs }
}
