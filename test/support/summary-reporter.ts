import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** Ends a run with one plain line for people and machines: `N passed, N failed`. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    process.stdout.write(`${summaryOf(modules, unhandled.length)}\n`)
  }
}

/** What the summary needs to know of a test file that ran. */
export type RunModule = {
  readonly children: { allTests(): Iterable<{ result(): { readonly state: string } }> }
  errors(): readonly unknown[]
}

/** A file that could not be read and an error outside any test count as one failure each. */
export function summaryOf(modules: readonly RunModule[], unhandledCount: number): string {
  const results = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
  const passed = results.filter((state) => state === 'passed').length
  const failedTests = results.filter((state) => state === 'failed').length
  const brokenModules = modules.filter((module) => module.errors().length > 0).length
  return `${passed} passed, ${failedTests + brokenModules + unhandledCount} failed`
}
