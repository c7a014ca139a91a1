import type { Facts } from '../facts.ts'

/** One standing promise of the money path (money-path.md 5). `check` names what breaks it; an empty list is health. */
export type Invariant = {
  readonly name: `I-${number}`
  readonly says: string
  /** only once everything rests; else after every step too */
  readonly atRest?: true
  readonly check: (facts: Facts) => readonly string[]
}

/** The items for which `breaks` gives a reason. */
export function* breaches<T>(items: Iterable<T>, breaks: (item: T) => string | null): Generator<string> {
  for (const item of items) {
    const reason = breaks(item)
    if (reason !== null) yield reason
  }
}
