import { describe, expect, test } from 'vitest'
import { hit, miss, World } from './world.ts'

describe('the daemon itself', () => {
  test('an alert is one question: raised again it counts, closed it is forgotten after 90 days', () => {
    const d = new World()
    const alert = { key: 'k', sev: 1, detail: 'd' }
    expect(d.s.alert_open({ ...alert, now: 1 })).toEqual({ hits: 1 })
    expect(d.s.alert_open({ ...alert, now: 2 })).toEqual({ hits: 2 })
    miss(d.s.alert_gc({ now: 10 ** 9 }))
    hit(d.s.alert_close({ key: 'k', now: 3 }))
    miss(d.s.alert_close({ key: 'k', now: 3 }))
    miss(d.s.alert_gc({ now: 2 + 90 * 86_400 }))
    expect(d.s.alert_gc({ now: 3 + 90 * 86_400 })).toEqual([{ key: 'k' }])
  })

  test('a trade index is burnt and never lowered', () => {
    const d = new World()
    miss(d.s.user_get({ identity: 'A' }))
    expect(d.s.index_burn({ identity: 'A', index: 5, now: 1 })).toEqual({ last_trade_index: 5 })
    expect(d.s.index_burn({ identity: 'A', index: 3, now: 2 })).toEqual({ last_trade_index: 5 })
    expect(d.s.index_burn({ identity: 'A', index: 0, now: 2 })).toEqual({ last_trade_index: 5 })
    expect(d.s.index_burn({ identity: 'A', index: 6, now: 3 })).toEqual({ last_trade_index: 6 })
    expect(d.s.user_get({ identity: 'A' })).toMatchObject({ last_trade_index: 6, total_reviews: 0, created_at: 1 })
    d.refuses(/never lowered/, 'UPDATE users SET last_trade_index = 0')
  })

  test('each side of an order rates once, with one to five stars', () => {
    const d = new World()
    d.order('o', 'success')
    const rating = { order_id: 'o', rater: 'buyer', stars: 5, now: 1 } as const
    expect(d.s.rate_once(rating)).toEqual({ stars: 5 })
    miss(d.s.rate_once({ ...rating, stars: 1 }))
    hit(d.s.rate_once({ ...rating, rater: 'seller', stars: 1 }))
    expect(d.sql('SELECT rater, stars FROM rating ORDER BY rater')).toEqual([
      { rater: 'buyer', stars: 5 },
      { rater: 'seller', stars: 1 },
    ])
    d.order('p', 'success')
    for (const stars of [0, 6]) expect(() => d.s.rate_once({ ...rating, order_id: 'p', stars })).toThrow(/CHECK/)
    d.refuses(/FOREIGN KEY/, "INSERT INTO rating VALUES ('nowhere', 'buyer', 5, 1)")
  })

  test('a reputation grows by one review at a time', () => {
    const d = new World()
    const rated = { identity: 'A', reviews: 1, rating: 2.5, last: 5, min: 5, max: 5 }
    miss(d.s.user_rated(rated)) // never traded here
    d.s.index_burn({ identity: 'A', index: 5, now: 1 })
    expect(d.s.user_rated(rated)).toEqual({ total_reviews: 1 })
    miss(d.s.user_rated(rated)) // decided on an older reputation
    hit(d.s.user_rated({ ...rated, reviews: 2, rating: 1.75, last: 1, min: 1 }))
    expect(d.s.user_get({ identity: 'A' })).toMatchObject({
      total_reviews: 2,
      total_rating: 1.75,
      last_rating: 1,
      min_rating: 1,
      max_rating: 5,
      last_trade_index: 5,
    })
  })

  test('blind time has one open interval a kind, and a clock that went back makes an empty one', () => {
    const d = new World()
    miss(d.s.blind_since({ since: 0 }))
    hit(d.s.blind_open({ kind: 'relays', at: 10 }))
    miss(d.s.blind_open({ kind: 'relays', at: 11 }))
    hit(d.s.blind_open({ kind: 'lightning', at: 12 }))
    d.refuses(/UNIQUE/, "INSERT INTO blind(kind, from_at) VALUES ('relays', 13)")
    expect(d.s.blind_close({ kind: 'relays', at: 20 })).toEqual({ from_at: 10, to_at: 20 })
    miss(d.s.blind_close({ kind: 'relays', at: 21 }))
    expect(d.s.blind_since({ since: 19 }).map(({ kind }) => kind)).toEqual(['relays', 'lightning'])
    expect(d.s.blind_since({ since: 20 }).map(({ kind }) => kind)).toEqual(['lightning'])
    expect(d.s.blind_close({ kind: 'lightning', at: 5 })).toEqual({ from_at: 12, to_at: 12 })
    d.refuses(/CHECK/, 'UPDATE blind SET to_at = from_at - 1')
  })

  test('the next start sees when the last process was alive and whether it stopped in order', () => {
    const d = new World()
    miss(d.s.process_last())
    d.s.process_start({ boot: 'b1', pid: 1, now: 10 })
    expect(d.s.process_alive({ boot: 'b1', now: 15 })).toEqual({ alive_at: 15 })
    expect(d.s.process_last()).toMatchObject({ boot_id: 'b1', alive_at: 15, clean: 0 })
    d.s.process_start({ boot: 'b2', pid: 2, now: 20 })
    miss(d.s.process_alive({ boot: 'b1', now: 21 }))
    miss(d.s.process_stop({ boot: 'b1', now: 21 }))
    hit(d.s.process_stop({ boot: 'b2', now: 25 }))
    expect(d.s.process_last()).toMatchObject({ boot_id: 'b2', started_at: 20, alive_at: 25, clean: 1 })
    d.s.process_start({ boot: 'b3', pid: 3, now: 30 })
    expect(d.s.process_last()).toMatchObject({ clean: 0 })
    d.refuses(/CHECK/, "INSERT INTO process(id, boot_id, pid, started_at, alive_at) VALUES (2, 'b', 1, 1, 1)")
  })

  test('a clock that goes back takes along what waits, and nothing else', () => {
    const d = new World()
    const back = { by: 7200, now: 100 }
    const sooner = () => [
      d.s.ops_sooner(back),
      d.s.outbox_sooner(back),
      d.s.pubs_sooner(back),
      d.s.resolves_sooner(back),
      d.s.duties_sooner(back),
      d.s.blind_sooner(back),
    ]
    for (const none of sooner()) miss(none)
    d.hold('H')
    d.planHold('hold_create', 'H') // due
    d.hold('I', 0, { order: 'p' })
    d.planHold('hold_create', 'I')
    d.claim('hold_create:I', { now: 7300 })
    d.obligation('r', 'ready', { order: 'q' })
    d.sql("UPDATE obligation SET next_at = 7250, version = version + 1 WHERE id = 'r'")
    const message = hit(d.say('R', 'm', 0, { now: 7300 }))
    d.s.pub_want({ coord: 'c', body: 'b', now: 7300, refresh_at: null })
    for (const [at, to] of [
      [40, 100],
      [50, 7200],
    ] as const) {
      d.s.blind_open({ kind: 'down', at })
      d.s.blind_close({ kind: 'down', at: to })
    }
    d.order('asked', 'waiting-payment', 'steady', { duty_anchor_at: 7300 })
    d.order('before', 'waiting-payment', 'steady', { duty_anchor_at: 100 })
    d.order('over', 'active', 'steady', { duty_anchor_at: 7300 })
    expect(sooner()).toEqual([
      [{ id: 'hold_create:I' }],
      [{ id: message }],
      [{ coord: 'c' }],
      [{ id: 'r' }],
      [{ id: 'asked' }],
      [{ id: 2 }],
    ])
    expect(d.sql('SELECT from_at, to_at FROM blind WHERE id = 2')).toEqual([{ from_at: 50, to_at: 100 }])
    expect(d.sql("SELECT lease_until FROM ln_op WHERE id = 'hold_create:I'")).toEqual([{ lease_until: 160 }])
    expect(d.value('SELECT next_at FROM outbox_msg')).toBe(100)
    expect(d.value('SELECT next_at FROM obligation')).toBe(50)
  })

  test('notes, prices and the log of operators are kept', () => {
    const d = new World()
    miss(d.s.meta_get({ key: 'k' }))
    d.s.meta_put({ key: 'k', value: '1' })
    d.s.meta_put({ key: 'k', value: '2' })
    expect(d.s.meta_get({ key: 'k' })).toEqual({ value: '2' })
    hit(d.s.price_put({ currency: 'EUR', value: 90_000.5, as_of: 10 }))
    miss(d.s.price_put({ currency: 'EUR', value: 1, as_of: 9 })) // older than what we have
    expect(d.sql('SELECT * FROM price')).toEqual([{ currency: 'EUR', value: 90_000.5, as_of: 10 }])
    d.s.ops_log_add({ at: 1, who: 'cli', what: 'clear-halt', detail: '{}' })
    d.refuses(/append-only/, 'UPDATE ops_log SET at = 2')
    d.refuses(/append-only/, 'DELETE FROM ops_log')
  })
})
