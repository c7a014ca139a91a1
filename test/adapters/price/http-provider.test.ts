import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { HttpPriceProvider, type HttpProviderId } from '../../../src/adapters/price/http-provider.ts'

const servers: Server[] = []

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function answering(body: string, status = 200): RequestListener {
  return (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

const SHAPES: readonly [HttpProviderId, string, string][] = [
  [
    'yadio',
    '/exrates/BTC',
    '{"BTC":{"USD":63410.55,"ARS":75000000,"CUP":null,"EUR":"54815","XAU":-1,"BTC":1},"base":"BTC","timestamp":1785000000}',
  ],
  [
    'coingecko',
    '/simple/price',
    '{"bitcoin":{"usd":63410.55,"ars":75000000,"clp":null,"eur":"54815","jpy":0,"btc":1}}',
  ],
  [
    'currency_api',
    '/currencies/btc.min.json',
    '{"date":"2026-06-11","btc":{"usd":63410.55,"ars":75000000,"eur":null,"gbp":[1],"btc":1}}',
  ],
  [
    'blockchain',
    '/ticker',
    '{"USD":{"15m":63000,"last":63410.55,"buy":1,"sell":1,"symbol":"USD"},"ARS":{"last":75000000},"EUR":{"last":null},"GBP":7,"BTC":{"last":1}}',
  ],
]

describe('a price source', () => {
  it.each(SHAPES)('reads %s and leaves out what is no price', async (id, path, body) => {
    const asked: string[] = []
    const url = await serve((request, response) => {
      asked.push(request.url ?? '')
      response.end(body)
    })
    const poll = await new HttpPriceProvider({ id, url: `${url}/`, timeoutMs: 5000 }).fetch()
    expect(poll).toEqual({
      ok: true,
      value: {
        quotes: new Map([
          ['USD', 63_410.55],
          ['ARS', 75_000_000],
          ['BTC', 1],
        ]),
        observedAtS: null,
      },
    })
    expect(asked.map((u) => u.split('?')[0])).toEqual([path])
  })

  it.each([
    ['an error status', '{}', 500, 'status 500'],
    ['a rate limit', '{}', 429, 'status 429'],
    ['a page instead of JSON', '<html>', 200, 'JSON'],
    ['a number that JSON does not have', '{"BTC":{"USD":NaN}}', 200, 'JSON'],
    ['an empty object', '{}', 200, 'no quotes'],
    ['prices that are no object', '{"BTC":17}', 200, 'no quotes'],
    ['null', 'null', 200, 'no quotes'],
    ['nothing but nulls', '{"BTC":{"USD":null}}', 200, 'no quotes'],
    ['infinity in disguise', '{"BTC":{"USD":1e999}}', 200, 'no quotes'],
    ['a name that objects inherit', '{"__proto__":{"BTC":{"USD":1}}}', 200, 'no quotes'],
    ['deep nesting', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 200, 'no quotes'],
  ])('fails in words on %s', async (_, body, status, words) => {
    const url = await serve(answering(body, status))
    const poll = await new HttpPriceProvider({ id: 'yadio', url, timeoutMs: 5000 }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringContaining(words) })
  })

  it('does not follow a redirect', async () => {
    let asked = 0
    const target = await serve((_, response) => {
      asked += 1
      response.end('{"BTC":{"USD":1}}')
    })
    const url = await serve((_, response) => response.writeHead(302, { location: target }).end())
    const poll = await new HttpPriceProvider({ id: 'yadio', url, timeoutMs: 5000 }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringContaining('status 302') })
    expect(asked).toBe(0)
  })

  it('stops reading a body without end', async () => {
    let sent = 0
    const url = await serve((_, response) => {
      const push = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536))) sent += 65_536
      }
      response.on('drain', push)
      push()
    })
    const poll = await new HttpPriceProvider({ id: 'yadio', url, timeoutMs: 10_000 }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringContaining('more than 262144 bytes') })
    expect(sent).toBeLessThan(50 * 1024 * 1024)
  })

  it.each([
    ['never answers', (() => {}) as RequestListener],
    ['drips its answer', ((_, response) => void response.write('{"BTC":')) as RequestListener],
  ])('gives up on a server that %s', async (_, listener) => {
    const url = await serve(listener)
    const startedAt = performance.now()
    const poll = await new HttpPriceProvider({ id: 'yadio', url, timeoutMs: 200 }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringContaining('timeout') })
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  it('fails in words on a malformed address', async () => {
    const poll = await new HttpPriceProvider({ id: 'yadio', url: 'no address', timeoutMs: 200 }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringContaining('malformed url') })
  })
})

describe('a price source with mirrors', () => {
  it('asks them in order until one gives quotes', async () => {
    const dead = await serve(answering('{}', 503))
    const empty = await serve(answering('{"btc":{}}'))
    const good = await serve(answering('{"btc":{"usd":63000}}'))
    const unasked = await serve(answering('{"btc":{"usd":1}}'))
    const provider = new HttpPriceProvider({
      id: 'currency_api',
      url: dead,
      fallbackUrls: [empty, good, unasked],
      timeoutMs: 5000,
    })
    expect(await provider.fetch()).toMatchObject({ ok: true, value: { quotes: new Map([['USD', 63_000]]) } })
  })

  it('names every failure when all fail', async () => {
    const dead = await serve(answering('{}', 503))
    const empty = await serve(answering('{"btc":{}}'))
    const poll = await new HttpPriceProvider({
      id: 'currency_api',
      url: dead,
      fallbackUrls: [empty],
      timeoutMs: 5000,
    }).fetch()
    expect(poll).toEqual({ ok: false, error: expect.stringMatching(/status 503; .*no quotes/) })
  })
})

describe('the key of CoinGecko', () => {
  it('goes out in a header and into no error', async () => {
    let header: unknown
    const url = await serve((request, response) => {
      header = request.headers['x-cg-demo-api-key']
      response.writeHead(401).end()
    })
    const poll = await new HttpPriceProvider({ id: 'coingecko', url, apiKey: 'CG-hidden', timeoutMs: 5000 }).fetch()
    expect(header).toBe('CG-hidden')
    expect(JSON.stringify(poll)).not.toContain('CG-hidden')
  })

  it('is told to no other source', async () => {
    let headers: unknown
    const url = await serve((request, response) => {
      headers = request.headers
      response.end('{}')
    })
    await new HttpPriceProvider({ id: 'yadio', url, apiKey: 'CG-hidden', timeoutMs: 5000 }).fetch()
    expect(JSON.stringify(headers)).not.toContain('CG-hidden')
  })
})
