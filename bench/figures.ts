/** What a figure is worth, and how it is written. */
import type { Figure } from './benchmark.ts'

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

/** A number with as many digits as anybody wants to read. */
export function shown(value: number, unit: Figure['unit']): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${unit === 'x' || unit === '%' || unit === '/s' || unit === '' ? unit : ` ${unit}`}`
}
