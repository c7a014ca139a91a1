/**
 * BOLT 11 requests of the simulated nodes: a small codec of its own, so that what the daemon's parser reads was not
 * written by the same code. Covers the fields that LND writes; unknown fields are skipped when reading.
 */
import { createHash, createHmac } from 'node:crypto'
import { getPublicKey, hashes } from '@noble/secp256k1'
import { bech32, hex, utf8 } from '@scure/base'
import { loadCurves } from '../../app/curves.ts'
import { assert } from '../../core/assert.ts'
import { type Msat, msat } from '../../core/money.ts'
import { signRecoverable } from './recoverable.ts'

hashes.sha256 ??= (message) => new Uint8Array(createHash('sha256').update(message).digest())
hashes.hmacSha256 ??= (key, message) => new Uint8Array(createHmac('sha256', key).update(message).digest())

const { curves } = loadCurves('auto')

/** Bits that LND sets on its invoices: TLV onion (required), payment secret (required), basic MPP (optional). */
export const LND_INVOICE_FEATURES: readonly number[] = [8, 14, 17]

export type Bolt11Network = 'bcrt' | 'tb' | 'bc'

export type Bolt11Plan = {
  readonly network: Bolt11Network
  /** null: the payer chooses */
  readonly amountMsat: Msat | null
  /** unix seconds */
  readonly createdAtS: number
  readonly expiryS: number
  /** hex */
  readonly hash: string
  /** hex payment secret */
  readonly secret: string
  readonly finalCltv: number
  /** at most 639 bytes; ignored beside a description hash */
  readonly memo: string
  readonly descriptionHash: string | null
  readonly features: readonly number[]
}

export type Bolt11 = Bolt11Plan & {
  /** hex key that signed */
  readonly payee: string
}

const TAG = { hash: 1, secret: 16, memo: 13, descriptionHash: 23, expiry: 6, finalCltv: 24, features: 5 } as const
const SIGNATURE_WORDS = 104
const MAX_TAG_WORDS = 1023
const DEFAULT_EXPIRY_S = 3600
const DEFAULT_FINAL_CLTV = 18

/** Multiplier letters and their value in tenths of a millisat (a pico-bitcoin), largest first. */
const UNITS = [
  ['m', 1_000_000_000],
  ['u', 1_000_000],
  ['n', 1_000],
  ['p', 1],
] as const

/** Writes and signs a request. Deterministic for equal arguments. */
export function encodeBolt11(plan: Bolt11Plan, secretKey: Uint8Array): string {
  const prefix = `ln${plan.network}${plan.amountMsat === null ? '' : encodeAmount(plan.amountMsat)}`
  const words = [
    ...numberWords(plan.createdAtS, 7),
    ...field(TAG.hash, bech32.toWords(hex.decode(plan.hash))),
    ...field(TAG.secret, bech32.toWords(hex.decode(plan.secret))),
    ...(plan.descriptionHash === null
      ? field(TAG.memo, bech32.toWords(utf8.decode(plan.memo)))
      : field(TAG.descriptionHash, bech32.toWords(hex.decode(plan.descriptionHash)))),
    ...field(TAG.expiry, numberWords(plan.expiryS)),
    ...field(TAG.finalCltv, numberWords(plan.finalCltv)),
    ...(plan.features.length === 0 ? [] : field(TAG.features, featureWords(plan.features))),
  ]
  const recovered = signRecoverable(signatureHash(prefix, words), secretKey)
  const compactThenRecovery = new Uint8Array([...recovered.subarray(1), recovered[0] ?? 0])
  return bech32.encode(prefix, [...words, ...bech32.toWords(compactThenRecovery)], false)
}

/** What was read lately: everybody on the way of a payment reads the same request, and recovering a key is slow. */
const lately = new Map<string, Bolt11 | null>()
const LATELY_MAX = 512

/** Reads a request and recovers its signer; null when it is not one, on any network. */
export function decodeBolt11(request: string): Bolt11 | null {
  const known = lately.get(request)
  if (known !== undefined) return known
  const read = readRequest(request)
  if (lately.size >= LATELY_MAX) lately.clear()
  lately.set(request, read)
  return read
}

function readRequest(request: string): Bolt11 | null {
  try {
    const { prefix, words } = bech32.decode(request.toLowerCase() as `${string}1${string}`, false)
    const head = /^ln(bcrt|tb|bc)(?:(\d+)([munp]?))?$/.exec(prefix)
    if (head === null || words.length < 7 + SIGNATURE_WORDS) return null
    const signed = words.slice(0, -SIGNATURE_WORDS)
    const signature = bech32.fromWords(words.slice(-SIGNATURE_WORDS))
    const payee = curves.recover(signature.subarray(0, 64), signatureHash(prefix, signed), signature[64] ?? 0)
    if (payee === null) return null
    const fields = readFields(signed.slice(7))
    const hash = fields.get(TAG.hash)
    const secret = fields.get(TAG.secret)
    if (hash === undefined || secret === undefined) return null
    const memo = fields.get(TAG.memo)
    const descriptionHash = fields.get(TAG.descriptionHash)
    const expiry = fields.get(TAG.expiry)
    const finalCltv = fields.get(TAG.finalCltv)
    return {
      network: head[1] as Bolt11Network,
      amountMsat: head[2] === undefined ? null : decodeAmount(head[2], head[3] ?? ''),
      createdAtS: wordsNumber(signed.slice(0, 7)),
      expiryS: expiry === undefined ? DEFAULT_EXPIRY_S : wordsNumber(expiry),
      hash: hex.encode(bech32.fromWords(hash)),
      secret: hex.encode(bech32.fromWords(secret)),
      finalCltv: finalCltv === undefined ? DEFAULT_FINAL_CLTV : wordsNumber(finalCltv),
      memo: memo === undefined ? '' : utf8.encode(bech32.fromWords(memo)),
      descriptionHash: descriptionHash === undefined ? null : hex.encode(bech32.fromWords(descriptionHash)),
      features: featureBits(fields.get(TAG.features) ?? []),
      payee,
    }
  } catch {
    return null
  }
}

/** The compressed public key of a secret key, hex. */
export function publicKeyHex(secretKey: Uint8Array): string {
  return hex.encode(getPublicKey(secretKey))
}

function signatureHash(prefix: string, words: readonly number[]): Uint8Array {
  const bits = createHash('sha256').update(prefix).update(paddedBytes(words)).digest()
  return new Uint8Array(bits)
}

/** Words as bytes, zero bits appended to fill the last one (BOLT 11, signature). */
function paddedBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((words.length * 5) / 8))
  words.forEach((word, at) => {
    for (let bit = 0; bit < 5; bit++) {
      if ((word & (16 >> bit)) === 0) continue
      const position = at * 5 + bit
      bytes[position >> 3] = (bytes[position >> 3] ?? 0) | (128 >> (position & 7))
    }
  })
  return bytes
}

function encodeAmount(amountMsat: Msat): string {
  const pico = amountMsat * 10
  assert(amountMsat > 0 && Number.isSafeInteger(pico), `amount of an invoice: ${amountMsat} msat`)
  for (const [letter, size] of UNITS) if (pico % size === 0) return `${pico / size}${letter}`
  return `${pico}p`
}

function decodeAmount(digits: string, letter: string): Msat {
  const size = UNITS.find(([unit]) => unit === letter)?.[1] ?? 1_000_000_000_000
  return msat((Number(digits) * size) / 10)
}

function field(tag: number, words: readonly number[]): number[] {
  assert(words.length <= MAX_TAG_WORDS, `invoice field ${tag} is too long`)
  return [tag, words.length >> 5, words.length & 31, ...words]
}

function readFields(words: readonly number[]): Map<number, number[]> {
  const fields = new Map<number, number[]>()
  for (let at = 0; at + 3 <= words.length; ) {
    const length = (words[at + 1] ?? 0) * 32 + (words[at + 2] ?? 0)
    const tag = words[at] ?? 0
    if (!fields.has(tag)) fields.set(tag, words.slice(at + 3, at + 3 + length))
    at += 3 + length
  }
  return fields
}

function numberWords(value: number, width = 1): number[] {
  const words: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32)
  while (words.length < width) words.unshift(0)
  return words
}

function wordsNumber(words: readonly number[]): number {
  return words.reduce((sum, word) => sum * 32 + word, 0)
}

function featureWords(bits: readonly number[]): number[] {
  const words = new Array<number>(Math.floor(Math.max(...bits) / 5) + 1).fill(0)
  for (const bit of bits) {
    const at = words.length - 1 - Math.floor(bit / 5)
    words[at] = (words[at] ?? 0) | (1 << (bit % 5))
  }
  return words
}

function featureBits(words: readonly number[]): number[] {
  const bits: number[] = []
  words.forEach((word, at) => {
    for (let bit = 0; bit < 5; bit++) if ((word & (1 << bit)) !== 0) bits.push((words.length - 1 - at) * 5 + bit)
  })
  return bits.sort((a, b) => a - b)
}
