import type { Benchmark } from './benchmark.ts'
import { lightningBurst } from './benchmarks/lightning-burst.ts'
import { slowLightning } from './benchmarks/slow-lightning.ts'

/** All benchmarks, in the order in which they run. A new one is a file in `benchmarks/` and a word here. */
export const BENCHMARKS: readonly Benchmark[] = [slowLightning, lightningBurst]
