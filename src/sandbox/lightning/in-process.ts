/**
 * The daemon's Lightning port on the model, in this process. It carries LND's own messages between the adapter's verbs and
 * the simulated LND, so a simulation runs the very code that decides about outcome classes in production; only the wire is
 * replaced. All time comes from the clock that it is given.
 */

import type { Calls, OpenStream, StreamListener } from '../../adapters/lightning/calls.ts'
import type { Evidence } from '../../adapters/lightning/evidence.ts'
import type { RpcMessages } from '../../adapters/lightning/messages.ts'
import { methodOf } from '../../adapters/lightning/protos.ts'
import { RPCS, type RpcName, rpcUri } from '../../adapters/lightning/rpcs.ts'
import { LND_TIMINGS } from '../../adapters/lightning/timings.ts'
import { cancelHold } from '../../adapters/lightning/verbs/cancel-hold.ts'
import { createHold } from '../../adapters/lightning/verbs/create-hold.ts'
import { htlcsResolved } from '../../adapters/lightning/verbs/htlcs-resolved.ts'
import { listHolds } from '../../adapters/lightning/verbs/list-holds.ts'
import { listPayments } from '../../adapters/lightning/verbs/list-payments.ts'
import { lookupHold } from '../../adapters/lightning/verbs/lookup-hold.ts'
import { lookupPayment } from '../../adapters/lightning/verbs/lookup-payment.ts'
import { nodeInfo } from '../../adapters/lightning/verbs/node-info.ts'
import { pay } from '../../adapters/lightning/verbs/pay.ts'
import { settleHold } from '../../adapters/lightning/verbs/settle-hold.ts'
import { watchHold } from '../../adapters/lightning/verbs/watch-hold.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Lightning, LightningConnection, Lookup } from '../../ports/lightning.ts'
import type { Clock } from '../../ports/system.ts'
import { readOwnRequest } from '../../wire/bolt11.ts'
import type { LndMethod, SimLightning, SimLightningOptions } from './control.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Message } from './messages.ts'
import type { Network } from './network.ts'
import { GATES, STATUS } from './rpc-error.ts'
import { methodNamed } from './service.ts'

const DEFAULT_LATENCY_MS = 1
/** The adapter's keepalive: 20 s of silence, then 10 s without an answer (money-path.md 1.12). */
const KEEPALIVE_MS = 30_000

type Surroundings = {
  readonly network: Network
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly latencyMs: (method: LndMethod) => number
}

/** The port on a network. Deterministic: same clock, same seed, same calls, same answers. */
export function createSimLightning(network: Network, clock: Clock, options: SimLightningOptions = {}): SimLightning {
  const around: Surroundings = {
    network,
    clock,
    dispatcher: new Dispatcher(network, clock),
    latencyMs: options.latencyMs ?? (() => DEFAULT_LATENCY_MS),
  }
  return { connect: () => connect(around) } satisfies Lightning
}

async function connect(around: Surroundings): Promise<Lookup<LightningConnection>> {
  const { network, clock } = around
  await new Promise<void>((resolve) => clock.after(around.latencyMs('GetInfo'), resolve))
  if (network.node.state() === 'stopped') return { ok: false, detail: GATES['no-connection'].details }
  const wire = new Wire(around)
  const info = await nodeInfo(wire)
  if (!info.ok || wire.isLost()) {
    wire.lose('it could not be opened')
    return info.ok ? { ok: false, detail: await wire.lost } : info
  }
  const connection: LightningConnection = {
    lost: wire.lost,
    nodeInfo: () => nodeInfo(wire),
    createHold: (plan) => createHold(wire, clock.nowMs(), plan, readOwnRequest),
    settleHold: (preimage) => settleHold(wire, preimage),
    cancelHold: (hash) => cancelHold(wire, hash),
    lookupHold: (hash) => lookupHold(wire, hash),
    listHolds: (query, onPage) => listHolds(wire, query, onPage),
    watchHold: (hash, onFact) => watchHold(wire, hash, onFact),
    pay: (plan, startedAtMs, onAck) => pay(wire, clock, LND_TIMINGS, plan, startedAtMs, onAck),
    lookupPayment: (hash) => lookupPayment(wire, hash),
    listPayments: (createdSinceS) => listPayments(wire, createdSinceS),
    watchBlocks: (onHeight) => {
      const stream = wire.stream('blocks', {}, { onMessage: ({ height }) => onHeight(height), onEnd: () => undefined })
      return { close: () => stream.cancel() }
    },
    htlcsResolved: (hash) => htlcsResolved(wire, hash),
    close: () => wire.lose('it was closed'),
  }
  return { ok: true, value: connection }
}

/** One connection: requests and answers travel for a while, and may be lost with it. */
class Wire implements Calls {
  readonly lost: Promise<string>
  readonly #around: Surroundings
  readonly #running = new Set<(evidence: Evidence | null) => void>()
  readonly #detach: () => void
  #settleLost: (reason: string) => void = () => undefined
  #state: 'open' | 'half-open' | 'lost' = 'open'

  constructor(around: Surroundings) {
    this.#around = around
    this.lost = new Promise((resolve) => {
      this.#settleLost = resolve
    })
    this.#detach = around.network.node.attach({
      disconnect: (how) => {
        if (how === 'orderly') this.#endStreams()
        this.lose('Connection dropped')
      },
      halfOpen: () => this.#fallSilent(),
      setOpen: () => undefined,
    })
  }

  isLost(): boolean {
    return this.#state === 'lost'
  }

  /** The connection is gone: what runs ends without an answer, what comes is kept back. Idempotent. */
  lose(reason: string): void {
    if (this.#state === 'lost') return
    this.#state = 'lost'
    this.#detach()
    for (const end of [...this.#running]) end(dropped(reason))
    this.#settleLost(reason)
  }

  unary<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
  ): Promise<Result<RpcMessages[N]['response'], Evidence>> {
    return new Promise((resolve) => {
      let answer: RpcMessages[N]['response'] | null = null
      this.stream(name, request, {
        onMessage: (message) => {
          answer ??= message
        },
        onEnd: (evidence) => {
          if (evidence !== null) resolve(err(evidence))
          else if (answer !== null) resolve(ok(answer))
          else resolve(err({ kind: 'other', uri: rpcUri(name), details: 'no answer' }))
        },
      })
    })
  }

  stream<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
    listener: StreamListener<RpcMessages[N]['response']>,
  ): OpenStream {
    const { clock, dispatcher } = this.#around
    const uri = rpcUri(name)
    const method = methodNamed(RPCS[name].method)
    const { deadline } = RPCS[name]
    let over = false
    let stop = (): void => undefined
    let lastArrivalMs = 0

    const close = (): void => {
      over = true
      forgetDeadline()
      this.#running.delete(end)
      stop()
    }
    const end = (evidence: Evidence | null): void => {
      if (over) return
      close()
      listener.onEnd(evidence === null ? null : { ...evidence, uri })
    }
    /** Answers keep their order however long each one travels. */
    const arrive = (task: () => void): void => {
      const now = clock.nowMs()
      lastArrivalMs = Math.max(lastArrivalMs, now + this.#around.latencyMs(method))
      clock.after(lastArrivalMs - now, () => {
        if (!over && this.#state === 'open') task()
      })
    }
    const forgetDeadline =
      deadline === null
        ? () => undefined
        : clock.after(LND_TIMINGS[deadline], () => end(status(STATUS.deadlineExceeded, 'Deadline exceeded')))

    if (this.#state === 'lost') {
      const evidence = { kind: 'kept-back', uri, details: 'the connection is lost' } as const
      queueMicrotask(() => end(evidence))
      return { cancel: close }
    }
    this.#running.add(end)
    clock.after(this.#around.latencyMs(method), () => {
      if (this.#state === 'half-open') return
      stop = dispatcher.dispatch(method, request, {
        next: (message) => arrive(() => listener.onMessage(responseOf(name, message))),
        end: (error) => arrive(() => end(error === null ? null : status(error.code, error.details))),
        cut: () => this.lose('Connection dropped'),
      })
      if (over) stop()
    })
    return { cancel: close }
  }

  #endStreams(): void {
    for (const end of [...this.#running]) end(null)
  }

  #fallSilent(): void {
    if (this.#state !== 'open') return
    this.#state = 'half-open'
    this.#around.clock.after(KEEPALIVE_MS, () => this.lose('Connection dropped: keepalive'))
  }
}

/**
 * The simulated LND's message as the type of the answer; an empty one gets protobuf's defaults, as it would on the wire.
 */
function responseOf<N extends RpcName>(name: N, message: Message): RpcMessages[N]['response'] {
  if (Object.keys(message).length === 0) return methodOf(name).responseDeserialize(Buffer.alloc(0))
  return message as RpcMessages[N]['response']
}

function status(code: number, details: string): Evidence {
  return { kind: 'status', uri: '', code, details }
}

function dropped(reason: string): Evidence {
  return status(STATUS.unavailable, reason)
}
