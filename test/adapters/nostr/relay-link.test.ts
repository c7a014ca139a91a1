import { describe, expect, it } from 'vitest'
import { NostrRelays, type NostrRelaysOptions } from '../../../src/adapters/nostr/nostr-relays.ts'
import type { SocketHandlers } from '../../../src/adapters/nostr/socket.ts'
import type { EventTemplate, NostrEvent } from '../../../src/core/protocol.ts'
import { signEvent } from '../../../src/wire/event.ts'
import { TestClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'
import { standInCurves } from '../../support/stand-in-curves.ts'
import { nodeKey } from '../../support/wire-keys.ts'

const URL = 'wss://relay.example'

const sign = (template: EventTemplate): NostrEvent =>
  signEvent(template, nodeKey.secretKey, nodeKey.pubkey, new Uint8Array(32), standInCurves)

/** Opens relays over a socket that the test plays. */
function play(options: Partial<NostrRelaysOptions> = {}) {
  const clock = new TestClock()
  const attemptsAtMs: number[] = []
  const sent: string[] = []
  const changes: string[] = []
  let handlers: SocketHandlers | null = null
  let pings = 0
  const relays = new NostrRelays({
    urls: [URL],
    clock,
    random: seededRandom(3),
    fetchInfo: () => () => {},
    openSocket: (_url, made) => {
      attemptsAtMs.push(clock.nowMs())
      handlers = made
      return {
        send: (text) => sent.push(text),
        bufferedBytes: () => 0,
        ping: () => {
          pings += 1
        },
        pause: () => {},
        close: () => Promise.resolve(),
      }
    },
    ...options,
  })
  relays.open(
    { kinds: [14], limit: 0 },
    { onEvent: () => {}, onUp: () => changes.push('up'), onDown: (_url, why) => changes.push(why) },
  )
  const socket = (): SocketHandlers => {
    if (handlers === null) throw new Error('no attempt yet')
    return handlers
  }
  const connect = (): void => {
    socket().onOpen()
    socket().onText('["EOSE","live-1"]')
  }
  return { clock, relays, attemptsAtMs, sent, changes, socket, connect, pings: () => pings }
}

describe('connecting again', () => {
  /** The connection breaks; how long it takes until the next attempt. */
  const breakAndWait = async ({ clock, attemptsAtMs, socket }: ReturnType<typeof play>): Promise<number> => {
    const brokenAtMs = clock.nowMs()
    const attempts = attemptsAtMs.length
    socket().onClose('broken')
    while (attemptsAtMs.length === attempts && clock.nowMs() - brokenAtMs < 100_000) await clock.advance(1)
    return clock.nowMs() - brokenAtMs
  }

  it('waits longer after each failure, never more than a minute, and scatters the waits', async () => {
    const played = play()
    const waits: number[] = []
    for (let i = 0; i < 9; i++) {
      const waitMs = await breakAndWait(played)
      const fullMs = Math.min(60_000, 1_000 * 2 ** i)
      expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2)
      expect(waitMs).toBeLessThanOrEqual(fullMs)
      waits.push(waitMs)
    }
    expect(new Set(waits.slice(-3)).size).toBe(3)
    expect(played.changes).toEqual(['broken'])
    await played.relays.close()
  })

  it('is soon again after a connection that lasted, not after one that broke at once', async () => {
    const played = play()
    for (let i = 0; i < 5; i++) {
      played.connect()
      await breakAndWait(played)
    }
    played.connect()
    expect(await breakAndWait(played)).toBeGreaterThan(10_000)
    played.connect()
    for (let i = 0; i < 7; i++) {
      await played.clock.advance(10_000)
      played.socket().onPong()
    }
    expect(await breakAndWait(played)).toBeLessThanOrEqual(1_000)
    await played.relays.close()
  })

  it('is tried when a connection does not open in time', async () => {
    const { clock, relays, attemptsAtMs, changes } = play()
    await clock.advance(11_000)
    expect(changes).toEqual(['no connection in time'])
    expect(attemptsAtMs).toHaveLength(2)
    await relays.close()
  })
})

describe('a connection', () => {
  it('is kept while pongs come, and not pinged while we do not read', async () => {
    const { clock, relays, changes, connect, pings, socket } = play()
    connect()
    for (let i = 0; i < 3; i++) {
      await clock.advance(30_000)
      socket().onPong()
    }
    expect(pings()).toBe(3)
    relays.pause(true)
    await clock.advance(300_000)
    expect([pings(), changes]).toEqual([3, ['up']])
    relays.pause(false)
    await clock.advance(60_000)
    expect(changes).toEqual(['up', 'no pong in time'])
    await relays.close()
  })

  it('leaves no timer behind when closed in any state', async () => {
    for (const arrange of [
      () => {},
      ({ socket }: ReturnType<typeof play>) => socket().onOpen(),
      ({ connect }: ReturnType<typeof play>) => connect(),
      ({ socket }: ReturnType<typeof play>) => socket().onClose('refused'),
    ]) {
      const played = play()
      arrange(played)
      await played.relays.close()
      await played.relays.close()
      expect(played.clock.pendingCount).toBe(0)
    }
  })

  it('signs a few challenges and no more', async () => {
    const { relays, sent, connect, socket } = play({
      authenticate: sign,
    })
    connect()
    for (let i = 0; i < 50; i++) socket().onText(`["AUTH","challenge ${i}"]`)
    expect(sent.filter((text) => text.startsWith('["AUTH"'))).toHaveLength(3)
    await relays.close()
  })

  it('is down while its authentication is under way, and up when it is done', async () => {
    const { relays, sent, changes, socket } = play({
      authenticate: sign,
    })
    socket().onOpen()
    socket().onText('["AUTH","challenge"]')
    socket().onText('["EOSE","live-1"]')
    expect(changes).toEqual([])
    const answer = JSON.parse(sent.at(-1) ?? '') as [string, { id: string; kind: number; tags: string[][] }]
    expect(answer[1]).toMatchObject({
      kind: 22_242,
      tags: [
        ['relay', URL],
        ['challenge', 'challenge'],
      ],
    })
    socket().onText(JSON.stringify(['OK', answer[1].id, true, '']))
    expect(sent.slice(-2)).toEqual(['["REQ","live-2",{"kinds":[14],"limit":0}]', '["CLOSE","live-1"]'])
    socket().onText('["EOSE","live-2"]')
    expect(changes).toEqual(['up'])
    await relays.close()
  })

  it('whose relay does not read is not written to without end', async () => {
    const { relays } = play({
      openSocket: (_url, handlers) => {
        queueMicrotask(handlers.onOpen)
        return {
          send: () => {},
          bufferedBytes: () => 10_000_000,
          ping: () => {},
          pause: () => {},
          close: () => Promise.resolve(),
        }
      },
    })
    await Promise.resolve()
    const event = sign({ kind: 1, created_at: 1, tags: [], content: '' })
    expect(await relays.publish(URL, event, 1_000)).toEqual({ kind: 'silent', why: 'the relay does not read' })
    await relays.close()
  })
})
