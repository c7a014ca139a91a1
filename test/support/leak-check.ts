import { Socket } from 'node:net'
import { afterAll, beforeAll, expect } from 'vitest'
import { eventually } from './wait.ts'

/** What keeps a process alive or holds a port. The test runner's own pipes are not among them. */
const WATCHED = ['TCPServerWrap', 'TCPSocketWrap', 'PipeServerWrap', 'UDPWRAP', 'ProcessWrap', 'FSEventWrap', 'Timeout']

const GRACE_MS = 10_000

let before: readonly string[] = []

/** Every test file leaves behind what it found: no open port, no socket, no child process, no timer. */
beforeAll(() => {
  before = watchedResources()
})

afterAll(async () => {
  const leaks = () => excess(watchedResources(), before)
  await eventually(() => leaks().length === 0, 'the resources of this file to be closed', GRACE_MS).catch(() => {
    expect(leaks(), `left running by this test file; open sockets: ${openSockets()}`).toEqual([])
  })
})

function watchedResources(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => WATCHED.includes(name))
}

/** Who is connected to whom, for whoever looks for a leak. */
function openSockets(): string {
  const { _getActiveHandles: handles } = process as unknown as { readonly _getActiveHandles: () => readonly unknown[] }
  return handles
    .call(process)
    .filter((handle) => handle instanceof Socket)
    .map(({ localPort, remotePort, readyState, bytesWritten, bytesRead }) =>
      [`${localPort ?? '-'}>${remotePort ?? '-'}`, readyState, `${bytesWritten} out`, `${bytesRead} in`].join(' '),
    )
    .join('; ')
}

function excess(now: readonly string[], then: readonly string[]): readonly string[] {
  const rest = [...then]
  return now.filter((name) => {
    const at = rest.indexOf(name)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}
