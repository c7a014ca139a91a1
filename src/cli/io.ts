import type { ProcessHost } from '../app/run.ts'

/** What the commands talk through, so that a test can listen. */
export type Io = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** a person looks at `out` */
  readonly isTerminal: boolean
  /** whose signals end what goes on */
  readonly host: ProcessHost
  /** of the Node that runs us: 22.23.3 */
  readonly nodeVersion: string
  /** what starts one more process of this command */
  readonly command: readonly [string, ...string[]]
}

/** This process, whose first module is `entry`. A reader that goes away, like `head`, ends nothing. */
export function processIo(entry: string): Io {
  process.stdout.on('error', () => {})
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    env: process.env,
    isTerminal: process.stdout.isTTY === true,
    host: process,
    nodeVersion: process.versions.node,
    command: [process.execPath, ...process.execArgv, entry],
  }
}

/** One JSON document, for machines. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
