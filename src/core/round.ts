/** Rounds to the nearest integer, halves away from zero; never gives -0. The rounding of every fee (trade.md 3). */
export function roundHalfAway(value: number): number {
  const rounded = Math.round(Math.abs(value))
  return value < 0 && rounded !== 0 ? -rounded : rounded
}
