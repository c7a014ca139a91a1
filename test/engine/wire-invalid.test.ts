import { afterEach, describe, expect, test } from 'vitest'
import type { Message, NostrEvent } from '../../src/core/protocol.ts'
import { signEvent } from '../../src/wire/event.ts'
import { parseMessage } from '../../src/wire/message.ts'
import { conversationKey, encrypt } from '../../src/wire/nip44.ts'
import { EngineWorld, type WorldOptions } from '../support/engine-world.ts'
import type { SendOptions, SimTrader } from '../support/sim-trader.ts'
import { dumpState, type Stage, sellTradeAt, type Trade } from '../support/trade-stages.ts'
import { handlerInvalid, replacedByDecision, type WireInvalid, wireInvalid } from '../support/wire-fixtures.ts'

const FIXTURE_ORDER = '308e1272-d5f4-47e6-bd97-3504baea9c23'
const LISTEN_MS = 5000

let world: EngineWorld | null = null
afterEach(async () => {
  await world?.close()
  world = null
})

async function open(options: WorldOptions = {}): Promise<{ world: EngineWorld; alice: SimTrader; bob: SimTrader }> {
  world = new EngineWorld(options)
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await world.boot()
  return { world, alice, bob }
}

/** Who writes a bad input, about an order in which status, and what comes back. */
type Scene = {
  readonly stage: Stage
  readonly by: (trade: Trade) => { readonly trader: SimTrader; readonly options: SendOptions }
  /** reason of the refusal; null: nothing is said */
  readonly hears: string | null
}

const asSeller = (t: Trade) => ({ trader: t.seller, options: { key: t.sellerKey } })
const asBuyer = (t: Trade) => ({ trader: t.buyer, options: { key: t.buyerKey } })
/** a key that has not been used, of an identity that has traded here */
const asOldHand = (t: Trade) => ({ trader: t.seller, options: { key: t.seller.nextKey() } })
/** an identity that was never here */
const asNewcomer = (t: Trade) => ({ trader: t.buyer, options: { key: t.buyer.nextKey() } })

/** What becomes of every entry that is refused while an order is handled. */
const SCENES: Readonly<Record<string, Scene>> = {
  'orders with empty id list': { stage: 'active', by: asBuyer, hears: 'invalid_parameters' },
  'orders carrying an orders payload': { stage: 'active', by: asBuyer, hears: 'invalid_parameters' },
  'client sends pay-invoice': { stage: 'waiting-payment', by: asSeller, hears: 'invalid_action' },
  'client sends a daemon-only action': { stage: 'fiat-sent', by: asSeller, hears: null },
  'rating out of range': { stage: 'success', by: asSeller, hears: 'invalid_rating' },
  'rate-user without id': { stage: 'success', by: asSeller, hears: 'not_found' },
  'unknown order id': { stage: 'active', by: asBuyer, hears: 'not_found' },
  'release with a payload other than next_trade': { stage: 'fiat-sent', by: asSeller, hears: 'invalid_parameters' },
  // Only the node's own key may add solvers; a stranger learns nothing of it.
  'admin-add-solver bad permission': { stage: 'pending', by: asSeller, hears: null },
  'known user repeats trade_index': { stage: 'pending', by: asOldHand, hears: 'invalid_trade_index' },
  'new user trade_index 0': { stage: 'pending', by: asNewcomer, hears: 'invalid_trade_index' },
  'reputation mode without trade_index': { stage: 'pending', by: asNewcomer, hears: 'invalid_trade_index' },
}

/** The recorded outcome in the words of {@link Scene}. */
function recordedReason(entry: WireInvalid): string | null {
  return /^reply cant-do (\w+)$/.exec(entry.outcome)?.[1] ?? null
}

function messageOf(entry: WireInvalid, orderId: string): Message {
  const parsed = parseMessage(entry.json.replaceAll(FIXTURE_ORDER, orderId))
  if (!parsed.ok) throw new Error(`${entry.name}: ${parsed.error}`)
  return parsed.value
}

/** A direct message with any text inside, from a key in full privacy. */
function wrapText(from: EngineWorld, trader: SimTrader, key: number, json: string): NostrEvent {
  const secret = trader.secretKey(key)
  const nonce = new Uint8Array(32).fill(json.length % 251)
  const content = encrypt(`[${json},null,null]`, conversationKey(from.curves, secret, from.nodePubkey), nonce)
  const created_at = Math.floor(from.clock.nowMs() / 1000)
  const template = { kind: 14, created_at, tags: [['p', from.nodePubkey]], content }
  return signEvent(template, secret, trader.pubkey(key), new Uint8Array(32), from.curves)
}

describe('bad inputs of the protocol, refused while an order is handled', () => {
  test('every recorded entry has a scene, and every difference from the record names its decision', () => {
    expect(Object.keys(SCENES).sort()).toEqual(handlerInvalid.map((e) => e.name).sort())
    for (const entry of handlerInvalid) {
      const replaced = SCENES[entry.name]?.hears !== recordedReason(entry)
      const bySender = entry.why.includes('any other sender gets no reply')
      expect([entry.name, replaced && !bySender]).toEqual([entry.name, replacedByDecision[entry.name] !== undefined])
    }
  })

  test.each(handlerInvalid.map((entry) => [entry.name, entry] as const))('%s', async (name, entry) => {
    const scene = SCENES[name]
    if (scene === undefined) throw new Error('no scene')
    const { world, alice, bob } = await open()
    const buysOrder = entry.json.includes('take-buy')
    const trade = await sellTradeAt(world, scene.stage, alice, bob, buysOrder ? { order: { kind: 'buy' } } : {})
    await world.clock.advance(LISTEN_MS)
    const { trader, options } = scene.by(trade)
    const before = dumpState(world)
    const heard = { alice: alice.heard.length, bob: bob.heard.length }
    const message = messageOf(entry, trade.id)
    trader.publish(trader.wrapMessage(message, options))
    await world.clock.advance(LISTEN_MS)
    const others = trader === alice ? bob : alice
    expect(others.heard.length).toBe(trader === alice ? heard.bob : heard.alice)
    const answers = trader.heard.slice(trader === alice ? heard.alice : heard.bob).map((h) => h.message)
    expect(answers.map((m) => (m.payload?.kind === 'cant_do' ? m.payload.reason : m.action))).toEqual(
      scene.hears === null ? [] : [scene.hears],
    )
    for (const answer of answers) {
      expect([answer.requestId, answer.id, answer.tradeIndex]).toEqual([message.requestId, message.id, null])
    }
    expect(dumpState(world)).toEqual(before)
  })
})

describe('bad inputs of the protocol that no handler sees', () => {
  test.each([
    ['parse', 'unopened'],
    ['verify', 'dropped'],
  ] as const)('what fails at stage %s is counted as %s and changes nothing', async (stage, verdict) => {
    const entries = wireInvalid.filter((e) => e.stage === stage && e.level === 'message')
    const { world, alice, bob } = await open()
    const trade = await sellTradeAt(world, 'fiat-sent', alice, bob)
    await world.clock.advance(LISTEN_MS)
    const before = dumpState(world)
    const heard = alice.heard.length
    const counted = world.engine?.status().intake[verdict] ?? 0
    for (const entry of entries) {
      alice.publish(wrapText(world, alice, trade.sellerKey, entry.json.replaceAll(FIXTURE_ORDER, trade.id)))
      await world.clock.advance(1000)
    }
    expect((world.engine?.status().intake[verdict] ?? 0) - counted).toBe(entries.length)
    expect(alice.heard.length).toBe(heard)
    expect(dumpState(world)).toEqual(before)
  })

  test('an event below the proof of work is not looked at', async () => {
    const { world, alice } = await open({ settings: { pow: 12 } })
    alice.nextKey()
    alice.send('orders', { payload: { kind: 'ids', ids: [FIXTURE_ORDER] } })
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake).toEqual({ pow: 1 })
    const mined = alice.send('orders', { payload: { kind: 'ids', ids: [FIXTURE_ORDER] }, pow: 12 })
    expect((await alice.answer(mined)).action).toBe('cant-do')
  })

  test('DEC-02: an event of a transport that is switched off is dropped, and of one that is on it is answered', async () => {
    const { world, alice } = await open({ settings: { transports: [2] } })
    alice.nextKey()
    const id = alice.wrap('cancel', { id: FIXTURE_ORDER, requestId: 1n, transport: 1 })
    world.relays[0]?.core.inject({ ...id, kind: 1059 })
    await world.clock.advance(LISTEN_MS)
    expect(alice.heard).toEqual([])
    await world.close()
    const both = await open()
    both.alice.nextKey()
    expect((await both.alice.answer(both.alice.send('cancel', { id: FIXTURE_ORDER, transport: 1 }))).action).toBe(
      'cant-do',
    )
  })

  test('a tampered signature is refused, and does not keep the true event out', async () => {
    const { world, alice } = await open()
    alice.nextKey()
    const event = alice.wrap('cancel', { id: FIXTURE_ORDER, requestId: 7n })
    world.relays[0]?.core.inject({ ...event, sig: '0'.repeat(128) })
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake).toEqual({ signature: 1 })
    world.relays[0]?.core.forget(event.id)
    alice.publish(event)
    expect((await alice.answer(7n)).action).toBe('cant-do')
  })

  test('a replayed event is handled once, by whatever relay and however often it comes', async () => {
    const { world, alice } = await open({ relays: 3 })
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    const event = alice.wrap('cancel', { id, requestId: 7n })
    alice.publish(event)
    await alice.hears('canceled', id)
    for (const relay of world.relays) relay.core.replay({ ids: [event.id] })
    await world.clock.advance(LISTEN_MS)
    expect(alice.actions()).toEqual(['new-order', 'canceled'])
  })

  test('an unknown key must prove the work of a first contact; a key in a trade need not', async () => {
    const { world, alice, bob } = await open({ settings: { powFirstContact: 10 } })
    alice.nextKey()
    alice.send('cancel', { id: FIXTURE_ORDER })
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake).toEqual({ 'first-contact': 1 })
    const trade = await sellTradeAt(world, 'success', alice, bob, { make: { pow: 10 }, take: { pow: 10 } })
    alice.send('rate-user', { id: trade.id, payload: { kind: 'rating_user', rating: 5 } })
    await alice.hears('rate-received', trade.id)
  })

  test('DEC-02: every gift wrap must prove the work of a first contact, for its author is a throw-away key', async () => {
    const { world, alice } = await open({ settings: { powFirstContact: 10 } })
    const id = await alice.makes({ kind: 'sell', amount: 5000n }, { pow: 10 })
    alice.send('cancel', { id, transport: 1 })
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake['first-contact']).toBe(1)
    expect(world.standing(id)).toBe('pending')
    alice.send('cancel', { id, transport: 1, pow: 10 })
    await alice.hears('canceled', id)
  })

  test('content that was not written for the node is junk', async () => {
    const { world, alice } = await open()
    alice.nextKey()
    const good = alice.wrap('cancel', { id: FIXTURE_ORDER, requestId: 1n })
    const { id: _, sig: __, pubkey, ...template } = good
    const event = signEvent(
      { ...template, content: 'AAAA' },
      alice.secretKey(1),
      pubkey,
      new Uint8Array(32),
      world.curves,
    )
    alice.publish(event)
    await world.clock.advance(LISTEN_MS)
    expect(world.engine?.status().intake).toEqual({ unopened: 1 })
    expect(alice.heard).toEqual([])
  })

  test('DEC-03: a message of eleven seconds is not stale', async () => {
    const { world, alice } = await open()
    const id = await alice.makes({ kind: 'sell', amount: 5000n })
    alice.send('cancel', { id, createdAtS: Math.floor(world.clock.nowMs() / 1000) - 11 })
    await alice.hears('canceled', id)
  })
})
