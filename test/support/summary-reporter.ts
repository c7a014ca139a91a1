import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** Ends a run with a line for each failure, and one plain line for people and machines: `N passed, N failed`. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    for (const line of failuresOf(modules)) process.stdout.write(`failed: ${line}\n`)
    for (const { message } of unhandled) process.stdout.write(`failed: outside any test: ${firstLine(message)}\n`)
    process.stdout.write(`${summaryOf(modules, unhandled.length)}\n`)
  }
}

const firstLine = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 300)

/** Each failed test and each file that could not be run, a line each: where, and what it said first. */
function failuresOf(modules: readonly TestModule[]): readonly string[] {
  return modules.flatMap((module) => [
    ...module.errors().map(({ message }) => `${module.relativeModuleId}: ${firstLine(message)}`),
    ...[...module.children.allTests('failed')].map(
      (test) => `${module.relativeModuleId} > ${test.fullName}: ${firstLine(test.result().errors?.[0]?.message ?? '')}`,
    ),
  ])
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
