import fc from 'fast-check'

/** One seed for every property: whether a mutant survives is a fact about the tests, not about luck. */
fc.configureGlobal({ seed: 21_000_000 })
