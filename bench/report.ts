/** Figures for people: a table on the terminal, and the same in `bench/README.md`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Figure } from './benchmark.ts'

const README = join(import.meta.dirname, 'README.md')
const BEGIN = '<!-- figures -->'
const END = '<!-- /figures -->'
const GIB = 2 ** 30
const LOAD_BEFORE = (loadavg()[0] ?? 0).toFixed(1)

/** Whether a figure keeps its promise. */
export const isMet = ({ ratio, target }: Figure): boolean => target === null || ratio <= target

/** A Markdown table. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, ratio, target, detail } = figure
    return `| ${name} | ${ratio.toFixed(2)} | ${target ?? ''} | ${isMet(figure) ? 'yes' : 'NO'} | ${detail} |`
  })
  return ['| what | ratio | at most | met | behind it |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** The machine, because figures without it are worth nothing. */
export function machine(): string {
  const cores = cpus()
  const memory = Math.round(totalmem() / GIB)
  return `${cores.length} x ${cores[0]?.model ?? 'unknown processor'}, ${memory} GiB, Node ${process.versions.node}, portable curves, load ${LOAD_BEFORE} before the run`
}

/** Puts the figures of a whole run into the README. */
export function writeReadme(figures: readonly Figure[], rounds: number): void {
  const text = readFileSync(README, 'utf8')
  const from = text.indexOf(BEGIN) + BEGIN.length
  const to = text.indexOf(END)
  const day = new Date().toISOString().slice(0, 10)
  const about = `${day}, ${rounds} rounds, on ${machine()}.`
  writeFileSync(README, `${text.slice(0, from)}\n${about}\n\n${tableOf(figures)}\n${text.slice(to)}`)
}
