import { describe, expect, test } from 'vitest'
import { atLeast, atMost, type Figure } from '../../bench/benchmark.ts'
import { betterOf, isMet, isMetQuickly, scoreOf, shown } from '../../bench/figures.ts'
import { median, percentile } from '../../bench/harness/statistics.ts'
import { plotOf } from '../../bench/plot.ts'
import { tableOf } from '../../bench/report.ts'

const figure = (value: number, goal: Figure['goal'], more: Partial<Figure> = {}): Figure => ({
  name: 'takes',
  value,
  unit: 'x',
  goal,
  detail: '',
  ...more,
})

describe('a figure', () => {
  test.each([
    ['twice what is wanted', figure(30, atLeast(15)), 2],
    ['half of what is wanted', figure(7.5, atLeast(15)), 0.5],
    ['half of what is allowed', figure(1, atMost(2)), 2],
    ['twice what is allowed', figure(4, atMost(2)), 0.5],
    ['nothing, where something is allowed', figure(0, atMost(2)), Number.POSITIVE_INFINITY],
    ['nothing, where nothing is allowed', figure(0, atMost(0)), 1],
    ['anything, where nothing is allowed', figure(1, atMost(0)), 0],
    ['something that nobody promised', figure(1, null), null],
  ])('that is %s has its score', (_, one, score) => {
    expect(scoreOf(one)).toBe(score)
  })

  test('keeps its promise from the goal on, and half of it from half the goal on', () => {
    expect(isMet(figure(15, atLeast(15)))).toBe(true)
    expect(isMet(figure(14.9, atLeast(15)))).toBe(false)
    expect(isMet(figure(7.5, atLeast(15)), 0.5)).toBe(true)
    expect(isMet(figure(7.4, atLeast(15)), 0.5)).toBe(false)
    expect(isMet(figure(0, null))).toBe(true)
  })

  test('is held to half of its goal by a quick run, or to what it names', () => {
    expect(isMetQuickly(figure(7.5, atLeast(15)))).toBe(true)
    expect(isMetQuickly(figure(7.4, atLeast(15)))).toBe(false)
    expect(isMetQuickly(figure(10, atMost(1), { quickShare: 0.1 }))).toBe(true)
    expect(isMetQuickly(figure(11, atMost(1), { quickShare: 0.1 }))).toBe(false)
  })

  test('is taken from the better of two tries, each by itself', () => {
    const tries = [
      [figure(3, atMost(2), { name: 'a' }), figure(9, atLeast(5), { name: 'b' }), figure(1, null, { name: 'c' })],
      [figure(1, atMost(2), { name: 'a' }), figure(4, atLeast(5), { name: 'b' }), figure(2, null, { name: 'c' })],
    ] as const
    expect(betterOf(...tries).map(({ value }) => value)).toEqual([1, 9, 1])
    expect(betterOf(tries[1], tries[0]).map(({ value }) => value)).toEqual([1, 9, 2])
  })

  test.each([
    [1.234, 'x', '1.23x'],
    [17, 'x', '17x'],
    [12.34, 'ms', '12.3 ms'],
    [1289.4, '/s', '1289/s'],
    [45.6, '%', '45.6%'],
    [0, '', '0'],
  ] as const)('of %d is written with its unit %s', (value, unit, text) => {
    expect(shown(value, unit)).toBe(text)
  })
})

describe('the statistics', () => {
  test('take the nearest rank, and never a value that was not measured', () => {
    const samples = [5, 1, 4, 2, 3]
    expect(percentile(samples, 0.5)).toBe(3)
    expect(percentile(samples, 0.99)).toBe(5)
    expect(percentile(samples, 0)).toBe(1)
    expect(median([1, 2, 3, 4])).toBe(2)
    expect(samples).toEqual([5, 1, 4, 2, 3])
  })
})

describe('the table', () => {
  test('tells what was measured, what was wanted and whether it was met', () => {
    const lines = tableOf([
      figure(17.42, atLeast(15), { detail: '1289 / 74 actions/s' }),
      figure(3, atMost(2), { name: 'a|b' }),
      figure(1, null),
    ]).split('\n')
    expect(lines.slice(2)).toEqual([
      '| takes | 17.4x | at least 15x | yes | 1289 / 74 actions/s |',
      '| a\\|b | 3x | at most 2x | NO |  |',
      '| takes | 1x |  |  |  |',
    ])
  })
})

describe('the plot', () => {
  const svg = plotOf(
    [
      figure(30, atLeast(15), { name: 'takes & <offers>' }),
      figure(900, atLeast(15)),
      figure(4, atMost(2)),
      figure(0, atMost(2)),
      figure(1, null),
    ],
    'on 2 cores',
  )

  test('has a bar for every figure with a goal, and says which goals are missed', () => {
    expect(svg.match(/<rect class="met"/g)).toHaveLength(3)
    expect(svg.match(/<rect class="missed"/g)).toHaveLength(1)
  })

  test('draws no bar beyond its edge, however good the figure', () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
    expect(Math.max(...widths)).toBeLessThanOrEqual(380)
    expect(widths.every((width) => Number.isFinite(width) && width >= 0)).toBe(true)
  })

  test('follows the theme of the reader, and writes names as text', () => {
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).toContain('takes &amp; &lt;offers&gt;')
    expect(svg).toContain('on 2 cores')
  })
})
