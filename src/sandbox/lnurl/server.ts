import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { bech32 } from '@scure/base'
import { assert } from '../../core/assert.ts'
import { msat } from '../../core/money.ts'
import {
  DEFAULT_MAX_SENDABLE_MSAT,
  DEFAULT_MIN_SENDABLE_MSAT,
  payMetadata,
  type ServiceFault,
  type ServiceOptions,
} from './pay-document.ts'

export type LnurlServer = {
  /** `127.0.0.1:port`; what the daemon must be told to trust with private addresses and http */
  readonly host: string
  /** Lightning address of a user */
  addressOf(user: string): string
  /** the same as a bech32 lnurl */
  lnurlOf(user: string): string
  /** Closes the port and every connection; idempotent. */
  close(): Promise<void>
}

const USER_PATH = /^\/(?:\.well-known\/lnurlp|pay)\/([a-z0-9._+-]{1,64})$/

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const MISBEHAVIOUR: Record<Exclude<ServiceFault, 'garbage'>, (response: ServerResponse) => void> = {
  refuses: (response) => sendJson(response, 200, { status: 'ERROR', reason: 'no sats today' }),
  down: (response) => sendJson(response, 503, {}),
  silent: () => {},
  redirects: (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  floods: (response) => response.end(' '.repeat(1024 * 1024)),
}

/**
 * Starts a Lightning address service on a loopback port. It speaks LUD-06, 12 and 16 over plain http and hands out
 * the invoices of simulated wallets.
 *
 * @param port 0 = any free one
 */
export async function startLnurlServer(options: ServiceOptions, port = 0): Promise<LnurlServer> {
  const minSendable = options.minSendableMsat ?? DEFAULT_MIN_SENDABLE_MSAT
  const maxSendable = options.maxSendableMsat ?? DEFAULT_MAX_SENDABLE_MSAT
  const { commentAllowed = 0 } = options
  let host = ''

  async function giveInvoice(response: ServerResponse, user: string, query: URLSearchParams): Promise<void> {
    const amount = Number(query.get('amount'))
    if (!Number.isSafeInteger(amount) || amount < minSendable || amount > maxSendable) {
      return sendJson(response, 200, { status: 'ERROR', reason: 'amount out of range' })
    }
    if ([...(query.get('comment') ?? '')].length > commentAllowed) {
      return sendJson(response, 200, { status: 'ERROR', reason: 'comment too long' })
    }
    const request = await options.invoiceFor(user, msat(amount), payMetadata(user, host).descriptionHash)
    sendJson(response, 200, { pr: request, routes: [] })
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${host}`)
    const [, user] = USER_PATH.exec(url.pathname) ?? []
    if (request.method !== 'GET' || user === undefined || !(options.knows?.(user) ?? true)) {
      return sendJson(response, 404, { status: 'ERROR', reason: 'no such user' })
    }
    const fault = options.faultOf?.(user) ?? null
    if (fault !== null && fault !== 'garbage') return MISBEHAVIOUR[fault](response)
    if (url.pathname.startsWith('/pay/')) {
      return fault === 'garbage' ? sendJson(response, 200, { pr: 21 }) : giveInvoice(response, user, url.searchParams)
    }
    sendJson(response, 200, {
      tag: 'payRequest',
      callback: `http://${host}/pay/${user}`,
      minSendable,
      maxSendable,
      metadata: payMetadata(user, host).metadata,
      commentAllowed,
    })
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      sendJson(response, 500, { status: 'ERROR', reason: error instanceof Error ? error.message : String(error) })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const bound = server.address()
  assert(typeof bound === 'object' && bound !== null, 'a listening server has a port')
  host = `127.0.0.1:${bound.port}`

  return {
    host,
    addressOf: (user) => `${user}@${host}`,
    lnurlOf: (user) =>
      bech32.encode(
        'lnurl',
        bech32.toWords(new TextEncoder().encode(`http://${host}/.well-known/lnurlp/${user}`)),
        false,
      ),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
