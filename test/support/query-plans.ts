/** Which statements a daemon runs, and what SQLite would read for each of them. */
import BetterSqlite3 from 'better-sqlite3'

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
export const EXCEPTIONS: readonly { readonly step: RegExp; readonly in: RegExp; readonly why: string }[] = [
  {
    step: /^SCAN orders USING INDEX orders_open_(maker|taker)_identity$/,
    in: /^SELECT maker_pubkey AS key FROM orders/,
    why: 'the keys of every open order: when a relay has more messages of one second than it shows',
  },
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
    step: /^SCAN (hold|h) USING INDEX hold_live$/,
    in: /\bfinal IS NULL\b/,
    why: 'every open hold is compared with Lightning: at a new connection, and in the checks of every half minute',
  },
  {
    step: /^SCAN hold USING INDEX hold_clock$/,
    in: /ORDER BY min_htlc_height DESC LIMIT 50$/,
    why: 'the paid holds of the greatest heights: at a new connection to Lightning',
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
  {
    step: /^SEARCH p USING INDEX sqlite_autoindex_outbox_msg_2 \(recipient=\? AND seq<\?\)$/,
    in: /ORDER BY p\.seq DESC LIMIT 1/,
    why: 'the newest message that a reader has: his last entry, where none before it died',
  },
]

/** How often a statement ran, and how many rows it gave or changed in all. */
export type Runs = { runs: number; rows: number }

const { prepare } = BetterSqlite3.prototype

const rowsOf = (result: unknown): number => {
  if (Array.isArray(result)) return result.length
  if (typeof result === 'object' && result !== null && 'changes' in result) return Number(result.changes)
  return result === undefined ? 0 : 1
}

/**
 * Hears of every statement that is prepared from now on (with 0 runs), and of each of its runs, until it is told to stop;
 * statements that were prepared meanwhile are still heard afterwards.
 */
export function watchStatements(hear: (sql: string, counted: Runs) => void): () => void {
  BetterSqlite3.prototype.prepare = function (this: BetterSqlite3.Database, sql: string) {
    const statement = prepare.call(this, sql)
    hear(sql, { runs: 0, rows: 0 })
    for (const method of ['get', 'all', 'run'] as const) {
      const original = Reflect.get(statement, method) as (...args: unknown[]) => unknown
      Object.defineProperty(statement, method, {
        value: (...args: unknown[]) => {
          const result = original.apply(statement, args)
          hear(sql, { runs: 1, rows: rowsOf(result) })
          return result
        },
      })
    }
    return statement
  } as typeof prepare
  return () => {
    BetterSqlite3.prototype.prepare = prepare
  }
}

/** Whether a text reads or writes rows. */
export const isQuery = (sql: string): boolean => /^\s*(SELECT|INSERT|UPDATE|DELETE)\b/.test(sql)

/** A statement in one line. */
export const flat = (sql: string): string => sql.replace(/\s+/g, ' ').trim()
const ones = (sql: string): readonly number[] => [...sql.matchAll(/\?/g)].map(() => 1)

/** The steps of a plan, without the names that a text gives its tables in a search. */
export function stepsOf(db: BetterSqlite3.Database, sql: string): readonly string[] {
  const plan = db.prepare<[readonly number[]], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
  return plan.all(ones(sql)).map(({ detail }) => detail)
}

/** Columns of every unique index and primary key, as a plan writes them when one row at most is read. */
function oneRowSearches(db: BetterSqlite3.Database): ReadonlySet<string> {
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
function isReferenceCheck(db: BetterSqlite3.Database, sql: string, step: string): boolean {
  if (!sql.startsWith('INSERT INTO')) return false
  const ops = db
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
export function longReads(db: BetterSqlite3.Database, text: string): readonly string[] {
  const oneRow = oneRowSearches(db)
  const sql = flat(text)
  const steps = stepsOf(db, text)
  const made = new Set(steps.flatMap((step) => /^(?:CO-ROUTINE|MATERIALIZE) (\S+)/.exec(step)?.[1] ?? []))
  return steps.filter((step) => {
    if (step.includes('AUTOMATIC')) return true
    const read = readOf(step)
    // A list that was handed in is no table.
    if (read === null) return /^(SCAN|SEARCH) (?!CONSTANT ROW|json_each VIRTUAL TABLE)/.test(step)
    const table = tableOf(sql, read.name)
    if (SMALL.has(table) || made.has(read.name) || isShort(read, table, oneRow)) return false
    return !EXCEPTIONS.some((e) => e.step.test(step) && e.in.test(sql)) && !isReferenceCheck(db, sql, step)
  })
}
