/** Measures several variants in turn, round after round: what the machine does meanwhile, it does to all of them. */
import type { BenchOptions } from '../benchmark.ts'

/** What each variant gave, in rounds; every second round goes the other way. */
export async function inTurn<Name extends string, Sample>(
  { rounds, progress }: BenchOptions,
  names: readonly Name[],
  measure: (name: Name) => Promise<Sample>,
  say: (sample: Sample) => string,
): Promise<Readonly<Record<Name, readonly Sample[]>>> {
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Name, Sample[]>
  for (let n = 1; n <= rounds; n++) {
    for (const name of n % 2 === 1 ? names : names.toReversed()) {
      const sample = await measure(name)
      samples[name].push(sample)
      progress(`round ${n}/${rounds}, ${name}: ${say(sample)}`)
    }
  }
  return samples
}
