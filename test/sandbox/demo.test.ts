import { describe, expect, it } from 'vitest'
import type { AccountRow, LedgerRow } from '../../src/adapters/sqlite/schema.ts'
import { msat } from '../../src/core/money.ts'
import { addsUp, audit, type LedgerFacts, type NetworkFacts, type Trade } from '../../src/sandbox/demo/audit.ts'

const SALE: Trade = { orderId: 'a', seller: 'alice', buyer: 'bob', amountMsat: 50_000, feeMsat: 250, end: 'paid' }
const CANCELED: Trade = { orderId: 'b', seller: 'carol', buyer: 'bob', amountMsat: 9000, feeMsat: 45, end: 'canceled' }
const ROUTING_MSAT = 7

const NETWORK: NetworkFacts = {
  wallets: { alice: -50_250, bob: 49_750, carol: 0 },
  nodeMsat: 500 - ROUTING_MSAT,
  nodeRoutingMsat: ROUTING_MSAT,
}
const TRANSFERS: readonly LedgerRow[] = [
  transfer('ln', 'owed:buyer_payout:a', 49_750),
  transfer('ln', 'fee', 500),
  transfer('owed:buyer_payout:a', 'ln', 49_750),
  transfer('routing', 'ln', ROUTING_MSAT),
]

function transfer(debit: string, credit: string, amount: number): LedgerRow {
  return { id: `${debit}>${credit}`, debit, credit, msat: msat(amount), cause: 'c', order_id: 'a', at: 0 }
}

function ledger(transfers: readonly LedgerRow[]): LedgerFacts {
  const names = [...new Set(transfers.flatMap(({ debit, credit }) => [debit, credit]))]
  const total = (side: 'debit' | 'credit', name: string) =>
    msat(transfers.filter((t) => t[side] === name).reduce((sum, t) => sum + t.msat, 0))
  const accounts = names.map(
    (name): AccountRow => ({ name, debit: total('debit', name), credit: total('credit', name) }),
  )
  return { transfers, accounts }
}

const differing = (trades: readonly Trade[], facts: LedgerFacts, network: NetworkFacts): readonly string[] => {
  const rows = audit(trades, facts, network)
  expect(addsUp(rows)).toBe(rows.every(({ agrees }) => agrees))
  return rows.flatMap(({ who, agrees }) => (agrees ? [] : [who]))
}

describe('the account at the end of the demo', () => {
  it('agrees when terms, ledger and network do', () => {
    expect(differing([SALE, CANCELED], ledger(TRANSFERS), NETWORK)).toEqual([])
    expect(audit([SALE], ledger(TRANSFERS), NETWORK).map(({ who, networkMsat }) => [who, networkMsat])).toEqual([
      ['alice', -50_250],
      ['bob', 49_750],
      ['carol', 0],
      ['node: fees', 500],
      ['node: routing', -7],
      ['node: balance', 493],
      ['owed to traders', 0],
    ])
  })

  it.for<readonly [string, readonly LedgerRow[], readonly string[]]>([
    [
      'a payout is missing',
      TRANSFERS.filter(({ id }) => id !== 'owed:buyer_payout:a>ln'),
      ['bob', 'node: balance', 'owed to traders'],
    ],
    [
      'a payout is booked twice',
      [...TRANSFERS, transfer('owed:buyer_payout:a', 'ln', 49_750)],
      ['bob', 'node: balance', 'owed to traders'],
    ],
    [
      'a fee is too high by a millisat',
      [...TRANSFERS, transfer('ln', 'fee', 1)],
      ['alice', 'node: fees', 'node: balance'],
    ],
    ['routing is forgotten', TRANSFERS.filter(({ debit }) => debit !== 'routing'), ['node: routing', 'node: balance']],
    ['sats go from the fees to nobody', [...TRANSFERS, transfer('fee', 'donated', 5)], ['node: fees']],
  ])('differs where %s', ([, transfers, who]) => {
    expect(differing([SALE], ledger(transfers), NETWORK)).toEqual(who)
  })

  it.for<readonly [string, Partial<NetworkFacts>, readonly string[]]>([
    ['the seller lost a millisat more', { wallets: { alice: -50_251, bob: 49_750, carol: 0 } }, ['alice']],
    ['the buyer was paid twice', { wallets: { alice: -50_250, bob: 99_500, carol: 0 } }, ['bob']],
    ['a stranger gained', { wallets: { alice: -50_250, bob: 49_750, carol: 1 } }, ['carol']],
    ['the node has less', { nodeMsat: 492 }, ['node: fees', 'node: balance']],
  ])('differs where %s', ([, wrong, who]) => {
    expect(differing([SALE], ledger(TRANSFERS), { ...NETWORK, ...wrong })).toEqual(who)
  })

  it('differs where ledger and network agree on what nobody agreed to', () => {
    expect(differing([{ ...SALE, amountMsat: 60_000 }], ledger(TRANSFERS), NETWORK)).toEqual(['alice', 'bob'])
    expect(differing([], ledger([]), NETWORK)).toContain('alice')
  })
})
