/**
 * Sats that we owe one party, and what is done when paying them fails. One engine for all kinds; what differs is policy
 * (design.md 1, money-path.md 3.5, 3.10; DEC-27, DEC-40).
 */
export const OBLIGATION_KINDS = [
  'buyer_payout',
  'bond_payout',
  'maker_refund',
  'dev_fee',
  'solver_reward',
  'overpayment',
  'custody',
] as const
/** What sats can be owed for (design.md 1). */
export type ObligationKind = (typeof OBLIGATION_KINDS)[number]

/** Whose fault a failed attempt was (money-path.md 1.7); only the payee's counts against his budget. */
export function isPayeeFault(reason: string, tried: boolean): boolean {
  switch (reason) {
    case 'no-route':
    case 'incorrect-details':
    case 'unpayable':
      return true
    case 'timeout':
      return tried
    default:
      return false
  }
}

/** What follows a failed attempt. */
export type AfterFailure = 'same-again' | 'fresh-invoice' | 'ask-again' | 'give-up-review' | 'give-up-void'

/**
 * Chooses the path after a verified failure. `failures` counts this one already; `dead`: this invoice can not be paid
 * any more (expired, unpayable).
 */
export function afterFailure(facts: {
  readonly kind: ObligationKind
  readonly destination: 'bolt11' | 'address'
  readonly dead: boolean
  readonly failures: number
  readonly attemptsMax: number
  readonly resolveFailures: number
  readonly windowOver: boolean
}): AfterFailure {
  const budgetLeft = facts.failures < facts.attemptsMax
  if (!facts.dead && budgetLeft) return 'same-again'
  if (facts.destination === 'address' && budgetLeft && facts.resolveFailures < RESOLVE_FAILURES_MAX)
    return 'fresh-invoice'
  return givenUp(facts.kind, facts.windowOver)
}

/** What happens when neither the invoice nor the address gives a payment: who is asked, or whether it ends. */
export function givenUp(kind: ObligationKind, windowOver: boolean): Exclude<AfterFailure, 'same-again'> {
  switch (kind) {
    case 'dev_fee':
    case 'solver_reward':
      return windowOver ? 'give-up-void' : 'fresh-invoice'
    case 'bond_payout':
      return windowOver ? 'give-up-review' : 'ask-again'
    case 'buyer_payout':
    case 'maker_refund':
    case 'custody':
      return 'ask-again'
    case 'overpayment':
      return 'give-up-review'
  }
}

/** Address lookups in a row that gave no invoice, after which the payee is asked again (money-path.md 3.10). */
export const RESOLVE_FAILURES_MAX = 5

const RESOLVE_BACKOFF_S = [60, 300, 900] as const

/** Seconds until the next lookup of an address that failed `failures` times in a row. */
export function resolveBackoffS(failures: number): number {
  return RESOLVE_BACKOFF_S[Math.max(failures, 1) - 1] ?? 3600
}

const PROMPT_CADENCE_S = [600, 3600, 4 * 3600, 12 * 3600] as const

/** Seconds between two prompts for an invoice, after `prompts` of them: growing, at most a day (DEC-27). */
export function promptCadenceS(prompts: number): number {
  return PROMPT_CADENCE_S[Math.max(prompts, 1) - 1] ?? 86_400
}

const LOOK_BACKOFF_S = [1, 2, 5, 10, 30] as const

/** Seconds until the next lookup of an intent whose outcome is unknown, after `tries` of them (money-path.md 3.5). */
export function lookBackoffS(tries: number): number {
  return LOOK_BACKOFF_S[Math.max(tries, 0)] ?? 60
}
