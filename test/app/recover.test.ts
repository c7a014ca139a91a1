import { mkdirSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireDataDirLock } from '../../src/adapters/sqlite/lock.ts'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { systemRandom } from '../../src/adapters/system/random.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { type RecoverAct, recover } from '../../src/app/recover.ts'
import { msat } from '../../src/core/money.ts'
import { MoneySeed, memoTail } from '../../src/engine/seed.ts'
import type { Lightning } from '../../src/ports/lightning.ts'
import { createSimLightning } from '../../src/sandbox/lightning/in-process.ts'
import { createSimNetwork, type Network } from '../../src/sandbox/lightning/network.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'

const FUNDING_MSAT = msat(10_000_000)

describe('escrows whose database is lost', () => {
  let tree: TempTree
  let dir: string
  let network: Network
  let lightning: Lightning
  const seed = new MoneySeed(new Uint8Array(32).fill(7))

  beforeEach(() => {
    tree = tempTree({})
    dir = `${tree.path}/data`
    mkdirSync(dir)
    network = createSimNetwork({ clock: systemClock, random: systemRandom })
    network.addWallet('seller', FUNDING_MSAT)
    lightning = createSimLightning(network, systemClock)
  })
  afterEach(() => {
    network.close()
    tree[Symbol.dispose]()
  })

  /** An invoice as the daemon makes it, paid by the seller or not; its hash. */
  async function escrow(by: MoneySeed, counter: number, paid: boolean): Promise<string> {
    const conn = await connected()
    const hash = by.hash('escrow', counter)
    const created = await conn.createHold({
      hash,
      amountMsat: msat(1_000_000),
      cltvDelta: 144,
      memo: `Escrow${memoTail(by.marker(), 'escrow', counter)}`,
      expiresAt: Math.floor(systemClock.nowMs() / 1000) + 900,
    })
    conn.close()
    if (created.class !== 'A') throw new Error(JSON.stringify(created))
    if (paid) await network.wallet('seller').startPayment(created.fact.request)
    return hash
  }

  async function connected() {
    const answer = await lightning.connect()
    if (!answer.ok) throw new Error(answer.detail)
    return answer.value
  }

  const run = (act: RecoverAct | null, by = seed) => recover({ dataDir: dir, lightning, seed: by }, act)

  it('F-059a: are found with the seed and LND alone, the held ones first; strangers are left out', async () => {
    const open = await escrow(seed, 1, false)
    const held = await escrow(seed, 2, true)
    await escrow(new MoneySeed(new Uint8Array(32).fill(8)), 3, true)
    const { holds, done } = await run(null)
    expect(holds.map(({ fact, counter, proved }) => [fact.hash, fact.state, counter, proved])).toEqual([
      [held, 'accepted', 2, true],
      [open, 'open', 1, true],
    ])
    expect(done).toBeNull()
    expect(network.node.invoice(held)?.state).toBe('accepted')
  })

  it('can be given back', async () => {
    const hash = await escrow(seed, 1, true)
    const { holds, done } = await run({ kind: 'cancel', hash })
    expect(done).toBe(`canceled ${hash}: the sats go back to their payer`)
    expect(holds).toEqual([])
    expect(network.wallet('seller').balanceMsat()).toBe(FUNDING_MSAT)
  })

  it('can be taken: the preimage comes from the seed', async () => {
    const hash = await escrow(seed, 4, true)
    const before = network.node.balanceMsat()
    await run({ kind: 'settle', hash })
    expect(network.node.invoice(hash)?.state).toBe('settled')
    expect(network.node.balanceMsat() - before).toBe(1_000_000)
  })

  it('are not taken when nothing is held', async () => {
    const hash = await escrow(seed, 1, false)
    await expect(run({ kind: 'settle', hash })).rejects.toThrow(`nothing is held under ${hash}: it is open`)
  })

  it('are not touched under a hash that is not ours', async () => {
    const theirs = await escrow(new MoneySeed(new Uint8Array(32).fill(8)), 1, true)
    await expect(run({ kind: 'cancel', hash: theirs })).rejects.toThrow('no pending hold of this money seed')
    expect(network.node.invoice(theirs)?.state).toBe('accepted')
  })

  it('are not taken with a mark of ours on a hash that is not', async () => {
    const conn = await connected()
    const hash = 'cd'.repeat(32)
    const memo = memoTail(seed.marker(), 'escrow', 9)
    const expiresAt = Math.floor(systemClock.nowMs() / 1000) + 900
    const created = await conn.createHold({ hash, amountMsat: msat(1000), cltvDelta: 144, memo, expiresAt })
    conn.close()
    if (created.class !== 'A') throw new Error('not created')
    await network.wallet('seller').startPayment(created.fact.request)
    expect((await run(null)).holds).toMatchObject([{ proved: false }])
    await expect(run({ kind: 'settle', hash })).rejects.toThrow(`this seed has no preimage of ${hash}`)
  })

  it('are the business of the daemon as long as there is a database', async () => {
    const hash = await escrow(seed, 1, true)
    writeFileSync(databaseOf(dir), '')
    await expect(run({ kind: 'cancel', hash })).rejects.toThrow('start the daemon, which knows whose sats these are')
    expect((await run(null)).holds).toHaveLength(1)
  })

  it('are not touched beside a running daemon', async () => {
    const lock = acquireDataDirLock(dir)
    await expect(run(null)).rejects.toThrow(
      `in use by process ${process.pid}; stop it first to recover escrows by hand`,
    )
    lock.release()
  })

  it('wait for LND', async () => {
    network.node.stop('kill')
    await expect(run(null)).rejects.toThrow('LND does not answer')
  })
})
