/** What is found at the Lightning node and is not ours: another node, a rival, a payment made by hand (DEC-36). */
import type { HoldFact, NodeInfo, PaymentRecord } from '../../ports/lightning.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { ourNode } from '../journal/escrow-intents.ts'
import { halt } from '../journal/hold-facts.ts'
import { alert } from '../say.ts'
import { parseMemo } from '../seed.ts'

/** Records a new connection; null when this data directory belongs to another node. */
export function meetNode(ctx: Ctx, tx: Tx, info: NodeInfo): number | null {
  const known = ourNode(tx)
  if (known !== null && known !== info.pubkey) {
    alert(ctx, tx, 'wrong-node', 3, `LND answers as ${info.pubkey}, this data directory belongs to ${known}`)
    return null
  }
  if (known === null) {
    tx.s.node_add({ node: info.pubkey, network: info.network })
    tx.s.meta_put({ key: `met:${info.pubkey}`, value: String(tx.nowS) })
  }
  return tx.s.node_connect({ node: info.pubkey })?.conn_epoch ?? null
}

/** A hold at LND that carries our marker and that we do not know: a rival, or our database is older (DEC-36). */
export function foreignHold(ctx: Ctx, tx: Tx, node: string, fact: HoldFact): void {
  if (fact.state === 'canceled') return
  const memo = parseMemo(fact.memo)
  if (memo === null || memo.marker !== ctx.seed.marker()) return
  if (ctx.seed.hash(memo.purpose, memo.counter) !== fact.hash) return
  if (tx.store.get('SELECT 1 FROM hold WHERE hash = :hash', { hash: fact.hash }) !== undefined) return
  if (tx.s.meta_get({ key: `mapped:${fact.hash}` }) !== undefined) return
  halt(
    ctx,
    tx,
    node,
    'rival-instance',
    `LND holds invoice ${fact.hash} with our mark, and we do not know it: a second daemon, or a restored database`,
  )
}

/** A payment that LND made and that no row of ours explains: our database is older, or somebody paid by hand. */
export function foreignPayment(ctx: Ctx, tx: Tx, node: string, payment: PaymentRecord): void {
  if (payment.status === 'failed') return
  if (tx.store.get(`SELECT 1 FROM ln_op WHERE hash = :hash AND kind = 'pay'`, { hash: payment.hash }) !== undefined)
    return
  if (tx.s.meta_get({ key: `mapped:${payment.hash}` }) !== undefined) return
  if (payment.status === 'alive') {
    alert(ctx, tx, `foreign-payment:${payment.hash}`, 2, `LND is sending payment ${payment.hash}, which is not ours`)
    return
  }
  halt(
    ctx,
    tx,
    node,
    `foreign-payment:${payment.hash}`,
    `LND sent payment ${payment.hash}, which is not ours: made by hand, or our database is older`,
  )
}
