import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/app/config/load.ts'
import { msat } from '../../src/core/money.ts'
import { askWallets } from '../../src/sandbox/wallet-service.ts'
import { startWorld, type World } from '../../src/sandbox/world.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'

describe('the world of a sandbox', () => {
  let tree: TempTree
  let worlds: World[]
  beforeEach(() => {
    tree = tempTree({})
    worlds = []
  })
  afterEach(async () => {
    await Promise.all(worlds.map((world) => world.close()))
    tree[Symbol.dispose]()
  })

  async function start(dir?: string): Promise<World> {
    const world = await startWorld(dir === undefined ? {} : { dir })
    worlds.push(world)
    return world
  }

  it('writes the configuration of a daemon that trades in it', async () => {
    const world = await start()
    const config = loadConfig({ dataDir: world.nodeDir, env: {} })
    expect(config.relayUrls).toEqual([world.relay.url])
    expect(config.lnd.socket).toBe(world.lnd.socket)
    expect(config.plainAddressHosts).toEqual([world.addressOf('bob').replace('bob@', '')])
  })

  it('is another node every time, unless it has a name', async () => {
    const [one, two] = [await start(), await start()]
    expect(one.pubkey).not.toBe(two.pubkey)
  })

  it('goes on where it ended when it has a name: wallets, node and what the relay had', async () => {
    const dir = `${tree.path}/world`
    const first = await start(dir)
    const request = first.network.wallet('bob').invoice({ amountMsat: msat(5000) })
    expect(await first.network.wallet('alice').pay(request)).toMatchObject({ ok: true })
    const balances = first.network.totals().wallets
    await first.close()
    const second = await start(dir)
    expect(second.pubkey).toBe(first.pubkey)
    expect(second.network.totals().wallets).toEqual(balances)
    expect(second.network.node.pubkey).toBe(first.network.node.pubkey)
  })

  it('stays away from the data directory of a real daemon', async () => {
    using real = tempTree({ 'fianza.toml': '' })
    await expect(start(real.path)).rejects.toThrow('is the data directory of a daemon (fianza.toml), not a sandbox')
  })

  it('says when the port of its relay is taken', async () => {
    const world = await start()
    const port = Number(new URL(world.relay.url).port)
    await expect(startWorld({ relayPort: port })).rejects.toThrow(`port ${port} cannot be used for the relay`)
  })

  describe('has wallets for other terminals', () => {
    it('that pay each other', async () => {
      const world = await start()
      const made = await askWallets(world.walletUrl, {
        do: 'invoice',
        wallet: 'bob',
        amountMsat: 5_000_000,
        memo: 'beer',
      })
      if (!made.ok || made.value.done !== 'invoice') throw new Error('no invoice')
      const pay = { do: 'pay', wallet: 'alice', invoice: made.value.invoice, amountMsat: null } as const
      expect(await askWallets(world.walletUrl, pay)).toMatchObject({ ok: true, value: { done: 'paid' } })
      expect(await askWallets(world.walletUrl, pay)).toEqual({
        ok: true,
        value: { done: 'not-paid', reason: 'already-paid' },
      })
      const balances = await askWallets(world.walletUrl, { do: 'balances' })
      expect(balances).toMatchObject({
        ok: true,
        value: { wallets: [{ name: 'alice' }, { name: 'bob' }, { name: 'carol' }] },
      })
      expect(world.network.wallet('bob').balanceMsat()).toBe(1_005_000_000)
    })

    it('that find blocks', async () => {
      const world = await start()
      const height = world.network.height()
      expect(await askWallets(world.walletUrl, { do: 'mine', blocks: 3 })).toEqual({
        ok: true,
        value: { done: 'mined', height: height + 3 },
      })
    })

    it('that say what is wrong', async () => {
      const world = await start()
      const unknown = await askWallets(world.walletUrl, { do: 'invoice', wallet: 'dave', amountMsat: 1, memo: '' })
      expect(unknown).toEqual({ ok: false, error: 'no wallet dave; there are alice, bob, carol' })
      const wrong = await askWallets(world.walletUrl, { do: 'mine', blocks: 0 })
      expect(wrong.ok ? '' : wrong.error).toContain('blocks')
      const nobody = await askWallets('http://127.0.0.1:1', { do: 'balances' })
      expect(nobody.ok ? '' : nobody.error).toContain('no sandbox answers at http://127.0.0.1:1')
    })
  })
})
