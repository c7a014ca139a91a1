/**
 * Relays without sockets, on a clock that a simulation owns. The client's side is the real adapter and the relay's side
 * the embedded relay's own core; only the wire between them is simulated, so both behave as they do in production.
 */
import { NostrRelays, type NostrRelaysOptions } from '../../adapters/nostr/nostr-relays.ts'
import { parseRelayInfo } from '../../adapters/nostr/relay-info.ts'
import { normalizeRelayUrl } from '../../adapters/nostr/relay-url.ts'
import type { OpenSocket } from '../../adapters/nostr/socket.ts'
import { assert } from '../../core/assert.ts'
import type { Clock, Random } from '../../ports/system.ts'
import type { ControlledRelay } from './controlled-relay.ts'
import { RelayCore, type RelayCoreOptions, type RelayInlet } from './relay-core.ts'
import { SimPipe } from './sim-pipe.ts'

type Line = { readonly upstream: SimPipe; readonly cut: () => void }

/** One simulated relay. */
export class SimRelay implements ControlledRelay {
  readonly url: string
  readonly core: RelayCore
  isAway = false
  isFrozen = false
  readonly lines = new Set<Line>()

  constructor(url: string, options: RelayCoreOptions) {
    this.url = url
    this.core = new RelayCore(options)
  }

  goAway(): Promise<void> {
    this.isAway = true
    for (const line of [...this.lines]) line.cut()
    return Promise.resolve()
  }

  comeBack(): Promise<void> {
    this.isAway = false
    return Promise.resolve()
  }

  freeze(frozen: boolean): void {
    this.isFrozen = frozen
    for (const line of this.lines) line.upstream.hold(frozen)
  }
}

export type SimRelayNetworkOptions = {
  readonly clock: Clock
  /** how long a message travels in one direction; asked for each; 10 ms when absent. Order within a line is kept. */
  readonly latencyMs?: () => number
}

/** Simulated relays and the lines to them. Deterministic if its clock and `latencyMs` are. */
export class SimRelayNetwork {
  readonly #clock: Clock
  readonly #latencyMs: () => number
  readonly #relays = new Map<string, SimRelay>()

  constructor(options: SimRelayNetworkOptions) {
    this.#clock = options.clock
    this.#latencyMs = options.latencyMs ?? (() => 10)
  }

  /** Puts up a relay; `verify: () => true` makes a simulation fast where nobody forges. */
  add(url: string, options: Omit<RelayCoreOptions, 'clock'> = {}): SimRelay {
    const normalized = normalizeRelayUrl(url)
    assert(normalized.ok && !this.#relays.has(normalized.value), `not a new relay: ${url}`)
    const relay = new SimRelay(normalized.value, { ...options, clock: this.#clock })
    this.#relays.set(relay.url, relay)
    return relay
  }

  relays(): readonly SimRelay[] {
    return [...this.#relays.values()]
  }

  /** The port `Relays` for one party, to the relays it names, or to all of them. */
  client(options: {
    readonly random: Random
    readonly urls?: readonly string[]
    readonly authenticate?: NostrRelaysOptions['authenticate']
    readonly timing?: NostrRelaysOptions['timing']
  }): NostrRelays {
    const { authenticate, random, timing, urls } = options
    return new NostrRelays({
      urls: urls ?? [...this.#relays.keys()],
      clock: this.#clock,
      random,
      ...(authenticate === undefined ? {} : { authenticate }),
      ...(timing === undefined ? {} : { timing }),
      openSocket: this.openSocket,
      fetchInfo: (url, done) => this.#clock.after(2 * this.#latencyMs(), () => done(this.#infoOf(url))),
    })
  }

  #infoOf(url: string): ReturnType<typeof parseRelayInfo> {
    const relay = this.#relays.get(url)
    return relay === undefined || relay.isAway || relay.isFrozen
      ? null
      : parseRelayInfo(JSON.stringify(relay.core.info()))
  }

  /** Connects to a simulated relay as the adapter does; for clients of a simulation's own. */
  readonly openSocket: OpenSocket = (url, handlers) => {
    const relay = this.#relays.get(url)
    const upstream = new SimPipe(this.#clock, this.#latencyMs)
    const downstream = new SimPipe(this.#clock, this.#latencyMs)
    let inlet: RelayInlet | null = null
    let isOver = false

    const line: Line = {
      upstream,
      cut: () => {
        if (isOver) return
        leave()
        downstream.push(() => {
          downstream.stop()
          handlers.onClose('connection reset')
        })
      },
    }
    const leave = (): void => {
      isOver = true
      upstream.stop()
      relay?.lines.delete(line)
      inlet?.gone()
    }
    const arrive = (): void => {
      if (relay === undefined || relay.isAway) {
        isOver = true
        downstream.push(() => handlers.onClose('connection refused'))
        return
      }
      relay.lines.add(line)
      downstream.push(handlers.onOpen)
      const peer = {
        send: (text: string) => {
          if (!relay.isFrozen && !isOver) downstream.push(() => handlers.onText(text))
        },
        cut: line.cut,
      }
      inlet = relay.core.connect(peer, url)
      upstream.hold(relay.isFrozen)
    }
    upstream.push(arrive)

    return {
      send: (text) => upstream.push(() => inlet?.receive(text)),
      bufferedBytes: () => 0,
      ping: () => upstream.push(() => downstream.push(handlers.onPong)),
      pause: (paused) => downstream.hold(paused),
      close: () => {
        downstream.stop()
        upstream.push(leave)
        return Promise.resolve()
      },
    }
  }
}
