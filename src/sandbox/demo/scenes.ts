/** What the demo shows. Each scene is a few steps, and records what was agreed for the audit. */

import { assert } from '../../core/assert.ts'
import { type Msat, satsToMsat } from '../../core/money.ts'
import { feePerPartyMsat, quoteMsat } from '../../core/pricing.ts'
import { SANDBOX_PRICES } from '../price-server.ts'
import { SANDBOX_FEE, type World } from '../world.ts'
import type { Trade } from './audit.ts'
import type { DaemonProcess } from './daemon-process.ts'
import { eventually } from './eventually.ts'
import { amountSatsOf, orderIdOf, type Party } from './party.ts'
import type { SCENE_COUNT } from './scene-count.ts'

/** The stage: who is there, and how it is told. */
export type Stage = {
  readonly world: World
  readonly daemon: DaemonProcess
  readonly alice: Party
  readonly bob: Party
  readonly carol: Party
  /** Does one thing and tells of it. */
  readonly step: <T>(what: string, work: () => Promise<T>) => Promise<T>
  readonly record: (trade: Trade) => void
}

export type Scene = { readonly title: string; readonly play: (stage: Stage) => Promise<void> }

const PAYMENT_METHOD = 'cash'
/** How long a payout is held up while the daemon is killed. */
const SLOW_PAYOUT_MS = 3000
/** A payout that failed is tried again after 5 s, twice. */
const RECOVERY_MS = 60_000

export const SCENES = [
  { title: 'A sale at a fixed price', play: fixedSell },
  { title: 'A purchase at the market price, paid to a Lightning address', play: marketBuy },
  { title: 'A range order, taken twice', play: rangeTwice },
  { title: 'Two traders agree to cancel', play: cooperativeCancel },
  { title: 'A payout that fails and recovers', play: failingPayout },
  { title: 'kill -9 in the middle of an escrow, and in the middle of a payout', play: killedTwice },
] as const satisfies readonly Scene[] & { readonly length: typeof SCENE_COUNT }

async function fixedSell({ alice, bob, step, record }: Stage): Promise<void> {
  const orderId = await step('alice offers 50,000 sats for 25 USD', () => sell(alice, 50_000, 25))
  await step('bob takes the offer and gives an invoice', () => takeAndInvoice(bob, orderId))
  await step('alice locks the sats in escrow', () => alice.payEscrow(orderId))
  await step('bob pays the dollars and says so', () => payFiat(bob, alice, orderId))
  await step('alice has the dollars and releases', () => release(alice, orderId))
  await step('bob has the sats', () => bob.client.next('purchase-completed', orderId))
  record(paidTrade(orderId, alice, bob, satsToMsat(50_000)))
}

async function marketBuy({ world, alice, bob, step, record }: Stage): Promise<void> {
  const address = world.addressOf(bob.name)
  const orderId = await step(`bob wants sats for 30 USD at market price, paid to ${address}`, async () =>
    orderIdOf(
      await bob.client.newOrder({
        kind: 'buy',
        fiatCode: 'USD',
        fiatAmount: 30,
        paymentMethod: PAYMENT_METHOD,
        buyerInvoice: address,
      }),
    ),
  )
  await step('alice takes it and locks the sats', async () => alice.lock(await alice.client.takeBuy(orderId)))
  await step('bob pays the dollars and says so', () => payFiat(bob, alice, orderId))
  await step('alice releases', () => release(alice, orderId))
  await step('bob has the sats, although nobody asked him for an invoice', () =>
    bob.client.next('purchase-completed', orderId),
  )
  record(paidTrade(orderId, alice, bob, marketMsat(30)))
}

async function rangeTwice({ alice, bob, carol, step, record }: Stage): Promise<void> {
  const orderId = await step('alice sells for 10 to 40 USD, at market price', async () =>
    orderIdOf(
      await alice.client.newOrder({
        kind: 'sell',
        fiatCode: 'USD',
        fiatAmount: { min: 10, max: 40 },
        paymentMethod: PAYMENT_METHOD,
      }),
    ),
  )
  await step('bob takes 15 USD of it', () => takeAndInvoice(bob, orderId, 15))
  await step('alice locks, bob pays', async () => {
    await alice.payEscrow(orderId)
    await payFiat(bob, alice, orderId)
  })
  await step('alice releases, and the rest goes on under her next key', () => release(alice, orderId, true))
  const childId = await step('10 to 25 USD are in the book', async () =>
    orderIdOf(await alice.client.next('new-order')),
  )
  assert(childId !== orderId, 'the rest is an order of its own')
  await step('carol takes the 25 USD', () => takeAndInvoice(carol, childId, 25))
  await step('alice locks, carol pays, alice releases', async () => {
    await alice.payEscrow(childId)
    await payFiat(carol, alice, childId)
    await release(alice, childId)
  })
  await step('bob and carol have their sats', () =>
    Promise.all([bob.client.next('purchase-completed', orderId), carol.client.next('purchase-completed', childId)]),
  )
  record(paidTrade(orderId, alice, bob, marketMsat(15)))
  record(paidTrade(childId, alice, carol, marketMsat(25)))
}

async function cooperativeCancel({ bob, carol, step, record }: Stage): Promise<void> {
  const orderId = await step('carol offers 40,000 sats for 20 USD', () => sell(carol, 40_000, 20))
  await step('bob takes the offer', () => takeAndInvoice(bob, orderId))
  const before = carol.wallet.balanceMsat()
  await step('carol locks the sats', async () => {
    await carol.payEscrow(orderId)
    await bob.client.next('hold-invoice-payment-accepted', orderId)
  })
  await step('bob asks to cancel', () => bob.client.cancel(orderId))
  await step('carol agrees', async () => {
    await carol.client.next('cooperative-cancel-initiated-by-peer', orderId)
    await carol.client.cancel(orderId)
  })
  await step('carol has her sats back', () =>
    eventually(() => carol.wallet.balanceMsat() === before, 'the escrow to be given back'),
  )
  record({ ...paidTrade(orderId, carol, bob, satsToMsat(40_000)), end: 'canceled' })
}

async function failingPayout({ bob, carol, step, record }: Stage): Promise<void> {
  const orderId = await step('carol offers 60,000 sats for 30 USD', () => sell(carol, 60_000, 30))
  const payoutSats = await step('bob takes it, but his wallet refuses what comes in', async () => {
    bob.wallet.onIncoming('fail')
    return takeAndInvoice(bob, orderId)
  })
  await step('carol locks, bob pays, carol releases', async () => {
    await carol.payEscrow(orderId)
    await payFiat(bob, carol, orderId)
    await release(carol, orderId)
  })
  await step('the payout fails, and bob is told', () => bob.client.next('payment-failed', orderId))
  await step('it is tried again, then bob is asked for another invoice', () =>
    bob.request('add-invoice', orderId, RECOVERY_MS),
  )
  await step('bob repairs his wallet and gives another invoice', async () => {
    bob.wallet.onIncoming('settle')
    await bob.client.addInvoice(orderId, bob.invoice(payoutSats))
  })
  await step('bob has the sats, once', () => bob.client.next('purchase-completed', orderId))
  record(paidTrade(orderId, carol, bob, satsToMsat(60_000)))
}

async function killedTwice({ world, daemon, alice, carol, step, record }: Stage): Promise<void> {
  const orderId = await step('alice offers 80,000 sats for 40 USD', () => sell(alice, 80_000, 40))
  await step('carol takes the offer', () => takeAndInvoice(carol, orderId))
  await step('alice locks the sats', () => alice.payEscrow(orderId))
  await step('carol knows that they are there', () => carol.client.next('hold-invoice-payment-accepted', orderId))
  await step(`kill -9 ${daemon.pid}`, () => daemon.kill())
  const told = carol.client.fiatSent(orderId)
  // A rejection is met where it is awaited; a step before that may fail.
  told.catch(() => undefined)
  await step('nobody is there, and carol says that she has paid', () => stored(world))
  await step('the daemon starts again', () => daemon.start())
  await step('and has heard her', async () => {
    await told
    await alice.client.next('fiat-sent-ok', orderId)
  })
  world.network.node.scriptPayment('next', { kind: 'slow', ms: SLOW_PAYOUT_MS })
  await step('alice releases', () => release(alice, orderId))
  await step('the payout is on its way', () =>
    eventually(() => world.network.node.payments().some(({ state }) => state === 'in-flight'), 'the payout to begin'),
  )
  await step(`kill -9 ${daemon.pid}`, () => daemon.kill())
  await step('the daemon starts again', () => daemon.start())
  await step('carol has the sats, once', () => carol.client.next('purchase-completed', orderId))
  record(paidTrade(orderId, alice, carol, satsToMsat(80_000)))
}

/** Puts a fixed offer into the book; its id. */
async function sell(seller: Party, amountSats: number, fiatAmount: number): Promise<string> {
  const offer = { kind: 'sell', fiatCode: 'USD', fiatAmount, amountSats, paymentMethod: PAYMENT_METHOD } as const
  return orderIdOf(await seller.client.newOrder(offer))
}

/** Takes an offer and gives an invoice for what the node says; how much that is. */
async function takeAndInvoice(buyer: Party, orderId: string, fiatAmount?: number): Promise<number> {
  const asked = await buyer.client.takeSell(orderId, fiatAmount === undefined ? {} : { fiatAmount })
  const amountSats = amountSatsOf(asked)
  await buyer.client.addInvoice(orderId, buyer.invoice(amountSats))
  return amountSats
}

async function payFiat(buyer: Party, seller: Party, orderId: string): Promise<void> {
  await buyer.client.next('hold-invoice-payment-accepted', orderId)
  await buyer.client.fiatSent(orderId)
  await seller.client.next('fiat-sent-ok', orderId)
}

async function release(seller: Party, orderId: string, withNext = false): Promise<void> {
  await seller.client.release(orderId, { withNext })
}

/** Waits until the relay has something that was sent while nobody listened. */
function stored(world: World): Promise<void> {
  const { relay, pubkey } = world
  const count = () => relay.core.events({ '#p': [pubkey] }).length
  const before = count()
  return eventually(() => count() > before, 'the relay to have the message')
}

/** What was agreed, and the fee that the node's terms say. */
function paidTrade(orderId: string, seller: Party, buyer: Party, amountMsat: Msat): Trade {
  const feeMsat = feePerPartyMsat(amountMsat, SANDBOX_FEE)
  return { orderId, seller: seller.name, buyer: buyer.name, amountMsat, feeMsat, end: 'paid' }
}

/** What dollars are worth at the sandbox's price, which never changes, by the protocol's arithmetic. */
function marketMsat(usd: number): Msat {
  const quote = quoteMsat(usd, SANDBOX_PRICES.USD, 0)
  assert(quote.ok, `${usd} USD have a price`)
  return quote.value
}
