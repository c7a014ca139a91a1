import type { Command } from 'commander'
import { loadConfig } from '../../app/config/load.ts'
import { initialise } from '../../app/init.ts'
import { runDaemon } from '../../app/run.ts'
import type { Cli } from '../context.ts'

/** `fianza init`, `fianza start` */
export function addStart(program: Command, cli: Cli): void {
  program
    .command('init')
    .description('write an example configuration and a new key for a node, where there are none')
    .action(() => {
      const done = initialise(cli.dataDir())
      cli.io.out(
        [
          `${done.configFile}: ${done.wroteConfig ? 'written; its example values are to be edited' : 'was there, left as it is'}`,
          `${done.keyFile}: ${done.wroteKey ? 'a new key; make a backup of it' : 'was there, left as it is'}`,
          `the node is ${done.npub}`,
          '',
          'LND should give the daemon no more rights than it needs:',
          done.macaroonCommand,
          '',
          'Then edit the configuration, and: fianza start',
          '',
        ].join('\n'),
      )
    })

  program
    .command('start')
    .description('run the daemon until it is told to stop (SIGINT or SIGTERM)')
    .option('--i-am-the-only-one', 'start although another daemon seems to use the same key', false)
    .option('--the-clock-is-right', 'start although the clock is behind the time of the last run', false)
    .action(async (options: { readonly iAmTheOnlyOne: boolean; readonly theClockIsRight: boolean }) => {
      const config = loadConfig(cli.configSource())
      await runDaemon({
        config,
        host: cli.io.host,
        isTerminal: cli.io.isTerminal,
        onlyOne: options.iAmTheOnlyOne,
        clockIsRight: options.theClockIsRight,
      })
      cli.keepRunning()
    })
}
