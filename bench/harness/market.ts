/** Orders for takers to take. */
import type { OrderKind } from '../../src/core/protocol.ts'
import { Void } from '../benchmark.ts'
import { exchange, paced } from './exchange.ts'
import { type Key, newKey, type RequestMaker } from './requests.ts'
import type { System } from './system.ts'

/** Slow enough that the daemon is never behind. */
const SETUP_GAP_MS = 25

export type Made = { readonly id: string; readonly maker: Key }

/** Puts orders into the book, each of a maker of its own. */
export async function makeOrders(
  system: System,
  make: RequestMaker,
  kind: OrderKind,
  count: number,
): Promise<readonly Made[]> {
  const makers = Array.from({ length: count }, newKey)
  const requests = makers.map((maker) => make.newOrder(maker, kind))
  const answered = await exchange(system, paced(requests, SETUP_GAP_MS))
  return answered.map(({ request, message }) => {
    if (message.id === null) throw new Void('a new order without an id')
    return { id: message.id, maker: request.key }
  })
}
