import fc from 'fast-check'
import { satsToMsat } from '../../../src/core/money.ts'
import type { Decision, Effect } from '../../../src/core/order/decision.ts'
import type {
  Destination,
  Duty,
  Fiat,
  NextTrade,
  Offer,
  Order,
  Party,
  Phase,
  Side,
  Status,
  Take,
} from '../../../src/core/order/order.ts'
import { standings } from '../../../src/core/order/rules.ts'
import type { OrderKind, Payload, SmallOrder } from '../../../src/core/protocol.ts'

export const NOW = 1_785_000_000

const key = (letter: string) => letter.repeat(64)

/** Alice makes orders, Bob takes them, Carol has nothing to do with either. */
export const ALICE: Party = { pubkey: key('a'), identity: key('1'), tradeIndex: 4 }
export const BOB: Party = { pubkey: key('b'), identity: key('2'), tradeIndex: 9 }
export const CAROL: Party = { pubkey: key('c'), identity: key('3'), tradeIndex: 1 }
/** A key that Alice has not used yet. */
export const ALICE_NEXT: NextTrade = { pubkey: key('d'), index: 5 }

const NAMES = new Map([
  [ALICE.pubkey, 'alice'],
  [BOB.pubkey, 'bob'],
  [CAROL.pubkey, 'carol'],
  [ALICE_NEXT.pubkey, 'alice-next'],
])

export const INVOICE: Destination = { kind: 'bolt11', request: 'lnbc1buyer' }
export const REPUTATION: Payload = {
  kind: 'peer',
  peer: { pubkey: '', reputation: { rating: 4, reviews: 2n, operatingDays: 7n } },
}

export function offer(kind: OrderKind, more: Partial<Offer> = {}): Offer {
  return {
    id: `${kind}-order`,
    kind,
    maker: ALICE,
    price: { kind: 'fixed', amountMsat: satsToMsat(100_000) },
    fiat: { kind: 'single', amount: 50 },
    fiatCode: 'EUR',
    paymentMethod: 'SEPA',
    premium: 0,
    makerDestination: null,
    rangeParent: null,
    createdAtS: NOW - 100,
    expiresAtS: NOW + 1000,
    version: 3,
    ...more,
  }
}

/** The take of trade.md 3.6: the seller pays 100,300 sats, the buyer gets 99,700. */
export const TAKE: Take = {
  taker: BOB,
  fiatAmount: 50,
  amountMsat: satsToMsat(100_000),
  feeMsat: satsToMsat(300),
  devFeeMsat: satsToMsat(180),
  takenAtS: NOW - 50,
  buyerDestination: INVOICE,
}

const DUTY: Duty = { epoch: 1, anchorAtS: NOW - 50, okAtS: NOW - 49 }

export type Facts = {
  readonly kind: OrderKind
  readonly more?: Partial<Offer>
  readonly take?: Partial<Take>
  readonly cancelInitiator?: Side | null
  readonly nextTrade?: NextTrade | null
}

/** An order in any legal standing, with the facts that are true there. */
export function orderIn(status: Status, phase: Phase, facts: Facts): Order {
  const base = offer(facts.kind, facts.more)
  const take: Take = { ...TAKE, ...facts.take }
  if (phase === 'review') return { ...base, status, phase, take }
  switch (status) {
    case 'pending':
      return phase === 'opening' ? { ...base, status, phase, take } : { ...base, status, phase: 'steady' }
    case 'waiting-buyer-invoice':
    case 'waiting-payment':
      if (phase !== 'steady' && phase !== 'opening' && phase !== 'timing-out') break
      return {
        ...base,
        status,
        phase,
        take: status === 'waiting-buyer-invoice' && phase !== 'opening' ? { ...take, buyerDestination: null } : take,
        duty: DUTY,
      }
    case 'active':
    case 'fiat-sent':
    case 'dispute':
      if (phase !== 'steady' && phase !== 'releasing' && phase !== 'resolving') break
      return {
        ...base,
        status,
        phase,
        take,
        cancelInitiator: facts.cancelInitiator ?? null,
        nextTrade: facts.nextTrade ?? null,
      }
    case 'settled-hold-invoice':
    case 'success':
      return { ...base, status, phase: 'steady', take }
    case 'canceled':
    case 'cooperatively-canceled':
    case 'canceled-by-admin':
    case 'expired':
      return {
        ...base,
        status,
        phase: phase === 'refunding' ? phase : 'steady',
        take: status === 'expired' ? null : take,
      }
    case 'waiting-maker-bond':
    case 'waiting-taker-bond':
      return { ...base, status, phase: phase === 'opening' ? phase : 'steady' }
  }
  throw new Error(`no order is ${status}/${phase}`)
}

/** {@link orderIn} for the one standing that a test is about. */
export function order<S extends Status>(status: S, facts: Facts, phase: Phase = 'steady'): Order {
  return orderIn(status, phase, facts)
}

function amountOf(shown: SmallOrder): string {
  return `${shown.status ?? 'no status'} ${shown.amount} sats`
}

function payloadText(payload: Payload | null): string {
  if (payload === null) return ''
  switch (payload.kind) {
    case 'order':
      return ` {${amountOf(payload.order)}}`
    case 'payment_request':
      return ` {${payload.order === null ? 'no order' : amountOf(payload.order)}, ${payload.request}}`
    case 'peer':
      return payload.peer.pubkey === '' ? ' {reputation}' : ` {peer ${NAMES.get(payload.peer.pubkey) ?? '?'}}`
    default:
      return ` {${payload.kind}}`
  }
}

function text(effect: Effect): string {
  switch (effect.kind) {
    case 'say': {
      const marks = [
        effect.echo ? ' rid' : '',
        effect.tradeIndex === null ? '' : ` index ${effect.tradeIndex}`,
        effect.asks ? ' asks' : '',
        effect.about === null ? '' : ` about ${effect.about}`,
      ]
      return `${NAMES.get(effect.to) ?? '?'}: ${effect.action}${payloadText(effect.payload)}${marks.join('')}`
    }
    case 'plan-escrow':
      return `plan escrow of ${effect.amountMsat / 1000} sats${effect.answers ? ', answers' : ''}`
    case 'cancel-escrow':
      return `cancel escrow: ${effect.why}`
    case 'settle-escrow':
      return `settle escrow, pay ${NAMES.get(effect.why.buyer) ?? '?'} ${effect.why.payoutMsat / 1000} sats`
    case 'burn-index':
      return `burn index ${effect.index} of ${effect.identity.slice(0, 1)}`
    case 'refuse-waiting':
      return `${NAMES.get(effect.to) ?? '?'}: cant-do ${effect.reason} to what waits`
    case 'alert':
      return `alert ${effect.severity} ${effect.key}`
  }
}

/** A decision as a person would tell it: where the order goes, then what happens, in order. */
export function told(decision: Decision): readonly string[] {
  if (decision.kind === 'refused') return [`refused: ${decision.reason}`]
  if (decision.kind === 'ignored') return ['ignored']
  const { status, phase, take, duty, cancelInitiator } = decision.change
  const marks = [
    take === null ? ', take undone' : take === undefined ? '' : ', taken',
    duty === undefined ? '' : `, duty ${duty}s`,
    cancelInitiator === undefined ? '' : `, ${cancelInitiator} asked to cancel`,
  ]
  return [
    `→ ${status}${phase === 'steady' ? '' : `/${phase}`}${marks.join('')}`.replace('duty clears', 'duty ends'),
    ...decision.effects.map(text),
  ]
}

/** The order that a message of a decision shows to a trader. */
export function shown(decision: Decision, to: Party, action: string): SmallOrder {
  const effects = decision.kind === 'moved' ? decision.effects : []
  for (const effect of effects) {
    if (effect.kind !== 'say' || effect.to !== to.pubkey || effect.action !== action) continue
    if (effect.payload?.kind === 'order') return effect.payload.order
    if (effect.payload?.kind === 'payment_request' && effect.payload.order !== null) return effect.payload.order
  }
  throw new Error(`${action} shows no order`)
}

const anyKind = fc.constantFrom<OrderKind>('buy', 'sell')
const anyFiat: fc.Arbitrary<Fiat> = fc.oneof(
  fc.constant<Fiat>({ kind: 'single', amount: 50 }),
  fc.record({
    kind: fc.constant('range' as const),
    min: fc.integer({ min: 1, max: 50 }),
    max: fc.constantFrom(50, 90, 500),
  }),
)
const anyNext = fc.option(
  fc.oneof(
    fc.constant(ALICE_NEXT),
    fc.record({
      pubkey: fc.constantFrom(ALICE.pubkey, BOB.pubkey, '', key('e')),
      index: fc.integer({ min: -1, max: 9 }),
    }),
  ),
  { nil: null },
)
const anyMaker: fc.Arbitrary<Party> = fc.constantFrom(ALICE, { ...ALICE, identity: ALICE.pubkey, tradeIndex: null })
const anyTaker: fc.Arbitrary<Party> = fc.constantFrom(BOB, { ...BOB, identity: BOB.pubkey, tradeIndex: 0 })

/** Any order in any legal standing, with random facts. */
export const anyOrder: fc.Arbitrary<Order> = fc
  .record({
    at: fc.constantFrom(...standings()),
    kind: anyKind,
    maker: anyMaker,
    taker: anyTaker,
    fiat: anyFiat,
    market: fc.boolean(),
    makerDestination: fc.constantFrom(null, INVOICE),
    buyerDestination: fc.constantFrom(null, INVOICE),
    feeSats: fc.integer({ min: 0, max: 1000 }),
    expiresInS: fc.constantFrom(-1, 0, 1, 1000),
    cancelInitiator: fc.constantFrom<Side | null>(null, 'buyer', 'seller'),
    nextTrade: anyNext,
  })
  .map((f) =>
    orderIn(f.at.status, f.at.phase, {
      kind: f.kind,
      more: {
        maker: f.maker,
        fiat: f.fiat,
        price: f.market ? { kind: 'market' } : offer(f.kind).price,
        makerDestination: f.makerDestination,
        expiresAtS: NOW + f.expiresInS,
      },
      take: {
        taker: f.taker,
        fiatAmount: f.fiat.kind === 'single' ? f.fiat.amount : f.fiat.min,
        feeMsat: satsToMsat(f.feeSats),
        buyerDestination: f.buyerDestination,
      },
      cancelInitiator: f.cancelInitiator,
      nextTrade: f.nextTrade,
    }),
  )

/** Who may write about an order: its maker, its taker, a stranger. */
export const anySender = fc.constantFrom(ALICE.pubkey, BOB.pubkey, CAROL.pubkey)
export const anyNextTrade = anyNext
