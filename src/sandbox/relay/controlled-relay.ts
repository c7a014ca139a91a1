import type { RelayCore } from './relay-core.ts'

/** A relay whose luck we decide, over whatever transport. */
export interface ControlledRelay {
  readonly url: string
  /** stored events, log, faults, limits */
  readonly core: RelayCore
  /** Cuts every connection and takes no new ones. What is stored stays. Repeat: safe. */
  goAway(): Promise<void>
  /** Takes connections again, at the same address. Repeat: safe. */
  comeBack(): Promise<void>
  /** Keeps connections open but neither reads nor answers, not even pings; or reads again. */
  freeze(frozen: boolean): void
}
