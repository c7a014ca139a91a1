/** Asks Lightning addresses for invoices of obligations that are ready (money-path.md 4.8). Moves no money. */
import type { ObligationRow } from '../../adapters/sqlite/schema.ts'
import { msat } from '../../core/money.ts'
import { nip19Npub } from '../../wire/npub.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import { checkInvoice } from '../invoices.ts'
import { addressAnswered, addressFailed } from '../journal/obligations.ts'
import { Loop } from '../loop.ts'
import { destinationFrom } from '../rows.ts'

const CLAIM_S = 60
const AT_ONCE = 8
const MIN_LIFE_S = 600

export class Resolver {
  readonly #ctx: Ctx
  /** Addresses are asked while it runs. */
  readonly loop: Loop
  readonly #busy = new Set<string>()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
    this.loop = new Loop('resolver', ctx.clock, ctx.log, () => this.#turn())
  }

  #turn(): number {
    const now = nowS(this.#ctx)
    // Without Lightning an invoice would only grow old.
    if (!this.#ctx.lightning.serving) return 30_000
    const rows = this.#ctx.store.all<ObligationRow>(
      `SELECT o.* FROM obligation o WHERE o.state = 'ready' AND o.state NOT IN ('paid','forfeited','void') AND o.destination LIKE '%"address"%'
          AND NOT EXISTS (SELECT 1 FROM ln_op p WHERE p.obligation_id = o.id AND p.kind = 'pay' AND p.state NOT IN ('refused', 'void'))
        ORDER BY o.next_at LIMIT ${AT_ONCE * 4}`,
    )
    let soonest = 60_000
    for (const row of rows) {
      if (row.next_at > now) soonest = Math.min(soonest, (row.next_at - now) * 1000)
      else if (!this.#busy.has(row.id) && this.#busy.size < AT_ONCE) this.#begin(row)
    }
    return soonest
  }

  #begin(row: ObligationRow): void {
    this.#busy.add(row.id)
    void this.#resolve(row)
      .catch((error: unknown) =>
        this.#ctx.log.error('an address was not resolved', { obligation: row.id, error: String(error) }),
      )
      .finally(() => {
        this.#busy.delete(row.id)
        this.loop.poke()
      })
  }

  async #resolve(row: ObligationRow): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const claimed = await ctx.door.submit({
      name: 'resolve-claim',
      run: (tx) => tx.s.resolve_claim({ oid: row.id, v: row.version, now: tx.nowS, until: tx.nowS + CLAIM_S }),
    })
    if (claimed === undefined) return
    const destination = destinationFrom(claimed.destination)
    if (destination?.kind !== 'address') return
    const amountMsat = msat(row.amount_msat)
    const comment =
      row.kind === 'dev_fee' ? `mostro-dev-fee order=${row.order_id} node=${nip19Npub(ctx.key.pubkey)}` : null
    const answer = await ctx.addresses.invoice(destination.address, amountMsat, comment)
    const rev = claimed.destination_rev
    const failed = (detail: string) =>
      ctx.door.submit({ name: 'resolve-failed', run: (tx) => addressFailed(ctx, tx, row.id, rev, detail) })
    if (!answer.ok) {
      await failed(`${answer.error.kind}: ${answer.error.detail}`)
      return
    }
    const checked = checkInvoice(ctx, answer.value.request, { amountMsat, minLifeS: MIN_LIFE_S })
    if (!checked.ok) {
      await failed(checked.error)
      return
    }
    if (checked.value.amountMsat !== amountMsat || checked.value.descriptionHash !== answer.value.descriptionHash) {
      await failed('its invoice does not commit to the amount and the description that it offered')
      return
    }
    const { hash } = checked.value
    await ctx.door.submit({
      name: 'resolve-answered',
      run: (tx) => addressAnswered(ctx, tx, row.id, rev, answer.value.request, hash),
    })
  }
}
