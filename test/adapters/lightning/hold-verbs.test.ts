import { describe, expect, it } from 'vitest'
import type { InvoiceMessage } from '../../../src/adapters/lightning/messages.ts'
import { cancelHold } from '../../../src/adapters/lightning/verbs/cancel-hold.ts'
import { createHold } from '../../../src/adapters/lightning/verbs/create-hold.ts'
import { htlcsResolved } from '../../../src/adapters/lightning/verbs/htlcs-resolved.ts'
import { listHolds } from '../../../src/adapters/lightning/verbs/list-holds.ts'
import { lookupHold } from '../../../src/adapters/lightning/verbs/lookup-hold.ts'
import { settleHold } from '../../../src/adapters/lightning/verbs/settle-hold.ts'
import { watchHold } from '../../../src/adapters/lightning/verbs/watch-hold.ts'
import { msat } from '../../../src/core/money.ts'
import type { HoldFact, HoldPlan, HtlcResolution } from '../../../src/ports/lightning.ts'
import { encodeBolt11 } from '../../../src/sandbox/lightning/bolt11.ts'
import { readOwnRequest } from '../../../src/wire/bolt11.ts'
import { answers, fails, HASH, invoiceMessage, PREIMAGE, type Script, ScriptedCalls } from './scripted-calls.ts'

const NOW_S = 1_800_000_000
const NOW_MS = NOW_S * 1000

const requestFor = (over: { hash?: string; amountMsat?: number; finalCltv?: number }): string =>
  encodeBolt11(
    {
      network: 'bcrt',
      amountMsat: msat(over.amountMsat ?? 100_000),
      createdAtS: NOW_S,
      expiryS: 900,
      hash: over.hash ?? HASH,
      secret: '22'.repeat(32),
      memo: 'escrow',
      descriptionHash: null,
      finalCltv: over.finalCltv ?? 144,
      features: [8, 14, 17],
    },
    new Uint8Array(32).fill(7),
  )

const ours = (over: Partial<InvoiceMessage>) => invoiceMessage({ payment_request: requestFor({}), ...over })
const found = (over: Partial<InvoiceMessage>) => [answers(ours(over))]
const notFound = [fails('lookupInvoice', 5, 'unable to locate invoice')]
const noAnswer = [fails('lookupInvoice', 4, 'Deadline exceeded')]

const plan: HoldPlan = {
  hash: HASH,
  amountMsat: msat(100_000),
  cltvDelta: 144,
  memo: 'escrow',
  expiresAt: NOW_S + 900,
}

describe('creating a hold (money-path.md 1.2)', () => {
  const added = [answers({ payment_request: requestFor({}) })]
  /** LND made it, and its answer can not be read: what it has is read back. */
  const unclear = [answers({ payment_request: 'lnbcrt1' })]
  const refuses = (code: number, details: string) => [fails('addHoldInvoice', code, details)]
  const exists = refuses(2, 'invoice with payment hash already exists')
  const rows: readonly (readonly [string, Script, string])[] = [
    ['a fresh one is in place', { addHoldInvoice: added }, 'A'],
    ['one with an unreadable answer is read back', { addHoldInvoice: unclear, lookupInvoice: found({}) }, 'A'],
    [
      'one whose answer is for another hash is read back',
      {
        addHoldInvoice: [answers({ payment_request: requestFor({ hash: '33'.repeat(32) }) })],
        lookupInvoice: found({}),
      },
      'A',
    ],
    ['one that is there already is adopted', { addHoldInvoice: exists, lookupInvoice: found({}) }, 'A'],
    [
      'one that was paid meanwhile is adopted',
      { addHoldInvoice: exists, lookupInvoice: found({ state: 'ACCEPTED' }) },
      'A',
    ],
    [
      'one of another amount is a conflict',
      { addHoldInvoice: exists, lookupInvoice: found({ value_msat: '100001' }) },
      'T',
    ],
    [
      'one of another delta is a conflict',
      { addHoldInvoice: exists, lookupInvoice: found({ cltv_expiry: '80' }) },
      'T',
    ],
    ['one with another memo is a conflict', { addHoldInvoice: exists, lookupInvoice: found({ memo: 'lunch' }) }, 'T'],
    ['one that was settled is a conflict', { addHoldInvoice: exists, lookupInvoice: found({ state: 'SETTLED' }) }, 'T'],
    [
      'one that was canceled is a conflict',
      { addHoldInvoice: exists, lookupInvoice: found({ state: 'CANCELED' }) },
      'T',
    ],
    [
      'one whose request is for another hash is a conflict',
      { addHoldInvoice: unclear, lookupInvoice: found({ payment_request: requestFor({ hash: '33'.repeat(32) }) }) },
      'T',
    ],
    [
      'one whose request is for another amount is a conflict',
      { addHoldInvoice: unclear, lookupInvoice: found({ payment_request: requestFor({ amountMsat: 99_000 }) }) },
      'T',
    ],
    [
      'one whose request is for another delta is a conflict',
      { addHoldInvoice: unclear, lookupInvoice: found({ payment_request: requestFor({ finalCltv: 40 }) }) },
      'T',
    ],
    [
      'one whose request is garbage is a conflict',
      { addHoldInvoice: unclear, lookupInvoice: found({ payment_request: 'lnbcrt1' }) },
      'T',
    ],
    ['a lost answer is adopted', { addHoldInvoice: refuses(4, 'Deadline exceeded'), lookupInvoice: found({}) }, 'A'],
    [
      'an answer without content is adopted',
      { addHoldInvoice: [{ ok: false, error: { kind: 'other', uri: '', details: '' } }], lookupInvoice: found({}) },
      'A',
    ],
    [
      'a lost request may be repeated',
      { addHoldInvoice: refuses(4, 'Deadline exceeded'), lookupInvoice: notFound },
      'S',
    ],
    [
      'a lost connection leaves it unknown',
      { addHoldInvoice: refuses(14, 'Connection dropped'), lookupInvoice: noAnswer },
      'U',
    ],
    ['an added one that can not be read back is unknown', { addHoldInvoice: unclear, lookupInvoice: noAnswer }, 'U'],
    ['an added one that is not there is unknown', { addHoldInvoice: unclear, lookupInvoice: notFound }, 'U'],
    ['a garbled look-up is no information', { addHoldInvoice: unclear, lookupInvoice: found({ state: 'HALF' }) }, 'U'],
    ['a refused request is our fault', { addHoldInvoice: refuses(2, 'memo too large'), lookupInvoice: notFound }, 'B'],
    [
      'a refused repeat of one that is there is adopted',
      { addHoldInvoice: refuses(2, 'duplicate of some kind'), lookupInvoice: found({}) },
      'A',
    ],
    [
      'a duplicate that was collected meanwhile may be repeated',
      { addHoldInvoice: exists, lookupInvoice: notFound },
      'S',
    ],
    ['a closed port was never reached', { addHoldInvoice: refuses(14, 'No connection established') }, 'S'],
    ['a locked node refused', { addHoldInvoice: refuses(2, 'wallet locked, unlock it') }, 'S'],
    ['a missing right is our fault', { addHoldInvoice: refuses(2, 'permission denied') }, 'B'],
  ]
  it.each(rows)('%s', async (_title, script, outcome) => {
    expect((await createHold(new ScriptedCalls(script), NOW_MS, plan, readOwnRequest)).class).toBe(outcome)
  })

  it('hands over what LND has, with the request for the payer', async () => {
    const calls = new ScriptedCalls({ addHoldInvoice: added })
    expect(await createHold(calls, NOW_MS, plan, readOwnRequest)).toEqual({
      class: 'A',
      fact: {
        hash: HASH,
        state: 'open',
        request: requestFor({}),
        amountMsat: 100_000,
        receivedMsat: 0,
        cltvDelta: 144,
        memo: 'escrow',
        expiresAt: NOW_S + 900,
        minHtlcHeight: null,
        settleIndex: null,
      },
    })
    expect(calls.made[0]?.request).toEqual({
      hash: Buffer.from(HASH, 'hex'),
      value_msat: '100000',
      memo: 'escrow',
      expiry: 900,
      cltv_expiry: 144,
    })
  })

  it.each([
    ['in the past', -1],
    ['now', 0],
    ['within a minute', 60],
  ])('is not sent with an expiry %s, for LND would make it a day', async (_title, lifeS) => {
    const calls = new ScriptedCalls({})
    expect((await createHold(calls, NOW_MS, { ...plan, expiresAt: NOW_S + lifeS }, readOwnRequest)).class).toBe('S')
    expect(calls.made).toEqual([])
  })

  it('is not sent with a memo that no request can carry, or without a hash', async () => {
    const calls = new ScriptedCalls({})
    expect((await createHold(calls, NOW_MS, { ...plan, memo: 'ñ'.repeat(320) }, readOwnRequest)).class).toBe('B')
    expect((await createHold(calls, NOW_MS, { ...plan, hash: 'ab' }, readOwnRequest)).class).toBe('B')
    expect(calls.made).toEqual([])
  })

  it('says when the connection that carried it is gone', async () => {
    const calls = new ScriptedCalls({ addHoldInvoice: refuses(14, 'Connection dropped'), lookupInvoice: noAnswer })
    calls.lost = true
    expect(await createHold(calls, NOW_MS, plan, readOwnRequest)).toMatchObject({ class: 'U', connectionLost: true })
  })
})

describe('settling a hold (money-path.md 1.3)', () => {
  const done = [answers({})]
  const refuses = (code: number, details: string) => [fails('settleInvoice', code, details)]
  const settled = found({ state: 'SETTLED', settle_index: '9', amt_paid_msat: '100000' })
  const rows: readonly (readonly [string, Script, string])[] = [
    ['it is settled', { settleInvoice: done, lookupInvoice: settled }, 'A'],
    [
      'the answer was lost, LND has it settled',
      { settleInvoice: refuses(4, 'Deadline exceeded'), lookupInvoice: settled },
      'A',
    ],
    [
      'the answer was lost, LND still holds it',
      { settleInvoice: refuses(13, ''), lookupInvoice: found({ state: 'ACCEPTED' }) },
      'S',
    ],
    [
      'LND has canceled it by itself',
      { settleInvoice: refuses(2, 'invoice already canceled'), lookupInvoice: found({ state: 'CANCELED' }) },
      'T',
    ],
    [
      'LND says so in other words',
      { settleInvoice: refuses(2, 'sql: invoice already canceled'), lookupInvoice: found({ state: 'CANCELED' }) },
      'T',
    ],
    [
      'LND says canceled and shows it held',
      { settleInvoice: refuses(2, 'invoice already canceled'), lookupInvoice: found({ state: 'ACCEPTED' }) },
      'S',
    ],
    ['nobody has paid it', { settleInvoice: refuses(2, 'invoice still open'), lookupInvoice: found({}) }, 'conflict'],
    [
      'LND does not know it',
      { settleInvoice: refuses(2, 'unable to locate invoice'), lookupInvoice: notFound },
      'conflict',
    ],
    ['LND settled it and does not show it', { settleInvoice: done, lookupInvoice: notFound }, 'U'],
    ['LND settled it and shows it held', { settleInvoice: done, lookupInvoice: found({ state: 'ACCEPTED' }) }, 'U'],
    ['LND settled it and can not be asked', { settleInvoice: done, lookupInvoice: noAnswer }, 'U'],
    ['nothing is known', { settleInvoice: refuses(14, 'read ECONNRESET'), lookupInvoice: noAnswer }, 'U'],
    ['LND was never reached', { settleInvoice: refuses(14, 'No connection established') }, 'S'],
    ['LND is starting', { settleInvoice: refuses(2, 'the RPC server is in the process of starting up, but') }, 'S'],
    ['a right is missing', { settleInvoice: refuses(2, 'permission denied') }, 'B'],
  ]
  it.each(rows)('%s', async (_title, script, outcome) => {
    expect((await settleHold(new ScriptedCalls(script), PREIMAGE)).class).toBe(outcome)
  })

  it('tells what was received and the settle index', async () => {
    const calls = new ScriptedCalls({ settleInvoice: done, lookupInvoice: settled })
    expect(await settleHold(calls, PREIMAGE)).toMatchObject({
      class: 'A',
      fact: { receivedMsat: 100_000, settleIndex: 9 },
    })
  })

  it('never names the preimage in what it reports', async () => {
    const calls = new ScriptedCalls({ settleInvoice: refuses(2, 'unable to locate invoice'), lookupInvoice: notFound })
    expect(JSON.stringify(await settleHold(calls, PREIMAGE))).not.toContain(PREIMAGE)
    expect(JSON.stringify(await settleHold(calls, `${PREIMAGE}0`))).not.toContain(PREIMAGE)
  })
})

describe('cancelling a hold (money-path.md 1.4)', () => {
  const refuses = (code: number, details: string) => [fails('cancelInvoice', code, details)]
  const rows: readonly (readonly [string, Script, string])[] = [
    ['it is canceled', { cancelInvoice: [answers({})] }, 'A'],
    [
      'the answer was lost, LND has it canceled',
      { cancelInvoice: refuses(4, ''), lookupInvoice: found({ state: 'CANCELED' }) },
      'A',
    ],
    ['the answer was lost, LND has it open', { cancelInvoice: refuses(4, ''), lookupInvoice: found({}) }, 'S'],
    [
      'the answer was lost, LND holds it',
      { cancelInvoice: refuses(4, ''), lookupInvoice: found({ state: 'ACCEPTED' }) },
      'S',
    ],
    [
      'LND has settled it',
      {
        cancelInvoice: refuses(2, 'invoice already settled'),
        lookupInvoice: found({ state: 'SETTLED', settle_index: '1' }),
      },
      'T',
    ],
    [
      'LND does not know it',
      { cancelInvoice: refuses(2, 'unable to locate invoice'), lookupInvoice: notFound },
      'not-found',
    ],
    [
      'LND contradicts itself in our favour',
      { cancelInvoice: refuses(2, 'unable to locate invoice'), lookupInvoice: found({}) },
      'S',
    ],
    ['nothing is known', { cancelInvoice: refuses(14, 'Connection dropped'), lookupInvoice: noAnswer }, 'U'],
    ['LND was never reached', { cancelInvoice: refuses(14, 'No connection established') }, 'S'],
    ['LND is locked', { cancelInvoice: refuses(2, 'wallet locked, unlock it') }, 'S'],
    ['a right is missing', { cancelInvoice: refuses(2, 'permission denied') }, 'B'],
  ]
  it.each(rows)('%s', async (_title, script, outcome) => {
    expect((await cancelHold(new ScriptedCalls(script), HASH)).class).toBe(outcome)
  })
})

describe('reading a hold (money-path.md 1.5)', () => {
  const htlc = (state: string, expiry_height: number) => ({
    chan_id: '1',
    htlc_index: '0',
    amt_msat: '100000',
    state,
    expiry_height,
  })

  it.each([
    ['OPEN', 'open'],
    ['ACCEPTED', 'accepted'],
    ['SETTLED', 'settled'],
    ['CANCELED', 'canceled'],
  ])('%s is %s', async (state, word) => {
    const calls = new ScriptedCalls({ lookupInvoice: found({ state }) })
    expect(await lookupHold(calls, HASH)).toMatchObject({ ok: true, value: { state: word } })
  })

  it('limits the hold by the earliest HTLC that is still held', async () => {
    const htlcs = [htlc('ACCEPTED', 950), htlc('ACCEPTED', 940), htlc('CANCELED', 900)]
    const calls = new ScriptedCalls({ lookupInvoice: found({ state: 'ACCEPTED', htlcs, amt_paid_msat: '100500' }) })
    expect(await lookupHold(calls, HASH)).toMatchObject({
      ok: true,
      value: { minHtlcHeight: 940, receivedMsat: 100_500 },
    })
  })

  it('shows what arrived after a cancel from accepted, and no height', async () => {
    const over = { state: 'CANCELED', amt_paid_msat: '100000', htlcs: [htlc('CANCELED', 900)] }
    const calls = new ScriptedCalls({ lookupInvoice: found(over) })
    expect(await lookupHold(calls, HASH)).toMatchObject({
      ok: true,
      value: { minHtlcHeight: null, receivedMsat: 100_000 },
    })
  })

  it.each([
    ['a state that is new', { state: 'FROZEN' }],
    ['no hash', { r_hash: new Uint8Array() }],
    ['an amount that is none', { value_msat: '-1' }],
    ['an amount beyond all bitcoin', { value_msat: '9223372036854775807' }],
  ])('%s is no information, never an exception', async (_title, over) => {
    expect((await lookupHold(new ScriptedCalls({ lookupInvoice: found(over) }), HASH)).ok).toBe(false)
  })

  it.each([
    ['a deadline', 4, 'Deadline exceeded'],
    ['a locked wallet', 2, 'wallet locked, unlock it'],
    ['an unknown text', 2, 'something'],
  ])('%s is no information', async (_title, code, details) => {
    expect(
      (await lookupHold(new ScriptedCalls({ lookupInvoice: [fails('lookupInvoice', code, details)] }), HASH)).ok,
    ).toBe(false)
  })
})

describe('listing holds', () => {
  const page = (hashes: readonly string[], last: string) =>
    answers({
      invoices: hashes.map((hash) => ours({ r_hash: Buffer.from(hash, 'hex') })),
      last_index_offset: last,
    })

  it('reads page after page until one is empty', async () => {
    const calls = new ScriptedCalls({
      listInvoices: [page(['01'.repeat(32), '02'.repeat(32)], '2'), page(['03'.repeat(32)], '7'), page([], '0')],
    })
    const pages: (readonly string[])[] = []
    const asked: number[] = []
    const listed = await listHolds(calls, { pendingOnly: true, createdSinceS: 0 }, (facts) => {
      pages.push(facts.map(({ hash }) => hash.slice(0, 2)))
      asked.push(calls.made.length)
    })
    expect(listed.ok).toBe(true)
    expect(pages).toEqual([['01', '02'], ['03']])
    // Whoever reads a page does not keep the next one waiting.
    expect(asked).toEqual([2, 3])
    expect(calls.made.map(({ request }) => request)).toMatchObject([
      { index_offset: '0', pending_only: true },
      { index_offset: '2' },
      { index_offset: '7' },
    ])
  })

  it('is no information when a page is missing, unreadable or the same again', async () => {
    const first = () => page([HASH], '2')
    const broken: readonly Script[] = [
      { listInvoices: [first(), fails('listInvoices', 14, 'Connection dropped')] },
      { listInvoices: [first(), first()] },
      { listInvoices: [answers({ invoices: [ours({ state: 'FROZEN' })], last_index_offset: '1' }), page([], '0')] },
    ]
    for (const script of broken) {
      const listed = await listHolds(
        new ScriptedCalls(script),
        { pendingOnly: false, createdSinceS: 5 },
        () => undefined,
      )
      expect(listed.ok).toBe(false)
    }
  })
})

describe('watching a hold (money-path.md 1.6)', () => {
  const watching = async (steps: NonNullable<NonNullable<Script['streams']>['subscribeSingleInvoice']>[number]) => {
    const facts: HoldFact['state'][] = []
    const calls = new ScriptedCalls({ streams: { subscribeSingleInvoice: [steps] } })
    const watch = watchHold(calls, HASH, (fact) => facts.push(fact.state))
    await new Promise((resolve) => setImmediate(resolve))
    return { facts, calls, watch }
  }

  it('tells every state and stops after a final one', async () => {
    const { facts, calls } = await watching([
      { message: ours({}) },
      { message: ours({ state: 'ACCEPTED' }) },
      { message: ours({ state: 'SETTLED', settle_index: '1' }) },
      { message: ours({ state: 'OPEN' }) },
    ])
    expect(facts).toEqual(['open', 'accepted', 'settled'])
    expect(calls.cancelled).toBe(1)
  })

  it('ends without a word when LND stops, and skips what can not be read', async () => {
    const { facts } = await watching([{ message: ours({ state: 'FROZEN' }) }, { message: ours({}) }, { end: null }])
    expect(facts).toEqual(['open'])
  })
})

describe('asking what became of the HTLCs of a settled hold', () => {
  const htlc = (index: string, state = 'SETTLED') => ({
    chan_id: '7',
    htlc_index: index,
    amt_msat: '50000',
    state,
    expiry_height: 900,
  })
  const hold = found({ state: 'SETTLED', settle_index: '1', htlcs: [htlc('0'), htlc('1'), htlc('2', 'CANCELED')] })
  const resolution = (settled: boolean) => answers({ settled })
  const rows: readonly (readonly [string, Script, HtlcResolution | null])[] = [
    ['all are ours', { lookupInvoice: hold, lookupHtlcResolution: [resolution(true)] }, { state: 'ours' }],
    [
      'one was lost',
      { lookupInvoice: hold, lookupHtlcResolution: [resolution(true), resolution(false)] },
      { state: 'lost', lostMsat: msat(50_000) },
    ],
    [
      'one is not resolved yet',
      {
        lookupInvoice: hold,
        lookupHtlcResolution: [resolution(true), fails('lookupHtlcResolution', 2, 'htlc unknown')],
      },
      { state: 'pending' },
    ],
    [
      'one was lost and one is not resolved yet',
      {
        lookupInvoice: hold,
        lookupHtlcResolution: [resolution(false), fails('lookupHtlcResolution', 5, 'htlc unknown')],
      },
      { state: 'pending' },
    ],
    [
      'LND does not record it',
      {
        lookupInvoice: hold,
        lookupHtlcResolution: [
          fails('lookupHtlcResolution', 2, 'cannot lookup with flag --store-final-htlc-resolutions=false'),
        ],
      },
      { state: 'unsupported' },
    ],
    [
      'LND is too old to know',
      { lookupInvoice: hold, lookupHtlcResolution: [fails('lookupHtlcResolution', 12, 'unknown method')] },
      { state: 'unsupported' },
    ],
    [
      'the question was lost',
      { lookupInvoice: hold, lookupHtlcResolution: [fails('lookupHtlcResolution', 4, '')] },
      null,
    ],
    ['the hold is not settled', { lookupInvoice: found({ state: 'ACCEPTED' }) }, null],
    ['the hold is unknown', { lookupInvoice: notFound }, null],
    ['the hold names no HTLC', { lookupInvoice: found({ state: 'SETTLED', settle_index: '1' }) }, null],
  ]
  it.each(rows)('%s', async (_title, script, value) => {
    const answer = await htlcsResolved(new ScriptedCalls(script), HASH)
    expect(answer.ok ? answer.value : null).toEqual(value)
  })
})
