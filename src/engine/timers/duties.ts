/**
 * Ends what nobody did in time: duties of takers and makers, take windows. A timer may punish, so it asks Lightning first
 * and adds the time in which we were blind (DEC-38, money-path.md 4.1 A4).
 */
import type { OrderRow } from '../../adapters/sqlite/schema.ts'
import { decideDutyOver, decideWindowOver } from '../../core/order/ending.ts'
import { applyDecision } from '../apply.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import { observeHold } from '../journal/hold-facts.ts'
import type { LightningLink } from '../lightning-link.ts'
import { Loop } from '../loop.ts'
import type { CatchUp } from '../recovery/catch-up.ts'
import { currentEscrow, escrowStanding, loadOrder, orderRow } from '../rows.ts'
import { Cause } from '../say.ts'
import { blindSince } from './blind.ts'

const EVERY_MS = 5000
/** After a catch-up everybody has this long to be heard. */
const GRACE_MS = 120_000

export class Duties {
  readonly #ctx: Ctx
  readonly #link: LightningLink
  readonly #catchUp: CatchUp
  /** Duties and windows end while it runs. */
  readonly loop: Loop
  readonly #busy = new Set<string>()

  constructor(ctx: Ctx, link: LightningLink, catchUp: CatchUp) {
    this.#ctx = ctx
    this.#link = link
    this.#catchUp = catchUp
    this.loop = new Loop('duties', ctx.clock, ctx.log, () => this.#turn())
  }

  #turn(): number {
    const now = nowS(this.#ctx)
    for (const row of this.#ctx.store.s.book_over({ now }))
      if (row.phase === 'steady') this.#begin(row, () => this.#windowOver(row))
    if (this.#catchUp.endedAgoMs < GRACE_MS) return EVERY_MS
    for (const row of this.#ctx.store.s.duty_due({ anchored_by: now - this.#ctx.settings.dutyS })) {
      if (this.#isDue(row, now)) this.#begin(row, () => this.#dutyOver(row))
    }
    return EVERY_MS
  }

  #isDue(row: OrderRow, now: number): boolean {
    // Nobody can have known of a duty that no relay took.
    if (row.duty_anchor_at === null || row.duty_ok_at === null) return false
    const blindS = blindSince({ s: this.#ctx.store.s, nowS: now }, row.duty_anchor_at)
    return row.duty_anchor_at + this.#ctx.settings.dutyS + blindS <= now
  }

  #begin(row: OrderRow, work: () => Promise<void>): void {
    if (this.#busy.has(row.id)) return
    this.#busy.add(row.id)
    work()
      .catch((error: unknown) => this.#ctx.log.error('a timer failed', { order: row.id, error: String(error) }))
      .finally(() => this.#busy.delete(row.id))
  }

  #windowOver(row: OrderRow): Promise<void> {
    return this.#ctx.door.submit({
      name: 'window-over',
      run: (tx) => {
        const order = loadOrder(tx.store, row.id)
        if (order === null || order.expiresAtS > tx.nowS) return
        const decision = decideWindowOver(order)
        if (decision.kind === 'moved')
          applyDecision(this.#ctx, tx, order, decision, { cause: new Cause(`window:${row.id}`), origin: null })
      },
    })
  }

  async #dutyOver(row: OrderRow): Promise<void> {
    const hold = currentEscrow(this.#ctx.store, row.id)
    if (hold !== undefined && hold.request !== null) {
      const verified = this.#link.verified
      if (verified === null) return
      const seen = await verified.conn.lookupHold(hold.hash)
      if (!seen.ok) return
      const fact = seen.value
      if (fact !== 'not-found')
        await this.#ctx.door.submit({ name: `observe:${fact.state}`, run: (tx) => observeHold(this.#ctx, tx, fact) })
    }
    await this.#ctx.door.submit({
      name: 'duty-over',
      run: (tx) => {
        const order = loadOrder(tx.store, row.id)
        // What the lookup or a message changed meanwhile counts: only the same duty can be over.
        if (order === null || !('duty' in order) || order.duty.epoch !== row.duty_epoch || order.phase !== 'steady')
          return
        // A jump of the clock since we looked has made its time blind.
        const now = orderRow(tx.store, row.id)
        if (now === undefined || !this.#isDue(now, tx.nowS)) return
        const decision = decideDutyOver(order, escrowStanding(tx.store, order.id))
        if (decision.kind === 'moved')
          applyDecision(this.#ctx, tx, order, decision, {
            cause: new Cause(`duty:${row.id}:${row.duty_epoch}`),
            origin: null,
          })
      },
    })
  }
}
