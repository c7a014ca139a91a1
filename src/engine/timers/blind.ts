/** Time in which we could not see or act: added to every duty, never taken from the user (DEC-38). */
import type { Tx } from '../door.ts'

type Interval = { readonly from: number; readonly to: number }

/** Seconds of a period that lie in any of the intervals, which may overlap. */
function coveredS(intervals: readonly Interval[], fromS: number, toS: number): number {
  const clipped = intervals
    .map(({ from, to }) => ({ from: Math.max(from, fromS), to: Math.min(to, toS) }))
    .filter(({ from, to }) => to > from)
    .sort((a, b) => a.from - b.from)
  let total = 0
  let end = fromS
  for (const { from, to } of clipped) {
    if (to <= end) continue
    total += to - Math.max(from, end)
    end = to
  }
  return total
}

/** Blind seconds since a time. */
export function blindSince(tx: Pick<Tx, 's' | 'nowS'>, sinceS: number): number {
  const rows = tx.s.blind_since({ since: sinceS })
  return coveredS(
    rows.map((row) => ({ from: row.from_at, to: row.to_at ?? tx.nowS })),
    sinceS,
    tx.nowS,
  )
}
