import { hostname, userInfo } from 'node:os'
import type { Command } from 'commander'
import { readRecords } from '../../app/records.ts'
import { EXIT, Refusal } from '../../app/refusal.ts'
import { type ReviewItem, readResolution, resolveByHand, reviewItems } from '../../app/review.ts'
import type { Cli } from '../context.ts'
import { json } from '../io.ts'
import { outline, sats, table, time } from '../table.ts'
import { orderText } from './ledger.ts'

const RESOLVE_HELP = `
What NAME may be:
  alert:KEY        close the alert
  halt:NODE        let the daemon use this Lightning node again; it is verified anew
  hash:HASH        an invoice or payment at LND that the database does not know is explained, and halts nothing any more
  obligation:ID    end it, with one of
                     --keep                  nobody is owed it any more; the sats stay with the node
                     --paid-by-hand HASH     it was paid from the same Lightning node with this payment
  order:ID         end an order in review, with one of
                     --as canceled           its sats went back to the seller, or were never taken
                     --as success            the buyer has them
The daemon must not be running. Everything is written to the log of operations, with your name and --note.`

type ResolveOptions = {
  readonly keep: boolean
  readonly paidByHand?: string
  readonly as?: string
  readonly note: string
  readonly who?: string
}

/** `fianza review list|show|resolve|log` */
export function addReview(program: Command, cli: Cli): void {
  const review = program.command('review').description('see and resolve what waits for a person')

  review
    .command('list', { isDefault: true })
    .description('everything that waits, the gravest first')
    .option('--json', 'print JSON', false)
    .action((options: { readonly json: boolean }) => {
      const items = readRecords(cli.dataDir(), (records) => reviewItems(records.waiting()))
      if (options.json) cli.io.out(json({ items }))
      else if (items.length === 0) cli.io.out('nothing waits for a person\n')
      else
        cli.io.out(
          table(
            [{ title: 'name' }, { title: 'since' }, { title: 'what' }],
            items.map((item) => [item.name, time(since(item)), summary(item)]),
          ),
        )
    })

  review
    .command('show')
    .argument('<name>', 'as `review list` prints it')
    .description('all that is known about one of them')
    .option('--json', 'print JSON', false)
    .action((name: string, options: { readonly json: boolean }) => {
      readRecords(cli.dataDir(), (records) => {
        const item = reviewItems(records.waiting()).find((one) => one.name === name)
        if (item === undefined)
          throw new Refusal(`nothing that waits has the name ${name}; see \`fianza review list\``, {
            exitCode: EXIT.failed,
          })
        const orderId = orderIdOf(item)
        const order = orderId === null ? undefined : records.order(orderId)
        const money = order === undefined ? null : records.moneyOf(order)
        if (options.json) cli.io.out(json({ item, money }))
        else cli.io.out(`${name}\n${outline(item.row, '  ')}${money === null ? '' : `\n${orderText(money)}`}`)
      })
    })

  review
    .command('resolve')
    .argument('<name>', 'as `review list` prints it')
    .description('decide about one of them')
    .option('--keep', 'an obligation that nobody is owed any more', false)
    .option('--paid-by-hand <hash>', 'an obligation that was paid from the same Lightning node')
    .option('--as <end>', 'how an order in review ends: canceled or success')
    .requiredOption('--note <text>', 'why, for the log of operations')
    .option('--who <name>', 'who decides; by default the user of this shell')
    .addHelpText('after', RESOLVE_HELP)
    .action((name: string, options: ResolveOptions) => {
      const resolution = readResolution(name, { keep: options.keep, paidByHand: options.paidByHand, as: options.as })
      const who = options.who ?? `${userInfo().username}@${hostname()}`
      cli.io.out(`${resolveByHand(cli.dataDir(), resolution, { who, note: options.note })}\n`)
    })

  review
    .command('log')
    .description('what was decided by hand, newest first')
    .option('--json', 'print JSON', false)
    .action((options: { readonly json: boolean }) => {
      const operations = readRecords(cli.dataDir(), (records) => records.operations(100))
      if (options.json) cli.io.out(json({ operations }))
      else
        cli.io.out(
          table(
            [{ title: 'when' }, { title: 'who' }, { title: 'what' }, { title: 'detail' }],
            operations.map((row) => [time(row.at), row.who, row.what, row.detail]),
          ),
        )
    })
}

function since({ kind, row }: ReviewItem): number | null {
  switch (kind) {
    case 'halt':
      return null
    case 'alert':
      return row.opened_at
    case 'obligation':
    case 'order':
      return row.created_at
  }
}

function summary({ kind, row }: ReviewItem): string {
  switch (kind) {
    case 'halt':
      return `no sats move: ${row.halted_why ?? ''}`
    case 'obligation':
      return `${sats(row.amount_msat)} sats of order ${row.order_id}: ${row.review_why ?? ''}`
    case 'order':
      return `${row.kind} order, ${row.status}: what Lightning says does not fit`
    case 'alert':
      return row.detail
  }
}

function orderIdOf({ kind, row }: ReviewItem): string | null {
  return kind === 'order' ? row.id : kind === 'obligation' ? row.order_id : null
}
