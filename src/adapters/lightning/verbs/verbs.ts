import type { LightningConnection, ReadOwnRequest } from '../../../ports/lightning.ts'
import type { Clock } from '../../../ports/system.ts'
import type { Calls } from '../calls.ts'
import type { LndTimings } from '../timings.ts'
import { cancelHold } from './cancel-hold.ts'
import { createHold } from './create-hold.ts'
import { htlcsResolved } from './htlcs-resolved.ts'
import { listHolds } from './list-holds.ts'
import { listPayments } from './list-payments.ts'
import { lookupHold } from './lookup-hold.ts'
import { lookupPayment } from './lookup-payment.ts'
import { nodeInfo } from './node-info.ts'
import { pay } from './pay.ts'
import { settleHold } from './settle-hold.ts'
import { watchHold } from './watch-hold.ts'

/** All of the port that is a call to LND; a connection adds what it knows about itself. */
export function verbsOver(
  calls: Calls,
  clock: Clock,
  timings: LndTimings,
  readRequest: ReadOwnRequest,
): Omit<LightningConnection, 'lost' | 'watchBlocks' | 'close'> {
  return {
    nodeInfo: () => nodeInfo(calls),
    createHold: (plan) => createHold(calls, clock.nowMs(), plan, readRequest),
    settleHold: (preimage) => settleHold(calls, preimage),
    cancelHold: (hash) => cancelHold(calls, hash),
    lookupHold: (hash) => lookupHold(calls, hash),
    listHolds: (query, onPage) => listHolds(calls, query, onPage),
    watchHold: (hash, onFact) => watchHold(calls, hash, onFact),
    pay: (plan, startedAtMs, onAck) => pay(calls, clock, timings, plan, startedAtMs, onAck),
    lookupPayment: (hash) => lookupPayment(calls, hash),
    listPayments: (createdSinceS) => listPayments(calls, createdSinceS),
    htlcsResolved: (hash) => htlcsResolved(calls, hash),
  }
}
