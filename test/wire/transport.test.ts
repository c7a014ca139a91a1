import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NostrEvent, Transport } from '../../src/core/protocol.ts'
import { type Curves, portableCurves } from '../../src/wire/curves.ts'
import { eventId, leadingZeroBits, signEvent, verifyEvent } from '../../src/wire/event.ts'
import { bytesToHex, sha256 } from '../../src/wire/hex.ts'
import { parseMessage, serializeMessage } from '../../src/wire/message.ts'
import { ConversationKeyCache, conversationKey, decrypt, encrypt } from '../../src/wire/nip44.ts'
import { type OpenStage, openFromNode, openInbound, wrapForNode, wrapForTrader } from '../../src/wire/transport.ts'
import { standInCurves } from '../support/stand-in-curves.ts'
import { anyMessage } from '../support/wire-arbitraries.ts'
import { wireExamples, wireInvalid } from '../support/wire-fixtures.ts'
import { identityKey, nodeKey, otherTradeKey, tradeKey } from '../support/wire-keys.ts'

const messageJson =
  '{"order":{"version":2,"request_id":18446744073709551615,"trade_index":1,"id":"308e1272-d5f4-47e6-bd97-3504baea9c23","action":"take-sell","payload":{"amount":15}}}'

function messageOf(json: string) {
  const message = parseMessage(json)
  if (!message.ok) throw new Error(message.error)
  return message.value
}

const message = messageOf(messageJson)
const now = 1_785_000_000
const noAux = new Uint8Array(32)
const filled = (byte: number) => new Uint8Array(32).fill(byte)
const recipient = (curves: Curves = portableCurves) => ({ ...nodeKey, curves, keys: new ConversationKeyCache() })

let drawn = 0
const random = (bytes: number): Uint8Array => sha256(`random ${drawn++}`).slice(0, bytes)

const fromTrader = {
  message,
  tradeSecretKey: tradeKey.secretKey,
  identitySecretKey: identityKey.secretKey,
  nodePubkey: nodeKey.pubkey,
  createdAtS: now,
  pow: 0,
  random,
}

function opened(event: NostrEvent, curves: Curves = portableCurves) {
  const inbound = openInbound(event, recipient(curves))
  if (!inbound.ok) throw new Error(`${inbound.error.stage}: ${inbound.error.why}`)
  return inbound.value
}

/** What the test vector fixes (wire.md 5.3). */
const vector = {
  tradeSignature:
    'f30fa93fb666bec323da26af9670b49c0ad12299fe5d4c9d9fb7d9a5dfa899ed2c0fd50d2e4f1e542442fe58212880f873420a73616a568f4c3bfe480c05cc39',
  identitySignature:
    'f816be2ae6b3542cc02f3861850c25cac5bb051e6432142c5ed4f54735bcb808e21519ab3bed68269a7d5c37e2aeca7c44a0430b8a16bde48c4fecbc5006dd85',
  content:
    'AgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBRP4XTMGWNdvQAkuFoPAYEJddEpjZfYkK8M5GB7Gw2YsGnnl5gDxoZll7y6WVwQ2RlOzex3hCLY5Yf8Il//N2N2kpJAE3laOUKVQIQKsevLx5CuK1Fkvgf7btc3KQYwUkq2dbjod9mcEAy31bhwvpFUnFgHQeWv+XJJdygFUGnQyCbdrOXQPXdE+dsxW1g4ekn84QkB1vVkXTUEZu5frAhBOgezkXGM8mEbp03zFyZicwNEaiZe0p0X0yDJrrOlRQ8SJAa98/GwSu8XE+JFcjL9QN05wp8qTRfrXTLb8mmiwVWDwqP5h1etFWLCq0ZJHTa5A1VSaFh9RVTtexauou7Y+A/KZVk4Rj8prDbsE6DvMsvmAZx9sRZ3XHTFdTcJnGtyIfsWPp6ziGXMvF2E57kIbgDil8Ug4Cb3kZwCIq1lP9LvW+ynZ2JYpOOXo4299f2lYdmRuan/5ZD6TpvbmWXhKhtXiiQRERW1V2xWkaqezWIkP87ycRZViZOeWHP35RtFAhjjNRnhLrpOs8KSlD76lpTuzwnS9uTqiPjc6BFMJvUhkQDBoILsOU/9DXkXrCRBD/CgkgSAXbTTwCvSXAafxJEZv7Ydl7KCgtBtX9K6O9FzkvmEsli7Fm1aP73Rj4/x5WS0tLND9GwynE9AuBK+h6511UKfW5xU9+uRhcd4T0gpIudGizGd3I81YmKn2y6u71E+YRkItHRkLcAQELu7X3',
}

describe('The test vector of the protocol', () => {
  test('gives the same hash and signatures', () => {
    expect(serializeMessage(message)).toBe(messageJson)
    expect(bytesToHex(sha256(messageJson))).toBe('648c0833bc4094a93ef21704abf028e3cbc89e650c84c38286b0ff1d4fe8a306')
    const proven = sha256(`mostro-transport-v2-identity:${tradeKey.pubkey}:${messageJson}`)
    expect(bytesToHex(proven)).toBe('ce8cb3f0d129fab22ff4e79287fc21f6c4ccf60e2c489a834f7c43248a147d2c')
    expect(bytesToHex(portableCurves.sign(sha256(messageJson), tradeKey.secretKey, noAux))).toBe(vector.tradeSignature)
    expect(bytesToHex(portableCurves.sign(proven, identityKey.secretKey, noAux))).toBe(vector.identitySignature)
  })

  test('is what a client of ours sends, byte for byte', () => {
    const draws = [noAux, noAux, filled(1), noAux]
    const event = wrapForNode({ ...fromTrader, transport: 2, random: () => draws.shift() ?? filled(9) })
    expect(event.content).toBe(vector.content)
    expect(verifyEvent(event, portableCurves)).toBe(true)
    expect(decrypt(event.content, conversationKey(portableCurves, nodeKey.secretKey, tradeKey.pubkey))).toEqual({
      ok: true,
      value: `[${messageJson},"${vector.tradeSignature}",["${identityKey.pubkey}","${vector.identitySignature}"]]`,
    })
  })
})

describe.each<Transport>([1, 2])('A message to the node on transport %i', (transport) => {
  const plan = { ...fromTrader, transport }

  test('arrives with its trade key, its identity and its inner time', () => {
    const event = wrapForNode(plan)
    expect(verifyEvent(event, portableCurves)).toBe(true)
    expect(opened(event)).toEqual({
      transport,
      outerId: event.id,
      innerId: transport === 2 ? event.id : expect.stringMatching(/^[0-9a-f]{64}$/),
      sender: tradeKey.pubkey,
      identity: identityKey.pubkey,
      signed: true,
      createdAtS: now,
      message,
      canonicalJson: messageJson,
    })
  })

  test('in full privacy stands for its trade key alone', () => {
    const inbound = opened(wrapForNode({ ...plan, identitySecretKey: null }))
    expect(inbound).toMatchObject({ sender: tradeKey.pubkey, identity: tradeKey.pubkey, signed: true })
  })

  test('from a solver has one key for both', () => {
    const inbound = opened(wrapForNode({ ...plan, identitySecretKey: tradeKey.secretKey }))
    expect(inbound).toMatchObject({ sender: tradeKey.pubkey, identity: tradeKey.pubkey, signed: true })
  })

  test('may come from the node itself', () => {
    const inbound = opened(wrapForNode({ ...plan, tradeSecretKey: nodeKey.secretKey, identitySecretKey: null }))
    expect(inbound).toMatchObject({ sender: nodeKey.pubkey, identity: nodeKey.pubkey })
  })

  test('carries the proof of work that the node asks for', () => {
    const event = wrapForNode({ ...plan, pow: 6 })
    expect(leadingZeroBits(event.id)).toBeGreaterThanOrEqual(6)
    expect(opened(event).message).toEqual(message)
  })

  test('costs as few curve operations as it can', () => {
    const event = wrapForNode(plan)
    const counts = { verify: 0, ecdhX: 0 }
    const counting: Curves = {
      ...portableCurves,
      verify: (...input) => {
        counts.verify += 1
        return portableCurves.verify(...input)
      },
      ecdhX: (...input) => {
        counts.ecdhX += 1
        return portableCurves.ecdhX(...input)
      },
    }
    const node = recipient(counting)
    openInbound(event, node)
    expect(counts).toEqual({ verify: 2, ecdhX: transport === 1 ? 2 : 1 })
    openInbound(event, node)
    expect(counts).toEqual({ verify: 4, ecdhX: transport === 1 ? 3 : 1 })
    expect(node.keys.size).toBe(1)
  })

  test('is not for anybody else', () => {
    const event = wrapForNode({ ...plan, nodePubkey: otherTradeKey.pubkey })
    expect(openInbound(event, recipient())).toMatchObject({ ok: false, error: { stage: 'decrypt' } })
  })

  test('arrives whatever it says', () => {
    const anyIdentity = fc.constantFrom(identityKey.secretKey, tradeKey.secretKey, null)
    fc.assert(
      fc.property(anyMessage, anyIdentity, (any, identitySecretKey) => {
        const inbound = opened(
          wrapForNode({
            ...plan,
            message: any,
            identitySecretKey,
            nodePubkey: standInCurves.publicKey(nodeKey.secretKey),
            curves: standInCurves,
          }),
          standInCurves,
        )
        expect(inbound.message).toEqual(any)
        expect(inbound.identity).toBe(standInCurves.publicKey(identitySecretKey ?? tradeKey.secretKey))
      }),
      { numRuns: 1_000 },
    )
  })
})

describe.each<Transport>([1, 2])('A message from the node on transport %i', (transport) => {
  const derive = (label: string) => sha256(`message 1: ${label}`)
  const plan = {
    ...recipient(),
    transport,
    body: messageJson,
    recipient: tradeKey.pubkey,
    createdAtS: now,
    expirationS: now + 2_592_000,
    derive,
  }
  const event = wrapForTrader(plan)

  test('reaches the trader, proven to be by the node', () => {
    expect(openFromNode(event, tradeKey.secretKey, nodeKey.pubkey)).toEqual({
      ok: true,
      value: { transport, message, createdAtS: now },
    })
  })

  test('has the tags of its transport', () => {
    const to = ['p', tradeKey.pubkey]
    expect(event.tags).toEqual(transport === 1 ? [to] : [to, ['expiration', String(now + 2_592_000)]])
    expect(event.kind).toBe(transport === 1 ? 1059 : 14)
  })

  test('is the same event when it is wrapped again', () => {
    expect(wrapForTrader({ ...plan, ...recipient() })).toEqual(event)
  })

  test('is another event, under other keys and nonces, when anything differs', () => {
    const other = wrapForTrader({ ...plan, derive: (label) => sha256(`message 2: ${label}`) })
    expect(other.id).not.toBe(event.id)
    expect(other.content.slice(0, 40)).not.toBe(event.content.slice(0, 40))
    expect(other.pubkey === event.pubkey).toBe(transport === 2)
  })

  test('derives something of its own for every purpose', () => {
    const labels: string[] = []
    wrapForTrader({
      ...plan,
      derive: (label) => {
        labels.push(label)
        return derive(label)
      },
    })
    expect(new Set(labels).size).toBe(labels.length)
    expect(labels.length).toBe(transport === 1 ? 7 : 2)
  })

  test('shows a time up to two days back on transport 1 and the real one on transport 2', () => {
    expect(event.created_at).toBeLessThanOrEqual(now)
    expect(event.created_at).toBeGreaterThanOrEqual(transport === 1 ? now - 172_800 : now)
  })

  test('means nothing to another trader', () => {
    const result = openFromNode(event, otherTradeKey.secretKey, nodeKey.pubkey)
    expect(result).toMatchObject({ ok: false, error: { stage: 'decrypt' } })
  })

  test('is not believed from somebody else', () => {
    const forged = wrapForTrader({ ...plan, ...otherTradeKey, keys: new ConversationKeyCache() })
    const result = openFromNode(forged, tradeKey.secretKey, nodeKey.pubkey)
    expect(result).toMatchObject({ ok: false, error: { stage: 'signature' } })
  })

  test('is not believed with a broken signature', () => {
    const result = openFromNode({ ...event, sig: '0'.repeat(128) }, tradeKey.secretKey, nodeKey.pubkey)
    expect(result).toMatchObject({ ok: false, error: { stage: 'signature' } })
  })

  test('can be addressed to the node itself', () => {
    const own = wrapForTrader({ ...plan, recipient: nodeKey.pubkey })
    expect(own.tags[0]).toEqual(['p', nodeKey.pubkey])
    expect(openFromNode(own, nodeKey.secretKey, nodeKey.pubkey).ok).toBe(true)
  })

  test('carries every message that the node sends', () => {
    const curves = standInCurves
    const node = { secretKey: nodeKey.secretKey, pubkey: curves.publicKey(nodeKey.secretKey), curves }
    const keys = new ConversationKeyCache()
    for (const { json } of wireExamples) {
      const wrapped = wrapForTrader({
        ...plan,
        ...node,
        keys,
        body: json,
        recipient: curves.publicKey(tradeKey.secretKey),
      })
      const result = openFromNode(wrapped, tradeKey.secretKey, node.pubkey, { curves, keys })
      expect(result.ok && serializeMessage(result.value.message)).toBe(json)
    }
  })
})

test('A message that no payload can hold is not sent', () => {
  const body = `{"dm":{"version":2,"request_id":null,"trade_index":null,"action":"send-dm","payload":{"text_message":"${'x'.repeat(70_000)}"}}}`
  const plan = {
    transport: 2,
    body,
    recipient: tradeKey.pubkey,
    createdAtS: now,
    expirationS: now,
    derive: sha256,
  } as const
  expect(() => wrapForTrader({ ...recipient(), ...plan })).toThrow('can not encrypt')
})

/** An honest event of either transport around whatever tuple. */
function around(
  tuple: string,
  transport: Transport,
  {
    sealKind = 13,
    rumorKind = 1,
    seal = (honest: NostrEvent): object => honest,
    rumor = (honest: object): object => honest,
    sealer = identityKey,
  } = {},
): NostrEvent {
  const curves = portableCurves
  if (transport === 2) {
    const content = encrypt(tuple, conversationKey(curves, tradeKey.secretKey, nodeKey.pubkey), filled(1))
    const template = { kind: 14, created_at: now, tags: [['p', nodeKey.pubkey]], content }
    return signEvent(template, tradeKey.secretKey, tradeKey.pubkey, noAux, curves)
  }
  const honestRumor = { pubkey: tradeKey.pubkey, created_at: now, kind: rumorKind, tags: [], content: tuple }
  const sealKey = conversationKey(curves, sealer.secretKey, nodeKey.pubkey)
  const honestSeal = signEvent(
    {
      kind: sealKind,
      created_at: now - 100,
      tags: [],
      content: encrypt(JSON.stringify(rumor(honestRumor)), sealKey, filled(1)),
    },
    sealer.secretKey,
    sealer.pubkey,
    noAux,
    curves,
  )
  const wrapKey = conversationKey(curves, otherTradeKey.secretKey, nodeKey.pubkey)
  const content = encrypt(JSON.stringify(seal(honestSeal)), wrapKey, filled(2))
  const template = { kind: 1059, created_at: now - 200, tags: [['p', nodeKey.pubkey]], content }
  return signEvent(template, otherTradeKey.secretKey, otherTradeKey.pubkey, noAux, curves)
}

const tuples = wireInvalid.filter(({ level }) => level === 'tuple-v1' || level === 'tuple-v2')
const transportOf = (level: string): Transport => (level === 'tuple-v1' ? 1 : 2)

function withValidProof(tuple: string): string {
  if (!tuple.includes('<valid proof>')) return tuple
  const json = tuple.slice(1, tuple.indexOf(',null,['))
  const digest = sha256(`mostro-transport-v2-identity:${tradeKey.pubkey}:${json}`)
  return tuple.replace('<valid proof>', bytesToHex(portableCurves.sign(digest, identityKey.secretKey, noAux)))
}

describe('A bad tuple', () => {
  test.each(tuples)('is refused where the reference refuses it: $name', ({ json, level, stage }) => {
    const result = openInbound(around(withValidProof(json), transportOf(level)), recipient())
    expect(result).toMatchObject({ ok: false, error: { stage } })
  })

  const signature = vector.tradeSignature
  const proof = `["${identityKey.pubkey}","${vector.identitySignature}"]`

  test.each<[string, Transport, string, OpenStage]>([
    ['a tuple of the other transport', 1, `[${messageJson},"${signature}",null]`, 'parse'],
    ['a tuple of the other transport', 2, `[${messageJson},"${signature}"]`, 'parse'],
    ['something behind the tuple', 2, `[${messageJson},"${signature}",null] x`, 'parse'],
    ['a signature that is a number', 2, `[${messageJson},5,null]`, 'parse'],
    [
      'a signature over another message',
      2,
      `[${messageJson.replace(':15}', ':16}')},"${signature}",null]`,
      'signature',
    ],
    ['a signature of another key', 2, `[${messageJson},"${vector.identitySignature}",null]`, 'signature'],
    ['a signature that is no hex', 2, `[${messageJson},"${'z'.repeat(128)}",null]`, 'signature'],
    ['a proof that is no hex', 2, `[${messageJson},"${signature}",["z","z"]]`, 'signature'],
    ['a proof for another message', 2, `[${messageJson.replace(':15}', ':16}')},null,${proof}]`, 'signature'],
  ])('is refused: %s on transport %i', (_what, transport, tuple, stage) => {
    expect(openInbound(around(tuple, transport), recipient())).toMatchObject({ ok: false, error: { stage } })
  })

  test('with an identity proof of another trade key is refused', () => {
    const digest = sha256(`mostro-transport-v2-identity:${otherTradeKey.pubkey}:${messageJson}`)
    const grafted = bytesToHex(portableCurves.sign(digest, identityKey.secretKey, noAux))
    const tuple = `[${messageJson},"${signature}",["${identityKey.pubkey}","${grafted}"]]`
    expect(openInbound(around(tuple, 2), recipient())).toMatchObject({ ok: false, error: { stage: 'signature' } })
  })

  test('makes nothing throw', () => {
    const curves = standInCurves
    const own = { secretKey: nodeKey.secretKey, pubkey: curves.publicKey(nodeKey.secretKey), curves }
    const node = { ...own, keys: new ConversationKeyCache() }
    const sender = curves.publicKey(tradeKey.secretKey)
    const key = conversationKey(curves, own.secretKey, sender)
    const tuple = fc.constantFrom(`[${messageJson},"${signature}",${proof}]`, `[${messageJson},null,null]`)
    fc.assert(
      fc.property(tuple, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }), (text, at, inserted) => {
        const index = at % text.length
        const changed = text.slice(0, index) + inserted + text.slice(index + 1)
        const template = { kind: 14, created_at: now, tags: [], content: encrypt(changed, key, filled(1)) }
        openInbound({ ...template, id: eventId(template, sender), pubkey: sender, sig: '' }, node)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('What deployed clients send', () => {
  const signature = vector.tradeSignature

  test('is understood with spaces in the tuple, and with tags, an id and a signature on the rumor', () => {
    const event = around(`[${messageJson}, "${signature}"]`, 1, {
      rumor: (honest) => ({ ...honest, id: 'whatever', sig: '', tags: [['p', nodeKey.pubkey]] }),
    })
    expect(opened(event)).toMatchObject({
      sender: tradeKey.pubkey,
      identity: identityKey.pubkey,
      canonicalJson: messageJson,
    })
  })

  test('is understood without any signature in full privacy', () => {
    expect(opened(around(`[${messageJson},null,null]`, 2))).toMatchObject({ identity: tradeKey.pubkey, signed: false })
    expect(opened(around(`[${messageJson},null]`, 1, { sealer: tradeKey }))).toMatchObject({ signed: false })
  })

  test('is understood with upper-case hex in signature and proof', () => {
    const proof = `["${identityKey.pubkey.toUpperCase()}","${vector.identitySignature.toUpperCase()}"]`
    const event = around(`[${messageJson},"${signature.toUpperCase()}",${proof}]`, 2)
    expect(opened(event).identity).toBe(identityKey.pubkey)
  })

  test('is verified over the normal form, which unknown keys are no part of', () => {
    const written = messageJson.replace('"version":2', '"extra":1,"version":2')
    expect(opened(around(`[${written},"${signature}",null]`, 2)).canonicalJson).toBe(messageJson)
  })

  test('has one inner id however often it is wrapped', () => {
    const plan = { ...fromTrader, transport: 1 } as const
    const [first, second] = [wrapForNode(plan), wrapForNode(plan)]
    expect(first.id).not.toBe(second.id)
    const again = around(`[${messageJson},"${signature}"]`, 1)
    expect(opened(again).innerId).toBe(
      eventId({ kind: 1, created_at: now, tags: [], content: `[${messageJson},"${signature}"]` }, tradeKey.pubkey),
    )
  })
})

describe('A bad event', () => {
  const good = `[${messageJson},"${vector.tradeSignature}"]`
  const entry = (name: string) => wireInvalid.find((invalid) => invalid.name === name)

  test('of too little work is seen by its id alone', () => {
    const { id } = JSON.parse(entry('event below pow')?.json ?? '')
    expect(leadingZeroBits(id)).toBe(0)
  })

  test('with a tampered signature does not verify', () => {
    const { sig } = JSON.parse(entry('event with tampered sig')?.json ?? '')
    expect(verifyEvent({ ...around(good, 2), sig }, portableCurves)).toBe(false)
  })

  test('of another kind is refused', () => {
    const result = openInbound({ ...around(good, 2), kind: 4 }, recipient())
    expect(result).toMatchObject({ ok: false, error: { stage: 'kind' } })
  })

  test.each<[string, OpenStage, Parameters<typeof around>[2]]>([
    ['a seal of another kind', 'unwrap', { sealKind: 1 }],
    ['a rumor of another kind', 'unwrap', { rumorKind: 14 }],
    ['a seal whose signature is not its own', 'signature', { seal: (seal) => ({ ...seal, sig: '1'.repeat(128) }) }],
    ['a seal with another id', 'signature', { seal: (seal) => ({ ...seal, id: '1'.repeat(64) }) }],
    ['a seal in another name', 'signature', { seal: (seal) => ({ ...seal, pubkey: tradeKey.pubkey }) }],
    ['a seal without a signature', 'unwrap', { seal: ({ sig: _, ...seal }) => seal }],
    ['a seal that is a list', 'unwrap', { seal: (seal) => [seal] }],
    ['a rumor without an author', 'unwrap', { rumor: (rumor) => ({ ...rumor, pubkey: undefined }) }],
    ['a rumor in another name', 'signature', { rumor: (rumor) => ({ ...rumor, pubkey: otherTradeKey.pubkey }) }],
    ['a rumor with a tuple that is not text', 'unwrap', { rumor: (rumor) => ({ ...rumor, content: [] }) }],
  ])('is refused: a gift wrap with %s', (_what, stage, change) => {
    expect(openInbound(around(good, 1, change), recipient())).toMatchObject({ ok: false, error: { stage } })
  })

  test.each([14, 1059])('of kind %i whose content nobody can read is refused', (kind) => {
    const { content } = JSON.parse(entry('undecryptable content')?.json ?? '')
    const result = openInbound({ ...around(good, 2), kind, content }, recipient())
    expect(result).toMatchObject({ ok: false, error: { stage: 'decrypt' } })
  })

  test('whose gift wrap holds no JSON is refused', () => {
    const wrapKey = conversationKey(portableCurves, nodeKey.secretKey, otherTradeKey.pubkey)
    const event = { ...around(good, 1), content: encrypt('{', wrapKey, filled(3)) }
    expect(openInbound(event, recipient())).toMatchObject({ ok: false, error: { stage: 'unwrap' } })
  })
})
