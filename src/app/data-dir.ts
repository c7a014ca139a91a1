/** What lies where in a data directory, and whose it is. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { acquireDataDirLock, DirectoryLockedError } from '../adapters/sqlite/lock.ts'
import type { Store } from '../adapters/sqlite/store.ts'
import type { MoneySeed } from '../engine/seed.ts'
import type { Clock } from '../ports/system.ts'
import { EXIT, Refusal } from './refusal.ts'

/** The database of a data directory. */
export const databaseOf = (dataDir: string): string => join(dataDir, 'fianza.db')

/** The socket on which a running daemon answers questions. */
export const socketOf = (dataDir: string): string => join(dataDir, 'fianza.sock')

/** Whether the directory has been used by a daemon. */
export const hasDatabase = (dataDir: string): boolean => existsSync(databaseOf(dataDir))

/** Takes the directory for this process. Throws {@link Refusal} that names the holder; `to` says what cannot be done. */
export function lockDataDir(dataDir: string, to: string): { release(): void } {
  try {
    return acquireDataDirLock(dataDir)
  } catch (error) {
    if (!(error instanceof DirectoryLockedError)) throw error
    const holder = error.pid === null ? 'another process' : `process ${error.pid}`
    throw new Refusal(`${dataDir} is in use by ${holder}; stop it first to ${to}`, {
      exitCode: EXIT.busy,
      cause: error,
    })
  }
}

/** As far behind as a clock may be: beyond it, what traders write looks like the future, and is left unhandled (DEC-03). */
const CLOCK_MAX_BEHIND_S = 600

const NODE_KEY = 'node_key'
const SEED_MARKER = 'seed_marker'

/**
 * A data directory belongs to one node key and one money seed for ever: trades are addressed to the key, and escrows are
 * locked to the seed. Writes both down at the first start; throws {@link Refusal} when either differs later.
 */
export function claimDataDir(
  store: Store,
  dataDir: string,
  node: { readonly pubkey: string; readonly npub: string },
  seed: MoneySeed,
): void {
  const first = (key: string, value: string): string =>
    store.s.meta_get({ key })?.value ?? store.s.meta_put({ key, value }).value
  const { pubkey, marker } = store.transaction(() => ({
    pubkey: first(NODE_KEY, node.pubkey),
    marker: first(SEED_MARKER, seed.marker()),
  }))
  if (pubkey !== node.pubkey)
    throw new Refusal(
      `${dataDir} belongs to the node ${pubkey}, and the configured key is that of ${node.pubkey} (${node.npub}). ` +
        'Configure the key that it belongs to, or use another data directory.',
      { exitCode: EXIT.config },
    )
  if (marker !== seed.marker())
    throw new Refusal(
      `${dataDir} has the database of one money seed and the file of another. Restore the money.seed that belongs to the database.`,
      { exitCode: EXIT.config },
    )
}

/**
 * With a clock far behind its own past the daemon would leave what every trader writes, and count no window right. Throws
 * {@link Refusal}.
 */
export function refuseClockSetBack(store: Store, dataDir: string, clock: Clock): void {
  const nowS = Math.floor(clock.nowMs() / 1000)
  const aliveS = store.s.process_last()?.alive_at ?? nowS
  if (nowS >= aliveS - CLOCK_MAX_BEHIND_S) return
  const inWords = (atS: number): string => new Date(atS * 1000).toISOString()
  throw new Refusal(
    `The clock of this machine says ${inWords(nowS)}, but a daemon worked in ${dataDir} at ${inWords(aliveS)}. ` +
      'Correct the clock. If it is right now, and was wrong then, start once with --the-clock-is-right.',
    { exitCode: EXIT.config },
  )
}
