/** LND paid: believed whenever it comes and whatever our rows say, booked once, then told. */
import type { LnOpRow } from '../../adapters/sqlite/schema.ts'
import { assert } from '../../core/assert.ts'
import { type Msat, msatToSatsRoundedDown } from '../../core/money.ts'
import { decidePaid } from '../../core/order/trade.ts'
import { sha256Hex } from '../../wire/hex.ts'
import { devFeeEvent, KIND_DEV_FEE } from '../../wire/public-events.ts'
import { applyDecision } from '../apply.ts'
import type { Ctx } from '../context.ts'
import type { Tx } from '../door.ts'
import { networksOf, nodeIdentity, wantEvent } from '../public-orders.ts'
import { destinationFrom, loadOrder } from '../rows.ts'
import { alert, Cause } from '../say.ts'
import { intentDone } from './escrow-intents.ts'
import { obligationRow } from './obligations.ts'

const DAY_S = 86_400

/** A payment of ours succeeded. Repeat: safe, the second time changes nothing. */
export function paymentSucceeded(ctx: Ctx, tx: Tx, opId: string, preimage: string, feeMsat: Msat): void {
  const op = tx.store.get<LnOpRow>('SELECT * FROM ln_op WHERE id = :id', { id: opId })
  assert(op !== undefined && op.obligation_id !== null, `intent ${opId} exists`)
  const proof = sha256Hex(Buffer.from(preimage, 'hex')) === op.hash
  if (!proof) {
    alert(
      ctx,
      tx,
      `wrong-preimage:${op.id}`,
      3,
      `LND reports success of ${op.id} with a preimage that is not the invoice's`,
    )
    return
  }
  const done = intentDone(tx, op.id, 'pay', { preimage, feeMsat })
  tx.s.alert_close({ key: `payout-node-fault:${op.obligation_id}`, now: tx.nowS })
  if (!done && op.state === 'done') return
  const row = obligationRow(tx, op.obligation_id)
  assert(row !== undefined, `obligation ${op.obligation_id} exists`)
  const late = !done
  const other = row.paid_op !== null && row.paid_op !== op.id
  book(tx, op, row.amount_msat, feeMsat, other ? 'loss' : `owed:${row.id}`, row.order_id)
  if (late || tx.s.obligation_paid({ op: op.id, oid: row.id }) === undefined) {
    tx.s.obligation_review({ oid: row.id, why: 'late-success' })
    alert(ctx, tx, `late-success:${op.id}`, 3, `${op.id} succeeded although ${row.id} was ${row.state}`)
    return
  }
  switch (row.kind) {
    case 'buyer_payout':
      buyerPaid(ctx, tx, row.order_id, op.id)
      return
    case 'dev_fee':
      publishDevFee(ctx, tx, op, row.order_id, row.amount_msat, row.destination)
      return
    case 'bond_payout':
    case 'maker_refund':
    case 'solver_reward':
    case 'overpayment':
    case 'custody':
      return
  }
}

function book(tx: Tx, op: LnOpRow, amountMsat: Msat, feeMsat: Msat, debit: string, orderId: string): void {
  const cause = `paid:${op.id}`
  tx.s.ledger_post({ cause, n: 0, debit, credit: 'ln', msat: amountMsat, order_id: orderId, now: tx.nowS })
  if (feeMsat > 0)
    tx.s.ledger_post({ cause, n: 1, debit: 'routing', credit: 'ln', msat: feeMsat, order_id: orderId, now: tx.nowS })
}

function buyerPaid(ctx: Ctx, tx: Tx, orderId: string, opId: string): void {
  const order = loadOrder(tx.store, orderId)
  if (order === null) return
  const decision = decidePaid(order)
  if (decision.kind === 'moved') {
    applyDecision(ctx, tx, order, decision, { cause: new Cause(`${opId}/paid`), origin: null })
    return
  }
  tx.s.order_review({ id: orderId })
  alert(
    ctx,
    tx,
    `order-review:${orderId}`,
    3,
    `the buyer of order ${orderId} was paid while it is ${order.status}/${order.phase}`,
  )
}

function publishDevFee(
  ctx: Ctx,
  tx: Tx,
  op: LnOpRow,
  orderId: string,
  amountMsat: Msat,
  destination: string | null,
): void {
  const address = destinationFrom(destination)
  const { kind, tags, content } = devFeeEvent(
    {
      orderId,
      amountSats: msatToSatsRoundedDown(amountMsat),
      hash: op.hash,
      destination: address?.kind === 'address' ? address.address : '',
      networks: networksOf(tx),
      retainedUntilS: tx.nowS + ctx.settings.retentionDays.feeAudit * DAY_S,
    },
    nodeIdentity(ctx),
    0,
  )
  wantEvent(ctx, tx, `${KIND_DEV_FEE}:${ctx.key.pubkey}:${orderId}`, { kind, tags, content }, false)
}
