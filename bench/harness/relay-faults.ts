/** What a relay can do to its clients without breaking a rule. */
import type { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'

/** Stores and hands on what it gets, but every client that connects from now on hears each OK so much later. */
export function delayOks({ core }: EmbeddedRelay, ms: () => number): void {
  const connect = core.connect.bind(core)
  core.connect = (peer, address) =>
    connect(
      {
        send: (text) => {
          const waitMs = text.startsWith('["OK"') ? ms() : 0
          if (waitMs === 0) peer.send(text)
          else setTimeout(() => peer.send(text), waitMs)
        },
        cut: () => peer.cut(),
      },
      address,
    )
}

/** Takes nothing and says nothing to whoever publishes, until taken back. */
export function hang({ core }: EmbeddedRelay): () => void {
  return core.faults.onPublish(() => ({ kind: 'ignore' }))
}
