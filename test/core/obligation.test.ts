import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AfterFailure,
  afterFailure,
  givenUp,
  isPayeeFault,
  lookBackoffS,
  OBLIGATION_KINDS,
  type ObligationKind,
  promptCadenceS,
  RESOLVE_FAILURES_MAX,
  resolveBackoffS,
} from '../../src/core/obligation.ts'

const FAILED = {
  kind: 'buyer_payout',
  destination: 'bolt11',
  dead: false,
  failures: 1,
  attemptsMax: 3,
  resolveFailures: 0,
  windowOver: false,
} as const

describe('a failed payment', () => {
  test.each([
    ['no route to the payee', 'no-route', true, true],
    ['an invoice that the payee does not know', 'incorrect-details', true, true],
    ['an invoice that can not be paid', 'unpayable', false, true],
    ['time that ran out on the way', 'timeout', true, true],
    ['time that ran out before anything was tried', 'timeout', false, false],
    ['too few sats on our side', 'insufficient-balance', true, false],
    ['an error of our node', 'error', true, false],
    ['a cancel of ours', 'canceled', true, false],
    ['anything unheard of', 'whatever', true, false],
  ])('by %s', (_, reason, tried, payee) => {
    expect(isPayeeFault(reason, tried)).toBe(payee)
  })

  test.each<[string, Partial<Parameters<typeof afterFailure>[0]>, AfterFailure]>([
    ['is tried again while attempts are left', {}, 'same-again'],
    ['is tried again after failures that were all ours', { failures: 0 }, 'same-again'],
    ['asks the buyer when the attempts are used up', { failures: 3 }, 'ask-again'],
    ['asks the buyer at once when the invoice is dead', { dead: true }, 'ask-again'],
    [
      'gets a fresh invoice from an address when the last one died',
      { dead: true, destination: 'address' },
      'fresh-invoice',
    ],
    ['is tried again with the invoice that an address gave', { destination: 'address' }, 'same-again'],
    ['asks the buyer when his address used up the attempts', { failures: 3, destination: 'address' }, 'ask-again'],
    [
      'asks the buyer when his address gives no invoices any more',
      { dead: true, destination: 'address', resolveFailures: 5 },
      'ask-again',
    ],
    [
      'of the development fee is tried with fresh invoices for a while',
      { kind: 'dev_fee', destination: 'address', failures: 3 },
      'fresh-invoice',
    ],
    [
      'of the development fee ends it when the while is over',
      { kind: 'dev_fee', destination: 'address', failures: 3, windowOver: true },
      'give-up-void',
    ],
    ['of a winner asks him within his window', { kind: 'bond_payout', failures: 3 }, 'ask-again'],
    [
      'of a winner after his window goes to a person (DEC-28)',
      { kind: 'bond_payout', failures: 3, windowOver: true },
      'give-up-review',
    ],
  ])('%s', (_, facts, expected) => {
    expect(afterFailure({ ...FAILED, ...facts })).toBe(expected)
  })

  test.each([1, 2, 3])(
    'W11b: of %i allowed attempts, the last one asks for another invoice, even when it is the first',
    (attemptsMax) => {
      const paths = Array.from({ length: attemptsMax }, (_, i) =>
        afterFailure({ ...FAILED, attemptsMax, failures: i + 1 }),
      )
      expect(paths).toEqual([...Array.from({ length: attemptsMax - 1 }, () => 'same-again'), 'ask-again'])
    },
  )

  test('of a buyer or a refund never ends what is owed, whatever has failed how often (DEC-27)', () => {
    const kinds = fc.constantFrom<ObligationKind>('buyer_payout', 'maker_refund', 'custody')
    const counts = fc.integer({ min: 0, max: 20 })
    fc.assert(
      fc.property(
        fc.record({
          kind: kinds,
          destination: fc.constantFrom('bolt11', 'address'),
          dead: fc.boolean(),
          failures: counts,
          attemptsMax: fc.integer({ min: 1, max: 9 }),
          resolveFailures: counts,
          windowOver: fc.boolean(),
        }),
        (facts) => {
          expect(['same-again', 'fresh-invoice', 'ask-again']).toContain(afterFailure(facts))
          if (facts.dead) expect(afterFailure(facts)).not.toBe('same-again')
        },
      ),
    )
  })

  test('is given up in the way of its kind', () => {
    const inTime = Object.fromEntries(OBLIGATION_KINDS.map((kind) => [kind, givenUp(kind, false)]))
    expect(inTime).toEqual({
      buyer_payout: 'ask-again',
      bond_payout: 'ask-again',
      maker_refund: 'ask-again',
      dev_fee: 'fresh-invoice',
      solver_reward: 'fresh-invoice',
      overpayment: 'give-up-review',
      custody: 'ask-again',
    })
    const late = OBLIGATION_KINDS.filter((kind) => givenUp(kind, true) !== givenUp(kind, false))
    expect(Object.fromEntries(late.map((kind) => [kind, givenUp(kind, true)]))).toEqual({
      bond_payout: 'give-up-review',
      dev_fee: 'give-up-void',
      solver_reward: 'give-up-void',
    })
  })
})

describe('waiting', () => {
  test.each([
    [
      'for a payee’s invoice grows from ten minutes to a day, and no further',
      promptCadenceS,
      [0, 1, 2, 3, 4, 5, 6, 99],
      [600, 600, 3600, 14_400, 43_200, 86_400, 86_400, 86_400],
    ],
    [
      'for an address grows from a minute to an hour',
      resolveBackoffS,
      [0, 1, 2, 3, 4, 5, 99],
      [60, 60, 300, 900, 3600, 3600, 3600],
    ],
    [
      'for an unknown outcome grows from a second to a minute',
      lookBackoffS,
      [-1, 0, 1, 2, 3, 4, 5, 6, 99],
      [1, 1, 2, 5, 10, 30, 60, 60, 60],
    ],
  ])('%s', (_, pause, counts, seconds) => {
    expect(counts.map(pause)).toEqual(seconds)
  })

  test('for an address has an end', () => {
    const facts = { ...FAILED, destination: 'address', dead: true } as const
    expect(afterFailure({ ...facts, resolveFailures: RESOLVE_FAILURES_MAX - 1 })).toBe('fresh-invoice')
    expect(afterFailure({ ...facts, resolveFailures: RESOLVE_FAILURES_MAX })).toBe('ask-again')
  })
})
