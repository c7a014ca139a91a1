/** The daemon's node as tests and the sandbox handle it: power, connections, memory, scripts. */
import { assert } from '../../core/assert.ts'
import { type Msat, msat } from '../../core/money.ts'
import type { NodeImage, PaymentScript, RestartOptions, SimInvoice, SimNode, SimPayment } from './control.ts'
import { deletePayment, feeOf, statusOf } from './model/payer.ts'
import type { Invoice, Party, Payment } from './model/records.ts'
import { deleteInvoice } from './model/registry.ts'
import type { World } from './model/world.ts'

/** A way into the node: the port in this process, or the gRPC server. */
export interface Door {
  /** breaks every connection; `orderly`: streams end with OK first, as LND does when it is stopped */
  disconnect(how: 'orderly' | 'kill'): void
  /** open connections carry nothing any more */
  halfOpen(): void
  /** refuses new connections, or takes them again */
  setOpen(open: boolean): void
}

type Power = ReturnType<SimNode['state']>

export class Node implements SimNode {
  readonly #world: World
  readonly #doors = new Set<Door>()
  readonly #scripts = new Map<string, PaymentScript>()
  #power: Power = 'ready'

  constructor(world: World) {
    this.#world = world
  }

  get pubkey(): string {
    return this.#world.pubkey(this.#party)
  }

  state(): Power {
    return this.#power
  }

  balanceMsat(): Msat {
    return msat(this.#party.channel.localMsat)
  }

  invoices(): readonly SimInvoice[] {
    return [...this.#party.records.invoices.values()].map(simInvoice)
  }

  invoice(hash: string): SimInvoice | null {
    const invoice = this.#party.records.invoices.get(hash)
    return invoice === undefined ? null : simInvoice(invoice)
  }

  payments(): readonly SimPayment[] {
    return [...this.#party.records.payments.values()].map(simPayment)
  }

  payment(hash: string): SimPayment | null {
    const payment = this.#party.records.payments.get(hash)
    return payment === undefined ? null : simPayment(payment)
  }

  scriptPayment(hash: string | 'next', script: PaymentScript): void {
    this.#scripts.set(hash, script)
  }

  /** The script for a payment that begins now; it is used up. */
  takeScript(hash: string): PaymentScript | null {
    const key = this.#scripts.has(hash) ? hash : 'next'
    const script = this.#scripts.get(key) ?? null
    this.#scripts.delete(key)
    return script
  }

  releaseStuck(hash: string, outcome: 'fail' | 'arrive'): void {
    const { htlcs, pending } = this.#world.transport
    this.#world.act(() => {
      for (const id of [...pending]) {
        const htlc = htlcs.get(id)
        if (htlc?.payer === 'node' && htlc.hash === hash) this.#world.transport.release(htlc, outcome)
      }
    })
  }

  addLiquidity(deltaMsat: number): void {
    this.#world.act(() => this.#world.shift(this.#party, deltaMsat))
  }

  restart(options: RestartOptions = {}): void {
    this.stop(options.how)
    this.start(options)
  }

  stop(how: 'orderly' | 'kill' = 'orderly'): void {
    if (this.#power === 'stopped') return
    for (const door of this.#doors) {
      door.disconnect(how)
      door.setOpen(false)
    }
    this.#power = 'stopped'
    this.#world.act(() => this.#world.halt(this.#party))
  }

  start(options: Omit<RestartOptions, 'how'> = {}): void {
    assert(this.#power === 'stopped', 'the node is running')
    if (options.image !== undefined) this.#world.mount(this.#party, options.image)
    if (options.newIdentity) this.#world.renewKey(this.#party)
    if (options.collectCanceled) this.collectCanceled()
    this.#power = options.comesBack ?? 'ready'
    if (this.#power === 'ready') this.#world.act(() => this.#world.wake(this.#party))
    for (const door of this.#doors) door.setOpen(true)
  }

  lock(): void {
    this.restart({ comesBack: 'locked' })
  }

  unlock(): void {
    assert(this.#power !== 'stopped', 'the node is stopped')
    if (this.#power === 'ready') return
    this.#power = 'ready'
    this.#world.act(() => this.#world.wake(this.#party))
  }

  cutConnections(): void {
    for (const door of this.#doors) door.disconnect('kill')
  }

  halfOpenConnections(): void {
    for (const door of this.#doors) door.halfOpen()
  }

  image(): NodeImage {
    return this.#world.image(this.#party)
  }

  restoreWhileConnected(image: NodeImage): void {
    this.restart({ how: 'kill', image })
  }

  forgetPayment(hash: string): void {
    deletePayment(this.#party.records, hash)
  }

  forgetInvoice(hash: string): void {
    deleteInvoice(this.#party.records, hash)
  }

  collectCanceled(): void {
    const { records } = this.#party
    for (const invoice of [...records.invoices.values()]) {
      if (invoice.state === 'canceled') deleteInvoice(records, invoice.hash)
    }
  }

  setPeerOnline(online: boolean): void {
    this.#world.act(() => this.#world.setPeerOnline(this.#party, online))
  }

  /** Registers a way in; it starts as open as the node is. Returns the way out. */
  attach(door: Door): () => void {
    this.#doors.add(door)
    door.setOpen(this.#power !== 'stopped')
    return () => this.#doors.delete(door)
  }

  get #party(): Party {
    return this.#world.transport.party('node')
  }
}

function simInvoice(invoice: Invoice): SimInvoice {
  return {
    index: invoice.addIndex,
    hash: invoice.hash,
    state: invoice.state,
    request: invoice.request,
    amountMsat: msat(invoice.amountMsat),
    receivedMsat: msat(invoice.receivedMsat),
    memo: invoice.memo,
  }
}

function simPayment(payment: Payment): SimPayment {
  return {
    index: payment.index,
    hash: payment.hash,
    request: payment.request,
    amountMsat: msat(payment.amountMsat),
    state: statusOf(payment),
    feeMsat: msat(feeOf(payment)),
    preimage: payment.preimage,
    failure: payment.failure,
    createdAtMs: payment.createdAtMs,
    attempts: payment.attempts.length,
  }
}
