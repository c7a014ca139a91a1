import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { bech32 } from '@scure/base'
import { afterEach, describe, expect, it } from 'vitest'
import { LnurlAddresses, type LnurlOptions } from '../../../src/adapters/lnurl/lnurl-addresses.ts'
import { satsToMsat } from '../../../src/core/money.ts'

const AMOUNT = satsToMsat(1000)
const servers: Server[] = []

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

async function serve(listener: RequestListener): Promise<string> {
  return `127.0.0.1:${await listen(createServer(listener))}`
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

function lnurl(url: string): string {
  return bech32.encode('lnurl', bech32.toWords(new TextEncoder().encode(url)), false)
}

function payDocument(host: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    tag: 'payRequest',
    callback: `http://${host}/callback`,
    minSendable: 1000,
    maxSendable: 1e12,
    metadata: '[["text/plain","hello"]]',
    ...more,
  })
}

/** A service that answers `document` to the first question and `invoice` to the second. */
async function serveAnswers(answers: {
  readonly document?: (host: string) => string
  readonly invoice?: string
}): Promise<{ readonly host: string; readonly asked: string[] }> {
  const asked: string[] = []
  const host: string = await serve((request, response) => {
    asked.push(request.url ?? '')
    const isCallback = request.url?.startsWith('/callback') === true
    const document = answers.document ?? payDocument
    response.end(isCallback ? (answers.invoice ?? '{"pr":"lnbc1"}') : document(host))
  })
  return { host, asked }
}

function invoice(host: string, options: LnurlOptions = {}, comment: string | null = null) {
  return new LnurlAddresses({ plainHosts: [host], totalMs: 1000, ...options }).invoice(`alice@${host}`, AMOUNT, comment)
}

function failure(kind: unknown, words: string): unknown {
  return { ok: false, error: { kind, detail: expect.stringContaining(words) } }
}

describe('a Lightning address with a host that must not be asked', () => {
  const addresses = new LnurlAddresses({ resolve: () => Promise.reject(new Error('must not resolve')) })

  it.each([
    ['loopback', 'alice@127.0.0.1'],
    ['loopback in short', 'alice@127.1'],
    ['loopback as a number', 'alice@2130706433'],
    ['loopback in hex', 'alice@0x7f000001'],
    ['loopback in octal', 'alice@0177.0.0.1'],
    ['the cloud’s metadata', 'alice@169.254.169.254'],
    ['a neighbour', lnurl('https://192.168.1.1/pay')],
    ['IPv6 loopback', lnurl('https://[::1]/pay')],
    ['mapped loopback', lnurl('https://[::ffff:127.0.0.1]/pay')],
    ['plain http', lnurl('http://wallet.example/pay')],
    ['files', lnurl('file:///etc/passwd')],
    ['gopher', lnurl('gopher://wallet.example/')],
    ['a user name', lnurl('https://alice@wallet.example/pay')],
    ['a password', lnurl('https://:secret@wallet.example/pay')],
  ])('is forbidden: %s', async (_, text) => {
    expect(await addresses.probe(text, null)).toMatchObject({ ok: false, error: { kind: 'forbidden' } })
  })

  it('is forbidden when the url is too long', async () => {
    expect(await addresses.probe(lnurl(`https://wallet.example/${'%20'.repeat(300)}`), null)).toEqual(
      failure('unavailable', 'must not resolve'),
    )
    expect(await addresses.probe(lnurl(`https://wallet.example/${' '.repeat(800)}x`), null)).toEqual(
      failure('forbidden', 'too long'),
    )
  })

  it('is malformed when it is longer than any lnurl', async () => {
    const text = lnurl(`https://wallet.example/${'x'.repeat(2000)}`)
    expect(await addresses.probe(text, null)).toEqual(failure('malformed', 'longer'))
  })
})

describe('a name', () => {
  it.each([
    ['one private address', ['10.0.0.1'], 'forbidden'],
    ['a private address among public ones', ['8.8.8.8', '10.0.0.1'], 'forbidden'],
    ['a private IPv6 address beside a public IPv4 one', ['8.8.8.8', 'fd00::1'], 'forbidden'],
    ['something that is no address', ['localhost'], 'forbidden'],
    ['no address', [], 'unavailable'],
  ])('with %s is %s → %s', async (_, resolved, kind) => {
    const addresses = new LnurlAddresses({ resolve: async () => resolved })
    expect(await addresses.probe('alice@wallet.example', null)).toMatchObject({ ok: false, error: { kind } })
  })

  it('that nobody knows is unavailable', async () => {
    const addresses = new LnurlAddresses({ resolve: () => Promise.reject(new Error('ENOTFOUND')) })
    expect(await addresses.probe('alice@wallet.example', null)).toEqual(failure('unavailable', 'ENOTFOUND'))
  })

  it('whose servers are silent is given up in time', async () => {
    let isToldToStop = false
    const addresses = new LnurlAddresses({
      dnsMs: 50,
      resolve: (_, signal) => {
        signal.addEventListener('abort', () => {
          isToldToStop = true
        })
        return new Promise(() => {})
      },
    })
    expect(await addresses.probe('alice@wallet.example', null)).toEqual(failure('unavailable', 'in time'))
    expect(isToldToStop).toBe(true)
  })

  it('that means ourselves is forbidden or unknown, without a resolver of the test’s own', async () => {
    const answer = await new LnurlAddresses().probe('alice@localhost', null)
    expect(answer).toEqual(failure(expect.stringMatching(/^(forbidden|unavailable)$/), 'localhost: has'))
  })

  it('is asked for once a request, and the connection goes where it was checked', async () => {
    const hosts: string[] = []
    const port = await listen(
      createServer((request, response) => {
        hosts.push(request.headers.host ?? '')
        response.end(payDocument(`wallet.test:${port}`, { pr: 'lnbc1' }))
      }),
    )
    const resolved: string[] = []
    const addresses = new LnurlAddresses({
      plainHosts: [`wallet.test:${port}`],
      resolve: async (host) => {
        resolved.push(host)
        return ['127.0.0.1']
      },
    })
    expect(await addresses.invoice(`alice@wallet.test:${port}`, AMOUNT, null)).toMatchObject({ ok: true })
    expect(resolved).toEqual(['wallet.test', 'wallet.test'])
    expect(hosts).toEqual([`wallet.test:${port}`, `wallet.test:${port}`])
  })
})

describe('a service that wants to lead us astray', () => {
  it('F-086: may not redirect us', async () => {
    let asked = 0
    const trap = await serve((_, response) => {
      asked += 1
      response.end()
    })
    const host = await serve((_, response) => response.writeHead(307, { location: `http://${trap}/` }).end())
    expect(await invoice(host, { plainHosts: [host, trap] })).toEqual(failure('forbidden', 'redirects'))
    expect(asked).toBe(0)
  })

  it.each([
    ['the cloud’s metadata', 'http://169.254.169.254/latest'],
    ['the cloud’s metadata over https', 'https://169.254.169.254/latest'],
    ['ourselves', 'https://127.0.0.1/'],
    ['a neighbour on another port', 'http://127.0.0.1:1/'],
    ['clear text', 'http://wallet.example/'],
    ['a user name', 'https://root@wallet.example/'],
    ['a file', 'file:///etc/passwd'],
  ])('may not name a callback at %s, and is found out at the probe', async (_, callback) => {
    const { host, asked } = await serveAnswers({ document: (own) => payDocument(own, { callback }) })
    expect(await invoice(host)).toMatchObject({ ok: false, error: { kind: 'forbidden' } })
    const probed = await new LnurlAddresses({ plainHosts: [host] }).probe(`alice@${host}`, null)
    expect(probed).toMatchObject({ ok: false, error: { kind: 'forbidden' } })
    expect(asked).toHaveLength(2)
  })

  it('may not name a callback whose name leads to a private address', async () => {
    const { host } = await serveAnswers({
      document: (own) => payDocument(own, { callback: 'https://inside.example/' }),
    })
    expect(await invoice(host, { resolve: async () => ['10.0.0.1'] })).toEqual(failure('forbidden', 'not public'))
  })

  it('may not speak TLS with a certificate that nobody vouches for', async () => {
    const pem = readFileSync(new URL('fixtures/self-signed.pem', import.meta.url))
    let asked = 0
    const server = createTlsServer({ key: pem, cert: pem }, (_, response) => {
      asked += 1
      response.end('{}')
    })
    const host = `wallet.test:${await listen(server)}`
    const addresses = new LnurlAddresses({ plainHosts: [host], resolve: async () => ['127.0.0.1'] })
    expect(await addresses.probe(lnurl(`https://${host}/pay`), null)).toEqual(failure('unavailable', 'certificate'))
    expect(asked).toBe(0)
  })
})

describe('a service that wants to wear us out', () => {
  it.each<[string, RequestListener]>([
    ['never answers', () => {}],
    ['sends its head and no body', (_, response) => response.writeHead(200).flushHeaders()],
    ['drips a byte at a time', (_, response) => drip(response)],
  ])('is given up when it %s', async (_, listener) => {
    const host = await serve(listener)
    const startedAt = performance.now()
    expect(await invoice(host, { totalMs: 200 })).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  it('F-086: is read no further than the limit', async () => {
    let sent = 0
    const host = await serve((_, response) => {
      const push = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) sent += 65_536
      }
      response.on('drain', push)
      push()
    })
    expect(await invoice(host, { totalMs: 10_000 })).toEqual(failure('forbidden', 'too large'))
    expect(sent).toBeLessThan(50 * 1024 * 1024)
  })

  it('may not compress what it sends: a small answer stays small', async () => {
    const host = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from('1f8b0800', 'hex')),
    )
    expect(await invoice(host)).toEqual(failure('unavailable', 'no JSON'))
  })

  it('may nest as deep as its answer is long', async () => {
    const { host } = await serveAnswers({ document: () => `${'['.repeat(30_000)}${']'.repeat(30_000)}` })
    expect(await invoice(host)).toMatchObject({ ok: false, error: { kind: 'refused' } })
  })
})

function drip(response: Parameters<RequestListener>[1]): void {
  const timer = setInterval(() => response.write(' '), 10)
  response.on('close', () => clearInterval(timer))
}

describe('a pay document', () => {
  it.each<[string, Record<string, unknown>, string, string]>([
    ['a wrong tag', { tag: 'withdrawRequest' }, 'refused', 'payRequest'],
    ['no tag', { tag: undefined }, 'refused', 'payRequest'],
    ['an error', { status: 'ERROR', reason: 'closed\u001b[31m' }, 'refused', 'closed\\u001b'],
    ['an error without a reason', { status: 'ERROR', reason: { a: 1 } }, 'refused', 'no reason'],
    ['a callback that is no url', { callback: 'pay me' }, 'unavailable', 'callback'],
    ['a callback that is no text', { callback: 7 }, 'unavailable', 'callback'],
    ['limits as text', { minSendable: '1' }, 'unavailable', 'limits'],
    ['no limits', { maxSendable: undefined }, 'unavailable', 'limits'],
    ['limits the wrong way round', { minSendable: 1e12, maxSendable: 1 }, 'refused', 'not within'],
    ['metadata that is no text', { metadata: [['text/plain', 'x']] }, 'unavailable', 'metadata'],
  ])('with %s is turned down', async (_, more, kind, words) => {
    const { host, asked } = await serveAnswers({ document: (own) => payDocument(own, more) })
    expect(await invoice(host)).toEqual(failure(kind, words))
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['null', 'unavailable'],
    ['"text"', 'unavailable'],
    ['7', 'unavailable'],
    ['[]', 'refused'],
    ['<html>', 'unavailable'],
    ['', 'unavailable'],
  ])('that is %s is turned down', async (document, kind) => {
    const { host } = await serveAnswers({ document: () => document })
    expect(await invoice(host)).toMatchObject({ ok: false, error: { kind } })
  })

  it.each([
    [404, 'refused'],
    [400, 'refused'],
    [408, 'unavailable'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [204, 'refused'],
  ])('with status %i is %s', async (status, kind) => {
    const host = await serve((_, response) => response.writeHead(status).end())
    expect(await invoice(host)).toMatchObject({ ok: false, error: { kind } })
  })
})

describe('the answer of a callback', () => {
  it.each([
    ['no invoice', '{}', 'unavailable'],
    ['a number as invoice', '{"pr":21}', 'unavailable'],
    ['an object as invoice', '{"pr":{"toString":"lnbc1"}}', 'unavailable'],
    ['an empty invoice', '{"pr":""}', 'unavailable'],
    ['an invoice too long', `{"pr":"${'l'.repeat(9000)}"}`, 'unavailable'],
    ['null', 'null', 'unavailable'],
    ['an error', '{"status":"ERROR","reason":"no liquidity"}', 'refused'],
  ])('with %s is turned down', async (_, answer, kind) => {
    const { host } = await serveAnswers({ invoice: answer })
    expect(await invoice(host)).toMatchObject({ ok: false, error: { kind } })
  })

  it('comes with the hash of the metadata as it was sent, byte for byte', async () => {
    const { host } = await serveAnswers({})
    expect(await invoice(host)).toEqual({
      ok: true,
      value: {
        request: 'lnbc1',
        // sha256 of [["text/plain","hello"]]
        descriptionHash: 'f83358e5d63756be415a710bc68464504869ce79af486927e1d3e074459f25fb',
      },
    })
  })

  it('is asked for with our amount and comment in place of any that the callback held', async () => {
    const { host, asked } = await serveAnswers({
      document: (own) =>
        payDocument(own, {
          callback: `http://${own}/callback?id=7&amount=1&amount=2&comment=mine`,
          commentAllowed: 5,
        }),
    })
    expect(await invoice(host, {}, 'grüße & more')).toMatchObject({ ok: true })
    expect(asked[1]).toBe(`/callback?id=7&amount=${AMOUNT}&comment=gr%C3%BC%C3%9Fe`)
  })

  it.each([[0], [-3], ['20'], [undefined]])('is asked for without a comment when %j are allowed', async (allowed) => {
    const { host, asked } = await serveAnswers({ document: (own) => payDocument(own, { commentAllowed: allowed }) })
    expect(await invoice(host, {}, 'hello')).toMatchObject({ ok: true })
    expect(asked[1]).toBe(`/callback?amount=${AMOUNT}`)
  })
})
