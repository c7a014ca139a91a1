import { describe, expect, it } from 'vitest'
import { play, RELAY, sign } from './played-relay.ts'

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
    expect(await relays.publish(RELAY, event, 1_000)).toEqual({ kind: 'silent', why: 'the relay does not read' })
    await relays.close()
  })
})
