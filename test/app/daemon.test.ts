import { EventEmitter } from 'node:events'
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireDataDirLock } from '../../src/adapters/sqlite/lock.ts'
import type { ProcessHost } from '../../src/adapters/system/shutdown.ts'
import { loadConfig } from '../../src/app/config/load.ts'
import { askStatus } from '../../src/app/control-socket.ts'
import type { DaemonStatus } from '../../src/app/daemon.ts'
import { databaseOf, socketOf } from '../../src/app/data-dir.ts'
import { createNodeKey, seedFileOf } from '../../src/app/keys.ts'
import { EXIT, Refusal } from '../../src/app/refusal.ts'
import { type RunningDaemon, runDaemon } from '../../src/app/run.ts'
import { startWorld, type World } from '../../src/sandbox/world.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { eventually } from '../support/wait.ts'

/** What daemons said at level info, since the test began. */
const said: [event: string, fields: unknown][] = []
const LOG = {
  debug: () => {},
  info: (event: string, fields?: unknown) => void said.push([event, fields]),
  warn: () => {},
  error: () => {},
}

class FakeProcess extends EventEmitter implements ProcessHost {
  exitCode: number | undefined
  exit(): void {}
}

describe('a daemon', () => {
  let world: World
  let running: RunningDaemon[]

  beforeEach(async () => {
    world = await startWorld()
    running = []
    said.length = 0
  })
  afterEach(async () => {
    await Promise.all(running.map((daemon) => daemon.stop('the test is over')))
    await world.close()
  })

  async function start(env: Record<string, string> = {}): Promise<RunningDaemon> {
    const config = loadConfig({ dataDir: world.nodeDir, env })
    const daemon = await runDaemon({ config, host: new FakeProcess(), isTerminal: false, onlyOne: false, log: LOG })
    running.push(daemon)
    return daemon
  }

  async function refusal(env: Record<string, string> = {}): Promise<Refusal> {
    const error: unknown = await start(env).catch((reason: unknown) => reason)
    if (!(error instanceof Refusal)) throw new Error(`not refused: ${String(error)}`)
    // Nothing of the attempt is left: the directory is free, unless another daemon has it.
    if (running.length === 0) acquireDataDirLock(world.nodeDir).release()
    return error
  }

  it('works as the section [performance] says, and says so in its first line and its status', async () => {
    const daemon = await start({ FIANZA_PERFORMANCE_CURVES: 'portable', FIANZA_PERFORMANCE_COMMITS: 'each' })
    expect(daemon.status().performance).toEqual({ curves: 'noble', commits: 'each', openerThreads: 0 })
    expect(said).toContainEqual(['fianza is up', expect.objectContaining({ curves: 'noble' })])
    expect(daemon.status().engine.ready).toBe(true)
  })

  it('serves, says so on its socket, and announces itself', async () => {
    const daemon = await start()
    const status = (await askStatus(world.nodeDir)) as DaemonStatus
    expect(status).toMatchObject({
      pid: process.pid,
      npub: world.npub,
      performance: { curves: 'libsecp256k1', commits: 'grouped', openerThreads: 0 },
      engine: { ready: true, lightning: { serving: true, network: 'regtest' }, relays: [{ up: true }] },
    })
    expect(daemon.pubkey).toBe(world.pubkey)
    expect(statSync(socketOf(world.nodeDir)).mode & 0o777).toBe(0o600)
    await eventually(() => world.relay.core.events({ kinds: [38385] }).length === 1, 'the information event')
  })

  it('leaves nothing behind when it stops, and starts again as the same', async () => {
    const daemon = await start()
    await daemon.stop('enough')
    expect(await askStatus(world.nodeDir)).toBeNull()
    acquireDataDirLock(world.nodeDir).release()
    expect((await start()).pubkey).toBe(daemon.pubkey)
  })

  it('is alone in its directory: the second one is told who is there', async () => {
    await start()
    const { message, exitCode } = await refusal()
    expect(message).toBe(
      `${world.nodeDir} is in use by process ${process.pid}; stop it first to start another daemon there`,
    )
    expect(exitCode).toBe(EXIT.busy)
  })

  it('refuses a directory that belongs to another key', async () => {
    const first = await start()
    await first.stop('enough')
    running = []
    const other = createNodeKey(`${world.dir}/other.key`, portableCurves)
    const { message, exitCode } = await refusal({ FIANZA_NOSTR_NSEC_FILE: `${world.dir}/other.key` })
    expect(message).toContain(`${world.nodeDir} belongs to the node ${first.pubkey}`)
    expect(message).toContain(other.npub)
    expect(exitCode).toBe(EXIT.config)
  })

  it('refuses to go on without its money seed, or with another one', async () => {
    await (await start()).stop('enough')
    running = []
    const file = seedFileOf(world.nodeDir)
    renameSync(file, `${file}.gone`)
    expect((await refusal()).message).toContain('the money seed is not there, but the database is')
    writeFileSync(file, `${'11'.repeat(32)}\n`, { mode: 0o600 })
    expect((await refusal()).message).toContain('the database of one money seed and the file of another')
    rmSync(file)
    renameSync(`${file}.gone`, file)
    await start()
  })

  it('F-008: refuses a macaroon without the rights that it needs, and says how to make one', async () => {
    const { message, exitCode } = await refusal({ FIANZA_LIGHTNING_LND_MACAROON: '0201ff' })
    expect(message).toContain('/invoicesrpc.Invoices/AddHoldInvoice')
    expect(message).toContain('/invoicesrpc.Invoices/SettleInvoice')
    expect(message).toContain('lncli bakemacaroon')
    expect(exitCode).toBe(EXIT.config)
  })

  it('refuses a database that is not its own, and leaves it as it is', async () => {
    writeFileSync(seedFileOf(world.nodeDir), `${'11'.repeat(32)}\n`, { mode: 0o600 })
    writeFileSync(databaseOf(world.nodeDir), 'not a database, but somebody may still need it')
    const { message } = await refusal()
    expect(message).toContain(`${databaseOf(world.nodeDir)} cannot be used: file is not a database`)
    expect(statSync(databaseOf(world.nodeDir)).size).toBe(46)
  })

  it('starts without LND and serves as soon as it is there', async () => {
    world.network.node.stop('kill')
    const daemon = await start()
    expect(daemon.status().engine.lightning.serving).toBe(false)
    world.network.node.start()
    await eventually(() => daemon.status().engine.lightning.serving, 'LND to be found', 15_000)
  })

  it('works without its socket where the path of the directory is too long for one', async () => {
    const dataDir = `${world.dir}/${'long'.repeat(30)}`
    const config = { ...loadConfig({ dataDir: world.nodeDir, env: {} }), dataDir }
    running.push(await runDaemon({ config, host: new FakeProcess(), isTerminal: false, onlyOne: false, log: LOG }))
    expect(existsSync(socketOf(dataDir))).toBe(false)
    expect(await askStatus(dataDir)).toBeNull()
  })
})
