import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import { finalizeEvent, type VerifiedEvent } from 'nostr-tools/pure'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { systemClock } from '../../../src/adapters/system/clock.ts'
import { EmbeddedRelay } from '../../../src/sandbox/relay/embedded-relay.ts'
import { eventually, within } from '../../support/wait.ts'
import { nodeKey, tradeKey } from '../../support/wire-keys.ts'

useWebSocketImplementation(WebSocket)

describe('the embedded relay', () => {
  let relay: EmbeddedRelay
  let pool: SimplePool

  beforeEach(async () => {
    relay = await EmbeddedRelay.start({ clock: systemClock })
    pool = new SimplePool()
  })
  afterEach(async () => {
    pool.destroy()
    await relay.close()
  })

  const make = (content: string, key = tradeKey): VerifiedEvent =>
    finalizeEvent(
      { kind: 14, created_at: Math.floor(Date.now() / 1000), tags: [['p', nodeKey.pubkey]], content },
      key.secretKey,
    )
  const publish = (event: VerifiedEvent) => within(Promise.all(pool.publish([relay.url], event)), 'the OK')

  it('serves the client library that most clients use: publish, subscribe, ask for the past', async () => {
    const heard: string[] = []
    let wasComplete = false
    const subscription = pool.subscribe(
      [relay.url],
      { kinds: [14], '#p': [nodeKey.pubkey], limit: 0 },
      {
        onevent: ({ content }) => heard.push(content),
        oneose: () => {
          wasComplete = true
        },
      },
    )
    await eventually(() => wasComplete, 'EOSE')
    await publish(make('hello'))
    await eventually(() => heard.length === 1, 'the message')
    const found = await within(pool.querySync([relay.url], { authors: [tradeKey.pubkey] }), 'the answer')
    expect(found.map(({ content }) => content)).toEqual(['hello'])
    subscription.close()
    await eventually(() => relay.core.subscriptions().length === 0, 'the subscription to end')
  })

  it('tells that client what it refuses', async () => {
    relay.core.faults.refuse(() => true, 'blocked: not today')
    await expect(publish(make('hello'))).rejects.toThrow('blocked: not today')
  })

  it('lets that client prove its key', async () => {
    relay.core.auth = { toRead: false, toWrite: true }
    const published = pool.publish([relay.url], make('hello'), {
      onauth: (template) => Promise.resolve(finalizeEvent(template, tradeKey.secretKey)),
    })
    await within(Promise.all(published), 'the OK')
    expect(relay.core.events()).toHaveLength(1)
  })

  it('describes itself over HTTP, to web pages too', async () => {
    const address = relay.url.replace('ws', 'http')
    const response = await fetch(address, { headers: { accept: 'application/nostr+json' } })
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(await response.json()).toMatchObject({ supported_nips: [1, 11, 40, 42], limitation: { max_limit: 500 } })
    expect((await fetch(address, { method: 'OPTIONS' })).status).toBe(204)
    expect(await (await fetch(address)).text()).toContain('Nostr relay')
  })

  it('comes back at the same address with what it stored', async () => {
    await publish(make('hello'))
    const { url } = relay
    await relay.goAway()
    await relay.goAway()
    await expect(within(Promise.all(new SimplePool().publish([url], make('x'))), 'a failure')).rejects.toThrow()
    await relay.comeBack()
    await relay.comeBack()
    expect(relay.url).toBe(url)
    expect(relay.core.events()).toHaveLength(1)
    pool.destroy()
    pool = new SimplePool()
    await publish(make('again'))
    expect(relay.core.events()).toHaveLength(2)
  })

  it('does not start where another one listens', async () => {
    const port = Number(new URL(relay.url).port)
    await expect(EmbeddedRelay.start({ clock: systemClock, port })).rejects.toThrow('EADDRINUSE')
  })
})
