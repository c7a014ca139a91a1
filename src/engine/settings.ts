/** What the operator configures, as the engine needs it: checked, complete, in our units. */
import type { OrderLimits } from '../core/order/create.ts'
import type { BreakerLimits } from '../core/pricing.ts'
import type { Transport } from '../core/protocol.ts'

/** Limits on what strangers can cost (money-path.md 3.9); enforced in `inbox/limits.ts` and where rows are counted. */
export type StrangerLimits = {
  readonly openOrdersPerIdentity: number
  readonly pendingTakesPerKey: number
  readonly answersPerKeyPerMinute: number
  readonly answersPerSecond: number
  readonly laneDepth: number
  readonly intakeDepth: number
  readonly prepareMs: number
  readonly payoutsPerDestination: number
  readonly payoutsInAll: number
  readonly addressLookupsPerKeyPerHour: number
  readonly ordersPerResponse: number
}

export type EngineSettings = {
  /** second value of the `y` tag */
  readonly instanceName: string | null
  readonly version: string
  readonly commitHash: string
  /** kind 0, published once at start when anything is said */
  readonly profile: {
    readonly name?: string
    readonly about?: string
    readonly website?: string
    readonly picture?: string
  }
  readonly transports: readonly Transport[]
  readonly defaultTransport: Transport
  readonly pow: number
  readonly powFirstContact: number
  readonly order: OrderLimits
  /** total, split in two */
  readonly feeRate: number
  readonly devFee: { readonly percentage: number; readonly address: string } | null
  readonly maxRoutingFeeRate: number
  /** seconds that a trader has for his duty */
  readonly dutyS: number
  readonly answerDeadlineMs: number
  readonly holdCltvDelta: number
  readonly holdExpiryDelta: number
  readonly actionMarginBlocks: number
  readonly maxFinalCltv: number
  readonly invoiceWindowS: number
  readonly payoutAttempts: number
  readonly payoutRetryS: number
  readonly maxPriceStalenessS: number
  readonly priceIntervalS: number
  readonly outlierThresholdPct: number
  readonly priceBreaker: BreakerLimits
  readonly publishRates: boolean
  readonly infoIntervalS: number
  readonly retentionDays: { readonly order: number; readonly feeAudit: number; readonly message: number }
  readonly minRelayOks: number
  readonly limits: StrangerLimits
}

/** The defaults of everything that has one; the configuration overrides them key by key. */
export const DEFAULT_LIMITS: StrangerLimits = {
  openOrdersPerIdentity: 20,
  pendingTakesPerKey: 3,
  answersPerKeyPerMinute: 6,
  answersPerSecond: 50,
  laneDepth: 8,
  intakeDepth: 1000,
  prepareMs: 8000,
  payoutsPerDestination: 4,
  payoutsInAll: 40,
  addressLookupsPerKeyPerHour: 6,
  ordersPerResponse: 50,
}
