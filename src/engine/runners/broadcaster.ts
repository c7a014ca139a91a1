/** Sends public events: the newest wanted state of each address, until every configured relay has it (design.md 4). */
import type { OutboxPubRow } from '../../adapters/sqlite/schema.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import { signEvent } from '../../wire/event.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import { Loop } from '../loop.ts'
import { wantedBody } from '../public-orders.ts'
import { alert } from '../say.ts'
import { isFinalRefusal } from './publisher.ts'

const WINDOW = 32
const OK_DEADLINE_MS = 10_000
const RETRY_MAX_S = 300

export class Broadcaster {
  readonly #ctx: Ctx
  /** Public events are sent while it runs. */
  readonly loop: Loop
  readonly #inFlight = new Set<string>()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
    this.loop = new Loop('broadcaster', ctx.clock, ctx.log, () => this.#turn())
  }

  #turn(): number {
    const now = nowS(this.#ctx)
    for (const { coord } of this.#ctx.store.s.pub_due({ now, n: WINDOW + this.#inFlight.size })) {
      if (this.#inFlight.has(coord) || this.#inFlight.size >= WINDOW) continue
      this.#inFlight.add(coord)
      void this.#send(coord)
        .catch((error: unknown) => this.#ctx.log.error('a public event was not sent', { coord, error: String(error) }))
        .finally(() => {
          this.#inFlight.delete(coord)
          this.loop.poke()
        })
    }
    const row = this.#ctx.store.get<{ at: number | null }>(
      'SELECT MIN(next_at) AS at FROM outbox_pub WHERE want_rev > done_rev AND next_at > :now',
      { now },
    )
    return row?.at == null ? 60_000 : Math.min((row.at - now) * 1000, 60_000)
  }

  /** The event of one revision: stamped once, signed with derived randomness, hence the same at every try. */
  #event(row: OutboxPubRow): NostrEvent {
    const { kind, tags, content } = wantedBody(row.body)
    const { secretKey, pubkey, curves } = this.#ctx.key
    const template = { kind, tags, content, created_at: row.last_created_at }
    return signEvent(template, secretKey, pubkey, this.#ctx.seed.publicAux(row.coord, row.last_created_at), curves)
  }

  async #send(coord: string): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const row = await ctx.door.submit({
      name: 'public-stamp',
      run: (tx) => {
        tx.s.pub_stamp({ coord, now: tx.surelyS })
        return tx.store.get<OutboxPubRow>('SELECT * FROM outbox_pub WHERE coord = :coord', { coord })
      },
    })
    if (row === undefined || row.want_rev <= row.done_rev) return
    const rev = row.stamped_rev
    const event = this.#event(row)
    const missing = ctx.relays.urls().filter((url) => !this.#has(coord, url, rev))
    const refused: string[] = []
    const results = await Promise.all(
      missing.map(async (url) => {
        const answer = await ctx.relays.publish(url, event, OK_DEADLINE_MS)
        // `replaced`: the relay has a newer revision under our key than we know of.
        const final = isFinalRefusal(answer) || (answer.kind === 'refused' && answer.prefix === 'replaced')
        if (final && answer.kind === 'refused') refused.push(`${url}: ${answer.prefix}: ${answer.message}`)
        if (answer.kind !== 'accepted' && !final) return false
        // A relay that will never take this revision must not keep it wanted for ever: the next one is tried again.
        await ctx.door.submit({
          name: 'public-ok',
          run: (tx) => tx.s.delivered({ ref: coord, relay: url, rev, now: tx.nowS }),
        })
        return true
      }),
    )
    await ctx.door.submit({
      name: 'public-done',
      run: (tx) => {
        tx.s.pub_done({ coord, rev })
        if (refused.length > 0)
          alert(ctx, tx, `public-refused:${coord}`.slice(0, 200), 2, refused.join(' | ').slice(0, 500))
        if (results.includes(false) || missing.length === 0) {
          tx.s.pub_retry({ coord, rev, next: tx.nowS + Math.min(2 ** Math.min(row.tries, 8), RETRY_MAX_S) })
        }
      },
    })
  }

  #has(coord: string, url: string, rev: number): boolean {
    const row = this.#ctx.store.get<{ rev: number }>('SELECT rev FROM delivery WHERE ref = :coord AND relay = :url', {
      coord,
      url,
    })
    return row !== undefined && row.rev >= rev
  }
}
