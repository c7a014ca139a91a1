import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/adapters/sqlite/store.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { EXIT } from '../../src/app/refusal.ts'
import { playDemo } from '../../src/cli/commands/demo.ts'
import { msat } from '../../src/core/money.ts'
import type { World } from '../../src/sandbox/world.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const COMMAND: readonly [string, ...string[]] = [process.execPath, '--import', 'tsx', MAIN]
const PATIENCE_MS = 120_000

/** Plays the first scene in this process, with somebody's hand in the till before the sats are counted. */
async function play(beforeAudit: (world: World) => Promise<void> | void) {
  const said: string[] = []
  const io = { out: (text: string) => void said.push(text), isTerminal: false }
  const code = await playDemo(io, { command: COMMAND, only: [1], beforeAudit })
  return { code, said: said.join('') }
}

describe('the demo', () => {
  it('ends well although the daemon is killed twice: every sat adds up', { timeout: PATIENCE_MS }, async () => {
    const [program, ...args] = COMMAND
    const child = spawn(program, [...args, 'demo', '--only', '3,6'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const listen = (part: unknown): void => {
      said += String(part)
    }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', listen)
    const [code] = await once(child, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) })
    expect(said).toContain('Every sat adds up')
    expect(said.match(/kill -9 \d+/g)).toHaveLength(2)
    expect(said).not.toContain('✘')
    expect(code).toBe(EXIT.ok)
  })

  it('ends with exit code 1 when a transfer of the ledger is wrong', { timeout: PATIENCE_MS }, async () => {
    const { code, said } = await play((world) => {
      const store = openStore(databaseOf(world.nodeDir))
      const wrong = { cause: 'test', n: 0, debit: 'fee', credit: 'share', msat: msat(1), order_id: null, now: 1 }
      store.transaction(() => store.s.ledger_post(wrong))
      store.close()
    })
    expect(said).toMatch(/node: fees +\+500 +\+499\.999 +\+500 +✘ differs/)
    expect(code).toBe(EXIT.failed)
  })

  it('ends with exit code 1 when a sat went to the wrong wallet', { timeout: PATIENCE_MS }, async () => {
    const { code, said } = await play(async ({ network }) => {
      await network.wallet('bob').pay(network.wallet('carol').invoice({ amountMsat: msat(1000) }))
    })
    expect(said).toMatch(/carol +0 +0 +\+1 +✘ differs/)
    expect(code).toBe(EXIT.failed)
  })
})
