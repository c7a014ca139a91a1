import { type Command, InvalidArgumentError } from 'commander'
import { createColors } from 'picocolors'
import { EXIT } from '../../app/refusal.ts'
import { type AuditRow, addsUp } from '../../sandbox/demo/audit.ts'
import type { DemoOptions, Narrator } from '../../sandbox/demo/demo.ts'
import { SCENE_COUNT } from '../../sandbox/demo/scene-count.ts'
import type { Cli } from '../context.ts'
import type { Io } from '../io.ts'
import { sats, table } from '../table.ts'

/** `fianza demo` */
export function addDemo(program: Command, cli: Cli): void {
  program
    .command('demo')
    .description('watch trades from end to end, a daemon that is killed twice, and an account of every sat')
    .option('--only <numbers>', `some of the scenes 1 to ${SCENE_COUNT}, with commas between them`, sceneNumbers)
    .action(async (options: { readonly only?: readonly number[] }) => {
      cli.exitCode = await playDemo(cli.io, { command: cli.io.command, ...options })
    })
}

/** Plays and tells; {@link EXIT}.ok only when every sat adds up. */
export async function playDemo(
  io: Pick<Io, 'out' | 'isTerminal'>,
  options: Omit<DemoOptions, 'narrator'>,
): Promise<number> {
  // The daemon is started by this command too, and needs nothing of the sandbox.
  const { runDemo } = await import('../../sandbox/demo/demo.ts')
  const rows = await runDemo({ ...options, narrator: narratorOf(io) })
  io.out(accountOf(rows))
  return addsUp(rows) ? EXIT.ok : EXIT.failed
}

function sceneNumbers(text: string): readonly number[] {
  const numbers = text.split(',').map(Number)
  if (numbers.some((n) => !Number.isInteger(n) || n < 1 || n > SCENE_COUNT))
    throw new InvalidArgumentError(`It must be numbers from 1 to ${SCENE_COUNT}.`)
  return numbers
}

/** One line a step; on a terminal it is there while the step goes on. */
function narratorOf({ out, isTerminal }: Pick<Io, 'out' | 'isTerminal'>): Narrator {
  const { bold, green, red, dim } = createColors(isTerminal)
  const seconds = (ms: number): string => dim(`${(ms / 1000).toFixed(1)} s`)
  const again = isTerminal ? '\r\x1b[K' : ''
  return {
    scene: (number, title) => out(`\n${bold(`${number}. ${title}`)}\n`),
    begun: (what) => {
      if (isTerminal) out(dim(`   · ${what}`))
    },
    done: (what, tookMs) => out(`${again}   ${green('✔')} ${what}  ${seconds(tookMs)}\n`),
    failed: (what, why) => out(`${again}   ${red('✘')} ${what}: ${why}\n`),
  }
}

/** The table at the end. */
function accountOf(rows: readonly AuditRow[]): string {
  const amount = (msat: number): string => (msat > 0 ? `+${sats(msat)}` : sats(msat))
  const verdict = addsUp(rows)
    ? 'Every sat adds up: what was agreed, what the daemon wrote down, and what the wallets have.'
    : 'IT DOES NOT ADD UP: see the lines that differ.'
  return [
    '\nWho gained and lost what, in sats (without what wallets paid others for routing):\n',
    table(
      [
        { title: '' },
        ...['by the terms', 'by the ledger', 'by the network'].map((title) => ({ title, align: 'right' as const })),
        { title: '' },
      ],
      rows.map((row) => [
        row.who,
        amount(row.termsMsat),
        amount(row.ledgerMsat),
        amount(row.networkMsat),
        row.agrees ? '✔' : '✘ differs',
      ]),
    ),
    `${verdict}\n`,
  ].join('\n')
}
