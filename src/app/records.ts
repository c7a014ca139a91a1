/** The database as an operator reads it: never written, also while the daemon works. */
import BetterSqlite3 from 'better-sqlite3'
import type {
  AccountRow,
  AlertRow,
  HoldRow,
  LedgerRow,
  LnNodeRow,
  LnOpRow,
  ObligationNowRow,
  OpsLogRow,
  OrderRow,
} from '../adapters/sqlite/schema.ts'
import { databaseOf, hasDatabase } from './data-dir.ts'
import { EXIT, Refusal } from './refusal.ts'

/** An intent without its parameters and results, which hold preimages (DEC-15). */
export type IntentRow = Pick<
  LnOpRow,
  'id' | 'kind' | 'hash' | 'state' | 'attempt' | 'last_class' | 'last_detail' | 'next_at' | 'created_at'
>

/** What one order moved, owes and holds. */
export type OrderMoney = {
  readonly order: OrderRow
  readonly holds: readonly HoldRow[]
  readonly obligations: readonly ObligationNowRow[]
  readonly intents: readonly IntentRow[]
  readonly transfers: readonly LedgerRow[]
}

/** What waits for a person. */
export type Waiting = {
  readonly halts: readonly LnNodeRow[]
  readonly obligations: readonly ObligationNowRow[]
  readonly orders: readonly OrderRow[]
  readonly alerts: readonly AlertRow[]
}

export class Records {
  readonly #db: BetterSqlite3.Database

  constructor(db: BetterSqlite3.Database) {
    this.#db = db
  }

  /** Everything that waits for a person, the gravest first. */
  waiting(): Waiting {
    return {
      halts: this.#all<LnNodeRow>('SELECT * FROM ln_node WHERE halted = 1'),
      obligations: this.#all<ObligationNowRow>(
        "SELECT * FROM obligation_now WHERE state = 'review' ORDER BY created_at",
      ),
      orders: this.#all<OrderRow>("SELECT * FROM orders WHERE phase = 'review' ORDER BY created_at"),
      alerts: this.#all<AlertRow>('SELECT * FROM alert WHERE closed_at IS NULL ORDER BY severity DESC, opened_at'),
    }
  }

  /** How many orders there are of each status. */
  orderCounts(): readonly { readonly status: string; readonly count: number }[] {
    return this.#all('SELECT status, COUNT(*) AS count FROM orders GROUP BY status ORDER BY status')
  }

  /** Every account, by name. */
  accounts(): readonly AccountRow[] {
    return this.#all<AccountRow>('SELECT * FROM account ORDER BY name')
  }

  /** The newest transfers, oldest of them first. */
  transfers(most: number): readonly LedgerRow[] {
    return this.#all<LedgerRow>('SELECT * FROM ledger ORDER BY at DESC, id DESC LIMIT :most', { most }).reverse()
  }

  /** The order with this id or the only one whose id begins so; undefined when there is none or more than one. */
  order(idOrStart: string): OrderRow | undefined {
    const found = this.#all<OrderRow>('SELECT * FROM orders WHERE substr(id, 1, length(:id)) = :id LIMIT 2', {
      id: idOrStart,
    })
    return found.length === 1 ? found[0] : undefined
  }

  /** All about the money of one order. */
  moneyOf(order: OrderRow): OrderMoney {
    const { id } = order
    return {
      order,
      holds: this.#all<HoldRow>('SELECT * FROM hold WHERE order_id = :id ORDER BY created_at, epoch', { id }),
      obligations: this.#all<ObligationNowRow>(
        'SELECT * FROM obligation_now WHERE order_id = :id ORDER BY created_at',
        { id },
      ),
      intents: this.#all<IntentRow>(
        `SELECT id, kind, hash, state, attempt, last_class, last_detail, next_at, created_at FROM ln_op
          WHERE hash IN (SELECT hash FROM hold WHERE order_id = :id)
            OR obligation_id IN (SELECT id FROM obligation WHERE order_id = :id) ORDER BY created_at, id`,
        { id },
      ),
      transfers: this.#all<LedgerRow>('SELECT * FROM ledger WHERE order_id = :id ORDER BY at, id', { id }),
    }
  }

  obligation(id: string): ObligationNowRow | undefined {
    return this.#all<ObligationNowRow>('SELECT * FROM obligation_now WHERE id = :id', { id })[0]
  }

  alert(key: string): AlertRow | undefined {
    return this.#all<AlertRow>('SELECT * FROM alert WHERE key = :key', { key })[0]
  }

  /** What operators did, newest first. */
  operations(most: number): readonly OpsLogRow[] {
    return this.#all<OpsLogRow>('SELECT * FROM ops_log ORDER BY id DESC LIMIT :most', { most })
  }

  close(): void {
    this.#db.close()
  }

  #all<Row>(sql: string, params: Readonly<Record<string, string | number>> = {}): Row[] {
    return this.#db.prepare<[typeof params], Row>(sql).all(params)
  }
}

/** Runs `read` on the records of a data directory. Throws {@link Refusal} when it has no database. */
export function readRecords<T>(dataDir: string, read: (records: Records) => T): T {
  if (!hasDatabase(dataDir))
    throw new Refusal(`${dataDir} has no database yet; \`fianza start\` makes one, --dir names another directory`, {
      exitCode: EXIT.failed,
    })
  const db = new BetterSqlite3(databaseOf(dataDir), { readonly: true, fileMustExist: true })
  try {
    return read(new Records(db))
  } finally {
    db.close()
  }
}
