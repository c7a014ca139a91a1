import { describe, expect, test } from 'vitest'
import { Dice } from '../../scripts/fuzz/dice.ts'
import { targets } from '../../scripts/fuzz/targets.ts'

describe.each(targets)('Damaged input for the $name codec', ({ make, run }) => {
  test('is accepted or refused, never a crash', () => {
    let accepted = 0
    for (let index = 0; index < 1_000; index++) if (run(make(new Dice(1, index)))) accepted += 1
    expect(accepted).toBeGreaterThan(100)
    expect(accepted).toBeLessThan(900)
  })

  test('is the same for the same seed and number, and another for others', () => {
    const inputs = [new Dice(1, 5), new Dice(1, 5), new Dice(2, 5), new Dice(1, 6)].map(make)
    expect(inputs[1]).toBe(inputs[0])
    expect(new Set(inputs).size).toBe(3)
  })
})
