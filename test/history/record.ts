/**
 * Records a database as this version writes it, named after its newest migration, for every later version to open:
 *
 *     npx tsx test/history/record.ts
 *
 * Run it once for every migration that is released; a recorded file never changes afterwards.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MIGRATIONS_FOLDER } from '../../src/adapters/sqlite/migrate.ts'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { assert } from '../../src/core/assert.ts'
import { msat } from '../../src/core/money.ts'

const NODE = '02'.padEnd(66, 'a')
const trader = (name: string) => Buffer.from(name.padEnd(32, '.')).toString('hex')

/** Two trades: one settled whose buyer is being paid, one in the book. */
function trade(store: Store): void {
  const { s } = store
  s.process_start({ boot: 'boot-1', pid: 1, now: 1000 })
  s.node_add({ node: NODE, network: 'regtest' })
  s.node_connect({ node: NODE })
  s.node_verified({ node: NODE, conn: 1, settle_index: 0 })
  s.relay_add({ url: 'wss://relay.example', cursor: 1000 })
  s.meta_put({ key: 'note', value: 'recorded' })
  s.price_put({ currency: 'EUR', value: 90_000.25, as_of: 1000 })
  s.ops_log_add({ at: 1000, who: 'cli', what: 'solver-add', detail: '{"v":1}' })
  s.alert_open({ key: 'clock', sev: 1, detail: '2 s slow', now: 1000 })
  s.blind_open({ kind: 'down', at: 900 })
  s.blind_close({ kind: 'down', at: 1000 })
  s.in_hand_put({ outer: 'unfinished' })
  s.index_burn({ identity: trader('alice'), index: 1, now: 1001 })

  const offer = {
    kind: 'sell',
    status: 'pending',
    maker_identity: trader('alice'),
    fiat_code: 'EUR',
    payment_method: 'SEPA',
    price_from_api: 1,
    premium: -1,
    created_at: 1001,
    expires_at: 90_000,
  } as const
  store.insertOrder({
    ...offer,
    id: 'range',
    maker_pubkey: trader('alice-1'),
    maker_index: 1,
    min_amount: 10,
    max_amount: 100,
  })
  store.insertOrder({
    ...offer,
    id: 'slice',
    maker_pubkey: trader('alice-2'),
    maker_index: 2,
    fiat_amount: 50,
    range_parent: 'range',
  })
  const taken = {
    taker_pubkey: trader('bob-1'),
    taker_identity: trader('bob-1'),
    taken_at: 1002,
    amount_msat: msat(50_000_000),
    fee_msat: msat(150_000),
    duty_epoch: 'next' as const,
    duty_anchor_at: 1002,
  }
  const book = { id: 'slice', status: 'pending', phase: 'steady', version: 1 } as const
  store.moveOrder(book, { status: 'pending', phase: 'opening' }, taken)
  const escrow = {
    purpose: 'escrow',
    bond_id: null,
    epoch: 1,
    amount_msat: msat(50_150_000),
    cltv_delta: 144,
    life_s: 960,
    memo: 'slice',
    request_key: 'request-1',
    answer_by: 1010,
    node: NODE,
    now: 1002,
  } as const
  s.request_open({ key: 'request-1', order_id: 'slice', now: 1002 })
  s.hold_plan({ ...escrow, hash: 'escrow-1', order_id: 'slice', counter: 1_000_000 })
  const intent = { node: NODE, params: '{"v":1}', now: 1002 }
  s.op_plan_hold({ ...intent, id: 'hold_create:escrow-1', kind: 'hold_create', hash: 'escrow-1' })
  const claim = { now: 1002, boot: 'boot-1', conn: 1, until: 1062, node: NODE }
  s.claim_hold_op({ ...claim, id: 'hold_create:escrow-1', v: 1 })
  s.hold_dispatch({ hash: 'escrow-1', now: 1002 })
  s.op_done({ id: 'hold_create:escrow-1', result: '{"v":1}' })
  s.hold_adopt({ hash: 'escrow-1', request: 'lnbcrt1', expires_at: 1962 })
  store.moveOrder({ ...book, phase: 'opening', version: 2 }, { status: 'waiting-payment', phase: 'steady' })
  s.hold_observe({ hash: 'escrow-1', rank: 2, msat: msat(50_150_000), held_at: 1010, height: 900_144 })
  s.decide_settle({ hash: 'escrow-1', now: 1100, by: 'message-1', why: '{"v":1}' })
  s.op_plan_hold({ ...intent, id: 'hold_settle:escrow-1', kind: 'hold_settle', hash: 'escrow-1' })
  const payout = { order_id: 'slice', bond_id: null, payee: trader('bob-1'), funded_by: 'escrow-1', window_s: null }
  const policy = { attempts_max: 3, retry_s: 60, max_fee_msat: msat(500_000), amount_msat: msat(49_850_000) }
  const oid = 'buyer_payout:slice'
  s.obligation_plan({ ...payout, ...policy, oid, kind: 'buyer_payout', destination: '{"v":1}', now: 1100 })
  s.op_done({ id: 'hold_settle:escrow-1', result: '{"v":1}' })
  s.hold_final({ hash: 'escrow-1', final: 'settled', msat: null, settle_index: 7, now: 1101 })
  const settled = { cause: 'settle:escrow-1', debit: 'ln', order_id: 'slice', now: 1101 }
  s.ledger_post({ ...settled, n: 0, credit: `owed:${oid}`, msat: msat(49_850_000) })
  s.ledger_post({ ...settled, n: 1, credit: 'fee', msat: msat(300_000) })
  s.obligation_fund({ hash: 'escrow-1', now: 1101 })
  s.hash_reserve({ hash: 'invoice-1', owner: oid, payee: trader('bob-1'), now: 1100 })
  s.pay_plan({ oid, hash: 'invoice-1', node: NODE, params: '{"v":1}', dest: NODE, expires: 9000, now: 1101 })
  const caps = { min_left: 60, cap: 40, dest_cap: 4 }
  s.claim_pay({ ...claim, ...caps, id: `pay:${oid}:0`, v: 1, now: 1102, until: 1162 })
  store.moveOrder(
    { ...book, status: 'waiting-payment', version: 3 },
    { status: 'settled-hold-invoice', phase: 'steady' },
    { settled_at: 1101 },
  )

  s.rate_once({ order_id: 'slice', rater: 'seller', stars: 5, now: 1102 })
  s.user_rated({ identity: trader('alice'), reviews: 1, rating: 2, last: 4, min: 4, max: 4 })

  s.inbox_take({ outer: 'event-1', inner: 'message-1', sender: trader('alice-2'), verdict: 'effect', now: 1100 })
  s.transport_seen({ r: trader('bob-1'), transport: 1, inner_at: 1000, now: 1101 })
  const { n: seq, last_created_at: ev_at } = s.outbox_seq({ r: trader('bob-1'), now: 1101 })
  const message = {
    r: trader('bob-1'),
    seq,
    cause: 'message-1',
    n: 0,
    order_id: 'slice',
    oid: null,
    transport: 1,
    ev_at,
  } as const
  const msg = s.outbox_put({ ...message, lane: 0, asks: 0, body: '{"order":{}}', now: 1101 })
  assert(msg !== undefined, 'the message was said before')
  s.request_answer({ key: 'request-1', msg: msg.id })
  s.delivered({ ref: `m:${msg.id}`, relay: 'wss://relay.example', rev: 0, now: 1102 })
  s.pub_want({ coord: '38383:key:slice', body: '{}', now: 1101, refresh_at: 87_501 })
}

const folder = mkdtempSync(join(tmpdir(), 'fianza-history-'))
const journal: { entries: { tag: string }[] } = JSON.parse(
  readFileSync(join(MIGRATIONS_FOLDER, 'meta', '_journal.json'), 'utf8'),
)
const tag = journal.entries.at(-1)?.tag
assert(tag !== undefined, 'there are no migrations')
const target = fileURLToPath(new URL(`./${tag}.db`, import.meta.url))
const store = openStore(join(folder, 'recorded.db'))
trade(store)
store.db.pragma('journal_mode = DELETE')
store.db.pragma('page_size = 1024')
rmSync(target, { force: true })
store.run('VACUUM INTO ?', [target])
store.close()
rmSync(folder, { recursive: true })
