/**
 * Where every sat of the demo went, from three sides that know nothing of each other: the terms of the trades, the ledger
 * of the daemon, and the wallets of the simulated network. They must say the same.
 */
import type { AccountRow, LedgerRow } from '../../adapters/sqlite/schema.ts'
import type { WalletName } from '../world.ts'

/** What was agreed, and how it ended. Amounts in msat. */
export type Trade = {
  readonly orderId: string
  readonly seller: WalletName
  readonly buyer: WalletName
  readonly amountMsat: number
  /** what each of them pays the node */
  readonly feeMsat: number
  readonly end: 'paid' | 'canceled'
}

/** What the network knows: changes since the beginning, without what was paid to others for routing. */
export type NetworkFacts = {
  readonly wallets: Readonly<Record<WalletName, number>>
  /** change of the node's balance */
  readonly nodeMsat: number
  /** what the node paid for routing */
  readonly nodeRoutingMsat: number
}

/** What the daemon wrote down. */
export type LedgerFacts = { readonly transfers: readonly LedgerRow[]; readonly accounts: readonly AccountRow[] }

/** One line of the table; amounts in msat, gains above zero. */
export type AuditRow = {
  readonly who: string
  readonly termsMsat: number
  readonly ledgerMsat: number
  readonly networkMsat: number
  readonly agrees: boolean
}

const PARTIES = ['alice', 'bob', 'carol'] as const satisfies readonly WalletName[]

/** Compares the three sides. */
export function audit(trades: readonly Trade[], ledger: LedgerFacts, network: NetworkFacts): AuditRow[] {
  const paid = trades.filter(({ end }) => end === 'paid')
  const parties = PARTIES.map((name) => {
    const sold = trades.filter(({ seller }) => seller === name)
    const bought = trades.filter(({ buyer }) => buyer === name)
    const terms =
      sum(bought.filter((t) => t.end === 'paid').map((t) => t.amountMsat - t.feeMsat)) -
      sum(sold.filter((t) => t.end === 'paid').map((t) => t.amountMsat + t.feeMsat))
    const booked = sum(bought.map((t) => leftLightning(ledger, t))) - sum(sold.map((t) => cameByLightning(ledger, t)))
    return row(name, terms, booked, network.wallets[name])
  })
  const earned = sum(paid.map((t) => 2 * t.feeMsat))
  const routing = balance(ledger, 'routing')
  return [
    ...parties,
    row('node: fees', earned, -balance(ledger, 'fee'), network.nodeMsat + network.nodeRoutingMsat),
    row('node: routing', -network.nodeRoutingMsat, -routing, -network.nodeRoutingMsat),
    row('node: balance', earned - network.nodeRoutingMsat, balance(ledger, 'ln'), network.nodeMsat),
    row('owed to traders', 0, sum(ledger.accounts.filter(isClaim).map((a) => a.credit - a.debit)), 0),
  ]
}

/** Every side agrees in every line. */
export const addsUp = (rows: readonly AuditRow[]): boolean => rows.every(({ agrees }) => agrees)

function row(who: string, termsMsat: number, ledgerMsat: number, networkMsat: number): AuditRow {
  return { who, termsMsat, ledgerMsat, networkMsat, agrees: termsMsat === ledgerMsat && ledgerMsat === networkMsat }
}

function leftLightning({ transfers }: LedgerFacts, { orderId }: Trade): number {
  return sum(
    transfers
      .filter((t) => t.order_id === orderId && t.debit === `owed:buyer_payout:${orderId}` && t.credit === 'ln')
      .map((t) => t.msat),
  )
}

function cameByLightning({ transfers }: LedgerFacts, { orderId }: Trade): number {
  return sum(transfers.filter((t) => t.order_id === orderId && t.debit === 'ln').map((t) => t.msat))
}

/** Claims that are neither the node's income nor its costs. */
const isClaim = ({ name }: AccountRow): boolean => name.startsWith('owed:')

function balance({ accounts }: LedgerFacts, name: string): number {
  const account = accounts.find((a) => a.name === name)
  return account === undefined ? 0 : account.debit - account.credit
}

const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0)
