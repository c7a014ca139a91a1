/** A bar for every target: how far the figure is on its way to it, or beyond. Plain SVG that follows the reader's theme. */
import type { Figure } from './benchmark.ts'
import { scoreOf, shown } from './figures.ts'

const WIDTH = 960
const LABEL = 430
const VALUE = 150
const ROW = 24
const TOP = 52
/** A bar ends here however far beyond its target the figure is. */
const MOST = 3

const STYLE = `
  :root { --ink: #1f2328; --faint: #8b949e; --line: #d0d7de; --met: #2da44e; --missed: #cf222e }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6edf3; --faint: #7d8590; --line: #30363d; --met: #3fb950; --missed: #f85149 }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink) }
  .faint { fill: var(--faint); font-size: 11px }
  .met { fill: var(--met) } .missed { fill: var(--missed) }
  line { stroke: var(--line) } .goal { stroke: var(--ink); stroke-dasharray: 4 3 }`

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const shortened = (text: string, chars: number): string =>
  text.length <= chars ? text : `${text.slice(0, chars - 1).trimEnd()}…`

/** The plot of all figures that have a goal; `about` stands above it. */
export function plotOf(figures: readonly Figure[], about: string): string {
  const bars = figures.flatMap((figure) => {
    const score = scoreOf(figure)
    return score === null ? [] : [{ figure, score }]
  })
  const span = WIDTH - LABEL - VALUE
  const x = (score: number): number => LABEL + (Math.min(score, MOST) / MOST) * span
  const height = TOP + bars.length * ROW + 12
  const rows = bars.map(({ figure, score }, n) => {
    const y = TOP + n * ROW
    const beyond = score > MOST ? ' →' : ''
    const wanted = figure.goal === null ? '' : `${figure.goal.kind} ${shown(figure.goal.value, figure.unit)}`
    return [
      `  <g><title>${escaped(`${figure.name}: ${shown(figure.value, figure.unit)}, wanted ${wanted}`)}</title>`,
      `    <text x="${LABEL - 10}" y="${y + 16}" text-anchor="end">${escaped(shortened(figure.name, 62))}</text>`,
      `    <rect class="${score >= 1 ? 'met' : 'missed'}" x="${LABEL}" y="${y + 4}" width="${(x(score) - LABEL).toFixed(1)}" height="${ROW - 8}" rx="2"/>`,
      `    <text x="${WIDTH - VALUE + 10}" y="${y + 16}">${escaped(shown(figure.value, figure.unit))}${beyond} <tspan class="faint">${escaped(wanted)}</tspan></text></g>`,
    ].join('\n')
  })
  const grid = Array.from({ length: MOST + 1 }, (_, n) => {
    const kind = n === 1 ? ' class="goal"' : ''
    const label = n === 1 ? 'target' : `${n}x`
    return `  <line${kind} x1="${x(n)}" y1="${TOP - 4}" x2="${x(n)}" y2="${height - 8}"/><text class="faint" x="${x(n)}" y="${TOP - 10}" text-anchor="middle">${label}</text>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Figures against their targets">`,
    `<style>${STYLE}\n</style>`,
    `  <text class="faint" x="10" y="16">${escaped(about)}</text>`,
    ...grid,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}
