/** The destination that a buyer names: recognised, checked, and its hash reserved (trade.md 4; DEC-20). */
import type { Msat } from '../../core/money.ts'
import type { Destination } from '../../core/order/order.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { checkInvoice, reserveHash } from '../invoices.ts'
import type { PrepareTools } from './action.ts'

/** The longest address or lnurl that is stored. */
const ADDRESS_MAX_CHARS = 1024

/** What the preparation found out about an address; bolt11 needs none. */
export type AddressProbe = { readonly text: string; readonly ok: boolean } | null

/** Asks the address's host whether it can be paid. Bolt11 texts are not touched. */
export async function probeDestination(
  ctx: Ctx,
  text: string | null,
  amountMsat: Msat | null,
  tools: PrepareTools,
): Promise<AddressProbe> {
  if (text === null || text.length > ADDRESS_MAX_CHARS || !ctx.addresses.looksLikeAddress(text)) return null
  if (!tools.mayLookUp(text)) return { text, ok: false }
  const probed = await ctx.addresses.probe(text, amountMsat)
  if (!probed.ok) ctx.log.info('address refused', { why: probed.error.kind, detail: probed.error.detail })
  return { text, ok: probed.ok }
}

/** A destination with the payment hash that it pays, if it is an invoice. */
export type CheckedDestination = { readonly destination: Destination; readonly hash: string | null }

/** Checks the text against the amount, without reserving anything. */
export function checkDestination(
  ctx: Ctx,
  text: string,
  amountMsat: Msat | null,
  probe: AddressProbe,
): Result<CheckedDestination, string> {
  if (ctx.addresses.looksLikeAddress(text)) {
    if (probe === null || probe.text !== text || !probe.ok) return err('the address can not be paid')
    return ok({ destination: { kind: 'address', address: text }, hash: null })
  }
  const checked = checkInvoice(ctx, text, { amountMsat, minLifeS: ctx.settings.invoiceWindowS })
  if (!checked.ok) return err(checked.error)
  return ok({ destination: { kind: 'bolt11', request: text }, hash: checked.value.hash })
}

/** Checks a destination and reserves its hash for one obligation and payee. */
export function admitDestination(
  ctx: Ctx,
  tx: Tx,
  text: string,
  wanted: {
    readonly amountMsat: Msat | null
    readonly owner: string
    readonly payee: string
    readonly probe: AddressProbe
  },
): Destination | null {
  const checked = checkDestination(ctx, text, wanted.amountMsat, wanted.probe)
  if (!checked.ok) {
    ctx.log.info('invoice refused', { owner: wanted.owner, why: checked.error })
    return null
  }
  const { destination, hash } = checked.value
  if (hash !== null && !reserveHash(tx, hash, wanted.owner, wanted.payee)) {
    ctx.log.info('invoice refused', { owner: wanted.owner, why: 'its payment hash belongs to another trade' })
    return null
  }
  return destination
}
