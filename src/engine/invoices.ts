/** Whether an invoice that a trader gave can and may be paid (money-path.md 3.10, trade.md 4.1; W11, W12, DEC-20). */
import type { Msat } from '../core/money.ts'
import { err, ok, type Result } from '../core/result.ts'
import { type Bolt11, decodeBolt11 } from '../wire/bolt11.ts'
import type { Ctx } from './context.ts'
import { nowS } from './context.ts'
import type { Tx } from './door.ts'

/** An invoice with less life than this is not sent any more: it could expire on the way (money-path.md 3.10). */
export const MIN_LIFE_TO_DISPATCH_S = 60

/** The longest bolt11 text that is stored. */
const INVOICE_MAX_CHARS = 4096

/** What an invoice is measured against. */
export type Admission = {
  /** what we would pay, exactly; null = the amount is not known yet, so the invoice must not name one */
  readonly amountMsat: Msat | null
  readonly minLifeS: number
}

/**
 * Checks a bolt11 text against everything but the reservation of its hash, which is made in the transaction that admits
 * it. All failures are one reason on the wire; the detail is for the log.
 */
export function checkInvoice(ctx: Ctx, text: string, wanted: Admission): Result<Bolt11, string> {
  if (text.length > INVOICE_MAX_CHARS) return err('too long')
  const decoded = decodeBolt11(text, ctx.key.curves)
  if (!decoded.ok) return err(decoded.error)
  const invoice = decoded.value
  const node = ctx.lightning.node
  const now = nowS(ctx)
  if (node !== null && invoice.network !== node.network) return err(`for ${invoice.network}, not for ${node.network}`)
  if (node !== null && invoice.payee === node.pubkey) return err('pays our own node')
  if (invoice.isAmp) return err('AMP invoices pay by other hashes')
  if (!invoice.hasPaymentSecret) return err('no payment secret')
  if (invoice.unknownRequiredFeatures.length > 0) return err('requires features that are not known')
  if (invoice.minFinalCltv > ctx.settings.maxFinalCltv) return err(`final CLTV ${invoice.minFinalCltv} is too long`)
  if (invoice.amountMsat !== null && invoice.amountMsat !== wanted.amountMsat)
    return err(`asks for ${invoice.amountMsat} msat, not for ${wanted.amountMsat ?? 'an open amount'}`)
  if (invoice.createdAtS > now + 600) return err('made in the future')
  if (invoice.expiresAtS < now + wanted.minLifeS) return err('expires too soon')
  return ok(invoice)
}

/** The payer's side of an obligation's id, known before the row exists. */
export const payoutOwner = (orderId: string): string => `buyer_payout:${orderId}`

/** Reserves a payment hash for one obligation and payee, for ever (DEC-20). False: somebody else has it. */
export function reserveHash(tx: Tx, hash: string, owner: string, payee: string): boolean {
  return tx.s.hash_reserve({ hash, owner, payee, now: tx.nowS }) !== undefined
}
