/** What a run came across: points where the power went, and what became of intents, holds and obligations. */
import type { Changes } from './mirror.ts'

export class Coverage {
  readonly killedAt = new Map<string, number>()
  readonly seen = new Map<string, number>()

  /** The power went at this point. */
  killed(point: string): void {
    count(this.killedAt, point)
  }

  /** Rows changed. */
  saw(changes: Changes): void {
    for (const { before, after } of changes.ln_op)
      if (before?.state !== after.state) count(this.seen, `${after.kind} ${before?.state ?? 'new'} > ${after.state}`)
    for (const { before, after } of changes.obligation)
      if (before?.state !== after.state) count(this.seen, `${after.kind} ${before?.state ?? 'new'} > ${after.state}`)
    for (const { before, after } of changes.orders) {
      const from = before === null ? 'new' : `${before.status}/${before.phase}`
      const to = `${after.status}/${after.phase}`
      if (from !== to) count(this.seen, `order ${from} > ${to}`)
    }
    for (const { before, after } of changes.alert)
      if (before === null) count(this.seen, `alert ${after.key.replace(/:.*/, '')}`)
  }

  /** Adds what another run came across. */
  add(other: Coverage): void {
    for (const [name, times] of other.killedAt) count(this.killedAt, name, times)
    for (const [name, times] of other.seen) count(this.seen, name, times)
  }
}

function count(counts: Map<string, number>, name: string, times = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + times)
}
