/**
 * Two traders at a node, and every step of their trade as one call: Alice sells, Bob buys, whoever of them made the order.
 * Keeps the balances of the beginning, and proves that every sat is where the ledger says.
 */
import { expect } from 'vitest'
import type { LnOpRow, ObligationRow } from '../../src/adapters/sqlite/schema.ts'
import { type Msat, satsToMsat } from '../../src/core/money.ts'
import type { Message } from '../../src/core/protocol.ts'
import type { PayOptions, WalletPayment } from '../../src/sandbox/lightning/control.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { EngineWorld, LOUD, type WorldOptions } from './engine-world.ts'
import { bolt11Of, paymentRequest, type SimTrader } from './sim-trader.ts'

export const AMOUNT_SATS = 100_000
/** each party's fee at 0.6 % in all */
export const FEE_SATS = 300
export const ESCROW_MSAT = satsToMsat(AMOUNT_SATS + FEE_SATS)
export const PAYOUT_MSAT = satsToMsat(AMOUNT_SATS - FEE_SATS)
export const DUTY_MS = 900_000

/** When the power goes: after one of these points of the world was passed, or before a commit with one of these jobs. */
export type PowerCut =
  | { readonly at: string }
  | { readonly before: string }
  /** after the commit that made this the standing of the order */
  | { readonly once: string }

type Balances = { readonly alice: number; readonly bob: number; readonly node: number }

export class Market {
  readonly world: EngineWorld
  readonly alice: SimTrader
  readonly bob: SimTrader
  /** what Alice's wallet did with each escrow invoice that she paid, by order */
  readonly escrows = new Map<string, Promise<WalletPayment>>()
  readonly #opening: Balances

  private constructor(world: EngineWorld) {
    this.world = world
    this.alice = world.trader('alice', { fundingSats: 5_000_000 })
    this.bob = world.trader('bob')
    this.#opening = this.#balances()
  }

  /** A market that is open for trade. */
  static async open(options: WorldOptions = {}): Promise<Market> {
    const market = new Market(
      new EngineWorld({ ...(process.env['LOUD'] === undefined ? {} : { log: LOUD }), ...options }),
    )
    await market.world.boot()
    return market
  }

  #balances(): Balances {
    const { nodeMsat, nodePendingOutMsat } = this.world.network.totals()
    return {
      alice: this.alice.wallet.balanceMsat(),
      bob: this.bob.wallet.balanceMsat(),
      node: nodeMsat + nodePendingOutMsat,
    }
  }

  /** What each has gained since the beginning, in msat. */
  gains(): Balances {
    const now = this.#balances()
    return {
      alice: now.alice - this.#opening.alice,
      bob: now.bob - this.#opening.bob,
      node: now.node - this.#opening.node,
    }
  }

  /** An invoice of Bob over what he is owed, or over another amount. */
  bobsInvoice(options: { readonly amountMsat?: Msat | null; readonly expiryS?: number } = {}): string {
    const { amountMsat = PAYOUT_MSAT, expiryS = 86_400 } = options
    return this.bob.wallet.invoice({ amountMsat, expiryS })
  }

  /** Alice offers to sell. */
  offer(): Promise<string> {
    return this.alice.makes({ kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n })
  }

  /** Alice's offer, taken by Bob with a destination: she is asked to pay the escrow. */
  async taken(destination: string = this.bobsInvoice()): Promise<string> {
    const id = await this.offer()
    this.bob.takes('take-sell', id, { payload: paymentRequest(destination) })
    await this.alice.hears('pay-invoice', id)
    return id
  }

  /** Bob's offer to buy, taken by Alice. */
  async boughtAndTaken(destination: string | null = null): Promise<string> {
    const id = await this.bob.makes({
      kind: 'buy',
      amount: BigInt(AMOUNT_SATS),
      fiatAmount: 100n,
      buyerInvoice: destination,
    })
    this.alice.takes('take-buy', id)
    await this.alice.hears('pay-invoice', id)
    return id
  }

  /** The escrow invoice that Alice was given last. */
  escrowInvoice(id: string): string {
    const asked = this.alice.all('pay-invoice', id).filter((m) => m.payload?.kind === 'payment_request')
    const last = asked.at(-1)
    if (last === undefined) throw new Error('Alice was not asked to pay')
    return bolt11Of(last)
  }

  /** How many different escrow invoices Alice was given. */
  escrowInvoices(id: string): number {
    const asked = this.alice.all('pay-invoice', id).filter((m) => m.payload?.kind === 'payment_request')
    return new Set(asked.map(bolt11Of)).size
  }

  /** Alice pays the escrow invoice that she was given last; answers at once. */
  paysEscrow(id: string, options: PayOptions = {}): void {
    this.escrows.set(id, this.alice.wallet.pay(this.escrowInvoice(id), options))
  }

  /** A trade whose escrow is locked. */
  async locked(destination?: string): Promise<string> {
    const id = await this.taken(destination)
    this.paysEscrow(id)
    await this.bob.hears('hold-invoice-payment-accepted', id)
    return id
  }

  /** A trade whose buyer says that the fiat is on its way. */
  async fiatSent(destination?: string): Promise<string> {
    const id = await this.locked(destination)
    this.bob.send('fiat-sent', { id })
    await this.alice.hears('fiat-sent-ok', id)
    return id
  }

  /** A trade whose seller has released, and nothing more. */
  async released(destination?: string): Promise<string> {
    const id = await this.fiatSent(destination)
    this.alice.send('release', { id })
    await this.alice.hears('hold-invoice-payment-settled', id)
    return id
  }

  /** Bob is paid. */
  async completed(id: string, limitMs = 600_000): Promise<void> {
    await this.bob.hears('purchase-completed', id, 1, limitMs)
    await this.quiet()
  }

  /** Everything rests: no intent is open, no message waits. */
  quiet(limitMs = 600_000): Promise<void> {
    return this.world.until(
      () => this.openOps().length === 0 && this.world.engine?.status().outbox.unsent === 0,
      'everything rests',
      limitMs,
    )
  }

  /** Lets virtual time pass. */
  async passes(ms: number): Promise<void> {
    const stepMs = 1000
    for (let passed = 0; passed < ms; passed += stepMs) await this.world.clock.advance(Math.min(stepMs, ms - passed))
  }

  /** What Alice's wallet says of the escrow that she paid. */
  async escrowEnd(id: string): Promise<WalletPayment> {
    const end = this.escrows.get(id)
    if (end === undefined) throw new Error('Alice paid nothing')
    const result = await this.world.settle(end)
    if (result === undefined) throw new Error('the escrow is still under way')
    return result
  }

  /** The power goes once, at the place named, and comes back as soon as somebody waits. */
  powerGoes(id: string, cut: PowerCut): { readonly happened: () => boolean } {
    let done = false
    this.world.reboots = true
    if ('before' in cut) {
      this.world.losesPowerBefore = (jobs) => {
        if (done || !jobs.some((job) => job.startsWith(cut.before))) return false
        done = true
        return true
      }
    } else {
      this.world.cut = (point) => {
        if (done || !('at' in cut ? point.includes(cut.at) : this.world.standing(id) === cut.once)) return
        done = true
        this.world.kill()
      }
    }
    return { happened: () => done }
  }

  /** Somebody with a command line at LND cancels an invoice. */
  async cancelByHand(hash: string): Promise<void> {
    const connected = await this.world.settle(createSimLightning(this.world.network, this.world.clock).connect())
    if (connected?.ok !== true) throw new Error('LND does not answer')
    await this.world.settle(connected.value.cancelHold(hash))
    connected.value.close()
  }

  // ------------------------------------------------------------------------------------------------------- the books

  rows<T>(sql: string, values: Record<string, string | number> = {}): readonly T[] {
    return this.world.store.all<T>(sql, values)
  }

  openOps(): readonly LnOpRow[] {
    return this.rows(`SELECT * FROM ln_op WHERE state IN ('planned', 'dispatching', 'unknown', 'in_flight')`)
  }

  obligation(id: string): ObligationRow {
    const [row] = this.rows<ObligationRow>('SELECT * FROM obligation WHERE id = :id', { id })
    if (row === undefined) throw new Error(`no obligation ${id}`)
    return row
  }

  payout(orderId: string): ObligationRow {
    return this.obligation(`buyer_payout:${orderId}`)
  }

  /** The intents to pay the buyer, oldest first. */
  payments(orderId: string): readonly LnOpRow[] {
    return this.rows('SELECT * FROM ln_op WHERE obligation_id = :id ORDER BY created_at, id', {
      id: `buyer_payout:${orderId}`,
    })
  }

  /** The hash of the newest escrow of an order. */
  escrowHash(orderId: string): string {
    const [row] = this.rows<{ hash: string }>(
      `SELECT hash FROM hold WHERE order_id = :orderId AND purpose = 'escrow' ORDER BY epoch DESC`,
      { orderId },
    )
    if (row === undefined) throw new Error('no escrow')
    return row.hash
  }

  /** Credit minus debit of an account, msat. */
  account(name: string): number {
    const [row] = this.rows<{ debit: number; credit: number }>('SELECT debit, credit FROM account WHERE name = :name', {
      name,
    })
    return row === undefined ? 0 : row.credit - row.debit
  }

  /**
   * Every sat is where the ledger says: accounts are the sums of their transfers and sum to nothing, the node has what
   * `ln` says, what is owed is what the open obligations say, and nobody was paid twice.
   */
  checkBooks(expected: { readonly feeMsat: number }): void {
    this.world.network.checkConservation()
    const sums = new Map<string, number>()
    for (const { debit, credit, msat } of this.rows<{ debit: string; credit: string; msat: number }>(
      'SELECT debit, credit, msat FROM ledger',
    )) {
      sums.set(debit, (sums.get(debit) ?? 0) - msat)
      sums.set(credit, (sums.get(credit) ?? 0) + msat)
    }
    for (const [name, sum] of sums) expect(this.account(name), name).toBe(sum)
    expect([...sums.values()].reduce((a, b) => a + b, 0)).toBe(0)
    expect(this.gains().node + this.account('ln'), 'the node has what the ledger says').toBe(0)
    expect(this.account('fee'), 'fees').toBe(expected.feeMsat)
    expect(this.account('loss')).toBe(0)
    for (const row of this.rows<ObligationRow>('SELECT * FROM obligation')) {
      const isOwed = ['need_destination', 'ready', 'review'].includes(row.state)
      expect(this.account(`owed:${row.id}`), row.id).toBe(isOwed ? row.amount_msat : 0)
      const paid = this.rows<LnOpRow>('SELECT * FROM ln_op WHERE obligation_id = :id', { id: row.id })
        .map((op) => this.world.network.node.payment(op.hash))
        .filter((payment) => payment?.state === 'succeeded')
      expect(paid.length, `${row.id} is paid once`).toBe(row.state === 'paid' ? 1 : 0)
      for (const payment of paid) {
        expect(payment?.amountMsat).toBe(row.amount_msat)
        expect(payment?.feeMsat).toBeLessThanOrEqual(row.max_fee_msat)
      }
    }
  }

  /** A trade that went through: Alice paid her escrow once, Bob got his sats once, the node has both fees. */
  async checkTraded(id: string): Promise<void> {
    const paid = await this.escrowEnd(id)
    expect(paid.ok).toBe(true)
    const { alice, bob } = this.gains()
    expect(alice).toBe(-(ESCROW_MSAT + (paid.ok ? paid.feeMsat : 0)))
    expect(bob).toBe(PAYOUT_MSAT)
    expect(this.world.standing(id)).toBe('success')
    this.checkBooks({ feeMsat: satsToMsat(2 * FEE_SATS) })
    for (const action of ['released', 'purchase-completed'] as const) expect(this.times(this.bob, action, id)).toBe(1)
    expect(this.times(this.alice, 'hold-invoice-payment-settled', id)).toBe(1)
    await this.world.until(() => this.world.published(id) === 'success', 'the book shows it')
  }

  /** Nothing was taken from anybody: every escrow is back, no trader lost a sat, the ledger is empty. */
  async checkUntouched(): Promise<void> {
    await this.quiet()
    expect(this.gains()).toEqual({ alice: 0, bob: 0, node: 0 })
    expect(this.world.network.node.invoices().filter((i) => i.state === 'open' || i.state === 'accepted')).toEqual([])
    this.checkBooks({ feeMsat: 0 })
  }

  /** How often a trader was told something, whatever number of relays brought it. */
  times(trader: SimTrader, action: Message['action'], id: string): number {
    return new Set(trader.heard.filter((h) => h.message.action === action && h.message.id === id).map((h) => h.eventId))
      .size
  }

  close(): Promise<void> {
    this.world.cut = () => undefined
    this.world.losesPowerBefore = () => false
    return this.world.close()
  }
}

/** The reason of a refusal, or the action of any other answer. */
export function reasonOf({ action, payload }: Message): string {
  return payload?.kind === 'cant_do' && payload.reason !== null ? payload.reason : action
}
