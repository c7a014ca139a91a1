/** The `fianza` command: parses, calls, prints, and turns what happened into an exit code. */
import { Command, CommanderError } from 'commander'
import { dataDirOf } from '../app/config/load.ts'
import { EXIT, Refusal } from '../app/refusal.ts'
import { VERSION } from '../app/version.ts'
import { addDemo } from './commands/demo.ts'
import { addLedger } from './commands/ledger.ts'
import { addRecover } from './commands/recover.ts'
import { addReview } from './commands/review.ts'
import { addSandbox } from './commands/sandbox.ts'
import { addStart } from './commands/start.ts'
import { addStatus } from './commands/status.ts'
import { addWallet } from './commands/wallet.ts'
import type { Cli } from './context.ts'
import type { Io } from './io.ts'

const HELP = `
Exit codes:
  ${EXIT.ok}   done
  ${EXIT.failed}   it went wrong; the message says how
  ${EXIT.usage}   the command line makes no sense
  ${EXIT.notRunning}   status: no daemon runs
  ${EXIT.busy}  the data directory is in use; try again later
  ${EXIT.config}  the configuration, or a file that it names, must be corrected first`

/** The first line of Node that the database driver does not survive: it aborts the process when it is garbage-collected. */
const NODE_TOO_NEW = 24

function refuseNode(version: string): void {
  if (Number(version.split('.')[0]) < NODE_TOO_NEW) return
  throw new Refusal(
    `this is Node ${version}, on which the database driver (better-sqlite3 12) aborts the process: run fianza with Node 20 (from 20.19) or 22`,
    { exitCode: EXIT.config },
  )
}

/**
 * Runs one command line (without node and script). Returns its exit code, or null when it started something that goes on.
 * Never throws for what an operator can do wrong; a bug is thrown.
 */
export async function run(args: readonly string[], io: Io): Promise<number | null> {
  let goesOn = false
  const program = new Command('fianza')
  const cli: Cli = {
    io,
    dataDir: () => dataDirOf(program.opts<{ dir?: string }>().dir, io.env),
    configSource: () => {
      const { config } = program.opts<{ config?: string }>()
      return { dataDir: cli.dataDir(), env: io.env, ...(config === undefined ? {} : { file: config }) }
    },
    keepRunning: () => {
      goesOn = true
    },
    exitCode: EXIT.ok,
  }
  program
    .description('A daemon for peer-to-peer bitcoin trades over Nostr that speaks the Mostro protocol.')
    .version(`fianza ${VERSION}`, '-V, --version')
    .option('-d, --dir <path>', 'the data directory; else FIANZA_DIR, else ~/.fianza')
    .option('-c, --config <path>', 'the configuration; else FIANZA_CONFIG, else fianza.toml in the data directory')
    .addHelpText('after', HELP)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('See fianza --help.')
    .hook('preAction', () => refuseNode(io.nodeVersion))
  for (const add of [addStart, addStatus, addLedger, addReview, addRecover, addDemo, addSandbox, addWallet])
    add(program, cli)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (!(error instanceof Refusal)) throw error
    io.err(`${error.message}\n`)
    return error.exitCode
  }
  return goesOn ? null : cli.exitCode
}
