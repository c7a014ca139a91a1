import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderStates } from '../src/core/order/rules.ts'
import { BOUNDARIES, type Boundary } from './boundaries.ts'
import { PROJECT } from './repository.ts'

type GeneratedPart = {
  readonly page: string
  /** the name in the page's `<!-- generated: name -->` marker; null when the whole page is generated */
  readonly part: string | null
  readonly render: () => string
}

/** Everything in `docs` that is rendered from code or data. */
const GENERATED: readonly GeneratedPart[] = [
  { page: 'docs/architecture.md', part: 'boundaries', render: () => renderBoundaries(BOUNDARIES) },
  { page: 'docs/states.md', part: null, render: renderStates },
]

/** The import table as Markdown. */
export function renderBoundaries(rows: readonly Boundary[]): string {
  const head = ['| `src/` folder | may import | packages | Node | what it is |', '|---|---|---|---|---|']
  return [...head, ...rows.map(renderRow)].join('\n')
}

function renderRow(row: Boundary): string {
  const folders = [...row.imports, ...row.types.map((folder) => `${folder} (types)`)].join(', ')
  const cells = [row.folder, folders || 'itself', listed(row.packages), listed(row.node), row.why]
  return `| ${cells.join(' | ')} |`
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  return names.includes('*') ? 'any' : names.map((name) => `\`${name}\``).join(', ')
}

/** `text` with what stands between the markers of `part` replaced. Throws when a marker is missing. */
export function withPart(text: string, part: string, content: string): string {
  const open = `<!-- generated: ${part} -->`
  const close = `<!-- end of ${part} -->`
  const start = text.indexOf(open)
  const end = text.indexOf(close)
  if (start < 0 || end < start) throw new Error(`no ${open} … ${close} in the page`)
  return `${text.slice(0, start + open.length)}\n\n${content}\n\n${text.slice(end)}`
}

function rendered({ page, part, render }: GeneratedPart, current: string): string {
  if (part !== null) return withPart(current, part, render())
  return `<!-- ${page} is generated; \`npm run docs\` writes it. -->\n\n${render().trim()}\n`
}

/** Renders every generated part; with `write`, into the pages. Returns the pages that were not fresh. */
function stalePages(write: boolean): readonly string[] {
  return GENERATED.flatMap((generated) => {
    const path = join(PROJECT, generated.page)
    const current = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const fresh = rendered(generated, current)
    if (fresh === current) return []
    if (write) writeFileSync(path, fresh)
    return [generated.page]
  })
}

if (process.argv[1] === import.meta.filename) {
  const write = process.argv.includes('--write')
  const stale = stalePages(write)
  for (const page of stale) console.log(write ? `wrote ${page}` : `${page} is not fresh: run npm run docs`)
  process.exitCode = stale.length > 0 && !write ? 1 : 0
}
