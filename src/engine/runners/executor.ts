/**
 * Performs intents: claims them on disk, calls Lightning, and hands the outcome in as a fact (money-path.md 3.5). Only a
 * lookup leaves `unknown`; nothing is compensated before our row and LND were read again.
 */
import type { LnOpRow } from '../../adapters/sqlite/schema.ts'
import { assert } from '../../core/assert.ts'
import { msat } from '../../core/money.ts'
import { decideAnswerLate } from '../../core/order/take.ts'
import { applyDecision } from '../apply.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import type { Tx } from '../door.ts'
import { MIN_LIFE_TO_DISPATCH_S } from '../invoices.ts'
import { intentDone } from '../journal/escrow-intents.ts'
import { canceledFact, cancelNotFound, halt, holdCreated, observeHold } from '../journal/hold-facts.ts'
import { expireUnsent, type PayParams } from '../journal/obligations.ts'
import {
  holdResolved,
  lookLater,
  opRow,
  paymentAnswered,
  paymentResolved,
  settleContradicted,
  troubled,
} from '../journal/outcomes.ts'
import type { LightningLink, Verified } from '../lightning-link.ts'
import { Loop } from '../loop.ts'
import { checkSentinels, type Verification } from '../recovery/sentinels.ts'
import { holdRow, loadOrder } from '../rows.ts'
import { Cause } from '../say.ts'

const HOLD_LEASE_S = 60
const PAY_LEASE_S = 120
/** Pause after a claim that was not allowed: the create of a cancel still rests, a cap is reached, a connection went. */
const CLAIM_AGAIN_S = 2
/** Pause before a hold that LND did not know is asked for again. */
const FORGOTTEN_LOOK_S = 30
/** How long an intent waits after an error of ours. */
const FAILED_REST_MS = 5000
const BATCH = 256
/** Pools (money-path.md 3.9): settles and cancels never wait behind creates. */
const POOL = { hold_create: 256, ending: 64, lookup: 16 } as const
const PAY_TIMEOUT_S = 60
const PAY_PARTS = 16
const PAY_CLTV_LIMIT = 1008

type Pool = keyof typeof POOL | 'pay'

/** What never went out. */
const NOT_SENT = { class: 'S', detail: 'the connection went before the call' } as const

export class Executor {
  readonly #ctx: Ctx
  readonly #link: LightningLink
  /** Holds are made, settled and given back while it runs; payments wait for {@link Executor.startPayments}. */
  readonly loop: Loop
  readonly #busy = new Set<string>()
  /** those of them that failed and wait */
  readonly #resting = new Set<string>()
  readonly #inPool: Record<Pool, number> = { hold_create: 0, ending: 0, lookup: 0, pay: 0 }
  readonly #looks = new Map<string, number>()
  #paysToo = false

  constructor(ctx: Ctx, link: LightningLink) {
    this.#ctx = ctx
    this.#link = link
    this.loop = new Loop('executor', ctx.clock, ctx.log, () => this.#turn())
  }

  /** Payouts run from now on: what was missed has been read. */
  startPayments(): void {
    this.#paysToo = true
    this.loop.poke()
  }

  /** Whether calls about holds are under way; payments may take minutes and are looked up by the next incarnation. */
  get isBusy(): boolean {
    return this.#inPool.hold_create + this.#inPool.ending + this.#inPool.lookup > 0
  }

  #turn(): number | null {
    const { ctx } = { ctx: this.#ctx }
    const now = nowS(ctx)
    this.#undoLate(now)
    const verified = this.#link.verified
    if (verified !== null) {
      this.#endLeases(now)
      // Those under way are due too: ask for enough to see past them.
      for (const op of ctx.store.s.op_due({ now, n: BATCH + this.#busy.size })) this.#begin(verified, op)
    }
    return this.#sleepMs(now)
  }

  #sleepMs(now: number): number {
    const row = this.#ctx.store.get<{ at: number | null }>(
      `SELECT MIN(at) AS at FROM (
         SELECT MIN(next_at) AS at FROM ln_op
          WHERE state IN ('planned','dispatching','unknown','in_flight') AND state <> 'dispatching' AND next_at > :now
         UNION ALL SELECT MIN(answer_by) FROM hold WHERE answer_by IS NOT NULL)`,
      { now },
    )
    const at = row?.at ?? null
    return at === null ? 30_000 : Math.min(Math.max((at - now) * 1000, 50), 30_000)
  }

  /** Requests whose first hold is not there in time (DEC-35), whether or not Lightning answers. */
  #undoLate(now: number): void {
    for (const late of this.#ctx.store.s.hold_late({ now })) {
      this.#submit(`late:${late.hash}`, (tx) => {
        const hold = holdRow(tx.store, late.hash)
        const order = loadOrder(tx.store, late.order_id)
        if (hold === undefined || hold.decision !== 'none' || hold.request !== null || order === null) return
        const decision = decideAnswerLate(order)
        if (decision.kind === 'moved')
          applyDecision(this.#ctx, tx, order, decision, { cause: new Cause(`late:${late.hash}`), origin: null })
      })
    }
  }

  #endLeases(now: number): void {
    const over = this.#ctx.store.get<{ n: number }>(
      `SELECT COUNT(*) AS n FROM ln_op WHERE state = 'dispatching' AND lease_until <= :now`,
      { now },
    )
    if ((over?.n ?? 0) === 0) return
    this.#submit('lease-over', (tx) => {
      tx.s.lease_over({ now: tx.nowS })
    })
  }

  #submit(name: string, run: (tx: Tx) => void): void {
    this.#ctx.door
      .submit({ name, run })
      .catch((error: unknown) => this.#ctx.log.error('an outcome was not written', { name, error: String(error) }))
  }

  #poolOf(op: LnOpRow): Pool {
    if (op.state !== 'planned') return 'lookup'
    if (op.kind === 'pay') return 'pay'
    return op.kind === 'hold_create' ? 'hold_create' : 'ending'
  }

  #begin(verified: Verified, op: LnOpRow): void {
    if (op.state === 'dispatching' || this.#busy.has(op.id)) return
    const pool = this.#poolOf(op)
    if (pool === 'pay' && !this.#paysToo) return
    const cap = pool === 'pay' ? this.#ctx.settings.limits.payoutsInAll : POOL[pool]
    if (this.#inPool[pool] >= cap) return
    this.#busy.add(op.id)
    this.#inPool[pool] += 1
    const work = op.state === 'planned' ? this.#perform(verified, op) : this.#lookUp(verified, op)
    void work
      .catch((error: unknown) => {
        this.#ctx.log.error('an intent failed', { op: op.id, error: String(error) })
        this.#rest(op)
      })
      .finally(() => {
        this.#inPool[pool] -= 1
        if (!this.#resting.has(op.id)) this.#busy.delete(op.id)
        this.loop.poke()
      })
  }

  /** What can not be written down would be asked again at once, and for ever: it waits, while everything else goes on. */
  #rest({ id }: LnOpRow): void {
    this.#resting.add(id)
    this.#ctx.clock.after(FAILED_REST_MS, () => {
      this.#resting.delete(id)
      this.#busy.delete(id)
      this.loop.poke()
    })
  }

  async #perform(verified: Verified, op: LnOpRow): Promise<void> {
    if (op.kind === 'pay') {
      await this.#pay(verified, op)
      return
    }
    const claimed = await this.#claimHold(verified, op)
    if (claimed === null) return
    switch (op.kind) {
      case 'hold_create':
        return this.#create(verified, op, claimed)
      case 'hold_settle':
        return this.#settle(verified, op, claimed)
      case 'hold_cancel':
        return this.#cancel(verified, op, claimed)
    }
  }

  /** Whether the connection of a claim went, or was halted, while the claim was written down: nothing goes out on it. */
  #isGone(verified: Verified): boolean {
    return this.#link.verified?.conn !== verified.conn
  }

  /** The claim is on disk before any byte leaves. Null: not ours to do now. */
  #claimHold(verified: Verified, op: LnOpRow): Promise<{ attempt: number; expiresAt: number } | null> {
    return this.#ctx.door.submit({
      name: `claim:${op.kind}`,
      early: true,
      run: (tx) => {
        const claimed = tx.s.claim_hold_op({
          id: op.id,
          v: op.version,
          now: tx.nowS,
          boot: this.#ctx.bootId,
          conn: verified.epoch,
          node: verified.node,
          until: tx.nowS + HOLD_LEASE_S,
        })
        if (claimed === undefined) {
          tx.s.op_defer({ id: op.id, v: op.version, next: tx.nowS + CLAIM_AGAIN_S })
          return null
        }
        const dispatched = op.kind === 'hold_create' ? tx.s.hold_dispatch({ hash: op.hash, now: tx.nowS }) : undefined
        return { attempt: claimed.attempt, expiresAt: dispatched?.expires_at ?? 0 }
      },
    })
  }

  async #create(verified: Verified, op: LnOpRow, claim: { attempt: number; expiresAt: number }): Promise<void> {
    const hold = holdRow(this.#ctx.store, op.hash)
    assert(hold !== undefined, `intent ${op.id} has a hold`)
    const out = this.#isGone(verified)
      ? NOT_SENT
      : await verified.conn.createHold({
          hash: op.hash,
          amountMsat: msat(hold.amount_msat),
          cltvDelta: hold.cltv_delta,
          memo: hold.memo,
          expiresAt: claim.expiresAt,
        })
    await this.#result(`create:${out.class}`, (tx) => {
      switch (out.class) {
        case 'A':
          holdCreated(this.#ctx, tx, op, out.fact)
          tx.after(() => this.#link.watch(op.hash))
          return
        case 'T':
          // Something else lies under our hash: a look-up tells an invoice of ours that has ended from a stranger's.
          tx.s.op_unknown({ id: op.id, attempt: claim.attempt, lost_at: null, next: tx.nowS, detail: out.detail })
          return
        default:
          troubled(this.#ctx, tx, op, claim.attempt, out)
      }
    })
  }

  async #settle(verified: Verified, op: LnOpRow, claim: { attempt: number }): Promise<void> {
    const hold = holdRow(this.#ctx.store, op.hash)
    assert(hold !== undefined, `intent ${op.id} has a hold`)
    const out = this.#isGone(verified)
      ? NOT_SENT
      : await verified.conn.settleHold(this.#ctx.seed.preimage(hold.purpose, hold.counter))
    await this.#result(`settle:${out.class}`, (tx) => {
      switch (out.class) {
        case 'A':
          observeHold(this.#ctx, tx, out.fact)
          return
        case 'T':
          observeHold(this.#ctx, tx, canceledFact(hold))
          return
        case 'conflict':
          settleContradicted(this.#ctx, tx, op, claim.attempt, out.detail)
          return
        default:
          troubled(this.#ctx, tx, op, claim.attempt, out)
      }
    })
  }

  async #cancel(verified: Verified, op: LnOpRow, claim: { attempt: number }): Promise<void> {
    const out = this.#isGone(verified) ? NOT_SENT : await verified.conn.cancelHold(op.hash)
    const node = out.class === 'not-found' ? await this.#nodeAfterLoss(verified, op) : null
    await this.#result(`cancel:${out.class}`, (tx) => {
      switch (out.class) {
        case 'A': {
          const hold = holdRow(tx.store, op.hash)
          if (hold !== undefined) observeHold(this.#ctx, tx, canceledFact(hold))
          intentDone(tx, op.id, op.kind, {})
          return
        }
        case 'not-found':
          this.#cancelForgotten(tx, { ...op, attempt: claim.attempt }, node)
          return
        case 'T':
          // We decided cancel and LND settled: two final facts that exclude each other.
          tx.s.op_refused_hold({ id: op.id, attempt: claim.attempt, detail: out.detail })
          halt(
            this.#ctx,
            tx,
            op.node_pubkey,
            `conflict:${op.hash}`,
            `hold ${op.hash} was to be cancelled and LND settled it`,
          )
          return
        default:
          troubled(this.#ctx, tx, op, claim.attempt, out)
      }
    })
  }

  /** Whether the node that does not know a hold is the node we know; asked only where sats were held (F-023, F-024). */
  async #nodeAfterLoss(verified: Verified, op: LnOpRow): Promise<Verification> {
    const rank = holdRow(this.#ctx.store, op.hash)?.rank ?? 0
    return rank < 2 ? { kind: 'held', settleIndex: 0 } : checkSentinels(this.#ctx, verified.conn, verified.node)
  }

  /** LND does not know a hold that we are cancelling: gone for good, unless somebody else's node answers us. */
  #cancelForgotten(tx: Tx, op: LnOpRow, node: Verification | null): void {
    switch (node?.kind) {
      case 'held':
        cancelNotFound(this.#ctx, tx, op)
        return
      case 'mismatch':
        halt(
          this.#ctx,
          tx,
          op.node_pubkey,
          `conflict:${op.hash}`,
          `LND does not know hold ${op.hash}, which it held sats for: ${node.why}`,
        )
        break
      case 'no-answer':
      case undefined:
    }
    const next = tx.nowS + FORGOTTEN_LOOK_S
    tx.s.op_unknown({ id: op.id, attempt: op.attempt, lost_at: null, next, detail: 'not found' })
    tx.s.op_look_later({ id: op.id, attempt: op.attempt, next })
  }

  async #pay(verified: Verified, op: LnOpRow): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const claimed = await ctx.door.submit({
      name: 'claim:pay',
      early: true,
      run: (tx) => {
        if ((op.request_expires_at ?? 0) <= tx.nowS + MIN_LIFE_TO_DISPATCH_S) {
          expireUnsent(ctx, tx, op)
          return null
        }
        const claim = tx.s.claim_pay({
          id: op.id,
          v: op.version,
          now: tx.nowS,
          boot: ctx.bootId,
          conn: verified.epoch,
          node: verified.node,
          until: tx.nowS + PAY_LEASE_S,
          min_left: MIN_LIFE_TO_DISPATCH_S,
          cap: ctx.settings.limits.payoutsInAll,
          dest_cap: ctx.settings.limits.payoutsPerDestination,
        })
        if (claim !== undefined) return { attempt: claim.attempt, startedAtMs: tx.nowMs }
        // A cap is reached, or the connection went: look again soon rather than in a hot loop.
        tx.s.op_defer({ id: op.id, v: op.version, next: tx.nowS + CLAIM_AGAIN_S })
        return null
      },
    })
    if (claimed === null) return
    const params = payParams(op)
    if (this.#isGone(verified)) {
      await this.#result('pay:S', (tx) => paymentAnswered(ctx, tx, op, claimed.attempt, NOT_SENT))
      return
    }
    const out = await verified.conn.pay(
      {
        hash: op.hash,
        request: params.request,
        amountMsat: msat(params.amountMsat),
        invoiceHasAmount: params.invoiceHasAmount,
        maxFeeMsat: msat(params.maxFeeMsat),
        timeoutS: PAY_TIMEOUT_S,
        maxParts: PAY_PARTS,
        cltvLimit: PAY_CLTV_LIMIT,
      },
      claimed.startedAtMs,
      () =>
        this.#submit('pay-ack', (tx) => void tx.s.op_ack({ id: op.id, attempt: claimed.attempt, alive: 1, known: 1 })),
    )
    await this.#result(`pay:${out.class}`, (tx) => paymentAnswered(this.#ctx, tx, op, claimed.attempt, out))
  }

  #result(name: string, run: (tx: Tx) => void): Promise<void> {
    return this.#ctx.door.submit({ name, early: true, run })
  }

  /** Asks LND what became of an intent whose outcome is not known (money-path.md 3.7 `resolve`). */
  async #lookUp(verified: Verified, op: LnOpRow): Promise<void> {
    const looks = (this.#looks.get(op.id) ?? 0) + 1
    this.#looks.set(op.id, looks)
    const later = (tx: Tx) => lookLater(this.#ctx, tx, op, looks)
    if (op.kind === 'pay') {
      const seen = await verified.conn.lookupPayment(op.hash)
      await this.#result('look:pay', (tx) => {
        const row = opRow(tx, op.id)
        if (row === undefined || row.attempt !== op.attempt || (row.state !== 'unknown' && row.state !== 'in_flight'))
          return
        if (seen.ok) paymentResolved(this.#ctx, tx, row, seen.value, verified.epoch, later)
        else later(tx)
      })
    } else {
      const seen = await verified.conn.lookupHold(op.hash)
      const isForgotten = op.kind === 'hold_cancel' && seen.ok && seen.value === 'not-found'
      const node = isForgotten ? await this.#nodeAfterLoss(verified, op) : null
      await this.#result(`look:${op.kind}`, (tx) => {
        const row = opRow(tx, op.id)
        if (row === undefined || row.attempt !== op.attempt || row.state !== 'unknown') return
        if (!seen.ok) {
          later(tx)
          return
        }
        if (isForgotten) this.#cancelForgotten(tx, row, node)
        else holdResolved(this.#ctx, tx, row, seen.value, { later, watch: (hash) => this.#link.watch(hash) })
      })
    }
    const after = this.#ctx.store.get<{ state: string }>('SELECT state FROM ln_op WHERE id = :id', { id: op.id })
    if (after?.state !== 'unknown' && after?.state !== 'in_flight') this.#looks.delete(op.id)
  }
}

function payParams(op: LnOpRow): PayParams {
  const value: unknown = JSON.parse(op.params)
  assert(
    typeof value === 'object' && value !== null && 'v' in value && value.v === 1 && 'request' in value,
    'payment parameters of version 1',
  )
  return value as PayParams
}
