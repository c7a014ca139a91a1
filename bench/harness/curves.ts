/** The curves of the driver itself: the fastest there are, because thousands of requests are signed before a clock runs. */
import { loadCurves } from '../../src/app/curves.ts'
import { CannotRun } from '../benchmark.ts'

const loaded = loadCurves('auto')

export const { curves } = loaded

/** Throws {@link CannotRun} where the native backend, which most targets are about, can not be had. */
export function needNativeCurves(): void {
  if (loaded.backend !== 'native') throw new CannotRun(`no native curves here: ${loaded.note ?? 'unknown why'}`)
}
