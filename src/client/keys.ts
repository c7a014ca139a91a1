/** A trader's keys: all from one mnemonic, a fresh one for each trade (wire.md 6, NIP-06). */
import { HDKey } from '@scure/bip32'
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { type Curves, portableCurves } from '../wire/curves.ts'
import { hostRandom, type Random } from './host.ts'

const ACCOUNT_PATH = "m/44'/1237'/38383'/0"
const IDENTITY_INDEX = 0
const FIRST_TRADE_INDEX = 1
/** Indexes from here on are hardened ones (BIP-32). */
const TRADE_INDEX_LIMIT = 2 ** 31
const MNEMONIC_ENTROPY_BYTES = 16

/**
 * `reputation`: trades are signed for by the identity key as well, so that ratings add up. `full`: every trade key
 * stands for itself, and nothing connects two trades.
 */
export type Privacy = 'reputation' | 'full'

export type KeyPair = {
  readonly index: number
  readonly secretKey: Uint8Array
  /** x-only, hex */
  readonly pubkey: string
}

/** Whether a trade key can have this index. */
export const isTradeIndex = (index: number): boolean =>
  Number.isSafeInteger(index) && index >= FIRST_TRADE_INDEX && index < TRADE_INDEX_LIMIT

/** Twelve new words. */
export const randomMnemonic = (random: Random = hostRandom): string =>
  entropyToMnemonic(random.bytes(MNEMONIC_ENTROPY_BYTES), wordlist)

/** Derives a trader's keys and remembers which index comes next. Holds secrets: not for logs. */
export class TraderKeys {
  readonly #account: HDKey
  readonly #curves: Curves
  readonly #derived = new Map<number, KeyPair>()
  #nextIndex = FIRST_TRADE_INDEX

  /** Throws on words that are no English BIP-39 mnemonic. */
  constructor(mnemonic: string, curves: Curves = portableCurves) {
    if (!validateMnemonic(mnemonic, wordlist)) throw new TypeError('not a mnemonic of BIP-39 in English')
    this.#account = HDKey.fromMasterSeed(mnemonicToSeedSync(mnemonic)).derive(ACCOUNT_PATH)
    this.#curves = curves
  }

  /** Stands for the person behind all trades; only the node learns it, and in `full` privacy not even the node. */
  get identity(): KeyPair {
    return this.#derive(IDENTITY_INDEX)
  }

  /** The index that the next trade gets. */
  get nextIndex(): number {
    return this.#nextIndex
  }

  /** The key of the trade with this index, used or not. Throws when there is none. */
  trade(index: number): KeyPair {
    if (!isTradeIndex(index)) throw new RangeError(`not a trade index: ${index}`)
    return this.#derive(index)
  }

  /** The key of a new trade. Every call uses up an index; gaps are normal. */
  takeNext(): KeyPair {
    const key = this.trade(this.#nextIndex)
    this.#nextIndex += 1
    return key
  }

  /** Indexes up to this one are in use, says the node or a record of our own. Never goes back. Repeat: safe. */
  markUsed(index: number): void {
    this.#nextIndex = Math.max(this.#nextIndex, index + 1)
  }

  #derive(index: number): KeyPair {
    const known = this.#derived.get(index)
    if (known !== undefined) return known
    const secretKey = this.#account.deriveChild(index).privateKey
    if (secretKey === null) throw new Error('a key without a secret')
    const pair = { index, secretKey, pubkey: this.#curves.publicKey(secretKey) }
    this.#derived.set(index, pair)
    return pair
  }
}
