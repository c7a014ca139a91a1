/** Bearer tokens with rights, and LND's answers to those that lack them (money-path.md 1.1, 1.11, 6.2). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { LndMethod } from '../control.ts'
import { GATES, RpcError, STATUS } from '../rpc-error.ts'

/** `entity:action`, or `uri:/package.Service/Method`. */
export type Permission = string

/** What the daemon needs. */
export const DAEMON_PERMISSIONS: readonly Permission[] = [
  'info:read',
  'invoices:read',
  'invoices:write',
  'offchain:read',
  'offchain:write',
  'onchain:read',
]

export const ADMIN_PERMISSIONS: readonly Permission[] = [
  ...DAEMON_PERMISSIONS,
  'onchain:write',
  'address:write',
  'macaroon:write',
]

const REQUIRED: Readonly<Record<LndMethod, Permission>> = {
  GetInfo: 'info:read',
  GetVersion: 'info:read',
  LookupInvoice: 'invoices:read',
  LookupInvoiceV2: 'invoices:read',
  ListInvoices: 'invoices:read',
  SubscribeInvoices: 'invoices:read',
  SubscribeSingleInvoice: 'invoices:read',
  AddHoldInvoice: 'invoices:write',
  SettleInvoice: 'invoices:write',
  CancelInvoice: 'invoices:write',
  ListPayments: 'offchain:read',
  DecodePayReq: 'offchain:read',
  ChannelBalance: 'offchain:read',
  ListChannels: 'offchain:read',
  LookupHtlcResolution: 'offchain:read',
  TrackPaymentV2: 'offchain:read',
  TrackPayments: 'offchain:read',
  EstimateRouteFee: 'offchain:read',
  SendPaymentV2: 'offchain:write',
  DeletePayment: 'offchain:write',
  WalletBalance: 'onchain:read',
  RegisterBlockEpochNtfn: 'onchain:read',
}

const MAC_BYTES = 32

/** Signs and checks tokens with a root key of its own. */
export class Macaroons {
  readonly #rootKey = randomBytes(32)

  /** Hex. */
  bake(permissions: readonly Permission[]): string {
    const body = Buffer.from(JSON.stringify(permissions))
    return Buffer.concat([this.#mac(body), body]).toString('hex')
  }

  /** Null when one of `tokens`, which must be the only one, allows the method. */
  refusal(tokens: readonly string[], method: LndMethod, uri: string): RpcError | null {
    const [token] = tokens
    if (token === undefined || tokens.length > 1) return unknown(`expected 1 macaroon, got ${tokens.length}`)
    const bytes = Buffer.from(token, 'hex')
    if (bytes.length <= MAC_BYTES || bytes.toString('hex') !== token.toLowerCase()) {
      return unknown('cannot get macaroon: cannot determine data format of binary-encoded macaroon')
    }
    const body = bytes.subarray(MAC_BYTES)
    if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), this.#mac(body))) {
      return unknown('verification failed: signature mismatch after caveat verification')
    }
    const permissions = JSON.parse(body.toString('utf8')) as readonly Permission[]
    const allowed = permissions.includes(REQUIRED[method]) || permissions.includes(`uri:${uri}`)
    return allowed ? null : new RpcError(GATES.permission.code, GATES.permission.details)
  }

  #mac(body: Buffer): Buffer {
    return createHmac('sha256', this.#rootKey).update(body).digest()
  }
}

function unknown(details: string): RpcError {
  return new RpcError(STATUS.unknown, details)
}
