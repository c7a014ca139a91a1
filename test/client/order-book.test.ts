import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/system/clock.ts'
import type { BookEntry } from '../../src/client/index.ts'
import type { NostrEvent } from '../../src/core/protocol.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { portableCurves } from '../../src/wire/curves.ts'
import { signEvent } from '../../src/wire/event.ts'
import { orderEvent, type PublicOrder } from '../../src/wire/public-events.ts'
import { eventually } from '../support/wait.ts'
import { nodeKey, tradeKey } from '../support/wire-keys.ts'
import { clientWorld, ORDER, OTHER_ORDER } from './client-world.ts'
import { announcement, ScriptedNode } from './scripted-node.ts'

const world = clientWorld()

const NOW_S = Math.floor(systemClock.nowMs() / 1000)
const THIRD_ORDER = 'efc75871-2568-40b9-a6ee-c382d4d6de01'
const identity = { pubkey: nodeKey.pubkey, instanceName: null }

type Pending = Extract<PublicOrder, { readonly status: 'pending' }>

const pending: Pending = {
  id: ORDER,
  kind: 'sell',
  fiatCode: 'VES',
  amountSats: 0,
  fiatAmount: 0,
  paymentMethod: 'face to face,SEPA',
  premium: -2,
  networks: ['regtest'],
  expiresAtS: NOW_S + 3_600,
  retainedUntilS: NOW_S + 86_400,
  status: 'pending',
  range: { min: 10, max: 20 },
  reputation: { days: 21, totalRating: 4.5, totalReviews: 7 },
  relays: ['wss://relay.example.com'],
}

const taken: PublicOrder = { ...pending, status: 'in-progress', fiatAmount: 15, amountSats: 7_851 }

const show = (order: PublicOrder, createdAtS = NOW_S) => world.node.announce(orderEvent(order, identity, createdAtS))

const isThere = (): boolean => true

describe('the order book', () => {
  it('shows what the node published', async () => {
    const event = await show(pending)
    const { book } = world.trader()
    const entry = await book.waitFor(ORDER, isThere, 5_000)
    expect(entry).toEqual<BookEntry>({
      orderId: ORDER,
      kind: 'sell',
      status: 'pending',
      fiatCode: 'VES',
      amountSats: 0,
      fiatAmount: { min: 10, max: 20 },
      paymentMethods: ['face to face', 'SEPA'],
      premium: -2,
      reputation: { days: 21, totalRating: 4.5, totalReviews: 7 },
      networks: ['regtest'],
      expiresAtS: NOW_S + 3_600,
      expirationS: NOW_S + 3_600,
      createdAtS: NOW_S,
      eventId: event.id,
    })
    expect(book.offers()).toEqual([entry])
  })

  it('follows an order from revision to revision and tells about each', async () => {
    const { book } = world.trader()
    const seen: string[] = []
    const stop = book.onChange(({ status }) => seen.push(status))
    await show(pending)
    await book.waitFor(ORDER, isThere, 5_000)
    await show(taken, NOW_S + 1)
    const entry = await book.waitFor(ORDER, ({ status }) => status === 'in-progress', 5_000)
    expect(entry).toMatchObject({ fiatAmount: 15, amountSats: 7_851, reputation: null })
    expect(book.offers()).toEqual([])
    stop()
    await show({ ...taken, status: 'success' }, NOW_S + 2)
    await book.waitFor(ORDER, ({ status }) => status === 'success', 5_000)
    expect(seen).toEqual(['pending', 'in-progress'])
  })

  it.each([
    { name: 'the later revision', laterS: 1 },
    { name: 'of one second, the revision with the lower id', laterS: 0 },
  ])('keeps $name, whichever relay told it', async ({ laterS }) => {
    const sign = (status: 'success' | 'canceled', createdAtS: number): NostrEvent =>
      signEvent(
        orderEvent({ ...taken, status }, identity, createdAtS),
        nodeKey.secretKey,
        nodeKey.pubkey,
        new Uint8Array(32),
        portableCurves,
      )
    const events = [sign('success', NOW_S), sign('canceled', NOW_S + laterS)] as const
    const [kept] = events.toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
    const otherRelay = await EmbeddedRelay.start({ clock: systemClock })
    const otherNode = await ScriptedNode.start(otherRelay.url)
    try {
      for (const [here, there] of [events, events.toReversed()]) {
        if (here === undefined || there === undefined) throw new Error('two events')
        const client = world.trader({ relays: [world.relay.url, otherRelay.url] })
        await world.node.publish(here)
        await otherNode.publish(there)
        await show({ ...pending, id: OTHER_ORDER })
        await otherNode.announce(orderEvent({ ...pending, id: THIRD_ORDER }, identity, NOW_S))
        for (const id of [OTHER_ORDER, THIRD_ORDER]) await client.book.waitFor(id, isThere, 5_000)
        expect(client.book.get(ORDER)?.eventId).toBe(kept?.id)
        await client.close()
      }
    } finally {
      await otherNode.close()
      await otherRelay.close()
    }
  })

  it('does not offer what has expired', async () => {
    await show({ ...pending, expiresAtS: NOW_S - 10 })
    await show({ ...pending, id: OTHER_ORDER })
    const { book } = world.trader()
    await book.waitFor(OTHER_ORDER, isThere, 5_000)
    expect(book.offers().map(({ orderId }) => orderId)).toEqual([OTHER_ORDER])
  })

  it.each([
    ['an unknown status', (tag: readonly string[]) => (tag[0] === 's' ? ['s', 'sold'] : tag)],
    ['an unknown kind', (tag: readonly string[]) => (tag[0] === 'k' ? ['k', 'swap'] : tag)],
    ['no UUID', (tag: readonly string[]) => (tag[0] === 'd' ? ['d', 'order'] : tag)],
    ['a fraction of a sat', (tag: readonly string[]) => (tag[0] === 'amt' ? ['amt', '1.5'] : tag)],
    ['a negative amount', (tag: readonly string[]) => (tag[0] === 'amt' ? ['amt', '-1'] : tag)],
    ['no fiat amount', (tag: readonly string[]) => (tag[0] === 'fa' ? ['fa'] : tag)],
    ['no premium', (tag: readonly string[]) => (tag[0] === 'premium' ? ['premium', ''] : tag)],
  ])('leaves out an order with %s', async (_, change) => {
    const template = orderEvent(pending, identity, NOW_S)
    await world.node.announce({ ...template, tags: template.tags.map(change) })
    await show({ ...pending, id: OTHER_ORDER })
    const { book } = world.trader()
    await book.waitFor(OTHER_ORDER, isThere, 5_000)
    expect(book.entries()).toHaveLength(1)
  })

  it('shows an order whose reputation makes no sense, without one', async () => {
    const template = orderEvent(pending, identity, NOW_S)
    const tags = template.tags.map((tag) => (tag[0] === 'rating' ? ['rating', '["rating",{"days":"x"}]'] : tag))
    await world.node.announce({ ...template, tags })
    const entry = await world.trader().book.waitFor(ORDER, isThere, 5_000)
    expect(entry.reputation).toBeNull()
  })

  it('believes nobody but the node', async () => {
    const { book } = world.trader()
    const template = orderEvent(taken, identity, NOW_S + 5)
    await world.node.publish(
      signEvent(template, tradeKey.secretKey, tradeKey.pubkey, new Uint8Array(32), portableCurves),
    )
    await show(pending)
    expect((await book.waitFor(ORDER, isThere, 5_000)).status).toBe('pending')
  })

  it('reads what the node announces, in the newest revision', async () => {
    const { book } = world.trader()
    expect(book.info).toBeNull()
    await world.node.announce(announcement({ pow: 3, powFirstContact: 1, transport: 1 }))
    expect(await book.waitForInfo(5_000)).toMatchObject({
      version: 'fianza/0.1.0',
      transport: 1,
      pow: 3,
      powFirstContact: 3,
      minOrderSats: 100,
      maxOrderSats: 1_000_000,
      fee: 0.006,
      fiatCurrencies: ['USD', 'EUR'],
      expirationSeconds: 900,
      maxOrdersPerResponse: 50,
      bondsEnabled: false,
      networks: [],
    })
    await world.node.announce(announcement({ fiatCurrencies: [] }, 1_785_000_001))
    await eventually(() => book.info?.transport === 2, 'the new revision')
    expect(book.info?.fiatCurrencies).toEqual([])
  })

  it('takes a node that does not name its transport for an old one', async () => {
    const template = announcement()
    await world.node.announce({ ...template, tags: template.tags.filter(([name]) => name === 'd') })
    expect(await world.trader().book.waitForInfo(5_000)).toMatchObject({
      transport: 1,
      pow: 0,
      fee: null,
      version: null,
    })
  })

  it('says at the deadline what it shows instead', async () => {
    await show(pending)
    const { book } = world.trader()
    await book.waitFor(ORDER, isThere, 5_000)
    await expect(book.waitFor(ORDER, ({ status }) => status === 'success', 20)).rejects.toThrow(
      `waited 20 ms for order ${ORDER} in the book (now: pending)`,
    )
    await expect(book.waitFor(OTHER_ORDER, isThere, 20)).rejects.toThrow('not in the book')
    await expect(book.waitForInfo(20)).rejects.toThrow("the node's info event")
  })
})
