/** Sends public events: the newest wanted state of each address, until every configured relay has it (design.md 4). */
import type { OutboxPubRow } from '../../adapters/sqlite/schema.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import { isExpired, signEvent } from '../../wire/event.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import { Loop } from '../loop.ts'
import { wantedBody } from '../public-orders.ts'
import { alert } from '../say.ts'
import { CLOCK_REFUSED } from '../watched-clock.ts'
import { aheadDetail, DATE_SLACK_S, isDateRefusal, isFinalRefusal } from './refusals.ts'

const WINDOW = 32
const OK_DEADLINE_MS = 10_000
/** Answers go first: public events wait for a moment in which nobody waits for one, but not longer than this. */
const QUIET_MS = 10
const YIELD_MAX_MS = 100
/** Everybody waits this long for a relay; then those that answered go on to the next event without it. */
const PATIENCE_MS = 500
/** A relay that is still asked is not asked again before its deadline. */
const DEFER_S = OK_DEADLINE_MS / 1000 + 1
const RETRY_MAX_S = 300

/** What relays said to one revision. */
type Said = {
  /** those that have it or will never take it: it must not be wanted for ever because of them */
  readonly settled: string[]
  /** refusals, a line each */
  readonly final: string[]
  readonly ofDate: string[]
}

export class Broadcaster {
  readonly #ctx: Ctx
  /** Public events are sent while it runs. */
  readonly loop: Loop
  readonly #inFlight = new Set<string>()
  #yieldingSinceMs: number | null = null
  /** relays that were not prompt last time: nobody waits for them */
  readonly #slow = new Set<string>()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
    this.loop = new Loop('broadcaster', ctx.clock, ctx.log, () => this.#turn())
  }

  #turn(): number {
    if (this.#yields()) return QUIET_MS
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

  #yields(): boolean {
    const nowMs = this.#ctx.clock.monotonicMs()
    this.#yieldingSinceMs ??= nowMs
    if (this.#ctx.door.quietMs < QUIET_MS && nowMs - this.#yieldingSinceMs < YIELD_MAX_MS) return true
    this.#yieldingSinceMs = null
    return false
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
      lazy: true,
      run: (tx) => {
        tx.s.pub_stamp({ coord, now: tx.surelyS })
        return tx.store.get<OutboxPubRow>('SELECT * FROM outbox_pub WHERE coord = :coord', { coord })
      },
    })
    if (row === undefined || row.want_rev <= row.done_rev) return
    const rev = row.stamped_rev
    const event = this.#event(row)
    const missing = ctx.relays.urls().filter((url) => !this.#has(coord, url, rev))
    const said: Said = { settled: [], final: [], ofDate: [] }
    const offers = missing.map((url) => ({ url, answered: this.#offer(url, event, said) }))
    const finished = Promise.all(offers.map(({ answered }) => answered))
      .then(() => this.#done(row, said, missing.length))
      .catch((error: unknown) => ctx.log.error('a public event was not sent', { coord, error: String(error) }))
    const prompt = offers.filter(({ url }) => !this.#slow.has(url))
    const isMixed = prompt.length > 0 && prompt.length < offers.length
    const inTime = await this.#inTime(isMixed ? Promise.all(prompt.map(({ answered }) => answered)) : finished)
    if (inTime && !isMixed) return
    // What a slow relay says is heard whenever it comes; meanwhile neither other events nor a newer revision wait for it.
    await ctx.door.submit({
      name: 'public-defer',
      lazy: true,
      run: (tx) => tx.s.pub_defer({ coord, rev, next: tx.nowS + DEFER_S }),
    })
  }

  /** Every relay has answered, or will not. What is not written down because of a crash is offered again. */
  #done(row: OutboxPubRow, { settled, final, ofDate }: Said, asked: number): Promise<void> {
    const { coord, stamped_rev: rev, tries } = row
    return this.#ctx.door.submit({
      name: 'public-done',
      lazy: true,
      run: (tx) => {
        for (const relay of settled) tx.s.delivered({ ref: coord, relay, rev, now: tx.nowS })
        tx.s.pub_done({ coord, rev })
        if (final.length > 0)
          alert(this.#ctx, tx, `public-refused:${coord}`.slice(0, 200), 2, final.join(' | ').slice(0, 500))
        const isUnshown = ofDate.length > 0 && ofDate.length === this.#ctx.relays.urls().length
        if (isUnshown) tx.s.pub_unstamp({ coord, at: row.last_created_at })
        const isOfNow = Math.abs(row.last_created_at - tx.surelyS) <= DATE_SLACK_S
        if (ofDate.length > 0 && isOfNow) alert(this.#ctx, tx, CLOCK_REFUSED, 2, aheadDetail(ofDate.join(' | ')))
        // Dated by a clock that was set right meanwhile, it goes out at once with a date of today.
        const isDatedAgain = isUnshown && Math.max(row.prior_created_at + 1, tx.surelyS) < row.last_created_at
        const pauseS = isDatedAgain ? 0 : Math.min(2 ** Math.min(tries, 8), RETRY_MAX_S)
        if (settled.length < asked || asked === 0) tx.s.pub_retry({ coord, rev, next: tx.nowS + pauseS })
      },
    })
  }

  /** Whether something happens before our patience ends. */
  #inTime(work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#ctx.clock.after(PATIENCE_MS, () => resolve(false))
      const ended = () => {
        cancel()
        resolve(true)
      }
      work.then(ended, ended)
    })
  }

  /** Offers a revision to one relay, and notes what it says. */
  async #offer(url: string, event: NostrEvent, said: Said): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const sentMs = ctx.clock.nowMs()
    const cancel = ctx.clock.after(PATIENCE_MS, () => this.#slow.add(url))
    const answer = await ctx.relays.publish(url, event, OK_DEADLINE_MS)
    cancel()
    if (answer.kind !== 'silent' && ctx.clock.nowMs() - sentMs < PATIENCE_MS) this.#slow.delete(url)
    // `replaced`: the relay has a newer revision under our key than we know of.
    const final = isFinalRefusal(answer) || (answer.kind === 'refused' && answer.prefix === 'replaced')
    // What ran out while it waited to be sent is nobody's loss: rates that newer ones follow.
    const isOver = isExpired(event, nowS(ctx))
    if (answer.kind === 'refused' && !isOver && (final || isDateRefusal(answer)))
      said[final ? 'final' : 'ofDate'].push(`${url}: ${answer.prefix}: ${answer.message}`)
    if (answer.kind === 'accepted' || final) said.settled.push(url)
  }

  #has(coord: string, url: string, rev: number): boolean {
    const row = this.#ctx.store.get<{ rev: number }>('SELECT rev FROM delivery WHERE ref = :coord AND relay = :url', {
      coord,
      url,
    })
    return row !== undefined && row.rev >= rev
  }
}
