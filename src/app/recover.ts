/**
 * The last resort when the database is gone: the money seed and LND know every pending escrow between them
 * (money-path.md 3.7). Preimages are computed and used here; they are never shown (DEC-15).
 */

import { createLnd } from '../adapters/lightning/lnd.ts'
import type { HoldPurpose } from '../adapters/sqlite/schema.ts'
import { systemClock } from '../adapters/system/clock.ts'
import { type MoneySeed, parseMemo } from '../engine/seed.ts'
import type { HoldFact, Lightning, LightningConnection, Lookup } from '../ports/lightning.ts'
import { readOwnRequest } from '../wire/bolt11.ts'
import { type AppConfig, ConfigError } from './config/load.ts'
import { databaseOf, hasDatabase, lockDataDir } from './data-dir.ts'
import { readMoneySeed, seedFileOf } from './keys.ts'
import { EXIT, Refusal } from './refusal.ts'

/** A pending hold at LND that carries our mark. */
export type RecoveredHold = {
  readonly fact: HoldFact
  readonly purpose: HoldPurpose
  readonly counter: number
  /** the seed gives the preimage of its hash */
  readonly proved: boolean
}

/** What is done with one hold, on the operator's word. */
export type RecoverAct = { readonly kind: 'settle' | 'cancel'; readonly hash: string }

/** The pending holds of this seed at LND, the most urgent first. Changes nothing. */
async function pendingHolds(conn: LightningConnection, seed: MoneySeed): Promise<Lookup<readonly RecoveredHold[]>> {
  const marker = seed.marker()
  const ours: RecoveredHold[] = []
  const listed = await conn.listHolds({ pendingOnly: true, createdSinceS: 0 }, (facts) => {
    for (const fact of facts) {
      const memo = parseMemo(fact.memo)
      if (memo === null || memo.marker !== marker) continue
      const { purpose, counter } = memo
      ours.push({ fact, purpose, counter, proved: seed.hash(purpose, counter) === fact.hash })
    }
  })
  if (!listed.ok) return listed
  const urgency = ({ fact }: RecoveredHold) => fact.minHtlcHeight ?? Number.POSITIVE_INFINITY
  return { ok: true, value: ours.sort((a, b) => (urgency(a) < urgency(b) ? -1 : urgency(a) > urgency(b) ? 1 : 0)) }
}

/**
 * Lists the pending holds, and settles or cancels one of them when asked. The directory is locked meanwhile. Throws
 * {@link Refusal} when LND does not answer, when a daemon runs, and when an act is asked although there is a database:
 * the daemon decides then, because it knows whose sats they are.
 */
export async function recover(
  around: { readonly dataDir: string; readonly lightning: Lightning; readonly seed: MoneySeed },
  act: RecoverAct | null,
): Promise<{ readonly holds: readonly RecoveredHold[]; readonly done: string | null }> {
  const { dataDir, lightning, seed } = around
  if (act !== null && hasDatabase(dataDir))
    throw new Refusal(
      `${databaseOf(dataDir)} is there: start the daemon, which knows whose sats these are. ` +
        'Only when the database is damaged beyond repair: move it away, and ask again.',
      { exitCode: EXIT.failed },
    )
  const lock = lockDataDir(dataDir, 'recover escrows by hand')
  try {
    const connected = await lightning.connect()
    if (!connected.ok) throw new Refusal(`LND does not answer: ${connected.detail}`, { exitCode: EXIT.failed })
    try {
      return await recoverOn(connected.value, seed, act)
    } finally {
      connected.value.close()
    }
  } finally {
    lock.release()
  }
}

/** {@link recover} with the LND of the configuration and a seed file, by default the one of the data directory. */
export function recoverFromLnd(config: AppConfig, seedFile: string | null, act: RecoverAct | null) {
  const lightning = createLnd(config.lnd, { clock: systemClock, readRequest: readOwnRequest })
  if (!lightning.ok) throw new ConfigError([`${config.file}: section [lightning]: ${lightning.error}`])
  const seed = readMoneySeed(seedFile ?? seedFileOf(config.dataDir))
  return recover({ dataDir: config.dataDir, lightning: lightning.value, seed }, act)
}

async function recoverOn(
  conn: LightningConnection,
  seed: MoneySeed,
  act: RecoverAct | null,
): Promise<{ readonly holds: readonly RecoveredHold[]; readonly done: string | null }> {
  const found = await pendingHolds(conn, seed)
  if (!found.ok) throw new Refusal(`LND does not list its invoices: ${found.detail}`, { exitCode: EXIT.failed })
  if (act === null) return { holds: found.value, done: null }
  const hold = found.value.find(({ fact }) => fact.hash === act.hash)
  if (hold === undefined)
    throw new Refusal(`no pending hold of this money seed has the hash ${act.hash}`, { exitCode: EXIT.failed })
  if (act.kind === 'settle' && (hold.fact.state !== 'accepted' || !hold.proved))
    throw new Refusal(
      hold.proved
        ? `nothing is held under ${act.hash}: it is ${hold.fact.state}`
        : `this seed has no preimage of ${act.hash}`,
      { exitCode: EXIT.failed },
    )
  const outcome =
    act.kind === 'settle'
      ? await conn.settleHold(seed.preimage(hold.purpose, hold.counter))
      : await conn.cancelHold(act.hash)
  if (outcome.class !== 'A') {
    const detail = 'detail' in outcome ? outcome.detail : 'LND does not know it'
    throw new Refusal(`LND did not ${act.kind} ${act.hash}: ${detail}`, { exitCode: EXIT.failed })
  }
  const after = await pendingHolds(conn, seed)
  return {
    holds: after.ok ? after.value : found.value.filter((other) => other !== hold),
    done:
      act.kind === 'settle'
        ? `settled ${act.hash}: the sats are ours now`
        : `canceled ${act.hash}: the sats go back to their payer`,
  }
}
