/**
 * `npm run torture -- --kills K [--seed N]`: the built daemon, killed K times in the middle of trades over real sockets.
 * The seed decides what is traded and when is killed, not how the processes interleave. Exits with 1 when a sat, a message
 * or a row is not where it belongs, and keeps the evidence; or when too few kills met a payment in flight.
 */
import { parseArgs } from 'node:util'
import { table } from '../../src/cli/table.ts'
import { builtFianza } from './build.ts'
import { type Kill, type TortureReport, torture } from './torture.ts'

const MAX_DIFFERENCES = 20

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '10' }, seed: { type: 'string' } } })
  const [kills, seed] = [Number(values.kills), Number(values.seed ?? Date.now() % 0x7fff_ffff)]
  if (![kills, seed].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    say('usage: npm run torture -- [--kills K] [--seed N]')
    return 2
  }
  say(`seed ${seed}, ${kills} kills`)
  const startedMs = performance.now()
  const report = await torture({ command: builtFianza(), kills, seed, say })
  show(report, (performance.now() - startedMs) / 1000)
  return report.evidence === null && !report.tooGentle ? 0 : 1
}

function show({ kills, deals, messages, tooGentle, findings, evidence }: TortureReport, seconds: number): void {
  const met = (what: (kill: Kill) => boolean): number => kills.filter(what).length
  say('')
  say(
    `${kills.length} kills in ${seconds.toFixed(0)} s: ${met(({ payments }) => payments > 0)} with payments in flight, ` +
      `${met(({ escrows }) => escrows > 0)} with escrows held, ${met(({ ready }) => !ready)} before the daemon was up`,
  )
  say(`${deals} trades, ${messages} messages\n`)
  say(
    table(
      [{ title: 'compared' }, { title: 'entries', align: 'right' }, { title: 'differences', align: 'right' }],
      findings.map(({ what, count, differences }) => [what, String(count), String(differences.length)]),
    ),
  )
  for (const { what, differences } of findings)
    for (const difference of differences.slice(0, MAX_DIFFERENCES)) say(`DIFFERENCE (${what}): ${difference}`)
  if (tooGentle) say('TOO GENTLE: fewer than a third of the kills met a payment in flight')
  say(evidence === null ? 'Nothing is lost.' : `IT DOES NOT ADD UP. Everything is kept in ${evidence}`)
}

process.exitCode = await main()
