/** The configuration of a daemon: file, environment, checks; complete and in our units when it is returned. */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import type { LndConfig } from '../../adapters/lightning/config.ts'
import { lndTarget } from '../../adapters/lightning/config.ts'
import type { LogLevel } from '../../adapters/system/log.ts'
import type { EngineSettings } from '../../engine/settings.ts'
import { EXIT, Refusal } from '../refusal.ts'
import { checkTogether } from './checks.ts'
import { type Environment, overlay } from './environment.ts'
import { withoutMostroKeys } from './mostro-keys.ts'
import { describeIssues } from './problems.ts'
import { type ConfigFile, SCHEMA } from './schema.ts'
import { engineSettings } from './settings.ts'

/** The configuration cannot be used; one line a problem. */
export class ConfigError extends Refusal {
  override readonly name: string = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options: ErrorOptions = {}) {
    super(problems.join('\n'), { ...options, exitCode: EXIT.config })
    this.problems = problems
  }
}

export type PriceSettings = ConfigFile['price']

/** Everything that the composition root needs to know. */
export type AppConfig = {
  /** the file that was read */
  readonly file: string
  readonly dataDir: string
  /** the node's key as the operator wrote it, or the file that holds it; nothing is read yet */
  readonly nodeKey: { readonly text: string } | { readonly file: string }
  readonly engine: EngineSettings
  readonly relayUrls: readonly string[]
  readonly lnd: LndConfig
  readonly prices: PriceSettings
  readonly performance: ConfigFile['performance']
  /** `host:port` of address services that may be private and speak http */
  readonly plainAddressHosts: readonly string[]
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'pretty' }
  /** what the operator should know and need not act on */
  readonly notes: readonly string[]
}

export type ConfigSource = {
  readonly dataDir: string
  /** `fianza.toml` in the data directory when absent */
  readonly file?: string
  readonly env: Environment
}

const CONFIG_FILE = 'fianza.toml'
const NODE_KEY_FILE = 'nostr.key'

/** `~/.fianza`, `FIANZA_DIR`, or what the command line says. */
export function dataDirOf(option: string | undefined, env: Environment): string {
  const chosen = option ?? env['FIANZA_DIR']
  return chosen === undefined || chosen === '' ? join(homedir(), '.fianza') : resolve(expandHome(chosen))
}

/** Where the configuration of a data directory lies. */
export function configFileOf(dataDir: string, option: string | undefined, env: Environment): string {
  const chosen = option ?? env['FIANZA_CONFIG']
  return chosen === undefined || chosen === '' ? join(dataDir, CONFIG_FILE) : resolve(expandHome(chosen))
}

/** Where the node's key lies unless the configuration says otherwise. */
export const defaultKeyFile = (dataDir: string): string => join(dataDir, NODE_KEY_FILE)

/**
 * Reads and checks the configuration, and the files of LND that it names. Throws {@link ConfigError} with all problems
 * that can be seen at once. Repeat: safe.
 */
export function loadConfig(source: ConfigSource): AppConfig {
  const file = configFileOf(source.dataDir, source.file, source.env)
  const foreign = withoutMostroKeys(readToml(file), file)
  const { tree, origins, problems: unknownVariables } = overlay(foreign.tree, source.env)
  const parsed = SCHEMA.safeParse(tree)
  const found = [...foreign.problems, ...unknownVariables]
  if (!parsed.success) throw new ConfigError([...found, ...describeIssues(parsed.error.issues, tree, file, origins)])
  const config = parsed.data
  const problems = [...found, ...checkTogether(config, file, origins)]
  const lnd = lndConfig(config, file, problems)
  if (problems.length > 0 || lnd === null) throw new ConfigError(problems)
  return {
    file,
    dataDir: source.dataDir,
    nodeKey:
      config.nostr.nsec_privkey !== undefined
        ? { text: config.nostr.nsec_privkey }
        : { file: pathOf(config.nostr.nsec_file, file) ?? defaultKeyFile(source.dataDir) },
    engine: engineSettings(config),
    relayUrls: config.nostr.relays,
    lnd,
    prices: config.price,
    performance: config.performance,
    plainAddressHosts: config.lightning.plain_address_hosts,
    log: config.log,
    notes: foreign.notes,
  }
}

function readToml(file: string): Record<string, unknown> {
  if (!existsSync(file))
    throw new ConfigError([`${file}: there is no such file; \`fianza init\` writes one, --config names another`])
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof TomlError)
      throw new ConfigError(
        [`${file}: line ${error.line}, column ${error.column} is not TOML\n${error.codeblock.trimEnd()}`],
        { cause: error },
      )
    throw new ConfigError([`${file}: it cannot be read by user ${userName()}: ${reason(error)}`], { cause: error })
  }
}

/** Null when there is a problem, which is among `problems`. */
function lndConfig(config: ConfigFile, file: string, problems: string[]): LndConfig | null {
  const { lnd_grpc_host, lnd_cert, lnd_macaroon, lnd_cert_file, lnd_macaroon_file } = config.lightning
  if (lnd_macaroon === undefined && lnd_macaroon_file === undefined) return null
  const before = problems.length
  const certPath = pathOf(lnd_cert_file, file)
  const macaroonPath = pathOf(lnd_macaroon_file, file)
  const cert = lnd_cert ?? readNamed('lightning.lnd_cert_file', certPath, file, problems)?.toString('utf8') ?? null
  const macaroonHex =
    lnd_macaroon !== undefined
      ? macaroonFromText(lnd_macaroon)
      : (readNamed('lightning.lnd_macaroon_file', macaroonPath, file, problems)?.toString('hex') ?? '')
  if (problems.length > before) return null
  const lnd = { socket: lnd_grpc_host.replace(/^https?:\/\//, '').replace(/\/$/, ''), cert, macaroonHex }
  const target = lndTarget(lnd)
  if (target.ok) return lnd
  problems.push(`${file}: section [lightning]: ${target.error}`)
  return null
}

function readNamed(key: string, path: string | null, file: string, problems: string[]): Buffer | null {
  if (path === null) return null
  try {
    return readFileSync(path)
  } catch (error) {
    problems.push(`${file}: ${key} is ${path}; user ${userName()} cannot read it: ${reason(error)}`)
    return null
  }
}

/** Hex where it can be hex: base64 of a macaroon has other characters among its hundreds. */
function macaroonFromText(text: string): string {
  return /^([0-9a-f]{2})+$/i.test(text) ? text : Buffer.from(text, 'base64').toString('hex')
}

function pathOf(value: string | undefined, file: string): string | null {
  if (value === undefined) return null
  const path = expandHome(value)
  return isAbsolute(path) ? path : join(dirname(file), path)
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function userName(): string {
  return String(process.getuid?.() ?? 'of this process')
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
