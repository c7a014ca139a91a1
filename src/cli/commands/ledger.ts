import { type Command, InvalidArgumentError } from 'commander'
import { type OrderMoney, type Records, readRecords } from '../../app/records.ts'
import { EXIT, Refusal } from '../../app/refusal.ts'
import type { Cli } from '../context.ts'
import { json } from '../io.ts'
import { sats, table, time } from '../table.ts'

type LedgerOptions = {
  readonly order?: string
  readonly accounts: boolean
  readonly last: number
  readonly json: boolean
}

/** Accounts of what we have and what we spent; all others are claims and income (money-path.md 3.1). */
const DEBIT_ACCOUNTS: readonly string[] = ['ln', 'routing', 'loss']

/** `fianza ledger` */
export function addLedger(program: Command, cli: Cli): void {
  program
    .command('ledger')
    .description('show what moved: transfers, accounts, or all about the money of one order')
    .option('--order <id>', 'one order, by its id or the beginning of it')
    .option('--accounts', 'the accounts and their balances', false)
    .option('--last <n>', 'how many transfers', wholeNumber, 50)
    .option('--json', 'print JSON', false)
    .action((options: LedgerOptions) => {
      readRecords(cli.dataDir(), (records) => {
        if (options.order !== undefined) printOrder(cli, records, options.order, options.json)
        else if (options.accounts) printAccounts(cli, records, options.json)
        else printTransfers(cli, records.transfers(options.last), options.json)
      })
    })
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

function printAccounts(cli: Cli, records: Records, asJson: boolean): void {
  const accounts = records.accounts().map(({ name, debit, credit }) => ({
    name,
    debitMsat: debit,
    creditMsat: credit,
    balanceMsat: DEBIT_ACCOUNTS.includes(name) ? debit - credit : credit - debit,
  }))
  if (asJson) {
    cli.io.out(json({ accounts }))
    return
  }
  cli.io.out(
    table(
      [{ title: 'account' }, ...['debit, sats', 'credit, sats', 'balance, sats'].map(rightAligned)],
      accounts.map((a) => [a.name, sats(a.debitMsat), sats(a.creditMsat), sats(a.balanceMsat)]),
    ),
  )
}

function printTransfers(cli: Cli, transfers: OrderMoney['transfers'], asJson: boolean): void {
  if (asJson) cli.io.out(json({ transfers }))
  else cli.io.out(transferTable(transfers))
}

function transferTable(transfers: OrderMoney['transfers']): string {
  return table(
    [{ title: 'when' }, rightAligned('sats'), { title: 'debit' }, { title: 'credit' }, { title: 'cause' }],
    transfers.map((t) => [time(t.at), sats(t.msat), t.debit, t.credit, t.id]),
  )
}

function printOrder(cli: Cli, records: Records, idOrStart: string, asJson: boolean): void {
  const order = records.order(idOrStart)
  if (order === undefined)
    throw new Refusal(`no order, or more than one, has an id that begins with ${idOrStart}`, { exitCode: EXIT.failed })
  const money = records.moneyOf(order)
  cli.io.out(asJson ? json(money) : orderText(money))
}

/** All about the money of one order, for a person. */
export function orderText({ order, holds, obligations, intents, transfers }: OrderMoney): string {
  const holdRows = holds.map((h) => [
    h.purpose,
    h.hash,
    sats(h.amount_msat),
    h.final ?? (h.rank === 2 ? 'held' : h.rank === 1 ? 'open' : 'planned'),
    h.decision,
    h.min_htlc_height === null ? '' : String(h.min_htlc_height),
  ])
  const obligationRows = obligations.map((o) => [
    o.id,
    sats(o.amount_msat),
    o.shown,
    o.review_why ?? '',
    String(o.failures),
  ])
  const intentRows = intents.map((i) => [i.id, i.state, String(i.attempt), i.last_class ?? '', i.last_detail ?? ''])
  return [
    `order ${order.id}: ${order.kind}, ${order.status}/${order.phase}, ${sats(order.amount_msat)} sats, ${order.fiat_amount} ${order.fiat_code}\n`,
    table(
      [
        { title: 'hold' },
        { title: 'hash' },
        rightAligned('sats'),
        { title: 'state' },
        { title: 'decision' },
        rightAligned('until block'),
      ],
      holdRows,
    ),
    table(
      [{ title: 'obligation' }, rightAligned('sats'), { title: 'state' }, { title: 'why' }, rightAligned('failures')],
      obligationRows,
    ),
    table(
      [{ title: 'intent' }, { title: 'state' }, rightAligned('attempt'), { title: 'last' }, { title: 'detail' }],
      intentRows,
    ),
    transferTable(transfers),
  ].join('\n')
}

const rightAligned = (title: string) => ({ title, align: 'right' as const })
