/** Two worlds in which the relay contract holds: real sockets and real time, simulated lines and virtual time. */
import { randomBytes } from 'node:crypto'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { NostrRelays, type NostrRelaysOptions } from '../../src/adapters/nostr/nostr-relays.ts'
import type { Clock, Random } from '../../src/ports/system.ts'
import type { ControlledRelay } from '../../src/sandbox/relay/controlled-relay.ts'
import { EmbeddedRelay } from '../../src/sandbox/relay/embedded-relay.ts'
import type { RelayCoreOptions } from '../../src/sandbox/relay/relay-core.ts'
import { SimRelayNetwork } from '../../src/sandbox/relay/sim-relays.ts'

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

/** The system's clock and chance. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
}
export const realRandom: Random = { bytes: (n) => new Uint8Array(randomBytes(n)) }

/** Time that passes only when told to; tasks of one moment run in the order in which they were set. */
export class VirtualClock implements Clock {
  #nowMs: number
  #tasks: { readonly atMs: number; readonly task: () => void }[] = []

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, task }
    const at = this.#tasks.findIndex((other) => other.atMs > entry.atMs)
    this.#tasks.splice(at === -1 ? this.#tasks.length : at, 0, entry)
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry)
    }
  }

  /** Runs the next task and all promises that follow from it; false when there is none. */
  async step(): Promise<boolean> {
    const next = this.#tasks.shift()
    if (next === undefined) return false
    this.#nowMs = next.atMs
    next.task()
    await setImmediate()
    return true
  }
}

/** The same bytes for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const byte = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) & 0xff
  }
  return { bytes: (n) => Uint8Array.from({ length: n }, byte) }
}

/** The adapter over WebSockets to embedded relays. */
export function realWorld(): RelayWorld {
  const toClose: (() => Promise<void>)[] = []
  const until = async (condition: () => boolean, what: string): Promise<void> => {
    const endMs = Date.now() + DEADLINE_MS
    while (!condition()) {
      if (Date.now() > endMs) throw new Error(`did not happen in time: ${what}`)
      await delay(1)
    }
  }
  return {
    clock: realClock,
    relay: async (options = {}) => {
      const relay = await EmbeddedRelay.start({ ...options, clock: realClock })
      toClose.push(() => relay.close())
      return relay
    },
    connect: (relays, options = {}) => {
      const { timing, ...rest } = options
      const made = new NostrRelays({
        ...rest,
        urls: relays.map(({ url }) => url),
        clock: realClock,
        random: realRandom,
        timing: { ...TIMING, ...timing },
      })
      toClose.unshift(() => made.close())
      return made
    },
    until,
    settled: async (promise) => {
      let isSettled = false
      const note = (): void => {
        isSettled = true
      }
      promise.then(note, note)
      await until(() => isSettled, 'a promise settles')
      return promise
    },
    close: async () => {
      for (const close of toClose) await close()
    },
  }
}

/** The same adapter over simulated lines to the same relay logic. */
export function simulatedWorld(): RelayWorld {
  const clock = new VirtualClock(1_785_000_000_000)
  const network = new SimRelayNetwork({ clock })
  const toClose: (() => Promise<void>)[] = []
  let count = 0
  const until = async (condition: () => boolean, what: string): Promise<void> => {
    const endMs = clock.nowMs() + DEADLINE_MS
    while (!condition()) {
      if (!(await clock.step()) || clock.nowMs() > endMs) throw new Error(`did not happen in time: ${what}`)
    }
  }
  return {
    clock,
    relay: (options) => Promise.resolve(network.add(`wss://relay-${++count}.example`, options)),
    connect: (relays, options = {}) => {
      const { timing, ...rest } = options
      const made = network.client({
        ...rest,
        urls: relays.map(({ url }) => url),
        random: seededRandom(1),
        timing: { ...TIMING, ...timing },
      })
      toClose.push(() => made.close())
      return made
    },
    until,
    settled: async (promise) => {
      let isSettled = false
      const note = (): void => {
        isSettled = true
      }
      promise.then(note, note)
      await setImmediate()
      await until(() => isSettled, 'a promise settles')
      return promise
    },
    close: async () => {
      for (const close of toClose) await close()
    },
  }
}
