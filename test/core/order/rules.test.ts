import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PROJECT } from '../../../scripts/repository.ts'
import { unreachable } from '../../../src/core/assert.ts'
import type { Decision } from '../../../src/core/order/decision.ts'
import {
  decideCancel,
  decideDutyOver,
  decideEscrowGone,
  decideHeightMargin,
  decideOperatorEnds,
  decideOverpaid,
  decideRefunded,
  decideWindowOver,
  type EscrowStanding,
} from '../../../src/core/order/ending.ts'
import { type Destination, type NextTrade, type Order, PHASES_OF, takeOf } from '../../../src/core/order/order.ts'
import { ORDER_EVENTS, type OrderEvent, renderStates, standings, verdict } from '../../../src/core/order/rules.ts'
import { decideAddInvoice, decideAdopted, decideAnswerLate, decideTake } from '../../../src/core/order/take.ts'
import {
  decideAccepted,
  decideFiatSent,
  decidePaid,
  decideRelease,
  decideSettled,
  decideSettleRefused,
  decideTradePubkey,
} from '../../../src/core/order/trade.ts'
import {
  ALICE,
  anyNextTrade,
  anyOrder,
  anySender,
  BOB,
  INVOICE,
  NOW,
  offer,
  orderIn,
  REPUTATION,
  TAKE,
} from './world.ts'

/** What comes with an event. */
type Facts = {
  readonly sender: string
  readonly escrow: EscrowStanding
  readonly destination: Destination | null
  readonly nextTrade: NextTrade | null
  readonly reissues: number
  readonly remainder: 'child' | 'refused' | 'none'
  readonly as: 'canceled' | 'success'
}

/** The decision of an event; null where the core has none: a swap is the payout's business. */
function decide(event: OrderEvent, order: Order, f: Facts): Decision | null {
  switch (event) {
    case 'take-sell':
    case 'take-buy':
      if (event !== `take-${order.kind}`) return null
      return decideTake(order, { ...BOB, pubkey: f.sender }, TAKE, f.destination, NOW)
    case 'add-invoice':
      return order.status === 'settled-hold-invoice' ? null : decideAddInvoice(order, INVOICE)
    case 'fiat-sent':
      return decideFiatSent(order, f.sender, f.nextTrade)
    case 'release':
      return decideRelease(order, f.sender, f.nextTrade)
    case 'cancel':
      return decideCancel(order, f.sender, f.escrow)
    case 'trade-pubkey':
      return decideTradePubkey(order, f.sender, f.sender === ALICE.pubkey ? order.maker.identity : f.sender)
    case 'escrow-adopted':
      return decideAdopted(order, 'lnbc1escrow', REPUTATION, 'buyer')
    case 'answer-late':
      return decideAnswerLate(order)
    case 'escrow-accepted':
      return decideAccepted(order, REPUTATION)
    case 'escrow-overpaid':
      return decideOverpaid(order)
    case 'escrow-gone':
      return decideEscrowGone(order, f)
    case 'escrow-settled':
      return decideSettled(
        order,
        f.remainder === 'child' ? offer(order.kind, { id: 'child' }) : null,
        f.remainder === 'refused' ? 'child' : null,
      )
    case 'settle-refused':
      return decideSettleRefused(order)
    case 'refund-confirmed':
      return decideRefunded(order)
    case 'buyer-paid':
      return decidePaid(order)
    case 'window-over':
      return decideWindowOver(order)
    case 'duty-over':
      return decideDutyOver(order, f.escrow)
    case 'height-margin':
      return decideHeightMargin(order)
    case 'operator-ends':
      return decideOperatorEnds(order, f.as)
    default:
      return unreachable(event)
  }
}

const anyFacts: fc.Arbitrary<Facts> = fc.record({
  sender: anySender,
  escrow: fc.constantFrom<EscrowStanding>('none', 'unpaid', 'held'),
  destination: fc.constantFrom(null, INVOICE),
  nextTrade: anyNextTrade,
  reissues: fc.integer({ min: 0, max: 2 }),
  remainder: fc.constantFrom('child', 'refused', 'none'),
  as: fc.constantFrom('canceled', 'success'),
})

const anyCase = fc.record({ event: fc.constantFrom(...ORDER_EVENTS), order: anyOrder, facts: anyFacts })
type Case = typeof anyCase extends fc.Arbitrary<infer C> ? C : never

/** Holds for every decision that moves an order. */
function forEveryMove(check: (move: Extract<Decision, { kind: 'moved' }>, from: Case) => void): void {
  fc.assert(
    fc.property(anyCase, (from) => {
      const decision = decide(from.event, from.order, from.facts)
      if (decision?.kind === 'moved') check(decision, from)
    }),
    { numRuns: 4000 },
  )
}

const KINDS = ['buy', 'sell'] as const
const INITIATORS = [null, 'buyer', 'seller'] as const

/** Every standing with everything that makes a difference to some decision. */
const SITUATIONS = standings().flatMap(({ status, phase }) =>
  KINDS.flatMap((kind) =>
    INITIATORS.flatMap((cancelInitiator) =>
      [null, INVOICE].flatMap((destination) =>
        ([ALICE, BOB] as const).flatMap(({ pubkey: sender }) =>
          (['unpaid', 'held'] as const).map((escrow) => ({
            order: orderIn(status, phase, { kind, cancelInitiator, take: { buyerDestination: destination } }),
            facts: {
              sender,
              escrow,
              destination,
              nextTrade: null,
              reissues: 0,
              remainder: 'none',
              as: escrow === 'held' ? 'canceled' : 'success',
            } satisfies Facts,
          })),
        ),
      ),
    ),
  ),
)

/** Where every event leads from there, as the table's lines. */
function stepsFrom({ order, facts }: (typeof SITUATIONS)[number]): readonly string[] {
  return ORDER_EVENTS.flatMap((event) => {
    const decision = decide(event, order, facts)
    if (decision?.kind !== 'moved') return []
    return [`${event}: ${order.status}/${order.phase} → ${decision.change.status}/${decision.change.phase}`]
  })
}

describe('the table of events', () => {
  test('answers every event in every standing', () => {
    for (const event of ORDER_EVENTS)
      for (const { status, phase } of standings()) {
        const answer = verdict(event, status, phase)
        expect(['goes', 'refused', 'ignored', 'review']).toContain(answer.kind)
        if (answer.kind === 'goes') expect(answer.to.length).toBeGreaterThan(0)
      }
  })

  test('leads to legal standings only', () => {
    const legal = new Set(standings().map(({ status, phase }) => `${status}/${phase}`))
    for (const event of ORDER_EVENTS)
      for (const { status, phase } of standings()) {
        const answer = verdict(event, status, phase)
        if (answer.kind === 'goes') for (const to of answer.to) expect(legal).toContain(to)
      }
  })

  test('refuses a trader where something is under way, and never blames the status for it (DEC-24)', () => {
    const messages = ['take-sell', 'take-buy', 'add-invoice', 'fiat-sent', 'release', 'cancel', 'trade-pubkey'] as const
    for (const event of messages)
      for (const { status, phase } of standings()) {
        const steady = verdict(event, status, 'steady')
        const now = verdict(event, status, phase)
        expect(now.kind).not.toBe('ignored')
        if (steady.kind === 'goes' && now.kind !== 'goes')
          expect(now).toEqual({ kind: 'refused', reason: 'not_allowed_by_status' })
      }
  })

  test('is the page that the docs show', () => {
    const page = readFileSync(join(PROJECT, 'docs', 'states.md'), 'utf8')
    const [, ...text] = page.split('\n\n')
    expect(text.join('\n\n')).toBe(`${renderStates().trim()}\n`)
  })
})

describe('every decision', () => {
  test('does what the table says, for any order in any standing and any facts', () => {
    fc.assert(
      fc.property(anyCase, ({ event, order, facts }) => {
        const decision = decide(event, order, facts)
        if (decision === null) return
        const answer = verdict(event, order.status, order.phase)
        switch (answer.kind) {
          case 'goes':
            if (decision.kind === 'moved')
              expect(answer.to).toContain(`${decision.change.status}/${decision.change.phase}`)
            return
          case 'refused':
            expect(decision.kind).toBe('refused')
            // A stranger's release is a stranger's first, whatever the order does.
            if (decision.kind === 'refused' && event !== 'release') expect(decision.reason).toBe(answer.reason)
            return
          case 'ignored':
          case 'review':
            expect(decision.kind).toBe('ignored')
        }
      }),
      { numRuns: 8000 },
    )
  })

  test('is possible: every step that the table names is taken by some trade', () => {
    const taken = new Set(SITUATIONS.flatMap(stepsFrom))
    const named = ORDER_EVENTS.flatMap((event) =>
      standings().flatMap(({ status, phase }) => {
        const answer = verdict(event, status, phase)
        return answer.kind === 'goes' ? answer.to.map((to) => `${event}: ${status}/${phase} → ${to}`) : []
      }),
    )
    // A swapped invoice changes no status: nothing is decided.
    const undecided = ['add-invoice: settled-hold-invoice/steady → settled-hold-invoice/steady']
    expect(named.filter((step) => !taken.has(step)).sort()).toEqual(undecided.sort())
  })

  test('never leaves the sats of a seller without a trade that they wait for', () => {
    forEveryMove(({ change, effects }, { event, order, facts }) => {
      const ends = ['pending', 'canceled', 'cooperatively-canceled'].includes(change.status)
      const wasLive = takeOf(order) !== null && order.status !== change.status && event !== 'escrow-gone'
      const mayHaveEscrow = event === 'cancel' || event === 'duty-over' ? facts.escrow !== 'none' : true
      if (!ends || !wasLive || !mayHaveEscrow || event === 'refund-confirmed') return
      expect(effects.some((effect) => effect.kind === 'cancel-escrow')).toBe(true)
    })
  })

  test('settles an escrow only for a seller who releases, and never beside a cancel', () => {
    forEveryMove(({ change, effects }, { event, order, facts }) => {
      const kinds = effects.map(({ kind }) => kind)
      if (!kinds.includes('settle-escrow')) return
      expect(event).toBe('release')
      expect(change.phase).toBe('releasing')
      expect(kinds).toEqual(['settle-escrow'])
      expect(facts.sender).toBe(order.kind === 'sell' ? order.maker.pubkey : takeOf(order)?.taker.pubkey)
    })
  })

  test('says that sats moved only when Lightning has said so (DEC-39), or a person who has seen it', () => {
    const claims = ['released', 'hold-invoice-payment-settled', 'purchase-completed', 'hold-invoice-payment-accepted']
    const facts: readonly OrderEvent[] = [
      'escrow-settled',
      'buyer-paid',
      'escrow-accepted',
      'add-invoice',
      'operator-ends',
    ]
    forEveryMove(({ change, effects }, { event }) => {
      if (effects.some((effect) => effect.kind === 'say' && claims.includes(effect.action)))
        expect(facts).toContain(event)
      if (change.status === 'settled-hold-invoice') expect(event).toBe('escrow-settled')
      if (change.status === 'success') expect(['buyer-paid', 'operator-ends']).toContain(event)
    })
  })

  test('writes to its own traders, and names an index only where a trade begins', () => {
    forEveryMove(({ effects }, { event, order, facts }) => {
      const own = [order.maker.pubkey, takeOf(order)?.taker.pubkey, facts.sender]
      for (const effect of effects) {
        if (effect.kind !== 'say') continue
        if (effect.about === null) expect(own).toContain(effect.to)
        if (effect.tradeIndex !== null)
          expect(['take-sell', 'take-buy', 'escrow-adopted', 'escrow-settled']).toContain(event)
      }
    })
  })

  test('undoes a take exactly when the order returns to the book', () => {
    forEveryMove(({ change }, { order }) => {
      const returns = change.status === 'pending' && change.phase === 'steady' && takeOf(order) !== null
      if (returns) expect(change.take).toBeNull()
      if (change.take === null) expect(['pending', 'canceled']).toContain(change.status)
    })
  })

  test('answers the request that waited when an opening order ends without its invoice', () => {
    forEveryMove(({ effects }, { event, order }) => {
      if (order.phase !== 'opening' || event === 'escrow-adopted') return
      expect(effects.filter(({ kind }) => kind === 'refuse-waiting')).toHaveLength(1)
    })
  })

  test('ends in a phase that its status can have', () => {
    forEveryMove(({ change }) => expect(PHASES_OF[change.status]).toContain(change.phase))
  })
})
