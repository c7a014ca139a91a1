/**
 * The simulated world in one piece: parties, channels, HTLCs, height, and what happens by itself. All changes go through
 * {@link World.act}; listeners hear of them, with copies, when the change is complete.
 */

import { hex } from '@scure/base'
import { assert } from '../../../core/assert.ts'
import type { Clock, Random } from '../../../ports/system.ts'
import { publicKeyHex } from '../bolt11.ts'
import type { IncomingAnswer, NodeImage, SimConfig, SimSnapshot } from '../control.ts'
import { DueQueue } from './due-queue.ts'
import { Payer, statusOf } from './payer.ts'
import type { Channel, Context, Due, Htlc, Invoice, Party, PartyId, Payment, Records } from './records.ts'
import { Registry } from './registry.ts'
import { assertChannel, move, reachable, Transport } from './transport.ts'

export type Listener<T> = (value: T) => void

/** Timers of the host can not be set further ahead than 24 days; a day is enough. */
const LONGEST_TIMER_MS = 86_400_000
const FIRST_HEIGHT = 800_000
const SNAPSHOT_FORMAT = 'fianza-sim-lightning-1'
const IMAGE_FORMAT = 'fianza-sim-node-1'

type StoredRecords = Omit<Records, 'invoices' | 'payments'> & {
  readonly invoices: readonly Invoice[]
  readonly payments: readonly Payment[]
}

type StoredParty = {
  readonly id: PartyId
  readonly channel: Channel
  readonly records: StoredRecords
  readonly incoming: IncomingAnswer
  readonly incomingByHash: readonly (readonly [string, IncomingAnswer])[]
}

type StoredWorld = {
  readonly format: typeof SNAPSHOT_FORMAT
  readonly height: number
  readonly nextBlockAtMs: number | null
  readonly feesMsat: number
  readonly openingHubMsat: number
  readonly parties: readonly StoredParty[]
  readonly htlcs: readonly Htlc[]
}

export class World {
  readonly config: SimConfig
  readonly transport: Transport
  readonly registry: Registry
  readonly payer: Payer
  readonly #clock: Clock
  readonly #random: Random
  readonly #dues = new DueQueue()
  readonly #listeners = new Map<string, Set<Listener<never>>>()
  readonly #pubkeys = new Map<string, string>()
  #announcements: (() => void)[] = []
  #depth = 0
  #height = FIRST_HEIGHT
  #nextBlockAtMs: number | null = null
  /** what the hub owned when its channels were opened */
  #openingHubMsat = 0
  #forgetTimer: (() => void) | null = null
  #timerAtMs: number | null = null
  #closed = false

  constructor(clock: Clock, random: Random, config: SimConfig) {
    this.#clock = clock
    this.#random = random
    this.config = config
    const context: Context = {
      config,
      nowMs: () => clock.nowMs(),
      height: () => this.#height,
      randomHex: (bytes) => this.randomHex(bytes),
      schedule: (due) => this.#dues.push(due),
      invoiceChanged: (party, invoice) => this.#announceInvoice(party, invoice),
      paymentChanged: (party, payment) => this.#announcePayment(party, payment),
    }
    this.transport = new Transport(context, {
      arrived: (payee, htlc) => {
        this.registry.accept(payee, htlc)
        if (htlc.state === 'held') this.#announce(`held:${htlc.payer}:${htlc.hash}`, htlc.id)
      },
      resolved: (payer, htlc) => this.#resolved(payer, htlc),
      timedOut: (payee, htlc) => this.registry.timedOut(payee, htlc),
    })
    this.registry = new Registry(context, this.transport)
    this.payer = new Payer(context, this.transport, (pubkey) => this.partyByKey(pubkey))
    if (config.blockIntervalMs !== null) this.#planBlock(clock.nowMs() + config.blockIntervalMs)
  }

  /** Runs a change to its end, then tells listeners and sets the timer. Changes may nest. */
  act<T>(change: () => T): T {
    assert(!this.#closed, 'the simulated network was closed')
    this.#depth++
    try {
      return change()
    } finally {
      this.#depth--
      if (this.#depth === 0) this.#finish()
    }
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  height(): number {
    return this.#height
  }

  randomHex(bytes: number): string {
    return hex.encode(this.#random.bytes(bytes))
  }

  /** Opens a channel between the hub and a new party. */
  addParty(id: PartyId, localMsat: number, hubMsat: number): Party {
    assert(!this.transport.parties.has(id), `party exists: ${id}`)
    const number = this.transport.parties.size + 1
    const party: Party = {
      id,
      channel: {
        scid: ((700_000n << 40n) | (BigInt(number) << 16n)).toString(),
        localMsat,
        hubMsat,
        pendingOutMsat: 0,
        pendingInMsat: 0,
        capacityMsat: localMsat + hubMsat,
        nextIndex: 0,
      },
      records: {
        key: this.#newKey(),
        invoices: new Map(),
        payments: new Map(),
        lastAddIndex: 0,
        lastSettleIndex: 0,
        lastPaymentIndex: 0,
      },
      running: true,
      peerOnline: true,
      incoming: 'settle',
      incomingByHash: new Map(),
    }
    this.#openingHubMsat += hubMsat
    this.transport.parties.set(id, party)
    return party
  }

  /** The party's identity, hex. */
  pubkey(party: Party): string {
    const { key } = party.records
    let pubkey = this.#pubkeys.get(key)
    if (pubkey === undefined) {
      pubkey = publicKeyHex(hex.decode(key))
      this.#pubkeys.set(key, pubkey)
    }
    return pubkey
  }

  partyByKey(pubkey: string): Party | null {
    for (const party of this.transport.parties.values()) if (this.pubkey(party) === pubkey) return party
    return null
  }

  renewKey(party: Party): void {
    party.records.key = this.#newKey()
  }

  /** Finds one block. */
  mine(): void {
    this.#height++
    this.transport.timeOut(this.#height)
    for (const party of this.transport.parties.values()) {
      if (party.id === 'node' && party.running) this.registry.guardHeight(party)
    }
    const height = this.#height
    this.#announce('blocks', height)
  }

  /** The party's peer leaves or returns; what waited for it goes through. */
  setPeerOnline(party: Party, online: boolean): void {
    party.peerOnline = online
    if (reachable(party)) this.transport.settleWaiting(party)
  }

  /** The party's software stops: its records stand still while its channels go on. */
  halt(party: Party): void {
    party.running = false
  }

  /** The party's software comes up and catches up with the world. */
  wake(party: Party): void {
    party.running = true
    if (reachable(party)) this.transport.settleWaiting(party)
    this.registry.resume(party)
    this.payer.resume(party)
    this.#planRecords(party)
  }

  /** Moves balance between a party's side of its channel and the hub's. */
  shift(party: Party, deltaMsat: number): void {
    move(
      party.channel,
      deltaMsat < 0 ? 'localMsat' : 'hubMsat',
      deltaMsat < 0 ? 'hubMsat' : 'localMsat',
      Math.abs(deltaMsat),
    )
    this.#openingHubMsat -= deltaMsat
  }

  /** Topics: `blocks`, `invoice:<party>:<hash>`, `invoices:<party>`, `payment:<party>:<hash>`, `payments:<party>`, `held:<payer>:<hash>`. */
  listen(topic: 'blocks' | `held:${string}`, listener: Listener<number>): () => void
  listen(topic: `invoice${'s' | ''}:${string}`, listener: Listener<Invoice>): () => void
  listen(topic: `payment${'s' | ''}:${string}`, listener: Listener<Payment>): () => void
  listen(topic: string, listener: Listener<never>): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic)
    }
  }

  checkConservation(): void {
    const out = new Map<PartyId, number>()
    const into = new Map<PartyId, number>()
    for (const id of this.transport.pending) {
      const htlc = this.transport.htlcs.get(id)
      assert(htlc !== undefined, `pending HTLC ${id} does not exist`)
      out.set(htlc.payer, (out.get(htlc.payer) ?? 0) + htlc.amountMsat + htlc.feeMsat)
      if (htlc.payee !== null && htlc.payeeIndex !== null) {
        into.set(htlc.payee, (into.get(htlc.payee) ?? 0) + htlc.amountMsat)
      }
    }
    let hubMsat = 0
    for (const party of this.transport.parties.values()) {
      const { channel } = party
      assertChannel(channel)
      assert(channel.pendingOutMsat === (out.get(party.id) ?? 0), `${party.id}: outgoing HTLCs do not add up`)
      assert(channel.pendingInMsat === (into.get(party.id) ?? 0), `${party.id}: incoming HTLCs do not add up`)
      hubMsat += channel.hubMsat + channel.pendingInMsat
    }
    // The hub is paid for an HTLC in the step in which it pays for it: it owns what it began with, and its fees.
    const owned = this.#openingHubMsat + this.transport.feesMsat
    assert(hubMsat === owned, `the hub owns ${hubMsat} msat instead of ${owned}`)
  }

  snapshot(): SimSnapshot {
    const stored: StoredWorld = {
      format: SNAPSHOT_FORMAT,
      height: this.#height,
      nextBlockAtMs: this.#nextBlockAtMs,
      feesMsat: this.transport.feesMsat,
      openingHubMsat: this.#openingHubMsat,
      parties: [...this.transport.parties.values()].map((party) => ({
        id: party.id,
        channel: party.channel,
        records: storeRecords(party.records),
        incoming: party.incoming,
        incomingByHash: [...party.incomingByHash],
      })),
      htlcs: [...this.transport.htlcs.values()],
    }
    return structuredClone(stored)
  }

  /** Replaces everything by a snapshot and plans what happens by itself. */
  restore(snapshot: SimSnapshot): void {
    assert(snapshot.format === SNAPSHOT_FORMAT, 'not a snapshot of this format')
    const stored = structuredClone(snapshot) as unknown as StoredWorld
    this.#height = stored.height
    this.#openingHubMsat = stored.openingHubMsat
    this.#dues.clear()
    this.#nextBlockAtMs = null
    if (this.config.blockIntervalMs !== null) {
      this.#planBlock(stored.nextBlockAtMs ?? this.nowMs() + this.config.blockIntervalMs)
    }
    this.transport.parties.clear()
    for (const each of stored.parties) {
      this.transport.parties.set(each.id, {
        ...each,
        running: true,
        peerOnline: true,
        records: loadRecords(each.records),
        incomingByHash: new Map(each.incomingByHash),
      })
    }
    this.transport.load(stored.htlcs, stored.feesMsat)
    for (const id of this.transport.pending) {
      const htlc = this.transport.htlcs.get(id)
      if (htlc?.state === 'travelling') this.#dues.push({ kind: 'arrive', atMs: htlc.arrivesAtMs, htlcId: id })
    }
    for (const party of this.transport.parties.values()) this.#planRecords(party)
    this.checkConservation()
  }

  image(party: Party): NodeImage {
    return structuredClone({ format: IMAGE_FORMAT, ...storeRecords(party.records) }) as NodeImage
  }

  /** Puts older records in the place of a party's own; the channels stay. */
  mount(party: Party, image: NodeImage): void {
    assert(image.format === IMAGE_FORMAT, 'not an image of a node')
    party.records = loadRecords(structuredClone(image) as unknown as StoredRecords)
    this.#planRecords(party)
  }

  close(): void {
    this.#closed = true
    this.#forgetTimer?.()
    this.#forgetTimer = null
    this.#listeners.clear()
  }

  #planRecords(party: Party): void {
    for (const invoice of party.records.invoices.values()) {
      this.registry.scheduleExpiry(party, invoice)
      if (invoice.state !== 'open') continue
      for (const part of invoice.htlcs) {
        if (part.state !== 'accepted') continue
        const atMs = part.acceptedAtMs + this.config.mppTimeoutMs
        this.#dues.push({ kind: 'release-part', atMs, party: party.id, hash: invoice.hash, htlcId: part.htlcId })
      }
    }
    for (const payment of party.records.payments.values()) {
      if (payment.failsAtMs === null) continue
      this.#dues.push({ kind: 'fail-payment', atMs: payment.failsAtMs, party: party.id, hash: payment.hash })
    }
  }

  #resolved(payer: Party, htlc: Htlc): void {
    // A node that is down learns the end from its channels when it comes up: `wake`.
    if (payer.running) this.payer.resolved(payer, htlc)
  }

  #newKey(): string {
    // Almost every 32-byte string is a secret key; the top bit of the first byte is cleared to stay below the order.
    const key = this.#random.bytes(32)
    key[0] = (key[0] ?? 0) & 0x7f
    key[31] = (key[31] ?? 0) | 1
    return hex.encode(key)
  }

  #planBlock(atMs: number): void {
    this.#nextBlockAtMs = atMs
    this.#dues.push({ kind: 'block', atMs })
  }

  #announceInvoice(party: Party, invoice: Invoice): void {
    const copy = (): Invoice => ({ ...invoice, htlcs: invoice.htlcs.map((part) => ({ ...part })) })
    this.#announce(`invoice:${party.id}:${invoice.hash}`, copy)
    this.#announce(`invoices:${party.id}`, copy)
  }

  #announcePayment(party: Party, payment: Payment): void {
    const times = payment.echoes && statusOf(payment) === 'failed' ? 2 : 1
    const copy = (): Payment => ({ ...payment, attempts: payment.attempts.map((attempt) => ({ ...attempt })) })
    for (let time = 0; time < times; time++) {
      this.#announce(`payment:${party.id}:${payment.hash}`, copy)
      this.#announce(`payments:${party.id}`, copy)
    }
  }

  /** Queues the value as it is now for whoever listens now. */
  #announce<T>(topic: string, value: T | (() => T)): void {
    const listeners = this.#listeners.get(topic)
    if (listeners === undefined) return
    const seen = typeof value === 'function' ? (value as () => T)() : value
    for (const listener of listeners) {
      this.#announcements.push(() => {
        if (listeners.has(listener)) (listener as Listener<T>)(seen)
      })
    }
  }

  #finish(): void {
    const announcements = this.#announcements
    this.#announcements = []
    for (const announce of announcements) announce()
    this.#setTimer()
  }

  #setTimer(): void {
    const atMs = this.#closed ? null : this.#dues.nextAtMs()
    if (atMs === this.#timerAtMs && this.#forgetTimer !== null) return
    this.#forgetTimer?.()
    this.#forgetTimer = null
    this.#timerAtMs = atMs
    if (atMs === null) return
    const delayMs = Math.min(Math.max(0, atMs - this.nowMs()), LONGEST_TIMER_MS)
    this.#forgetTimer = this.#clock.after(delayMs, () => {
      this.#forgetTimer = null
      this.act(() => this.#runDues())
    })
  }

  #runDues(): void {
    for (let due = this.#dues.take(this.nowMs()); due !== null; due = this.#dues.take(this.nowMs())) this.#run(due)
  }

  #run(due: Due): void {
    switch (due.kind) {
      case 'arrive':
        return this.transport.arrive(due.htlcId)
      case 'expire':
        return this.#whileUp(due.party, (party) => this.registry.expire(party, due.hash))
      case 'release-part':
        return this.#whileUp(due.party, (party) => this.registry.releasePart(party, due.hash, due.htlcId))
      case 'fail-payment':
        return this.#whileUp(due.party, (party) => this.payer.failDue(party, due.hash))
      case 'block':
        this.mine()
        return this.#planBlock(due.atMs + (this.config.blockIntervalMs ?? LONGEST_TIMER_MS))
    }
  }

  /** What a party does by itself waits while its software is down: `wake` plans it again. */
  #whileUp(id: PartyId, task: (party: Party) => void): void {
    const party = this.transport.parties.get(id)
    if (party?.running) task(party)
  }
}

function storeRecords(records: Records): StoredRecords {
  return { ...records, invoices: [...records.invoices.values()], payments: [...records.payments.values()] }
}

function loadRecords(stored: StoredRecords): Records {
  return {
    key: stored.key,
    invoices: new Map(stored.invoices.map((invoice) => [invoice.hash, invoice])),
    payments: new Map(stored.payments.map((payment) => [payment.hash, payment])),
    lastAddIndex: stored.lastAddIndex,
    lastSettleIndex: stored.lastSettleIndex,
    lastPaymentIndex: stored.lastPaymentIndex,
  }
}
