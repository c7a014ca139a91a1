import type { CantDoReason, Message } from '../core/protocol.ts'
import type { TraderRequest } from './requests.ts'

/** The node refused a request. */
export class CantDoError extends Error {
  override readonly name = 'CantDoError'
  /** Null when the node gave none. */
  readonly reason: CantDoReason | null
  readonly request: TraderRequest

  constructor(reason: CantDoReason | null, request: TraderRequest) {
    super(`the node cannot do ${request.message.action}: ${reason ?? 'no reason given'}`)
    this.reason = reason
    this.request = request
  }
}

/** What was awaited did not come in time. It says nothing about what the node did. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
  /** Messages that arrived in the meantime and that nobody has taken; they can still be awaited. */
  readonly instead: readonly Message[]
  /** The request that got no answer, to send it again; null when a message without a request was awaited. */
  readonly request: TraderRequest | null

  constructor(awaited: string, waitedMs: number, instead: readonly Message[], request: TraderRequest | null = null) {
    const came = instead.length === 0 ? 'nothing else came' : `instead came ${instead.map(inWords).join(', ')}`
    super(`waited ${waitedMs} ms for ${awaited}; ${came}`)
    this.instead = instead
    this.request = request
  }
}

function inWords({ action, id, payload }: Message): string {
  const reason = payload?.kind === 'cant_do' ? `: ${payload.reason}` : ''
  return `${action}${reason}${id === null ? '' : ` (order ${id})`}`
}

/** Every relay refused the event, so the node cannot have seen it. */
export class PublishError extends Error {
  override readonly name = 'PublishError'
  /** What each relay said, by its URL. */
  readonly refusals: ReadonlyMap<string, string>

  constructor(refusals: ReadonlyMap<string, string>) {
    super(`every relay refused the event: ${[...refusals].map(([url, why]) => `${url}: ${why}`).join('; ')}`)
    this.refusals = refusals
  }
}

/** The client was closed while something was awaited. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError'

  constructor() {
    super('the client is closed')
  }
}
