import { assert } from '../../src/core/assert.ts'

/** The smallest sample that is at least as large as `share` of them all (nearest rank). */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const value = sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)]
  assert(value !== undefined, 'a percentile needs samples')
  return value
}

/** The middle sample; of an even number the lower of the two. */
export const median = (samples: readonly number[]): number => percentile(samples, 0.5)
