import type { ConfigSource } from '../app/config/load.ts'
import type { Io } from './io.ts'

/** What commands share. */
export type Cli = {
  readonly io: Io
  readonly dataDir: () => string
  readonly configSource: () => ConfigSource
  /** The command has started something that goes on: the exit code is that of its end. */
  readonly keepRunning: () => void
  exitCode: number
}
