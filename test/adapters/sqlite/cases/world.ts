import { expect } from 'vitest'
import type { NewOrder, ObligationState, ReviewWhy } from '../../../../src/adapters/sqlite/schema.ts'
import type { SqlValue } from '../../../../src/adapters/sqlite/statement.ts'
import { STATEMENTS } from '../../../../src/adapters/sqlite/statements/index.ts'
import { openStore, type Statements, type Store } from '../../../../src/adapters/sqlite/store.ts'
import { msat } from '../../../../src/core/money.ts'
import type { ObligationKind } from '../../../../src/core/obligation.ts'
import type { Phase, Status } from '../../../../src/core/order/order.ts'

/** How often each statement found its rows, and how often not, over all cases of this process. */
export const seen = new Map(Object.keys(STATEMENTS).map((name) => [name, { hits: 0, misses: 0 }]))

type AnyRunner = (...args: unknown[]) => unknown

function recorded(statements: Statements): Statements {
  const runners = Object.entries(statements as unknown as Record<string, AnyRunner>).map(([name, run]) => [
    name,
    (...args: unknown[]) => {
      const result = run(...args)
      const counts = seen.get(name)
      if (counts !== undefined) counts[isMiss(result) ? 'misses' : 'hits'] += 1
      return result
    },
  ])
  return Object.fromEntries(runners) as Statements
}

const isMiss = (result: unknown) => result === undefined || (Array.isArray(result) && result.length === 0)

/** The statement found its rows; returns them. */
export function hit<T>(result: T): NonNullable<T> {
  expect(result).toSatisfy((r: T) => !isMiss(r))
  return result as NonNullable<T>
}

/** The statement found nothing. */
export function miss(result: unknown): void {
  expect(result).toSatisfy(isMiss)
}

export const anOrder: NewOrder = {
  id: 'o',
  kind: 'sell',
  status: 'pending',
  maker_pubkey: 'maker',
  maker_identity: 'maker-identity',
  fiat_code: 'EUR',
  fiat_amount: 100,
  payment_method: 'SEPA',
  price_from_api: 0,
  created_at: 0,
  expires_at: 1000,
}

const TRADING: readonly Status[] = [
  'waiting-buyer-invoice',
  'waiting-payment',
  'active',
  'fiat-sent',
  'dispute',
  'settled-hold-invoice',
  'success',
]

type HoldOptions = {
  order?: string
  purpose?: 'escrow' | 'taker_bond' | 'maker_bond'
  bond?: string
  epoch?: number
  answerBy?: number
  key?: string
}

type ObligationOptions = {
  fund?: string
  destination?: string | null
  payee?: string | null
  kind?: ObligationKind
  window?: number
  why?: ReviewWhy
  order?: string
}

/** A database in memory with a verified node `N`, and short ways to put rows into it. */
export class World {
  readonly store: Store = openStore(':memory:')
  readonly s: Statements = recorded(this.store.s)
  #counter = 0

  constructor() {
    this.sql("INSERT INTO ln_node(node_pubkey, conn_epoch, verified_epoch) VALUES ('N', 1, 1)")
  }

  /** Runs any text; returns its rows. */
  sql(text: string, ...params: SqlValue[]): unknown[] {
    const statement = this.store.db.prepare(text)
    if (statement.reader) return statement.all(...params)
    statement.run(...params)
    return []
  }

  /** The only value of the first row. */
  value(text: string, ...params: SqlValue[]): unknown {
    return this.store.db
      .prepare(text)
      .pluck()
      .get(...params)
  }

  /** The database refuses this text with such words. */
  refuses(words: RegExp, text: string, ...params: SqlValue[]): void {
    expect(() => this.sql(text, ...params)).toThrow(words)
  }

  order(id = 'o', status: Status = 'fiat-sent', phase: Phase = 'steady', more: Partial<NewOrder> = {}): string {
    const taker = TRADING.includes(status) ? { taker_pubkey: 'taker', taker_identity: 'taker-identity' } : {}
    this.store.insertOrder({ ...anOrder, id, status, phase, ...taker, ...more })
    return id
  }

  /** A hold whose facts are where `rank` says. */
  hold(hash: string, rank: 0 | 1 | 2 = 0, options: HoldOptions = {}): string {
    this.#counter += 1
    hit(
      this.s.hold_plan({
        hash,
        purpose: options.purpose ?? 'escrow',
        counter: this.#counter,
        order_id: this.order(options.order),
        bond_id: options.bond ?? null,
        epoch: options.epoch ?? 1,
        amount_msat: msat(1000),
        cltv_delta: 144,
        life_s: 960,
        memo: 'm',
        request_key: options.key ?? null,
        answer_by: options.answerBy ?? null,
        node: 'N',
        now: 0,
      }),
    )
    this.sql('UPDATE hold SET rank = ?, held_msat = ? WHERE hash = ?', rank, rank === 2 ? 1000 : null, hash)
    return hash
  }

  /** An obligation of 1000 msat in this state. */
  obligation(id: string, state: ObligationState = 'ready', options: ObligationOptions = {}): string {
    const anchored = state !== 'blocked'
    const payee = options.payee === undefined ? 'P' : options.payee
    const destination =
      state === 'need_destination' ? null : options.destination === undefined ? '{}' : options.destination
    this.sql(
      `INSERT INTO obligation(id, kind, order_id, payee, amount_msat, max_fee_msat, state, review_why, funded_by, window_s, anchor_at,
              claim_until, attempts_max, retry_s, destination, created_at) VALUES (?,?,?,?,1000,10,?,?,?,?,?,?,3,60,?,0)`,
      id,
      options.kind ?? 'buyer_payout',
      this.order(options.order),
      payee,
      state,
      options.why ?? null,
      options.fund ?? null,
      options.window ?? null,
      anchored ? 0 : null,
      anchored && options.window !== undefined ? options.window : null,
      destination,
    )
    return id
  }

  /** Reserves the hash and plans the payment; the intent's id, or nothing when it was refused. */
  plan(oid: string, hash: string, options: { reserve?: boolean; expires?: number } = {}): string | undefined {
    if (options.reserve !== false) this.s.hash_reserve({ hash, owner: oid, payee: 'P', now: 1 })
    const expires = options.expires ?? 99_999
    return this.s.pay_plan({ hash, node: 'N', params: '{}', dest: 'D', expires, now: 1, oid })?.id
  }

  /** As {@link plan}, where it must succeed. */
  planned(oid: string, hash: string, options: { expires?: number } = {}): string {
    return hit(this.plan(oid, hash, options))
  }

  op(id: string) {
    return hit(
      this.store.get<{ kind: string; state: string; version: number; attempt: number; unacked: number }>(
        'SELECT kind, state, version, attempt, unacked FROM ln_op WHERE id = :id',
        { id },
      ),
    )
  }

  claim(id: string, options: { now?: number; conn?: number; cap?: number; destCap?: number; boot?: string } = {}) {
    const { kind, version: v } = this.op(id)
    const { now = 100, conn = 1, cap = 40, destCap = 4, boot = 'b' } = options
    const claim = { id, v, now, boot, conn, until: now + 60, node: 'N' }
    if (kind === 'pay') return this.s.claim_pay({ ...claim, min_left: 60, cap, dest_cap: destCap })
    return this.s.claim_hold_op(claim)
  }

  planHold(kind: 'hold_create' | 'hold_settle' | 'hold_cancel', hash: string) {
    return this.s.op_plan_hold({ id: `${kind}:${hash}`, kind, hash, node: 'N', params: '{}', now: 1 })
  }

  again(id: string, options: { sure?: 0 | 1; class?: 'S' | 'B' | 'T-attempt'; notFound?: 0 | 1 } = {}) {
    return this.s.op_again({
      id,
      attempt: this.op(id).attempt,
      next: 100,
      sure_not_sent: options.sure ?? 0,
      class: options.class ?? 'S',
      not_found: options.notFound ?? 0,
      detail: 'x',
    })
  }

  unknown(id: string, lostAt: number | null = 5) {
    return this.s.op_unknown({ id, attempt: 1, lost_at: lostAt, next: 1, detail: 'x' })
  }

  abandon(
    id: string,
    options: {
      attempt?: number
      lookedUp?: 0 | 1
      notFound?: 0 | 1
      now?: number
      skew?: number
      quiesce?: number
    } = {},
  ) {
    const { attempt = 1, lookedUp = 1, notFound = 0, now = 1, skew = 60, quiesce = 900 } = options
    return this.s.op_abandon_pay({
      id,
      attempt,
      looked_up: lookedUp,
      not_found: notFound,
      now,
      skew,
      quiesce,
      detail: 'x',
    })
  }

  settle(hash: string, by = 'x') {
    return this.s.decide_settle({ hash, now: 1, by, why: '{}' })
  }

  cancel(hash: string, by = 'x') {
    return this.s.decide_cancel({ hash, now: 1, by, why: '{}' })
  }

  final(hash: string, final: 'settled' | 'canceled', now = 1, held: number | null = null) {
    const settle_index = final === 'settled' ? 1 : null
    return this.s.hold_final({ hash, final, msat: held === null ? null : msat(held), settle_index, now })
  }

  /** Queues a message; its id, or nothing when this cause said it before. */
  say(
    r: string,
    cause: string,
    n = 0,
    options: { now?: number; lane?: 0 | 1 | 2; asks?: 0 | 1; oid?: string } = {},
  ): number | undefined {
    const { now = 100, lane = 0, asks = 0, oid = null } = options
    const { n: seq, last_created_at: ev_at, transport } = this.s.outbox_seq({ r, now })
    const message = {
      r,
      seq,
      cause,
      n,
      order_id: 'o',
      oid,
      lane,
      asks,
      transport: transport ?? 2,
      ev_at,
      body: 'b',
      now,
    } as const
    return this.s.outbox_put(message)?.id
  }
}
