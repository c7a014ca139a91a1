import type { Lookup, Watch } from '../../ports/lightning.ts'
import type { Channel } from './channel.ts'
import { classify, explain } from './classification.ts'
import { describeEvidence, type Evidence } from './evidence.ts'
import { rpcUri } from './rpcs.ts'
import { noAnswer } from './verbs/answer.ts'

/**
 * LND's block stream, open for as long as its channel lives. LND refuses keepalive pings on a connection without a stream,
 * so each channel has one; when it ends, the channel is closed, for LND ends it only when it stops (money-path.md 1.12).
 */
export class BlockFeed {
  /** The tip, or why there is none. */
  readonly opened: Promise<Lookup<number>>
  readonly #listeners = new Set<(height: number) => void>()
  #height: number | null = null

  constructor(channel: Channel) {
    this.opened = new Promise((resolve) => {
      const failed = (evidence: Evidence) => resolve(noAnswer(explain(classify('read', evidence), evidence)))
      const without = (details: string): Evidence => ({ kind: 'other', uri: rpcUri('blocks'), details })
      channel.stream(
        'blocks',
        {},
        {
          onMessage: ({ height }) => {
            resolve({ ok: true, value: height })
            this.#announce(height)
          },
          onEnd: (evidence) => {
            failed(evidence ?? without('LND ended the block stream'))
            channel.close(`LND ended the block stream${evidence === null ? '' : ` (${describeEvidence(evidence)})`}`)
          },
        },
      )
    })
  }

  /** The last known height soon, then every new one. */
  watch(onHeight: (height: number) => void): Watch {
    const listener = (height: number) => onHeight(height)
    this.#listeners.add(listener)
    queueMicrotask(() => {
      if (this.#height !== null && this.#listeners.has(listener)) listener(this.#height)
    })
    return { close: () => this.#listeners.delete(listener) }
  }

  #announce(height: number): void {
    this.#height = height
    for (const listener of [...this.#listeners]) listener(height)
  }
}
