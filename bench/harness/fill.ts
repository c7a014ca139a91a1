/** Rows of a daemon that has been at it for long, written into its database while it does not run. */
import { randomBytes } from 'node:crypto'
import BetterSqlite3 from 'better-sqlite3'
import { databaseOf } from '../../src/app/data-dir.ts'
import { readMoneySeed, seedFileOf } from '../../src/app/keys.ts'
import { memoTail } from '../../src/engine/seed.ts'
import { KIND_ORDER } from '../../src/wire/public-events.ts'
import type { Key } from './requests.ts'

const CACHE_KIB = 2 ** 20
const AMOUNT_MSAT = 10_000_000
const CLTV_DELTA = 144
const DAY_S = 86_400
/** What is older is thrown away little by little. */
const PAST_S = 28 * DAY_S
/** Below every counter that a daemon gives out, which begin at the time in milliseconds. */
const FIRST_COUNTER = 1

const hex32 = (): string => randomBytes(32).toString('hex')
const nowS = (): number => Math.floor(Date.now() / 1000)

function uuid(): string {
  const hex = randomBytes(16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
}

type Row = Readonly<Record<string, string | number | null>>

/** Inserts rows of many tables; one statement for each set of columns. */
class Writer {
  readonly #db: BetterSqlite3.Database
  readonly #statements = new Map<string, BetterSqlite3.Statement<[Row]>>()

  constructor(db: BetterSqlite3.Database) {
    this.#db = db
  }

  insert(table: string, row: Row): void {
    const columns = Object.keys(row)
    const sql = `INSERT INTO ${table}(${columns.join(', ')}) VALUES (${columns.map((name) => `:${name}`).join(', ')})`
    const known = this.#statements.get(sql) ?? this.#db.prepare<[Row]>(sql)
    this.#statements.set(sql, known)
    known.run(row)
  }
}

function fill(dataDir: string, work: (write: Writer, db: BetterSqlite3.Database) => void): void {
  const db = new BetterSqlite3(databaseOf(dataDir))
  try {
    // Nobody else has it open, and half of it is worth nothing.
    db.pragma('journal_mode = OFF')
    db.pragma('synchronous = OFF')
    db.pragma(`cache_size = ${-CACHE_KIB}`)
    db.transaction(() => work(new Writer(db), db))()
    db.pragma('journal_mode = WAL')
  } finally {
    db.close()
  }
}

const one = (db: BetterSqlite3.Database, sql: string): string => {
  const value: unknown = db.prepare(sql).pluck().get()
  if (typeof value !== 'string') throw new Error(`nothing answers ${sql}`)
  return value
}
const lightningNodeOf = (db: BetterSqlite3.Database): string => one(db, 'SELECT node_pubkey FROM ln_node')
const nodeKeyOf = (db: BetterSqlite3.Database): string => one(db, `SELECT value FROM meta WHERE key = 'node_key'`)
const relayOf = (db: BetterSqlite3.Database): string => one(db, 'SELECT url FROM relay WHERE configured = 1')

function order(id: string, more: Row): Row {
  const maker = hex32()
  return {
    id,
    kind: 'sell',
    maker_pubkey: maker,
    maker_identity: maker,
    fiat_code: 'USD',
    fiat_amount: 5,
    payment_method: 'bank transfer',
    price_from_api: 0,
    amount_msat: AMOUNT_MSAT,
    ...more,
  }
}

function publicEvent(nodePubkey: string, id: string, atS: number, refreshAtS: number | null): Row {
  return {
    coord: `${KIND_ORDER}:${nodePubkey}:${id}`,
    want_rev: 1,
    done_rev: 1,
    last_created_at: atS,
    stamped_rev: 1,
    body: JSON.stringify({ kind: KIND_ORDER, tags: [['d', id]], content: '' }),
    next_at: atS,
    refresh_at: refreshAtS,
  }
}

function hold(lightningNode: string, orderId: string, more: Row): Row {
  return {
    purpose: 'escrow',
    order_id: orderId,
    amount_msat: AMOUNT_MSAT,
    cltv_delta: CLTV_DELTA,
    life_s: 960,
    request: `lnbcrt${orderId}`,
    node_pubkey: lightningNode,
    ...more,
  }
}

/** `done` trades of the last month with all that is kept of them, and `open` orders in the book. */
export function fillWithPast(dataDir: string, done: number, open: number): void {
  fill(dataDir, (write, db) => {
    const lightningNode = lightningNodeOf(db)
    const nodePubkey = nodeKeyOf(db)
    for (let n = 0; n < done; n++) {
      const id = uuid()
      const hash = hex32()
      const [taker, outer] = [hex32(), hex32()]
      const atS = nowS() - PAST_S + Math.floor((n / done) * (PAST_S - DAY_S))
      const took = { taker_pubkey: taker, taker_identity: taker, taken_at: atS }
      write.insert('orders', order(id, { status: 'success', created_at: atS, expires_at: atS + DAY_S, ...took }))
      const ended = {
        rank: 3,
        final: 'canceled',
        final_at: atS,
        decision: 'cancel',
        decided_at: atS,
        decided_by: outer,
      }
      write.insert(
        'hold',
        hold(lightningNode, id, { hash, counter: FIRST_COUNTER + n, memo: '', created_at: atS, ...ended }),
      )
      write.insert('obligation', {
        id: `buyer_payout:${id}`,
        kind: 'buyer_payout',
        order_id: id,
        payee: taker,
        amount_msat: AMOUNT_MSAT,
        max_fee_msat: 0,
        state: 'void',
        attempts_max: 3,
        retry_s: 60,
        created_at: atS,
      })
      write.insert('ledger', {
        id: `past:${n}:0`,
        debit: 'ln',
        credit: 'fee',
        msat: 1000,
        cause: `past:${n}`,
        order_id: id,
        at: atS,
      })
      write.insert('inbox', { outer_id: outer, inner_id: outer, sender: taker, verdict: 'effect', received_at: atS })
      write.insert('outbox_msg', {
        recipient: taker,
        seq: 1,
        dedup_key: `${outer}/0`,
        order_id: id,
        lane: 0,
        transport: 2,
        ev_created_at: atS,
        body: 'x'.repeat(400),
        state: 2,
        first_ok_at: atS,
        next_at: atS,
        created_at: atS,
      })
      write.insert('outbox_pub', publicEvent(nodePubkey, id, atS, null))
    }
    for (let n = 0; n < open; n++) {
      const id = uuid()
      const atS = nowS()
      write.insert('orders', order(id, { status: 'pending', created_at: atS, expires_at: atS + DAY_S }))
      write.insert('outbox_pub', publicEvent(nodePubkey, id, atS, atS + DAY_S))
    }
  })
}

/** An invoice that LND holds for one of the trades. */
export type Held = {
  readonly hash: string
  readonly memo: string
  readonly amountMsat: number
  readonly cltvDelta: number
}

/**
 * A book of `open` orders, one of them `maker`'s, who wants to buy; and `held` trades whose escrow is held. Of the last of
 * them the daemon does not know it yet: it was paid while the daemon was away. Its buyer is `buyer`.
 */
export function fillWithTrades(
  dataDir: string,
  {
    open,
    held,
    buyer,
    maker,
    height,
  }: {
    readonly open: number
    readonly held: number
    readonly buyer: Key
    readonly maker: Key
    readonly height: number
  },
): { readonly holds: readonly Held[]; readonly paidMeanwhile: string; readonly offer: string } {
  const seed = readMoneySeed(seedFileOf(dataDir))
  const holds: Held[] = []
  let paidMeanwhile = ''
  const offer = uuid()
  fill(dataDir, (write, db) => {
    const lightningNode = lightningNodeOf(db)
    const nodePubkey = nodeKeyOf(db)
    const relay = relayOf(db)
    const atS = nowS()
    const publish = (id: string): void => {
      const event = publicEvent(nodePubkey, id, atS, atS + DAY_S)
      write.insert('outbox_pub', event)
      write.insert('delivery', { ref: event['coord'] ?? '', relay, rev: 1, at: atS })
    }
    for (let n = 0; n < open; n++) {
      const isOffer = n === 0
      const id = isOffer ? offer : uuid()
      const ours = isOffer ? { kind: 'buy', maker_pubkey: maker.pubkey, maker_identity: maker.pubkey } : {}
      write.insert('orders', order(id, { status: 'pending', created_at: atS, expires_at: atS + DAY_S, ...ours }))
      publish(id)
    }
    for (let n = 0; n < held; n++) {
      const id = uuid()
      const counter = FIRST_COUNTER + n
      const isLast = n === held - 1
      const taker = isLast ? buyer.pubkey : hex32()
      const taken = { taker_pubkey: taker, taker_identity: taker, taken_at: atS }
      const destination = JSON.stringify({ v: 1, kind: 'address', address: `${n}@example.com` })
      const status = isLast
        ? { status: 'waiting-payment', duty_epoch: 1, duty_anchor_at: atS, duty_ok_at: atS }
        : { status: 'active' }
      write.insert(
        'orders',
        order(id, { created_at: atS, expires_at: atS + DAY_S, buyer_destination: destination, ...taken, ...status }),
      )
      publish(id)
      const hash = seed.hash('escrow', counter)
      const memo = `an escrow${memoTail(seed.marker(), 'escrow', counter)}`
      const known = isLast
        ? { rank: 1, expires_at: atS + DAY_S }
        : {
            rank: 2,
            expires_at: atS + DAY_S,
            held_msat: AMOUNT_MSAT,
            held_at: atS,
            min_htlc_height: height + CLTV_DELTA,
          }
      write.insert('hold', hold(lightningNode, id, { hash, counter, memo, created_at: atS, ...known }))
      holds.push({ hash, memo, amountMsat: AMOUNT_MSAT, cltvDelta: CLTV_DELTA })
      if (isLast) paidMeanwhile = id
    }
  })
  return { holds, paidMeanwhile, offer }
}
