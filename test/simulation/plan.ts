/** The story of one run, drawn from its seed before anything happens: who trades how, and what goes wrong when. */
import type { OrderKind, Transport } from '../../src/core/protocol.ts'
import { Dice } from './dice.ts'
import { drawFault, FAULT_KINDS, type Fault, type FaultKind } from './faults.ts'

export const HABITS = ['behaves', 'dawdles', 'vanishes', 'repeats', 'lies'] as const
/** How a person trades. */
export type Habit = (typeof HABITS)[number]

export type PartyPlan = {
  readonly habit: Habit
  readonly transport: Transport
  readonly fullPrivacy: boolean
  /** decides how long this person thinks, and what a liar says */
  readonly seed: number
  /** one that vanishes does so after this many acts */
  readonly acts: number
}

/** How the two want the trade to end. */
export type Wish = 'success' | 'cooperative-cancel' | 'maker-cancels' | 'taker-cancels' | 'nobody-takes'

export type TradePlan = {
  readonly number: number
  readonly atMs: number
  readonly kind: OrderKind
  readonly pricing: 'fixed' | 'market' | 'range'
  /** what a fixed price asks */
  readonly amountSats: number
  readonly fiatAmount: number
  /** how the buyer gets his sats: an invoice when asked, one with the take or the order, or a Lightning address */
  readonly payout: 'asked' | 'early' | 'address'
  /** how the buyer's wallet takes the payment */
  readonly payee: 'settles' | 'holds' | 'fails'
  readonly wish: Wish
  readonly maker: PartyPlan
  /** one after the other: the next one comes when the order is on the book again */
  readonly takers: readonly PartyPlan[]
}

export type Plan = {
  readonly seed: number
  readonly trades: readonly TradePlan[]
  readonly faults: readonly Fault[]
  /** when the last trade has begun and the last fault has come, virtual ms */
  readonly stormMs: number
}

export type PlanOptions = {
  readonly seed: number
  readonly trades: number
  readonly faults: readonly FaultKind[]
}

const MS_PER_TRADE = 15_000
const SHORTEST_STORM_MS = 60_000
const FAULTS_PER_TRADE = 1.5

/** Draws a run. Equal options, equal plan. */
export function drawPlan(options: PlanOptions): Plan {
  const stormMs = Math.max(SHORTEST_STORM_MS, options.trades * MS_PER_TRADE)
  // Faults have dice of their own: with other faults, the same people trade the same way.
  const people = new Dice(options.seed)
  const trouble = new Dice(options.seed ^ 0x7a31)
  const trades = Array.from({ length: options.trades }, (_, number) => drawTrade(people, number, stormMs))
  const count = options.faults.length === 0 ? 0 : Math.ceil(options.trades * FAULTS_PER_TRADE)
  const faults = Array.from({ length: count }, () => drawFault(trouble, options.faults, stormMs))
  return {
    seed: options.seed,
    trades: trades.sort((a, b) => a.atMs - b.atMs),
    faults: faults.sort((a, b) => a.atMs - b.atMs),
    stormMs,
  }
}

function drawTrade(dice: Dice, number: number, stormMs: number): TradePlan {
  return {
    number,
    atMs: dice.between(0, stormMs),
    kind: dice.pick(['sell', 'buy']),
    pricing: dice.weighed({ fixed: 5, market: 3, range: 2 }),
    amountSats: dice.between(5_000, 500_000),
    fiatAmount: dice.between(10, 200),
    payout: dice.weighed({ asked: 5, early: 3, address: 2 }),
    payee: dice.weighed({ settles: 18, holds: 1, fails: 1 }),
    wish: dice.weighed({
      success: 16,
      'cooperative-cancel': 2,
      'maker-cancels': 1,
      'taker-cancels': 1,
      'nobody-takes': 1,
    }),
    maker: drawParty(dice),
    takers: [drawParty(dice), drawParty(dice)],
  }
}

function drawParty(dice: Dice): PartyPlan {
  return {
    habit: dice.weighed({ behaves: 14, dawdles: 2, vanishes: 1, repeats: 2, lies: 1 }),
    transport: dice.pick([1, 2]),
    fullPrivacy: dice.chance(0.15),
    seed: dice.seed(),
    acts: dice.between(0, 3),
  }
}

/** Reads `all`, `none` or a list of kinds and of beginnings of kinds (`kill,lnd`); null when a word is none. */
export function readFaults(text: string): readonly FaultKind[] | null {
  if (text === 'all') return FAULT_KINDS
  if (text === 'none') return []
  const words = text.split(',')
  const isMeant = (kind: FaultKind, word: string) => kind === word || kind.startsWith(`${word}-`)
  if (words.some((word) => !FAULT_KINDS.some((kind) => isMeant(kind, word)))) return null
  return FAULT_KINDS.filter((kind) => words.some((word) => isMeant(kind, word)))
}
