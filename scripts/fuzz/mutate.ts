/** Small damage to valid examples: what finds its way past the first check more often than noise does. */
import type { Dice } from './dice.ts'

/** Pieces that parsers stumble over. */
const PIECES = [
  ...'{}[]":,\\-+.eE019 \n\t\u0000\u007f\u2028é😀',
  'null',
  'true',
  '""',
  '{}',
  '[]',
  '-0',
  '1.0',
  '1e999',
  '01',
  '18446744073709551616',
  '-9223372036854775809',
  '9007199254740993',
  '\\ud83d',
  '\\u0000',
  '\ud83d',
  '\ufeff',
  '"__proto__":1,',
  '"id":null,',
  '"payload":{"amount":1},',
  '[[[[[[[[[[[[[[[[[[[[',
  '308E1272D5F447E6BD973504BAEA9C23',
]

const MAX_CHARS = 20_000

function once(text: string, others: readonly string[], dice: Dice): string {
  const at = dice.below(text.length + 1)
  const end = Math.min(text.length, at + 1 + dice.below(dice.below(4) === 0 ? 40 : 3))
  switch (dice.below(7)) {
    case 0:
      return text.slice(0, at) + dice.pick(PIECES) + text.slice(at)
    case 1:
      return text.slice(0, at) + dice.pick(PIECES) + text.slice(end)
    case 2:
      return text.slice(0, at) + text.slice(end)
    case 3:
      return text.slice(0, end) + text.slice(at)
    case 4:
      return text.slice(0, at)
    case 5: {
      const other = dice.pick(others)
      return text.slice(0, at) + other.slice(dice.below(other.length + 1))
    }
    default:
      return text.slice(0, at) + String.fromCharCode(dice.below(256)) + text.slice(at + 1)
  }
}

/** One of the examples with none to four things wrong. */
export function mutate(examples: readonly string[], dice: Dice): string {
  let text = dice.pick(examples)
  for (let times = dice.below(5); times > 0; times--) text = once(text, examples, dice)
  return text.slice(0, MAX_CHARS)
}

/** The same for words of five bits. */
export function mutateWords(examples: readonly (readonly number[])[], dice: Dice): readonly number[] {
  let words = dice.pick(examples)
  for (let times = dice.below(5); times > 0; times--) {
    const at = dice.below(words.length + 1)
    const end = at + dice.below(4)
    const other = dice.pick(examples)
    const piece = dice.below(2) === 0 ? [dice.below(32)] : other.slice(dice.below(other.length + 1)).slice(0, 60)
    words = [...words.slice(0, at), ...piece, ...words.slice(end)]
  }
  return words
}
