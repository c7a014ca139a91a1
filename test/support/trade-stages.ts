/** Orders in every status of a trade, made by traders who do what the daemon asks of them. */
import { satsToMsat } from '../../src/core/money.ts'
import type { Action, SmallOrder } from '../../src/core/protocol.ts'
import type { EngineWorld } from './engine-world.ts'
import { bolt11Of, paymentRequest, type SendOptions, type SimTrader } from './sim-trader.ts'

export const STAGES = [
  'pending',
  'waiting-buyer-invoice',
  'waiting-payment',
  'active',
  'fiat-sent',
  'settled-hold-invoice',
  'success',
  'canceled',
  'cooperatively-canceled',
  'expired',
] as const
export type Stage = (typeof STAGES)[number]

/** A trade of a sell order: its maker sells, its taker buys. */
export type Trade = {
  readonly id: string
  readonly seller: SimTrader
  readonly buyer: SimTrader
  /** the seller's trade key */
  readonly sellerKey: number
  readonly buyerKey: number
}

export const AMOUNT_SATS = 100_000
/** what the buyer of {@link AMOUNT_SATS} gets at a fee of 0.6 %, which both share */
export const PAYOUT_SATS = 99_700

/** An invoice of a trader over what a buyer of {@link AMOUNT_SATS} gets. */
export const payoutInvoice = (trader: SimTrader): string =>
  trader.wallet.invoice({ amountMsat: satsToMsat(PAYOUT_SATS), expiryS: 86_400 })

/** The newest message of an action that carries a hold invoice, paid by its reader. */
export async function paysEscrow(world: EngineWorld, seller: SimTrader, id: string): Promise<void> {
  const asks = () => seller.all('pay-invoice', id).filter((m) => m.payload?.kind === 'payment_request')
  await world.until(() => asks().length > 0, `${seller.name} is asked to pay the escrow`)
  const ask = asks().at(-1)
  if (ask === undefined) throw new Error('not asked')
  seller.wallet.pay(bolt11Of(ask)).catch(() => undefined)
}

type Opening = { readonly order?: Partial<SmallOrder>; readonly make?: SendOptions; readonly take?: SendOptions }

/** Brings a fixed sell order of 100,000 sats to a status. */
export async function sellTradeAt(
  world: EngineWorld,
  stage: Stage,
  seller: SimTrader,
  buyer: SimTrader,
  opening: Opening = {},
): Promise<Trade> {
  const order = { kind: 'sell', amount: BigInt(AMOUNT_SATS), fiatAmount: 100n, ...opening.order } as const
  const id = await seller.makes(order, opening.make ?? {})
  const sellerKey = opening.make?.key ?? seller.key
  const trade = () => ({ id, seller, buyer, sellerKey, buyerKey: opening.take?.key ?? buyer.key })
  const reach = async (status: Stage): Promise<void> =>
    world.until(() => world.standing(id) === status, `order is ${status} (it is ${world.standing(id)})`)
  if (stage === 'pending') return trade()
  if (stage === 'expired') {
    await world.until(() => world.standing(id) === 'expired', 'the window is over', 90_000_000, 60_000)
    return trade()
  }
  if (stage === 'canceled') {
    seller.send('cancel', { id, key: sellerKey })
    await reach('canceled')
    return trade()
  }
  await buyer.answer(buyer.takes('take-sell', id, opening.take ?? {}))
  const buyerKey = trade().buyerKey
  if (stage === 'waiting-buyer-invoice') return trade()
  buyer.send('add-invoice', { id, payload: paymentRequest(payoutInvoice(buyer)), key: buyerKey })
  await reach('waiting-payment')
  if (stage === 'waiting-payment') return trade()
  await paysEscrow(world, seller, id)
  await reach('active')
  if (stage === 'active') return trade()
  if (stage === 'cooperatively-canceled') {
    seller.send('cancel', { id, key: sellerKey })
    await buyer.hears('cooperative-cancel-initiated-by-peer', id)
    buyer.send('cancel', { id, key: buyerKey })
    await reach('cooperatively-canceled')
    return trade()
  }
  buyer.send('fiat-sent', { id, key: buyerKey })
  await reach('fiat-sent')
  if (stage === 'fiat-sent') return trade()
  if (stage === 'settled-hold-invoice') buyer.wallet.onIncoming('hold')
  seller.send('release', { id, key: sellerKey })
  await reach(stage)
  return trade()
}

/** The reason of the refusal that answers a request, or the answering action when it is none. */
export async function reasonFor(trader: SimTrader, requestId: bigint): Promise<string> {
  const answer = await trader.answer(requestId)
  return answer.payload?.kind === 'cant_do' ? String(answer.payload.reason) : answer.action
}

/** Sends and tells the reason of the refusal, or the answering action. */
export const asks = (trader: SimTrader, action: Action, options: SendOptions): Promise<string> =>
  reasonFor(trader, trader.send(action, options))

/** Columns that follow the clock or the relays, whatever traders write. */
const RESTLESS: Readonly<Record<string, readonly string[]>> = {
  process: ['alive_at'],
  relay: ['cursor'],
  ln_node: ['last_alive_at'],
  price: ['as_of'],
}
const MESSAGE_TABLES = ['inbox', 'outbox_msg', 'outbox_seq', 'delivery']

/** Every row of the store but those of messages themselves: equal dumps mean that nothing happened. */
export function dumpState(world: EngineWorld): Readonly<Record<string, readonly string[]>> {
  const tables = world.store
    .all<{ name: string }>(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`,
    )
    .filter(({ name }) => !MESSAGE_TABLES.includes(name))
  return Object.fromEntries(
    tables.map(({ name }) => {
      const rows = world.store.all<Record<string, unknown>>(`SELECT * FROM "${name}"`)
      const kept = rows.map((row) => {
        const columns = Object.entries(row).filter(([column]) => !(RESTLESS[name] ?? []).includes(column))
        return JSON.stringify(columns, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v))
      })
      return [name, kept.sort()]
    }),
  )
}
