/** Strangers who want to be a nuisance: junk, nonsense, and requests of perfect form about nothing. */
import type { NostrEvent } from '../../src/core/protocol.ts'
import { signEvent } from '../../src/wire/event.ts'
import type { EngineWorld } from '../support/engine-world.ts'
import { paymentRequest, type SimTrader, smallOrder } from '../support/sim-trader.ts'

const NOWHERE = '00000000-0000-4000-8000-000000000000'

/** What a stranger sends, in turn. */
const NUISANCES: readonly ((stranger: SimTrader, world: EngineWorld) => NostrEvent)[] = [
  (stranger, world) => signed(stranger, world, 14, 'not encrypted'),
  (stranger, world) => signed(stranger, world, 1059, 'A'.repeat(2000)),
  (stranger) => stranger.wrap('release', { id: NOWHERE, requestId: 1n }),
  (stranger) => stranger.wrap('cancel', { id: NOWHERE, requestId: 2n, transport: 1 }),
  (stranger) => stranger.wrap('add-invoice', { id: NOWHERE, payload: paymentRequest('lnbcrt1garbage') }),
  (stranger) => stranger.wrap('take-sell', { id: NOWHERE, tradeIndex: 1, requestId: 3n }),
  (stranger) => stranger.wrap('orders', { payload: { kind: 'ids', ids: [NOWHERE] }, requestId: 4n }),
  (stranger) => stranger.wrap('restore-session', { requestId: 5n }),
  (stranger) =>
    stranger.wrap('new-order', {
      payload: { kind: 'order', order: smallOrder({ kind: 'sell', fiatCode: 'nonsense' }) },
      tradeIndex: 1,
      requestId: 6n,
    }),
]

/** One new stranger sends so many events at once. */
export function flood(world: EngineWorld, count: number): void {
  const stranger = world.trader(`stranger ${world.network.walletNames().length}`, { fundingSats: 0 })
  stranger.nextKey()
  for (let n = 0; n < count; n += 1) {
    const nuisance = NUISANCES[n % NUISANCES.length]
    if (nuisance !== undefined) stranger.publish(nuisance(stranger, world))
  }
}

/** An event for the node that carries whatever it likes. */
function signed(
  stranger: SimTrader,
  { clock, curves, nodePubkey }: EngineWorld,
  kind: number,
  content: string,
): NostrEvent {
  const template = { kind, created_at: Math.floor(clock.nowMs() / 1000), tags: [['p', nodePubkey]], content }
  return signEvent(template, stranger.secretKey(1), stranger.pubkey(1), new Uint8Array(32), curves)
}
