import { closeSync, existsSync, openSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import { assert } from '../../core/assert.ts'
import type { Phase, Status } from '../../core/order/order.ts'
import { migrate } from './migrate.ts'
import type { NewOrder, OrderRow } from './schema.ts'
import { type Bound, bind, Query, type SqlParams, type SqlValue } from './statement.ts'
import { STATEMENTS } from './statements/index.ts'

export type Statements = Bound<typeof STATEMENTS>

/** The columns of an order that change with a move. Who made it, and when, never changes. */
const MOVABLE_COLUMNS = [
  'maker_pubkey',
  'maker_index',
  'taker_pubkey',
  'taker_identity',
  'taker_index',
  'fiat_amount',
  'amount_msat',
  'fee_msat',
  'dev_fee_msat',
  'maker_destination',
  'buyer_destination',
  'cancel_initiator',
  'next_trade_pubkey',
  'next_trade_index',
  'expires_at',
  'taken_at',
  'duty_epoch',
  'duty_anchor_at',
  'duty_ok_at',
  'settled_at',
] as const satisfies readonly (keyof OrderRow)[]
type MovableColumn = (typeof MOVABLE_COLUMNS)[number]
const VALUE_COLUMNS = MOVABLE_COLUMNS.filter((column) => column !== 'duty_epoch')

/** Pages of 4 KiB that are written ahead at most, before a commit moves them into the database's own file. */
const PAGES_AHEAD_MAX = 4000

/** What a change of an order was decided from. */
export type OrderAt = Pick<OrderRow, 'id' | 'status' | 'phase' | 'version'>
/** New values of an order's columns; a duty that begins gets the epoch after the last one. */
export type OrderChange = Partial<Omit<Pick<OrderRow, MovableColumn>, 'duty_epoch'>> & { readonly duty_epoch?: 'next' }

/** Columns of a new order in the order of their insertion; absent ones take the database's default. */
const INSERTED_COLUMNS = [
  'id',
  'kind',
  'status',
  'phase',
  ...MOVABLE_COLUMNS,
  'maker_identity',
  'fiat_code',
  'min_amount',
  'max_amount',
  'payment_method',
  'premium',
  'price_from_api',
  'range_parent',
  'created_at',
] as const satisfies readonly (keyof NewOrder)[]

/**
 * The database of one daemon: a single synchronous connection, the only writer of its file.
 * Nothing here awaits but {@link Store.backup}.
 */
export class Store {
  /** Every named statement as a function. */
  readonly s: Statements
  /** The raw connection, for tests and tools. */
  readonly db: BetterSqlite3.Database
  readonly #prepared = new Map<string, Query>()

  /** whether commits go to a file of their own first; a database in memory has none */
  readonly writesAhead: boolean

  /** Takes over a migrated connection; use {@link openStore}. */
  constructor(db: BetterSqlite3.Database) {
    this.db = db
    this.writesAhead = db.pragma('journal_mode', { simple: true }) === 'wal'
    this.s = bind(db, STATEMENTS)
  }

  /**
   * Runs `work` as one write transaction: all of it is on disk when this returns, nothing of it when this throws.
   * `work` is synchronous; transactions do not nest. Repeat: as safe as `work` is.
   */
  transaction<T>(work: () => T): T {
    assert(!this.db.inTransaction, 'transactions do not nest')
    this.#exec('BEGIN IMMEDIATE')
    try {
      const result = refusePromise(work())
      this.#exec('COMMIT')
      return result
    } catch (error) {
      // Some errors (disk full, out of memory) have already made SQLite roll back.
      if (this.db.inTransaction) this.#exec('ROLLBACK')
      throw error
    }
  }

  /** Runs `work` inside the open transaction so that only its own changes are undone when it throws. May nest. */
  savepoint<T>(work: () => T): T {
    assert(this.db.inTransaction, 'a savepoint needs a transaction')
    // An inner savepoint of the same name hides the outer one until it is released.
    this.#exec('SAVEPOINT part')
    try {
      const result = refusePromise(work())
      this.#exec('RELEASE part')
      return result
    } catch (error) {
      if (this.db.inTransaction) {
        this.#exec('ROLLBACK TO part')
        this.#exec('RELEASE part')
      }
      throw error
    }
  }

  /**
   * The first row of a query. `sql` is a constant text: every text is prepared once and kept.
   * The caller vouches that `Row` is what the query gives.
   */
  get<Row>(sql: string, params: SqlParams | readonly SqlValue[] = []): Row | undefined {
    return this.#prepare(sql).get(params) as Row | undefined
  }

  /** All rows of a query; as {@link Store.get}. */
  all<Row>(sql: string, params: SqlParams | readonly SqlValue[] = []): Row[] {
    return this.#prepare(sql).all(params) as Row[]
  }

  /** Runs a statement that gives no rows; returns how many rows it changed. */
  run(sql: string, params: SqlParams | readonly SqlValue[] = []): { changes: number } {
    return { changes: this.#prepare(sql).run(params) }
  }

  /**
   * Inserts an order and gives its row. Returns nothing when its id exists, so that a repeat changes nothing (ids are
   * deterministic). Throws when the row breaks a rule of the schema.
   */
  insertOrder(row: NewOrder): OrderRow | undefined {
    const columns = INSERTED_COLUMNS.filter((column) => row[column] !== undefined)
    return this.get(
      `INSERT INTO orders(${columns.join(', ')}) VALUES (${columns.map((column) => `:${column}`).join(', ')})
       ON CONFLICT(id) DO NOTHING RETURNING *`,
      pick(row, columns),
    )
  }

  /**
   * The one compare-and-swap of an order: changes status, phase and columns, always raises the version, and gives the
   * new row. Returns nothing when the order is not what the decision was made from: decide once more (money-path.md 3.4).
   */
  moveOrder(
    from: OrderAt,
    to: { readonly status: Status; readonly phase: Phase },
    set: OrderChange = {},
  ): OrderRow | undefined {
    const { duty_epoch: epoch, ...values } = set
    const columns = VALUE_COLUMNS.filter((column) => values[column] !== undefined)
    const assignments = columns.map((column) => `, ${column} = :${column}`).join('')
    const next = epoch === 'next' ? ', duty_epoch = duty_epoch + 1' : ''
    return this.get(
      `UPDATE orders SET status = :to_status, phase = :to_phase, version = version + 1${assignments}${next}
        WHERE id = :id AND status = :status AND phase = :phase AND version = :version
       RETURNING *`,
      {
        ...pick(values, columns),
        id: from.id,
        status: from.status,
        phase: from.phase,
        version: from.version,
        to_status: to.status,
        to_phase: to.phase,
      },
    )
  }

  /**
   * Moves what was written ahead into the database's own file as far as no reader needs it, so that a commit need not
   * do it. Blocks while it writes: for idle moments. Answers how many pages are still ahead. Repeat: safe.
   */
  checkpoint(): number {
    assert(!this.db.inTransaction, 'a checkpoint is outside of transactions')
    const [done] = this.db.pragma('wal_checkpoint(PASSIVE)') as readonly { log: number; checkpointed: number }[]
    assert(done !== undefined, 'a checkpoint gives a row')
    return done.log - done.checkpointed
  }

  /** Copies the database to a new file while it is in use (online backup). Repeat: safe, the copy is overwritten. */
  async backup(to: string): Promise<void> {
    await this.db.backup(to)
  }

  /** Closes the connection; idempotent. */
  close(): void {
    this.db.close()
  }

  #exec(sql: string): void {
    this.#prepare(sql).run([])
  }

  #prepare(sql: string): Query {
    let query = this.#prepared.get(sql)
    if (query === undefined) {
      query = new Query(this.db, sql)
      this.#prepared.set(sql, query)
    }
    return query
  }
}

/**
 * Opens the database, creates or migrates it, and prepares every statement. `:memory:` is a fresh one in memory.
 * Throws when the file is not ours, is damaged, or was written by a newer version of the software.
 */
export function openStore(file: string): Store {
  if (file !== ':memory:') createForOwner(file)
  // A busy database means a second writer, which the lock of the directory rules out: fail at once.
  const db = new BetterSqlite3(file, { timeout: 0 })
  try {
    db.pragma('synchronous = FULL')
    // REPLACE would else delete rows without asking the triggers that keep them.
    db.pragma('recursive_triggers = ON')
    // First of all that writes: a database that is not ours stays as it is.
    migrate(db)
    db.pragma('journal_mode = WAL')
    // Idle moments are used before; a commit that has to checkpoint waits for four times the default (perf.md 3).
    db.pragma(`wal_autocheckpoint = ${PAGES_AHEAD_MAX}`)
    db.pragma('foreign_keys = ON')
    // A savepoint keeps the pages that it may have to restore: in memory, else a batch of messages writes them to a file.
    db.pragma('temp_store = MEMORY')
    return new Store(db)
  } catch (error) {
    db.close()
    throw error
  }
}

/** Trades are private: SQLite gives the files that it puts beside the database the mode of the database. */
function createForOwner(file: string): void {
  // An existing file is not touched: closing it here would drop the locks that this process holds on it.
  if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600))
}

function refusePromise<T>(result: T): T {
  assert(
    !(typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function'),
    'a transaction must not await',
  )
  return result
}

function pick<Row, Column extends keyof Row & string>(row: Row, columns: readonly Column[]): Record<string, SqlValue> {
  return Object.fromEntries(columns.map((column) => [column, row[column] as SqlValue]))
}
