/** What can go wrong in a simulated world: every kind under its name, drawn from dice and let loose on the world. */
import type { Fault as CallFault, LndMethod } from '../../src/sandbox/lightning/control.ts'
import type { ServiceFault } from '../../src/sandbox/lnurl/pay-document.ts'
import type { SimRelay } from '../../src/sandbox/relay/sim-relays.ts'
import type { EngineWorld } from '../support/engine-world.ts'
import type { Dice } from './dice.ts'
import { flood } from './strangers.ts'

/** One thing that goes wrong; plain data, so that a story can be told and shrunk. */
export type Fault = {
  readonly kind: FaultKind
  /** since the beginning of the run */
  readonly atMs: number
  /** how long it lasts, or how late something comes */
  readonly forMs: number
  /** which of several: relay, cut point, payee, block */
  readonly nth: number
  readonly method: LndMethod
}

/** Where a fault acts: the world, and the simulation's own switches. */
export type Stage = {
  readonly world: EngineWorld
  /** The power goes at the `nth` point from now on that fits, and comes back after `downMs`. */
  readonly cutPower: (at: PowerPoint, nth: number, downMs: number) => void
  /** Runs `task` after so many virtual ms; it also runs when the storm is over, if it had not before. */
  readonly later: (afterMs: number, task: () => void) => void
  /** Commits fail with this code until told otherwise. */
  readonly failCommits: (code: string | null) => void
}

/**
 * Where the power goes: around any transaction, around one about money, around a call that moves money, around a relay; or
 * when a missed message was noted as in hand and is not handled yet.
 */
export type PowerPoint = `${'after' | 'before'}-${'commit' | 'money-commit' | 'call' | 'publish'}` | 'after-in-hand'

type Kind = {
  /** how often it is drawn, relative to the others */
  readonly weight: number
  readonly lasts: readonly [number, number]
  readonly unleash: (fault: Fault, stage: Stage) => void
}

const MONEY_METHODS: readonly LndMethod[] = [
  'AddHoldInvoice',
  'SettleInvoice',
  'CancelInvoice',
  'SendPaymentV2',
  'TrackPaymentV2',
  'LookupInvoiceV2',
  'SubscribeSingleInvoice',
  'ListInvoices',
  'GetInfo',
]
const STREAMS: readonly LndMethod[] = ['SubscribeSingleInvoice', 'SendPaymentV2', 'TrackPaymentV2']
const MS = { second: 1000, minute: 60_000, hour: 3_600_000 } as const

const power =
  (at: PowerPoint): Kind['unleash'] =>
  ({ nth, forMs }, { cutPower }) =>
    cutPower(at, nth, forMs)

/** As if a message killed its daemon whenever it is handled: the first end notes it, two that it is alone in are enough. */
const poisoned: Kind['unleash'] = ({ forMs }, { cutPower }) => {
  cutPower('after-commit', 0, forMs)
  for (let n = 0; n < POISON_ENDS; n += 1) cutPower('after-in-hand', 0, MS.second)
}

const call =
  (faultOf: (fault: Fault) => CallFault): Kind['unleash'] =>
  (fault, { world }) =>
    world.network.faults.next(fault.method, faultOf(fault), 1 + (fault.nth % 2))

/** Something about the node that is undone after a while. */
const node =
  (begin: (world: EngineWorld) => void, end: (world: EngineWorld) => void = () => undefined): Kind['unleash'] =>
  ({ forMs }, { world, later }) => {
    if (world.network.node.state() !== 'ready') return
    begin(world)
    later(forMs, () => end(world))
  }

const relay =
  (begin: (relay: SimRelay, fault: Fault) => () => void): Kind['unleash'] =>
  (fault, { world, later }) => {
    const chosen = world.relays[fault.nth % world.relays.length]
    if (chosen === undefined) return
    later(fault.forMs, begin(chosen, fault))
  }

const address =
  (fault: ServiceFault): Kind['unleash'] =>
  ({ forMs }, { world, later }) => {
    world.addressFault = () => fault
    later(forMs, () => {
      world.addressFault = () => null
    })
  }

const skew =
  (sign: 1 | -1): Kind['unleash'] =>
  ({ forMs, nth }, { world, later }) => {
    const byMs = sign * (nth + 1) * 10 * MS.minute
    world.hostSkewMs += byMs
    later(forMs, () => {
      world.hostSkewMs -= byMs
    })
  }

const unlock = ({ network }: EngineWorld): void => {
  const state = network.node.state()
  if (state === 'locked' || state === 'starting') network.node.unlock()
}
const start = ({ network }: EngineWorld): void => {
  if (network.node.state() === 'stopped') network.node.start()
}

/** What routing usually takes of an amount, and more than the daemon may pay. */
const USUAL_PPM = 100
const DEAR_PPM = 5000
const STRANGERS_SEND = 20
const POISON_ENDS = 3

/** A relay's odd third of events, the same ones whatever happens around them. */
const isThird = (id: string): boolean => Number.parseInt(id.slice(0, 2), 16) % 3 === 0

const brief = [MS.second, 20 * MS.second] as const
const long = [10 * MS.second, 2 * MS.minute] as const

const KINDS = {
  'kill-after-commit': { weight: 1, lasts: brief, unleash: power('after-commit') },
  'kill-before-commit': { weight: 1, lasts: brief, unleash: power('before-commit') },
  'kill-after-money-commit': { weight: 3, lasts: brief, unleash: power('after-money-commit') },
  'kill-before-money-commit': { weight: 3, lasts: brief, unleash: power('before-money-commit') },
  'kill-before-call': { weight: 3, lasts: brief, unleash: power('before-call') },
  'kill-after-call': { weight: 3, lasts: brief, unleash: power('after-call') },
  'kill-before-publish': { weight: 1, lasts: brief, unleash: power('before-publish') },
  'kill-after-publish': { weight: 1, lasts: brief, unleash: power('after-publish') },
  'kill-at-one-message': { weight: 4, lasts: brief, unleash: poisoned },
  'kill-for-long': { weight: 1, lasts: [MS.minute, 6 * MS.minute], unleash: power('after-commit') },

  'lnd-no-connection': { weight: 2, lasts: brief, unleash: call(() => ({ kind: 'refuse', with: 'no-connection' })) },
  'lnd-says-locked': { weight: 1, lasts: brief, unleash: call(() => ({ kind: 'refuse', with: 'locked' })) },
  'lnd-says-starting': { weight: 1, lasts: brief, unleash: call(() => ({ kind: 'refuse', with: 'starting' })) },
  'lnd-lost-answer-cut': { weight: 3, lasts: brief, unleash: call(() => ({ kind: 'lose-answer', how: 'cut' })) },
  'lnd-lost-answer-silence': {
    weight: 2,
    lasts: brief,
    unleash: call(() => ({ kind: 'lose-answer', how: 'silence' })),
  },
  'lnd-lost-answer-deadline': {
    weight: 3,
    lasts: brief,
    unleash: call(() => ({ kind: 'lose-answer', how: 'deadline' })),
  },
  'lnd-lost-answer-internal': {
    weight: 2,
    lasts: brief,
    unleash: call(() => ({ kind: 'lose-answer', how: 'internal' })),
  },
  'lnd-swallows': { weight: 2, lasts: brief, unleash: call(() => ({ kind: 'swallow' })) },
  'lnd-delivers-late': {
    weight: 3,
    lasts: [MS.second, 60 * MS.second],
    unleash: call(({ forMs }) => ({ kind: 'deliver-late', ms: forMs })),
  },
  'lnd-slow': {
    weight: 3,
    lasts: [MS.second, 60 * MS.second],
    unleash: call(({ forMs }) => ({ kind: 'slow', ms: forMs })),
  },
  'lnd-twice': { weight: 2, lasts: brief, unleash: call(() => ({ kind: 'twice' })) },
  'lnd-reorders': {
    weight: 1,
    lasts: brief,
    unleash: (fault, { world }) =>
      world.network.faults.next(STREAMS[fault.nth % STREAMS.length] ?? 'SendPaymentV2', { kind: 'reorder' }),
  },
  'lnd-garbage': { weight: 1, lasts: brief, unleash: call(() => ({ kind: 'garbage' })) },
  'lnd-restarts': { weight: 2, lasts: brief, unleash: node(({ network }) => network.node.restart()) },
  'lnd-crashes': { weight: 2, lasts: brief, unleash: node(({ network }) => network.node.restart({ how: 'kill' })) },
  'lnd-away': { weight: 2, lasts: long, unleash: node(({ network }) => network.node.stop('kill'), start) },
  'lnd-locked': { weight: 1, lasts: long, unleash: node(({ network }) => network.node.lock(), unlock) },
  'lnd-starting': {
    weight: 1,
    lasts: brief,
    unleash: node(({ network }) => network.node.restart({ comesBack: 'starting' }), unlock),
  },
  'lnd-cuts': { weight: 2, lasts: brief, unleash: node(({ network }) => network.node.cutConnections()) },
  'lnd-half-open': { weight: 2, lasts: brief, unleash: node(({ network }) => network.node.halfOpenConnections()) },
  'lnd-collects-canceled': {
    weight: 1,
    lasts: brief,
    unleash: node(({ network }) => network.node.restart({ collectCanceled: true })),
  },
  'lnd-peer-offline': {
    weight: 1,
    lasts: long,
    unleash: node(
      ({ network }) => network.node.setPeerOnline(false),
      ({ network }) => network.node.setPeerOnline(true),
    ),
  },
  'blocks-fast': { weight: 1, lasts: brief, unleash: ({ nth }, { world }) => world.network.mine(1 + nth) },

  'payment-fails': {
    weight: 3,
    lasts: brief,
    unleash: ({ nth }, { world }) =>
      world.network.node.scriptPayment('next', {
        kind: 'fail',
        reason:
          (['no-route', 'incorrect-details', 'timeout', 'insufficient-balance', 'error'] as const)[nth % 5] ?? 'error',
        tried: nth % 2 === 0,
      }),
  },
  'payment-fails-twice': {
    weight: 1,
    lasts: brief,
    unleash: (_, { world }) => world.network.node.scriptPayment('next', { kind: 'fail-twice', reason: 'no-route' }),
  },
  'payment-slow': {
    weight: 2,
    lasts: [MS.second, 5 * MS.minute],
    unleash: ({ forMs }, { world }) => world.network.node.scriptPayment('next', { kind: 'slow', ms: forMs }),
  },
  'payment-zombie': {
    weight: 1,
    lasts: long,
    unleash: ({ forMs }, { world, later }) => {
      world.network.node.scriptPayment('next', { kind: 'zombie' })
      later(forMs, () => {
        if (world.network.node.state() === 'ready') world.network.node.restart()
      })
    },
  },
  'payment-in-parts': {
    weight: 1,
    lasts: brief,
    unleash: ({ nth }, { world }) =>
      world.network.node.scriptPayment('next', { kind: 'parts', parts: 2 + (nth % 3), stuck: 0 }),
  },

  'payment-without-liquidity': {
    weight: 1,
    lasts: long,
    // Taking the balance away is not enough: every settle brings what its payout needs.
    unleash: ({ forMs }, { world, later }) => {
      for (let ms = 0; ms < forMs; ms += MS.second)
        later(ms, () =>
          world.network.node.scriptPayment('next', { kind: 'fail', reason: 'insufficient-balance', tried: false }),
        )
    },
  },
  'payment-too-dear': {
    weight: 1,
    lasts: long,
    unleash: ({ forMs }, { world, later }) => {
      world.network.setFeePpm(DEAR_PPM)
      later(forMs, () => world.network.setFeePpm(USUAL_PPM))
    },
  },

  'relay-away': {
    weight: 2,
    lasts: long,
    unleash: relay((it) => {
      // Both act at once: their promises wait for nothing.
      it.goAway().catch(() => undefined)
      return () => {
        it.comeBack().catch(() => undefined)
      }
    }),
  },
  'relay-frozen': {
    weight: 1,
    lasts: long,
    unleash: relay((it) => {
      it.freeze(true)
      return () => it.freeze(false)
    }),
  },
  'relay-loses': {
    weight: 2,
    lasts: long,
    unleash: relay((it) =>
      it.core.faults.onDelivery(({ event, stored }) => (!stored && isThird(event.id) ? [] : null)),
    ),
  },
  'relay-ignores': {
    weight: 2,
    lasts: long,
    unleash: relay((it) => it.core.faults.onPublish((event) => (isThird(event.id) ? { kind: 'ignore' } : null))),
  },
  'relay-delays': {
    weight: 2,
    lasts: long,
    unleash: relay((it, { nth }) => it.core.faults.onDelivery(() => [1000 * (1 + nth)])),
  },
  'relay-duplicates': {
    weight: 2,
    lasts: long,
    unleash: relay((it) => it.core.faults.onDelivery(() => [0, 0, 700])),
  },
  'relay-reorders': {
    weight: 2,
    lasts: long,
    unleash: relay((it) => it.core.faults.onDelivery(({ event }) => [Number.parseInt(event.id.slice(0, 3), 16)])),
  },
  'relay-caps': {
    weight: 1,
    lasts: long,
    unleash: relay((it) => {
      const before = it.core.limits.maxLimit
      it.core.limits.maxLimit = 5
      return () => {
        it.core.limits.maxLimit = before
      }
    }),
  },
  'relay-limits-rate': {
    weight: 1,
    lasts: long,
    unleash: relay((it) => it.core.faults.refuse((event) => isThird(event.id), 'rate-limited: slow down')),
  },
  'relay-loses-ok': {
    weight: 2,
    lasts: long,
    unleash: relay((it) => it.core.faults.onPublish((event) => (isThird(event.id) ? { kind: 'lose-ok' } : null))),
  },
  'relay-cuts': {
    weight: 2,
    lasts: brief,
    unleash: relay((it, { nth }) =>
      it.core.faults.onPublish((event) =>
        isThird(event.id) ? { kind: nth % 2 === 0 ? 'cut-before' : 'cut-after' } : null,
      ),
    ),
  },
  'relay-replays': {
    weight: 2,
    lasts: brief,
    unleash: relay((it) => {
      it.core.replay({ kinds: [14, 1059] })
      return () => undefined
    }),
  },
  'relay-no-eose': {
    weight: 1,
    lasts: long,
    unleash: relay((it) => {
      it.core.faults.withholdEose = true
      return () => {
        it.core.faults.withholdEose = false
      }
    }),
  },

  'address-down': { weight: 1, lasts: long, unleash: address('down') },
  'address-silent': { weight: 1, lasts: long, unleash: address('silent') },
  'address-garbage': { weight: 1, lasts: long, unleash: address('garbage') },

  'strangers-flood': {
    weight: 1,
    lasts: brief,
    unleash: ({ nth }, { world }) => flood(world, STRANGERS_SEND * (1 + nth)),
  },

  'prices-down': {
    weight: 1,
    lasts: long,
    unleash: ({ forMs }, { world, later }) => {
      world.priceFault = 'out of order'
      later(forMs, () => {
        world.priceFault = null
      })
    },
  },

  'clock-forward': { weight: 1, lasts: long, unleash: skew(1) },
  'clock-back': { weight: 1, lasts: long, unleash: skew(-1) },

  'disk-full': {
    weight: 1,
    lasts: brief,
    unleash: ({ forMs }, { failCommits, later }) => {
      failCommits('SQLITE_FULL')
      later(forMs, () => failCommits(null))
    },
  },
  'database-busy': {
    weight: 1,
    lasts: [MS.second, 10 * MS.second],
    unleash: ({ forMs }, { failCommits, later }) => {
      failCommits('SQLITE_BUSY')
      later(forMs, () => failCommits(null))
    },
  },
} as const satisfies Readonly<Record<string, Kind>>

export type FaultKind = keyof typeof KINDS
export const FAULT_KINDS = Object.keys(KINDS) as readonly FaultKind[]

const kindOf = (kind: FaultKind): Kind => KINDS[kind]

/** One fault of the given kinds, some time within the storm. */
export function drawFault(dice: Dice, kinds: readonly FaultKind[], stormMs: number): Fault {
  const weights = Object.fromEntries(kinds.map((kind) => [kind, kindOf(kind).weight])) as Record<FaultKind, number>
  const kind = dice.weighed(weights)
  const [shortest, longest] = kindOf(kind).lasts
  return {
    kind,
    atMs: dice.between(0, stormMs),
    forMs: dice.between(shortest, longest),
    nth: dice.between(0, 11),
    method: dice.pick(MONEY_METHODS),
  }
}

/** Lets a fault loose. */
export function unleash(fault: Fault, stage: Stage): void {
  kindOf(fault.kind).unleash(fault, stage)
}

/** Ends every trouble that still lasts: Lightning and relays are healthy from now on. */
export function calm(world: EngineWorld): void {
  world.network.faults.clear()
  for (const { core } of world.relays) core.faults.clear()
  start(world)
  unlock(world)
}
