import type { Quotes } from '../../ports/prices.ts'

/** What lies under `key`; undefined when `value` is no object or has no such key of its own. */
export function member(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

/**
 * The quotes in a JSON object of prices by currency code. One bad price does not spoil the others: what `priceOf` does not
 * find to be a finite number above zero is left out. Codes come out in upper case.
 */
export function readQuotes(prices: unknown, priceOf: (entry: unknown) => unknown = (entry) => entry): Quotes {
  const quotes = new Map<string, number>()
  if (typeof prices !== 'object' || prices === null) return quotes
  for (const [code, entry] of Object.entries(prices)) {
    const price = priceOf(entry)
    if (typeof price === 'number' && Number.isFinite(price) && price > 0) quotes.set(code.toUpperCase(), price)
  }
  return quotes
}
