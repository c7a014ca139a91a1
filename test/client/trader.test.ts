import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { TraderClient, type TraderClientOptions } from '../../src/client/index.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { nodeKey } from '../support/wire-keys.ts'
import { ScriptedNode } from './scripted-node.ts'

/** The mnemonic of the protocol's test vector (wire.md 5.3). */
const MNEMONIC = 'leader monkey parrot ring guide accident before fence cannon height naive bean'
const ORDER = '308e1272-d5f4-47e6-bd97-3504baea9c23'

let relay: EmbeddedRelay
let node: ScriptedNode
let clients: TraderClient[] = []

const trader = (options: Partial<TraderClientOptions> = {}): TraderClient => {
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
}

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

describe('a trader', () => {
  it('makes an order and gets the answer', async () => {
    node.answer = () => [{ action: 'new-order', id: ORDER }]
    const client = trader()
    const answer = await client.newOrder({
      kind: 'sell',
      fiatCode: 'VES',
      fiatAmount: 100,
      paymentMethod: 'face to face',
    })
    expect(answer.message.id).toBe(ORDER)
    expect(client.tradeIndexOf(ORDER)).toBe(1)
  })
})
