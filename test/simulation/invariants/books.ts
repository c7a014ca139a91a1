/** Every sat: the ledger, the node's channels and people's purses agree. */
import { type Facts, holdsOf, looked, rowsOf } from '../facts.ts'
import { breaches, type Invariant } from './invariant.ts'

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, n) => total + n, 0)

const balance = (facts: Facts, name: string): number => {
  const row = facts.rows.account.get(name)
  return row === undefined ? 0 : row.credit - row.debit
}

const settledFor = (facts: Facts, orderId: string) => holdsOf(facts, orderId).filter(({ final }) => final === 'settled')

export const BOOK_INVARIANTS: readonly Invariant[] = [
  {
    name: 'I-14',
    says: 'the ledger balances, and what is done is booked exactly once',
    check: (facts) => {
      const found: string[] = []
      for (const { after } of facts.changes.ln_op) {
        if (after.state !== 'done' || (after.kind !== 'pay' && after.kind !== 'hold_settle')) continue
        const cause = after.kind === 'pay' ? `paid:${after.id}` : `settle:${after.hash}`
        if (!facts.rows.ledger.has(`${cause}:0`)) found.push(`${after.id} is done and not booked`)
      }
      if (!facts.atRest) return found
      const totals = new Map<string, number>()
      for (const { debit, credit, msat } of rowsOf(facts, 'ledger')) {
        totals.set(debit, (totals.get(debit) ?? 0) - msat)
        totals.set(credit, (totals.get(credit) ?? 0) + msat)
      }
      for (const name of new Set([...totals.keys(), ...facts.rows.account.keys()]))
        if (balance(facts, name) !== (totals.get(name) ?? 0)) found.push(`account ${name} is not the sum of its rows`)
      if (sum(totals.values()) !== 0) found.push('debits and credits differ')
      return found
    },
  },
  {
    name: 'I-20',
    says: 'the node has what it received less what it paid',
    atRest: true,
    check: ({ lightning }) => {
      const received = sum(lightning.invoices().map((i) => (i.state === 'settled' ? i.receivedMsat : 0)))
      const paid = sum(lightning.payments().map((p) => (p.state === 'succeeded' ? p.amountMsat + p.feeMsat : 0)))
      const gain = lightning.gainMsat()
      return gain === received - paid ? [] : [`gained ${gain}, received ${received}, paid ${paid}`]
    },
  },
  {
    name: 'I-21',
    says: 'what the node gained is owed to somebody or is its fee, and the ledger says the same',
    atRest: true,
    check: (facts) => {
      const gain = facts.lightning.gainMsat()
      const booked = -balance(facts, 'ln')
      const found = gain === booked ? [] : [`the node gained ${gain}, the ledger says ${booked}`]
      const open = sum(
        rowsOf(facts, 'account')
          .filter(({ name }) => name.startsWith('owed:'))
          .map(({ credit, debit }) => credit - debit),
      )
      const kept = balance(facts, 'fee') + balance(facts, 'share') + balance(facts, 'donated')
      const spent = -(balance(facts, 'routing') + balance(facts, 'loss'))
      if (open + kept - spent !== booked)
        found.push(`owed ${open}, kept ${kept}, spent ${spent}, in the node ${booked}`)
      const fees = sum(
        rowsOf(facts, 'orders').map(({ id, fee_msat }) => (settledFor(facts, id).length > 0 ? 2 * fee_msat : 0)),
      )
      if (balance(facts, 'fee') !== fees) found.push(`fees of ${fees} were earned, ${balance(facts, 'fee')} are booked`)
      return found
    },
  },
  {
    name: 'I-22',
    says: 'an escrow holds at least amount and fee, and the buyer gets exactly amount less fee',
    check: (facts) => [
      ...breaches(looked(facts, 'hold'), ({ hash, order_id, rank, held_msat, final }) => {
        const order = facts.rows.orders.get(order_id)
        if (order === undefined || (final !== 'settled' && !(rank === 2 && order.status === 'active'))) return null
        const asked = order.amount_msat + order.fee_msat
        if ((held_msat ?? 0) < asked) return `escrow ${hash} holds ${held_msat} of ${asked}`
        const payout = facts.rows.obligation.get(`buyer_payout:${order_id}`)
        if (final !== 'settled' || payout === undefined) return null
        const due = order.amount_msat - order.fee_msat
        if (payout.amount_msat !== due) return `${payout.id} is ${payout.amount_msat}, due is ${due}`
        const extra = facts.rows.obligation.get(`overpayment:${order_id}`)?.amount_msat ?? 0
        return (held_msat ?? 0) - asked === extra ? null : `escrow ${hash} was overpaid, owed back is ${extra}`
      }),
    ],
  },
  {
    name: 'I-23',
    says: 'nobody loses a sat but what the trade took: amount and fee for a sale, nothing for a cancel',
    atRest: true,
    check: (facts) => [
      ...breaches(facts.purses(), ({ name, lostMsat, routingMsat, tradePubkeys }) => {
        const settled = rowsOf(facts, 'orders').filter(({ id, kind, maker_pubkey, taker_pubkey }) => {
          const seller = kind === 'sell' ? maker_pubkey : taker_pubkey
          return tradePubkeys.includes(seller ?? '') && settledFor(facts, id).length > 0
        })
        const paidTo = rowsOf(facts, 'obligation').filter(
          ({ state, payee, kind }) => state === 'paid' && kind !== 'dev_fee' && tradePubkeys.includes(payee ?? ''),
        )
        const due =
          sum(settled.flatMap(({ id }) => settledFor(facts, id).map(({ held_msat }) => held_msat ?? 0))) -
          sum(paidTo.map(({ amount_msat }) => amount_msat))
        return lostMsat - routingMsat === due ? null : `${name} lost ${lostMsat - routingMsat}, the trade took ${due}`
      }),
    ],
  },
]
