/** Tables and amounts for people. */

export type Column = { readonly title: string; readonly align?: 'left' | 'right' }

/** Columns side by side, with two spaces between them and a line under the titles. Ends with a newline. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, i) => {
        const [cell, width] = [cells[i] ?? '', widths[i] ?? 0]
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  const titles = line(columns.map(({ title }) => title))
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return `${[titles, rule, ...rows.map(line)].join('\n')}\n`
}

/** Millisats as sats with thousands marked: `50,000`, `12.345`, `-1,000`. */
export function sats(amountMsat: number): string {
  const whole = Math.trunc(Math.abs(amountMsat) / 1000)
  const rest = Math.abs(amountMsat) % 1000
  const digits = String(whole).replace(/\B(?=(\d{3})+$)/g, ',')
  return `${amountMsat < 0 ? '-' : ''}${digits}${rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`}`
}

/** A time in seconds since 1970 as UTC, to the second; nothing for none. */
export function time(atS: number | null): string {
  return atS === null ? '' : new Date(atS * 1000).toISOString().replace('.000Z', 'Z')
}

/** A value as indented `name: value` lines. */
export function outline(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return `${indent}${String(value)}\n`
  const entries = Array.isArray(value) ? value.map((entry) => ['-', entry] as const) : Object.entries(value)
  return entries
    .map(([name, entry]) => {
      const mark = name === '-' ? '-' : `${name}:`
      if (typeof entry !== 'object' || entry === null) return `${indent}${mark} ${String(entry)}\n`
      if (Object.keys(entry).length === 0) return `${indent}${mark} none\n`
      return `${indent}${mark}\n${outline(entry, `${indent}  `)}`
    })
    .join('')
}
