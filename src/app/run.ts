/** The daemon as a process: its log, its signals, its end. */
import { systemClock } from '../adapters/system/clock.ts'
import { createLog } from '../adapters/system/log.ts'
import { type ProcessHost, Shutdown } from '../adapters/system/shutdown.ts'
import type { Log, SteadyClock } from '../ports/system.ts'
import type { AppConfig } from './config/load.ts'
import { type Daemon, startDaemon } from './daemon.ts'
import { EXIT, Refusal } from './refusal.ts'

const STOP_DEADLINE_MS = 20_000
const STOP_GRACE_MS = 2000

export type RunOptions = {
  readonly config: AppConfig
  readonly host: ProcessHost
  readonly isTerminal: boolean
  readonly onlyOne: boolean
  /** the operator vouches for the clock although it was set back */
  readonly clockIsRight?: boolean
  /** the one that the configuration asks for when absent */
  readonly log?: Log
  /** the host's when absent */
  readonly clock?: SteadyClock
  /** what the daemon stands on and what ends after it, in a sandbox */
  readonly surroundings?: () => Promise<void>
}

export type { ProcessHost }

/** A daemon that runs, and what ends it. */
export type RunningDaemon = Daemon & {
  /** Ends it in order; settles when it has ended. Repeat: safe. */
  stop(why: string): Promise<void>
}

/** The log that the configuration asks for. */
function logOf(config: AppConfig, isTerminal: boolean): Log {
  const { level, format } = config.log
  return createLog({ level, pretty: format === 'auto' ? isTerminal : format === 'pretty' })
}

/**
 * Runs the daemon until SIGINT or SIGTERM, or `stop`. Resolves once it is up. When it cannot start, everything is ended
 * again and the reason is thrown: a {@link Refusal} for the operator, anything else for us.
 */
export async function runDaemon(options: RunOptions): Promise<RunningDaemon> {
  const { config, host, isTerminal, onlyOne, clockIsRight = false, surroundings, clock = systemClock } = options
  const log = options.log ?? logOf(config, isTerminal)
  const shutdown = new Shutdown({
    host,
    clock,
    log,
    deadlineMs: STOP_DEADLINE_MS,
    graceMs: STOP_GRACE_MS,
  })
  if (surroundings !== undefined) shutdown.beforeExit('surroundings', surroundings)
  try {
    const daemon = await startDaemon({ config, log, shutdown, onlyOne, clockIsRight, clock })
    return { ...daemon, stop: (why) => shutdown.stop(why) }
  } catch (error) {
    await shutdown.stop('the start failed', error instanceof Refusal ? error.exitCode : EXIT.failed)
    throw error
  }
}
