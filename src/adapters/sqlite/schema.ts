/**
 * Row types of the tables, one drizzle definition each, with the column names of the database as keys so that a raw
 * row is already typed. What the columns mean, and every rule that the database itself enforces, stands in
 * `drizzle/*.sql`; a test compares both.
 */
import { integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import type { Msat } from '../../core/money.ts'
import type { ObligationKind } from '../../core/obligation.ts'
import type { Phase, Side, Status } from '../../core/order/order.ts'
import type { OrderKind } from '../../core/protocol.ts'

/** A boolean as SQLite stores it. */
export type Flag = 0 | 1

export type HoldPurpose = 'escrow' | 'taker_bond' | 'maker_bond'
export type HoldFinal = 'settled' | 'canceled'
export type HoldDecision = 'none' | 'settle' | 'cancel'
/** 0 planned, 1 open, 2 accepted, 3 final. */
export type HoldRank = 0 | 1 | 2 | 3
export type HoldFate = 'waiting' | 'held' | 'taking' | 'returning' | 'taken' | 'returned' | 'lost'

export type ObligationState = 'blocked' | 'need_destination' | 'ready' | 'paid' | 'forfeited' | 'void' | 'review'
export type ReviewWhy = 'payee-exhausted' | 'late-success' | 'awaiting-verdict' | 'operator-pays' | 'conflict'

export type HoldOpKind = 'hold_create' | 'hold_settle' | 'hold_cancel'
export type OpKind = HoldOpKind | 'pay'
export type OpState = 'planned' | 'dispatching' | 'unknown' | 'in_flight' | 'done' | 'refused' | 'void'
/** Outcome classes that leave an intent open (money-path.md 0.2). */
export type OpClass = 'S' | 'U' | 'B' | 'T' | 'T-attempt'

export type InboxVerdict = 'effect' | 'refused' | 'repeat' | 'dropped' | 'failed' | 'quarantined'
/** 0 money and trade, 1 replies, 2 bulk. */
export type Lane = 0 | 1 | 2
/** 0 queued, 1 partly delivered, 2 sent, 3 dead. */
export type MessageState = 0 | 1 | 2 | 3
export type BlindKind = 'down' | 'relays' | 'lightning'

const msatColumn = () => integer().$type<Msat>()
const flag = () => integer().$type<Flag>()

export const lnNode = sqliteTable('ln_node', {
  node_pubkey: text().primaryKey(),
  network: text().notNull().default('mainnet'),
  hi_settle_index: integer().notNull().default(0),
  conn_epoch: integer().notNull().default(0),
  verified_epoch: integer().notNull().default(0),
  last_alive_at: integer().notNull().default(0),
  halted: flag().notNull().default(0),
  halted_why: text(),
})
export type LnNodeRow = typeof lnNode.$inferSelect

export const orders = sqliteTable('orders', {
  id: text().primaryKey(),
  kind: text().$type<OrderKind>().notNull(),
  status: text().$type<Status>().notNull(),
  phase: text().$type<Phase>().notNull().default('steady'),
  version: integer().notNull().default(1),
  maker_pubkey: text().notNull(),
  maker_identity: text().notNull(),
  maker_index: integer(),
  taker_pubkey: text(),
  taker_identity: text(),
  taker_index: integer(),
  fiat_code: text().notNull(),
  fiat_amount: integer().notNull().default(0),
  min_amount: integer(),
  max_amount: integer(),
  payment_method: text().notNull(),
  premium: integer().notNull().default(0),
  price_from_api: flag().notNull(),
  amount_msat: msatColumn()
    .notNull()
    .default(0 as Msat),
  fee_msat: msatColumn()
    .notNull()
    .default(0 as Msat),
  dev_fee_msat: msatColumn()
    .notNull()
    .default(0 as Msat),
  maker_destination: text(),
  buyer_destination: text(),
  cancel_initiator: text().$type<Side>(),
  next_trade_pubkey: text(),
  next_trade_index: integer(),
  range_parent: text(),
  created_at: integer().notNull(),
  expires_at: integer().notNull(),
  taken_at: integer(),
  duty_epoch: integer().notNull().default(0),
  duty_anchor_at: integer(),
  duty_ok_at: integer(),
  settled_at: integer(),
})
export type OrderRow = typeof orders.$inferSelect
export type NewOrder = typeof orders.$inferInsert

export const hold = sqliteTable('hold', {
  hash: text().primaryKey(),
  purpose: text().$type<HoldPurpose>().notNull(),
  counter: integer().notNull(),
  order_id: text().notNull(),
  bond_id: text(),
  epoch: integer().notNull().default(1),
  amount_msat: msatColumn().notNull(),
  cltv_delta: integer().notNull(),
  life_s: integer().notNull(),
  expires_at: integer(),
  memo: text().notNull(),
  request: text(),
  request_key: text(),
  answer_by: integer(),
  node_pubkey: text().notNull(),
  rank: integer().$type<HoldRank>().notNull().default(0),
  final: text().$type<HoldFinal>(),
  held_msat: msatColumn(),
  held_at: integer(),
  min_htlc_height: integer(),
  settle_index: integer(),
  final_at: integer(),
  htlc_resolved: flag().notNull().default(0),
  decision: text().$type<HoldDecision>().notNull().default('none'),
  decided_at: integer(),
  decided_by: text(),
  decided_why: text(),
  version: integer().notNull().default(1),
  created_at: integer().notNull(),
})
export type HoldRow = typeof hold.$inferSelect

/** What became of a hold, from the view `hold_fate`. */
export type HoldFateRow = {
  readonly hash: string
  readonly order_id: string
  readonly bond_id: string | null
  readonly purpose: HoldPurpose
  readonly fate: HoldFate
}

export const obligation = sqliteTable('obligation', {
  id: text().primaryKey(),
  kind: text().$type<ObligationKind>().notNull(),
  order_id: text().notNull(),
  bond_id: text(),
  payee: text(),
  amount_msat: msatColumn().notNull(),
  max_fee_msat: msatColumn().notNull(),
  state: text().$type<ObligationState>().notNull(),
  review_why: text().$type<ReviewWhy>(),
  funded_by: text(),
  window_s: integer(),
  anchor_at: integer(),
  claim_until: integer(),
  attempts_max: integer().notNull(),
  retry_s: integer().notNull(),
  destination: text(),
  destination_rev: integer().notNull().default(0),
  prompts: integer().notNull().default(0),
  last_prompt_at: integer(),
  prompt_ok_at: integer(),
  failures: integer().notNull().default(0),
  resolve_failures: integer().notNull().default(0),
  looking_up: flag().notNull().default(0),
  next_at: integer().notNull().default(0),
  paid_op: text(),
  version: integer().notNull().default(1),
  created_at: integer().notNull(),
})
export type ObligationRow = typeof obligation.$inferSelect
/** The view `obligation_now`: the stored state, or `paying` while a payment may exist. */
export type ObligationNowRow = ObligationRow & { readonly shown: ObligationState | 'paying' }

export const lnOp = sqliteTable('ln_op', {
  id: text().primaryKey(),
  kind: text().$type<OpKind>().notNull(),
  hash: text().notNull(),
  obligation_id: text(),
  node_pubkey: text().notNull(),
  params: text().notNull(),
  dest_pubkey: text(),
  request_expires_at: integer(),
  state: text().$type<OpState>().notNull().default('planned'),
  attempt: integer().notNull().default(0),
  attempt_at: integer(),
  unacked: integer().notNull().default(0),
  acked_attempt: integer().notNull().default(0),
  known: flag().notNull().default(0),
  last_lost_at: integer(),
  boot_id: text(),
  conn: integer(),
  lease_until: integer(),
  next_at: integer().notNull(),
  last_class: text().$type<OpClass>(),
  last_detail: text(),
  result: text(),
  version: integer().notNull().default(1),
  created_at: integer().notNull(),
})
export type LnOpRow = typeof lnOp.$inferSelect

export const outboxMsg = sqliteTable('outbox_msg', {
  id: integer().primaryKey(),
  recipient: text().notNull(),
  seq: integer().notNull(),
  dedup_key: text().notNull(),
  order_id: text(),
  obligation_id: text(),
  lane: integer().$type<Lane>().notNull(),
  asks: flag().notNull().default(0),
  transport: integer().$type<1 | 2>().notNull(),
  ev_created_at: integer().notNull(),
  body: text().notNull(),
  state: integer().$type<MessageState>().notNull().default(0),
  first_ok_at: integer(),
  tries: integer().notNull().default(0),
  next_at: integer().notNull(),
  dead_why: text(),
  created_at: integer().notNull(),
})
export type OutboxMsgRow = typeof outboxMsg.$inferSelect

export const outboxPub = sqliteTable('outbox_pub', {
  coord: text().primaryKey(),
  want_rev: integer().notNull(),
  done_rev: integer().notNull().default(0),
  last_created_at: integer().notNull().default(0),
  stamped_rev: integer().notNull().default(0),
  prior_created_at: integer().notNull().default(0),
  body: text().notNull(),
  tries: integer().notNull().default(0),
  next_at: integer().notNull(),
  refresh_at: integer(),
})
export type OutboxPubRow = typeof outboxPub.$inferSelect

export const ledger = sqliteTable('ledger', {
  id: text().primaryKey(),
  debit: text().notNull(),
  credit: text().notNull(),
  msat: msatColumn().notNull(),
  cause: text().notNull(),
  order_id: text(),
  at: integer().notNull(),
})
export type LedgerRow = typeof ledger.$inferSelect

export const account = sqliteTable('account', {
  name: text().primaryKey(),
  debit: msatColumn()
    .notNull()
    .default(0 as Msat),
  credit: msatColumn()
    .notNull()
    .default(0 as Msat),
})
export type AccountRow = typeof account.$inferSelect

export const relay = sqliteTable('relay', {
  url: text().primaryKey(),
  configured: flag().notNull().default(1),
  cursor: integer().notNull().default(0),
})
export type RelayRow = typeof relay.$inferSelect

export const alert = sqliteTable('alert', {
  key: text().primaryKey(),
  severity: integer().notNull(),
  detail: text().notNull(),
  opened_at: integer().notNull(),
  last_at: integer().notNull(),
  hits: integer().notNull().default(1),
  closed_at: integer(),
})
export type AlertRow = typeof alert.$inferSelect

export const users = sqliteTable('users', {
  identity: text().primaryKey(),
  last_trade_index: integer().notNull().default(0),
  total_reviews: integer().notNull().default(0),
  total_rating: real().notNull().default(0),
  last_rating: integer().notNull().default(0),
  min_rating: integer().notNull().default(0),
  max_rating: integer().notNull().default(0),
  created_at: integer().notNull(),
})
export type UserRow = typeof users.$inferSelect

export const blind = sqliteTable('blind', {
  id: integer().primaryKey(),
  kind: text().$type<BlindKind>().notNull(),
  from_at: integer().notNull(),
  to_at: integer(),
})
export type BlindRow = typeof blind.$inferSelect

export const processRow = sqliteTable('process', {
  id: integer().primaryKey(),
  boot_id: text().notNull(),
  pid: integer().notNull(),
  started_at: integer().notNull(),
  alive_at: integer().notNull(),
  clean: flag().notNull().default(0),
})
export type ProcessRow = typeof processRow.$inferSelect

export const price = sqliteTable('price', {
  currency: text().primaryKey(),
  value: real().notNull(),
  as_of: integer().notNull(),
})
export type PriceRow = typeof price.$inferSelect

export const opsLog = sqliteTable('ops_log', {
  id: integer().primaryKey(),
  at: integer().notNull(),
  who: text().notNull(),
  what: text().notNull(),
  detail: text().notNull(),
})
export type OpsLogRow = typeof opsLog.$inferSelect
