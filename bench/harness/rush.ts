/** As many actions as the daemon can do: orders are made, and then each of them is taken. */
import { Void } from '../benchmark.ts'
import { closedLoop, type Exchanged, settle } from './exchange.ts'
import { madeBy } from './market.ts'
import { newTrader, type RequestMaker } from './requests.ts'
import type { System } from './system.ts'

export type Rush = {
  readonly actions: number
  readonly perSecond: number
  /** one reply each */
  readonly makes: Exchanged
  /** two replies each */
  readonly takes: Exchanged
}

/**
 * Half of the actions are new orders, half are takes, each by a trader of his own with an identity: three signatures to
 * check. The takes are signed between the two clocks, because only then their orders have ids. Throws `Void`.
 */
export async function rush(system: System, make: RequestMaker, actions: number, window: number): Promise<Rush> {
  const half = Math.floor(actions / 2)
  const offers = Array.from({ length: half }, () => {
    const { key, identity } = newTrader()
    return make.newOrder(key, 'sell', identity)
  })
  await settle()
  const makes = await closedLoop(system, offers, window)
  const orders = makes.answered.map(madeBy)
  const requests = orders.map((order) => make.takeSell(newTrader(), order))
  await settle()
  const takes = await closedLoop(system, requests, window)
  if (new Set(orders.map(({ id }) => id)).size !== half) throw new Void('two requests made the same order')
  return { actions: 2 * half, perSecond: (2 * half * 1000) / (makes.spanMs + takes.spanMs), makes, takes }
}
