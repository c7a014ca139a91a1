/** P5: the disk takes two milliseconds longer for every fsync, as most disks do. */
import { atLeast, type Benchmark, type BenchOptions, type Figure } from '../benchmark.ts'
import { needNativeCurves } from '../harness/curves.ts'
import { RequestMaker } from '../harness/requests.ts'
import { inTurn } from '../harness/rounds.ts'
import { rush } from '../harness/rush.ts'
import { slowSync } from '../harness/slow-sync.ts'
import { median } from '../harness/statistics.ts'
import { startSystem } from '../harness/system.ts'
import { EACH, FAST } from '../harness/variants.ts'

const DELAY_MS = 2
const WINDOW = 256

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  needNativeCurves()
  const shim = slowSync(DELAY_MS)
  try {
    const grouped = await startSystem(options, { variant: FAST, env: shim.env })
    try {
      const each = await startSystem(options, { variant: EACH, env: shim.env })
      try {
        const systems = { grouped, each }
        const actions = options.quick ? { grouped: 1200, each: 200 } : { grouped: 4000, each: 600 }
        const rushes = await inTurn(
          options,
          ['each', 'grouped'],
          (name) => rush(systems[name], new RequestMaker(systems[name].nodePubkey), actions[name], WINDOW),
          ({ perSecond }) => `${perSecond.toFixed(0)} actions/s`,
        )
        await grouped.audit()
        await each.audit()
        const rate = (name: 'grouped' | 'each') => median(rushes[name].map(({ perSecond }) => perSecond))
        return [
          {
            name: `P5 fsync + ${DELAY_MS} ms: grouped commits / a commit for every fact`,
            value: rate('grouped') / rate('each'),
            unit: 'x',
            goal: atLeast(5),
            detail: `${rate('grouped').toFixed(0)} / ${rate('each').toFixed(0)} actions/s, ${WINDOW} in flight`,
          },
        ]
      } finally {
        await each.close()
      }
    } finally {
      await grouped.close()
    }
  } finally {
    shim.remove()
  }
}

export const slowDisk: Benchmark = {
  name: 'P5',
  summary: 'grouped commits on a slow disk',
  needs: 'our daemon',
  run,
}
