/**
 * Lightning invoices as text (BOLT 11). Reads what LND would accept for a payment and refuses the rest, ambiguity
 * included: an invoice that two readers could understand differently must not decide where sats go.
 */
import { verify } from '@noble/secp256k1'
import { bech32 } from '@scure/base'
import { MSAT_MAX, type Msat, msat } from '../core/money.ts'
import { err, ok, type Result } from '../core/result.ts'
import { type Curves, isPublicKey, portableCurves } from './curves.ts'
import { bytesToHex, hexToBytes, sha256 } from './hex.ts'

const PREFIXES = { bc: 'mainnet', tb: 'testnet', tbs: 'signet', bcrt: 'regtest', sb: 'simnet' } as const
/** The chain that an invoice is for. */
export type InvoiceNetwork = (typeof PREFIXES)[keyof typeof PREFIXES]

export type Bolt11 = {
  readonly network: InvoiceNetwork
  /** payment hash, hex */
  readonly hash: string
  /** null: the payer chooses */
  readonly amountMsat: Msat | null
  /** the node that is paid: compressed key, hex; the signature holds for it */
  readonly payee: string
  readonly createdAtS: number
  readonly expiresAtS: number
  /** blocks that the payee asks for on the last hop */
  readonly minFinalCltv: number
  readonly hasPaymentSecret: boolean
  /** hex, when the invoice commits to a description instead of carrying it */
  readonly descriptionHash: string | null
  /** pays by other hashes than the one it names */
  readonly isAmp: boolean
  /** required features that LND does not know in an invoice; not payable unless empty */
  readonly unknownRequiredFeatures: readonly number[]
}

/** LND's limit as well. */
const MAX_CHARS = 7_089
const SIGNATURE_WORDS = 104
const TIMESTAMP_WORDS = 7
const DEFAULT_EXPIRY_S = 3_600
const DEFAULT_MIN_FINAL_CLTV = 18
/** Beyond this LND's durations overflow. */
const MAX_EXPIRY_S = 9_000_000_000

/** Types of tagged fields. */
const TYPE = {
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

/** Ends a reading; never leaves this file. */
class Refusal extends Error {}

const refuseIf = (condition: boolean, why: string): void => {
  if (condition) throw new Refusal(why)
}

/** Msat in one unit of a multiplier; `p` is a tenth of a msat and stands apart. */
const MSAT_OF_UNIT = { '': 100_000_000_000n, m: 100_000_000n, u: 100_000n, n: 100n } as const

function readAmount(digits: string, unit: string): Msat | null {
  if (digits === '') return null
  const number = BigInt(digits)
  refuseIf(unit === 'p' && number % 10n !== 0n, 'amount: a fraction of a msat')
  const amount = unit === 'p' ? number / 10n : number * MSAT_OF_UNIT[unit as keyof typeof MSAT_OF_UNIT]
  refuseIf(amount === 0n, 'amount: zero')
  refuseIf(amount > BigInt(MSAT_MAX), 'amount: too large')
  return msat(Number(amount))
}

const PREFIX = /^ln(bcrt|bc|tbs|tb|sb)(?:([1-9][0-9]{0,20})([munp]?))?$/

type Words = readonly number[]

function wordsToNumber(words: Words, what: string): number {
  refuseIf(words.length > 12, `${what}: too large`)
  const number = words.reduce((sum, word) => sum * 32 + word, 0)
  refuseIf(!Number.isSafeInteger(number), `${what}: too large`)
  return number
}

function wordsToBytes(words: Words, what: string): Uint8Array {
  const bytes = bech32.fromWordsUnsafe([...words])
  if (!bytes) throw new Refusal(`${what}: wrong padding`)
  return bytes
}

/** Bits as a writer appends them: padded with zeros to whole bytes. */
function signedBytes(words: Words): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((words.length * 5) / 8))
  let buffer = 0
  let bits = 0
  let at = 0
  for (const word of words) {
    buffer = ((buffer << 5) | word) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (buffer >> bits) & 0xff
    }
  }
  if (bits > 0) bytes[at] = (buffer << (8 - bits)) & 0xff
  return bytes
}

/** The tagged fields in their order; types may repeat. */
function readFields(words: Words): readonly (readonly [type: number, data: Words])[] {
  const fields: [number, Words][] = []
  for (let at = 0; at < words.length; ) {
    const [type, high, low] = words.slice(at, at + 3)
    if (type === undefined || high === undefined || low === undefined) throw new Refusal('a field is cut off')
    const end = at + 3 + high * 32 + low
    refuseIf(end > words.length, 'a field is cut off')
    fields.push([type, words.slice(at + 3, end)])
    at = end
  }
  return fields
}

/** Fields of these types have a fixed length and are skipped, as by LND, when they have another. */
const FIXED_WORDS: ReadonlyMap<number, number> = new Map([
  [TYPE.hash, 52],
  [TYPE.secret, 52],
  [TYPE.descriptionHash, 52],
  [TYPE.payee, 53],
])

/** Of these types there is at most one; a second one would be read by some and ignored by others. */
const SINGLE: ReadonlySet<number> = new Set([
  ...FIXED_WORDS.keys(),
  TYPE.description,
  TYPE.features,
  TYPE.expiry,
  TYPE.minFinalCltv,
  TYPE.metadata,
])

const FEATURES = { onion: 8, secret: 14, multiPart: 16, amp: 30, metadata: 48 } as const
const KNOWN_FEATURES: ReadonlySet<number> = new Set(Object.values(FEATURES))
/** What a feature is useless without (BOLT 9); LND refuses to pay when one is missing. */
const FEATURE_NEEDS: readonly (readonly [feature: number, needs: number])[] = [
  [FEATURES.secret, FEATURES.onion],
  [FEATURES.multiPart, FEATURES.secret],
  [FEATURES.amp, FEATURES.secret],
  [FEATURES.metadata, FEATURES.onion],
]

/** Bit numbers that are set; the last word holds the lowest. */
function featureBits(words: Words): ReadonlySet<number> {
  const bits = new Set<number>()
  words.toReversed().forEach((word, index) => {
    for (let bit = 0; bit < 5; bit++) if ((word >> bit) & 1) bits.add(index * 5 + bit)
  })
  return bits
}

/** Whether a feature is offered, as required (even bit) or optional (odd bit). */
const offers = (bits: ReadonlySet<number>, feature: number): boolean => bits.has(feature) || bits.has(feature + 1)

const HOP_BYTES = 51

/** The nodes that a route hint leads over, as x-coordinates in hex. */
function readHops(words: Words): readonly string[] {
  const bytes = wordsToBytes(words, 'route')
  refuseIf(bytes.length % HOP_BYTES !== 0, 'route: not whole hops')
  const nodes: string[] = []
  for (let at = 0; at < bytes.length; at += HOP_BYTES) {
    refuseIf(bytes[at] !== 2 && bytes[at] !== 3, 'route: not a node')
    nodes.push(bytesToHex(bytes.subarray(at + 1, at + 33)))
  }
  return nodes
}

const FALLBACK_BYTES: ReadonlyMap<number, readonly number[]> = new Map([
  [0, [20, 32]],
  [17, [20]],
  [18, [20]],
])

function checkFallback(words: Words): void {
  const [version, ...program] = words
  if (version === undefined) throw new Refusal('fallback: empty')
  const lengths = FALLBACK_BYTES.get(version)
  if (lengths === undefined) return
  refuseIf(!lengths.includes(wordsToBytes(program, 'fallback').length), 'fallback: wrong length')
}

/** An invoice before its signature is checked. */
export type UnprovenBolt11 = Omit<Bolt11, 'payee'> & {
  /** the node that it names, if it does: compressed key, hex */
  readonly namedPayee: string | null
  /** null: there is only a hash of it */
  readonly description: string | null
  /** nodes of its route hints, not yet known to be on the curve */
  readonly hopNodes: readonly string[]
  readonly digest: Uint8Array
  /** r and s */
  readonly signature: Uint8Array
  /** 0 to 3: which of the possible signers it is */
  readonly recovery: number
}

function read(text: string): UnprovenBolt11 {
  refuseIf(text.length > MAX_CHARS, 'too long')
  const decoded = bech32.decodeUnsafe(text, MAX_CHARS)
  if (!decoded) throw new Refusal('not bech32')
  const { prefix, words } = decoded
  const [, chain, digits = '', unit = ''] = PREFIX.exec(prefix) ?? []
  if (chain === undefined) throw new Refusal('unknown prefix')
  refuseIf(words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS, 'too short')
  const data = words.slice(0, -SIGNATURE_WORDS)

  const single = new Map<number, Words>()
  const hopNodes: string[] = []
  for (const [type, field] of readFields(data.slice(TIMESTAMP_WORDS))) {
    const fixed = FIXED_WORDS.get(type)
    if (fixed !== undefined && fixed !== field.length) continue
    if (type === TYPE.route) hopNodes.push(...readHops(field))
    if (type === TYPE.fallback) checkFallback(field)
    if (!SINGLE.has(type)) continue
    refuseIf(single.has(type), 'a field occurs twice')
    single.set(type, field)
  }
  const bytes = (type: number, what: string): Uint8Array | null => {
    const field = single.get(type)
    return field === undefined ? null : wordsToBytes(field, what)
  }
  const number = (type: number, what: string): number | null => {
    const field = single.get(type)
    return field === undefined ? null : wordsToNumber(field, what)
  }

  const hash = bytes(TYPE.hash, 'payment hash')
  if (hash === null) throw new Refusal('no payment hash')
  const description = bytes(TYPE.description, 'description')
  const descriptionHash = bytes(TYPE.descriptionHash, 'description hash')
  refuseIf((description === null) === (descriptionHash === null), 'not exactly one of description and its hash')
  bytes(TYPE.metadata, 'metadata')
  const hasPaymentSecret = bytes(TYPE.secret, 'payment secret') !== null
  const namedPayee = bytes(TYPE.payee, 'payee')

  const createdAtS = wordsToNumber(words.slice(0, TIMESTAMP_WORDS), 'timestamp')
  const expiryS = number(TYPE.expiry, 'expiry') ?? DEFAULT_EXPIRY_S
  refuseIf(expiryS > MAX_EXPIRY_S, 'expiry: too large')

  const features = featureBits(single.get(TYPE.features) ?? [])
  for (const [feature, needs] of FEATURE_NEEDS) {
    refuseIf(offers(features, feature) && !offers(features, needs), `features: ${feature} without ${needs}`)
  }

  const signatureBytes = signedBytes(words.slice(-SIGNATURE_WORDS))
  return {
    network: PREFIXES[chain as keyof typeof PREFIXES],
    hash: bytesToHex(hash),
    amountMsat: readAmount(digits, unit),
    namedPayee: namedPayee === null ? null : bytesToHex(namedPayee),
    description: description === null ? null : Buffer.from(description).toString(),
    hopNodes,
    createdAtS,
    expiresAtS: createdAtS + expiryS,
    minFinalCltv: number(TYPE.minFinalCltv, 'final cltv') ?? DEFAULT_MIN_FINAL_CLTV,
    hasPaymentSecret,
    descriptionHash: descriptionHash === null ? null : bytesToHex(descriptionHash),
    isAmp: offers(features, FEATURES.amp),
    unknownRequiredFeatures: [...features].filter((bit) => bit % 2 === 0 && !KNOWN_FEATURES.has(bit)),
    digest: sha256(Buffer.concat([Buffer.from(prefix), signedBytes(data)])),
    signature: signatureBytes.slice(0, 64),
    recovery: signatureBytes[64] ?? 0,
  }
}

/** Everything of an invoice that costs no curve arithmetic: all but its signer and the keys on its way. Never throws. */
export function readBolt11(text: string): Result<UnprovenBolt11, string> {
  try {
    return ok(read(text))
  } catch (error) {
    if (error instanceof Refusal) return err(error.message)
    throw error
  }
}

/** Reads an invoice that our own node made: nobody else could have forged it. Null when it is none. Never throws. */
export function readOwnRequest(text: string): UnprovenBolt11 | null {
  const read = readBolt11(text)
  return read.ok ? read.value : null
}

/**
 * Who signed: the named node when there is one, which must sign with a low S, else the node that the signature gives
 * away, with any S (BOLT 11).
 */
function signer({ namedPayee, digest, signature, recovery }: UnprovenBolt11, curves: Curves): string | null {
  if (namedPayee === null) return curves.recover(signature, digest, recovery)
  try {
    return verify(signature, digest, hexToBytes(namedPayee), { prehash: false }) ? namedPayee : null
  } catch {
    return null
  }
}

/**
 * Reads an invoice from a stranger: checksum, every field, signature. Time, network, amount and payee are facts for the
 * caller to judge. Never throws.
 */
export function decodeBolt11(text: string, curves: Curves = portableCurves): Result<Bolt11, string> {
  const unproven = readBolt11(text)
  if (!unproven.ok) return unproven
  const {
    namedPayee: _named,
    description: _description,
    hopNodes,
    digest: _digest,
    signature: _signature,
    recovery: _recovery,
    ...facts
  } = unproven.value
  if (!hopNodes.every(isPublicKey)) return err('route: not a node')
  const payee = signer(unproven.value, curves)
  if (payee === null) return err('signature does not hold')
  return ok({ ...facts, payee })
}
