/** Orders for takers to take. */
import type { OrderKind } from '../../src/core/protocol.ts'
import { Void } from '../benchmark.ts'
import { type Answered, closedLoop } from './exchange.ts'
import { type Made, newKey, type RequestMaker } from './requests.ts'
import type { System } from './system.ts'

/** Few enough that the daemon is never far behind. */
const WINDOW = 32

/** Puts orders into the book, each of a maker of its own. */
export async function makeOrders(
  system: System,
  make: RequestMaker,
  kind: OrderKind,
  count: number,
): Promise<readonly Made[]> {
  const requests = Array.from({ length: count }, () => make.newOrder(newKey(), kind))
  const { answered } = await closedLoop(system, requests, WINDOW)
  return answered.map(madeBy)
}

/** The order that an answer says was made. */
export function madeBy({ request, message }: Answered): Made {
  if (message.id === null) throw new Void('a new order without an id')
  return { id: message.id, maker: request.key }
}
