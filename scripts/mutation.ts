/**
 * Writes what mutation testing found (`npm run mutate`, for every area) into docs/mutation-testing.md: the score of each
 * file, and every mutant that survived with the reason why it may. Fails when a survivor has no reason in
 * mutation.data.json, a reason has no survivor, or too many survive.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { withPart } from './generate-docs.ts'
import { PROJECT } from './repository.ts'

/** What must reach its score together, and the runs that cover it. */
const FOLDERS = [
  { folder: 'src/core', areas: ['core', 'order'] },
  { folder: 'src/engine/journal', areas: ['journal'] },
] as const
const LEAST_PERCENT = 80
const PAGE = join(PROJECT, 'docs/mutation-testing.md')

type Position = { readonly line: number; readonly column: number }
type Mutant = {
  readonly status: string
  readonly replacement: string
  readonly location: { readonly start: Position; readonly end: Position }
}
/** What we read of Stryker's report; lines and columns count from 1. */
type Report = {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>
}

/** Why some mutants of a file may survive: what each of them replaces, and by what. */
type Reason = {
  readonly file: string
  readonly why: string
  readonly mutants: readonly (readonly [was: string, becomes: string])[]
}

type Folder = { readonly folder: string; readonly files: readonly [path: string, file: Report['files'][string]][] }
type Survivor = { readonly file: string; readonly was: string; readonly becomes: string }

function reportOf(area: string): Report {
  return JSON.parse(readFileSync(join(PROJECT, `reports/mutation/${area}.json`), 'utf8')) as Report
}

/** On one line, as a table can show it. */
const flat = (text: string): string => text.replace(/\s+/g, ' ').trim()

function textAt(source: string, { start, end }: Mutant['location']): string {
  const lines = source.split('\n').slice(start.line - 1, end.line)
  const last = lines.length - 1
  return lines
    .map((line, n) => line.slice(n === 0 ? start.column - 1 : 0, n === last ? end.column - 1 : undefined))
    .join('\n')
}

const allMutants = (files: Folder['files']): readonly Mutant[] => files.flatMap(([, { mutants }]) => mutants)
const isNoticed = ({ status }: Mutant): boolean => status === 'Killed' || status === 'Timeout'
const hasSurvived = ({ status }: Mutant): boolean => status === 'Survived' || status === 'NoCoverage'

function percentOf(mutants: readonly Mutant[]): number {
  const noticed = mutants.filter(isNoticed).length
  return (100 * noticed) / (noticed + mutants.filter(hasSurvived).length)
}

function row(name: string, mutants: readonly Mutant[]): string {
  const survived = mutants.filter(hasSurvived).length
  const counted = mutants.filter(isNoticed).length + survived
  return `| ${name} | ${counted} | ${survived} | ${counted === 0 ? '–' : `${percentOf(mutants).toFixed(1)} %`} |`
}

function scores(all: readonly Folder[]): string {
  const rows = all.flatMap(({ folder, files }) => [
    row(`**${folder}**`, allMutants(files)),
    ...files.map(([path, { mutants }]) => row(`\`${path.slice(folder.length + 1)}\``, mutants)).sort(),
  ])
  return ['| file | mutants | survived | score |', '|---|---|---|---|', ...rows].join('\n')
}

function survivorsOf({ files }: Folder): readonly Survivor[] {
  return files.flatMap(([file, { source, mutants }]) =>
    mutants.filter(hasSurvived).map((mutant) => ({
      file,
      was: flat(textAt(source, mutant.location)),
      becomes: flat(mutant.replacement),
    })),
  )
}

const isAbout =
  ({ file, mutants }: Reason) =>
  (survivor: Survivor): boolean =>
    file === survivor.file && mutants.some(([was, becomes]) => was === survivor.was && becomes === survivor.becomes)

/** As code in a page, whatever backticks it has. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`
}

function reasonsPart(reasons: readonly Reason[]): string {
  return reasons
    .map(({ file, why, mutants }) => {
      const changes = mutants.map(([was, becomes]) => `${code(was)} → ${becomes === '' ? 'nothing' : code(becomes)}`)
      return `- **${basename(file)}**: ${changes.join('; ')}. ${why}`
    })
    .join('\n')
}

const folders: readonly Folder[] = FOLDERS.map(({ folder, areas }) => ({
  folder,
  files: areas.flatMap((area) => Object.entries(reportOf(area).files)),
}))
const survivors = folders.flatMap(survivorsOf)
const reasons = JSON.parse(readFileSync(join(import.meta.dirname, 'mutation.data.json'), 'utf8')) as readonly Reason[]

const unexplained = survivors.filter((survivor) => !reasons.some((reason) => isAbout(reason)(survivor)))
const outdated = reasons.filter((reason) => !survivors.some(isAbout(reason)))
for (const { file, was, becomes } of unexplained) console.log(`no reason: ${file}\n  ${was}\n  ${becomes}`)
for (const { file, why } of outdated) console.log(`no survivor: ${file}: ${why}`)

const poor = folders.filter(({ files }) => percentOf(allMutants(files)) < LEAST_PERCENT)
for (const { folder } of poor) console.log(`${folder}: less than ${LEAST_PERCENT} % are noticed`)

const page = withPart(readFileSync(PAGE, 'utf8'), 'scores', scores(folders))
writeFileSync(PAGE, withPart(page, 'survivors', reasonsPart(reasons)))
process.exitCode = unexplained.length + outdated.length + poor.length === 0 ? 0 : 1
