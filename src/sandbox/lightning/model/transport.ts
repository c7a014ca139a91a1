/** HTLCs and the balances they move. Every change of a channel is checked on the spot. */
import { assert } from '../../../core/assert.ts'
import type { Channel, Context, Htlc, HtlcFailure, Party, PartyId } from './records.ts'

/** What the parties do about HTLCs. */
export type HtlcHandlers = {
  /** the payee has it; it must be held, settled or failed */
  readonly arrived: (payee: Party, htlc: Htlc) => void
  /** it ended: settled or failed */
  readonly resolved: (payer: Party, htlc: Htlc) => void
  /** it timed out on chain while the payee held it */
  readonly timedOut: (payee: Party, htlc: Htlc) => void
}

export type NewHtlc = Pick<
  Htlc,
  'payee' | 'hash' | 'secret' | 'amountMsat' | 'feeMsat' | 'totalMsat' | 'expiryHeight' | 'doom'
> & { readonly travelMs: number; readonly stuck: boolean }

export class Transport {
  readonly htlcs = new Map<number, Htlc>()
  /** ids of those that have not ended */
  readonly pending = new Set<number>()
  readonly parties = new Map<PartyId, Party>()
  /** routing fees that the hub has earned */
  feesMsat = 0
  readonly #arrived = new Map<string, Htlc>()
  #lastId = 0
  readonly #context: Context
  readonly #handlers: HtlcHandlers

  constructor(context: Context, handlers: HtlcHandlers) {
    this.#context = context
    this.#handlers = handlers
  }

  party(id: PartyId): Party {
    const party = this.parties.get(id)
    assert(party !== undefined, `no such party: ${id}`)
    return party
  }

  /** Whether the payer's channel can send so much now. */
  canSend(payer: Party, msat: number): boolean {
    return reachable(payer) && payer.channel.localMsat >= msat
  }

  /** Locks the payer's sats and sends the HTLC on its way; it arrives with {@link arrive}. */
  create(payer: Party, plan: NewHtlc): Htlc {
    const { travelMs, stuck, ...fixed } = plan
    const htlc: Htlc = {
      ...fixed,
      id: ++this.#lastId,
      payer: payer.id,
      state: stuck ? 'stuck' : 'travelling',
      arrivesAtMs: this.#context.nowMs() + travelMs,
      payeeIndex: null,
      preimage: null,
      failure: null,
    }
    const cost = htlc.amountMsat + htlc.feeMsat
    move(payer.channel, 'localMsat', 'pendingOutMsat', cost)
    this.htlcs.set(htlc.id, htlc)
    this.pending.add(htlc.id)
    return htlc
  }

  /** Lets a created HTLC arrive: at once, or when its travel is over. */
  dispatch(htlc: Htlc): void {
    if (htlc.state !== 'travelling') return
    if (htlc.arrivesAtMs <= this.#context.nowMs()) this.arrive(htlc.id)
    else this.#context.schedule({ kind: 'arrive', atMs: htlc.arrivesAtMs, htlcId: htlc.id })
  }

  /** Hands a travelling HTLC to its payee, or fails it on the way. Does nothing when it is not travelling. */
  arrive(id: number): void {
    const htlc = this.htlcs.get(id)
    if (htlc === undefined || htlc.state !== 'travelling') return
    if (htlc.doom !== null) return this.fail(htlc, htlc.doom)
    const payee = htlc.payee === null ? undefined : this.parties.get(htlc.payee)
    if (payee === undefined || !reachable(payee)) return this.fail(htlc, 'UNKNOWN_NEXT_PEER')
    if (payee.channel.hubMsat < htlc.amountMsat) return this.fail(htlc, 'TEMPORARY_CHANNEL_FAILURE')
    move(payee.channel, 'hubMsat', 'pendingInMsat', htlc.amountMsat)
    htlc.payeeIndex = payee.channel.nextIndex++
    this.#arrived.set(arrivalKey(payee.id, htlc.payeeIndex), htlc)
    htlc.state = 'held'
    this.#handlers.arrived(payee, htlc)
  }

  /** Frees a stuck HTLC. */
  release(htlc: Htlc, outcome: 'fail' | 'arrive'): void {
    if (htlc.state !== 'stuck') return
    htlc.state = 'travelling'
    if (outcome === 'fail') this.fail(htlc, 'TEMPORARY_CHANNEL_FAILURE')
    else this.arrive(htlc.id)
  }

  /** The payee claims a held HTLC. Offline, the claim waits for its peer. A repeat does nothing. */
  settle(id: number, preimage: string): void {
    const htlc = this.htlcs.get(id)
    if (htlc === undefined || htlc.payee === null || (htlc.state !== 'held' && htlc.state !== 'settling')) return
    const payee = this.party(htlc.payee)
    htlc.preimage = preimage
    if (!reachable(payee)) {
      htlc.state = 'settling'
      return
    }
    htlc.state = 'settled'
    this.pending.delete(id)
    const payer = this.party(htlc.payer)
    move(payee.channel, 'pendingInMsat', 'localMsat', htlc.amountMsat)
    move(payer.channel, 'pendingOutMsat', 'hubMsat', htlc.amountMsat + htlc.feeMsat)
    this.feesMsat += htlc.feeMsat
    this.#handlers.resolved(payer, htlc)
  }

  /** Gives the sats back to the payer. Does nothing once it has ended. */
  fail(htlc: Htlc, failure: HtlcFailure): void {
    if (htlc.state === 'settled' || htlc.state === 'failed') return
    if (htlc.payee !== null && htlc.payeeIndex !== null) {
      move(this.party(htlc.payee).channel, 'pendingInMsat', 'hubMsat', htlc.amountMsat)
    }
    htlc.state = 'failed'
    htlc.failure = failure
    htlc.preimage = null
    this.pending.delete(htlc.id)
    const payer = this.party(htlc.payer)
    move(payer.channel, 'pendingOutMsat', 'localMsat', htlc.amountMsat + htlc.feeMsat)
    this.#handlers.resolved(payer, htlc)
  }

  /** Claims that waited for this payee's peer go through. */
  settleWaiting(payee: Party): void {
    for (const id of [...this.pending]) {
      const htlc = this.htlcs.get(id)
      if (htlc?.state === 'settling' && htlc.payee === payee.id && htlc.preimage !== null)
        this.settle(id, htlc.preimage)
    }
  }

  /** HTLCs whose height has come go back on chain, claimed or not. */
  timeOut(height: number): void {
    for (const id of [...this.pending]) {
      const htlc = this.htlcs.get(id)
      if (htlc === undefined || htlc.expiryHeight > height) continue
      const payee = htlc.payee !== null && htlc.payeeIndex !== null ? this.party(htlc.payee) : null
      this.fail(htlc, 'PERMANENT_CHANNEL_FAILURE')
      if (payee !== null) this.#handlers.timedOut(payee, htlc)
    }
  }

  /** The HTLC at an index of a party's channel, if one ever arrived there. */
  incoming(payee: Party, index: number): Htlc | null {
    return this.#arrived.get(arrivalKey(payee.id, index)) ?? null
  }

  /** Replaces all HTLCs; part of restoring a snapshot. */
  load(htlcs: readonly Htlc[], feesMsat: number): void {
    this.htlcs.clear()
    this.pending.clear()
    this.#arrived.clear()
    for (const htlc of htlcs) {
      this.htlcs.set(htlc.id, htlc)
      if (htlc.payee !== null && htlc.payeeIndex !== null) {
        this.#arrived.set(arrivalKey(htlc.payee, htlc.payeeIndex), htlc)
      }
      if (htlc.state !== 'settled' && htlc.state !== 'failed') this.pending.add(htlc.id)
    }
    this.#lastId = htlcs.reduce((max, htlc) => Math.max(max, htlc.id), 0)
    this.feesMsat = feesMsat
  }
}

function arrivalKey(payee: PartyId, index: number): string {
  return `${payee}:${index}`
}

type Pot = 'localMsat' | 'hubMsat' | 'pendingOutMsat' | 'pendingInMsat'

/** Whether HTLCs reach the party and resolve. */
export function reachable(party: Party): boolean {
  return party.running && party.peerOnline
}

/** Moves sats within one channel; throws when they are not there or the capacity would change. */
export function move(channel: Channel, from: Pot, to: Pot, amountMsat: number): void {
  assert(Number.isSafeInteger(amountMsat) && amountMsat >= 0, `not an amount: ${amountMsat} msat`)
  assert(channel[from] >= amountMsat, `channel ${channel.scid}: ${channel[from]} msat in ${from}, ${amountMsat} needed`)
  channel[from] -= amountMsat
  channel[to] += amountMsat
  assertChannel(channel)
}

/** The four pots of a channel make its capacity. */
export function assertChannel(channel: Channel): void {
  const sum = channel.localMsat + channel.hubMsat + channel.pendingOutMsat + channel.pendingInMsat
  assert(sum === channel.capacityMsat, `channel ${channel.scid} holds ${sum} msat of ${channel.capacityMsat}`)
}
