/**
 * Between a door and the service: LND's gate and the fault plan (money-path.md 6.5). One place decides what happens to a
 * call, whichever door it came through.
 */

import { unreachable } from '../../core/assert.ts'
import type { Clock } from '../../ports/system.ts'
import type { Fault } from './control.ts'
import type { Sink, StopStream } from './lnd.ts'
import type { Message } from './messages.ts'
import type { Network } from './network.ts'
import { GATES, RpcError, STATUS } from './rpc-error.ts'
import {
  Fields,
  gateOf,
  isUnary,
  type Service,
  STREAMING,
  type StreamMethod,
  UNARY,
  type UnaryMethod,
} from './service.ts'

/** Where the answer of one call goes; the door sees to it that nothing arrives after an end. */
export type Caller = Sink<Message> & {
  /** breaks the connection that carried the call */
  readonly cut: () => void
}

const NOBODY: Sink<Message> = { next: () => undefined, end: () => undefined }
const EMPTY: Message = {}

export class Dispatcher {
  readonly #network: Network
  readonly #clock: Clock
  readonly #service: Service

  constructor(network: Network, clock: Clock) {
    this.#network = network
    this.#clock = clock
    this.#service = { lnd: network.lnd, nowMs: () => clock.nowMs() }
  }

  /** Runs a call: a unary one answers with one message and an OK end. The result ends it from the client's side. */
  dispatch(method: UnaryMethod | StreamMethod, request: Message, caller: Caller): StopStream {
    const call = new Call((sink) => this.#execute(method, request, sink))
    const fault = this.#network.faults.draw(method)
    if (fault === null) call.run(caller)
    else this.#disturb(fault, isUnary(method), call, caller)
    return () => call.stop()
  }

  #disturb(fault: Fault, unary: boolean, call: Call, caller: Caller): void {
    switch (fault.kind) {
      case 'refuse': {
        const { code, details } = typeof fault.with === 'string' ? GATES[fault.with] : fault.with
        return caller.end(new RpcError(code, details))
      }
      case 'lose-answer':
        call.run(NOBODY)
        if (fault.how === 'cut') caller.cut()
        else if (fault.how === 'deadline') caller.end(new RpcError(STATUS.deadlineExceeded, 'Deadline exceeded'))
        else if (fault.how === 'internal') caller.end(new RpcError(STATUS.internal, 'stream terminated'))
        return
      case 'swallow':
        return
      case 'deliver-late':
        caller.cut()
        this.#clock.after(fault.ms, () => call.run(NOBODY))
        return
      case 'slow':
        this.#clock.after(fault.ms, () => call.run(caller))
        return
      case 'twice':
        if (!unary) return call.run({ ...caller, next: (message) => repeat(() => caller.next(message)) })
        call.run(caller)
        return call.run(NOBODY)
      case 'reorder':
        return call.run(heldBack(caller))
      case 'echo':
        return call.run(this.#echoing(caller, fault.ms))
      case 'garbage': {
        let first = true
        call.run({
          ...caller,
          next: (message) => {
            caller.next(first ? EMPTY : message)
            first = false
          },
        })
        return
      }
      default:
        return unreachable(fault)
    }
  }

  #echoing(caller: Caller, ms: number): Sink<Message> {
    let first = true
    return {
      ...caller,
      next: (message) => {
        caller.next(message)
        if (first) this.#clock.after(ms, () => caller.next(message))
        first = false
      },
    }
  }

  #execute(method: UnaryMethod | StreamMethod, request: Message, sink: Sink<Message>): StopStream {
    const gate = gateOf(this.#network.node.state())
    try {
      if (gate !== null) throw gate
      const fields = new Fields(request)
      if (isUnary(method)) {
        const answer = UNARY[method](this.#service, fields)
        sink.next(answer)
        sink.end(null)
        return () => undefined
      }
      return STREAMING[method](this.#service, fields, sink)
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      sink.end(error)
      return () => undefined
    }
  }
}

/** One request on its way. What has left the client is executed, although nobody may be there to hear of it. */
class Call {
  readonly #execute: (sink: Sink<Message>) => StopStream
  #stopStream: StopStream = () => undefined
  #stopped = false

  constructor(execute: (sink: Sink<Message>) => StopStream) {
    this.#execute = execute
  }

  run(sink: Sink<Message>): void {
    const stopStream = this.#execute(this.#stopped ? NOBODY : sink)
    if (this.#stopped) stopStream()
    else this.#stopStream = stopStream
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stopStream()
  }
}

function repeat(task: () => void): void {
  task()
  task()
}

/** The first message comes after the second one, or before the end. */
function heldBack(sink: Sink<Message>): Sink<Message> {
  let held: Message | null = null
  let released = false
  const release = (): void => {
    if (held !== null) sink.next(held)
    held = null
    released = true
  }
  return {
    next: (message) => {
      if (!released && held === null) {
        held = message
        return
      }
      sink.next(message)
      release()
    },
    end: (error) => {
      release()
      sink.end(error)
    },
  }
}
