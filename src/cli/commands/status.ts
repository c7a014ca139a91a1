import type { Command } from 'commander'
import { askStatus } from '../../app/control-socket.ts'
import { hasDatabase } from '../../app/data-dir.ts'
import { readRecords } from '../../app/records.ts'
import { EXIT } from '../../app/refusal.ts'
import { reviewItems } from '../../app/review.ts'
import type { Cli } from '../context.ts'
import { json } from '../io.ts'
import { outline } from '../table.ts'

/** `fianza status` */
export function addStatus(program: Command, cli: Cli): void {
  program
    .command('status')
    .description(`show how the daemon is; exit code ${EXIT.notRunning} when none runs`)
    .option('--json', 'print JSON', false)
    .action(async (options: { readonly json: boolean }) => {
      const dataDir = cli.dataDir()
      const running = await askStatus(dataDir)
      if (running === null) cli.exitCode = EXIT.notRunning
      const records = hasDatabase(dataDir)
        ? readRecords(dataDir, (r) => ({
            orders: r.orderCounts(),
            waiting: reviewItems(r.waiting()).map(({ name }) => name),
          }))
        : null
      if (options.json) {
        cli.io.out(json({ running, records }))
        return
      }
      cli.io.out(running === null ? `no daemon runs in ${dataDir}\n` : outline(running))
      if (running === null && records !== null)
        cli.io.out(outline({ orders: Object.fromEntries(records.orders.map(({ status, count }) => [status, count])) }))
      const waiting = records?.waiting ?? []
      if (waiting.length > 0)
        cli.io.out(
          `${waiting.length} ${waiting.length === 1 ? 'thing waits' : 'things wait'} for a person: fianza review list\n`,
        )
    })
}
