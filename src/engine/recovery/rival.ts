/** Whether somebody else runs on our key (DEC-36): our own info event is read back from the relays. */
import type { OutboxPubRow } from '../../adapters/sqlite/schema.ts'
import { verifyEvent } from '../../wire/event.ts'
import { KIND_INFO } from '../../wire/public-events.ts'
import type { Ctx } from '../context.ts'
import { coordinate, REFRESH_S } from '../public-orders.ts'

const PAGE_DEADLINE_MS = 5000

/** An info event under our key that this data directory never made. */
export type RivalSign = { readonly url: string; readonly createdAtS: number }

/** Looks for an info event of our key that is newer than any of ours. Relays that do not answer say nothing. */
export async function rivalSign(ctx: Ctx, urls: readonly string[]): Promise<RivalSign | null> {
  const signs = await Promise.all(urls.map((url) => signAt(ctx, url)))
  return signs.find((sign) => sign !== null) ?? null
}

async function signAt(ctx: Ctx, url: string): Promise<RivalSign | null> {
  const page = await ctx.relays.page(url, { kinds: [KIND_INFO], authors: [ctx.key.pubkey], limit: 1 }, PAGE_DEADLINE_MS)
  const coord = coordinate(ctx, KIND_INFO, ctx.key.pubkey)
  const ours = ctx.store.get<OutboxPubRow>('SELECT * FROM outbox_pub WHERE coord = :coord', { coord })
  const newest = ours?.last_created_at ?? 0
  const youngS = Math.floor(ctx.clock.nowMs() / 1000) - 2 * REFRESH_S
  for (const event of page.events) {
    if (event.kind !== KIND_INFO || event.pubkey !== ctx.key.pubkey || event.created_at <= newest) continue
    if (event.created_at < youngS || !verifyEvent(event, ctx.key.curves)) continue
    return { url, createdAtS: event.created_at }
  }
  return null
}
