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

/** Identity and sentinels: facts that the node we know can not have lost (money-path.md 3.7). */
export async function checkSentinels(ctx: Ctx, conn: LightningConnection, node: string): Promise<Verification> {
  const { store } = ctx
  const settled = store.all<HoldRow>(
    `SELECT * FROM hold WHERE final = 'settled' AND node_pubkey = :node ORDER BY settle_index DESC LIMIT ${SENTINELS}`,
    { node },
  )
  let settleIndex = 0
  for (const hold of settled) {
    const seen = await conn.lookupHold(hold.hash)
    if (!seen.ok) return { kind: 'no-answer' }
    if (seen.value === 'not-found' || seen.value.state !== 'settled' || seen.value.settleIndex !== hold.settle_index)
      return {
        kind: 'mismatch',
        why: `LND lost the settled hold ${hold.hash}: restored from a backup, or another node`,
      }
    settleIndex = Math.max(settleIndex, seen.value.settleIndex ?? 0)
  }
  const paid = store.all<LnOpRow>(
    `SELECT * FROM ln_op WHERE kind = 'pay' AND state = 'done' AND node_pubkey = :node ORDER BY created_at DESC LIMIT ${SENTINELS}`,
    { node },
  )
  for (const op of paid) {
    const seen = await conn.lookupPayment(op.hash)
    if (!seen.ok) return { kind: 'no-answer' }
    if (seen.value === 'not-found' || seen.value.state !== 'succeeded')
      return { kind: 'mismatch', why: `LND lost the payment ${op.hash}: restored from a backup, or another node` }
  }
  const live = store.all<HoldRow>(
    `SELECT * FROM hold WHERE final IS NULL AND decision = 'none' AND node_pubkey = :node AND rank >= 1
        AND (rank = 2 OR expires_at > :now) ORDER BY rank DESC, created_at DESC LIMIT ${LIVE_SENTINELS}`,
    { node, now: nowS(ctx) },
  )
  for (const hold of live) {
    const seen = await conn.lookupHold(hold.hash)
    if (!seen.ok) return { kind: 'no-answer' }
    if (seen.value === 'not-found' || (hold.rank === 2 && seen.value.state === 'open'))
      return {
        kind: 'mismatch',
        why: `LND does not know the hold ${hold.hash} as it did: restored from a backup, or another node`,
      }
  }
  const known = store.get<LnNodeRow>('SELECT * FROM ln_node WHERE node_pubkey = :node', { node })
  return {
    kind: 'held',
    settleIndex: Math.max(settleIndex, settled.length === 0 ? (known?.hi_settle_index ?? 0) : 0),
  }
}
