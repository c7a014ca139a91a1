/** The documented example, `fianza.example.toml`, written from the schema. */
import { variableOf } from './environment.ts'
import { type KeyInfo, SECTIONS } from './tree.ts'

const HEADER = `# Configuration of fianza. Keys that are commented out show their default, or an example.
#
# It belongs into the data directory as fianza.toml: ~/.fianza, or what --dir or FIANZA_DIR name. Every key can also be
# set by an environment variable, which wins: mostro.fee is ${variableOf(['mostro', 'fee'])}, lists have commas between
# their entries. Paths may begin with ~/ and are else relative to this file. Section and key names are those of a
# Mostro node where it has the same setting.
`

const WIDTH = 118

/** The example's text. */
export function exampleToml(): string {
  const sections = SECTIONS.filter(({ keys }) => keys.length > 0).map(({ path, about, keys }) =>
    [...(about === '' ? [] : comment(about)), `[${path.join('.')}]`, ...keys.flatMap(keyLines)].join('\n'),
  )
  return `${[HEADER.trimEnd(), ...sections].join('\n\n')}\n`
}

function keyLines(key: KeyInfo): string[] {
  const name = key.path.at(-1) ?? ''
  const value = key.preset ?? key.sample
  const line = `${name} = ${toml(value)}`
  const isOn = key.path[0] === 'price' && name === 'enabled' && key.path[2] !== 'nostr'
  const shown = isOn ? `${name} = true` : !key.optional || key.shown ? line : `# ${line}`
  return ['', ...comment(key.about), shown]
}

function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`
  return JSON.stringify(value)
}

function comment(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
