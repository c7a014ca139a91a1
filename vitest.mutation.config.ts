import { defineConfig } from 'vitest/config'

/** The tests as Stryker runs them: the same files, always the same chance, and no summary of their own. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    setupFiles: ['test/support/fixed-chance.ts'],
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
})
