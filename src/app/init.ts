/** A data directory for a new node. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { bakeMacaroonCommand } from '../adapters/lightning/access.ts'
import { portableCurves } from '../wire/curves.ts'
import { exampleToml } from './config/example.ts'
import { configFileOf, defaultKeyFile } from './config/load.ts'
import { createNodeKey, loadNodeKeys } from './keys.ts'

export type Initialised = {
  readonly configFile: string
  readonly keyFile: string
  /** false: it was there, and was left as it is */
  readonly wroteConfig: boolean
  readonly wroteKey: boolean
  readonly npub: string
  /** the `lncli` command for a macaroon with no more rights than needed */
  readonly macaroonCommand: string
}

/** Writes the example configuration and a new key where there are none. Repeat: safe, nothing is replaced. */
export function initialise(dataDir: string): Initialised {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const configFile = configFileOf(dataDir, undefined, {})
  const keyFile = defaultKeyFile(dataDir)
  const wroteConfig = !existsSync(configFile)
  if (wroteConfig) writeFileSync(configFile, exampleToml(), { mode: 0o600, flag: 'wx' })
  const wroteKey = !existsSync(keyFile)
  const node = wroteKey ? createNodeKey(keyFile, portableCurves) : loadNodeKeys({ file: keyFile }, portableCurves)
  return {
    configFile,
    keyFile,
    wroteConfig,
    wroteKey,
    npub: node.npub,
    macaroonCommand: bakeMacaroonCommand('fianza.macaroon'),
  }
}
