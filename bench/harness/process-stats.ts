/** What a process costs, as the kernel counts it. */
import { readdirSync, readFileSync } from 'node:fs'
import { CannotRun } from '../benchmark.ts'

const NS_PER_MS = 1e6
const KIB_PER_MB = 1024

/** Milliseconds of processor time of a process and all its threads so far. Throws {@link CannotRun} without /proc. */
export function cpuMsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`
  try {
    return readdirSync(tasks).reduce((sum, task) => sum + onCpuNs(`${tasks}/${task}/schedstat`), 0) / NS_PER_MS
  } catch (error) {
    throw new CannotRun(`processor time is read from ${tasks}, as Linux writes it`, { cause: error })
  }
}

/** A thread may end between being listed and being read. */
function onCpuNs(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').split(' ')[0])
  } catch {
    return 0
  }
}

/** Memory in MB: what is resident now, and the most that ever was. Throws {@link CannotRun} without /proc. */
export function memoryMbOf(pid: number): { readonly resident: number; readonly peak: number } {
  let status: string
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch (error) {
    throw new CannotRun(`memory is read from /proc/${pid}/status, as Linux writes it`, { cause: error })
  }
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
  return { resident: kib('VmRSS') / KIB_PER_MB, peak: kib('VmHWM') / KIB_PER_MB }
}
