import { satsToMsat } from '../../core/money.ts'
import type { Transport } from '../../core/protocol.ts'
import type { EngineSettings } from '../../engine/settings.ts'
import { COMMIT_HASH, VERSION } from '../version.ts'
import { actionMarginBlocks } from './checks.ts'
import type { ConfigFile, TRANSPORT_NAMES } from './schema.ts'

const TRANSPORTS: Readonly<Record<(typeof TRANSPORT_NAMES)[number], Transport>> = { 'gift-wrap': 1, nip44: 2 }

const HOUR_S = 3600
const DAY_S = 86_400

/** The checked configuration in the words and units of the engine. */
export function engineSettings({ nostr, lightning, mostro, expiration, price, limits }: ConfigFile): EngineSettings {
  const { name, about, website, picture, dev_fee_percentage: percentage, dev_fee_address: address } = mostro
  return {
    instanceName: name ?? null,
    version: VERSION,
    commitHash: COMMIT_HASH,
    profile: {
      ...(name === undefined ? {} : { name }),
      ...(about === undefined ? {} : { about }),
      ...(website === undefined ? {} : { website }),
      ...(picture === undefined ? {} : { picture }),
    },
    transports: [...new Set(mostro.transports.map((transport) => TRANSPORTS[transport]))],
    defaultTransport: TRANSPORTS[mostro.transport],
    pow: mostro.pow,
    powFirstContact: mostro.pow_first_contact ?? mostro.pow,
    order: {
      fiatCurrencies: mostro.fiat_currencies_accepted,
      minOrderMsat: satsToMsat(mostro.min_payment_amount),
      maxOrderMsat: satsToMsat(mostro.max_order_amount),
      windowS: mostro.expiration_hours * HOUR_S,
      maxWindowS: mostro.max_expiration_days * DAY_S,
    },
    feeRate: mostro.fee,
    devFee: percentage > 0 && address !== undefined ? { percentage, address } : null,
    maxRoutingFeeRate: mostro.max_routing_fee,
    dutyS: mostro.expiration_seconds,
    answerDeadlineMs: mostro.answer_deadline_seconds * 1000,
    holdCltvDelta: lightning.hold_invoice_cltv_delta,
    holdExpiryDelta: lightning.hold_expiry_delta,
    actionMarginBlocks: actionMarginBlocks(lightning),
    maxFinalCltv: lightning.max_final_cltv_expiry_delta,
    invoiceWindowS: lightning.invoice_expiration_window,
    payoutAttempts: lightning.payment_attempts,
    payoutRetryS: lightning.payment_retries_interval,
    maxPriceStalenessS: price.max_price_staleness_seconds,
    priceIntervalS: price.update_interval_seconds,
    outlierThresholdPct: price.outlier_threshold_pct,
    priceBreaker: {
      failureThreshold: price.provider_failure_threshold,
      cooldownS: price.provider_failure_cooldown_seconds,
    },
    publishRates: price.publish_to_nostr,
    infoIntervalS: mostro.publish_mostro_info_interval,
    retentionDays: { order: expiration.order_days, feeAudit: expiration.fee_audit_days, message: expiration.dm_days },
    minRelayOks: nostr.min_relay_oks,
    limits: {
      openOrdersPerIdentity: limits.open_orders_per_identity,
      pendingTakesPerKey: limits.pending_takes_per_key,
      answersPerKeyPerMinute: limits.answers_per_key_per_minute,
      answersPerSecond: limits.answers_per_second,
      laneDepth: limits.lane_depth,
      intakeDepth: limits.intake_depth,
      prepareMs: limits.prepare_ms,
      payoutsPerDestination: limits.payouts_per_destination,
      payoutsInAll: limits.payouts_in_all,
      addressLookupsPerKeyPerHour: limits.address_lookups_per_key_per_hour,
      ordersPerResponse: mostro.max_orders_per_response,
    },
  }
}
