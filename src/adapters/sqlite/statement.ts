import type BetterSqlite3 from 'better-sqlite3'
import { assert } from '../../core/assert.ts'

/**
 * What can be bound to a parameter. Booleans are 0 and 1. A number arrives as a REAL, which a STRICT integer column
 * turns back; a text that is made of it needs `CAST(:n AS INTEGER)`, else it ends in `.0`.
 */
export type SqlValue = string | number | bigint | null | Uint8Array
/** The parameters of a statement that has none. */
export type NoParams = Record<never, never>
export type SqlParams = Readonly<Record<string, SqlValue>>

/** How many rows a statement gives: at most one, any number, or exactly one. */
type Cardinality = 'one' | 'many' | 'always'

/** The text of one statement with the types of its parameters and rows, which exist at compile time only. */
export type Statement<Params, Row, C extends Cardinality> = {
  readonly sql: string
  readonly rows: C
  readonly types?: { readonly params: Params; readonly row: Row }
}

/** A statement that gives one row, or none when its condition did not hold. */
export const one = <Params, Row>(sql: string): Statement<Params, Row, 'one'> => ({ sql, rows: 'one' })

/** A statement that gives any number of rows. */
export const many = <Params, Row>(sql: string): Statement<Params, Row, 'many'> => ({ sql, rows: 'many' })

/** A statement that cannot miss: it gives exactly one row. */
export const always = <Params, Row>(sql: string): Statement<Params, Row, 'always'> => ({ sql, rows: 'always' })

type Runner<S> =
  S extends Statement<infer Params, infer Row, infer C>
    ? (
        ...args: keyof Params extends never ? [] : [params: Readonly<Params>]
      ) => { one: Readonly<Row> | undefined; many: Readonly<Row>[]; always: Readonly<Row> }[C]
    : never

/** Statements as functions of their parameters. */
export type Bound<Definitions> = { readonly [Name in keyof Definitions]: Runner<Definitions[Name]> }

/** Quoted texts and comments, which hold no parameters, or the name of a parameter. */
const TOKEN = /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|:(\w+)/g

/**
 * A prepared statement with parameters by name (`:order_id`) or by place (`?`).
 *
 * SQLite is given names as `+?`. A bare parameter in a LIMIT, or next to a column that a partial index constrains, can
 * decide the plan, and SQLite then compiles the statement again at every call, which costs tens of times what running
 * it does. The sign changes no value and hides it from the planner. And values by place need no look-up of names.
 */
export class Query {
  readonly #statement: BetterSqlite3.Statement<[readonly SqlValue[]], unknown>
  readonly #names: readonly string[]

  /** Throws when the text does not fit the schema. */
  constructor(db: BetterSqlite3.Database, sql: string) {
    const names: string[] = []
    const text = sql.replace(TOKEN, (token, name: string | undefined) => {
      if (name === undefined) return token
      names.push(name)
      return '+?'
    })
    this.#names = names
    this.#statement = db.prepare<[readonly SqlValue[]]>(text)
  }

  /** The first row, or undefined. */
  get(params: SqlParams | readonly SqlValue[]): unknown {
    return this.#statement.get(this.#values(params))
  }

  /** Every row. */
  all(params: SqlParams | readonly SqlValue[]): unknown[] {
    return this.#statement.all(this.#values(params))
  }

  /** Runs what gives no rows; answers how many it changed. */
  run(params: SqlParams | readonly SqlValue[]): number {
    return this.#statement.run(this.#values(params)).changes
  }

  /** The values in the order of their places. Throws when one is missing. */
  #values(params: SqlParams | readonly SqlValue[]): readonly SqlValue[] {
    if (Array.isArray(params)) return params
    const named = params as SqlParams
    return this.#names.map((name) => {
      const value = named[name]
      if (value === undefined) throw new RangeError(`missing parameter :${name}`)
      return value
    })
  }
}

const NO_PARAMS: SqlParams = {}

/** Prepares every statement once, on this connection. Throws when one does not fit the schema. */
export function bind<Definitions extends Readonly<Record<string, Statement<unknown, unknown, Cardinality>>>>(
  db: BetterSqlite3.Database,
  definitions: Definitions,
): Bound<Definitions> {
  const runners = Object.entries(definitions).map(([name, { sql, rows }]) => {
    const query = new Query(db, sql)
    // `get` is enough for a change too: SQLite makes all changes before it returns the first row.
    if (rows === 'many') return [name, (params = NO_PARAMS) => query.all(params)]
    if (rows === 'one') return [name, (params = NO_PARAMS) => query.get(params)]
    return [
      name,
      (params = NO_PARAMS) => {
        const row = query.get(params)
        assert(row !== undefined, `${name} gave no row`)
        return row
      },
    ]
  })
  return Object.fromEntries(runners) as Bound<Definitions>
}
