/**
 * The crash points (money-path.md 4) and faults (money-path.md 7) that the storm comes across, by name, with how its
 * coverage shows it. Scenarios of the others bear their names in the titles of tests.
 */
import type { Coverage } from './coverage.ts'
import type { FaultKind } from './faults.ts'

type Reached = (coverage: Coverage, faults: ReadonlyMap<string, number>) => boolean

const STORM: Readonly<Record<string, Reached>> = {
  'C-01': cutAt(/^before-commit:.*message:(take|add)/),
  'C-02': cutAt(/^before:lightning\.createHold/),
  'C-03': went('hold_create dispatching > unknown'),
  'C-04': cutAt(/^after:lightning\.createHold|^before-commit:.*create/),
  'C-05': cutAt(/^before:relays\.publish/),
  'C-12': went('alert escrow-lost'),
  'C-13': cutAt(/^before-commit:.*message:release/),
  'C-14': cutAt(/^commit:.*message:release|^before:lightning\.settleHold/),
  'C-15': went('hold_settle dispatching > unknown'),
  'C-17': cutAt(/^commit:.*settle/),
  'C-18': cutAt(/^before:lightning\.pay|^commit:.*claim:pay/),
  'C-20': went('alert slow'),
  'C-21': cutAt(/^after:lightning\.pay/),
  'C-25': went('buyer_payout ready > need_destination'),
  'C-26': met('lnd-restarts'),
  'C-27': met('payment-zombie'),
  'C-61': cutAt(/^after:relays\.publish/),
  'C-62': went('alert quarantine'),
  'C-63': went('alert undelivered'),
  'F-012': met('lnd-half-open'),
  'F-013': met('lnd-restarts'),
  'F-015': went('overpayment new > review'),
  'F-036': met('lnd-peer-offline'),
  'F-045': met('payment-fails-twice'),
  'F-048': met('lnd-delivers-late'),
  'F-056': met('payment-zombie'),
  'F-086': met('address-silent'),
  'F-091': met('relay-loses'),
  'F-092': met('relay-limits-rate'),
  'F-093': met('relay-replays'),
  'F-095': met('database-busy'),
  'F-096a': met('disk-full'),
  'F-097': met('clock-forward'),
}

/** Which points of the list the runs reached, and which they did not. */
export function reachedBy(
  coverage: Coverage,
  faults: ReadonlyMap<string, number>,
): { readonly reached: readonly string[]; readonly missed: readonly string[] } {
  const all = Object.entries(STORM)
  const wasReached = ([, reached]: (typeof all)[number]) => reached(coverage, faults)
  return {
    reached: all.filter(wasReached).map(([name]) => name),
    missed: all.filter((entry) => !wasReached(entry)).map(([name]) => name),
  }
}

function cutAt(point: RegExp): Reached {
  return ({ killedAt }) => [...killedAt.keys()].some((name) => point.test(name))
}

function went(way: string): Reached {
  return ({ seen }) => seen.has(way)
}

function met(kind: FaultKind): Reached {
  return (_, faults) => (faults.get(kind) ?? 0) > 0
}
