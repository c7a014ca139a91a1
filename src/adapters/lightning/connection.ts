import type { HoldPlan, LightningConnection, Lookup, PayPlan } from '../../ports/lightning.ts'
import type { Clock } from '../../ports/system.ts'
import { BlockFeed } from './block-feed.ts'
import type { Calls } from './calls.ts'
import { Channel } from './channel.ts'
import { classify, explain } from './classification.ts'
import type { LndTarget } from './config.ts'
import { RPCS } from './rpcs.ts'
import { noAnswer } from './verbs/answer.ts'
import { cancelHold } from './verbs/cancel-hold.ts'
import { createHold } from './verbs/create-hold.ts'
import { htlcsResolved } from './verbs/htlcs-resolved.ts'
import { listHolds } from './verbs/list-holds.ts'
import { listPayments } from './verbs/list-payments.ts'
import { lookupHold } from './verbs/lookup-hold.ts'
import { lookupPayment } from './verbs/lookup-payment.ts'
import { nodeInfo } from './verbs/node-info.ts'
import { type PayTimings, pay } from './verbs/pay.ts'
import { settleHold } from './verbs/settle-hold.ts'
import { watchHold } from './verbs/watch-hold.ts'

/** What a connection takes from its surroundings. */
export type LndSurroundings = {
  readonly clock: Clock
  readonly payTimings: PayTimings
}

/** All of opening; the reads inside have the same limit of their own. */
const OPEN_MS = 10_000

/**
 * Opens a connection of two channels, one for payments and one for the rest, and proves that both answer. When either
 * breaks, both are closed, `lost` settles, and everything after it is refused with class S.
 */
export async function openConnection(target: LndTarget, around: LndSurroundings): Promise<Lookup<LightningConnection>> {
  let settleLost: (reason: string) => void = () => {}
  const lost = new Promise<string>((resolve) => {
    settleLost = resolve
  })
  const close = (reason: string): void => {
    main.close(reason)
    payments.close(reason)
    settleLost(reason)
  }
  const main = new Channel(target, close)
  const payments = new Channel(target, close)
  const calls: Calls = {
    unary: (name, request) => (RPCS[name].channel === 'main' ? main : payments).unary(name, request),
    stream: (name, request, listener) =>
      (RPCS[name].channel === 'main' ? main : payments).stream(name, request, listener),
    isLost: () => main.isLost() || payments.isLost(),
  }

  const blocks = new BlockFeed(main, around.clock, OPEN_MS)
  const paymentBlocks = new BlockFeed(payments, around.clock, OPEN_MS)
  const [info, ...feeds] = await Promise.all([nodeInfo(calls), blocks.opened, paymentBlocks.opened])
  const silent = feeds.find((feed) => !feed.ok)
  if (silent !== undefined && !silent.ok) {
    close('it could not be opened')
    return noAnswer(explain(classify('read', silent.error), silent.error))
  }
  if (!info.ok) {
    close('it could not be opened')
    return info
  }
  main.guard()
  payments.guard()
  if (calls.isLost()) return noAnswer(await lost)

  return {
    ok: true,
    value: {
      lost,
      nodeInfo: () => nodeInfo(calls),
      createHold: (plan: HoldPlan) => createHold(calls, around.clock.nowMs(), plan),
      settleHold: (preimage) => settleHold(calls, preimage),
      cancelHold: (hash) => cancelHold(calls, hash),
      lookupHold: (hash) => lookupHold(calls, hash),
      listHolds: (query) => listHolds(calls, query),
      watchHold: (hash, onFact) => watchHold(calls, hash, onFact),
      pay: (plan: PayPlan, startedAtMs, onAck) => pay(calls, around.clock, around.payTimings, plan, startedAtMs, onAck),
      lookupPayment: (hash) => lookupPayment(calls, hash),
      listPayments: (createdSinceS) => listPayments(calls, createdSinceS),
      watchBlocks: (onHeight) => blocks.watch(onHeight),
      htlcsResolved: (hash) => htlcsResolved(calls, hash),
      close: () => close('it was closed'),
    },
  }
}
