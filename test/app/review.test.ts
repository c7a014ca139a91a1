import { mkdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireDataDirLock } from '../../src/adapters/sqlite/lock.ts'
import { openStore, type Store } from '../../src/adapters/sqlite/store.ts'
import { databaseOf } from '../../src/app/data-dir.ts'
import { readRecords } from '../../src/app/records.ts'
import { EXIT, Refusal } from '../../src/app/refusal.ts'
import { type Resolution, readResolution, resolveReview, reviewItems } from '../../src/app/review.ts'
import { msat } from '../../src/core/money.ts'
import { TestClock } from '../support/clock.ts'
import { type TempTree, tempTree } from '../support/temp-tree.ts'

const HASH = 'ab'.repeat(32)
const OPERATOR = { who: 'ana', note: 'talked to the buyer' }
const NOW_MS = 1_700_000_000_000

describe('what waits for a person', () => {
  let tree: TempTree
  let dir: string
  const clock = new TestClock(NOW_MS)

  beforeEach(() => {
    tree = tempTree({})
    dir = `${tree.path}/data`
    mkdirSync(dir)
  })
  afterEach(() => tree[Symbol.dispose]())

  /** A database in which an order's payout came into review; `paidMsat` of it left nevertheless. */
  function inReview(state: 'ready' | 'review', paidMsat = 0): void {
    write((store) => {
      store.s.node_add({ node: 'N', network: 'regtest' })
      store.insertOrder({
        id: 'order-1',
        kind: 'sell',
        status: 'settled-hold-invoice',
        maker_pubkey: 'm',
        maker_identity: 'mi',
        taker_pubkey: 't',
        taker_identity: 'ti',
        fiat_code: 'EUR',
        fiat_amount: 10,
        payment_method: 'SEPA',
        price_from_api: 0,
        created_at: 0,
        expires_at: 10,
      })
      store.run(
        `INSERT INTO obligation(id, kind, order_id, payee, amount_msat, max_fee_msat, state, review_why, anchor_at, attempts_max,
                                retry_s, destination, created_at)
         VALUES ('buyer_payout:order-1', 'buyer_payout', 'order-1', 't', 5000, 10, :state, :why, 1, 3, 60, '{}', 1)`,
        { state, why: state === 'review' ? 'late-success' : null },
      )
      const post = (n: number, debit: string, credit: string, amount: number) =>
        store.s.ledger_post({ cause: 'settle:x', n, debit, credit, msat: msat(amount), order_id: 'order-1', now: 1 })
      post(0, 'ln', 'owed:buyer_payout:order-1', 5000)
      if (paidMsat > 0) post(1, 'owed:buyer_payout:order-1', 'ln', paidMsat)
      store.s.alert_open({ key: 'obligation-review:buyer_payout:order-1', sev: 2, detail: 'look', now: 1 })
    })
  }

  function write(work: (store: Store) => void): void {
    const store = openStore(databaseOf(dir))
    try {
      store.transaction(() => work(store))
    } finally {
      store.close()
    }
  }

  const resolve = (resolution: Resolution): string => resolveReview(dir, resolution, OPERATOR, clock)
  const balances = () =>
    readRecords(dir, (records) => Object.fromEntries(records.accounts().map((a) => [a.name, a.credit - a.debit])))
  const names = () => readRecords(dir, (records) => reviewItems(records.waiting()).map(({ name }) => name))
  const log = () =>
    readRecords(dir, (records) => records.operations(10).map(({ at, who, what }) => ({ at, who, what })))

  const refusal = (work: () => unknown): { message: string; exitCode: number } => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { message: error.message, exitCode: error.exitCode }
    }
    throw new Error('it was not refused')
  }

  it('is listed with the gravest first', () => {
    inReview('review')
    write((store) => {
      store.s.node_halt({ node: 'N', why: 'restored' })
      store.s.order_review({ id: 'order-1' })
      store.s.alert_open({ key: 'small', sev: 1, detail: 'd', now: 1 })
      store.s.alert_open({ key: 'closed', sev: 3, detail: 'd', now: 1 })
      store.s.alert_close({ key: 'closed', now: 2 })
    })
    expect(names()).toEqual([
      'halt:N',
      'obligation:buyer_payout:order-1',
      'order:order-1',
      'alert:obligation-review:buyer_payout:order-1',
      'alert:small',
    ])
  })

  it('ends for an obligation that nobody is owed: the sats stay with the node, and the ledger says so', () => {
    inReview('review')
    expect(resolve({ kind: 'end-obligation', id: 'buyer_payout:order-1', end: { kind: 'keep' } })).toBe(
      'ended buyer_payout:order-1: 5000 msat kept by the node',
    )
    expect(balances()).toEqual({ ln: -5000, 'owed:buyer_payout:order-1': 0, share: 5000 })
    expect(names()).toEqual([])
    expect(log()).toEqual([{ at: NOW_MS / 1000, who: 'ana', what: 'review:end-obligation' }])
  })

  it('ends for an obligation that was paid by hand: the payment halts nothing any more', () => {
    inReview('review')
    resolve({ kind: 'end-obligation', id: 'buyer_payout:order-1', end: { kind: 'paid-by-hand', hash: HASH } })
    expect(balances()).toEqual({ ln: 0, 'owed:buyer_payout:order-1': 0 })
    write((store) => expect(store.s.meta_get({ key: `mapped:${HASH}` })).toBeDefined())
  })

  it.for([
    ['nothing', 5000, 0],
    ['the rest', 2000, 3000],
  ] as const)('moves %s when part of it had left already', ([, paidMsat, shareMsat]) => {
    inReview('review', paidMsat)
    resolve({ kind: 'end-obligation', id: 'buyer_payout:order-1', end: { kind: 'keep' } })
    expect(balances()).toMatchObject({ 'owed:buyer_payout:order-1': 0 })
    expect(balances()['share'] ?? 0).toBe(shareMsat)
  })

  it('does not end what is not in review', () => {
    inReview('ready')
    const said = refusal(() => resolve({ kind: 'end-obligation', id: 'buyer_payout:order-1', end: { kind: 'keep' } }))
    expect(said.message).toBe('obligation buyer_payout:order-1 is ready, not in review')
    expect(balances()).toEqual({ ln: -5000, 'owed:buyer_payout:order-1': 5000 })
    expect(log()).toEqual([])
  })

  it('does not end an obligation whose payment may still succeed', () => {
    inReview('review')
    write((store) =>
      store.run(
        `INSERT INTO ln_op(id, kind, hash, obligation_id, node_pubkey, params, request_expires_at, state, next_at, created_at)
         VALUES ('pay:1', 'pay', :hash, 'buyer_payout:order-1', 'N', '{}', 9, 'in_flight', 0, 0)`,
        { hash: HASH },
      ),
    )
    const said = refusal(() => resolve({ kind: 'end-obligation', id: 'buyer_payout:order-1', end: { kind: 'keep' } }))
    expect(said.message).toContain('may still succeed')
  })

  it('lets a halted node work again, closes alerts, and explains hashes', () => {
    inReview('review')
    write((store) => {
      store.s.node_halt({ node: 'N', why: 'restored' })
      store.s.alert_open({ key: `foreign-payment:${HASH}`, sev: 3, detail: 'd', now: 1 })
    })
    resolve({ kind: 'clear-halt', node: 'N' })
    resolve({ kind: 'map-hash', hash: HASH })
    resolve({ kind: 'close-alert', key: 'obligation-review:buyer_payout:order-1' })
    expect(names()).toEqual(['obligation:buyer_payout:order-1'])
    expect(log().map(({ what }) => what)).toEqual(['review:close-alert', 'review:map-hash', 'review:clear-halt'])
  })

  it.for<Resolution>([
    { kind: 'clear-halt', node: 'N' },
    { kind: 'close-alert', key: 'unknown' },
    { kind: 'end-obligation', id: 'unknown', end: { kind: 'keep' } },
  ])('is not resolved where nothing waits: $kind', (resolution) => {
    inReview('ready')
    expect(refusal(() => resolve(resolution)).exitCode).toBe(EXIT.failed)
  })

  it('is left alone while a daemon works', () => {
    inReview('review')
    const lock = acquireDataDirLock(dir)
    const said = refusal(() => resolve({ kind: 'close-alert', key: 'x' }))
    lock.release()
    expect(said).toEqual({
      message: `${dir} is in use by process ${process.pid}; stop it first to resolve what waits for a person`,
      exitCode: EXIT.busy,
    })
  })

  it('can be read while a daemon writes', () => {
    inReview('review')
    const daemon = openStore(databaseOf(dir))
    daemon.transaction(() => {
      daemon.s.alert_open({ key: 'not yet', sev: 1, detail: 'd', now: 1 })
      expect(names()).toHaveLength(2)
    })
    expect(names()).toHaveLength(3)
    daemon.close()
  })

  describe('is named as `review list` prints it', () => {
    it.for<readonly [string, boolean, string | undefined, Resolution]>([
      ['alert:a:b', false, undefined, { kind: 'close-alert', key: 'a:b' }],
      ['halt:02ab', false, undefined, { kind: 'clear-halt', node: '02ab' }],
      [`hash:${HASH.toUpperCase()}`, false, undefined, { kind: 'map-hash', hash: HASH }],
      ['obligation:x:y', true, undefined, { kind: 'end-obligation', id: 'x:y', end: { kind: 'keep' } }],
      ['obligation:x', false, HASH, { kind: 'end-obligation', id: 'x', end: { kind: 'paid-by-hand', hash: HASH } }],
    ])('%s', ([name, keep, paidByHand, resolution]) => {
      expect(readResolution(name, { keep, paidByHand, as: undefined })).toEqual(resolution)
    })

    it('an order names its end', () => {
      const asked = { keep: false, paidByHand: undefined }
      expect(readResolution('order:x', { ...asked, as: 'canceled' })).toEqual({
        kind: 'end-order',
        id: 'x',
        as: 'canceled',
      })
      expect(refusal(() => readResolution('order:x', { ...asked, as: 'lost' })).message).toMatch(
        /say how the order ends/,
      )
      expect(refusal(() => readResolution('alert:x', { ...asked, as: 'success' })).message).toMatch(/is for orders/)
    })

    it.for<readonly [string, boolean, string | undefined, RegExp]>([
      ['obligation:x', false, undefined, /say how it ends/],
      ['obligation:x', true, HASH, /say how it ends/],
      ['obligation:x', false, 'abc', /not a payment hash/],
      ['alert:x', true, undefined, /for obligations/],
      ['hash:abc', false, undefined, /not a payment hash/],
      ['order:x', false, undefined, /say how the order ends/],
      ['x', false, undefined, /nothing that can be resolved/],
    ])('%s, keep %s, paid by hand %s: refused', ([name, keep, paidByHand, message]) => {
      const said = refusal(() => readResolution(name, { keep, paidByHand, as: undefined }))
      expect(said.message).toMatch(message)
      expect(said.exitCode).toBe(EXIT.usage)
    })
  })
})
