/**
 * Whether the sats of settled escrows arrived: LND writes SETTLED before its channels have committed to it, so a peer that
 * stays away until the height of an HTLC takes it back (money-path.md 1.13, 3.7 X-14). It can only be told, not repaired.
 */
import type { HoldRow } from '../../adapters/sqlite/schema.ts'
import type { HtlcResolution, LightningConnection } from '../../ports/lightning.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { alert } from '../say.ts'

const UNCLAIMED = 'unclaimed:'
/** How long the channels have to commit to a settle. */
const COMMIT_S = 3600

type Asked = { readonly conn: LightningConnection; readonly node: string }

/** Asks LND about each of the newest settled escrows until it is known to have arrived, or to be lost. Repeat: safe. */
export async function auditSettled(ctx: Ctx, { conn, node }: Asked): Promise<void> {
  const holds = ctx.store.all<HoldRow>(
    `SELECT * FROM (SELECT * FROM hold WHERE final = 'settled' ORDER BY settle_index DESC LIMIT 500) h
      WHERE h.htlc_resolved = 0 AND h.node_pubkey = :node AND NOT EXISTS (SELECT 1 FROM ledger l WHERE l.cause = 'lost:' || h.hash)
     UNION
     SELECT h.* FROM alert a JOIN hold h ON h.hash = substr(a.key, :skip)
      WHERE a.key GLOB '${UNCLAIMED}*' AND a.closed_at IS NULL AND h.htlc_resolved = 0 AND h.node_pubkey = :node`,
    { node, skip: UNCLAIMED.length + 1 },
  )
  for (const hold of holds) {
    const seen = await conn.htlcsResolved(hold.hash)
    if (!seen.ok) continue
    const { value } = seen
    await ctx.door.submit({ name: `audit:${value.state}`, run: (tx) => resolved(ctx, tx, hold, value) })
    if (value.state === 'unsupported') return
  }
}

function resolved(
  ctx: Ctx,
  tx: Tx,
  { hash, order_id, final_at, node_pubkey }: HoldRow,
  resolution: HtlcResolution,
): void {
  const unrecorded = `htlcs-unrecorded:${node_pubkey}`
  const unclaimed = `${UNCLAIMED}${hash}`
  const which = `the settled escrow ${hash} of order ${order_id}`
  switch (resolution.state) {
    case 'ours':
      tx.s.hold_resolved({ hash })
      tx.s.alert_close({ key: unclaimed, now: tx.nowS })
      return
    case 'pending':
      // What ended before LND was told to record it stays unknown to it.
      if (Number(tx.s.meta_get({ key: unrecorded })?.value ?? 0) >= (final_at ?? 0)) return
      if (tx.nowS - (final_at ?? 0) < COMMIT_S) return
      alert(ctx, tx, unclaimed, 3, `LND has not claimed ${which} in its channels: is the peer of the channel online?`)
      return
    case 'lost':
      tx.s.ledger_post({
        cause: `lost:${hash}`,
        n: 0,
        debit: 'loss',
        credit: 'ln',
        msat: resolution.lostMsat,
        order_id,
        now: tx.nowS,
      })
      tx.s.alert_close({ key: unclaimed, now: tx.nowS })
      alert(
        ctx,
        tx,
        `escrow-not-received:${hash}`,
        3,
        `${which} went back to its payer: ${resolution.lostMsat} msat are lost`,
      )
      return
    case 'unsupported':
      tx.s.meta_put({ key: unrecorded, value: String(tx.nowS) })
  }
}
