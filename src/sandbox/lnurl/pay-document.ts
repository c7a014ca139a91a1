import { createHash } from 'node:crypto'
import type { Msat } from '../../core/money.ts'

/**
 * Makes the invoice of a simulated wallet.
 *
 * @param user the part of the address before the @
 * @param descriptionHash hex sha256 that the invoice commits to
 * @returns the bolt11 text
 */
export type InvoiceFor = (user: string, amountMsat: Msat, descriptionHash: string) => Promise<string> | string

/** What a sandbox service gives, and to whom. */
export type ServiceOptions = {
  readonly invoiceFor: InvoiceFor
  /** whether the service knows the user; everybody is known when absent */
  readonly knows?: (user: string) => boolean
  readonly minSendableMsat?: number
  readonly maxSendableMsat?: number
  /** characters of comment that are taken (LUD-12); none when absent */
  readonly commentAllowed?: number
  /** how the service misbehaves to this user right now */
  readonly faultOf?: (user: string) => ServiceFault | null
}

export type ServiceFault =
  /** answers `status: ERROR` */
  | 'refuses'
  /** answers with a server error */
  | 'down'
  /** takes the connection and says nothing */
  | 'silent'
  /** gives something that is no invoice */
  | 'garbage'
  /** sends elsewhere */
  | 'redirects'
  /** answers with more than anybody should read */
  | 'floods'

export const DEFAULT_MIN_SENDABLE_MSAT = 1000
export const DEFAULT_MAX_SENDABLE_MSAT = 100_000_000_000

/** The metadata text of a user's pay document (LUD-06, LUD-16) and the hash that invoices commit to. */
export function payMetadata(
  user: string,
  host: string,
): { readonly metadata: string; readonly descriptionHash: string } {
  const metadata = JSON.stringify([
    ['text/plain', `Sats for ${user}`],
    ['text/identifier', `${user}@${host}`],
  ])
  return { metadata, descriptionHash: createHash('sha256').update(metadata).digest('hex') }
}
