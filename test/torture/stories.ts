/** Whole trades of every kind, drawn by a seed, told by two traders of the client library. */
import type { Received } from '../../src/client/index.ts'
import { type Msat, satsToMsat } from '../../src/core/money.ts'
import { feePerPartyMsat, quoteMsat } from '../../src/core/pricing.ts'
import { SANDBOX_PRICES } from '../../src/sandbox/price-server.ts'
import { SANDBOX_FEE, type World } from '../../src/sandbox/world.ts'
import type { Dice } from '../simulation/dice.ts'
import { eventually, letPass } from '../support/wait.ts'
import { SLOW_HOST, type TorturedTrader } from './tortured-trader.ts'

/** How a trade goes. */
export type Plan = {
  readonly kind: 'sell' | 'buy'
  readonly pricing: 'fixed' | 'market' | 'range'
  /** where the buyer wants his sats */
  readonly destination: 'invoice' | 'address'
  readonly end: 'paid' | 'canceled-offer' | 'canceled-take' | 'canceled-together'
  /** slow: on its way for so long; held: the payee sits on it until the daemon has been killed, and so long after that */
  readonly payout: 'plain' | 'slow' | 'held' | 'failing'
  readonly fiat: number
  readonly amountSats: number
  readonly payoutMs: number
}

/** Where a trade is played. */
export type Stage = {
  readonly world: World
  /** resolves when the daemon has been killed once more, or will not be any more */
  nextKill(): Promise<void>
}

/** What the traders agreed on, and how they saw it end. */
export type Deal = {
  readonly orderId: string
  readonly seller: TorturedTrader
  readonly buyer: TorturedTrader
  readonly amountMsat: Msat
  readonly feeMsat: Msat
  readonly end: Plan['end']
}

const RANGE = { min: 10, max: 40 }
const PAYMENT_METHOD = 'cash'
const PAYOUT_BEGINS_MS = 600_000

/** Draws a trade. Payouts that fail need an invoice to be replaced. */
export function drawPlan(dice: Dice): Plan {
  const end = dice.weighed({ paid: 14, 'canceled-offer': 1, 'canceled-take': 2, 'canceled-together': 3 })
  const payout = dice.weighed({ plain: 4, slow: 5, held: 6, failing: 1 })
  const pricing = dice.weighed({ fixed: 4, market: 3, range: 3 })
  return {
    kind: dice.pick(['sell', 'buy']),
    pricing,
    destination: payout === 'failing' ? 'invoice' : dice.pick(['invoice', 'address']),
    end,
    payout,
    fiat: pricing === 'range' ? dice.between(RANGE.min, RANGE.max - RANGE.min) : dice.between(5, 60),
    amountSats: dice.between(10_000, 90_000),
    payoutMs: dice.between(0, 2500),
  }
}

/** Plays a trade to its end; tells of each deal as soon as its end is known. Rejects when the node leaves a trader alone. */
export async function play(
  stage: Stage,
  plan: Plan,
  { seller, buyer }: { readonly seller: TorturedTrader; readonly buyer: TorturedTrader },
  record: (deal: Deal) => void,
): Promise<void> {
  const maker = plan.kind === 'sell' ? seller : buyer
  const orderId = await offers(stage.world, plan, maker, buyer)
  const amountMsat = plan.pricing === 'fixed' ? satsToMsat(plan.amountSats) : marketMsat(plan.fiat)
  const deal = { seller, buyer, amountMsat, feeMsat: feePerPartyMsat(amountMsat, SANDBOX_FEE) }
  if (plan.end === 'canceled-offer') await cancels(maker, orderId)
  else await trades(stage, plan, { ...deal, orderId, end: plan.end })
  record({ ...deal, orderId, end: plan.end })
  if (plan.pricing !== 'range' || plan.end !== 'paid') return
  const rest = await maker.hearOfRest()
  await cancels(maker, rest)
  record({ ...deal, orderId: rest, end: 'canceled-offer' })
}

async function offers(world: World, plan: Plan, maker: TorturedTrader, buyer: TorturedTrader): Promise<string> {
  const { kind, pricing, fiat, destination } = plan
  const offer = {
    kind,
    fiatCode: 'USD',
    fiatAmount: pricing === 'range' ? RANGE : fiat,
    paymentMethod: PAYMENT_METHOD,
    ...(pricing === 'fixed' ? { amountSats: plan.amountSats } : {}),
    ...(kind === 'buy' && destination === 'address' ? { buyerInvoice: world.addressOf(buyer.purse.wallet.name) } : {}),
  }
  return orderIdOf(await maker.insist((client) => client.newOrder(offer), patienceWith(destination)))
}

async function trades(stage: Stage, plan: Plan, deal: Deal): Promise<void> {
  const { orderId, seller, buyer, end } = deal
  const [maker, taker] = plan.kind === 'sell' ? [seller, buyer] : [buyer, seller]
  const taken = await takes(stage.world, plan, deal)
  if (end === 'canceled-take') {
    await taker.insist((client) => client.cancel(orderId))
    await cancels(maker, orderId)
    return
  }
  await locks(plan, deal, taken)
  if (end === 'canceled-together') {
    await buyer.insist((client) => client.cancel(orderId))
    await seller.hear('cooperative-cancel-initiated-by-peer', orderId)
    await seller.insist((client) => client.cancel(orderId))
    await buyer.hear('cooperative-cancel-accepted', orderId)
    return
  }
  const isRange = plan.pricing === 'range'
  await buyer.insist((client) => client.fiatSent(orderId, { withNext: isRange && plan.kind === 'buy' }))
  await seller.hear('fiat-sent-ok', orderId)
  await releases(stage, plan, deal, isRange && plan.kind === 'sell')
}

/** The taker's request and its answer. */
function takes(world: World, { kind, pricing, fiat, destination }: Plan, deal: Deal): Promise<Received> {
  const { orderId, seller, buyer } = deal
  const amount = pricing === 'range' ? { fiatAmount: fiat } : {}
  if (kind === 'buy') return seller.insist((client) => client.takeBuy(orderId, amount))
  const where = destination === 'address' ? { invoice: world.addressOf(buyer.purse.wallet.name) } : {}
  return buyer.insist((client) => client.takeSell(orderId, { ...amount, ...where }), patienceWith(destination))
}

/** From the take to sats in escrow and a buyer who knows it. */
async function locks({ kind, destination }: Plan, deal: Deal, taken: Received): Promise<void> {
  const { orderId, seller, buyer } = deal
  const givesInvoice = () => buyer.insist((client) => client.addInvoice(orderId, payoutInvoice(deal)))
  if (kind === 'sell') {
    if (destination === 'invoice') await givesInvoice()
    await seller.purse.lock(requestOf(await seller.hear('pay-invoice', orderId)))
  } else {
    await seller.purse.lock(requestOf(taken))
    if (destination === 'invoice') {
      await buyer.hear('add-invoice', orderId)
      await givesInvoice()
      return
    }
  }
  await buyer.hear('hold-invoice-payment-accepted', orderId)
}

async function releases({ world, nextKill }: Stage, plan: Plan, deal: Deal, withNext: boolean): Promise<void> {
  const { orderId, seller, buyer } = deal
  const { wallet } = buyer.purse
  if (plan.payout === 'slow') world.network.node.scriptPayment('next', { kind: 'slow', ms: plan.payoutMs })
  if (plan.payout === 'held') wallet.onIncoming('hold')
  if (plan.payout === 'failing') wallet.onIncoming('fail')
  await seller.insist((client) => client.release(orderId, { withNext }))
  if (plan.payout === 'held') {
    await eventually(() => wallet.held().length > 0, `the payout of ${orderId} to arrive`, PAYOUT_BEGINS_MS)
    await nextKill()
    await letPass(plan.payoutMs)
    wallet.onIncoming('settle')
    for (const hash of wallet.held()) wallet.settleHeld(hash)
  }
  if (plan.payout === 'failing') {
    await buyer.hearPayoutAsked(orderId)
    wallet.onIncoming('settle')
    await buyer.insist((client) => client.addInvoice(orderId, payoutInvoice(deal)))
  }
  await buyer.hear('purchase-completed', orderId)
}

async function cancels(maker: TorturedTrader, orderId: string): Promise<void> {
  await maker.insist((client) => client.cancel(orderId))
}

const patienceWith = (destination: Plan['destination']) => (destination === 'address' ? SLOW_HOST : undefined)

const payoutInvoice = ({ buyer, amountMsat, feeMsat }: Deal): string =>
  buyer.purse.invoice(Math.floor((amountMsat - feeMsat) / 1000))

function orderIdOf({ message }: Received): string {
  if (message.id === null) throw new Error(`${message.action} names no order`)
  return message.id
}

function requestOf({ message }: Received): string {
  if (message.payload?.kind !== 'payment_request') throw new Error(`${message.action} asks for no payment`)
  return message.payload.request
}

function marketMsat(usd: number): Msat {
  const quote = quoteMsat(usd, SANDBOX_PRICES.USD, 0)
  if (!quote.ok) throw new Error(`${usd} USD have no price`)
  return quote.value
}
