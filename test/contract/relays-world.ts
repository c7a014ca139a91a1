/** Two worlds in which the relay contract holds: real sockets and real time, simulated lines and virtual time. */
import { NostrRelays, type NostrRelaysOptions } from '../../src/adapters/nostr/nostr-relays.ts'
import { systemClock } from '../../src/adapters/system/clock.ts'
import type { Clock } from '../../src/ports/system.ts'
import type { ControlledRelay } from '../../src/sandbox/relay/controlled-relay.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import type { RelayCoreOptions } from '../../src/sandbox/relay/relay-core.ts'
import { SimRelayNetwork } from '../../src/sandbox/relay/sim-relays.ts'
import { TestClock } from '../support/clock.ts'
import { seededRandom } from '../support/random.ts'
import { eventually, within } from '../support/wait.ts'

export type ConnectOptions = Pick<NostrRelaysOptions, 'authenticate' | 'timing'>

export interface RelayWorld {
  readonly clock: Clock
  relay(options?: Omit<RelayCoreOptions, 'clock'>): Promise<ControlledRelay>
  /** A party's relays, not opened yet. */
  connect(relays: readonly ControlledRelay[], options?: ConnectOptions): NostrRelays
  /** Lets time pass until the condition holds; rejects after ten seconds. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Lets time pass until the promise settles; rejects after ten seconds. */
  settled<T>(promise: Promise<T>): Promise<T>
  /** Ends all that was made here. */
  close(): Promise<void>
}

const DEADLINE_MS = 10_000

/** Waits short enough for tests; nothing here makes a healthy relay look dead. */
const TIMING = { connectMs: 5_000, settleMs: 400, pingMs: 10_000, retryFirstMs: 10, retryMaxMs: 50, stableMs: 1_000 }

/** The adapter over WebSockets to embedded relays. */
export function realWorld(): RelayWorld {
  const toClose: (() => Promise<void>)[] = []
  return {
    clock: systemClock,
    relay: async (options = {}) => {
      const relay = await EmbeddedRelay.start({ ...options, clock: systemClock })
      toClose.push(() => relay.close())
      return relay
    },
    connect: (relays, { timing, ...options } = {}) => {
      const made = new NostrRelays({
        ...options,
        urls: relays.map(({ url }) => url),
        clock: systemClock,
        random: seededRandom(1),
        timing: { ...TIMING, ...timing },
      })
      toClose.unshift(() => made.close())
      return made
    },
    until: (condition, what) => eventually(condition, what, DEADLINE_MS),
    settled: (promise) => within(promise, 'a promise to settle', DEADLINE_MS),
    close: async () => {
      for (const close of toClose) await close()
    },
  }
}

/** The same adapter over simulated lines to the same relay logic. */
export function simulatedWorld(): RelayWorld {
  const clock = new TestClock()
  const network = new SimRelayNetwork({ clock })
  const made: NostrRelays[] = []
  const until = async (condition: () => boolean, what: string): Promise<void> => {
    const endMs = clock.nowMs() + DEADLINE_MS
    while (!condition()) {
      if (clock.nowMs() > endMs) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`)
      await clock.advance(5)
    }
  }
  return {
    clock,
    relay: (options) => Promise.resolve(network.add(`wss://relay-${network.relays().length}.example`, options)),
    connect: (relays, { timing, ...options } = {}) => {
      const client = network.client({
        ...options,
        urls: relays.map(({ url }) => url),
        random: seededRandom(1),
        timing: { ...TIMING, ...timing },
      })
      made.push(client)
      return client
    },
    until,
    settled: async (promise) => {
      let isSettled = false
      const note = (): void => {
        isSettled = true
      }
      promise.then(note, note)
      await clock.advance(0)
      await until(() => isSettled, 'a promise to settle')
      return promise
    },
    close: async () => {
      await Promise.all(made.map((client) => client.close()))
    },
  }
}
