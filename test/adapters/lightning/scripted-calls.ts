import type { Calls, OpenStream, StreamListener } from '../../../src/adapters/lightning/calls.ts'
import { type Evidence, evidenceOf } from '../../../src/adapters/lightning/evidence.ts'
import type { InvoiceMessage, PaymentMessage, RpcMessages } from '../../../src/adapters/lightning/messages.ts'
import { type RpcName, rpcUri } from '../../../src/adapters/lightning/rpcs.ts'
import { err, ok, type Result } from '../../../src/core/result.ts'

/** What a stream tells before it falls silent. */
export type StreamStep<Message> = { readonly message: Message } | { readonly end: Evidence | null }

/** Answers in order; the last one stands. */
export type Script = { [N in RpcName]?: readonly Result<RpcMessages[N]['response'], Evidence>[] } & {
  streams?: { [N in RpcName]?: readonly (readonly StreamStep<RpcMessages[N]['response']>[])[] }
}

/** LND as a list of answers; a call that the script does not foresee is an error of the test. */
export class ScriptedCalls implements Calls {
  readonly made: { readonly name: RpcName; readonly request: unknown }[] = []
  cancelled = 0
  lost = false
  readonly #script: Script
  readonly #asked = new Map<RpcName, number>()

  constructor(script: Script) {
    this.#script = script
  }

  unary<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
  ): Promise<Result<RpcMessages[N]['response'], Evidence>> {
    this.made.push({ name, request })
    const answers: readonly Result<RpcMessages[N]['response'], Evidence>[] = this.#script[name] ?? []
    return Promise.resolve(this.#turn(name, answers))
  }

  stream<N extends RpcName>(
    name: N,
    request: RpcMessages[N]['request'],
    listener: StreamListener<RpcMessages[N]['response']>,
  ): OpenStream {
    this.made.push({ name, request })
    const scripts: readonly (readonly StreamStep<RpcMessages[N]['response']>[])[] = this.#script.streams?.[name] ?? []
    let over = false
    const play = async () => {
      for (const step of this.#turn(name, scripts)) {
        await Promise.resolve()
        if (over) return
        if ('message' in step) listener.onMessage(step.message)
        else {
          over = true
          listener.onEnd(step.end)
        }
      }
    }
    play().catch((error: unknown) => listener.onEnd(evidenceOf(rpcUri(name), error)))
    return {
      cancel: () => {
        over = true
        this.cancelled += 1
      },
    }
  }

  isLost(): boolean {
    return this.lost
  }

  names(): readonly RpcName[] {
    return this.made.map(({ name }) => name)
  }

  #turn<T>(name: RpcName, answers: readonly T[]): T {
    const turn = this.#asked.get(name) ?? 0
    this.#asked.set(name, turn + 1)
    const answer = answers[Math.min(turn, answers.length - 1)]
    if (answer === undefined) throw new Error(`the script has no answer for ${name}`)
    return answer
  }
}

/** A status of LND's for an RPC. */
export const failed = (name: RpcName, code: number, details: string): Evidence => ({
  kind: 'status',
  uri: rpcUri(name),
  code,
  details,
})

export const answers = <T>(value: T): Result<T, never> => ok(value)
export const fails = (name: RpcName, code: number, details: string): Result<never, Evidence> =>
  err(failed(name, code, details))

export const PREIMAGE = '11'.repeat(32)
/** sha256 of {@link PREIMAGE} */
export const HASH = '02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc'

export const invoiceMessage = (over: Partial<InvoiceMessage>): InvoiceMessage => ({
  r_hash: Buffer.from(HASH, 'hex'),
  memo: 'escrow',
  value_msat: '100000',
  amt_paid_msat: '0',
  creation_date: '1800000000',
  expiry: '900',
  cltv_expiry: '144',
  payment_request: '',
  settle_index: '0',
  state: 'OPEN',
  htlcs: [],
  ...over,
})

export const paymentMessage = (over: Partial<PaymentMessage>): PaymentMessage => ({
  payment_hash: HASH,
  payment_preimage: '00'.repeat(32),
  value_msat: '100000',
  fee_msat: '1010',
  creation_time_ns: '1800000000000000000',
  status: 'IN_FLIGHT',
  failure_reason: 'FAILURE_REASON_NONE',
  htlcs: [],
  ...over,
})
