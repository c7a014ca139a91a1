/** Small servers of the sandbox: JSON in, JSON out, on a loopback port. */
import { createServer, type IncomingMessage } from 'node:http'
import { assert } from '../core/assert.ts'

const BODY_MAX_BYTES = 64 * 1024

export type JsonAnswer = { readonly status: number; readonly body: unknown }
export type JsonServer = {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Idempotent. */
  close(): Promise<void>
}

/** Serves `answer`; what it throws becomes status 500. Rejects when the port is taken. 0 = any free one. */
export async function serveJson(
  port: number,
  answer: (method: string, path: string, body: unknown) => Promise<JsonAnswer> | JsonAnswer,
): Promise<JsonServer> {
  const server = createServer((request, response) => {
    const reply = ({ status, body }: JsonAnswer): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    readBody(request)
      .then((body) => answer(request.method ?? '', request.url ?? '/', body))
      .then(reply)
      .catch((error: unknown) =>
        reply({ status: 500, body: { error: error instanceof Error ? error.message : String(error) } }),
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  const bound = server.address()
  assert(typeof bound === 'object' && bound !== null, 'a listening server has a port')
  return {
    url: `http://127.0.0.1:${bound.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Null without a body. A page in a browser cannot send JSON here without asking first, which nobody answers. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const part of request) {
    text += String(part)
    assert(text.length <= BODY_MAX_BYTES, 'the request is too long')
  }
  if (text === '') return null
  assert(request.headers['content-type'] === 'application/json', 'the request must be application/json')
  return JSON.parse(text)
}
