/**
 * The journal alone, over a database in memory: no runner, no relay and no Lightning node, so that each of its functions
 * can be put into any standing and shown any fact.
 */
import BetterSqlite3 from 'better-sqlite3'
import type { HoldRow, LnOpRow, NewOrder, ObligationRow, OrderRow } from '../../src/adapters/sqlite/schema.ts'
import { openStore, Store } from '../../src/adapters/sqlite/store.ts'
import { type Msat, satsToMsat } from '../../src/core/money.ts'
import type { SettleWhy } from '../../src/core/order/decision.ts'
import type { Order } from '../../src/core/order/order.ts'
import type { Message } from '../../src/core/protocol.ts'
import type { Ctx, Pokes } from '../../src/engine/context.ts'
import type { Tx } from '../../src/engine/door.ts'
import { cancelEscrow, planEscrow, settleEscrow } from '../../src/engine/journal/escrow-intents.ts'
import { holdCreated, observeHold } from '../../src/engine/journal/hold-facts.ts'
import { planPayout } from '../../src/engine/journal/obligations.ts'
import { loadOrder } from '../../src/engine/rows.ts'
import type { Origin } from '../../src/engine/say.ts'
import { MoneySeed } from '../../src/engine/seed.ts'
import type { EngineSettings } from '../../src/engine/settings.ts'
import type { HoldFact } from '../../src/ports/lightning.ts'
import type { Relays } from '../../src/ports/relays.ts'
import { encodeBolt11, LND_INVOICE_FEATURES } from '../../src/sandbox/lightning/bolt11.ts'
import { sha256Hex } from '../../src/wire/hex.ts'
import { parseMessage } from '../../src/wire/message.ts'
import { ConversationKeyCache } from '../../src/wire/nip44.ts'
import { standInCurves } from './stand-in-curves.ts'

export const START_S = 1_780_000_000
export const NODE = `02${'ab'.repeat(32)}`
export const ALICE = 'a1'.repeat(32)
export const BOB = 'b0'.repeat(32)
export const ORDER_ID = '11111111-2222-4333-8444-555555555555'

export const PAYOUT_ID = `buyer_payout:${ORDER_ID}`
/** the intent to pay Bob's first invoice */
export const PAY_ID = `pay:${PAYOUT_ID}:0`

const AMOUNT_MSAT = satsToMsat(100_000)
export const FEE_MSAT = satsToMsat(300)
export const ESCROW_MSAT = satsToMsat(100_300)
export const PAYOUT_MSAT = satsToMsat(99_700)

/** A request of Alice that waits for its answer. */
export const REQUEST: Origin = { sender: ALICE, requestId: 77n, requestKey: 'k'.repeat(64) }

/** What Alice's release decides. */
export const RELEASED: SettleWhy = {
  v: 1,
  reason: 'released',
  buyer: BOB,
  payoutMsat: PAYOUT_MSAT,
  feeMsat: FEE_MSAT,
  devFeeMsat: satsToMsat(60),
  child: null,
  childRefused: false,
}

export type Invoice = {
  readonly request: string
  readonly hash: string
  readonly preimage: string
  /** as a destination is stored */
  readonly json: string
}

/** What the journal reads of the settings. */
const SETTINGS: Partial<EngineSettings> = {
  instanceName: 'fianza test',
  defaultTransport: 2,
  dutyS: 900,
  answerDeadlineMs: 8000,
  holdCltvDelta: 144,
  maxRoutingFeeRate: 0.002,
  payoutAttempts: 3,
  payoutRetryS: 60,
  devFee: null,
  order: { fiatCurrencies: [], minOrderMsat: FEE_MSAT, maxOrderMsat: ESCROW_MSAT, windowS: 86_400, maxWindowS: 86_400 },
  retentionDays: { order: 30, feeAudit: 365, message: 30 },
}

/** A migrated database without a row. Migrating costs more than most of these tests: it is done once. */
const MIGRATED = (() => {
  const store = openStore(':memory:')
  const image = store.db.serialize()
  store.close()
  return image
})()

function emptyStore(): Store {
  const db = new BetterSqlite3(MIGRATED)
  db.pragma('foreign_keys = ON')
  return new Store(db)
}

export class JournalDesk {
  readonly store = emptyStore()
  readonly ctx: Ctx
  readonly pokes: (keyof Pokes)[] = []
  readonly logged: string[] = []
  nowS = START_S
  /** how far the host's clock runs ahead of what has surely come */
  doubtS = 0
  #invoices = 0

  constructor(settings: Partial<EngineSettings> = {}) {
    const log = (event: string) => this.logged.push(event)
    const known: Partial<Ctx> = {
      store: this.store,
      log: { debug: log, info: log, warn: log, error: log },
      settings: { ...SETTINGS, ...settings } as EngineSettings,
      seed: new MoneySeed(new Uint8Array(32).fill(7)),
      key: {
        secretKey: new Uint8Array(32).fill(9),
        pubkey: standInCurves.publicKey(new Uint8Array(32).fill(9)),
        curves: standInCurves,
        keys: new ConversationKeyCache(),
      },
      relays: { urls: () => [] } as Partial<Relays> as Relays,
      poke: {
        executor: () => this.pokes.push('executor'),
        resolver: () => this.pokes.push('resolver'),
        publisher: () => this.pokes.push('publisher'),
        broadcaster: () => this.pokes.push('broadcaster'),
      },
    }
    // The journal reaches for nothing else; if it did, it would fail here.
    this.ctx = known as Ctx
  }

  /** Runs work as one commit; what it asked for afterwards follows. */
  do<T>(work: (tx: Tx) => T): T {
    const tasks: (() => void)[] = []
    const result = this.store.transaction(() =>
      work({
        store: this.store,
        s: this.store.s,
        nowS: this.nowS,
        nowMs: this.nowS * 1000,
        surelyS: this.nowS - this.doubtS,
        after: (task) => tasks.push(task),
      }),
    )
    for (const task of tasks) task()
    return result
  }

  /** What was woken since the last time that this was asked, once each, without the outside of messages and events. */
  woken(): readonly string[] {
    const money = [...new Set(this.pokes)].filter((name) => name === 'executor' || name === 'resolver')
    this.pokes.length = 0
    return money.sort()
  }

  meetsLightning(): this {
    this.do((tx) => {
      tx.s.node_add({ node: NODE, network: 'regtest' })
    })
    return this
  }

  close(): void {
    this.store.close()
  }

  // ---------------------------------------------------------------------------------------------------------- set up

  /** Alice's offer to sell 100,000 sats for 100 USD, taken by Bob who asks for payment to an invoice of his. */
  order(row: Partial<NewOrder> = {}): Order {
    const taken = row.status !== 'pending' || row.phase === 'opening'
    this.store.insertOrder({
      id: ORDER_ID,
      kind: 'sell',
      status: 'waiting-payment',
      phase: 'steady',
      maker_pubkey: ALICE,
      maker_identity: ALICE,
      fiat_code: 'USD',
      fiat_amount: 100,
      payment_method: 'bank',
      price_from_api: 0,
      amount_msat: AMOUNT_MSAT,
      created_at: START_S - 600,
      expires_at: START_S + 86_400,
      ...(taken
        ? {
            taker_pubkey: BOB,
            taker_identity: BOB,
            fee_msat: FEE_MSAT,
            dev_fee_msat: RELEASED.devFeeMsat,
            taken_at: START_S - 60,
            buyer_destination: JSON.stringify({ v: 1, kind: 'bolt11', request: 'lnbcrt1bob' }),
          }
        : {}),
      ...row,
    })
    return this.standing(row.id ?? ORDER_ID)
  }

  /** The order as it is now. */
  standing(id: string = ORDER_ID): Order {
    const order = loadOrder(this.store, id)
    if (order === null) throw new Error(`no order ${id}`)
    return order
  }

  /** The word for where an order stands. */
  where(id: string = ORDER_ID): string {
    const { status, phase } = this.standing(id)
    return phase === 'steady' ? status : `${status}/${phase}`
  }

  /** Puts an order where a test needs it. */
  put(columns: Partial<OrderRow>, id: string = ORDER_ID): void {
    this.#set('orders', id, columns)
  }

  #set(
    table: 'orders' | 'obligation' | 'ln_op',
    id: string,
    columns: Partial<OrderRow | ObligationRow | LnOpRow>,
  ): void {
    const assignments = Object.keys(columns).map((name) => `, ${name} = :${name}`)
    this.store.run(`UPDATE ${table} SET version = version + 1${assignments.join('')} WHERE id = :id`, {
      ...columns,
      id,
    })
  }

  /** The escrow of the order, planned and not sent. */
  plannedEscrow(origin: Origin | null = null, answers = false): HoldRow {
    const order = this.standing()
    this.do((tx) => planEscrow(this.ctx, tx, order, { amountMsat: ESCROW_MSAT, answers, origin }))
    this.pokes.length = 0
    return this.escrow()
  }

  /** Its create was sent, and nobody knows what became of it. */
  sentEscrow(origin: Origin | null = null): HoldRow {
    const { hash } = this.plannedEscrow(origin)
    this.claimed(`hold_create:${hash}`)
    return this.escrow()
  }

  /** Its invoice is at LND and Alice has it. */
  openEscrow(origin: Origin | null = null): HoldRow {
    const { hash } = this.sentEscrow(origin)
    this.do((tx) => holdCreated(this.ctx, tx, this.op(`hold_create:${hash}`), this.fact('open')))
    this.pokes.length = 0
    return this.escrow()
  }

  /** Alice has paid it. */
  heldEscrow(): HoldRow {
    this.openEscrow()
    this.do((tx) => observeHold(this.ctx, tx, this.fact('accepted')))
    this.pokes.length = 0
    return this.escrow()
  }

  /** Alice has released: the settle is decided and planned, and what Bob will be owed with it. */
  releasedEscrow(why: Partial<SettleWhy> = {}): HoldRow {
    const { hash } = this.heldEscrow()
    this.put({ status: 'fiat-sent', phase: 'releasing' })
    const order = this.standing()
    this.do((tx) => {
      settleEscrow(this.ctx, tx, order.id, { ...RELEASED, ...why }, 'release-message', null)
      planPayout(this.ctx, tx, order, { ...RELEASED, ...why }, hash)
    })
    this.pokes.length = 0
    return this.escrow()
  }

  /** The escrow is given back: decided, and on its way to LND. */
  cancelledEscrow(): HoldRow {
    this.do((tx) => cancelEscrow(this.ctx, tx, ORDER_ID, 'maker-canceled', 'cancel-message'))
    this.pokes.length = 0
    return this.escrow()
  }

  /** LND settled the escrow: Bob is owed his sats, and paying him is planned when he gave an invoice. */
  settledEscrow(why: Partial<SettleWhy> = {}): HoldRow {
    this.releasedEscrow(why)
    return this.settles(ESCROW_MSAT)
  }

  /** LND settles the released escrow, and tells what arrived. */
  settles(receivedMsat: Msat): HoldRow {
    this.claimed(`hold_settle:${this.escrow().hash}`)
    this.do((tx) => observeHold(this.ctx, tx, this.fact('settled', { receivedMsat })))
    this.pokes.length = 0
    return this.escrow()
  }

  /** An invoice of Bob over what he is owed, and the proof that only its payment gives. */
  bobsInvoice(options: { readonly amountMsat?: Msat | null; readonly expiryS?: number } = {}): Invoice {
    const { amountMsat = PAYOUT_MSAT, expiryS = 86_400 } = options
    this.#invoices += 1
    const preimage = sha256Hex(`preimage ${this.#invoices}`)
    const hash = sha256Hex(Buffer.from(preimage, 'hex'))
    const request = this.requestFor(hash, amountMsat, expiryS)
    return { request, hash, preimage, json: JSON.stringify({ v: 1, kind: 'bolt11', request }) }
  }

  /** The text of an invoice. */
  requestFor(hash: string, amountMsat: Msat | null, expiryS = 86_400): string {
    const plan = { network: 'bcrt', amountMsat, createdAtS: this.nowS, expiryS, hash } as const
    const rest = { finalCltv: 18, memo: '', descriptionHash: null, features: LND_INVOICE_FEATURES }
    return encodeBolt11({ ...plan, ...rest, secret: sha256Hex('secret') }, new Uint8Array(32).fill(3))
  }

  /** A hash is reserved for an obligation, Bob's payout unless said. */
  reserves(hash: string, owner = PAYOUT_ID, payee = BOB): void {
    this.do((tx) => tx.s.hash_reserve({ hash, owner, payee, now: this.nowS }))
  }

  /** Bob gave an invoice and is owed his sats: its payment is planned. */
  payoutPlanned(options: { readonly expiryS?: number; readonly amountMsat?: Msat | null } = {}): Invoice {
    const invoice = this.bobsInvoice(options)
    this.reserves(invoice.hash)
    this.order({ buyer_destination: invoice.json })
    this.settledEscrow()
    return invoice
  }

  /** LND was asked to pay Bob, and has not answered. */
  payoutSent(options: { readonly expiryS?: number } = {}, columns: Partial<LnOpRow> = {}): Invoice {
    const invoice = this.payoutPlanned(options)
    this.claimed(PAY_ID, columns)
    return invoice
  }

  /** Changes an obligation's row, whatever the journal would say to it. */
  putOwed(columns: Partial<ObligationRow>, id = PAYOUT_ID): void {
    this.#set('obligation', id, columns)
  }

  /** Everything that the journal may change. */
  everything(): unknown {
    return [
      'orders',
      'hold',
      'ln_op',
      'obligation',
      'ledger',
      'alert',
      'outbox_msg',
      'outbox_pub',
      'payout_hash',
      'ln_node',
    ].map((table) => this.store.all(`SELECT * FROM ${table}`))
  }

  /** An intent was handed to LND, and no answer has come. */
  claimed(id: string, columns: Partial<LnOpRow> = {}): LnOpRow {
    return this.change(id, {
      state: 'dispatching',
      attempt: 1,
      attempt_at: this.nowS,
      unacked: 1,
      boot_id: 'boot',
      conn: 1,
      lease_until: this.nowS + 30,
      ...columns,
    })
  }

  /** Changes an intent's row as the runners would. */
  change(id: string, columns: Partial<LnOpRow>): LnOpRow {
    this.#set('ln_op', id, columns)
    return this.op(id)
  }

  /** What LND says of the newest escrow. */
  fact(state: HoldFact['state'], over: Partial<HoldFact> = {}): HoldFact {
    const hold = this.escrow()
    const paid = state === 'accepted' || state === 'settled'
    return {
      hash: hold.hash,
      state,
      request: 'lnbcrt1escrow',
      amountMsat: hold.amount_msat,
      receivedMsat: paid ? hold.amount_msat : (0 as Msat),
      cltvDelta: hold.cltv_delta,
      memo: hold.memo,
      expiresAt: START_S + 960,
      minHtlcHeight: paid ? 800_144 : null,
      settleIndex: state === 'settled' ? 5 : null,
      ...over,
    }
  }

  // ---------------------------------------------------------------------------------------------------------- look at

  /** The newest escrow of the order. */
  escrow(): HoldRow {
    const row = this.store.get<HoldRow>('SELECT * FROM hold ORDER BY epoch DESC LIMIT 1')
    if (row === undefined) throw new Error('no escrow')
    return row
  }

  op(id: string): LnOpRow {
    const row = this.find(id)
    if (row === undefined) throw new Error(`no intent ${id}`)
    return row
  }

  find(id: string): LnOpRow | undefined {
    return this.store.get<LnOpRow>('SELECT * FROM ln_op WHERE id = :id', { id })
  }

  owed(id = PAYOUT_ID): ObligationRow {
    const row = this.store.get<ObligationRow>('SELECT * FROM obligation WHERE id = :id', { id })
    if (row === undefined) throw new Error(`no obligation ${id}`)
    return row
  }

  /** Open alerts with their severity. */
  alerts(): Readonly<Record<string, number>> {
    const rows = this.store.all<{ key: string; severity: number }>(
      'SELECT key, severity FROM alert WHERE closed_at IS NULL',
    )
    return Object.fromEntries(rows.map(({ key, severity }) => [key, severity]))
  }

  halted(): boolean {
    return this.store.get<{ halted: number }>('SELECT halted FROM ln_node')?.halted === 1
  }

  /** Transfers as `debit > credit: msat`, in the order of their causes. */
  ledger(): readonly string[] {
    return this.store
      .all<{ debit: string; credit: string; msat: number }>('SELECT debit, credit, msat FROM ledger ORDER BY id')
      .map(({ debit, credit, msat }) => `${debit} > ${credit}: ${msat}`)
  }

  /** What was said to a trader, oldest first. */
  said(to: string): readonly Message[] {
    return this.store
      .all<{ body: string }>('SELECT body FROM outbox_msg WHERE recipient = :to ORDER BY seq', { to })
      .map(({ body }) => {
        const parsed = parseMessage(body)
        if (!parsed.ok) throw new Error(`not a message: ${body}`)
        return parsed.value
      })
  }

  /** The actions of what was said to a trader. */
  actions(to: string): readonly string[] {
    return this.said(to).map((message) => message.action)
  }
}
