import type { Benchmark } from './benchmark.ts'
import { crash } from './benchmarks/crash.ts'
import { growth } from './benchmarks/growth.ts'
import { hotOrder } from './benchmarks/hot-order.ts'
import { hungRelay } from './benchmarks/hung-relay.ts'
import { junkFlood } from './benchmarks/junk.ts'
import { latency } from './benchmarks/latency.ts'
import { lightningBurst } from './benchmarks/lightning-burst.ts'
import { lightningInFlight } from './benchmarks/lightning-in-flight.ts'
import { slowDisk } from './benchmarks/slow-disk.ts'
import { slowLightning } from './benchmarks/slow-lightning.ts'
import { slowLightningTakes } from './benchmarks/slow-lightning-takes.ts'
import { startup } from './benchmarks/startup.ts'
import { stuckAddress } from './benchmarks/stuck-address.ts'
import { throughput, throughputOfGiftWraps } from './benchmarks/throughput.ts'

/** All benchmarks, in the order in which they run. A new one is a file in `benchmarks/` and a word here. */
export const BENCHMARKS: readonly Benchmark[] = [
  throughput,
  throughputOfGiftWraps,
  slowLightningTakes,
  hungRelay,
  stuckAddress,
  growth,
  startup,
  slowDisk,
  hotOrder,
  junkFlood,
  latency,
  crash,
  slowLightning,
  lightningBurst,
  lightningInFlight,
]
