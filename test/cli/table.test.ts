import { describe, expect, it } from 'vitest'
import { outline, sats, table, time } from '../../src/cli/table.ts'

describe('what the command prints', () => {
  it.for<readonly [number, string]>([
    [0, '0'],
    [1, '0.001'],
    [999_000, '999'],
    [1_000_000, '1,000'],
    [50_000_123, '50,000.123'],
    [-1_234_567_000, '-1,234,567'],
    [-1, '-0.001'],
    [9_007_199_254_740_991, '9,007,199,254,740.991'],
  ])('shows %i msat as %s sats', ([amountMsat, text]) => {
    expect(sats(amountMsat)).toBe(text)
  })

  it('shows times as UTC', () => {
    expect([time(0), time(null)]).toEqual(['1970-01-01T00:00:00Z', ''])
  })

  it('sets columns side by side', () => {
    expect(
      table(
        [{ title: 'name' }, { title: 'sats', align: 'right' }],
        [
          ['a', '1'],
          ['bob', '1,000'],
        ],
      ),
    ).toBe('name   sats\n----  -----\na         1\nbob   1,000\n')
    expect(table([{ title: 'name' }], [])).toBe('name\n----\n')
  })

  it('shows facts as an outline', () => {
    expect(outline({ a: 1, b: { c: [true, { d: null }], e: {}, f: [] } })).toBe(
      'a: 1\nb:\n  c:\n    - true\n    -\n      d: null\n  e: none\n  f: none\n',
    )
  })
})
