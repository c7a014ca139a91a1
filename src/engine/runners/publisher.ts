/**
 * Sends messages to traders: in order per recipient, to every relay, until one took it (money-path.md 3.8). The wrapped
 * event is derived from the row, so a resend is the same event. One slow relay or reader slows nobody else.
 */
import type { Lane, OutboxMsgRow } from '../../adapters/sqlite/schema.ts'
import type { NostrEvent } from '../../core/protocol.ts'
import type { PublishAnswer } from '../../ports/relays.ts'
import { wrapForTrader } from '../../wire/transport.ts'
import type { Ctx } from '../context.ts'
import { nowS } from '../context.ts'
import type { Tx } from '../door.ts'
import { Loop } from '../loop.ts'
import { alert } from '../say.ts'
import { CLOCK_REFUSED } from '../watched-clock.ts'
import { aheadDetail, DATE_SLACK_S, isDateRefusal, isFinalRefusal } from './refusals.ts'

const LANES: readonly Lane[] = [0, 1, 2]
/** Messages under way at once: what relays that take 50 ms to say OK need for some thousands a second. */
const WINDOW = 256
const OK_DEADLINE_MS = 10_000
const RETRY_MAX_S = 60
const SLEEP_MAX_S = 60
const DAY_S = 86_400
const GIVE_UP_S = 72 * 3600

/** When the next message is due. Lane by lane: the index gives the first row of each, however much waits. */
const NEXT_AT = `
  SELECT MIN(
    COALESCE((SELECT MIN(next_at) FROM outbox_msg WHERE state < 2 AND lane = 0 AND next_at > :now), :none),
    COALESCE((SELECT MIN(next_at) FROM outbox_msg WHERE state < 2 AND lane = 1 AND next_at > :now), :none),
    COALESCE((SELECT MIN(next_at) FROM outbox_msg WHERE state < 2 AND lane = 2 AND next_at > :now), :none)
  ) AS at
`

export class Publisher {
  readonly #ctx: Ctx
  /** Messages are sent while it runs. */
  readonly loop: Loop
  readonly #inFlight = new Set<number>()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
    this.loop = new Loop('publisher', ctx.clock, ctx.log, () => this.#turn())
  }

  #turn(): number {
    const now = nowS(this.#ctx)
    for (const lane of LANES) {
      const room = WINDOW - this.#inFlight.size
      if (room <= 0) break
      // Those in flight are heads of their queues too: ask for enough to see past them.
      for (const { id } of this.#ctx.store.s.outbox_next({ lane, now, n: room + this.#inFlight.size })) {
        if (this.#inFlight.has(id) || this.#inFlight.size >= WINDOW) continue
        this.#inFlight.add(id)
        void this.#send(id)
          .catch((error: unknown) => this.#ctx.log.error('a message was not sent', { id, error: String(error) }))
          .finally(() => {
            this.#inFlight.delete(id)
            this.loop.poke()
          })
      }
    }
    return this.#sleepMs(now)
  }

  #sleepMs(now: number): number {
    const row = this.#ctx.store.get<{ at: number }>(NEXT_AT, { now, none: now + SLEEP_MAX_S })
    return Math.min((row?.at ?? now + SLEEP_MAX_S) - now, SLEEP_MAX_S) * 1000
  }

  #wrap(row: OutboxMsgRow): NostrEvent {
    const { key, seed, settings } = this.#ctx
    return wrapForTrader({
      ...key,
      transport: row.transport,
      body: row.body,
      recipient: row.recipient,
      createdAtS: row.ev_created_at,
      expirationS: row.ev_created_at + settings.retentionDays.message * DAY_S,
      derive: seed.wrapping(row.dedup_key, row.body),
    })
  }

  async #send(id: number): Promise<void> {
    const { ctx } = { ctx: this.#ctx }
    const row = ctx.store.get<OutboxMsgRow>('SELECT * FROM outbox_msg WHERE id = :id', { id })
    if (row === undefined || row.state >= 2) return
    let event: NostrEvent
    try {
      event = this.#wrap(row)
    } catch (error) {
      await this.#die(row, `it can not be wrapped: ${String(error)}`)
      return
    }
    const urls = ctx.relays.urls()
    let sent: ((isSent: boolean) => void) | null = null
    const done = new Promise<boolean>((resolve) => {
      sent = resolve
    })
    const answers = urls.map(async (url) => {
      const answer = await ctx.relays.publish(url, event, OK_DEADLINE_MS)
      if (answer.kind === 'accepted' && (await this.#accepted(row, url))) sent?.(true)
      return answer
    })
    // The next message of this reader may go as soon as enough relays have this one.
    const isSent = await Promise.race([done, Promise.allSettled(answers).then(() => false)])
    if (!isSent) await this.#notSent(row, await Promise.all(answers))
  }

  /** A relay's acceptance is a fact: it enters by the common door. True: no more relays are needed. */
  #accepted(row: OutboxMsgRow, url: string): Promise<boolean> {
    return this.#ctx.door.submit({
      name: 'relay-ok',
      lazy: true,
      run: (tx) => {
        const { minRelayOks } = this.#ctx.settings
        // Which relays have it matters only while it waits for more of them.
        if (minRelayOks > 1) tx.s.delivered({ ref: `m:${row.id}`, relay: url, rev: 0, now: tx.nowS })
        const ok = tx.s.outbox_ok({ id: row.id, now: tx.nowS, min_ok: minRelayOks })
        if (ok === undefined) return true
        if (ok.asks === 1) this.#asked(tx, row)
        return ok.state === 2
      },
    })
  }

  /** Somebody can know now that he must act: duties and forfeits wait for this (DEC-38). */
  #asked(tx: Tx, row: OutboxMsgRow): void {
    if (row.obligation_id !== null) tx.s.obligation_prompt_ok({ oid: row.obligation_id, now: tx.nowS })
    if (row.order_id === null) return
    const order = tx.store.get<{ duty_epoch: number; duty_anchor_at: number | null }>(
      'SELECT duty_epoch, duty_anchor_at FROM orders WHERE id = :id',
      { id: row.order_id },
    )
    if (order?.duty_anchor_at == null || row.created_at < order.duty_anchor_at) return
    tx.s.duty_ok({ id: row.order_id, epoch: order.duty_epoch, now: tx.nowS })
  }

  async #notSent(row: OutboxMsgRow, answers: readonly PublishAnswer[]): Promise<void> {
    const misdated = answers.find(isDateRefusal)
    if (misdated?.kind === 'refused' && !answers.some(({ kind }) => kind === 'accepted')) {
      if (await this.#dateAgain(row, misdated.message)) return
    } else if (answers.length > 0 && answers.every(isFinalRefusal)) {
      const said = answers.map((a) => (a.kind === 'refused' ? `${a.prefix}: ${a.message}` : a.kind)).join(' | ')
      await this.#die(row, said)
      return
    }
    if (nowS(this.#ctx) - row.created_at > GIVE_UP_S && !this.#isAlive(row)) {
      await this.#die(row, 'no relay took it in 72 h and its trade is over')
      return
    }
    const next = nowS(this.#ctx) + Math.min(2 ** Math.min(row.tries, 6), RETRY_MAX_S)
    await this.#ctx.door.submit({
      name: 'relay-retry',
      lazy: true,
      run: (tx) => tx.s.outbox_retry({ id: row.id, next }),
    })
  }

  /**
   * Nobody took it, because of its date. If it was written under a clock that is now another, it gets a date of today,
   * with all that waits behind it, which nobody was shown yet; else the clock is wrong now. True: it can be sent at once.
   */
  #dateAgain({ id, recipient, seq, ev_created_at }: OutboxMsgRow, said: string): Promise<boolean> {
    return this.#ctx.door.submit({
      name: 'relay-misdated',
      run: (tx) => {
        if (Math.abs(ev_created_at - tx.surelyS) <= DATE_SLACK_S) {
          alert(this.#ctx, tx, CLOCK_REFUSED, 2, aheadDetail(said))
          return false
        }
        const dated = tx.s.outbox_redate({ r: recipient, seq, today: tx.surelyS, now: tx.nowS })
        const newest = Math.max(...dated.map(({ ev_created_at: at }) => at))
        if (dated.length > 0) tx.s.outbox_seq_redate({ r: recipient, newest })
        return dated.some((row) => row.id === id && row.ev_created_at !== ev_created_at)
      },
    })
  }

  #isAlive(row: OutboxMsgRow): boolean {
    if (row.order_id === null) return false
    const order = this.#ctx.store.get<{ status: string }>('SELECT status FROM orders WHERE id = :id', {
      id: row.order_id,
    })
    return (
      order !== undefined &&
      !['success', 'canceled', 'cooperatively-canceled', 'canceled-by-admin', 'expired'].includes(order.status)
    )
  }

  /** Refused everywhere and for ever: the queue goes on, the operator hears of it. */
  #die(row: OutboxMsgRow, why: string): Promise<void> {
    return this.#ctx.door.submit({
      name: 'relay-dead',
      run: (tx) => {
        const dead = tx.s.outbox_dead({ id: row.id, why: why.slice(0, 500) })
        if (dead !== undefined)
          alert(
            this.#ctx,
            tx,
            `dead-letter:${row.id}`,
            dead.asks === 1 ? 3 : 2,
            `message ${row.id} is refused by every relay: ${why.slice(0, 300)}`,
          )
      },
    })
  }
}
