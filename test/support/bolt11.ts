/** Writes invoices field by field, the impossible ones included. */
import { getPublicKey, sign } from '@noble/secp256k1'
import { bech32 } from '@scure/base'
// For its effect: signing needs the hash functions that it gives to noble.
import '../../src/wire/curves.ts'
import { bytesToHex, hexToBytes, sha256 } from '../../src/wire/hex.ts'

type Words = readonly number[]

/** A field: its letter's value, and its data in words of five bits. */
export type RawField = readonly [type: number, data: Words]

export const FIELD = {
  hash: 1,
  route: 3,
  features: 5,
  expiry: 6,
  fallback: 9,
  description: 13,
  secret: 16,
  payee: 19,
  descriptionHash: 23,
  minFinalCltv: 24,
  metadata: 27,
} as const

export const hexWords = (hex: string): Words => bech32.toWords(hexToBytes(hex))
export const textWords = (text: string): Words => bech32.toWords(Buffer.from(text))

export function numberWords(value: number): Words {
  const words: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32)
  return words
}

/** Feature bits as a field; the lowest bit stands last. */
export function featureWords(bits: readonly number[]): Words {
  const words = new Array<number>(Math.floor(Math.max(...bits) / 5) + 1).fill(0)
  for (const bit of bits) {
    const at = words.length - 1 - Math.floor(bit / 5)
    words[at] = (words[at] ?? 0) | (1 << (bit % 5))
  }
  return words
}

function bytesOf(words: Words): Uint8Array {
  const bits = words.map((word) => word.toString(2).padStart(5, '0')).join('')
  return Uint8Array.from(bits.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2))
}

export type RawInvoice = {
  /** with the amount: `lnbc20m` */
  readonly prefix: string
  readonly createdAtS: number
  readonly fields: readonly RawField[]
}

/** All of an invoice but its signature, in words. */
export function dataWords({ createdAtS, fields }: RawInvoice): Words {
  const timestamp = numberWords(createdAtS)
  return [
    ...new Array<number>(7 - timestamp.length).fill(0),
    ...timestamp,
    ...fields.flatMap(([type, data]) => [type, data.length >> 5, data.length & 31, ...data]),
  ]
}

/** Signs whatever the invoice says. The same input gives the same text. */
export function writeInvoice(invoice: RawInvoice, secretKey: Uint8Array): string {
  const data = dataWords(invoice)
  const digest = sha256(Buffer.concat([Buffer.from(invoice.prefix), bytesOf(data)]))
  const [recovery = 0, ...signature] = sign(digest, secretKey, { prehash: false, format: 'recovered' })
  return bech32.encode(invoice.prefix, [...data, ...bech32.toWords(Uint8Array.of(...signature, recovery))], false)
}

/** The compressed key of a node, hex. */
export const nodeId = (secretKey: Uint8Array): string => bytesToHex(getPublicKey(secretKey))
