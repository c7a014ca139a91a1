import { describe, expect, test } from 'vitest'
import { hit, miss, World } from './world.ts'

const DAY = 86_400

describe('inbox', () => {
  test('a message is handled once, by its outer and by its inner id', () => {
    const d = new World()
    const take = { sender: 'S', verdict: 'effect', now: 1 } as const
    hit(d.s.inbox_take({ ...take, outer: 'e1', inner: 'i' }))
    miss(d.s.inbox_take({ ...take, outer: 'e1', inner: 'i' }))
    miss(d.s.inbox_take({ ...take, outer: 'e2', inner: 'i' })) // wrapped again
    hit(d.s.inbox_verdict({ outer: 'e1', verdict: 'refused' }))
    miss(d.s.inbox_verdict({ outer: 'e9', verdict: 'refused' }))
    miss(d.s.inbox_gc({ now: 30 * DAY }))
    expect(d.s.inbox_gc({ now: 1 + 30 * DAY })).toEqual([{ outer_id: 'e1' }])
  })

  test('A14: a message that was in hand at two unclean exits is quarantined', () => {
    const d = new World()
    hit(d.s.in_hand_put({ outer: 'poison' }))
    hit(d.s.in_hand_put({ outer: 'fine' }))
    miss(d.s.in_hand_put({ outer: 'fine' }))
    hit(d.s.in_hand_drop({ outer: 'fine' }))
    miss(d.s.in_hand_drop({ outer: 'fine' }))
    expect(d.s.in_hand_boot()).toEqual([{ outer_id: 'poison', exits: 1 }])
    // A process that died before it came to it has nothing to say about it.
    expect(d.s.in_hand_boot()).toEqual([{ outer_id: 'poison', exits: 1 }])
    hit(d.s.in_hand_put({ outer: 'poison' }))
    expect(d.s.in_hand_boot()).toEqual([{ outer_id: 'poison', exits: 2 }])
    hit(d.s.inbox_take({ outer: 'poison', inner: null, sender: null, verdict: 'quarantined', now: 1 }))
    hit(d.s.in_hand_drop({ outer: 'poison' }))
    miss(d.s.in_hand_boot())
    miss(d.s.inbox_take({ outer: 'poison', inner: 'x', sender: 'S', verdict: 'effect', now: 2 }))
  })

  test('an unclean exit counts against nothing that was in hand together with others', () => {
    const d = new World()
    const both = ['m1', 'm2']
    for (const outer of both) hit(d.s.in_hand_put({ outer }))
    expect(d.s.in_hand_boot()).toEqual(both.map((outer_id) => ({ outer_id, exits: 0 })))
    hit(d.s.in_hand_put({ outer: 'm1' }))
    // m2 waited for its turn and is as good as new.
    expect(d.s.in_hand_clear()).toEqual([{ outer_id: 'm2' }])
    miss(d.s.in_hand_clear())
    expect(d.s.in_hand_boot()).toEqual([{ outer_id: 'm1', exits: 1 }])
    miss(d.s.in_hand_clear())
  })

  test('A14: a handler that throws is undone, and its message is recorded as failed in the same transaction', () => {
    const d = new World()
    const message = { outer: 't', inner: 't', sender: 'S', now: 3 }
    d.store.transaction(() => {
      const handle = () =>
        d.store.savepoint(() => {
          hit(d.s.inbox_take({ ...message, verdict: 'effect' }))
          d.order('half')
          throw new Error('poison')
        })
      expect(handle).toThrow('poison')
      hit(d.s.inbox_take({ ...message, verdict: 'failed' }))
    })
    expect(d.value("SELECT verdict FROM inbox WHERE outer_id = 't'")).toBe('failed')
    expect(d.value("SELECT count(*) FROM orders WHERE id = 'half'")).toBe(0)
  })

  test('a relay is configured once, and its cursor only moves on', () => {
    const d = new World()
    expect(d.s.relay_add({ url: 'w1', cursor: 5 })).toEqual({ cursor: 5 })
    miss(d.s.relay_add({ url: 'w1', cursor: 9 }))
    hit(d.s.relay_cursor({ url: 'w1', cursor: 7 }))
    miss(d.s.relay_cursor({ url: 'w1', cursor: 6 }))
    expect(d.s.relay_cursors_back({ cursor: 7 })).toEqual([])
    expect(d.s.relay_cursors_back({ cursor: 6 })).toEqual([{ url: 'w1' }]) // a clock was ahead
    hit(d.s.relay_cursor({ url: 'w1', cursor: 7 }))
    hit(d.s.relay_drop({ url: 'w1' }))
    miss(d.s.relay_drop({ url: 'w1' }))
    expect(d.s.relay_add({ url: 'w1', cursor: 0 })).toEqual({ cursor: 7 }) // it comes back where it was
  })
})

describe('repeated requests', () => {
  test('a request is absorbed while pending, answered again while true, and handled afresh when stale', () => {
    const d = new World()
    d.order('o', 'pending')
    miss(d.s.request_look({ key: 'k', now: 1 }))
    hit(d.s.request_open({ key: 'k', order_id: 'o', now: 1 }))
    expect(hit(d.s.request_look({ key: 'k', now: 2 })).verdict).toBe('pending')
    hit(d.s.request_drop({ key: 'k' })) // refused: a repeat is a new try
    miss(d.s.request_drop({ key: 'k' }))
    d.s.request_open({ key: 'k', order_id: 'o', now: 1 })
    const answer = hit(d.say('S', 'op1'))
    hit(d.s.request_answer({ key: 'k', msg: answer }))
    miss(d.s.request_answer({ key: 'k', msg: answer }))
    expect(d.s.request_look({ key: 'k', now: 2 })).toEqual({ verdict: 'same', answer_msg: answer })
    const again = hit(d.say('S', 'again:e7')) // the same content, a new event
    const createdAt = (id: number) => Number(d.value('SELECT ev_created_at FROM outbox_msg WHERE id = ?', id))
    expect(createdAt(again)).toBeGreaterThan(createdAt(answer))
    const at = { id: 'o', status: 'pending', phase: 'steady', version: 1 } as const
    d.store.moveOrder(at, { status: 'canceled', phase: 'steady' })
    expect(d.s.request_look({ key: 'k', now: 2 })).toEqual({ verdict: 'stale', answer_msg: answer })
    hit(d.s.request_open({ key: 'k', order_id: 'o', now: 3 }))
    expect(hit(d.s.request_look({ key: 'k', now: 4 })).verdict).toBe('pending')
    miss(d.s.request_gc({ now: 3 + DAY - 1 }))
    hit(d.s.request_gc({ now: 3 + DAY }))
  })
})

describe('outbox', () => {
  test('one OK is enough where no more are asked for, whichever relay it was of', () => {
    const d = new World()
    d.order('o', 'active')
    const id = hit(d.say('R', 'm1'))
    expect(hit(d.s.outbox_ok({ id, now: 9, min_ok: 1 })).state).toBe(2)
    expect(d.value('SELECT count(*) FROM delivery')).toBe(0)
  })

  test('one message a recipient at a time, in order, each delivered or dead once', () => {
    const d = new World()
    hit(d.s.transport_seen({ r: 'R', transport: 1, inner_at: 50, now: 1 }))
    miss(d.s.transport_seen({ r: 'R', transport: 2, inner_at: 49, now: 1 }))
    const a = hit(d.say('R', 'm1', 0, { lane: 2 }))
    const b = hit(d.say('R', 'm1', 1))
    expect(d.value('SELECT transport FROM outbox_msg WHERE id = ?', a)).toBe(1)
    expect(d.value('SELECT ev_created_at FROM outbox_msg WHERE id = ?', b)).toBe(101) // strictly rising
    miss(d.say('R', 'm1', 1))
    miss(d.s.outbox_next({ lane: 0, now: 100, n: 9 })) // waits behind a bulk message ..
    hit(d.s.outbox_lift({ r: 'R', lane: 0 })) // .. which is lifted
    miss(d.s.outbox_lift({ r: 'R', lane: 0 }))
    expect(d.s.outbox_next({ lane: 0, now: 100, n: 9 })).toEqual([{ id: a }])
    hit(d.s.outbox_retry({ id: a, next: 105 }))
    miss(d.s.outbox_retry({ id: -1, next: 1 }))
    hit(d.s.delivered({ ref: `m:${a}`, relay: 'w1', rev: 0, now: 1 }))
    miss(d.s.delivered({ ref: `m:${a}`, relay: 'w1', rev: 0, now: 2 }))
    expect(d.s.outbox_ok({ id: a, now: 7, min_ok: 2 })).toMatchObject({
      state: 1,
      asks: 0,
      order_id: 'o',
      dedup_key: 'm1/0',
    })
    d.s.delivered({ ref: `m:${a}`, relay: 'w2', rev: 0, now: 8 })
    expect(hit(d.s.outbox_ok({ id: a, now: 8, min_ok: 2 })).state).toBe(2)
    miss(d.s.outbox_ok({ id: a, now: 9, min_ok: 2 }))
    expect(d.value('SELECT first_ok_at FROM outbox_msg WHERE id = ?', a)).toBe(7)
    expect(d.s.outbox_next({ lane: 0, now: 101, n: 9 })).toEqual([{ id: b }])
    hit(d.s.outbox_dead({ id: b, why: 'invalid' }))
    miss(d.s.outbox_dead({ id: b, why: 'invalid' }))
    miss(d.s.outbox_next({ lane: 0, now: 999, n: 9 }))
    miss(d.s.outbox_lift({ r: 'R', lane: 0 }))
    miss(d.s.outbox_gc({ now: 100 }))
    miss(d.s.outbox_seq_gc({ now: 9_999_999 }))
    expect(d.s.outbox_gc({ now: 9_999_999 })).toHaveLength(2)
    hit(d.s.outbox_seq_gc({ now: 9_999_999 }))
  })

  test('an answer that may be asked for again outlives the retention of messages', () => {
    const d = new World()
    d.order('o', 'pending')
    const now = 31 * DAY
    const answer = hit(d.say('S', 'op1', 0, { now: 1 }))
    d.s.outbox_dead({ id: answer, why: 'invalid' })
    d.s.request_open({ key: 'k', order_id: 'o', now })
    d.s.request_answer({ key: 'k', msg: answer })
    miss(d.s.outbox_gc({ now }))
    d.s.request_drop({ key: 'k' })
    hit(d.s.outbox_gc({ now }))
  })

  test('deliveries of messages are forgotten after a day, those of addresses and of waiting messages are not', () => {
    const d = new World()
    const [sent, waiting] = [hit(d.say('R', 'a')), hit(d.say('R', 'b'))]
    for (const id of [sent, waiting]) d.s.delivered({ ref: `m:${id}`, relay: 'w1', rev: 0, now: 1 })
    d.s.delivered({ ref: '38383:k:d', relay: 'w1', rev: 1, now: 1 })
    d.s.outbox_ok({ id: sent, now: 1, min_ok: 1 })
    miss(d.s.delivery_gc({ now: DAY }))
    expect(d.s.delivery_gc({ now: DAY + 1 })).toEqual([{ ref: `m:${sent}` }])
    expect(d.value('SELECT count(*) FROM delivery')).toBe(2)
  })

  test('B8f: a recipient with a hundred thousand sent messages does not slow the queue', { timeout: 20_000 }, () => {
    const d = new World()
    d.sql(
      `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100050)
       INSERT INTO outbox_msg(recipient, seq, dedup_key, lane, transport, ev_created_at, body, state, next_at, created_at)
       SELECT 'S', n, 'k' || n, 0, 2, 0, 'b', CASE WHEN n <= 100000 THEN 2 ELSE 0 END, 0, 0 FROM i`,
    )
    const begin = performance.now()
    const [head, ...others] = d.s.outbox_next({ lane: 0, now: 1, n: 64 })
    expect(performance.now() - begin).toBeLessThan(500)
    expect(others).toEqual([])
    hit(d.s.outbox_dead({ id: hit(head).id, why: 'invalid' }))
    expect(d.s.outbox_next({ lane: 0, now: 1, n: 64 })).toHaveLength(1) // B8a: the queue goes on
  })
})

describe('public events', () => {
  test('the newest content wins, its time strictly rises, and it is done when every configured relay has it', () => {
    const d = new World()
    for (const url of ['w1', 'w2']) d.s.relay_add({ url, cursor: 0 })
    const want = { coord: 'c', now: 10, refresh_at: DAY + 10 }
    expect(d.s.pub_want({ ...want, body: '1' })).toEqual({ want_rev: 1 })
    expect(d.s.pub_want({ ...want, body: '2' })).toEqual({ want_rev: 2 })
    expect(d.s.pub_due({ now: 10, n: 9 })).toEqual([{ coord: 'c', want_rev: 2 }])
    miss(d.s.pub_due({ now: 9, n: 9 }))
    expect(d.s.pub_stamp({ coord: 'c', now: 10 })).toEqual({ last_created_at: 10, stamped_rev: 2 })
    miss(d.s.pub_stamp({ coord: 'c', now: 10 }))
    d.s.delivered({ ref: 'c', relay: 'w1', rev: 2, now: 1 })
    miss(d.s.pub_done({ coord: 'c', rev: 2 })) // w2 is behind
    d.s.delivered({ ref: 'c', relay: 'w2', rev: 2, now: 1 })
    hit(d.s.pub_done({ coord: 'c', rev: 2 }))
    miss(d.s.pub_done({ coord: 'c', rev: 2 }))
    miss(d.s.pub_due({ now: 99, n: 9 }))
    miss(d.s.pub_refresh({ now: DAY + 9 }))
    expect(d.s.pub_refresh({ now: DAY + 10 })).toEqual([{ coord: 'c' }])
    expect(d.s.pub_stamp({ coord: 'c', now: 5 })).toEqual({ last_created_at: 11, stamped_rev: 3 }) // the clock went back
  })

  test('messages that were dated by a wrong clock get dates of today, after what their reader has', () => {
    const d = new World()
    const dates = () => d.sql('SELECT seq, ev_created_at AS at FROM outbox_msg ORDER BY id')
    const has = hit(d.say('R', 'm1', 0, { now: 100 }))
    d.s.outbox_ok({ id: has, now: 101, min_ok: 0 })
    const head = hit(d.say('R', 'm2', 0, { now: 3700 }))
    d.say('R', 'm3', 0, { now: 90 })
    d.say('S', 'm4', 0, { now: 3700 })
    const redate = (seq: number, today: number) => d.s.outbox_redate({ r: 'R', seq, today, now: 95 })
    expect(redate(2, 90).map((row) => row.ev_created_at)).toEqual([101, 102])
    expect(redate(2, 200).map((row) => row.ev_created_at)).toEqual([200, 201])
    hit(d.s.outbox_seq_redate({ r: 'R', newest: 201 }))
    miss(d.s.outbox_seq_redate({ r: 'nobody', newest: 1 }))
    expect(d.s.outbox_next({ lane: 0, now: 95, n: 9 })).toEqual([{ id: head }])
    d.say('R', 'm5', 0, { now: 95 })
    expect(dates()).toEqual([
      { seq: 1, at: 100 },
      { seq: 2, at: 200 },
      { seq: 3, at: 201 },
      { seq: 1, at: 3700 },
      { seq: 4, at: 202 },
    ])
    d.s.outbox_ok({ id: head, now: 96, min_ok: 9 })
    expect(redate(2, 300)).toHaveLength(2) // what a relay took keeps its date
    miss(redate(9, 300))
  })

  test('a public event whose date no relay takes was never stamped', () => {
    const d = new World()
    d.s.pub_want({ coord: 'c', refresh_at: DAY, body: '1', now: 10 })
    expect(hit(d.s.pub_stamp({ coord: 'c', now: 20 }))).toEqual({ last_created_at: 20, stamped_rev: 1 })
    d.s.pub_want({ coord: 'c', refresh_at: DAY, body: '2', now: 30 })
    expect(hit(d.s.pub_stamp({ coord: 'c', now: 5000 }))).toEqual({ last_created_at: 5000, stamped_rev: 2 })
    miss(d.s.pub_unstamp({ coord: 'c', at: 20 }))
    hit(d.s.pub_unstamp({ coord: 'c', at: 5000 }))
    miss(d.s.pub_unstamp({ coord: 'c', at: 5000 }))
    miss(d.s.pub_unstamp({ coord: 'c', at: 20 })) // some relay may have that one
    expect(hit(d.s.pub_stamp({ coord: 'c', now: 10 }))).toEqual({ last_created_at: 21, stamped_rev: 2 })
  })

  test('a relay that lacks the newest content is tried again later, and only while that content is wanted', () => {
    const d = new World()
    const want = { coord: 'c', refresh_at: DAY }
    d.s.pub_want({ ...want, body: '1', now: 10 })
    expect(d.s.pub_retry({ coord: 'c', rev: 1, next: 20 })).toEqual({ tries: 1 })
    expect(d.s.pub_retry({ coord: 'c', rev: 1, next: 40 })).toEqual({ tries: 2 })
    miss(d.s.pub_due({ now: 39, n: 9 }))
    hit(d.s.pub_due({ now: 40, n: 9 }))
    expect(d.s.pub_defer({ coord: 'c', rev: 1, next: 50 })).toEqual({ tries: 2 })
    miss(d.s.pub_due({ now: 49, n: 9 }))
    d.s.pub_want({ ...want, body: '2', now: 30 })
    miss(d.s.pub_defer({ coord: 'c', rev: 1, next: 99 }))
    miss(d.s.pub_retry({ coord: 'c', rev: 1, next: 99 })) // a newer one does not wait for the back-off of the old
    hit(d.s.pub_due({ now: 30, n: 9 }))
    hit(d.s.pub_done({ coord: 'c', rev: 2 }))
    miss(d.s.pub_retry({ coord: 'c', rev: 2, next: 99 }))
  })

  test('a relay that is new to us gets what still counts, and nothing that is finished or under way', () => {
    const d = new World()
    for (const [coord, refresh_at] of [
      ['live', DAY],
      ['finished', null],
    ] as const) {
      d.s.pub_want({ coord, body: 'b', now: 10, refresh_at })
      hit(d.s.pub_done({ coord, rev: 1 }))
    }
    d.s.pub_want({ coord: 'fresh', body: 'b', now: 10, refresh_at: DAY })
    expect(d.s.pub_again({ now: 50 })).toEqual([{ coord: 'live' }])
    miss(d.s.pub_again({ now: 51 }))
    expect(d.s.pub_due({ now: 50, n: 9 }).map(({ coord }) => coord)).toEqual(['fresh', 'live'])
    miss(d.s.pub_stamp({ coord: 'none', now: 50 }))
  })
})
