import type { LightningConnection, Lookup, ReadOwnRequest } from '../../ports/lightning.ts'
import type { Clock } from '../../ports/system.ts'
import { BlockFeed } from './block-feed.ts'
import type { Calls } from './calls.ts'
import { Channel } from './channel.ts'
import type { LndTarget } from './config.ts'
import { knock } from './knock.ts'
import { RPCS } from './rpcs.ts'
import type { LndTimings } from './timings.ts'
import { noAnswer } from './verbs/answer.ts'
import { nodeInfo } from './verbs/node-info.ts'
import { verbsOver } from './verbs/verbs.ts'

/** What a connection takes from its surroundings. */
export type LndSurroundings = {
  readonly clock: Clock
  readonly timings: LndTimings
  readonly readRequest: ReadOwnRequest
}

/**
 * Opens a connection of two channels, one for payments and one for the rest, and proves that both answer. When either
 * breaks, both are closed, `lost` settles, and everything after it is refused with class S.
 */
export async function openConnection(target: LndTarget, around: LndSurroundings): Promise<Lookup<LightningConnection>> {
  const closedDoor = await knock(target, around.timings.knockMs)
  if (closedDoor !== null) return noAnswer(closedDoor)

  let settleLost: (reason: string) => void = () => {}
  const lost = new Promise<string>((resolve) => {
    settleLost = resolve
  })
  const close = (reason: string): void => {
    main.close(reason)
    payments.close(reason)
    settleLost(reason)
  }
  const main = new Channel(target, around.timings, close)
  const payments = new Channel(target, around.timings, close)
  const calls: Calls = {
    unary: (name, request) => (RPCS[name].channel === 'main' ? main : payments).unary(name, request),
    stream: (name, request, listener) =>
      (RPCS[name].channel === 'main' ? main : payments).stream(name, request, listener),
    isLost: () => main.isLost() || payments.isLost(),
  }

  const blocks = new BlockFeed(main)
  const paymentBlocks = new BlockFeed(payments)
  const failure = await firstFailure([nodeInfo(calls), blocks.opened, paymentBlocks.opened], around)
  if (failure !== null) {
    close('it could not be opened')
    return noAnswer(failure)
  }
  main.guard()
  payments.guard()
  if (calls.isLost()) return noAnswer(await lost)

  return {
    ok: true,
    value: {
      lost,
      ...verbsOver(calls, around.clock, around.timings, around.readRequest),
      watchBlocks: (onHeight) => blocks.watch(onHeight),
      close: () => close('it was closed'),
    },
  }
}

/** Why opening failed, as soon as that is known; null when all reads have answered in time. */
function firstFailure(
  reads: readonly Promise<Lookup<unknown>>[],
  { clock, timings: { openMs } }: LndSurroundings,
): Promise<string | null> {
  return new Promise((resolve) => {
    const forget = clock.after(openMs, () => resolve(`LND did not answer within ${openMs} ms`))
    const finish = (failure: string | null) => {
      forget()
      resolve(failure)
    }
    const answered = reads.map(async (read) => {
      const answer = await read
      if (!answer.ok) finish(answer.detail)
      return answer.ok
    })
    Promise.all(answered).then(
      (oks) => {
        if (oks.every(Boolean)) finish(null)
      },
      (error: unknown) => finish(String(error)),
    )
  })
}
