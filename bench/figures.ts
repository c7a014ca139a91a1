/** What a figure is worth, and how it is written. */
import type { Figure } from './benchmark.ts'

/** On a small or busy machine a target may be missed; half of it may not. */
const QUICK_SHARE = 0.5

/**
 * How far a figure is on its way to its goal: 1 is there, 2 twice as good, 0.5 half as good. Null without a goal. Where
 * nothing may be left of something, anything is 0.
 */
export function scoreOf({ value, goal }: Figure): number | null {
  if (goal === null) return null
  if (goal.kind === 'at least') return value / goal.value
  if (goal.value === 0) return value === 0 ? 1 : 0
  return value <= 0 ? Number.POSITIVE_INFINITY : goal.value / value
}

/** Whether a figure keeps its promise, or `share` of it. */
export function isMet(figure: Figure, share = 1): boolean {
  const score = scoreOf(figure)
  return score === null || score >= share
}

/** Whether a figure of a quick run keeps as much of its promise as CI asks for. */
export const isMetQuickly = (figure: Figure): boolean => isMet(figure, figure.quickShare ?? QUICK_SHARE)

/** The better of two measurements of the same figures, one by one: what disturbs a run makes it worse, never better. */
export function betterOf(some: readonly Figure[], others: readonly Figure[]): readonly Figure[] {
  return some.map((figure) => {
    const other = others.find(({ name }) => name === figure.name)
    return other !== undefined && (scoreOf(other) ?? 0) > (scoreOf(figure) ?? 0) ? other : figure
  })
}

/** A number with as many digits as anybody wants to read. */
export function shown(value: number, unit: Figure['unit']): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${unit === 'x' || unit === '%' || unit === '/s' || unit === '' ? unit : ` ${unit}`}`
}
