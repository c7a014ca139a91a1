/** What an operator decides by hand. Every act is one transaction with its line in the operations log. */
import type { AlertRow, LnNodeRow, ObligationNowRow, OrderRow } from '../adapters/sqlite/schema.ts'
import { openStore, type Store } from '../adapters/sqlite/store.ts'
import { systemClock } from '../adapters/system/clock.ts'
import { msat } from '../core/money.ts'
import { type OrderEnd, refusalToEnd, requestOrderEnd } from '../engine/commands.ts'
import type { Clock } from '../ports/system.ts'
import { isHex } from '../wire/hex.ts'
import { databaseOf, hasDatabase, lockDataDir } from './data-dir.ts'
import type { Waiting } from './records.ts'
import { EXIT, Refusal } from './refusal.ts'

/** One thing that waits for a person, under the name by which `review` knows it. */
export type ReviewItem =
  | { readonly name: string; readonly kind: 'halt'; readonly row: LnNodeRow }
  | { readonly name: string; readonly kind: 'obligation'; readonly row: ObligationNowRow }
  | { readonly name: string; readonly kind: 'order'; readonly row: OrderRow }
  | { readonly name: string; readonly kind: 'alert'; readonly row: AlertRow }

/** Everything that waits, the gravest first. */
export function reviewItems({ halts, obligations, orders, alerts }: Waiting): ReviewItem[] {
  return [
    ...halts.map((row) => ({ name: `halt:${row.node_pubkey}`, kind: 'halt' as const, row })),
    ...obligations.map((row) => ({ name: `obligation:${row.id}`, kind: 'obligation' as const, row })),
    ...orders.map((row) => ({ name: `order:${row.id}`, kind: 'order' as const, row })),
    ...alerts.map((row) => ({ name: `alert:${row.key}`, kind: 'alert' as const, row })),
  ]
}

/** How an obligation in review ends. */
export type ObligationEnd =
  /** nobody is owed it any more: what is left of it stays with the node */
  | { readonly kind: 'keep' }
  /** it was paid by hand from the same Lightning node, with this payment */
  | { readonly kind: 'paid-by-hand'; readonly hash: string }

export type Resolution =
  | { readonly kind: 'close-alert'; readonly key: string }
  | { readonly kind: 'clear-halt'; readonly node: string }
  /** an invoice or payment at LND that the database does not know is explained: it halts nothing any more */
  | { readonly kind: 'map-hash'; readonly hash: string }
  | { readonly kind: 'end-obligation'; readonly id: string; readonly end: ObligationEnd }
  | { readonly kind: 'end-order'; readonly id: string; readonly as: OrderEnd }

/** Who decides, and why. */
export type Operator = { readonly who: string; readonly note: string }

const usage = (message: string): Refusal => new Refusal(message, { exitCode: EXIT.usage })

/** Reads what `review resolve` was told. Throws {@link Refusal} with the right way to say it. */
export function readResolution(
  name: string,
  options: { readonly keep: boolean; readonly paidByHand: string | undefined; readonly as: string | undefined },
): Resolution {
  const colon = name.indexOf(':')
  const [kind, id] = [name.slice(0, colon), name.slice(colon + 1)]
  const endsObligation = options.keep || options.paidByHand !== undefined
  if (endsObligation && kind !== 'obligation') throw usage('--keep and --paid-by-hand are for obligations')
  if (options.as !== undefined && kind !== 'order') throw usage('--as is for orders')
  switch (kind) {
    case 'alert':
      return { kind: 'close-alert', key: id }
    case 'halt':
      return { kind: 'clear-halt', node: id }
    case 'hash':
      return { kind: 'map-hash', hash: hashFrom(id) }
    case 'obligation':
      if (options.keep === (options.paidByHand !== undefined))
        throw usage('say how it ends: --keep when nobody is owed it any more, or --paid-by-hand HASH')
      return {
        kind: 'end-obligation',
        id,
        end:
          options.paidByHand === undefined
            ? { kind: 'keep' }
            : { kind: 'paid-by-hand', hash: hashFrom(options.paidByHand) },
      }
    case 'order':
      if (options.as !== 'canceled' && options.as !== 'success')
        throw usage(
          'say how the order ends: --as canceled when its sats went back, or --as success when the buyer has them',
        )
      return { kind: 'end-order', id, as: options.as }
    default:
      throw usage(`"${name}" is nothing that can be resolved; \`review list\` prints the names, hash:HASH maps a hash`)
  }
}

function hashFrom(text: string): string {
  const hash = text.toLowerCase()
  if (!isHex(hash, 32)) throw usage(`"${text}" is not a payment hash: 64 hex digits`)
  return hash
}

/**
 * Does what the operator decided; says what was done. The daemon must not be running, because it alone writes while it
 * does. Throws {@link Refusal} when it runs, or when there is nothing to resolve under that name.
 */
export function resolveReview(dataDir: string, resolution: Resolution, operator: Operator, clock: Clock): string {
  if (!hasDatabase(dataDir)) throw new Refusal(`${dataDir} has no database`, { exitCode: EXIT.failed })
  const lock = lockDataDir(dataDir, 'resolve what waits for a person')
  try {
    const store = openStore(databaseOf(dataDir))
    try {
      const nowS = Math.floor(clock.nowMs() / 1000)
      return store.transaction(() => {
        const done = resolve(store, resolution, nowS)
        const detail = JSON.stringify({ ...resolution, done, note: operator.note })
        store.s.ops_log_add({ at: nowS, who: operator.who, what: `review:${resolution.kind}`, detail })
        return done
      })
    } finally {
      store.close()
    }
  } finally {
    lock.release()
  }
}

/** {@link resolveReview} by the clock of the host. */
export const resolveByHand = (dataDir: string, resolution: Resolution, operator: Operator): string =>
  resolveReview(dataDir, resolution, operator, systemClock)

function resolve(store: Store, resolution: Resolution, nowS: number): string {
  switch (resolution.kind) {
    case 'close-alert':
      if (store.s.alert_close({ key: resolution.key, now: nowS }) === undefined)
        throw new Refusal(`no open alert ${resolution.key}`, { exitCode: EXIT.failed })
      return `closed the alert ${resolution.key}`
    case 'clear-halt':
      if (store.s.node_clear({ node: resolution.node }) === undefined)
        throw new Refusal(`the node ${resolution.node} is not halted`, { exitCode: EXIT.failed })
      return `cleared the halt of ${resolution.node}; the next start verifies it again before anything is paid`
    case 'map-hash':
      mapHash(store, resolution.hash, nowS)
      return `${resolution.hash} halts nothing any more`
    case 'end-obligation':
      return endObligation(store, resolution.id, resolution.end, nowS)
    case 'end-order':
      return endOrder(store, resolution.id, resolution.as)
  }
}

/** The link to Lightning passes over hashes that are mapped (money-path.md 3.7). */
function mapHash(store: Store, hash: string, nowS: number): void {
  store.s.meta_put({ key: `mapped:${hash}`, value: String(nowS) })
  store.s.alert_close({ key: `foreign-payment:${hash}`, now: nowS })
}

/** The engine ends the order at its next start: it also tells the traders and the order book. */
function endOrder(store: Store, id: string, as: OrderEnd): string {
  const reason = refusalToEnd(store, id, as)
  if (reason !== null) throw new Refusal(reason, { exitCode: EXIT.failed })
  requestOrderEnd(store, id, as)
  return `order ${id} ends as ${as} when the daemon starts; its traders are told then`
}

function endObligation(store: Store, id: string, end: ObligationEnd, nowS: number): string {
  const row = store.get<ObligationNowRow>('SELECT * FROM obligation_now WHERE id = :id', { id })
  if (row === undefined) throw new Refusal(`no obligation ${id}`, { exitCode: EXIT.failed })
  if (store.s.obligation_void({ oid: id, operator: 1 }) === undefined)
    throw new Refusal(
      row.state === 'review'
        ? `a payment of ${id} may still succeed; start the daemon and wait until it is known`
        : `obligation ${id} is ${row.shown}, not in review`,
      { exitCode: EXIT.failed },
    )
  const owed = store.get<{ credit: number; debit: number }>('SELECT credit, debit FROM account WHERE name = :name', {
    name: `owed:${id}`,
  })
  const leftMsat = Math.max(0, (owed?.credit ?? 0) - (owed?.debit ?? 0))
  if (leftMsat > 0)
    store.s.ledger_post({
      cause: `resolved:${id}`,
      n: 0,
      debit: `owed:${id}`,
      credit: end.kind === 'keep' ? 'share' : 'ln',
      msat: msat(leftMsat),
      order_id: row.order_id,
      now: nowS,
    })
  if (end.kind === 'paid-by-hand') mapHash(store, end.hash, nowS)
  store.s.alert_close({ key: `obligation-review:${id}`, now: nowS })
  const how = end.kind === 'keep' ? 'kept by the node' : `paid by hand with ${end.hash}`
  return `ended ${id}: ${leftMsat} msat ${how}`
}
