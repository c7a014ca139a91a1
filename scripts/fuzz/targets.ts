/**
 * What is fuzzed: every reader of strangers' bytes, with stand-ins for the curve so that millions of inputs are quick; and
 * the curves themselves.
 */
import { readFileSync } from 'node:fs'
import { bech32 } from '@scure/base'
import { assert } from '../../src/core/assert.ts'
import { decodeBolt11, readBolt11 } from '../../src/wire/bolt11.ts'
import { checkEventShape, eventId, verifyEvent } from '../../src/wire/event.ts'
import { bytesToHex, sha256 } from '../../src/wire/hex.ts'
import { readJson } from '../../src/wire/json.ts'
import { checkPayload, parseMessage, serializeMessage } from '../../src/wire/message.ts'
import { ConversationKeyCache, conversationKey, decrypt, encrypt } from '../../src/wire/nip44.ts'
import { openInbound, wrapForNode } from '../../src/wire/transport.ts'
import { standInCurves as curves } from '../../test/support/stand-in-curves.ts'
import { wireExamples, wireInvalid } from '../../test/support/wire-fixtures.ts'
import { curves as curvesTarget } from './curves.ts'
import type { Dice } from './dice.ts'
import { mutate, mutateWords } from './mutate.ts'

export type Target = {
  readonly name: string
  /** How many inputs a whole run takes, where one costs milliseconds. */
  readonly inputs?: number
  /** The input that these dice make. */
  readonly make: (dice: Dice) => string
  /** Reads it; true when it was accepted. A throw is a bug. */
  readonly run: (input: string) => boolean
}

const messages = [...wireExamples, ...wireInvalid.filter(({ level }) => level === 'message')].map(({ json }) => json)

const message: Target = {
  name: 'message',
  make: (dice) => mutate(messages, dice),
  run(input) {
    const first = parseMessage(input)
    if (!first.ok) return false
    checkPayload(first.value)
    const canonical = serializeMessage(first.value)
    const second = parseMessage(canonical)
    assert(second.ok && serializeMessage(second.value) === canonical, 'the canonical form is not stable')
    return true
  },
}

const json: Target = {
  name: 'json',
  make: (dice) => mutate(messages, dice),
  run(input) {
    if (!readJson(input).ok) return false
    // Whatever the strict reader takes, the platform's takes too.
    JSON.parse(input)
    return true
  },
}

const keyOf = (name: string) => {
  const secretKey = sha256(name)
  return { secretKey, pubkey: curves.publicKey(secretKey), curves }
}
const node = { ...keyOf('node'), keys: new ConversationKeyCache(16) }
const [trade, identity, throwAway] = [keyOf('trade'), keyOf('identity'), keyOf('throw-away')]
const createdAtS = 1_785_000_000
const fixedNonce = sha256('nonce')

const events = wireExamples.flatMap(({ json: text }) => {
  const parsed = parseMessage(text)
  assert(parsed.ok, 'an example does not parse')
  return ([1, 2] as const).map((transport) => {
    const plan = { transport, message: parsed.value, createdAtS, pow: 0, random: () => fixedNonce, curves }
    const keys = { tradeSecretKey: trade.secretKey, identitySecretKey: identity.secretKey, nodePubkey: node.pubkey }
    return wrapForNode({ ...plan, ...keys })
  })
})
const eventTexts = events.map((event) => JSON.stringify({ ...event, content: event.content.slice(0, 200) }))

const event: Target = {
  name: 'event',
  make: (dice) => mutate(eventTexts, dice),
  run(input) {
    let value: unknown
    try {
      value = JSON.parse(input)
    } catch {
      return false
    }
    const shape = checkEventShape(value)
    if (!shape.ok) return false
    verifyEvent(shape.value, curves)
    return true
  },
}

const tuples = (length: 2 | 3): readonly string[] =>
  wireExamples.map(({ json: text }) => {
    const signature = bytesToHex(curves.sign(sha256(text), trade.secretKey, fixedNonce))
    const digest = sha256(`mostro-transport-v2-identity:${trade.pubkey}:${text}`)
    const proof = `["${identity.pubkey}","${bytesToHex(curves.sign(digest, identity.secretKey, fixedNonce))}"]`
    return length === 2 ? `[${text},"${signature}"]` : `[${text},"${signature}",${proof}]`
  })

const directKey = conversationKey(curves, trade.secretKey, node.pubkey)
const sealKey = conversationKey(curves, identity.secretKey, node.pubkey)
const wrapKey = conversationKey(curves, throwAway.secretKey, node.pubkey)

/** An outer event as `openInbound` gets it; that it was verified before is not what is fuzzed here. */
const outer = (kind: number, pubkey: string, content: string) =>
  ({ id: '', sig: '', pubkey, created_at: createdAtS, kind, tags: [], content }) as const

const direct: Target = (() => {
  const examples = tuples(3)
  return {
    name: 'direct',
    make: (dice) => mutate(examples, dice),
    run(input) {
      if (input === '') return false
      return openInbound(outer(14, trade.pubkey, encrypt(input, directKey, fixedNonce)), node).ok
    },
  }
})()

/** A seal with a right id and signature around whatever text. */
function sealAround(rumorJson: string): string {
  const template = { kind: 13, created_at: createdAtS, tags: [], content: encrypt(rumorJson, sealKey, fixedNonce) }
  const id = eventId(template, identity.pubkey)
  const sig = bytesToHex(curves.sign(Buffer.from(id, 'hex'), identity.secretKey, fixedNonce))
  return JSON.stringify({ id, pubkey: identity.pubkey, ...template, sig })
}

/** Damage to the tuple, to the rumor around it or to the seal around that; the first character says to which. */
const giftWrap: Target = (() => {
  const contents = tuples(2)
  const rumorAround = (content: string) =>
    JSON.stringify({ pubkey: trade.pubkey, created_at: createdAtS, kind: 1, tags: [], content })
  const rumors = contents.map(rumorAround)
  const seals = rumors.map(sealAround)
  return {
    name: 'gift-wrap',
    make(dice) {
      const layer = dice.below(3)
      return `${layer}${mutate([contents, rumors, seals][layer] ?? contents, dice)}`
    },
    run(input) {
      const text = input.slice(1)
      if (text === '') return false
      const seal = input[0] === '0' ? sealAround(rumorAround(text)) : input[0] === '1' ? sealAround(text) : text
      return openInbound(outer(1059, throwAway.pubkey, encrypt(seal, wrapKey, fixedNonce)), node).ok
    },
  }
})()

const nip44: Target = (() => {
  const payloads = messages.map((text) => encrypt(text, directKey, fixedNonce))
  return {
    name: 'nip44',
    make: (dice) => mutate(payloads, dice),
    run: (input) => decrypt(input, directKey).ok,
  }
})()

const bolt11: Target = (() => {
  const fixture = new URL('../../test/wire/fixtures/bolt11.json', import.meta.url)
  const examples: readonly { readonly request: string }[] = JSON.parse(readFileSync(fixture, 'utf8')).valid
  const requests = examples.map(({ request }) => request)
  const decoded = requests.map((request) => bech32.decode(request as `${string}1${string}`, false))
  const prefixes = decoded.map(({ prefix }) => prefix)
  const words = decoded.map((invoice) => invoice.words)
  /** Of the readable ones, one in so many is checked to the end, which costs milliseconds of curve arithmetic. */
  const rarity = 1_024
  return {
    name: 'bolt11',
    make(dice) {
      if (dice.below(4) === 0) return mutate(requests, dice)
      const prefix = dice.below(4) === 0 ? mutate(prefixes, dice).replace(/[^\x21-\x7e]/g, '') : dice.pick(prefixes)
      return bech32.encode(prefix.toLowerCase() || 'ln', [...mutateWords(words, dice)], false)
    },
    run(input) {
      const invoice = readBolt11(input)
      if (!invoice.ok) return false
      const [high = 0, low = 0] = invoice.value.digest
      if ((high * 256 + low) % rarity === 0) decodeBolt11(input)
      return true
    },
  }
})()

/** Everything that reads what strangers send. */
export const targets: readonly Target[] = [message, json, event, direct, giftWrap, nip44, bolt11, curvesTarget]
