import { afterAll, beforeAll, expect } from 'vitest'
import { eventually } from './wait.ts'

/** What keeps a process alive or holds a port. The test runner's own pipes are not among them. */
const WATCHED = ['TCPServerWrap', 'TCPSocketWrap', 'PipeServerWrap', 'UDPWRAP', 'ProcessWrap', 'FSEventWrap', 'Timeout']

const GRACE_MS = 2_000

let before: readonly string[] = []

/** Every test file leaves behind what it found: no open port, no socket, no child process, no timer. */
beforeAll(() => {
  before = watchedResources()
})

afterAll(async () => {
  const leaks = () => excess(watchedResources(), before)
  await eventually(() => leaks().length === 0, 'the resources of this file to be closed', GRACE_MS).catch(() => {
    expect(leaks(), 'left running by this test file').toEqual([])
  })
})

function watchedResources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => WATCHED.includes(name))
}

function excess(now: readonly string[], then: readonly string[]): readonly string[] {
  const rest = [...then]
  return now.filter((name) => {
    const at = rest.indexOf(name)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
