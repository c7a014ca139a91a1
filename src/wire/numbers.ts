/** Floats as the reference daemon writes them; clients compare and parse these texts. */
import { assert } from '../core/assert.ts'

/** The shortest digits that read back as the same double, and the power of ten of the first one. */
function shortest(value: number): { readonly sign: string; readonly digits: string; readonly exponent: number } {
  assert(Number.isFinite(value), `not a finite number: ${value}`)
  const [mantissa = '', exponent = ''] = Math.abs(value).toExponential().split('e')
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  return { sign, digits: mantissa.replace('.', ''), exponent: Number(exponent) }
}

/** Digits without an exponent, and without a point when the value is whole. */
function positional(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const fraction = digits.slice(exponent + 1)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/** As in Rust's JSON: `5.0`, `4.833333333333333`, and an exponent only below 1e-5 and from 1e16 on (`1e16`, `1.5e-7`). */
export function jsonFloat(value: number): string {
  const { sign, digits, exponent } = shortest(value)
  if (exponent >= 16 || exponent < -5) {
    const fraction = digits.slice(1)
    return `${sign}${digits.charAt(0)}${fraction === '' ? '' : `.${fraction}`}e${exponent}`
  }
  const text = positional(digits, exponent)
  return `${sign}${text.includes('.') ? text : `${text}.0`}`
}

/** As in tags: `5`, `3.75`, `0.006`; never an exponent. */
export function tagFloat(value: number): string {
  const { sign, digits, exponent } = shortest(value)
  return `${sign}${positional(digits, exponent)}`
}

/** A whole number for a tag. Throws on anything that a double does not hold exactly. */
export function tagInteger(value: number): string {
  assert(Number.isSafeInteger(value), `not a whole number: ${value}`)
  return String(value)
}
