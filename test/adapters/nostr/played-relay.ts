import { NostrRelays, type NostrRelaysOptions } from '../../../src/adapters/nostr/nostr-relays.ts'
import type { SocketHandlers } from '../../../src/adapters/nostr/socket.ts'
import type { EventTemplate, NostrEvent } from '../../../src/core/protocol.ts'
import { signEvent } from '../../../src/wire/event.ts'
import { TestClock } from '../../support/clock.ts'
import { seededRandom } from '../../support/random.ts'
import { standInCurves } from '../../support/stand-in-curves.ts'
import { nodeKey } from '../../support/wire-keys.ts'

export const RELAY = 'wss://relay.example'

export const sign = (template: EventTemplate): NostrEvent =>
  signEvent(template, nodeKey.secretKey, nodeKey.pubkey, new Uint8Array(32), standInCurves)

/** Opens one relay over a socket whose far end the test plays frame by frame. */
export function play(options: Partial<NostrRelaysOptions> = {}) {
  const clock = new TestClock()
  const attemptsAtMs: number[] = []
  const sent: string[] = []
  const changes: string[] = []
  let handlers: SocketHandlers | null = null
  let pings = 0
  const relays = new NostrRelays({
    urls: [RELAY],
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
