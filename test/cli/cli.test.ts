import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { askStatus } from '../../src/app/control-socket.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { EXIT } from '../../src/app/refusal.ts'
import type { ProcessHost } from '../../src/app/run.ts'
import { run } from '../../src/cli/cli.ts'
import { msat } from '../../src/core/money.ts'
import { startWorld, type World } from '../../src/sandbox/world.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'
import { eventually } from '../support/wait.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const START_MS = 30_000

class FakeProcess extends EventEmitter implements ProcessHost {
  exit(): void {}
}

describe('the fianza command', () => {
  let tree: TempTree
  let dir: string
  beforeEach(() => {
    tree = tempTree({})
    dir = tree.path
    nodeVersion = process.versions.node
  })
  afterEach(() => tree[Symbol.dispose]())

  let nodeVersion = process.versions.node
  async function fianza(...args: string[]) {
    const said = { out: '', err: '' }
    const io = {
      out: (text: string) => {
        said.out += text
      },
      err: (text: string) => {
        said.err += text
      },
      env: { FIANZA_DIR: dir },
      isTerminal: false,
      host: new FakeProcess(),
      nodeVersion,
      command: ['fianza'] as const,
    }
    return { code: await run(args, io), ...said }
  }

  it.each(['24.0.0', '26.10.0'])(
    'refuses Node %s, which its database driver does not survive, and says what to do',
    async (version) => {
      nodeVersion = version
      expect(await fianza('status')).toEqual({
        code: EXIT.config,
        out: '',
        err: `this is Node ${version}, on which the database driver (better-sqlite3 12) aborts the process: run fianza with Node 20 (from 20.19) or 22\n`,
      })
      expect(await fianza('--version')).toMatchObject({ code: EXIT.ok })
    },
  )

  function write(work: (store: Store) => void): void {
    const store = openStore(databaseOf(dir))
    try {
      store.transaction(() => work(store))
    } finally {
      store.close()
    }
  }

  /** A settled sale whose payout waits for a person. */
  function aSale(): void {
    write((store) => {
      store.s.node_add({ node: 'N', network: 'regtest' })
      store.insertOrder({
        id: '5f84aeaf-77b0-4943-b499-72ad72812966',
        kind: 'sell',
        status: 'settled-hold-invoice',
        maker_pubkey: 'm',
        maker_identity: 'mi',
        taker_pubkey: 't',
        taker_identity: 'ti',
        fiat_code: 'EUR',
        fiat_amount: 10,
        amount_msat: msat(50_000_000),
        payment_method: 'SEPA',
        price_from_api: 0,
        created_at: 0,
        expires_at: 10,
      })
      store.run(
        `INSERT INTO obligation(id, kind, order_id, payee, amount_msat, max_fee_msat, state, review_why, anchor_at, attempts_max,
                                retry_s, destination, created_at)
         VALUES ('buyer_payout:x', 'buyer_payout', '5f84aeaf-77b0-4943-b499-72ad72812966', 't', 49750000, 10, 'review',
                 'payee-exhausted', 1, 3, 60, '{}', 1700000000)`,
      )
      store.run(
        `INSERT INTO ln_op(id, kind, hash, obligation_id, node_pubkey, params, result, request_expires_at, state, next_at, created_at)
         VALUES ('pay:x:0', 'pay', 'h', 'buyer_payout:x', 'N', '{"secret":"p"}', '{"preimage":"abcd"}', 9, 'refused', 0, 0)`,
      )
      const order_id = '5f84aeaf-77b0-4943-b499-72ad72812966'
      const post = (n: number, credit: string, amount: number) =>
        store.s.ledger_post({
          cause: 'settle:h',
          n,
          debit: 'ln',
          credit,
          msat: msat(amount),
          order_id,
          now: 1_700_000_000,
        })
      post(0, 'owed:buyer_payout:x', 49_750_000)
      post(1, 'fee', 500_123)
    })
  }

  describe('explains itself', () => {
    it('with help, its commands and its exit codes', async () => {
      const { code, out } = await fianza('--help')
      expect(code).toBe(EXIT.ok)
      for (const word of [
        'init',
        'start',
        'status',
        'ledger',
        'review',
        'recover',
        'demo',
        'sandbox',
        'wallet',
        'Exit codes',
        '78',
      ])
        expect(out).toContain(word)
    })

    it('with its version', async () => {
      expect(await fianza('--version')).toMatchObject({
        code: EXIT.ok,
        out: expect.stringMatching(/^fianza \d+\.\d+\.\d+\n$/),
      })
    })

    it.for([
      ['nothing to do', []],
      ['an unknown command', ['sart']],
      ['an unknown option', ['status', '--jsn']],
      ['a missing argument', ['review', 'show']],
      ['a missing note', ['review', 'resolve', 'alert:x']],
      ['an order without its end', ['review', 'resolve', 'order:x', '--note', 'n']],
      ['a number that is none', ['ledger', '--last', 'many']],
      ['a scene that does not exist', ['demo', '--only', '9']],
      ['a port that is none', ['sandbox', '--port', '70000']],
      ['a recovery from nowhere', ['recover']],
      ['a recovery that contradicts itself', ['recover', '--from-lnd', '--settle', 'a', '--cancel', 'b']],
    ] as const)('with exit code 2 for %s', async ([, args]) => {
      const { code, err } = await fianza(...args)
      expect(code).toBe(EXIT.usage)
      expect(err).not.toBe('')
    })
  })

  describe('init', () => {
    it('makes a directory, a key and a configuration for their owner alone, and leaves what is there', async () => {
      dir = join(tree.path, 'new')
      const first = await fianza('init')
      expect(first.code).toBe(EXIT.ok)
      expect(first.out).toContain('lncli bakemacaroon')
      expect(['', 'fianza.toml', 'nostr.key'].map((name) => statSync(join(dir, name)).mode & 0o777)).toEqual([
        0o700, 0o600, 0o600,
      ])
      const key = readFileSync(join(dir, 'nostr.key'), 'utf8')
      const again = await fianza('init')
      expect(again.out.match(/was there, left as it is/g)).toHaveLength(2)
      expect(readFileSync(join(dir, 'nostr.key'), 'utf8')).toBe(key)
      expect(existsSync(join(dir, 'fianza.db'))).toBe(false)
    })
  })

  describe('start', () => {
    it('says what is wrong with the configuration and ends with exit code 78', async () => {
      expect(await fianza('start')).toEqual({
        code: EXIT.config,
        out: '',
        err: `${dir}/fianza.toml: there is no such file; \`fianza init\` writes one, --config names another\n`,
      })
    })
  })

  describe('status', () => {
    it('ends with exit code 3 when no daemon runs, and says what waits', async () => {
      expect(await fianza('status')).toEqual({ code: EXIT.notRunning, out: `no daemon runs in ${dir}\n`, err: '' })
      aSale()
      const { code, out } = await fianza('status')
      expect(code).toBe(EXIT.notRunning)
      expect(out).toContain('settled-hold-invoice: 1')
      expect(out).toContain('1 thing waits for a person: fianza review list')
      expect(JSON.parse((await fianza('status', '--json')).out)).toMatchObject({
        running: null,
        records: { waiting: ['obligation:buyer_payout:x'] },
      })
    })
  })

  describe('ledger', () => {
    it('needs a database', async () => {
      const { code, err } = await fianza('ledger')
      expect(code).toBe(EXIT.failed)
      expect(err).toContain(`${dir} has no database yet`)
    })

    it('prints transfers, newest last', async () => {
      aSale()
      expect((await fianza('ledger')).out).toBe(
        [
          'when                     sats  debit  credit               cause',
          '--------------------  -------  -----  -------------------  ----------',
          '2023-11-14T22:13:20Z   49,750  ln     owed:buyer_payout:x  settle:h:0',
          '2023-11-14T22:13:20Z  500.123  ln     fee                  settle:h:1',
          '',
        ].join('\n'),
      )
      expect((await fianza('ledger', '--last', '1')).out).not.toContain('settle:h:0')
    })

    it('prints accounts', async () => {
      aSale()
      expect((await fianza('ledger', '--accounts')).out).toMatch(/^fee +0 +500\.123 +500\.123$/m)
      expect(JSON.parse((await fianza('ledger', '--accounts', '--json')).out)).toEqual({
        accounts: [
          { name: 'fee', debitMsat: 0, creditMsat: 500_123, balanceMsat: 500_123 },
          { name: 'ln', debitMsat: 50_250_123, creditMsat: 0, balanceMsat: 50_250_123 },
          { name: 'owed:buyer_payout:x', debitMsat: 0, creditMsat: 49_750_000, balanceMsat: 49_750_000 },
        ],
      })
    })

    it('prints all about one order, by the beginning of its id, and no preimage', async () => {
      aSale()
      const { out } = await fianza('ledger', '--order', '5f84')
      expect(out).toContain(
        'order 5f84aeaf-77b0-4943-b499-72ad72812966: sell, settled-hold-invoice/steady, 50,000 sats, 10 EUR',
      )
      expect(out).toMatch(/buyer_payout:x +49,750 +review +payee-exhausted/)
      const machine = (await fianza('ledger', '--order', '5f84', '--json')).out
      expect(JSON.parse(machine)).toMatchObject({ transfers: [{ credit: 'owed:buyer_payout:x' }, { credit: 'fee' }] })
      expect(out + machine).not.toMatch(/preimage|secret|abcd/)
      expect((await fianza('ledger', '--order', 'zz')).code).toBe(EXIT.failed)
    })
  })

  describe('review', () => {
    it('lists, shows, resolves, and keeps a log', async () => {
      aSale()
      expect((await fianza('review')).out).toMatch(
        /obligation:buyer_payout:x +2023-11-14T22:13:20Z +49,750 sats of order 5f84aeaf-\S+: payee-exhausted/,
      )
      const shown = await fianza('review', 'show', 'obligation:buyer_payout:x')
      expect(shown.out).toContain('review_why: payee-exhausted')
      expect(shown.out).toContain('order 5f84aeaf')
      const resolve = [
        'review',
        'resolve',
        'obligation:buyer_payout:x',
        '--keep',
        '--note',
        'he is gone',
        '--who',
        'ana',
      ]
      expect(await fianza(...resolve)).toEqual({
        code: EXIT.ok,
        out: 'ended buyer_payout:x: 49750000 msat kept by the node\n',
        err: '',
      })
      expect((await fianza('review', 'list')).out).toBe('nothing waits for a person\n')
      expect((await fianza('review', 'log')).out).toMatch(/ana +review:end-obligation +.*he is gone/)
      expect((await fianza('review', 'show', 'alert:x')).code).toBe(EXIT.failed)
      expect(JSON.parse((await fianza('review', '--json')).out)).toEqual({ items: [] })
    })
  })

  describe('with a world around it', () => {
    let world: World
    let child: ChildProcess | null = null
    beforeEach(async () => {
      world = await startWorld()
      dir = world.nodeDir
    })
    afterEach(async () => {
      if (child !== null && child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
      }
      child = null
      await world.close()
    })

    async function startDaemon(...flags: string[]): Promise<ChildProcess> {
      const daemon = spawn(process.execPath, ['--import', 'tsx', MAIN, '-d', dir, 'start', ...flags], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      child = daemon
      const isUp = async () => ((await askStatus(dir)) as { pid?: number } | null)?.pid === daemon.pid
      await eventually(isUp, 'the daemon to come up', START_MS)
      return daemon
    }

    it('start runs a daemon that status sees, that nobody doubles, and that SIGTERM ends', {
      timeout: 60_000,
    }, async () => {
      const daemon = await startDaemon()
      const { code, out } = await fianza('status')
      expect(code).toBe(EXIT.ok)
      expect(out).toContain(`pid: ${daemon.pid}\n`)
      expect(out).toContain(world.npub)
      expect(out).toContain('curves: libsecp256k1\n')
      expect(await fianza('start')).toMatchObject({
        code: EXIT.busy,
        err: `${dir} is in use by process ${daemon.pid}; stop it first to start another daemon there\n`,
      })
      expect(await fianza('review', 'resolve', 'alert:x', '--note', 'n')).toMatchObject({
        code: EXIT.busy,
        err: `${dir} is in use by process ${daemon.pid}; stop it first to resolve what waits for a person\n`,
      })
      const ended = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      expect(await ended).toEqual([0, null])
    })

    it('start takes over from a daemon that was killed', { timeout: 60_000 }, async () => {
      const first = await startDaemon()
      const ended = once(first, 'exit')
      first.kill('SIGKILL')
      await ended
      expect((await startDaemon()).pid).not.toBe(first.pid)
    })

    it('start refuses a clock behind its own past, and --the-clock-is-right is the way round it', {
      timeout: 60_000,
    }, async () => {
      const first = await startDaemon()
      const ended = once(first, 'exit')
      first.kill('SIGTERM')
      await ended
      const inAnHourS = Math.floor(Date.now() / 1000) + 3600
      write(({ s }) => s.process_alive({ boot: s.process_last()?.boot_id ?? '', now: inAnHourS }))
      const { code, err } = await fianza('start')
      expect(code).toBe(EXIT.config)
      expect(err).toContain(`but a daemon worked in ${dir} at ${new Date(inAnHourS * 1000).toISOString()}`)
      expect(err).toContain('start once with --the-clock-is-right')
      const vouchedFor = await startDaemon('--the-clock-is-right')
      const stopped = once(vouchedFor, 'exit')
      vouchedFor.kill('SIGTERM')
      expect(await stopped).toEqual([0, null])
      expect((await startDaemon()).pid).not.toBe(vouchedFor.pid)
    })

    it('recover finds nothing where nothing is held, and leaves no trace', async () => {
      const seedFile = join(world.dir, 'a.seed')
      await expect(fianza('recover', '--from-lnd', '--seed', seedFile)).resolves.toMatchObject({ code: EXIT.config })
      using seeds = tempTree({ 'money.seed': `${'11'.repeat(32)}\n` })
      const seed = join(seeds.path, 'money.seed')
      chmodSync(seed, 0o600)
      expect(await fianza('recover', '--from-lnd', '--seed', seed)).toEqual({
        code: EXIT.ok,
        out: 'LND has no pending escrow of this money seed\n',
        err: '',
      })
      expect(JSON.parse((await fianza('recover', '--from-lnd', '--seed', seed, '--json')).out)).toEqual({
        done: null,
        holds: [],
      })
      expect(existsSync(databaseOf(dir))).toBe(false)
    })

    it('wallet pays and is paid', async () => {
      const url = ['--url', world.walletUrl]
      expect((await fianza('wallet', 'balance', ...url)).out).toMatch(/alice +1,000,000 +alice@127\.0\.0\.1:\d+/)
      const { out } = await fianza('wallet', 'invoice', '--wallet', 'bob', '--amount', '5000', ...url)
      expect(await fianza('wallet', 'pay', '--wallet', 'alice', out.trim(), ...url)).toMatchObject({
        code: EXIT.ok,
        out: expect.stringMatching(/^paid, for a fee of /),
      })
      expect(await fianza('wallet', 'pay', '--wallet', 'alice', out.trim(), ...url)).toMatchObject({
        code: EXIT.failed,
        out: 'not paid: already-paid\n',
      })
      expect((await fianza('wallet', 'mine', '--blocks', '2', ...url)).out).toMatch(/^the height is \d+\n$/)
      expect(await fianza('wallet', 'pay', '--wallet', 'dave', out.trim(), ...url)).toMatchObject({
        code: EXIT.failed,
        err: 'no wallet dave; there are alice, bob, carol\n',
      })
    })
  })
})
