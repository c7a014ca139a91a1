/** What a take costs now: from the committed order, the rates in memory and the settings. No await. */
import { addMsat } from '../../core/money.ts'
import { withinLimits } from '../../core/order/create.ts'
import type { Order } from '../../core/order/order.ts'
import { type TakeTerms, takenFiat } from '../../core/order/take.ts'
import { devFeeMsat, feePerPartyMsat, quoteMsat } from '../../core/pricing.ts'
import type { CantDoReason } from '../../core/protocol.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Ctx } from '../context.ts'

/** Checks 8 and 9 of a take, and the limits again (W41): a price may have moved since the order was made. */
export function takeTerms(ctx: Ctx, order: Order, asked: bigint | null, nowS: number): Result<TakeTerms, CantDoReason> {
  const fiatAmount = takenFiat(order, asked)
  if (typeof fiatAmount !== 'number') return err(fiatAmount)
  const { settings } = ctx
  let amountMsat = order.price.kind === 'fixed' ? order.price.amountMsat : null
  if (amountMsat === null) {
    const rate = ctx.rates.rate(order.fiatCode, nowS, settings.maxPriceStalenessS)
    // Without any price the take can not be served now (DEC-04).
    if (!rate.ok) return err(rate.error === 'price-too-stale' ? 'price_too_stale' : 'pending_order_exists')
    const quote = quoteMsat(fiatAmount, rate.value, order.premium)
    if (!quote.ok || !withinLimits(quote.value, settings.order)) return err('out_of_range_sats_amount')
    amountMsat = quote.value
  }
  const feeMsat = feePerPartyMsat(amountMsat, settings.feeRate)
  if (amountMsat <= addMsat(feeMsat)) return err('out_of_range_sats_amount')
  return ok({
    fiatAmount,
    amountMsat,
    feeMsat,
    devFeeMsat: devFeeMsat(feeMsat, settings.devFee?.percentage ?? 0),
  })
}
