import fc from 'fast-check'

/**
 * One seed for every property, and no search for the smallest counterexample: whether a mutant survives is a fact about
 * the tests, not about luck, and that it was noticed is all that is asked.
 */
fc.configureGlobal({ seed: 21_000_000, endOnFailure: true })
