/** Kinds of values in the configuration. Every refusal reads `must be ...`, so that the message is also the fix. */
import { z } from 'zod'
import { isFiatCode } from '../../core/fiat.ts'

/** A whole number within bounds; `unit` for people, for example `seconds`. */
export function wholeNumber(unit: string, min: number, max: number) {
  const error = `a whole number of ${unit} from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** A number within bounds, both included. */
export function between(min: number, max: number, example: string) {
  const error = `a number from ${min} to ${max}, for example ${example}`
  return z.number({ error }).min(min, { error }).max(max, { error })
}

/** A number from 0 to below `end`. */
export function fractionBelow(end: number, example: string) {
  const error = `a fraction from 0 to below ${end}, for example ${example}`
  return z.number({ error }).min(0, { error }).lt(end, { error })
}

/** Text of at most `max` characters that is not empty. */
export function text(max: number, what: string) {
  const error = `${what}, between quotes, of 1 to ${max} characters`
  return z.string({ error }).trim().min(1, { error }).max(max, { error })
}

/** An address of the web. */
export function webUrl() {
  const error = 'an address that begins with https:// or http://'
  return z.string({ error }).refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), { error })
}

/** The path of a file; `~/` and relative paths are resolved later. */
export const filePath = () => text(4096, 'the path of a file')

/** true or false. */
export const flag = () => z.boolean({ error: 'true or false, without quotes' })

/** One of some words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `one of ${words.map((word) => `"${word}"`).join(', ')}` })
}

/** The word `auto`, or a whole number within bounds. */
export function autoOr(unit: string, min: number, max: number) {
  const error = `"auto" or a whole number of ${unit} from ${min} to ${max}`
  const number = z.int({ error }).min(min, { error }).max(max, { error })
  return z.union([z.literal('auto'), number], { error })
}

/** A list, each entry of which is checked. */
export function listOf<Entry extends z.ZodType>(entry: Entry, max: number, example: string) {
  const error = `a list of at most ${max}, for example ${example}`
  return z.array(entry, { error }).max(max, { error })
}

/** The code of a currency that can be priced. */
export const currency = () => {
  const error = 'a currency code in capitals, for example "EUR"'
  return z.string({ error }).refine(isFiatCode, { error })
}
