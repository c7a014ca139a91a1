/**
 * How a sandbox, a demo or a test drives the simulated Lightning network.
 *
 * The network is a hub with one channel to the daemon's node and one to every trader's wallet. It does no I/O, takes
 * time and chance as parameters and is a plain value inside: `snapshot()` is JSON. Two doors lead to the daemon's node:
 *
 * - {@link SimLightning} implements the daemon's port in the same process: `createSimLightning(network, clock, options)`
 *   of `in-process.ts`;
 * - {@link SimLndServer} serves LND's gRPC services over TLS: `createSimLndServer(network, clock)` of `server/server.ts`.
 *
 * Both obey the same {@link FaultPlan}. The network itself is made by `createSimNetwork(options)` of `network.ts`.
 */
import type { Msat } from '../../core/money.ts'
import type { Lightning, PaymentFailure } from '../../ports/lightning.ts'
import type { Clock, Random } from '../../ports/system.ts'

// ---------------------------------------------------------------------------------------------------------- network

export type SimNetworkOptions = {
  readonly clock: Clock
  readonly random: Random
  readonly config?: Partial<SimConfig>
  /** continue from here; wallets, balances, invoices and payments are as they were */
  readonly snapshot?: SimSnapshot
}

/** Constants of the simulated world. All have defaults; see `network.ts`. */
export type SimConfig = {
  /** the daemon's node: its side of its channel, and the hub's side (what it can receive) */
  readonly nodeLocalMsat: Msat
  readonly nodeInboundMsat: Msat
  /** what each wallet can receive at first, besides its funding */
  readonly walletInboundMsat: Msat
  /** routing fee of one HTLC: base + proportional, rounded down to whole msat; default 1 sat + 100 ppm */
  readonly feeBaseMsat: number
  readonly feePpm: number
  /** LND's holdexpirydelta: an accepted hold is canceled when tip + this reaches its earliest HTLC expiry (18; 12 before 0.21) */
  readonly holdExpiryDelta: number
  /** LND's --max-cltv-expiry */
  readonly maxCltvExpiry: number
  /** how long LND keeps an incomplete set of parts */
  readonly mppTimeoutMs: number
  /** how long after an invoice's expiry LND's watcher runs; an HTLC that comes in between is still accepted */
  readonly expiryWatcherLagMs: number
  /** how long an HTLC travels; 0 means within the call that sent it */
  readonly htlcTravelMs: number
  /** a block by itself every so often; null: only `mine` makes blocks */
  readonly blockIntervalMs: number | null
  /** HTLCs of the daemon's payments are split above this size; null: one part unless scripted */
  readonly maxPartMsat: Msat | null
  /** LND started with --store-final-htlc-resolutions */
  readonly storesFinalHtlcs: boolean
  /** LND started with routerrpc.usestatusinitiated */
  readonly reportsInitiated: boolean
  /** `wrapped`: business errors carry the prefixes of LND's SQL store, so exact texts no longer match */
  readonly errorTexts: 'bare' | 'wrapped'
}

/** JSON; opaque to everybody but the network. */
export type SimSnapshot = { readonly format: 'fianza-sim-lightning-1' } & Readonly<Record<string, unknown>>

/** Where every millisat is. The sum of all fields but `routingFeesMsat` is constant until a wallet is added. */
export type Totals = {
  /** spendable, by wallet name */
  readonly wallets: Readonly<Record<string, Msat>>
  /** the daemon's channel balance: money-path.md 5.2 `W` is this plus `nodePendingOutMsat` */
  readonly nodeMsat: Msat
  /** leaving the node in HTLCs that are not resolved: amounts plus fees */
  readonly nodePendingOutMsat: Msat
  /** leaving wallets in HTLCs that are not resolved: amounts plus fees */
  readonly walletsPendingOutMsat: Msat
  /** what the hub owns, including what it has offered to recipients */
  readonly hubMsat: Msat
  /** the part of `hubMsat` that was earned */
  readonly routingFeesMsat: Msat
}

export interface SimNetwork {
  readonly node: SimNode
  readonly faults: FaultPlan
  /** Adds a trader's wallet with its own key and channel. The name must be new. */
  addWallet(name: string, fundingMsat: Msat): SimWallet
  /** Throws when there is no such wallet. */
  wallet(name: string): SimWallet
  walletNames(): readonly string[]
  height(): number
  /** Finds `blocks` blocks, one after the other: heights are announced, deadlines in blocks act. */
  mine(blocks: number): void
  /** What routing takes of every amount from now on, parts per million. */
  setFeePpm(feePpm: number): void
  totals(): Totals
  /** Recomputes every balance from the HTLCs and throws when one millisat is missing. Cheap checks run by themselves. */
  checkConservation(): void
  /** The whole world: all parties, all HTLCs, the height. Faults, scripts and power states are not part of it. */
  snapshot(): SimSnapshot
  /** Back to an earlier world, everybody together. Connections to the node are lost; payments awaited before never end. */
  restore(snapshot: SimSnapshot): void
  /** Forgets all timers. The network can not be used afterwards. Idempotent. */
  close(): void
}

// ------------------------------------------------------------------------------------------------ the daemon's node

export type InvoiceState = 'open' | 'accepted' | 'settled' | 'canceled'

/** An invoice of the node, as a test wants to see it. */
export type SimInvoice = {
  /** LND's number; given out again when the newest invoice was collected */
  readonly index: number
  readonly hash: string
  readonly state: InvoiceState
  readonly request: string
  readonly amountMsat: Msat
  readonly receivedMsat: Msat
  readonly memo: string
}

/** A payment of the node, as a test wants to see it. */
export type SimPayment = {
  /** LND's number; given out again when a failed payment was the newest and is made anew */
  readonly index: number
  readonly hash: string
  readonly request: string
  readonly amountMsat: Msat
  readonly state: 'initiated' | 'in-flight' | 'succeeded' | 'failed'
  readonly feeMsat: Msat
  readonly preimage: string | null
  readonly failure: PaymentFailure | null
  readonly createdAtMs: number
  /** HTLCs tried so far */
  readonly attempts: number
}

/** What happens to a payment of the node; without a script it is tried at once and its payee decides. */
export type PaymentScript =
  /** ends FAILED with this reason; `tried`: after an HTLC failed (default), else without one */
  | { readonly kind: 'fail'; readonly reason: PaymentFailure; readonly tried?: boolean; readonly afterMs?: number }
  /** like `fail`, and the stream says FAILED twice (lnd #9542) */
  | { readonly kind: 'fail-twice'; readonly reason: PaymentFailure }
  /** each HTLC needs so long to arrive */
  | { readonly kind: 'slow'; readonly ms: number }
  /** IN_FLIGHT with no HTLC until the node restarts */
  | { readonly kind: 'zombie' }
  /** LND says SUCCEEDED with a preimage that does not match; nothing must believe it */
  | { readonly kind: 'wrong-preimage' }
  /** so many parts; the first `stuck` never arrive until `releaseStuck`, the others fail; 0: all arrive */
  | { readonly kind: 'parts'; readonly parts: number; readonly stuck?: number }

/** What a restart of the node brings. */
export type RestartOptions = {
  /** `kill`: connections break. `orderly` (default): streams end with OK first. */
  readonly how?: 'orderly' | 'kill'
  /** how the node comes back; default `ready`. Leave the other states with `unlock()`. */
  readonly comesBack?: 'ready' | 'locked' | 'starting'
  /** delete canceled invoices (gc-canceled-invoices-on-startup) */
  readonly collectCanceled?: boolean
  /** the database of an earlier moment: amnesia; channels and HTLCs stay as the world knows them */
  readonly image?: NodeImage
  /** comes back with another identity key */
  readonly newIdentity?: boolean
}

/** JSON; the records of the node (invoices, payments, counters, identity) without the channels. */
export type NodeImage = { readonly format: 'fianza-sim-node-1' } & Readonly<Record<string, unknown>>

export interface SimNode {
  readonly pubkey: string
  /** its RPC server serves (`ready`), refuses (`locked`, `starting`), or is not there; only `ready` takes part in payments */
  state(): 'ready' | 'locked' | 'starting' | 'stopped'
  /** Spendable balance of its channel. */
  balanceMsat(): Msat
  invoices(): readonly SimInvoice[]
  invoice(hash: string): SimInvoice | null
  payments(): readonly SimPayment[]
  payment(hash: string): SimPayment | null

  /** Decides the fate of the next payment of this hash, or of the next payment of any hash. Not part of a snapshot. */
  scriptPayment(hash: string | 'next', script: PaymentScript): void
  /** Lets the stuck parts of `parts` fail back, or arrive. */
  releaseStuck(hash: string, outcome: 'fail' | 'arrive'): void
  /** Moves balance between the node's side and the hub's: liquidity for tests. Negative takes it away. */
  addLiquidity(deltaMsat: number): void

  /** Stops and starts again in one step. */
  restart(options?: RestartOptions): void
  /** Connections break (`kill`) or streams end with OK first; new connections are refused until `start`. */
  stop(how?: 'orderly' | 'kill'): void
  start(options?: Omit<RestartOptions, 'how'>): void
  /** Restarts into the locked state. */
  lock(): void
  /** Ends `locked` or `starting`. */
  unlock(): void
  /** Breaks every connection while the node goes on; clients may connect again at once. */
  cutConnections(): void
  /** Connections stay open but nothing passes any more; new ones work. Their own keepalive or deadlines must notice. */
  halfOpenConnections(): void

  image(): NodeImage
  /** The older records behind broken connections, as if another disk had been mounted between two packets. */
  restoreWhileConnected(image: NodeImage): void
  /** Loses the record of one payment (the HTLCs go on). */
  forgetPayment(hash: string): void
  /** Loses the record of one invoice; HTLCs on it stay in the network until a restart gives them back, or their height. */
  forgetInvoice(hash: string): void
  /** Deletes all canceled invoices; their hashes can be added again. */
  collectCanceled(): void
  /** While its peer is offline, settles are recorded at once, but HTLCs resolve when it returns, or are lost at their height. */
  setPeerOnline(online: boolean): void
}

// ----------------------------------------------------------------------------------------------------------- wallets

export type PayOptions = {
  /** for an invoice without an amount, or to pay another amount than it asks */
  readonly amountMsat?: Msat
  /** on top of what it asks */
  readonly overpayMsat?: Msat
  /** sends only this part of a set whose total is the full amount; the payee gives it back after the MPP time-out */
  readonly partialMsat?: Msat
  /** pays although its own clock says that the invoice has expired */
  readonly ignoreExpiry?: boolean
  /** HTLC expiry beyond the invoice's final CLTV, in blocks; default 3 as LND */
  readonly cltvPadding?: number
}

export type WalletFailure = PaymentFailure | 'malformed' | 'expired' | 'already-paid' | 'in-flight' | 'amount-missing'

export type WalletPayment =
  | { readonly ok: true; readonly preimage: string; readonly feeMsat: Msat }
  | { readonly ok: false; readonly reason: WalletFailure }

/** How a wallet answers an HTLC set that fits one of its invoices. After `fail` the invoice can still be paid. */
export type IncomingAnswer = 'settle' | 'hold' | 'fail'

export type InvoiceOptions = {
  /** null: the payer chooses */
  readonly amountMsat: Msat | null
  readonly expiryS?: number
  readonly memo?: string
  readonly finalCltv?: number
  /** 64 hex, instead of a memo */
  readonly descriptionHash?: string
  /** defaults to a regtest invoice with TLV onion, payment secret and MPP */
  readonly network?: 'bcrt' | 'tb' | 'bc'
  readonly features?: readonly number[]
}

export type Received = {
  readonly hash: string
  readonly amountMsat: Msat
  readonly memo: string
  readonly settledAtMs: number
}

export interface SimWallet {
  readonly name: string
  readonly pubkey: string
  /** Spendable: what is locked in outgoing HTLCs is not in it. */
  balanceMsat(): Msat
  /** Pays and waits for the end: for a hold invoice that is its settlement or cancellation. Never throws. */
  pay(request: string, options?: PayOptions): Promise<WalletPayment>
  /** Pays and resolves as soon as the payee has the HTLCs (`held`), or the payment has ended; `end` as `pay`. */
  startPayment(
    request: string,
    options?: PayOptions,
  ): Promise<{ readonly held: boolean; readonly end: Promise<WalletPayment> }>
  /** A signed BOLT 11 request of this wallet, with a preimage that only the wallet knows. */
  invoice(options: InvoiceOptions): string
  /** Settled incoming payments, oldest first. */
  received(): readonly Received[]
  /** Standing answer (default `settle`), or the answer for one hash. Acts on what comes later. */
  onIncoming(answer: IncomingAnswer, hash?: string): void
  /** Settles or fails what `hold` has kept. Throws when nothing is held for the hash. */
  settleHeld(hash: string): void
  failHeld(hash: string): void
  /** Hashes of incoming payments that wait for `settleHeld` or `failHeld`. */
  held(): readonly string[]
}

// ------------------------------------------------------------------------------------------------------------ faults

/** gRPC methods by name, as both doors count and disturb them. */
export type LndMethod =
  | 'GetInfo'
  | 'LookupInvoice'
  | 'ListInvoices'
  | 'SubscribeInvoices'
  | 'ListPayments'
  | 'DecodePayReq'
  | 'ChannelBalance'
  | 'WalletBalance'
  | 'ListChannels'
  | 'LookupHtlcResolution'
  | 'DeletePayment'
  | 'AddHoldInvoice'
  | 'SettleInvoice'
  | 'CancelInvoice'
  | 'SubscribeSingleInvoice'
  | 'LookupInvoiceV2'
  | 'SendPaymentV2'
  | 'TrackPaymentV2'
  | 'TrackPayments'
  | 'EstimateRouteFee'
  | 'RegisterBlockEpochNtfn'
  | 'GetVersion'

export type Fault =
  /** not executed: transport never opened, LND's gates, a macaroon without the right, or any other status */
  | { readonly kind: 'refuse'; readonly with: 'no-connection' | 'locked' | 'starting' | 'permission' | RpcStatus }
  /** executed, then: connection cut, silence, or one of the statuses 4 and 13 instead of the answer */
  | { readonly kind: 'lose-answer'; readonly how: 'cut' | 'silence' | 'deadline' | 'internal' }
  /** not executed and never answered */
  | { readonly kind: 'swallow' }
  /** the client's connection is cut at once; the request is executed so much later (money-path.md 3.6) */
  | { readonly kind: 'deliver-late'; readonly ms: number }
  /** executed so much later, then answered */
  | { readonly kind: 'slow'; readonly ms: number }
  /** a unary call is executed twice (the second result is dropped); a stream says everything twice */
  | { readonly kind: 'twice' }
  /** a stream holds its first message back until after the second one */
  | { readonly kind: 'reorder' }
  /** a stream says its first message once more so much later, if it has not ended */
  | { readonly kind: 'echo'; readonly ms: number }
  /** executed; the answer lacks the fields that a client needs */
  | { readonly kind: 'garbage' }

export type RpcStatus = { readonly code: number; readonly details: string }

export interface FaultPlan {
  /** The next `times` calls of the method (default 1). Queued faults come before standing ones. */
  next(method: LndMethod, fault: Fault, times?: number): void
  /** Every call of the method, until `clear`. */
  always(method: LndMethod, fault: Fault): void
  /** Asked for every call that has no other fault: seeded simulations decide here. null forgets it. */
  choose(chooser: ((method: LndMethod) => Fault | null) | null): void
  /** Forgets faults of one method, or all of them and the chooser. */
  clear(method?: LndMethod): void
  /** How often a method was called, refused calls included. */
  calls(method: LndMethod): number
}

// ------------------------------------------------------------------------------------------------------- two doors

export type SimLightningOptions = {
  /** one-way travel time of a message, asked twice a call; default 1 ms */
  readonly latencyMs?: (method: LndMethod) => number
}

/** The daemon's port on the model: no real timers, no I/O. */
export type SimLightning = Lightning

export type SimLndAddress = {
  /** `localhost:port` */
  readonly socket: string
  readonly certPem: string
  /** the PEM text in base64, as the `lightning` package takes it */
  readonly certBase64: string
  /** the daemon's rights: money-path.md 1.11 */
  readonly macaroonHex: string
  /** all rights */
  readonly adminMacaroonHex: string
}

export interface SimLndServer {
  /** Starts to serve on loopback; follows `node.stop` and `node.start` on the same port. Once. */
  listen(port?: number): Promise<SimLndAddress>
  /** A macaroon with exactly these rights (`entity:action` or `uri:/package.Service/Method`), hex. */
  macaroon(permissions: readonly string[]): string
  /** Stops serving for good. Idempotent. */
  stop(): Promise<void>
}
