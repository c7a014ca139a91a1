/** The simulated Lightning network, put together. */
import { assert } from '../../core/assert.ts'
import { type Msat, msat } from '../../core/money.ts'
import type { SimConfig, SimNetwork, SimNetworkOptions, SimSnapshot, SimWallet, Totals } from './control.ts'
import { FaultBook } from './faults.ts'
import { Lnd } from './lnd.ts'
import { World } from './model/world.ts'
import { Node } from './node.ts'
import { Wallet } from './wallet.ts'

const WALLET_PREFIX = 'wallet:'

/** What a network is like when nothing else is said. */
const DEFAULT_SIM_CONFIG: SimConfig = {
  nodeLocalMsat: msat(10_000_000_000_000),
  nodeInboundMsat: msat(10_000_000_000_000),
  walletInboundMsat: msat(1_000_000_000_000),
  feeBaseMsat: 1000,
  feePpm: 100,
  holdExpiryDelta: 18,
  maxCltvExpiry: 2016,
  mppTimeoutMs: 120_000,
  expiryWatcherLagMs: 0,
  htlcTravelMs: 0,
  blockIntervalMs: null,
  maxPartMsat: null,
  storesFinalHtlcs: true,
  reportsInitiated: false,
  errorTexts: 'bare',
}

export class Network implements SimNetwork {
  readonly node: Node
  readonly faults = new FaultBook()
  /** the node as its RPC clients see it */
  readonly lnd: Lnd
  readonly #world: World
  readonly #wallets = new Map<string, Wallet>()
  readonly #config: { feePpm: number }

  constructor(options: SimNetworkOptions) {
    const config = { ...DEFAULT_SIM_CONFIG, ...options.config }
    this.#config = config
    this.#world = new World(options.clock, options.random, config)
    this.node = new Node(this.#world)
    this.lnd = new Lnd(this.#world, (hash) => this.node.takeScript(hash))
    if (options.snapshot === undefined) this.#world.addParty('node', config.nodeLocalMsat, config.nodeInboundMsat)
    else this.#load(options.snapshot)
    this.#world.act(() => undefined)
  }

  addWallet(name: string, fundingMsat: Msat): SimWallet {
    this.#world.addParty(`${WALLET_PREFIX}${name}`, fundingMsat, this.#world.config.walletInboundMsat)
    return this.#walletObject(name)
  }

  wallet(name: string): SimWallet {
    const wallet = this.#wallets.get(name)
    assert(wallet !== undefined, `no such wallet: ${name}`)
    return wallet
  }

  walletNames(): readonly string[] {
    return [...this.#wallets.keys()]
  }

  height(): number {
    return this.#world.height()
  }

  mine(blocks: number): void {
    for (let block = 0; block < blocks; block++) this.#world.act(() => this.#world.mine())
  }

  setFeePpm(feePpm: number): void {
    this.#config.feePpm = feePpm
  }

  totals(): Totals {
    const { parties, feesMsat } = this.#world.transport
    const node = this.#world.transport.party('node')
    const wallets: Record<string, Msat> = {}
    let walletsPendingOutMsat = 0
    let hubMsat = 0
    for (const { id, channel } of parties.values()) {
      hubMsat += channel.hubMsat + channel.pendingInMsat
      if (id === node.id) continue
      wallets[id.slice(WALLET_PREFIX.length)] = msat(channel.localMsat)
      walletsPendingOutMsat += channel.pendingOutMsat
    }
    return {
      wallets,
      nodeMsat: msat(node.channel.localMsat),
      nodePendingOutMsat: msat(node.channel.pendingOutMsat),
      walletsPendingOutMsat: msat(walletsPendingOutMsat),
      hubMsat: msat(hubMsat),
      routingFeesMsat: msat(feesMsat),
    }
  }

  checkConservation(): void {
    this.#world.checkConservation()
  }

  snapshot(): SimSnapshot {
    return this.#world.snapshot()
  }

  restore(snapshot: SimSnapshot): void {
    this.node.stop('kill')
    this.#load(snapshot)
    this.node.start()
  }

  close(): void {
    this.#world.close()
  }

  #load(snapshot: SimSnapshot): void {
    this.#world.restore(snapshot)
    this.#wallets.clear()
    for (const id of this.#world.transport.parties.keys()) {
      if (id.startsWith(WALLET_PREFIX)) this.#walletObject(id.slice(WALLET_PREFIX.length))
    }
  }

  #walletObject(name: string): Wallet {
    const wallet = new Wallet(this.#world, name)
    this.#wallets.set(name, wallet)
    return wallet
  }
}

/** Builds a network with the daemon's node and no wallets, or continues a snapshot. */
export function createSimNetwork(options: SimNetworkOptions): Network {
  return new Network(options)
}
