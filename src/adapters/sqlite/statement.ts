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

/** Prepares every statement once, on this connection. Throws when one does not fit the schema. */
export function bind<Definitions extends Readonly<Record<string, Statement<unknown, unknown, Cardinality>>>>(
  db: BetterSqlite3.Database,
  definitions: Definitions,
): Bound<Definitions> {
  const runners = Object.entries(definitions).map(([name, { sql, rows }]) => {
    const statement = db.prepare<[SqlParams]>(sql)
    // `get` is enough for a change too: SQLite makes all changes before it returns the first row.
    if (rows === 'many') return [name, (params: SqlParams = {}) => statement.all(params)]
    if (rows === 'one') return [name, (params: SqlParams = {}) => statement.get(params)]
    return [
      name,
      (params: SqlParams = {}) => {
        const row = statement.get(params)
        assert(row !== undefined, `${name} gave no row`)
        return row
      },
    ]
  })
  return Object.fromEntries(runners) as Bound<Definitions>
}
