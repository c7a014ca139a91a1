import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { httpRelayInfo, parseRelayInfo, type RelayInfo } from '../../../src/adapters/nostr/relay-info.ts'
import { systemClock } from '../../../src/adapters/system/clock.ts'
import { TestClock } from '../../support/clock.ts'
import { eventually, within } from '../../support/wait.ts'

describe('a NIP-11 document', () => {
  it.each([
    ['{"limitation":{"max_limit":100}}', { maxLimit: 100 }],
    ['{"limitation":{"max_limit":0}}', { maxLimit: null }],
    ['{"limitation":{"max_limit":"100"}}', { maxLimit: null }],
    ['{"limitation":{"max_limit":1.5}}', { maxLimit: null }],
    ['{"limitation":null}', { maxLimit: null }],
    ['{}', { maxLimit: null }],
    ['[]', null],
    ['null', null],
    ['<html>', null],
  ])('%s says %o', (text, info) => {
    expect(parseRelayInfo(text)).toEqual(info)
  })
})

describe('asking a relay for its NIP-11 document', () => {
  let server: http.Server
  let respond: http.RequestListener
  let url: string

  beforeEach(async () => {
    server = http.createServer((request, response) => respond(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const ask = (clock = systemClock): Promise<RelayInfo | null> =>
    within(new Promise((resolve) => void httpRelayInfo(clock)(url, resolve)), 'the document')

  it('asks for the right type and reads the limit', async () => {
    let accept: string | undefined
    respond = (request, response) => {
      accept = request.headers.accept
      response.end('{"limitation":{"max_limit":42}}')
    }
    expect(await ask()).toEqual({ maxLimit: 42 })
    expect(accept).toBe('application/nostr+json')
  })

  it.each<[string, http.RequestListener]>([
    ['is too large', (_, response) => response.end(JSON.stringify({ padding: 'x'.repeat(70_000) }))],
    ['is a redirect', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end('{}')],
    ['is an error', (_, response) => response.writeHead(500).end('{}')],
    ['is no JSON', (_, response) => response.end('hello')],
    [
      'breaks off',
      (_, response) => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
    ],
  ])('gets nothing when the answer %s', async (_, listener) => {
    respond = listener
    expect(await ask()).toBeNull()
  })

  it('gives up when no answer comes in time', async () => {
    const clock = new TestClock()
    let wasAsked = false
    respond = () => {
      wasAsked = true
    }
    const answer = ask(clock)
    await eventually(() => wasAsked, 'the request')
    await clock.advance(5_000)
    expect(await answer).toBeNull()
    expect(clock.pendingCount).toBe(0)
  })

  it('says nothing once it was told to stop', async () => {
    const clock = new TestClock()
    let wasAsked = false
    respond = () => {
      wasAsked = true
    }
    let answers = 0
    const stop = httpRelayInfo(clock)(url, () => {
      answers += 1
    })
    await eventually(() => wasAsked, 'the request')
    stop()
    await clock.advance(10_000)
    expect([answers, clock.pendingCount]).toEqual([0, 0])
  })
})
