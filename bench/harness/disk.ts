/** How the disk does while something is measured that waits for it: a disk that stands still says nothing of a daemon. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from './relay-client.ts'

const EVERY_MS = 20
const BLOCK = Buffer.alloc(512)

/** Does some work, and says how long the slowest fsync of a small file in the same directory took meanwhile, in ms. */
export async function watchingDisk<T>(
  dir: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly slowestMs: number }> {
  const file = await open(join(dir, 'disk-probe'), 'w')
  let slowestMs = 0
  let isOver = false
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const startedMs = performance.now()
      await file.write(BLOCK, 0, BLOCK.length, 0)
      await file.datasync()
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
      await pause(EVERY_MS)
    }
  }
  const watching = watch()
  try {
    const result = await work()
    isOver = true
    await watching
    return { result, slowestMs }
  } finally {
    isOver = true
    await watching.catch(() => undefined)
    await file.close()
  }
}
