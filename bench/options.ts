/** The command line of the benchmarks. */
import { parseArgs } from 'node:util'
import { err, ok, type Result } from '../src/core/result.ts'

/** Another Mostro-speaking daemon, and the addresses at which the driver serves what it stands on. */
export type Target = {
  /** where the driver's relay listens; the daemon is configured with it */
  readonly relayPort: number
  /** the daemon's Nostr key, hex */
  readonly pubkey: string
  /** where the driver's simulated LND listens; the daemon is configured with it */
  readonly lndPort: number
}

export type Options = {
  /** which benchmarks; all when empty */
  readonly names: readonly string[]
  readonly quick: boolean
  readonly target: Target | null
  readonly profileDir: string | null
  /** a build to measure instead of a fresh one */
  readonly dist: string | null
}

export const USAGE = `npm run bench [-- NAME ...] [--quick] [--cpu-prof DIR] [--dist DIR]
npm run bench -- [NAME ...] --target relay=ws://127.0.0.1:PORT pubkey=HEX lnd=127.0.0.1:PORT`

const WORD = /^(relay|pubkey|lnd)=(.+)$/
const LOOPBACK = ['127.0.0.1', 'localhost']

/** Reads the command line; the error is for the person who wrote it. */
export function readOptions(args: readonly string[]): Result<Options, string> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  const others = positionals.filter((p) => WORD.test(p))
  if (others.length > 0 && values.target === undefined) return err('relay=, pubkey= and lnd= belong behind --target')
  const words = values.target === undefined ? [] : [values.target, ...others]
  const target = words.length === 0 ? ok(null) : readTarget(words)
  if (!target.ok) return target
  return ok({
    names: positionals.filter((p) => !WORD.test(p)),
    quick: values.quick,
    target: target.value,
    profileDir: values['cpu-prof'] ?? null,
    dist: values.dist ?? null,
  })
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      'cpu-prof': { type: 'string' },
      dist: { type: 'string' },
      target: { type: 'string' },
    },
  })
}

function readTarget(words: readonly string[]): Result<Target, string> {
  const given = new Map(words.map((word) => [WORD.exec(word)?.[1] ?? word, WORD.exec(word)?.[2] ?? '']))
  const unknown = [...given.keys()].find((key) => !['relay', 'pubkey', 'lnd'].includes(key))
  if (unknown !== undefined) return err(`--target: ${unknown} is neither relay=, pubkey= nor lnd=`)
  const [, relayHost = '', relayPort = ''] = /^ws:\/\/([\w.]+):(\d+)\/?$/.exec(given.get('relay') ?? '') ?? []
  if (!LOOPBACK.includes(relayHost))
    return err('--target: relay=ws://127.0.0.1:PORT says where the driver serves its relay')
  const pubkey = given.get('pubkey') ?? ''
  if (!/^[0-9a-f]{64}$/.test(pubkey)) return err('--target: pubkey= is the key of the daemon, 64 hex digits')
  const [, host = '', lndPort = ''] = /^([\w.]+):(\d+)$/.exec(given.get('lnd') ?? '') ?? []
  if (!LOOPBACK.includes(host)) return err('--target: lnd=127.0.0.1:PORT says where the driver serves its LND')
  return ok({ relayPort: Number(relayPort), pubkey, lndPort: Number(lndPort) })
}
