import { describe, expect, test } from 'vitest'
import { hit, miss, World } from './world.ts'

/** One world in which every table has a row for the rules below to refuse. */
function everything(): World {
  const d = new World()
  d.hold('H', 2)
  d.planHold('hold_create', 'H')
  d.obligation('O')
  d.planned('O', 'P1')
  d.s.request_open({ key: 'k', order_id: 'o', now: 0 })
  d.say('R', 'm')
  return d
}

describe('the schema refuses', () => {
  test.each([
    ['a verified connection that was never made', 'UPDATE ln_node SET verified_epoch = conn_epoch + 1'],
    ['a halt without a reason', 'UPDATE ln_node SET halted = 1'],
    ['a reason without a halt', "UPDATE ln_node SET halted_why = 'x'"],
    ['a final hold of a lower rank', "UPDATE hold SET final = 'settled'"],
    ['a hold of the last rank that is not final', 'UPDATE hold SET rank = 3'],
    ['an escrow with a bond', "UPDATE hold SET bond_id = 'b'"],
    ['a bond hold without a bond', "UPDATE hold SET purpose = 'taker_bond'"],
    ['a decision of nobody', "UPDATE hold SET decision = 'settle'"],
    ['an obligation that is paid by nothing', "UPDATE obligation SET state = 'paid'"],
    ['an unpaid obligation with a payment', "UPDATE obligation SET paid_op = 'x'"],
    ['a review without a reason', "UPDATE obligation SET state = 'review'"],
    ['a reason without a review', "UPDATE obligation SET review_why = 'conflict'"],
    ['a ready obligation without a destination', 'UPDATE obligation SET destination = NULL'],
    ['a payment of nothing owed', "UPDATE ln_op SET obligation_id = NULL WHERE kind = 'pay'"],
    ['a hold intent with an obligation', "UPDATE ln_op SET obligation_id = 'O' WHERE kind = 'hold_create'"],
    ['a payment whose invoice never ends', "UPDATE ln_op SET request_expires_at = NULL WHERE kind = 'pay'"],
    ['a claim of nobody', "UPDATE ln_op SET state = 'dispatching', lease_until = 1, conn = 1"],
    ['a claim without an end', "UPDATE ln_op SET state = 'dispatching', boot_id = 'b', conn = 1"],
    ['a claim on no connection', "UPDATE ln_op SET state = 'dispatching', boot_id = 'b', lease_until = 1"],
    ['an answer to no version of the order', 'UPDATE request SET answer_msg = (SELECT id FROM outbox_msg)'],
    ['a dead letter without a reason', 'UPDATE outbox_msg SET state = 3'],
    ['a reason for the death of a living letter', "UPDATE outbox_msg SET dead_why = 'x'"],
  ])('%s', (_, text) => {
    everything().refuses(/CHECK constraint/, text)
  })

  test('an obligation that is due without an anchor, or to nobody', () => {
    const d = new World()
    d.hold('H', 2)
    d.obligation('B', 'blocked', { fund: 'H', payee: null, destination: null })
    d.refuses(/CHECK constraint/, "UPDATE obligation SET state = 'need_destination', payee = 'P'")
    d.refuses(/CHECK constraint/, "UPDATE obligation SET state = 'need_destination', anchor_at = 1")
    d.sql("UPDATE obligation SET state = 'need_destination', anchor_at = 1, payee = 'P'")
  })
})

describe('guards of holds', () => {
  test('a hold that was adopted or decided is not late', () => {
    const d = new World()
    d.hold('H', 1, { answerBy: 8 })
    hit(d.s.hold_late({ now: 8 }))
    d.sql("UPDATE hold SET request = 'ln'")
    miss(d.s.hold_late({ now: 8 }))
    d.sql("UPDATE hold SET request = NULL, decision = 'cancel', decided_by = 'x'")
    miss(d.s.hold_late({ now: 8 }))
  })
})

describe('guards of claims', () => {
  test('a claim names the version that it was decided from and the node that it will call', () => {
    const d = everything()
    d.sql("INSERT INTO ln_node(node_pubkey, conn_epoch, verified_epoch) VALUES ('M', 1, 1)")
    const claim = { now: 100, boot: 'b', conn: 1, until: 160, v: 1, node: 'N' }
    const pay = { ...claim, id: 'pay:O:0', min_left: 60, cap: 9, dest_cap: 9 }
    const create = { ...claim, id: 'hold_create:H' }
    miss(d.s.claim_pay({ ...pay, v: 2 }))
    miss(d.s.claim_pay({ ...pay, node: 'M' }))
    miss(d.s.claim_pay({ ...pay, id: 'hold_create:H' }))
    miss(d.s.claim_hold_op({ ...create, v: 2 }))
    miss(d.s.claim_hold_op({ ...create, node: 'M' }))
    miss(d.s.claim_hold_op({ ...create, id: 'pay:O:0' }))
    hit(d.s.claim_pay(pay))
    hit(d.s.claim_hold_op(create))
  })

  test('a payment is claimed only while its obligation is ready', () => {
    const d = everything()
    d.sql("UPDATE obligation SET state = 'review', review_why = 'conflict'")
    miss(d.claim('pay:O:0'))
    d.sql("UPDATE obligation SET state = 'ready', review_why = NULL")
    hit(d.claim('pay:O:0'))
  })

  test('the cap of a destination counts the payments to that destination', () => {
    const d = everything()
    hit(d.claim('pay:O:0'))
    d.obligation('O2')
    const p = d.planned('O2', 'P2')
    miss(d.claim(p, { destCap: 1 }))
    d.sql("UPDATE ln_op SET dest_pubkey = 'E' WHERE id = ?", p)
    hit(d.claim(p, { destCap: 1 }))
  })

  test('a restart leaves the claims of the present process alone', () => {
    const d = everything()
    hit(d.claim('pay:O:0', { boot: 'now' }))
    miss(d.s.boot_unknown({ now: 9, boot: 'now' }))
  })
})

describe('the fence of an attempt', () => {
  test('an outcome of an earlier attempt says nothing about the present one', () => {
    const d = everything()
    const p = 'pay:O:0'
    d.claim(p)
    d.again(p, { sure: 1 })
    d.claim(p)
    const old = { id: p, attempt: 1, detail: 'x' }
    miss(d.s.op_unknown({ ...old, lost_at: null, next: 1 }))
    miss(d.s.op_again({ ...old, next: 1, sure_not_sent: 1, class: 'S', not_found: 0 }))
    hit(d.s.op_unknown({ ...old, attempt: 2, lost_at: 1, next: 1 }))
    miss(d.abandon(p, { attempt: 1, now: 10 ** 6 }))
    hit(d.abandon(p, { attempt: 2, now: 10 ** 6 }))
  })

  test('LND speaking twice of one living attempt is one acknowledgement', () => {
    const d = everything()
    d.claim('pay:O:0')
    const ack = { id: 'pay:O:0', attempt: 1, alive: 1, known: 1 } as const
    hit(d.s.op_ack(ack))
    miss(d.s.op_ack(ack))
  })

  test('a payment that LND knows and reports failed is sent again with the same hash', () => {
    const d = everything()
    d.claim('pay:O:0')
    d.s.op_ack({ id: 'pay:O:0', attempt: 1, alive: 1, known: 1 })
    hit(d.again('pay:O:0', { class: 'T-attempt' }))
  })

  test('an intent is withdrawn from the row that was read, once', () => {
    const d = everything()
    miss(d.s.op_void({ id: 'pay:O:0', v: 2 }))
    hit(d.s.op_void({ id: 'pay:O:0', v: 1 }))
    miss(d.s.op_void({ id: 'pay:O:0', v: 2 }))
  })

  test('a hold intent is never abandoned like a payment', () => {
    const d = everything()
    miss(d.abandon('hold_create:H', { attempt: 0, lookedUp: 0 }))
  })
})

describe('guards of payouts', () => {
  test('an invoice reserved for one payee does not pay another', () => {
    const d = new World()
    d.obligation('O')
    d.s.hash_reserve({ hash: 'X', owner: 'O', payee: 'somebody', now: 1 })
    expect(d.plan('O', 'X', { reserve: false })).toBeUndefined()
  })

  test('an invoice may be given again until its payment was claimed', () => {
    const d = everything()
    const reserve = () => d.s.hash_reserve({ hash: 'P1', owner: 'O', payee: 'P', now: 2 })
    hit(reserve())
    d.claim('pay:O:0')
    miss(reserve())
  })

  test('only a payment that is done pays', () => {
    const d = everything()
    d.claim('pay:O:0')
    miss(d.s.obligation_paid({ oid: 'O', op: 'pay:O:0' }))
    d.s.op_done({ id: 'pay:O:0', result: '{}' })
    hit(d.s.obligation_paid({ oid: 'O', op: 'pay:O:0' }))
  })

  test('an address is looked up by who read the present row', () => {
    const d = new World()
    d.obligation('O')
    miss(d.s.resolve_claim({ oid: 'O', v: 2, now: 1, until: 60 }))
    hit(d.s.resolve_claim({ oid: 'O', v: 1, now: 1, until: 60 }))
  })

  test('nothing that was asked for and answered is forfeited', () => {
    const d = new World()
    d.obligation('W', 'need_destination', { kind: 'bond_payout', window: 10 })
    d.sql("UPDATE obligation SET prompt_ok_at = 1, state = 'ready', destination = '{}'")
    miss(d.s.obligation_forfeit({ oid: 'W', now: 10 ** 9 }))
  })

  test('custody in another review waits for no verdict', () => {
    const d = new World()
    d.obligation('C', 'review', { kind: 'custody', payee: null, why: 'conflict', destination: null })
    miss(d.s.obligation_name_payee({ oid: 'C', payee: 'P' }))
  })

  test('an operator closes a review, and nothing else', () => {
    const d = new World()
    d.obligation('O')
    miss(d.s.obligation_void({ oid: 'O', operator: 1 }))
  })
})

describe('a payment that may exist', () => {
  test('bars a lookup, a forfeiture and a void of its obligation', () => {
    const d = everything()
    const v = () => Number(d.value("SELECT version FROM obligation WHERE id = 'O'"))
    const lookup = () => d.s.resolve_claim({ oid: 'O', v: v(), now: 1, until: 60 })
    miss(lookup())
    d.obligation('W', 'ready', { kind: 'bond_payout', window: 10 })
    d.planned('W', 'P2')
    d.sql("UPDATE obligation SET state = 'need_destination', destination = NULL, prompt_ok_at = 1 WHERE id = 'W'")
    miss(d.s.obligation_forfeit({ oid: 'W', now: 10 ** 9 }))
    d.obligation('F', 'ready', { kind: 'dev_fee' })
    const fee = d.planned('F', 'P3')
    miss(d.s.obligation_void({ oid: 'F', operator: 1 }))
    for (const id of ['pay:O:0', 'pay:W:0', fee]) hit(d.s.op_void({ id, v: 1 }))
    hit(lookup())
    hit(d.s.obligation_forfeit({ oid: 'W', now: 10 ** 9 }))
    hit(d.s.obligation_void({ oid: 'F', operator: 0 }))
  })
})

describe('guards of orders', () => {
  test('a move names status, phase and version, each of which may be what changed', () => {
    const d = new World()
    d.order('o', 'active')
    const from = { id: 'o', status: 'active', phase: 'steady', version: 1 } as const
    const to = { status: 'fiat-sent', phase: 'steady' } as const
    miss(d.store.moveOrder({ ...from, status: 'fiat-sent' }, to))
    miss(d.store.moveOrder({ ...from, phase: 'releasing' }, to))
    miss(d.store.moveOrder({ ...from, version: 2 }, to))
    hit(d.store.moveOrder(from, to))
  })

  test('a duty that was never asked for is not accepted by a relay', () => {
    const d = new World()
    d.order('o', 'active')
    miss(d.s.duty_ok({ id: 'o', epoch: 0, now: 1 }))
  })
})

describe('guards of messages', () => {
  test('what was sent is neither lifted nor sent again, and what is not due waits', () => {
    const d = new World()
    const sent = hit(d.say('R', 'a', 0, { lane: 2 }))
    d.s.outbox_ok({ id: sent, now: 1, min_ok: 0 })
    miss(d.s.outbox_lift({ r: 'R', lane: 0 }))
    miss(d.s.outbox_retry({ id: sent, next: 1 }))
    hit(d.say('R', 'b', 0, { now: 100 }))
    miss(d.s.outbox_next({ lane: 0, now: 99, n: 9 }))
  })

  test('a relay that has an older revision of an address does not have the address', () => {
    const d = new World()
    d.s.relay_add({ url: 'w1', cursor: 0 })
    const want = { coord: 'c', body: '1', now: 1, refresh_at: null }
    d.s.pub_want(want)
    d.s.delivered({ ref: 'c', relay: 'w1', rev: 1, now: 1 })
    d.s.pub_want({ ...want, body: '2' })
    miss(d.s.pub_done({ coord: 'c', rev: 2 }))
    d.s.delivered({ ref: 'c', relay: 'w1', rev: 2, now: 1 })
    hit(d.s.pub_done({ coord: 'c', rev: 2 }))
  })
})

describe('guards of requests', () => {
  test('a request of yesterday is a new one', () => {
    const d = new World()
    d.order('o', 'pending')
    d.s.request_open({ key: 'k', order_id: 'o', now: 0 })
    hit(d.s.request_look({ key: 'k', now: 86_399 }))
    miss(d.s.request_look({ key: 'k', now: 86_400 }))
  })
})
