/**
 * Whether a connection leads to the Lightning node that our rows speak of: facts that it can not have lost, unless it was
 * restored from a backup or is another node (money-path.md 3.7, R-47).
 */
import type { HoldRow, LnNodeRow, LnOpRow } from '../../adapters/sqlite/schema.ts'
import type { LightningConnection } from '../../ports/lightning.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'

const SENTINELS = 5
const LIVE_SENTINELS = 50

export type Verification =
  /** every sentinel is as we know it; `settleIndex`: the highest that LND showed */
  | { readonly kind: 'held'; readonly settleIndex: number }
  /** a look-up gave no information: not verified, try again */
  | { readonly kind: 'no-answer' }
  /** LND does not know what it told us before: halt */
  | { readonly kind: 'mismatch'; readonly why: string }

/** What LND must still say of one hold or payment; null when it does. */
type Sentinel = () => Promise<Exclude<Verification, { kind: 'held' }> | null>

/** Identity and sentinels: facts that the node we know can not have lost (money-path.md 3.7). */
export async function checkSentinels(ctx: Ctx, conn: LightningConnection, node: string): Promise<Verification> {
  const { store } = ctx
  const settled = store.all<HoldRow>(
    `SELECT * FROM hold WHERE final = 'settled' AND node_pubkey = :node ORDER BY settle_index DESC LIMIT ${SENTINELS}`,
    { node },
  )
  const paid = store.all<LnOpRow>(
    `SELECT * FROM ln_op WHERE kind = 'pay' AND state = 'done' AND node_pubkey = :node ORDER BY created_at DESC LIMIT ${SENTINELS}`,
    { node },
  )
  const sentinels: readonly Sentinel[] = [
    ...settled.map((hold) => async () => {
      const seen = await conn.lookupHold(hold.hash)
      if (!seen.ok) return NO_ANSWER
      const same =
        seen.value !== 'not-found' && seen.value.state === 'settled' && seen.value.settleIndex === hold.settle_index
      return same ? null : mismatch(`LND lost the settled hold ${hold.hash}`)
    }),
    ...paid.map((op) => async () => {
      const seen = await conn.lookupPayment(op.hash)
      if (!seen.ok) return NO_ANSWER
      const same = seen.value !== 'not-found' && seen.value.state === 'succeeded'
      return same ? null : mismatch(`LND lost the payment ${op.hash}`)
    }),
    ...liveHolds(ctx, node).map((hold) => async () => {
      const seen = await conn.lookupHold(hold.hash)
      if (!seen.ok) return NO_ANSWER
      const lost = seen.value === 'not-found' || (hold.rank === 2 && seen.value.state === 'open')
      return lost ? mismatch(`LND does not know the hold ${hold.hash} as it did`) : null
    }),
  ]
  const failed = (await Promise.all(sentinels.map((sentinel) => sentinel()))).filter((verdict) => verdict !== null)
  const worst = failed.find(({ kind }) => kind === 'mismatch') ?? failed[0]
  if (worst !== undefined) return worst
  const known = store.get<LnNodeRow>('SELECT * FROM ln_node WHERE node_pubkey = :node', { node })
  return { kind: 'held', settleIndex: settled[0]?.settle_index ?? known?.hi_settle_index ?? 0 }
}

const NO_ANSWER = { kind: 'no-answer' } as const

function mismatch(what: string): Verification & { readonly kind: 'mismatch' } {
  return { kind: 'mismatch', why: `${what}: restored from a backup, or another node` }
}

/**
 * The newest holds that are paid or can still be. An index knows the paid ones by their height; a node that has enough of
 * them need not look through all others.
 */
function liveHolds(ctx: Ctx, node: string): readonly HoldRow[] {
  const held = ctx.store.all<HoldRow>(
    `SELECT * FROM hold WHERE final IS NULL AND rank = 2 AND decision = 'none' AND node_pubkey = :node
      ORDER BY min_htlc_height DESC LIMIT ${LIVE_SENTINELS}`,
    { node },
  )
  if (held.length === LIVE_SENTINELS) return held
  const open = ctx.store.all<HoldRow>(
    `SELECT * FROM hold WHERE final IS NULL AND rank = 1 AND decision = 'none' AND node_pubkey = :node
        AND expires_at > :now ORDER BY created_at DESC LIMIT ${LIVE_SENTINELS}`,
    { node, now: nowS(ctx) },
  )
  return [...held, ...open].slice(0, LIVE_SENTINELS)
}
