/** Looks for a shorter story that breaks the same promise. */
import type { Fault } from './faults.ts'
import type { Plan, TradePlan } from './plan.ts'
import { type Outcome, simulate } from './simulation.ts'

const TRIES = 150

type Story = { readonly plan: Plan; readonly outcome: Outcome }

/** Drops trades and faults, many at once and then one at a time, as long as the same promise is still broken. */
export async function shrink(plan: Plan, outcome: Outcome, say: (line: string) => void): Promise<Story> {
  const broken = outcome.violations[0]?.invariant
  let story: Story = { plan, outcome }
  let left = TRIES
  const stillFails = async (shorter: Plan): Promise<boolean> => {
    if (left === 0) return false
    left -= 1
    const result = await simulate(shorter)
    if (!result.violations.some(({ invariant }) => invariant === broken)) return false
    story = { plan: shorter, outcome: result }
    return true
  }
  const dropFrom = async <T>(items: (plan: Plan) => readonly T[], without: (kept: readonly T[]) => Plan) => {
    for (let size = Math.ceil(items(story.plan).length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
      for (let at = 0; at < items(story.plan).length; ) {
        const all = items(story.plan)
        if (!(await stillFails(without([...all.slice(0, at), ...all.slice(at + size)])))) at += size
      }
  }
  await dropFrom<TradePlan>(
    (present) => present.trades,
    (trades) => ({ ...story.plan, trades }),
  )
  await dropFrom<Fault>(
    (present) => present.faults,
    (faults) => ({ ...story.plan, faults }),
  )
  say(`shrunk to ${story.plan.trades.length} trades and ${story.plan.faults.length} faults`)
  return story
}
