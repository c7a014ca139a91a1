import type { RpcStatus } from './control.ts'

/** gRPC status codes that LND uses. */
export const STATUS = {
  canceled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** LND's interceptor refuses before any handler runs; exact texts (money-path.md 1.1). */
export const GATES = {
  'no-connection': { code: STATUS.unavailable, details: 'No connection established' },
  locked: { code: STATUS.unknown, details: 'wallet locked, unlock it to enable full RPC access' },
  starting: {
    code: STATUS.unknown,
    details: 'the RPC server is in the process of starting up, but not yet ready to accept calls',
  },
  permission: { code: STATUS.unknown, details: 'permission denied' },
} as const satisfies Readonly<Record<string, RpcStatus>>

/** A call of the simulated LND ended with a status other than OK. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly details: string

  constructor(code: number, details: string) {
    super(`${code} ${details}`)
    this.code = code
    this.details = details
  }
}
