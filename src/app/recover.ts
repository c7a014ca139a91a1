/**
 * The last resort when the database is gone: the money seed and LND know every pending escrow between them
 * (money-path.md 3.7). Preimages are computed and used here; they are never shown (DEC-15).
 */
import type { HoldPurpose } from '../adapters/sqlite/schema.ts'
import { type MoneySeed, parseMemo } from '../engine/seed.ts'
import type { HoldFact, Lightning, LightningConnection, Lookup } from '../ports/lightning.ts'
import { databaseOf, hasDatabase, lockDataDir } from './data-dir.ts'
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
export async function pendingHolds(
  conn: LightningConnection,
  seed: MoneySeed,
): Promise<Lookup<readonly RecoveredHold[]>> {
  const pending = await conn.listHolds({ pendingOnly: true, createdSinceS: 0 })
  if (!pending.ok) return pending
  const marker = seed.marker()
  const ours = pending.value.flatMap((fact): RecoveredHold[] => {
    const memo = parseMemo(fact.memo)
    if (memo === null || memo.marker !== marker) return []
    const { purpose, counter } = memo
    return [{ fact, purpose, counter, proved: seed.hash(purpose, counter) === fact.hash }]
  })
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
      EXIT.failed,
    )
  const lock = lockDataDir(dataDir, 'recover escrows by hand')
  try {
    const connected = await lightning.connect()
    if (!connected.ok) throw new Refusal(`LND does not answer: ${connected.detail}`, EXIT.failed)
    try {
      return await recoverOn(connected.value, seed, act)
    } finally {
      connected.value.close()
    }
  } finally {
    lock.release()
  }
}

async function recoverOn(
  conn: LightningConnection,
  seed: MoneySeed,
  act: RecoverAct | null,
): Promise<{ readonly holds: readonly RecoveredHold[]; readonly done: string | null }> {
  const found = await pendingHolds(conn, seed)
  if (!found.ok) throw new Refusal(`LND does not list its invoices: ${found.detail}`, EXIT.failed)
  if (act === null) return { holds: found.value, done: null }
  const hold = found.value.find(({ fact }) => fact.hash === act.hash)
  if (hold === undefined) throw new Refusal(`no pending hold of this money seed has the hash ${act.hash}`, EXIT.failed)
  if (act.kind === 'settle' && (hold.fact.state !== 'accepted' || !hold.proved))
    throw new Refusal(
      hold.proved
        ? `nothing is held under ${act.hash}: it is ${hold.fact.state}`
        : `this seed has no preimage of ${act.hash}`,
      EXIT.failed,
    )
  const outcome =
    act.kind === 'settle'
      ? await conn.settleHold(seed.preimage(hold.purpose, hold.counter))
      : await conn.cancelHold(act.hash)
  if (outcome.class !== 'A') {
    const detail = 'detail' in outcome ? outcome.detail : 'LND does not know it'
    throw new Refusal(`LND did not ${act.kind} ${act.hash}: ${detail}`, EXIT.failed)
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
