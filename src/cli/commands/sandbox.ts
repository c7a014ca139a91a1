import { type Command, InvalidArgumentError } from 'commander'
import { loadConfig } from '../../app/config/load.ts'
import { runDaemon } from '../../app/run.ts'
import type { World } from '../../sandbox/world.ts'
import type { Cli } from '../context.ts'
import { sats } from '../table.ts'

const DEFAULT_RELAY_PORT = 7447
/** Where `fianza wallet` looks for the wallets. */
export const DEFAULT_WALLET_PORT = 7448

type SandboxOptions = {
  readonly dataDir?: string
  readonly port: number
  readonly walletPort: number
  readonly logLevel: string
}

/** `fianza sandbox` */
export function addSandbox(program: Command, cli: Cli): void {
  program
    .command('sandbox')
    .description('run a daemon with everything that it needs: a relay, a simulated LND, wallets, prices; no real sats')
    .option('--data-dir <path>', 'keep this sandbox here and continue it next time; else it is gone at the end')
    .option('--port <n>', 'the port of the relay, 0 for any free one', port, DEFAULT_RELAY_PORT)
    .option('--wallet-port <n>', 'the port for `fianza wallet`, 0 for any free one', port, DEFAULT_WALLET_PORT)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (options: SandboxOptions) => {
      const { startWorld } = await import('../../sandbox/world.ts')
      const world = await startWorld({
        relayPort: options.port,
        walletPort: options.walletPort,
        ...(options.dataDir === undefined ? {} : { dir: options.dataDir }),
      })
      // The environment may configure a real daemon: the sandbox must not hear of it.
      const env = { FIANZA_LOG_LEVEL: options.logLevel }
      try {
        const config = loadConfig({ dataDir: world.nodeDir, env })
        const surroundings = () => world.close()
        await runDaemon({ config, host: cli.io.host, isTerminal: cli.io.isTerminal, onlyOne: false, surroundings })
      } catch (error) {
        await world.close()
        throw error
      }
      cli.io.out(welcome(world))
      cli.keepRunning()
    })
}

/** What a client needs to trade here. */
function welcome(world: World): string {
  const { network, relay, npub, pubkey, walletUrl } = world
  const walletOption = walletUrl.endsWith(`:${DEFAULT_WALLET_PORT}`) ? '' : ` --url ${walletUrl}`
  const wallets = network
    .walletNames()
    .map((name) => `  ${name.padEnd(8)}${sats(network.wallet(name).balanceMsat())} sats  ${world.addressOf(name)}`)
  return [
    '',
    `relay     ${relay.url}`,
    `node      ${npub}`,
    `          ${pubkey}`,
    'wallets',
    ...wallets,
    '',
    'With mostro-cli:',
    `  export MOSTRO_PUBKEY=${npub} RELAYS=${relay.url}`,
    '  mostro-cli listorders',
    '',
    'Pay and be paid, in another terminal:',
    `  fianza wallet balance${walletOption}`,
    `  fianza wallet invoice --wallet bob --amount 5000${walletOption}`,
    `  fianza wallet pay --wallet alice lnbcrt...${walletOption}`,
    '',
    `Everything is in ${world.dir}. Ctrl-C ends it.`,
    '',
  ].join('\n')
}

/** A port number, for commander. */
function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('It must be a number from 0 to 65535.')
  return value
}
