/** What an invariant may look at: the network model, the relays, the committed rows and what was seen on the way. */
import type { HoldRow, LnOpRow } from '../../src/adapters/sqlite/schema.ts'
import type { Action, NostrEvent } from '../../src/core/protocol.ts'
import type { SimInvoice, SimPayment } from '../../src/sandbox/lightning/control.ts'
import type { Changes, Groups, RowOf, Rows, Table } from './mirror.ts'

/** A call of the daemon to its Lightning node, with what was written down when it left. */
export type Call = {
  readonly verb: 'createHold' | 'settleHold' | 'cancelHold' | 'pay'
  readonly hash: string
  readonly op: LnOpRow | null
  readonly hold: HoldRow | null
  /** money was halted at that moment, or the newest connection was not verified */
  readonly halted: boolean
  readonly unverified: boolean
}

/** Something a trader was told, with the money's state at that moment. */
export type Told = {
  readonly trader: string
  readonly pubkey: string
  readonly action: Action
  readonly orderId: string | null
  readonly requestId: bigint | null
  readonly eventId: string
}

export type LightningFacts = {
  readonly invoice: (hash: string) => SimInvoice | null
  readonly payment: (hash: string) => SimPayment | null
  readonly invoices: () => readonly SimInvoice[]
  readonly payments: () => readonly SimPayment[]
  /** what the node's channels gained since the beginning, sats on their way out included, msat */
  readonly gainMsat: () => number
}

/** What one person's wallet lost in all, and what of it Lightning's routing took. */
export type Purse = {
  readonly name: string
  readonly lostMsat: number
  readonly routingMsat: number
  readonly tradePubkeys: readonly string[]
}

export type Facts = {
  /** the daemon's own clock, unix seconds */
  readonly nowS: number
  readonly rows: Rows
  readonly groups: Groups
  readonly changes: Changes
  readonly calls: readonly Call[]
  readonly told: readonly Told[]
  readonly lightning: LightningFacts
  /** everything the relays have, each event once */
  readonly onRelays: () => readonly NostrEvent[]
  readonly nodePubkey: string
  /** how often each trader sent each request: `<trader>:<request id>` */
  readonly asked: ReadonlyMap<string, number>
  /** how often each was answered with what: `<trader>:<request id>:<action>` */
  readonly answers: ReadonlyMap<string, number>
  readonly purses: () => readonly Purse[]
  readonly inbox: () => readonly {
    readonly outer_id: string
    readonly inner_id: string | null
    readonly verdict: string
  }[]
  /** rows about money that a second reconciliation changed */
  readonly secondSweepChanged: number
  /** nothing goes wrong any more, every window is over and the daemon had time: everything must be in its place */
  readonly atRest: boolean
}

/** The rows of a table that an invariant must look at now: those that changed, or all of them at rest. */
export function* looked<T extends Table>(facts: Facts, table: T): Iterable<RowOf<T>> {
  if (facts.atRest) yield* facts.rows[table].values() as Iterable<RowOf<T>>
  else for (const { after } of facts.changes[table]) yield after as RowOf<T>
}

export const rowsOf = <T extends Table>(facts: Facts, table: T): readonly RowOf<T>[] =>
  [...facts.rows[table].values()] as RowOf<T>[]

export const opsOf = (facts: Facts, hash: string): readonly LnOpRow[] => facts.groups.of('opsOfHash', hash)

export const holdsOf = (facts: Facts, orderId: string | null): readonly HoldRow[] =>
  facts.groups.of('holdsOfOrder', orderId)

export const isOpen = (op: LnOpRow): boolean => op.state !== 'done' && op.state !== 'refused' && op.state !== 'void'
