import type { Command } from 'commander'
import { loadConfig } from '../../app/config/load.ts'
import { type RecoverAct, type RecoveredHold, recoverFromLnd } from '../../app/recover.ts'
import { EXIT, Refusal } from '../../app/refusal.ts'
import type { Cli } from '../context.ts'
import { json } from '../io.ts'
import { sats, table, time } from '../table.ts'

type RecoverOptions = {
  readonly fromLnd: boolean
  readonly seed?: string
  readonly settle?: string
  readonly cancel?: string
  readonly json: boolean
}

const HELP = `
Needs the configuration, LND, and the money seed; not the database. Without --settle or --cancel nothing is changed.
Canceling gives the sats back to the seller, settling takes them for the node, which then owes them to the buyer.
Both are refused while the data directory has a database: start the daemon instead.`

/** `fianza recover` */
export function addRecover(program: Command, cli: Cli): void {
  program
    .command('recover')
    .description('find every pending escrow from the money seed and LND alone, when the database is lost')
    .requiredOption('--from-lnd', 'ask LND; there is no other source')
    .option('--seed <file>', 'the seed file; by default money.seed in the data directory')
    .option('--settle <hash>', 'take the sats that are held under this hash')
    .option('--cancel <hash>', 'give the sats that are held under this hash back')
    .option('--json', 'print JSON', false)
    .addHelpText('after', HELP)
    .action(async (options: RecoverOptions) => {
      const act = actOf(options)
      const { holds, done } = await recoverFromLnd(loadConfig(cli.configSource()), options.seed ?? null, act)
      if (options.json) {
        cli.io.out(json({ done, holds: holds.map(plain) }))
        return
      }
      if (done !== null) cli.io.out(`${done}\n\n`)
      cli.io.out(holds.length === 0 ? 'LND has no pending escrow of this money seed\n' : holdTable(holds))
    })
}

function actOf({ settle, cancel }: RecoverOptions): RecoverAct | null {
  if (settle !== undefined && cancel !== undefined)
    throw new Refusal('--settle or --cancel, not both', { exitCode: EXIT.usage })
  if (settle !== undefined) return { kind: 'settle', hash: settle.toLowerCase() }
  if (cancel !== undefined) return { kind: 'cancel', hash: cancel.toLowerCase() }
  return null
}

const plain = ({ fact, purpose, counter, proved }: RecoveredHold) => ({
  hash: fact.hash,
  purpose,
  counter,
  proved,
  state: fact.state,
  amountMsat: fact.amountMsat,
  receivedMsat: fact.receivedMsat,
  expiresAtS: fact.expiresAt,
  minHtlcHeight: fact.minHtlcHeight,
  memo: fact.memo,
})

function holdTable(holds: readonly RecoveredHold[]): string {
  return table(
    [
      { title: 'hash' },
      { title: 'purpose' },
      { title: 'state' },
      { title: 'sats', align: 'right' },
      { title: 'until block', align: 'right' },
      { title: 'invoice expires' },
      { title: 'preimage' },
      { title: 'memo' },
    ],
    holds.map(({ fact, purpose, proved }) => [
      fact.hash,
      purpose,
      fact.state,
      sats(fact.amountMsat),
      fact.minHtlcHeight === null ? '' : String(fact.minHtlcHeight),
      time(fact.expiresAt),
      proved ? 'from the seed' : 'not of this seed',
      fact.memo,
    ]),
  )
}
