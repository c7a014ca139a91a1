/** The plain records of the simulated network. All of them are JSON; times are unix ms, amounts msat. */
import type { PaymentFailure } from '../../../ports/lightning.ts'
import type { IncomingAnswer, InvoiceState, SimConfig } from '../control.ts'

/** Why an HTLC came back: the names of LND's `Failure.FailureCode`. */
export type HtlcFailure =
  | 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS'
  | 'MPP_TIMEOUT'
  | 'TEMPORARY_CHANNEL_FAILURE'
  | 'PERMANENT_CHANNEL_FAILURE'
  | 'UNKNOWN_NEXT_PEER'

/** One HTLC of the network. It is the truth about its sats; the parties only keep records about it. */
export type Htlc = {
  readonly id: number
  readonly payer: PartyId
  /** null: nobody in this network has the invoice's key */
  readonly payee: PartyId | null
  readonly hash: string
  readonly secret: string
  /** what the payee gets, and what the payer pays on top */
  readonly amountMsat: number
  readonly feeMsat: number
  /** total of the set that this part announces */
  readonly totalMsat: number
  /** block height at which the payee's side times out */
  readonly expiryHeight: number
  /** comes back with this failure instead of arriving */
  readonly doom: HtlcFailure | null
  /** `settling`: the preimage is known, but the payee's peer is offline */
  state: 'travelling' | 'stuck' | 'held' | 'settling' | 'settled' | 'failed'
  arrivesAtMs: number
  /** index in the payee's channel, from its arrival on */
  payeeIndex: number | null
  preimage: string | null
  failure: HtlcFailure | null
}

/** `node`, or `wallet:<name>`. */
export type PartyId = string

export type Channel = {
  /** short channel id as LND writes it, a decimal 64-bit number */
  readonly scid: string
  /** the party's spendable side and the hub's */
  localMsat: number
  hubMsat: number
  /** locked in HTLCs towards the hub (amount and fee), and towards the party */
  pendingOutMsat: number
  pendingInMsat: number
  capacityMsat: number
  nextIndex: number
}

export type InvoiceHtlc = {
  readonly htlcId: number
  readonly channelIndex: number
  readonly amountMsat: number
  readonly totalMsat: number
  readonly expiryHeight: number
  readonly acceptHeight: number
  readonly acceptedAtMs: number
  resolvedAtMs: number | null
  state: 'accepted' | 'settled' | 'canceled'
}

export type Invoice = {
  readonly hash: string
  preimage: string | null
  readonly request: string
  readonly secret: string
  /** 0: the payer chooses */
  readonly amountMsat: number
  readonly memo: string
  readonly descriptionHash: string | null
  readonly cltvDelta: number
  readonly createdAtMs: number
  readonly expiryS: number
  readonly features: readonly number[]
  readonly addIndex: number
  state: InvoiceState
  /** stays after a cancel from accepted, as in LND */
  receivedMsat: number
  settleIndex: number | null
  settledAtMs: number | null
  readonly htlcs: InvoiceHtlc[]
}

export type Attempt = {
  readonly htlcId: number
  readonly amountMsat: number
  readonly feeMsat: number
  readonly expiryHeight: number
  readonly startedAtMs: number
  resolvedAtMs: number | null
  status: 'in-flight' | 'succeeded' | 'failed'
  failure: HtlcFailure | null
}

export type Payment = {
  readonly index: number
  readonly hash: string
  readonly request: string
  readonly payee: string
  readonly amountMsat: number
  readonly createdAtMs: number
  readonly timeoutMs: number
  readonly attempts: Attempt[]
  preimage: string | null
  failure: PaymentFailure | null
  /** said instead of what the failed HTLCs would say */
  scriptedFailure: PaymentFailure | null
  /** the record claims another preimage than the HTLC had */
  corrupt: boolean
  /** its end is announced twice */
  echoes: boolean
  zombie: boolean
  /** a failure that comes without any HTLC, at this time */
  failsAtMs: number | null
}

/** What a Lightning node keeps in its database: an older copy of it is amnesia. */
export type Records = {
  key: string
  readonly invoices: Map<string, Invoice>
  readonly payments: Map<string, Payment>
  lastAddIndex: number
  lastSettleIndex: number
  lastPaymentIndex: number
}

export type Party = {
  readonly id: PartyId
  readonly channel: Channel
  records: Records
  /** false: its software is not there, so its records do not change */
  running: boolean
  /** false: its only peer is away */
  peerOnline: boolean
  incoming: IncomingAnswer
  readonly incomingByHash: Map<string, IncomingAnswer>
}

/** What the modules of the model share. */
export type Context = {
  readonly config: SimConfig
  nowMs(): number
  height(): number
  randomHex(bytes: number): string
  schedule(due: Due): void
  invoiceChanged(party: Party, invoice: Invoice): void
  paymentChanged(party: Party, payment: Payment): void
}

/** Something that happens by itself at a time. Entries that no longer apply are ignored when they come up. */
export type Due = { readonly atMs: number } & (
  | { readonly kind: 'arrive'; readonly htlcId: number }
  | { readonly kind: 'expire'; readonly party: PartyId; readonly hash: string }
  | { readonly kind: 'release-part'; readonly party: PartyId; readonly hash: string; readonly htlcId: number }
  | { readonly kind: 'fail-payment'; readonly party: PartyId; readonly hash: string }
  | { readonly kind: 'block' }
)
