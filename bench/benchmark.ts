/** What a benchmark is: it measures a running system in rounds and gives figures, most of them ratios within one run. */
import type { Target } from './options.ts'

/** What a figure has to be. */
export type Goal = { readonly kind: 'at least' | 'at most'; readonly value: number }

/** One line of the table, and one bar of the plot. */
export type Figure = {
  readonly name: string
  /** the median of the rounds */
  readonly value: number
  /** `x` for a ratio within this run */
  readonly unit: 'x' | '%' | 'ms' | 's' | 'us' | 'MB' | '/s' | ''
  /** null: nothing is promised */
  readonly goal: Goal | null
  /** what CI holds the quick run to, as a share of the goal; half when absent, less where the goal is not reached yet */
  readonly quickShare?: number
  /** the absolute values behind it, for people */
  readonly detail: string
}

export const atLeast = (value: number): Goal => ({ kind: 'at least', value })
export const atMost = (value: number): Goal => ({ kind: 'at most', value })

export type BenchOptions = {
  /** how often every variant is measured; the variants take turns */
  readonly rounds: number
  /** small numbers, for a first impression and for CI */
  readonly quick: boolean
  /** the daemon that is measured in fianza's place; null: fianza, built from this checkout */
  readonly target: Target | null
  /** where the daemons write CPU profiles at their end; null: nowhere */
  readonly profileDir: string | null
  /** the build that is measured */
  readonly dist: string
  /** tells people what happens now */
  readonly progress: (line: string) => void
}

export type Benchmark = {
  /** what the command line calls it */
  readonly name: string
  readonly summary: string
  /** what it needs of the daemon: the wire alone, or one that we configure, start, kill and whose database we fill */
  readonly needs: 'wire' | 'our daemon'
  /** Throws {@link Void} when a reply is lost, doubled or wrong: figures of such a run mean nothing. */
  run(options: BenchOptions): Promise<readonly Figure[]>
}

/** The system did not do its work, so its speed is of no interest. */
export class Void extends Error {
  override readonly name = 'Void'
}

/** This machine, or this build, lacks what the benchmark needs; the message says what. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun'
}
