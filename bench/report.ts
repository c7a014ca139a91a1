/** Figures for people: a table on the terminal; table and plot in `bench/README.md`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Figure } from './benchmark.ts'
import { isMet, shown } from './figures.ts'
import { plotOf } from './plot.ts'

const README = join(import.meta.dirname, 'README.md')
const PLOT = 'figures.svg'
const BEGIN = '<!-- figures -->'
const END = '<!-- /figures -->'
const GIB = 2 ** 30
const LOAD_BEFORE = (loadavg()[0] ?? 0).toFixed(1)

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** A Markdown table. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, value, unit, goal, detail } = figure
    const wanted = goal === null ? '' : `${goal.kind} ${shown(goal.value, unit)}`
    const met = goal === null ? '' : isMet(figure) ? 'yes' : 'NO'
    return `| ${cell(name)} | ${shown(value, unit)} | ${wanted} | ${met} | ${cell(detail)} |`
  })
  return ['| what | figure | wanted | met | behind it |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** The machine, because figures without it are worth nothing. */
export function machine(): string {
  const cores = cpus()
  const memory = Math.round(totalmem() / GIB)
  return `${cores.length} x ${cores[0]?.model ?? 'unknown processor'}, ${memory} GiB, Node ${process.versions.node}, load ${LOAD_BEFORE} before the run`
}

/** Puts the figures of a whole run into the README, and its plot beside it. */
export function writeReadme(figures: readonly Figure[], rounds: number): void {
  const text = readFileSync(README, 'utf8')
  const from = text.indexOf(BEGIN) + BEGIN.length
  const to = text.indexOf(END)
  const day = new Date().toISOString().slice(0, 10)
  const about = `${day}, ${rounds} rounds, on ${machine()}.`
  const plot = `![Every target, and how far the figure is beyond it](${PLOT})`
  writeFileSync(join(import.meta.dirname, PLOT), plotOf(figures, about))
  writeFileSync(README, `${text.slice(0, from)}\n${about}\n\n${plot}\n\n${tableOf(figures)}\n${text.slice(to)}`)
}
