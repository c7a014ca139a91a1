/** A disk that is slower than the one that is there: a library, compiled here and preloaded into the daemon. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CannotRun } from '../benchmark.ts'

const SOURCE = join(import.meta.dirname, 'slow-sync.c')
const US_PER_MS = 1000

export type SlowSync = {
  /** what a process needs in its environment */
  readonly env: Readonly<Record<string, string>>
  remove(): void
}

/** Every fsync takes so many milliseconds longer. Throws {@link CannotRun} without a C compiler. */
export function slowSync(ms: number): SlowSync {
  if (process.platform !== 'linux') throw new CannotRun('libraries are preloaded as Linux does it')
  const dir = mkdtempSync(join(tmpdir(), 'fianza-bench-'))
  const library = join(dir, 'slow-sync.so')
  const { status, stderr } = spawnSync(process.env['CC'] ?? 'cc', [
    '-O2',
    '-shared',
    '-fPIC',
    '-o',
    library,
    SOURCE,
    '-ldl',
  ])
  if (status !== 0) {
    rmSync(dir, { recursive: true })
    throw new CannotRun(`no C compiler to slow the disk down with: ${stderr?.toString() ?? 'cc is not there'}`)
  }
  return {
    env: { LD_PRELOAD: library, BENCH_SYNC_US: String(ms * US_PER_MS) },
    remove: () => rmSync(dir, { recursive: true }),
  }
}
