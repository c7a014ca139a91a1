/** Events between a test's own trader and the node, by both transports, from published libraries alone (wire.md 5). */
import { createHash, randomBytes } from 'node:crypto'
import { schnorr } from '@noble/secp256k1'
import { nip13, nip44 } from 'nostr-tools'
import {
  type EventTemplate,
  finalizeEvent,
  getEventHash,
  getPublicKey,
  type NostrEvent,
  verifyEvent,
} from 'nostr-tools/pure'

export type Key = { readonly index: number; readonly secretKey: Uint8Array; readonly pubkey: string }

export type Wrapping = {
  /** canonical JSON, outer key included */
  readonly json: string
  readonly transport: 1 | 2
  readonly key: Key
  /** null: full privacy */
  readonly identity: Key | null
  readonly nodePubkey: string
  /** inner time, unix seconds */
  readonly createdAtS: number
  readonly pow: number
}

const TWO_DAYS_S = 172_800

const encrypt = (text: string, secretKey: Uint8Array, pubkey: string): string =>
  nip44.encrypt(text, nip44.getConversationKey(secretKey, pubkey))

const decrypt = (text: string, secretKey: Uint8Array, pubkey: string): string =>
  nip44.decrypt(text, nip44.getConversationKey(secretKey, pubkey))

async function sign(text: string, secretKey: Uint8Array): Promise<string> {
  const digest = new Uint8Array(createHash('sha256').update(text).digest())
  return Buffer.from(await schnorr.signAsync(digest, secretKey)).toString('hex')
}

/** Signs, with as many leading zero bits in the id as asked for. */
function finalize(template: EventTemplate, secretKey: Uint8Array, pow: number): NostrEvent {
  const pubkey = getPublicKey(secretKey)
  // The library's own miner moves created_at on, and that is the time by which a message is judged.
  for (let nonce = 0, mined = template; ; nonce++) {
    if (nip13.getPow(getEventHash({ ...mined, pubkey })) >= pow) return finalizeEvent(mined, secretKey)
    mined = { ...template, tags: [...template.tags, ['nonce', String(nonce), String(pow)]] }
  }
}

const jitterS = (): number => randomBytes(4).readUInt32BE() % TWO_DAYS_S

/** A signed event with the message, ready to publish. Every call gives another one. */
export async function wrap({
  json,
  transport,
  key,
  identity,
  nodePubkey,
  createdAtS,
  pow,
}: Wrapping): Promise<NostrEvent> {
  const signature = await sign(json, key.secretKey)
  if (transport === 2) {
    const proof =
      identity === null
        ? 'null'
        : `["${identity.pubkey}","${await sign(`mostro-transport-v2-identity:${key.pubkey}:${json}`, identity.secretKey)}"]`
    const content = encrypt(`[${json},"${signature}",${proof}]`, key.secretKey, nodePubkey)
    return finalize({ kind: 14, created_at: createdAtS, tags: [['p', nodePubkey]], content }, key.secretKey, pow)
  }
  const sealer = identity ?? key
  const rumor = { kind: 1, pubkey: key.pubkey, created_at: createdAtS, tags: [], content: `[${json},"${signature}"]` }
  const rumorJson = JSON.stringify({ id: getEventHash(rumor), ...rumor })
  const sealed = encrypt(rumorJson, sealer.secretKey, nodePubkey)
  const seal = finalizeEvent(
    { kind: 13, created_at: createdAtS - jitterS(), tags: [], content: sealed },
    sealer.secretKey,
  )
  const ephemeralKey = new Uint8Array(randomBytes(32))
  const content = encrypt(JSON.stringify(seal), ephemeralKey, nodePubkey)
  const template = { kind: 1059, created_at: createdAtS - jitterS(), tags: [['p', nodePubkey]], content }
  return finalize(template, ephemeralKey, pow)
}

export type Opened = { readonly text: string; readonly transport: 1 | 2; readonly createdAtS: number }

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the node's event: ${what}`)
}

/** Without the verdict that the library caches on the object. */
const isAuthentic = ({ id, pubkey, created_at, kind, tags, content, sig }: NostrEvent): boolean =>
  verifyEvent({ id, pubkey, created_at, kind, tags, content, sig })

/** Opens an event of the node, with every check that a careful client makes; throws an error that names what fails. */
export function open(event: NostrEvent, key: Key, nodePubkey: string): Opened {
  must(isAuthentic(event), 'id and signature hold')
  must(event.tags.filter(([name]) => name === 'p').length === 1, 'exactly one p tag')
  if (event.kind === 14) {
    must(event.pubkey === nodePubkey, 'written by the node')
    must(
      event.tags.some(([name, value]) => name === 'expiration' && /^[0-9]+$/.test(value ?? '')),
      'has an expiration',
    )
    const text = decrypt(event.content, key.secretKey, nodePubkey)
    return { text, transport: 2, createdAtS: event.created_at }
  }
  must(event.kind === 1059 && event.pubkey !== nodePubkey, 'a gift wrap by a throw-away key')
  const seal: NostrEvent = JSON.parse(decrypt(event.content, key.secretKey, event.pubkey))
  must(seal.kind === 13 && seal.pubkey === nodePubkey && isAuthentic(seal), 'sealed by the node')
  const rumor: NostrEvent = JSON.parse(decrypt(seal.content, key.secretKey, nodePubkey))
  must(rumor.kind === 1 && rumor.pubkey === nodePubkey, 'the rumor is by the node')
  must(rumor.id === getEventHash(rumor) && Array.isArray(rumor.tags), 'the rumor has its id and tags')
  return { text: rumor.content, transport: 1, createdAtS: rumor.created_at }
}
