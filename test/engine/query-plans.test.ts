/** What every statement of a running daemon reads, as SQLite plans it: no table that grows is read from end to end. */
import BetterSqlite3 from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADDRESS_HOST, EngineWorld } from '../support/engine-world.ts'
import type { SimTrader } from '../support/sim-trader.ts'
import { AMOUNT_SATS, paysEscrow, sellTradeAt } from '../support/trade-stages.ts'

const HOUR_MS = 3_600_000

/** Tables of a few rows, however long the daemon runs. */
const SMALL = new Set([
  'relay',
  'ln_node',
  'price',
  'process',
  'in_hand',
  'meta',
  'alert',
  'ops_log',
  'blind',
  'account',
  'sqlite_schema',
  '__drizzle_migrations',
])

/** Partial indexes of what is under way: short, however much was traded and said. */
const UNDER_WAY = new Set([
  'orders_moving',
  'orders_duty',
  'orders_book',
  'orders_open_maker_identity',
  'orders_open_taker_identity',
  'hold_live',
  'hold_unresolved',
  'hold_clock',
  'hold_answer',
  'obligation_open',
  'ln_op_due',
  'ln_op_busy',
  'ln_op_lease',
  'ln_op_abandoned',
  'outbox_head',
  'outbox_due',
  'outbox_dead',
  'outbox_pub_due',
  'outbox_pub_refresh',
])

/** Rows that belong to one order, hold, payment, message or key: few of each. */
const OF_ONE = new Set([
  'hold_epoch (order_id=?)',
  'hold_epoch (order_id=? AND purpose=?)',
  'hold_live (order_id=?)',
  'obligation_order (order_id=?)',
  'obligation_funds (funded_by=?)',
  'ln_op_hash (hash=?)',
  'ln_op_obligation (obligation_id=?)',
  'ledger_cause (cause=?)',
  'payout_hash_owner (owner=?)',
  'orders_parent (range_parent=?)',
  'orders_kept_maker_key (maker_pubkey=?)',
  'orders_kept_taker_key (taker_pubkey=?)',
  'request_answer_msg (answer_msg=?)',
  'delivery (ref=?)',
  'rating (order_id=?)',
])

/** What the hourly collector reads: just what it then throws away. */
const COLLECTED = new Set(['outbox_gc', 'outbox_seq_gc', 'delivery_gc', 'inbox_gc', 'request_gc'])

/** Steps that are allowed by name: where, and why. */
const EXCEPTIONS: readonly { readonly step: RegExp; readonly in: RegExp; readonly why: string }[] = [
  {
    step: /^SCAN hold USING INDEX hold_settled$/,
    in: /ORDER BY settle_index DESC LIMIT (5|500)\b/,
    why: 'the newest settled holds: at a new connection to Lightning, and in the checks of every half minute',
  },
  {
    step: /^SCAN ln_op USING INDEX ln_op_paid$/,
    in: /ORDER BY created_at DESC LIMIT (5|500)\b/,
    why: 'the newest payments: as the newest settled holds',
  },
  {
    step: /^SCAN orders USING INDEX orders_moving$/,
    in: /^SELECT \* FROM orders WHERE phase <> 'steady'$/,
    why: 'every order that is under way, for whoever takes stock: no message asks for it',
  },
  {
    step: /^SCAN (hold|h) USING INDEX hold_live$/,
    in: /\bfinal IS NULL\b/,
    why: 'every open hold is compared with Lightning: at a new connection, and in the checks of every half minute',
  },
  {
    step: /^SCAN outbox_msg USING INDEX outbox_due$/,
    in: /^SELECT COUNT\(\*\) AS n FROM outbox_msg WHERE state < 2 AND first_ok_at IS NULL/,
    why: 'every unsent message is counted in the checks of every half minute',
  },
  {
    step: /^SCAN ln_op USING INDEX ln_op_lease$/,
    in: /^UPDATE ln_op SET state = 'unknown'/,
    why: 'calls under way when the last process died: only at the start',
  },
  {
    step: /^SCAN (ln_op USING INDEX ln_op_due|outbox_msg USING INDEX outbox_due)$/,
    in: /^UPDATE (ln_op|outbox_msg) SET next_at = next_at - \+\?/,
    why: 'everything that waits is dated anew when the clock of the host was set back',
  },
  {
    step: /^SCAN x USING INDEX ln_op_busy$/,
    in: /^UPDATE ln_op SET state = 'dispatching'/,
    why: 'payments under way: no more than are allowed at once',
  },
  {
    step: /^SEARCH hold USING COVERING INDEX sqlite_autoindex_hold_2$/,
    in: /SELECT MAX\(counter\) FROM hold/,
    why: 'the greatest of an index: its last entry',
  },
  {
    step: /^SEARCH m USING COVERING INDEX sqlite_autoindex_outbox_msg_2 \(recipient=\?\)$/,
    in: /^DELETE FROM outbox_seq .*NOT EXISTS/,
    why: 'whether a recipient has any message: its first entry; of the hourly collector',
  },
]

/** When a statement ran: while the daemon started, or while it served traders. */
type Phase = 'start' | 'service'

/** The texts of all statements that were prepared, and when each of them ran. */
const statements = new Map<string, Set<Phase>>()
let phase: Phase = 'start'

const { prepare } = BetterSqlite3.prototype

/** Notes every run of every statement that is prepared from now on. */
function watch(): void {
  BetterSqlite3.prototype.prepare = function (this: BetterSqlite3.Database, sql: string) {
    const statement = prepare.call(this, sql)
    const phases = statements.get(sql) ?? new Set<Phase>()
    statements.set(sql, phases)
    for (const method of ['get', 'all', 'run'] as const) {
      const original = Reflect.get(statement, method) as (...args: unknown[]) => unknown
      Object.defineProperty(statement, method, {
        value: (...args: unknown[]) => {
          phases.add(phase)
          return original.apply(statement, args)
        },
      })
    }
    return statement
  } as typeof prepare
}

let world: EngineWorld

/** Buys from a seller and is paid to a Lightning address; both rate. */
async function buysToAddress(seller: SimTrader, buyer: SimTrader): Promise<void> {
  const id = await buyer.makes({
    kind: 'buy',
    amount: BigInt(AMOUNT_SATS),
    buyerInvoice: `${buyer.name}@${ADDRESS_HOST}`,
  })
  seller.takes('take-buy', id)
  await paysEscrow(world, seller, id)
  await buyer.hears('hold-invoice-payment-accepted', id)
  buyer.send('fiat-sent', { id })
  await seller.hears('fiat-sent-ok', id)
  seller.send('release', { id })
  await buyer.hears('purchase-completed', id)
  for (const trader of [seller, buyer]) {
    trader.send('rate-user', { id, payload: { kind: 'rating_user', rating: 5 } })
    await trader.hears('rate-received', id)
  }
}

async function starts(): Promise<void> {
  phase = 'start'
  await world.boot()
  phase = 'service'
}

/** Everything that a daemon does for traders: trades in every ending, questions, restarts, what was missed, timers. */
async function aDayOfTrades(): Promise<void> {
  const alice = world.trader('alice')
  const bob = world.trader('bob')
  await starts()
  for (const stage of ['success', 'canceled', 'cooperatively-canceled'] as const)
    await sellTradeAt(world, stage, alice, bob)
  await buysToAddress(alice, bob)
  await bob.answer(bob.send('last-trade-index', {}))
  bob.send('restore-session', {})
  await bob.hears('restore-session')
  await bob.answer(bob.send('release', { id: '00000000-0000-4000-8000-000000000000' }))
  const { id } = await sellTradeAt(world, 'active', alice, bob)
  world.kill()
  bob.send('fiat-sent', { id })
  await world.clock.advance(60_000)
  await starts()
  await alice.hears('fiat-sent-ok', id)
  const unpaid = await sellTradeAt(world, 'waiting-payment', alice, bob)
  await world.until(() => world.standing(unpaid.id) === 'canceled', 'the seller was too slow', HOUR_MS, 5000)
  for (const relay of world.relays) relay.core.dropConnections()
  await world.clock.advance(2 * HOUR_MS)
}

beforeAll(async () => {
  watch()
  world = new EngineWorld({ relays: 2 })
  try {
    await aDayOfTrades()
  } finally {
    BetterSqlite3.prototype.prepare = prepare
  }
}, 60_000)
afterAll(() => world.close())

const flat = (sql: string): string => sql.replace(/\s+/g, ' ').trim()
const ones = (sql: string): readonly number[] => [...sql.matchAll(/\?/g)].map(() => 1)

/** The steps of a plan, without the names that a text gives its tables in a search. */
function stepsOf(sql: string): readonly string[] {
  const plan = world.store.db.prepare<[readonly number[]], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
  return plan.all(ones(sql)).map(({ detail }) => detail)
}

/** Columns of every unique index and primary key, as a plan writes them when one row at most is read. */
function oneRowSearches(): ReadonlySet<string> {
  const { db } = world.store
  const tables = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const searches = new Set<string>()
  const equal = (columns: readonly string[]): string => `(${columns.map((column) => `${column}=?`).join(' AND ')})`
  for (const { name } of tables) {
    const columns = db.pragma(`table_info(${name})`) as readonly { name: string; pk: number }[]
    const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk)
    searches.add(`${name} PRIMARY KEY ${equal(key.map((column) => column.name))}`)
    for (const index of db.pragma(`index_list(${name})`) as readonly { name: string; unique: 0 | 1 }[]) {
      const parts = db.pragma(`index_info(${index.name})`) as readonly { name: string }[]
      if (index.unique === 1) searches.add(`${index.name} ${equal(parts.map((part) => part.name))}`)
    }
  }
  return searches
}

/** The table that a plan calls by a short name. */
function tableOf(sql: string, name: string): string {
  const [, table = name] = new RegExp(`\\b(?:FROM|JOIN|UPDATE|INTO) (\\w+) (?:AS )?${name}\\b`).exec(sql) ?? []
  return table
}

/**
 * Whether what an insert would read to look for rows that wait for it is skipped: nothing can wait, because references
 * are checked at once.
 */
function isReferenceCheck(sql: string, step: string): boolean {
  if (!sql.startsWith('INSERT INTO')) return false
  const ops = world.store.db
    .prepare<[readonly number[]], { addr: number; opcode: string; p1: number; p2: number }>(`EXPLAIN ${sql}`)
    .all(ones(sql))
  const skips = ops.filter(({ opcode }) => opcode === 'FkIfZero')
  const stored = new Set(ops.filter(({ opcode }) => opcode === 'OpenRead').map(({ p1 }) => p1))
  const first = step.startsWith('SCAN') ? 'Rewind' : 'SeekGE'
  const reads = ops.filter(({ opcode, p1 }) => opcode === first && stored.has(p1))
  return reads.length > 0 && reads.every(({ addr }) => skips.some((skip) => skip.addr < addr && addr < skip.p2))
}

type Step = { readonly how: string; readonly name: string; readonly index: string | undefined; readonly by: string }

/** What a step reads, and by which columns; null when it reads no table. */
function readOf(step: string): Step | null {
  const [, how, name, index, by] =
    /^(SCAN|SEARCH) (\S+)(?: EXISTS)?(?: USING (?:(?:COVERING )?INDEX (\w+)|(?:INTEGER )?PRIMARY KEY))?(?: (\(.*\)))?$/.exec(
      step,
    ) ?? []
  if (how === undefined || name === undefined || step === 'SCAN CONSTANT ROW') return null
  return { how, name, index, by: by ?? '' }
}

/** Whether a search ends after a few rows, however much was traded and said. */
function isShort({ how, index, by }: Step, table: string, oneRow: ReadonlySet<string>): boolean {
  if (how === 'SCAN' || by === '') return false
  if (by === '(rowid=?)' || oneRow.has(`${index ?? `${table} PRIMARY KEY`} ${by}`)) return true
  const where = index ?? table
  return UNDER_WAY.has(where) || COLLECTED.has(where) || OF_ONE.has(`${where} ${by}`)
}

/** The steps of a statement that may read more than a few rows of a table that grows. */
function longReads(text: string, oneRow: ReadonlySet<string>): readonly string[] {
  const sql = flat(text)
  const steps = stepsOf(text)
  const made = new Set(steps.flatMap((step) => /^(?:CO-ROUTINE|MATERIALIZE) (\S+)/.exec(step)?.[1] ?? []))
  return steps.filter((step) => {
    if (step.includes('AUTOMATIC')) return true
    const read = readOf(step)
    if (read === null) return /^(SCAN|SEARCH) (?!CONSTANT ROW)/.test(step)
    const table = tableOf(sql, read.name)
    if (SMALL.has(table) || made.has(read.name) || isShort(read, table, oneRow)) return false
    return !EXCEPTIONS.some((e) => e.step.test(step) && e.in.test(sql)) && !isReferenceCheck(sql, step)
  })
}

describe('a daemon that trades, restarts, catches up and keeps its books', () => {
  let oneRow: ReadonlySet<string>
  let texts: readonly string[]
  beforeAll(() => {
    oneRow = oneRowSearches()
    texts = [...statements.keys()].filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE)\b/.test(sql))
  })

  test('reads no growing table from end to end', () => {
    expect(texts.length).toBeGreaterThan(150)
    const found = texts.flatMap((sql) => longReads(sql, oneRow).map((step) => `${step} <- ${flat(sql)}`))
    expect(found).toEqual([])
  })

  test('looks through the leases of dead calls at its start only', () => {
    const [boot, ...others] = [...statements].filter(([sql]) =>
      /^UPDATE ln_op SET state = 'unknown'.*boot_id/.test(flat(sql)),
    )
    expect(others).toEqual([])
    expect([...(boot?.[1] ?? [])]).toEqual(['start'])
  })

  test('has a reason for every exception that is made for it', () => {
    const used = EXCEPTIONS.filter(({ step, in: where }) =>
      texts.some((sql) => where.test(flat(sql)) && stepsOf(sql).some((s) => step.test(s))),
    )
    expect(used).toEqual(EXCEPTIONS)
  })

  test.each([
    ['a whole table', 'SELECT * FROM ledger'],
    ['a whole table by an index', 'SELECT id FROM orders'],
    ['a partial index that is not for messages', "SELECT * FROM orders WHERE phase <> 'steady' ORDER BY phase"],
    ['all messages of a recipient', 'SELECT * FROM outbox_msg WHERE recipient = ?'],
    ['the history of settled holds without an end', "SELECT * FROM hold WHERE final = 'settled' AND node_pubkey = ?"],
    ['all that a sender ever sent', 'SELECT 1 FROM inbox WHERE sender = ?'],
    [
      'an index that would have to be built',
      'SELECT 1 FROM hold a JOIN outbox_msg b ON b.body = a.memo AND a.hash = ?',
    ],
  ])('would be caught if it read %s', (_, sql) => {
    expect(longReads(sql, oneRow)).not.toEqual([])
  })
})
