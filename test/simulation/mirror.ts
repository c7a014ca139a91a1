/**
 * The committed rows of the daemon's database, followed as they change: temporary triggers note which row was touched, and
 * `look` reads just those. What was rolled back was never noted.
 */
import type {
  AccountRow,
  AlertRow,
  HoldRow,
  LedgerRow,
  LnNodeRow,
  LnOpRow,
  ObligationRow,
  OrderRow,
  OutboxMsgRow,
  OutboxPubRow,
} from '../../src/adapters/sqlite/schema.ts'
import type { Store } from '../../src/adapters/sqlite/store.ts'

type PayoutHashRow = {
  readonly hash: string
  readonly owner: string
  readonly payee: string
  readonly admitted_at: number
}

/** Every followed table with its rows, by their key. */
export type Rows = {
  readonly orders: Map<string, OrderRow>
  readonly hold: Map<string, HoldRow>
  readonly obligation: Map<string, ObligationRow>
  readonly ln_op: Map<string, LnOpRow>
  readonly payout_hash: Map<string, PayoutHashRow>
  readonly ledger: Map<string, LedgerRow>
  readonly account: Map<string, AccountRow>
  readonly alert: Map<string, AlertRow>
  readonly ln_node: Map<string, LnNodeRow>
  readonly outbox_msg: Map<string, OutboxMsgRow>
  readonly outbox_pub: Map<string, OutboxPubRow>
}
export type Table = keyof Rows
export type RowOf<T extends Table> = Rows[T] extends Map<string, infer Row extends object> ? Row : never

/** By which columns invariants ask for the rows of a table. */
const GROUPED = {
  opsOfHash: ['ln_op', 'hash'],
  opsOfObligation: ['ln_op', 'obligation_id'],
  holdsOfOrder: ['hold', 'order_id'],
  hashesOfOwner: ['payout_hash', 'owner'],
  ordersOfMaker: ['orders', 'maker_pubkey'],
} as const satisfies Readonly<Record<string, readonly [Table, string]>>
type Grouping = keyof typeof GROUPED
type GroupedRow<G extends Grouping> = RowOf<(typeof GROUPED)[G][0]>

/** The keys of rows by another column, kept while rows change: no question costs more in a world that has grown. */
export class Groups {
  readonly #rows: Rows
  readonly #keys = new Map<string, Set<string>>()

  constructor(rows: Rows) {
    this.#rows = rows
    for (const table of TABLES) for (const [key, row] of rows[table]) this.note(table, key, row)
  }

  /** A row is there, or changed; the columns of a grouping never change. */
  note(table: Table, key: string, row: object): void {
    for (const [grouping, [grouped, column]] of Object.entries(GROUPED)) {
      if (grouped !== table) continue
      const name = `${grouping}:${String((row as Readonly<Record<string, unknown>>)[column])}`
      const keys = this.#keys.get(name)
      if (keys === undefined) this.#keys.set(name, new Set([key]))
      else keys.add(key)
    }
  }

  /** The rows whose column has this value. */
  of<G extends Grouping>(grouping: G, value: string | null): readonly GroupedRow<G>[] {
    const rows = this.#rows[GROUPED[grouping][0]] as Map<string, GroupedRow<G>>
    const found: GroupedRow<G>[] = []
    for (const key of this.#keys.get(`${grouping}:${value}`) ?? []) {
      const row = rows.get(key)
      if (row !== undefined) found.push(row)
    }
    return found
  }
}

/** A row that changed since the last look; `before` is null when it is new. */
export type Change<T extends Table> = { readonly before: RowOf<T> | null; readonly after: RowOf<T> }
export type Changes = { readonly [T in Table]: readonly Change<T>[] }

const KEYS: Readonly<Record<Table, string>> = {
  orders: 'id',
  hold: 'hash',
  obligation: 'id',
  ln_op: 'id',
  payout_hash: 'hash',
  ledger: 'id',
  account: 'name',
  alert: 'key',
  ln_node: 'node_pubkey',
  outbox_msg: 'id',
  outbox_pub: 'coord',
}
export const TABLES = Object.keys(KEYS) as readonly Table[]

/** A set of empty tables. */
function emptyRows(): Rows {
  return {
    orders: new Map(),
    hold: new Map(),
    obligation: new Map(),
    ln_op: new Map(),
    payout_hash: new Map(),
    ledger: new Map(),
    account: new Map(),
    alert: new Map(),
    ln_node: new Map(),
    outbox_msg: new Map(),
    outbox_pub: new Map(),
  }
}

export class Mirror {
  readonly rows = emptyRows()
  readonly groups = new Groups(this.rows)
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
    // No key: a conflict clause of the statement around a trigger would override the trigger's own.
    store.db.exec('CREATE TEMP TABLE touched (tbl TEXT NOT NULL, key TEXT NOT NULL)')
    for (const table of TABLES)
      for (const [event, row] of [
        ['INSERT', 'NEW'],
        ['UPDATE', 'NEW'],
        ['DELETE', 'OLD'],
      ] as const)
        store.db.exec(
          `CREATE TEMP TRIGGER touched_${table}_${event} AFTER ${event} ON main.${table}
           BEGIN INSERT INTO touched VALUES ('${table}', ${row}.${KEYS[table]}); END`,
        )
  }

  /** What changed since the last look. */
  look(): Changes {
    const changes = noChanges()
    const touched = this.#store.all<{ tbl: Table; key: string }>('SELECT tbl, key FROM temp.touched')
    if (touched.length === 0) return changes
    this.#store.run('DELETE FROM temp.touched')
    const seen = new Set<string>()
    for (const { tbl, key } of touched) {
      const name = `${tbl}:${key}`
      if (seen.has(name)) continue
      seen.add(name)
      this.#read(tbl, key, changes)
    }
    return changes
  }

  #read<T extends Table>(table: T, key: string, changes: Changes): void {
    const rows = this.rows[table] as Map<string, RowOf<T>>
    const after = this.#store.get<RowOf<T>>(`SELECT * FROM ${table} WHERE ${KEYS[table]} = ?`, [key])
    const before = rows.get(key) ?? null
    // Only what is collected after its retention disappears; no invariant speaks of that.
    if (after === undefined) return
    rows.set(key, after)
    this.groups.note(table, key, after)
    const list = changes[table] as unknown as Change<T>[]
    list.push({ before, after })
  }
}

/** Nothing changed. */
export function noChanges(): Changes {
  return {
    orders: [],
    hold: [],
    obligation: [],
    ln_op: [],
    payout_hash: [],
    ledger: [],
    account: [],
    alert: [],
    ln_node: [],
    outbox_msg: [],
    outbox_pub: [],
  }
}
