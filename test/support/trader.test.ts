import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/adapters/system/clock.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import { orderEvent } from '../../src/wire/public-events.ts'
import { MNEMONIC, ORDER } from '../client/client-world.ts'
import { announcement, ScriptedNode } from '../client/scripted-node.ts'
import { at, Trader, type TraderOptions } from './trader.ts'
import { parseJson, plain, writeJson } from './trader-json.ts'
import { judgeAnswer, judgeMessage, judgePublicEvent, STRICT_CLIENTS } from './trader-strictness.ts'
import { wireExamples } from './wire-fixtures.ts'
import { identityKey, nodeKey, tradeKey } from './wire-keys.ts'

const toTraders = wireExamples.filter(
  ({ direction, name }) =>
    direction === 'daemon->client' && !/cashu|timeout/.test(name) && !name.includes('protocol v1'),
)

const example = (name: string): string => {
  const found = wireExamples.find((entry) => entry.name === name)
  if (found === undefined) throw new Error(`no example: ${name}`)
  return found.json
}

describe("what deployed clients make of a node's message", () => {
  it.each(toTraders)('nothing is wrong with the example $name', ({ json }) => {
    expect(judgeMessage(parseJson(json), 2)).toEqual([])
  })

  it.each([
    {
      is: 'an unknown action',
      from: 'canceled to requester',
      change: ['"canceled"', '"cancelled"'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'an unknown reason',
      from: 'cant-do with order id',
      change: ['not_allowed_by_status', 'nope'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a reason of after its time',
      from: 'cant-do with order id',
      change: ['not_allowed_by_status', 'price_too_stale'],
      by: ['mobile'],
    },
    { is: 'a message for solvers', from: 'canceled to requester', change: ['{"order"', '{"dispute"'], by: ['mobile'] },
    { is: 'an unknown status', from: 'new-order ack fixed', change: ['"pending"', '"open"'], by: STRICT_CLIENTS },
    {
      is: "an order that waits for the maker's bond",
      from: 'new-order ack fixed',
      change: ['"pending"', '"waiting-maker-bond"'],
      by: ['mobile'],
    },
    {
      is: 'a new field of an order',
      from: 'new-order ack fixed',
      change: ['"premium"', '"role":"x","premium"'],
      by: STRICT_CLIENTS,
    },
    { is: 'an amount with a point', from: 'new-order ack fixed', change: ['7851', '7851.0'], by: STRICT_CLIENTS },
    { is: 'an amount in quotes', from: 'new-order ack fixed', change: ['7851', '"7851"'], by: STRICT_CLIENTS },
    { is: 'a negative amount', from: 'new-order ack fixed', change: ['7851', '-1'], by: ['mobile'] },
    {
      is: 'bounds in the wrong order',
      from: 'new-order ack range',
      change: ['"min_amount":10', '"min_amount":30'],
      by: ['mobile'],
    },
    { is: 'no kind', from: 'new-order ack fixed', change: ['"kind":"sell"', '"kind":null'], by: ['mobile'] },
    { is: 'a short trade key', from: 'buyer-took-order to seller', change: ['1c71f0a2', ''], by: STRICT_CLIENTS },
    { is: 'a short peer key', from: 'fiat-sent-ok to seller', change: ['1c71f0a2', ''], by: ['mobile'] },
    { is: 'a missing peer key', from: 'fiat-sent-ok to seller', change: ['"pubkey"', '"key"'], by: STRICT_CLIENTS },
    {
      is: 'a payment request of two',
      from: 'pay-invoice to seller',
      change: [',null]}}}', ']}}}'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a request id beyond u64',
      from: 'canceled to requester',
      change: ['15823071447026450311', '18446744073709551616'],
      by: STRICT_CLIENTS,
    },
    { is: 'an id that is no UUID', from: 'canceled to requester', change: ['308e1272', 'order'], by: STRICT_CLIENTS },
    {
      is: 'the version of the other transport',
      from: 'canceled to requester',
      change: ['"version":2', '"version":1'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a dispute without its second slot',
      from: 'dispute-initiated-by-you',
      change: [',null]', ']'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a restored index in quotes',
      from: 'restore-session response',
      change: ['"trade_index":3', '"trade_index":"3"'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a restored order in an unknown status',
      from: 'restore-session response',
      change: ['"fiat-sent"', '"fiatsent"'],
      by: STRICT_CLIENTS,
    },
    { is: 'a last index of null', from: 'last-trade-index response', change: ['42', 'null'], by: ['mobile'] },
    {
      is: 'attempts that are no number',
      from: 'payment-failed',
      change: ['"payment_attempts":2', '"payment_attempts":-2'],
      by: STRICT_CLIENTS,
    },
    {
      is: 'a payload out of place',
      from: 'rate',
      change: ['"payload":null', '"payload":{"orders":[]}'],
      by: ['mobile'],
    },
    {
      is: 'an unknown payload',
      from: 'rate',
      change: ['"payload":null', '"payload":{"hint":"x"}'],
      by: STRICT_CLIENTS,
    },
  ] as const)('$is is found', ({ from, change: [former, other], by }) => {
    const json = example(from)
    const broken = json.replace(former, other)
    expect(broken).not.toBe(json)
    const clients = judgeMessage(parseJson(broken), 2).flatMap((violation) => violation.clients)
    expect(new Set(clients)).toEqual(new Set(by))
  })

  const sent = { action: 'release', id: ORDER, requestId: 7n }

  it.each([
    { got: { action: 'hold-invoice-payment-settled', id: ORDER, requestId: 7n }, asks: sent, by: [] },
    { got: { action: 'hold-invoice-payment-settled', id: ORDER, requestId: null }, asks: sent, by: [] },
    {
      got: { action: 'hold-invoice-payment-settled', id: ORDER, requestId: 8n },
      asks: sent,
      by: ['mostro-cli', 'mostrix'],
    },
    { got: { action: 'cant-do', id: ORDER, requestId: null }, asks: sent, by: ['mostro-cli', 'mostrix'] },
    { got: { action: 'cant-do', id: null, requestId: 7n }, asks: sent, by: ['mobile'] },
    { got: { action: 'canceled', id: ORDER, requestId: null }, asks: { ...sent, action: 'cancel' }, by: ['mostrix'] },
    {
      got: { action: 'restore-session', id: null, requestId: null },
      asks: { ...sent, id: null, action: 'restore-session' },
      by: [],
    },
  ])(
    '$got.action with id $got.id and request id $got.requestId after $asks.action fails for $by',
    ({ asks, got, by }) => {
      const clients = judgeAnswer({ sent: asks, got }).flatMap((violation) => violation.clients)
      expect([...new Set(clients)]).toEqual(by)
    },
  )

  it('an info event is read by mobile only with every number in it', () => {
    const { kind, tags } = announcement()
    expect(judgePublicEvent({ kind, tags })).toEqual([])
    const without = tags.filter(([name]) => name !== 'pow')
    expect(judgePublicEvent({ kind, tags: without })).toEqual([
      { clients: ['mobile'], rule: 'pow of the info event is an integer' },
    ])
  })
})

describe("JSON of a test's own trader", () => {
  it('keeps numbers as they are written', () => {
    const text = '{"a":18446744073709551615,"b":5.0,"c":"1 \\"2\\" {3}","d":[-1,1e3],"e":null}'
    expect(writeJson(parseJson(text))).toBe(text)
    expect(plain(parseJson(text))).toEqual({ a: 2n ** 64n - 1n, b: 5, c: '1 "2" {3}', d: [-1n, 1000], e: null })
  })

  it.each(['[01]', '[1', '[1.]', '{"a":+1}'])('refuses %s', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError)
  })
})

describe("a test's own trader", () => {
  let relay: EmbeddedRelay
  let node: ScriptedNode
  let traders: readonly Trader[] = []

  const connect = async (options: Partial<TraderOptions> = {}): Promise<Trader> => {
    const trader = await Trader.connect({
      relayUrls: [relay.url],
      nodePubkey: nodeKey.pubkey,
      mnemonic: MNEMONIC,
      ...options,
    })
    traders = [...traders, trader]
    return trader
  }

  beforeEach(async () => {
    relay = await EmbeddedRelay.start({ clock: systemClock })
    node = await ScriptedNode.start(relay.url)
  })

  afterEach(async () => {
    // What a test has provoked is not held against it twice.
    for (const trader of traders) await trader.close().catch(() => {})
    traders = []
    await node.close()
    await relay.close()
  })

  it.each([
    { transport: 1, privacy: 'reputation', identity: identityKey.pubkey, tradeIndex: 1n },
    { transport: 2, privacy: 'reputation', identity: identityKey.pubkey, tradeIndex: 1n },
    { transport: 1, privacy: 'full', identity: tradeKey.pubkey, tradeIndex: null },
    { transport: 2, privacy: 'full', identity: tradeKey.pubkey, tradeIndex: null },
  ] as const)('is understood by the node over transport $transport in $privacy privacy', async (given) => {
    const { identity, tradeIndex, ...options } = given
    node.answer = () => [{ action: 'add-invoice' }]
    const trader = await connect({ ...options, pow: 4 })
    const sent = await trader.send('take-sell', { id: ORDER, payload: { amount: 15n } })
    const heard = await trader.answer(sent, 'add-invoice')
    expect(heard).toMatchObject({ id: ORDER, requestId: sent.requestId, transport: options.transport, key: 1 })
    expect(node.lastAsked).toMatchObject({ sender: tradeKey.pubkey, identity, canonicalJson: sent.json })
    expect(node.lastAsked.message.tradeIndex).toBe(tradeIndex)

    await trader.answer(await trader.resend(sent, { transport: 2 }), 'add-invoice')
    expect(node.asked.map(({ canonicalJson }) => canonicalJson)).toEqual([sent.json, sent.json])
    await trader.close()
  })

  it('fails by the rule that the node broke', async () => {
    const trader = await connect()
    await node.say(tradeKey.pubkey, {
      action: 'cant-do',
      outer: 'cant-do',
      payload: { kind: 'cant_do', reason: 'price_too_stale' },
    })
    await expect(trader.expect('cant-do')).rejects.toThrow('mobile would not accept this: it does not know the reason')
    await expect(trader.close()).rejects.toThrow('price_too_stale')
    const rust = await connect({ strictAs: ['mostro-cli', 'mostrix'] })
    expect(at((await rust.expect('cant-do')).payload, 'cant_do')).toBe('price_too_stale')
  })

  it('fails when another message than the answer comes first', async () => {
    const trader = await connect()
    node.answer = () => [{ action: 'rate', requestId: null }]
    const sent = await trader.send('release', { id: ORDER })
    await expect(trader.answer(sent, 'hold-invoice-payment-settled')).rejects.toThrow('but rate to key 1')
  })

  it('fails when the answer does not carry the request id', async () => {
    const trader = await connect()
    node.answer = () => [{ action: 'new-order', requestId: null, id: ORDER }]
    const sent = await trader.send('new-order')
    await expect(trader.answer(sent, 'new-order')).rejects.toThrow(
      'mostro-cli, mostrix would not accept this: new-order in answer to new-order echoes the request_id',
    )
  })

  it('is told the reason of a refusal', async () => {
    const trader = await connect()
    node.answer = () => [
      { outer: 'cant-do', action: 'cant-do', tradeIndex: null, payload: { kind: 'cant_do', reason: 'not_found' } },
    ]
    await trader.cantDo(await trader.send('cancel', { id: ORDER }), 'not_found')
    await expect(trader.cantDo(await trader.send('cancel', { id: ORDER }), 'invalid_peer')).rejects.toThrow(
      'cancel was refused for not_found, not invalid_peer',
    )
  })

  it('says what is unread when it waited in vain, and knows when there is nothing else', async () => {
    const trader = await connect()
    node.answer = () => [{ outer: 'restore', action: 'last-trade-index', tradeIndex: 1n }]
    await trader.nothingElse()
    await trader.silence(20)
    await node.say(tradeKey.pubkey, { action: 'rate', id: ORDER })
    await expect(trader.expect('released', {}, 200)).rejects.toThrow(
      `waited 200 ms for released; unread: rate to key 1 (order ${ORDER})`,
    )
    await expect(trader.nothingElse()).rejects.toThrow('the node also said rate')
  })

  it('reads the book, and publishes whatever it is given', async () => {
    const trader = await connect()
    await node.announce(announcement())
    await node.announce(
      orderEvent(
        {
          id: ORDER,
          kind: 'sell',
          status: 'success',
          fiatCode: 'VES',
          amountSats: 1,
          fiatAmount: 1,
          paymentMethod: 'cash',
          premium: 0,
          networks: [],
          expiresAtS: 1,
          retainedUntilS: 4_000_000_000,
        },
        { pubkey: nodeKey.pubkey, instanceName: null },
        1_785_000_000,
      ),
    )
    expect((await trader.inBook(ORDER, 'success')).kind).toBe(38383)
    expect((await trader.info()).kind).toBe(38385)
    await expect(trader.inBook(ORDER, 'pending', 20)).rejects.toThrow('it shows success')

    const { event } = await trader.prepare('cancel', { id: ORDER })
    const [verdict] = await trader.publish({ ...event, sig: '00'.repeat(64) })
    expect(verdict).toMatchObject({ accepted: false, url: relay.url })
  })
})
