import type { Result } from '../../core/result.ts'
import type { Evidence } from './evidence.ts'
import type { RpcMessages } from './messages.ts'
import type { RpcName } from './rpcs.ts'

/** What a stream tells; after `onEnd` it tells nothing more. */
export type StreamListener<Message> = {
  onMessage(message: Message): void
  /** once: null when LND ended it in order, else what happened */
  onEnd(evidence: Evidence | null): void
}

/** An open stream; `cancel` is idempotent, and nothing is told after it. */
export type OpenStream = { cancel(): void }

/**
 * The verbs' only way to LND. Never throws, never retries, and does not let a call out once the connection that it
 * belongs to has been lost.
 */
export interface Calls {
  /** Ends within the RPC's deadline. */
  unary<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
  ): Promise<Result<RpcMessages[N]['response'], Evidence>>
  /** Told asynchronously, also when the stream can not even be opened. */
  stream<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
    listener: StreamListener<RpcMessages[N]['response']>,
  ): OpenStream
  /** Whether the connection is gone; once true it stays so. */
  isLost(): boolean
}
