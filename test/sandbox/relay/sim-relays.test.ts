import { describe, expect, it } from 'vitest'
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { SimRelayNetwork } from '../../../src/sandbox/relay/sim-relays.ts'
import { signEvent } from '../../../src/wire/event.ts'
import { TestClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'
import { standInCurves } from '../../support/stand-in-curves.ts'
import { nodeKey, tradeKey } from '../../support/wire-keys.ts'

const verify = (): boolean => true

const make = (content: string, createdAtS: number): NostrEvent =>
  signEvent(
    { kind: 14, created_at: createdAtS, tags: [['p', nodeKey.pubkey]], content },
    tradeKey.secretKey,
    tradeKey.pubkey,
    new Uint8Array(32),
    standInCurves,
  )

/** A trader writes to a node over two bad relays, which are lost for a while; all that the node notices. */
async function run(seed: number): Promise<readonly string[]> {
  const clock = new TestClock()
  const chance = seededRandom(seed)
  const below = (n: number): number => (chance.bytes(1)[0] ?? 0) % n
  const network = new SimRelayNetwork({ clock, latencyMs: () => below(200) })
  const relays = ['wss://one.example', 'wss://two.example'].map((url) => network.add(url, { verify }))
  for (const relay of relays) {
    relay.core.faults.onDelivery(() => (below(4) === 0 ? [] : below(4) === 0 ? [0, below(250)] : [below(250)]))
    relay.core.faults.onPublish(() => (below(5) === 0 ? { kind: 'lose-ok' } : null))
  }
  const notes: string[] = []
  const note = (text: string): void => void notes.push(`${clock.nowMs()} ${text}`)
  const node = network.client({ random: chance })
  const trader = network.client({ random: chance })
  node.open(
    { kinds: [14], '#p': [nodeKey.pubkey], limit: 0 },
    {
      onEvent: (event, { url }) => note(`heard ${event.content} from ${url}`),
      onUp: (url) => note(`up ${url}`),
      onDown: (url, why) => note(`down ${url} ${why}`),
    },
  )
  trader.open({ kinds: [14], limit: 0 }, { onEvent: () => {}, onUp: () => {}, onDown: () => {} })
  await clock.advance(1_000)
  const answers: Promise<void>[] = []
  for (let i = 0; i < 40; i++) {
    const event = make(`message ${i}`, Math.floor(clock.nowMs() / 1000))
    for (const url of trader.urls()) {
      answers.push(trader.publish(url, event, 5_000).then((answer) => note(`${i} ${answer.kind} ${url}`)))
    }
    if (i % 10 === 3) await relays[below(2)]?.goAway()
    if (i % 10 === 7) for (const relay of relays) await relay.comeBack()
    await clock.advance(below(100) * 10)
  }
  await clock.advance(200_000)
  await Promise.all([...answers, node.close(), trader.close()])
  await clock.advance(1_000)
  expect(clock.pendingCount).toBe(0)
  return notes
}

describe('simulated relays', () => {
  it('do the same for the same seed, and something else for another', async () => {
    const first = await run(1)
    expect(first.filter((text) => text.includes('heard')).length).toBeGreaterThan(20)
    expect(await run(1)).toEqual(first)
    expect(await run(2)).not.toEqual(first)
  })

  it('keep the order of a line, however unequal its delays', async () => {
    const clock = new TestClock()
    const delays = [300, 10, 200, 1]
    const network = new SimRelayNetwork({ clock, latencyMs: () => delays[clock.pendingCount % delays.length] ?? 0 })
    const relay = network.add('wss://one.example', { verify })
    const node = network.client({ random: seededRandom(1) })
    const heard: string[] = []
    node.open(
      { kinds: [14], limit: 0 },
      { onEvent: ({ content }) => heard.push(content), onUp: () => {}, onDown: () => {} },
    )
    await clock.advance(2_000)
    const sent = Array.from({ length: 20 }, (_, i) => `m${i}`)
    for (const content of sent) relay.core.inject(make(content, 1))
    await clock.advance(2_000)
    expect(heard).toEqual(sent)
    await node.close()
  })
})
