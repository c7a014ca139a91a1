/** What a benchmark is: it measures a running system in rounds and gives figures that are ratios within one run. */

/** One line of the table. */
export type Figure = {
  readonly name: string
  /** the median of the rounds; a ratio within this run */
  readonly ratio: number
  /** the ratio must not be above this; null: nothing is promised */
  readonly target: number | null
  /** the absolute values behind the ratio, for people */
  readonly detail: string
}

export type BenchOptions = {
  /** how often every variant is measured; the variants take turns */
  readonly rounds: number
  /** where the daemons write CPU profiles at their end; null: nowhere */
  readonly profileDir: string | null
  /** tells people what happens now */
  readonly progress: (line: string) => void
}

export type Benchmark = {
  /** what the command line calls it */
  readonly name: string
  readonly summary: string
  /** Throws {@link Void} when a reply is lost, doubled or wrong: figures of such a run mean nothing. */
  run(options: BenchOptions): Promise<readonly Figure[]>
}

/** The system did not do its work, so its speed is of no interest. */
export class Void extends Error {
  override readonly name = 'Void'
}
