import { ok, type Result } from '../../core/result.ts'
import type { Lightning, Lookup, ReadOwnRequest } from '../../ports/lightning.ts'
import type { Clock } from '../../ports/system.ts'
import { type AccessReport, probeAccess } from './access.ts'
import { type LndConfig, lndTarget } from './config.ts'
import { openConnection } from './connection.ts'
import { LND_TIMINGS, type LndTimings } from './timings.ts'

/** The Lightning port on an LND node. */
export type Lnd = Lightning & {
  /** Which rights the macaroon lacks, for the start and for `fianza doctor`. Repeat: safe, changes nothing. */
  checkAccess(): Promise<Lookup<AccessReport>>
}

/** Prepares the adapter; nothing is dialled yet. The error names the value of the configuration that is wrong. */
export function createLnd(
  config: LndConfig,
  around: {
    readonly clock: Clock
    readonly readRequest: ReadOwnRequest
    readonly timings?: Partial<LndTimings>
  },
): Result<Lnd, string> {
  const target = lndTarget(config)
  if (!target.ok) return target
  const surroundings = { ...around, timings: { ...LND_TIMINGS, ...around.timings } }
  return ok({
    connect: () => openConnection(target.value, surroundings),
    checkAccess: () => probeAccess(target.value, surroundings.timings),
  })
}
