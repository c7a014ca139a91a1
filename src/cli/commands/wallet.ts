import { type Command, InvalidArgumentError } from 'commander'
import { EXIT, Refusal } from '../../app/refusal.ts'
import type { WalletAnswer, WalletRequest } from '../../sandbox/wallet-service.ts'
import type { Cli } from '../context.ts'
import { json } from '../io.ts'
import { sats, table } from '../table.ts'
import { DEFAULT_WALLET_PORT } from './sandbox.ts'

type Common = { readonly url: string; readonly json: boolean }
type WithAmount = Common & { readonly wallet: string; readonly amount?: number }

/** `fianza wallet balance|invoice|pay|mine` */
export function addWallet(program: Command, cli: Cli): void {
  const wallet = program.command('wallet').description('the wallets of a running sandbox')
  const add = (name: string, about: string): Command =>
    wallet
      .command(name)
      .description(about)
      .option('--url <url>', 'the sandbox', `http://127.0.0.1:${DEFAULT_WALLET_PORT}`)
      .option('--json', 'print JSON', false)
  const ask = async (options: Common, asked: WalletRequest): Promise<void> => {
    const { askWallets } = await import('../../sandbox/wallet-service.ts')
    const answer = await askWallets(options.url, asked)
    if (!answer.ok) throw new Refusal(answer.error, { exitCode: EXIT.failed })
    cli.io.out(options.json ? json(answer.value) : text(answer.value))
    if (answer.value.done === 'not-paid') cli.exitCode = EXIT.failed
  }

  add('balance', 'what each wallet has').action((options: Common) => ask(options, { do: 'balances' }))
  add('invoice', 'an invoice of a wallet')
    .requiredOption('--wallet <name>', 'alice, bob or carol')
    .option('--amount <sats>', 'how much; the payer chooses when it is left out', wholeSats)
    .option('--memo <text>', 'what it is for', '')
    .action((options: WithAmount & { readonly memo: string }) =>
      ask(options, { do: 'invoice', wallet: options.wallet, amountMsat: msatOf(options.amount), memo: options.memo }),
    )
  add('pay', 'pay an invoice from a wallet; for an escrow, returns as soon as the sats are held')
    .argument('<invoice>', 'what is to be paid')
    .requiredOption('--wallet <name>', 'alice, bob or carol')
    .option('--amount <sats>', 'how much, when the invoice does not say', wholeSats)
    .action((invoice: string, options: WithAmount) =>
      ask(options, { do: 'pay', wallet: options.wallet, invoice, amountMsat: msatOf(options.amount) }),
    )
  add('mine', 'find blocks, so that time locks pass')
    .option('--blocks <n>', 'how many', wholeSats, 1)
    .action((options: Common & { readonly blocks: number }) => ask(options, { do: 'mine', blocks: options.blocks }))
}

const msatOf = (amountSats: number | undefined): number | null => (amountSats === undefined ? null : amountSats * 1000)

function wholeSats(value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number * 1000) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.')
  return number
}

function text(answer: WalletAnswer): string {
  switch (answer.done) {
    case 'balances':
      return table(
        [{ title: 'wallet' }, { title: 'sats', align: 'right' }, { title: 'Lightning address' }],
        answer.wallets.map(({ name, balanceMsat, address }) => [name, sats(balanceMsat), address]),
      )
    case 'invoice':
      return `${answer.invoice}\n`
    case 'held':
      return 'held: the sats are locked until the trade ends\n'
    case 'paid':
      return `paid, for a fee of ${sats(answer.feeMsat)} sats\n`
    case 'not-paid':
      return `not paid: ${answer.reason}\n`
    case 'mined':
      return `the height is ${answer.height}\n`
  }
}
