import type { Facts } from '../facts.ts'
import { BOOK_INVARIANTS } from './books.ts'
import { HOLD_INVARIANTS } from './holds.ts'
import type { Invariant } from './invariant.ts'
import { MESSAGE_INVARIANTS } from './messages.ts'
import { PAYMENT_INVARIANTS } from './payments.ts'

export const INVARIANTS: readonly Invariant[] = [
  ...PAYMENT_INVARIANTS,
  ...HOLD_INVARIANTS,
  ...BOOK_INVARIANTS,
  ...MESSAGE_INVARIANTS,
].toSorted((a, b) => a.name.localeCompare(b.name))

/** One broken promise. */
export type Violation = { readonly invariant: string; readonly says: string; readonly what: string }

/** Every invariant that speaks of this moment, checked. */
export function violations(facts: Facts): readonly Violation[] {
  return INVARIANTS.filter(({ atRest }) => facts.atRest || atRest !== true).flatMap(({ name, says, check }) =>
    check(facts).map((what) => ({ invariant: name, says, what })),
  )
}
