/** What an operator may ask of the engine; reads only. */
import type { AlertRow, LnNodeRow, ObligationNowRow } from '../adapters/sqlite/schema.ts'
import type { Ctx, LightningState } from './context.ts'

export type EngineStatus = {
  readonly pubkey: string
  readonly version: string
  readonly ready: boolean
  readonly lightning: {
    readonly serving: boolean
    readonly node: string | null
    readonly alias: string | null
    readonly network: string | null
    readonly height: number | null
    readonly halted: string | null
  }
  readonly relays: readonly { readonly url: string; readonly up: boolean }[]
  readonly orders: readonly { readonly standing: string; readonly count: number }[]
  readonly outbox: { readonly unsent: number; readonly dead: number }
  readonly intake: Readonly<Record<string, number>>
  readonly alerts: readonly {
    readonly key: string
    readonly severity: number
    readonly detail: string
    readonly sinceS: number
  }[]
  readonly obligations: readonly { readonly id: string; readonly shown: string; readonly amountMsat: number }[]
}

/** The state of everything that an operator looks at first. */
export function engineStatus(
  ctx: Ctx,
  live: {
    readonly lightning: LightningState
    readonly relaysUp: readonly string[]
    readonly intake: ReadonlyMap<string, number>
    readonly ready: boolean
  },
): EngineStatus {
  const { store } = ctx
  const node = store.get<LnNodeRow>('SELECT * FROM ln_node LIMIT 1')
  const outbox = store.get<{ unsent: number; dead: number }>(
    'SELECT (SELECT COUNT(*) FROM outbox_msg WHERE state < 2) AS unsent, (SELECT COUNT(*) FROM outbox_msg WHERE state = 3) AS dead',
  )
  const alerts = store.all<AlertRow>('SELECT * FROM alert WHERE closed_at IS NULL ORDER BY severity DESC, opened_at')
  const obligations = store.all<ObligationNowRow>(
    `SELECT * FROM obligation_now WHERE state NOT IN ('paid','forfeited','void') ORDER BY created_at`,
  )
  return {
    pubkey: ctx.key.pubkey,
    version: ctx.settings.version,
    ready: live.ready,
    lightning: {
      serving: live.lightning.serving,
      node: node?.node_pubkey ?? null,
      alias: live.lightning.node?.alias ?? null,
      network: node?.network ?? null,
      height: live.lightning.heightNow(),
      halted: node?.halted_why ?? null,
    },
    relays: ctx.relays.urls().map((url) => ({ url, up: live.relaysUp.includes(url) })),
    orders:
      store.all(`SELECT status || CASE phase WHEN 'steady' THEN '' ELSE '/' || phase END AS standing, COUNT(*) AS count
                         FROM orders WHERE status NOT IN ('success','canceled','cooperatively-canceled','canceled-by-admin','expired')
                        GROUP BY status, phase ORDER BY 1`),
    outbox: outbox ?? { unsent: 0, dead: 0 },
    intake: Object.fromEntries(live.intake),
    alerts: alerts.map((row) => ({ key: row.key, severity: row.severity, detail: row.detail, sinceS: row.opened_at })),
    obligations: obligations.map((row) => ({ id: row.id, shown: row.shown, amountMsat: row.amount_msat })),
  }
}
