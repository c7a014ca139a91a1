import { createRequire } from 'node:module'
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { Log } from '../../ports/system.ts'
import { redactFields, redactText } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type LogOptions = {
  /** the least important level that is written */
  readonly level: LogLevel
  /** coloured lines for a person at a terminal; else one JSON object a line */
  readonly pretty: boolean
  /** where lines go; standard output when absent */
  readonly stream?: DestinationStream
}

/** Names that the line itself needs. */
const OWN_NAMES: ReadonlySet<string> = new Set(['level', 'time', 'event'])

function lineFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(redactFields(fields)).map(([name, value]) => [OWN_NAMES.has(name) ? `${name}_` : name, value]),
  )
}

/** Writes at once: a line about a crash must not wait in a buffer. A reader that went away does not stop the daemon. */
function standardOutput(): DestinationStream {
  const stream = destination({ fd: 1, sync: true })
  stream.on('error', () => {})
  return stream
}

/** Turns each JSON line into coloured text on its way, in step with the writer. */
function readable(stream: DestinationStream): DestinationStream {
  // Only a person at a terminal waits for it.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  const format = prettyFactory({ messageKey: 'event', translateTime: 'HH:MM:ss.l', singleLine: true, colorize: true })
  return { write: (line) => stream.write(format(line) ?? '') }
}

function createLogger({ level, pretty: isPretty, stream = standardOutput() }: LogOptions): Logger {
  return pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    isPretty ? readable(stream) : stream,
  )
}

/** The operator's log: one line an event, secrets left out ({@link redactFields}). */
export function createLog(options: LogOptions): Log {
  const logger = createLogger(options)
  const write = (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    if (logger.isLevelEnabled(level)) logger[level](lineFields(fields), redactText(event))
  }
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  }
}
