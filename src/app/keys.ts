/**
 * The two secrets of a node and where they live: the Nostr key, which is who it is, and the money seed, from which every
 * preimage comes. The seed is never derived from the key (design.md 3): whoever learns one has not learnt the other.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as nip19 from 'nostr-tools/nip19'
import { err, ok, type Result } from '../core/result.ts'
import { MoneySeed, SEED_BYTES } from '../engine/seed.ts'
import { type Curves, isPublicKey } from '../wire/curves.ts'
import { bytesToHex, hexToBytes, isHex } from '../wire/hex.ts'
import { EXIT, Refusal } from './refusal.ts'

const SECRET_MODE = 0o600
const SEED_FILE = 'money.seed'

/** A node's identity. */
export type NodeKeys = { readonly secretKey: Uint8Array; readonly pubkey: string; readonly npub: string }

/** Where the money seed of a data directory lies. */
export const seedFileOf = (dataDir: string): string => join(dataDir, SEED_FILE)

/** Reads a secret key as `nsec1...` or hex. The error does not repeat what was written. */
export function readSecretKey(text: string): Result<Uint8Array, string> {
  const trimmed = text.trim()
  if (isHex(trimmed.toLowerCase(), 32)) return ok(hexToBytes(trimmed.toLowerCase()))
  try {
    const decoded = nip19.decode(trimmed)
    if (decoded.type === 'nsec') return ok(decoded.data)
    return err(`an ${decoded.type} is no secret key; it must be nsec1... or 64 hex digits`)
  } catch {
    return err('neither nsec1... nor 64 hex digits')
  }
}

/** Reads a public key as `npub1...` or hex; null when it is neither, or no key. */
export function readPublicKey(text: string): string | null {
  const trimmed = text.trim()
  if (isHex(trimmed.toLowerCase(), 32)) return isPublicKey(trimmed.toLowerCase()) ? trimmed.toLowerCase() : null
  try {
    const decoded = nip19.decode(trimmed)
    return decoded.type === 'npub' && isPublicKey(decoded.data) ? decoded.data : null
  } catch {
    return null
  }
}

/** The `npub1...` of a public key in hex. */
export const npubOf = (pubkey: string): string => nip19.npubEncode(pubkey)

/** The `nsec1...` of a secret key. */
export const nsecOf = (secretKey: Uint8Array): string => nip19.nsecEncode(secretKey)

/** The node's keys, from the configuration or from the file that it names. Throws {@link Refusal} with the fix. */
export function loadNodeKeys(source: { readonly text: string } | { readonly file: string }, curves: Curves): NodeKeys {
  const named = 'text' in source ? 'nostr.nsec_privkey' : source.file
  const read = readSecretKey('text' in source ? source.text : readKeyFile(source.file))
  if (!read.ok) throw new Refusal(`${named}: not the key of a node: ${read.error}`, { exitCode: EXIT.config })
  try {
    const pubkey = curves.publicKey(read.value)
    return { secretKey: read.value, pubkey, npub: npubOf(pubkey) }
  } catch (error) {
    throw new Refusal(`${named}: not the key of a node: no such point on the curve`, {
      exitCode: EXIT.config,
      cause: error,
    })
  }
}

function readKeyFile(file: string): string {
  if (!existsSync(file))
    throw new Refusal(
      `${file}: the node's key is not there; restore it, set nostr.nsec_file, or make a new one with \`fianza init\``,
      { exitCode: EXIT.config },
    )
  return readSecretFile(file)
}

/** Writes a new key of a node into a file that must not exist yet, and returns it. Throws {@link Refusal}. */
export function createNodeKey(file: string, curves: Curves): NodeKeys {
  if (existsSync(file))
    throw new Refusal(`${file}: there is a key already; it is left as it is`, { exitCode: EXIT.config })
  const secretKey = new Uint8Array(randomBytes(32))
  const pubkey = curves.publicKey(secretKey)
  createSecretFile(file, nsecOf(secretKey))
  return { secretKey, pubkey, npub: npubOf(pubkey) }
}

/**
 * The money seed of a data directory; a fresh one when the directory has no database yet. Call it with the directory
 * locked and before the database is opened. Throws {@link Refusal} when there is a database and the seed is gone: its
 * holds could never be settled.
 */
export function loadMoneySeed(dataDir: string, hasDatabase: boolean): MoneySeed {
  const file = seedFileOf(dataDir)
  if (!existsSync(file)) {
    if (hasDatabase)
      throw new Refusal(
        `${file}: the money seed is not there, but the database is. Escrows that it holds can be settled only with this seed: ` +
          'restore the file from the backup of this data directory. If no escrow is open, move the database away to begin anew.',
        { exitCode: EXIT.config },
      )
    createSecretFile(file, bytesToHex(randomBytes(SEED_BYTES)))
  }
  return readMoneySeed(file)
}

/** Reads a seed file. Throws {@link Refusal}. */
export function readMoneySeed(file: string): MoneySeed {
  if (!existsSync(file))
    throw new Refusal(`${file}: the money seed is not there; restore it from a backup`, { exitCode: EXIT.config })
  const text = readSecretFile(file).trim().toLowerCase()
  if (!isHex(text, SEED_BYTES))
    throw new Refusal(`${file}: not a money seed, which has ${SEED_BYTES * 2} hex digits; restore it from a backup`, {
      exitCode: EXIT.config,
    })
  return new MoneySeed(hexToBytes(text))
}

function readSecretFile(file: string): string {
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0)
    throw new Refusal(`${file}: others can read or write it (mode ${mode.toString(8)}); run: chmod 600 ${file}`, {
      exitCode: EXIT.config,
    })
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Refusal(`${file}: it cannot be read: ${why}`, { exitCode: EXIT.config, cause: error })
  }
}

/** All of it on disk, or no file at all: a half-written secret would look like a lost one. Never replaces a file. */
function createSecretFile(file: string, text: string): void {
  const draft = `${file}.new`
  rmSync(draft, { force: true })
  const fd = openSync(draft, 'wx', SECRET_MODE)
  try {
    writeSync(fd, `${text}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  chmodSync(draft, SECRET_MODE)
  linkSync(draft, file)
  rmSync(draft)
  syncDirectory(dirname(file))
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
