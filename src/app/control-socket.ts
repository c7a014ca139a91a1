/** A local socket, for the owner of the data directory alone, on which the running daemon says how it is. */
import { chmodSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { socketOf } from './data-dir.ts'

/** The system's limit for the path of a socket. */
const PATH_MAX_BYTES = 104
const ANSWER_MAX_BYTES = 4 * 1024 * 1024
const ANSWER_MS = 5000

/** Whether the path is short enough for a socket. */
export const canListen = (dataDir: string): boolean => Buffer.byteLength(socketOf(dataDir)) <= PATH_MAX_BYTES

/**
 * Answers `GET /status` with what `status` gives, as JSON. The directory must be locked by this process: a socket that
 * a killed process left behind is removed.
 */
export async function serveControl(dataDir: string, status: () => unknown): Promise<{ close(): Promise<void> }> {
  const path = socketOf(dataDir)
  rmSync(path, { force: true })
  const server = createServer((asked, answer) => {
    if (asked.method !== 'GET' || asked.url !== '/status') {
      answer.writeHead(404).end()
      return
    }
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify(status()))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  chmodSync(path, 0o600)
  return {
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What the daemon of a data directory says of itself; null when none answers. */
export function askStatus(dataDir: string): Promise<unknown> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: socketOf(dataDir), path: '/status', timeout: ANSWER_MS }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part: string) => {
        text += part
        if (text.length > ANSWER_MAX_BYTES) answer.destroy()
      })
      answer.on('end', () => resolve(readJson(text)))
      answer.on('error', () => resolve(null))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(null))
    asked.end()
  })
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
