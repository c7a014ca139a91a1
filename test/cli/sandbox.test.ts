import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askStatus } from '../../src/app/control-socket.ts'
import { EXIT } from '../../src/app/refusal.ts'
import { askWallets } from '../../src/sandbox/wallet-service.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'
import { eventually } from '../support/wait.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const UP_MS = 30_000

describe('fianza sandbox', () => {
  let tree: TempTree
  let child: ChildProcess | null
  let said: string
  beforeEach(() => {
    tree = tempTree({})
    child = null
  })
  afterEach(async () => {
    if (child !== null) await end('SIGKILL')
    tree[Symbol.dispose]()
  })

  /** Starts it and waits for its welcome; the environment configures a real daemon, which must not matter. */
  async function start(...args: string[]): Promise<void> {
    said = ''
    const env = {
      ...process.env,
      FIANZA_DIR: tree.path,
      FIANZA_NOSTR_RELAYS: 'wss://relay.invalid',
      FIANZA_MOSTRO_FEE: '9',
    }
    const sandbox = spawn(
      process.execPath,
      ['--import', 'tsx', MAIN, 'sandbox', '--port', '0', '--wallet-port', '0', ...args],
      {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    child = sandbox
    sandbox.stdout.on('data', (part) => {
      said += String(part)
    })
    await eventually(() => said.includes('Ctrl-C ends it'), 'the welcome of the sandbox', UP_MS)
  }

  async function end(signal: NodeJS.Signals): Promise<unknown> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return null
    const ended = once(child, 'exit')
    child.kill(signal)
    const [code] = await ended
    return code
  }

  const word = (pattern: RegExp): string => pattern.exec(said)?.[1] ?? ''

  it('tells a client all that it needs, ends on Ctrl-C, and goes on under its name', { timeout: 90_000 }, async () => {
    const dir = `${tree.path}/mine`
    await start('--data-dir', dir)
    const node = word(/MOSTRO_PUBKEY=(npub1\S+)/)
    expect(said).toContain(`RELAYS=${word(/relay +(ws:\/\/127\.0\.0\.1:\d+)/)}\n`)
    expect(await askStatus(`${dir}/node`)).toMatchObject({ npub: node, engine: { lightning: { serving: true } } })
    const balances = await askWallets(word(/wallet balance --url (\S+)/), { do: 'balances' })
    expect(balances).toMatchObject({
      ok: true,
      value: { wallets: [{ name: 'alice', balanceMsat: 1_000_000_000 }, {}, {}] },
    })
    expect(await end('SIGINT')).toBe(EXIT.ok)
    expect(await askStatus(`${dir}/node`)).toBeNull()

    await start('--data-dir', dir)
    expect(word(/MOSTRO_PUBKEY=(npub1\S+)/)).toBe(node)
    expect(said).not.toContain('"level":"error"')
    expect(await end('SIGTERM')).toBe(EXIT.ok)
  })

  it('leaves nothing behind without a name', { timeout: 60_000 }, async () => {
    await start()
    const dir = word(/Everything is in (\S+)\. /)
    expect(existsSync(dir)).toBe(true)
    expect(await end('SIGINT')).toBe(EXIT.ok)
    expect(existsSync(dir)).toBe(false)
  })
})
