import { afterEach, beforeEach } from 'vitest'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { TraderClient, type TraderClientOptions } from '../../src/client/index.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { nodeKey } from '../support/wire-keys.ts'
import { ScriptedNode } from './scripted-node.ts'

/** The mnemonic of the protocol's test vector (wire.md 5.3). */
export const MNEMONIC = 'leader monkey parrot ring guide accident before fence cannon height naive bean'
export const ORDER = '308e1272-d5f4-47e6-bd97-3504baea9c23'
export const OTHER_ORDER = '4fd93fc9-e909-4fc9-acef-9976122b5dfa'

export type ClientWorld = {
  readonly relay: EmbeddedRelay
  readonly node: ScriptedNode
  /** A client that is closed after the test. */
  readonly trader: (options?: Partial<TraderClientOptions>) => TraderClient
}

/** A relay and a scripted node for each test of the file. */
export function clientWorld(): ClientWorld {
  let relay: EmbeddedRelay
  let node: ScriptedNode
  let clients: readonly TraderClient[] = []

  beforeEach(async () => {
    relay = await EmbeddedRelay.start({ clock: systemClock })
    node = await ScriptedNode.start(relay.url)
  })

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()))
    clients = []
    await node.close()
    await relay.close()
  })

  return {
    get relay() {
      return relay
    },
    get node() {
      return node
    },
    trader: (options = {}) => {
      const client = new TraderClient({
        relays: [relay.url],
        nodePubkey: nodeKey.pubkey,
        mnemonic: MNEMONIC,
        transport: 2,
        pow: 0,
        deadlineMs: 5_000,
        ...options,
      })
      clients = [...clients, client]
      return client
    },
  }
}
