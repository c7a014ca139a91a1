/** What every part of the engine is handed: its ports, its store and its secrets. Made once, by the composition root. */
import type { Store } from '../adapters/sqlite/store.ts'
import type { Addresses } from '../ports/addresses.ts'
import type { NodeInfo } from '../ports/lightning.ts'
import type { Relays } from '../ports/relays.ts'
import type { Log, Random } from '../ports/system.ts'
import type { Curves } from '../wire/curves.ts'
import type { ConversationKeyCache } from '../wire/nip44.ts'
import type { Door } from './door.ts'
import type { RateBook } from './rates.ts'
import type { MoneySeed } from './seed.ts'
import type { EngineSettings } from './settings.ts'
import type { WatchedClock } from './watched-clock.ts'

/** The node's own key and what is needed to use it. */
export type NodeKey = {
  readonly secretKey: Uint8Array
  /** x-only hex */
  readonly pubkey: string
  readonly curves: Curves
  readonly keys: ConversationKeyCache
}

/** What the rest of the engine may know of Lightning. */
export interface LightningState {
  /** the node is connected, verified and not halted: requests that need it are served */
  readonly serving: boolean
  /**
   * Resolves when the holds of this order were compared with Lightning since the connection was opened, or it does not
   * answer; null when they were, or there is none to ask. Nothing that a hold decides is accepted before.
   */
  compared(orderId: string): Promise<void> | null
  /** newest facts about the node; null before the first connection of this process */
  readonly node: NodeInfo | null
  /** newest block height we believe in; null before the first */
  readonly heightNow: () => number | null
}

/** Wakes a runner because a commit gave it work. Never does the work itself. */
export type Pokes = {
  executor: () => void
  resolver: () => void
  publisher: () => void
  broadcaster: () => void
}

export type Ctx = {
  readonly store: Store
  readonly door: Door
  readonly clock: WatchedClock
  readonly random: Random
  readonly log: Log
  readonly settings: EngineSettings
  readonly seed: MoneySeed
  readonly key: NodeKey
  readonly relays: Relays
  readonly addresses: Addresses
  readonly rates: RateBook
  readonly lightning: LightningState
  readonly poke: Pokes
  /** new for every process */
  readonly bootId: string
}

/** Unix seconds now. */
export function nowS(ctx: Pick<Ctx, 'clock'>): number {
  return Math.floor(ctx.clock.nowMs() / 1000)
}
