/**
 * What is left when the killing is over, from sides that know nothing of each other: the terms that the traders agreed on,
 * what each client was told, the wallets, LND's own lists of payments and invoices, and the daemon's rows.
 */
import BetterSqlite3 from 'better-sqlite3'
import type {
  AccountRow,
  AlertRow,
  HoldRow,
  LedgerRow,
  LnOpRow,
  ObligationNowRow,
  OrderRow,
} from '../../src/adapters/sqlite/schema.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import type { World } from '../../src/sandbox/world.ts'
import type { Deal } from './stories.ts'
import type { Purse } from './tortured-trader.ts'

/** One thing that was compared: how much of it, and where the sides differ. */
export type Finding = { readonly what: string; readonly count: number; readonly differences: readonly string[] }

type Rows = {
  readonly orders: readonly OrderRow[]
  readonly holds: readonly HoldRow[]
  readonly obligations: readonly ObligationNowRow[]
  readonly ops: readonly LnOpRow[]
  readonly ledger: readonly LedgerRow[]
  readonly accounts: readonly AccountRow[]
  readonly alerts: readonly AlertRow[]
  readonly verdicts: readonly { readonly verdict: string; readonly outer_id: string }[]
  readonly unsent: readonly { readonly id: number }[]
}

/** Everything that is compared at the end. */
export type Facts = {
  readonly world: World
  readonly nodeStartMsat: number
  readonly purses: readonly Purse[]
  readonly deals: readonly Deal[]
}

/** Reads a daemon's database, while it runs or after its end. */
function readRows<Row>(nodeDir: string, sql: string): readonly Row[] {
  const db = new BetterSqlite3(databaseOf(nodeDir), { readonly: true, fileMustExist: true })
  try {
    return db.prepare<[], Row>(sql).all()
  } finally {
    db.close()
  }
}

/** What the daemon still has to do; nothing when all is at rest. */
export function unfinished(nodeDir: string): readonly string[] {
  return readRows<{ what: string }>(
    nodeDir,
    `SELECT 'intent ' || id || ' is ' || state AS what FROM ln_op WHERE state NOT IN ('done', 'refused', 'void')
     UNION ALL SELECT 'hold ' || hash || ' is open' FROM hold WHERE final IS NULL
     UNION ALL SELECT 'order ' || id || ' is ' || status || '/' || phase FROM orders
       WHERE phase <> 'steady' OR status NOT IN ('success', 'canceled', 'cooperatively-canceled', 'expired')
     UNION ALL SELECT 'message ' || id || ' is not sent' FROM outbox_msg WHERE state < 2`,
  ).map(({ what }) => what)
}

/** Compares all sides; every finding without differences is a proof. */
export function audit(facts: Facts): readonly Finding[] {
  const { nodeDir } = facts.world
  const all = <Row>(table: string) => readRows<Row>(nodeDir, `SELECT * FROM ${table}`)
  const rows: Rows = {
    orders: all('orders'),
    holds: all('hold'),
    obligations: all('obligation_now'),
    ops: all('ln_op'),
    ledger: all('ledger'),
    accounts: all('account'),
    alerts: all('alert'),
    verdicts: readRows(nodeDir, `SELECT verdict, outer_id FROM inbox WHERE verdict IN ('failed', 'quarantined')`),
    unsent: readRows(nodeDir, 'SELECT id FROM outbox_msg WHERE state <> 2'),
  }
  return [
    ordersAgree(facts, rows),
    invoicesAgree(facts, rows),
    paymentsAgree(facts, rows),
    ledgerAgrees(facts, rows),
    walletsAgree(facts),
    clientsAgree(facts),
    nothingIsLeft(facts, rows),
  ]
}

const STATUS_AT_END: Readonly<Record<Deal['end'], string>> = {
  paid: 'success',
  'canceled-offer': 'canceled',
  'canceled-take': 'canceled',
  'canceled-together': 'cooperatively-canceled',
}

/** The orders of the database are the deals of the traders, no more and no less, each ended as they say. */
function ordersAgree({ deals }: Facts, { orders }: Rows): Finding {
  const known = new Map(deals.map((deal) => [deal.orderId, deal]))
  const stored = new Map(orders.map((order) => [order.id, order]))
  return {
    what: 'orders, by the traders and by the database',
    count: orders.length,
    differences: [
      ...orders.flatMap((order) => (known.has(order.id) ? [] : [`nobody made order ${order.id} (${order.status})`])),
      ...deals.flatMap(({ orderId, end }) => {
        const status = stored.get(orderId)?.status ?? 'not there'
        return status === STATUS_AT_END[end] ? [] : [`order ${orderId} ended ${end} and is ${status}`]
      }),
    ],
  }
}

/** LND's invoices are the holds of the database, each decided once and final as LND says. */
function invoicesAgree({ world, deals }: Facts, { holds }: Rows): Finding {
  const stored = new Map(holds.map((hold) => [hold.hash, hold]))
  const invoices = world.network.node.invoices()
  const paid = new Map(deals.filter(({ end }) => end === 'paid').map((deal) => [deal.orderId, deal]))
  return {
    what: "LND's invoices and our holds",
    count: invoices.length,
    differences: [
      ...invoices.flatMap(({ hash, state }) => {
        const hold = stored.get(hash)
        if (hold === undefined) return [`LND has invoice ${hash}, which we do not know`]
        const isRight = hold.final === state && hold.decision === (state === 'settled' ? 'settle' : 'cancel')
        return isRight ? [] : [`invoice ${hash} is ${state}, our hold is ${hold.final}, decided ${hold.decision}`]
      }),
      ...[...paid.values()].flatMap(({ orderId, amountMsat, feeMsat }) => {
        const settled = invoices.filter(
          ({ hash, state }) => state === 'settled' && stored.get(hash)?.order_id === orderId,
        )
        const got = settled.reduce((sum, { receivedMsat }) => sum + receivedMsat, 0)
        return settled.length === 1 && got === amountMsat + feeMsat
          ? []
          : [`order ${orderId}: ${settled.length} escrows settled with ${got} msat of ${amountMsat + feeMsat}`]
      }),
      ...invoices.flatMap(({ hash, state }) => {
        const order = stored.get(hash)?.order_id ?? ''
        return state === 'settled' && !paid.has(order) ? [`the escrow of ${order}, which was not paid, is settled`] : []
      }),
    ],
  }
}

/** LND's successful payments are the paid obligations, one each, to the msat. */
function paymentsAgree({ world, deals }: Facts, { ops, obligations }: Rows): Finding {
  const payments = world.network.node.payments()
  const intents = new Map(ops.filter(({ kind }) => kind === 'pay').map((op) => [op.hash, op]))
  const paidFor = new Map<string, number>()
  const differences: string[] = []
  for (const { hash, state, amountMsat } of payments) {
    const op = intents.get(hash)
    if (op === undefined) differences.push(`LND made payment ${hash}, which we do not know`)
    if (state === 'in-flight' || state === 'initiated') differences.push(`payment ${hash} is still ${state}`)
    if (state !== 'succeeded' || op?.obligation_id == null) continue
    paidFor.set(op.obligation_id, (paidFor.get(op.obligation_id) ?? 0) + 1)
    const owed = obligations.find(({ id }) => id === op.obligation_id)
    if (op.state !== 'done' || owed?.state !== 'paid' || owed.amount_msat !== amountMsat)
      differences.push(
        `payment ${hash} of ${amountMsat} msat succeeded: its intent is ${op.state}, ${owed?.id} is ${owed?.state} over ${owed?.amount_msat}`,
      )
  }
  for (const { id, state } of obligations)
    if ((paidFor.get(id) ?? 0) !== (state === 'paid' ? 1 : 0))
      differences.push(`${id} is ${state} and was paid ${paidFor.get(id) ?? 0} times`)
  for (const { orderId, end } of deals)
    if (end === 'paid' && paidFor.get(`buyer_payout:${orderId}`) !== 1)
      differences.push(`the buyer of ${orderId} was not paid once`)
  return { what: "LND's payments and our obligations", count: payments.length, differences }
}

/** The ledger has what the node's channels have, what the trades earned, and owes nobody anything. */
function ledgerAgrees({ world, nodeStartMsat, deals }: Facts, { ledger, accounts }: Rows): Finding {
  const balances = new Map<string, number>()
  for (const { debit, credit, msat } of ledger) {
    balances.set(debit, (balances.get(debit) ?? 0) + msat)
    balances.set(credit, (balances.get(credit) ?? 0) - msat)
  }
  const balance = (name: string): number => balances.get(name) ?? 0
  const earned = sum(deals.filter(({ end }) => end === 'paid').map(({ feeMsat }) => 2 * feeMsat))
  const routing = sum(world.network.node.payments().map(({ state, feeMsat }) => (state === 'succeeded' ? feeMsat : 0)))
  const same = (what: string, booked: number, real: number): string[] =>
    booked === real ? [] : [`${what}: ${booked} msat in the ledger, ${real} in truth`]
  return {
    what: "the ledger, the node's channel and the terms",
    count: ledger.length,
    differences: [
      ...same('in the node', balance('ln'), world.network.totals().nodeMsat - nodeStartMsat),
      ...same('routing', balance('routing'), routing),
      ...same('fees', -balance('fee'), earned),
      ...[...balances].flatMap(([name, msat]) => (name.startsWith('owed:') ? same(name, -msat, 0) : [])),
      ...accounts.flatMap(({ name, debit, credit }) => same(`account ${name}`, debit - credit, balance(name))),
    ],
  }
}

/** Every wallet gained and lost what its owner agreed to. */
function walletsAgree({ world, purses, deals }: Facts): Finding {
  const due = new Map<Purse, number>()
  for (const { seller, buyer, amountMsat, feeMsat } of deals.filter(({ end }) => end === 'paid')) {
    due.set(seller.purse, (due.get(seller.purse) ?? 0) - amountMsat - feeMsat)
    due.set(buyer.purse, (due.get(buyer.purse) ?? 0) + amountMsat - feeMsat)
  }
  const differences = purses.flatMap((purse) => {
    const agreed = due.get(purse) ?? 0
    return purse.gainMsat === agreed ? [] : [`${purse.wallet.name} gained ${purse.gainMsat} msat, agreed: ${agreed}`]
  })
  try {
    world.network.checkConservation()
  } catch (error) {
    differences.push(String(error))
  }
  return { what: 'wallets and terms', count: purses.length, differences }
}

/** Nobody was told that sats moved when they did not, nor the other way round; what happens once is said once. */
function clientsAgree({ deals }: Facts): Finding {
  const differences = deals.flatMap(({ orderId, seller, buyer, end }) => {
    const isPaid = end === 'paid'
    const expected = [
      ['buyer', 'purchase-completed', buyer.told('purchase-completed', orderId), isPaid ? 1 : 0],
      ['buyer', 'released', buyer.told('released', orderId), isPaid ? 1 : 0],
      // The answer to a release comes again when the release was said again.
      [
        'seller',
        'hold-invoice-payment-settled',
        said(seller.told('hold-invoice-payment-settled', orderId)),
        isPaid ? 1 : 0,
      ],
      ['seller', 'purchase-completed', seller.told('purchase-completed', orderId), 0],
      [
        'buyer',
        'cooperative-cancel-accepted',
        said(buyer.told('cooperative-cancel-accepted', orderId)),
        end === 'canceled-together' ? 1 : 0,
      ],
    ] as const
    return expected.flatMap(([who, action, times, right]) =>
      times === right ? [] : [`order ${orderId} ended ${end}: the ${who} was told ${action} ${times} times`],
    )
  })
  return { what: 'what each client was told', count: 2 * deals.length, differences }
}

/** No alert is open, no message was given up, everything is done. */
function nothingIsLeft({ world }: Facts, { alerts, verdicts, unsent }: Rows): Finding {
  return {
    what: 'nothing is left to do, nothing was given up',
    count: alerts.length,
    differences: [
      ...unfinished(world.nodeDir),
      ...alerts.flatMap(({ key, detail, closed_at }) => (closed_at === null ? [`alert ${key}: ${detail}`] : [])),
      ...verdicts.map(({ verdict, outer_id }) => `message ${outer_id} was ${verdict}`),
      ...unsent.map(({ id }) => `message ${id} was not delivered`),
    ],
  }
}

const said = (times: number): number => Math.min(times, 1)
const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0)
