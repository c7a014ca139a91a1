/** One planted defect for every invariant: the picture of a healthy world, changed in one place. */
import type { HoldRow, LnOpRow, ObligationRow, OrderRow } from '../../src/adapters/sqlite/schema.ts'
import { msat } from '../../src/core/money.ts'
import type { SimInvoice, SimPayment } from '../../src/sandbox/lightning/control.ts'
import type { Call, Facts, Told } from './facts.ts'
import { Groups, noChanges, type RowOf, type Rows, type Table } from './mirror.ts'

/** A picture that can be changed: the same as {@link Facts}, with everything looked up already. */
export type Picture = Omit<Facts, 'groups' | 'lightning' | 'calls' | 'told'> & {
  readonly invoices: Map<string, SimInvoice>
  readonly payments: Map<string, SimPayment>
  gainMsat: number
  calls: Call[]
  told: Told[]
  secondSweepChanged: number
}

/** Takes a picture of a world; what happens there afterwards does not change it. */
export function picture(facts: Facts): Picture {
  const events = structuredClone(facts.onRelays())
  const purses = structuredClone(facts.purses())
  const inbox = structuredClone(facts.inbox())
  return {
    nowS: facts.nowS,
    rows: structuredClone(facts.rows),
    changes: noChanges(),
    calls: [],
    told: [],
    invoices: new Map(facts.lightning.invoices().map((invoice) => [invoice.hash, { ...invoice }])),
    payments: new Map(facts.lightning.payments().map((payment) => [payment.hash, { ...payment }])),
    gainMsat: facts.lightning.gainMsat(),
    onRelays: () => events,
    nodePubkey: facts.nodePubkey,
    asked: new Map(facts.asked),
    answers: new Map(facts.answers),
    purses: () => purses,
    inbox: () => inbox,
    secondSweepChanged: 0,
    atRest: true,
  }
}

/** The picture as the invariants look at it. */
export function factsOf(present: Picture): Facts {
  const { invoices, payments, gainMsat, ...rest } = present
  return {
    ...rest,
    groups: new Groups(rest.rows),
    lightning: {
      invoice: (hash) => invoices.get(hash) ?? null,
      payment: (hash) => payments.get(hash) ?? null,
      invoices: () => [...invoices.values()],
      payments: () => [...payments.values()],
      gainMsat: () => gainMsat,
    },
  }
}

function first<T extends Table>({ rows }: Picture, table: T, fits: (row: RowOf<T>) => boolean): RowOf<T> {
  const found = ([...rows[table].values()] as RowOf<T>[]).find(fits)
  if (found === undefined) throw new Error(`the picture has no such row of ${table}`)
  return found
}

function change<T extends Table>({ rows, changes }: Picture, table: T, key: string, values: Partial<RowOf<T>>): void {
  const map = rows[table] as Map<string, RowOf<T>>
  const before = map.get(key)
  if (before === undefined) throw new Error(`${table} has no ${key}`)
  const after = { ...before, ...values }
  map.set(key, after)
  const list = changes[table] as unknown as { before: RowOf<T>; after: RowOf<T> }[]
  list.push({ before, after })
}

const paid = (it: Picture): ObligationRow => first(it, 'obligation', ({ state }) => state === 'paid')
const payOf = (it: Picture): LnOpRow => first(it, 'ln_op', ({ kind, state }) => kind === 'pay' && state === 'done')
const settled = (it: Picture): HoldRow => first(it, 'hold', ({ final }) => final === 'settled')
const givenBack = (it: Picture): HoldRow =>
  first(it, 'hold', ({ final, request }) => final === 'canceled' && request !== null)
const canceledOrder = (it: Picture): OrderRow =>
  first(
    it,
    'orders',
    ({ id, status }) => status === 'canceled' && [...it.rows.hold.values()].every(({ order_id }) => order_id !== id),
  )

const call = (it: Picture, verb: Call['verb'], hold: HoldRow, over: Partial<Call> = {}): void => {
  it.calls.push({ verb, hash: hold.hash, op: payOf(it), hold, halted: false, unverified: false, ...over })
}

function repay(it: Picture, state: SimPayment['state']): string {
  const { hash } = payOf(it)
  const payment = it.payments.get(hash)
  if (payment === undefined) throw new Error('nothing was paid')
  it.payments.set('f'.repeat(64), { ...payment, hash: 'f'.repeat(64), state })
  const reserved = it.rows.payout_hash.get(hash)
  if (reserved === undefined) throw new Error('nothing was reserved')
  it.rows.payout_hash.set('f'.repeat(64), { ...reserved, hash: 'f'.repeat(64) })
  return hash
}

const told = (it: Picture, action: Told['action'], orderId: string | null, requestId: bigint | null = null): void => {
  it.told.push({ trader: 'somebody', pubkey: '', action, orderId, requestId, eventId: '' })
}

const withRow = <T extends Table>(rows: Rows, table: T, key: string, row: RowOf<T>): void => {
  const map = rows[table] as Map<string, RowOf<T>>
  map.set(key, row)
}

/** What is planted, by the invariant that must notice it. */
export const MUTANTS: Readonly<Record<string, { readonly plants: string; readonly plant: (it: Picture) => void }>> = {
  'I-01': {
    plants: 'an obligation is paid a second time by another invoice',
    plant: (it) => repay(it, 'succeeded'),
  },
  'I-02': {
    plants: 'a payment leaves before its intent is written down',
    plant: (it) => call(it, 'pay', settled(it), { op: null }),
  },
  'I-03': {
    plants: 'one hold invoice has two creating intents',
    plant: (it) => {
      const op = first(it, 'ln_op', ({ kind }) => kind === 'hold_create')
      withRow(it.rows, 'ln_op', `${op.id}:again`, { ...op, id: `${op.id}:again` })
    },
  },
  'I-04': {
    plants: 'Lightning settles an escrow that was decided to be given back',
    plant: (it) => {
      const { hash } = givenBack(it)
      const invoice = it.invoices.get(hash)
      if (invoice === undefined) throw new Error('the picture has no such invoice')
      it.invoices.set(hash, { ...invoice, state: 'settled' })
    },
  },
  'I-05': {
    plants: 'an escrow is canceled that was decided to be settled',
    plant: (it) => call(it, 'cancelHold', settled(it)),
  },
  'I-06': {
    plants: 'a payout is ready while its escrow is only held',
    plant: (it) => {
      const { hash } = settled(it)
      const invoice = it.invoices.get(hash)
      if (invoice === undefined) throw new Error('the picture has no such invoice')
      it.invoices.set(hash, { ...invoice, state: 'accepted' })
    },
  },
  'I-07': {
    plants: 'paid is said of a payment that failed',
    plant: (it) => {
      const { hash } = payOf(it)
      const payment = it.payments.get(hash)
      if (payment === undefined) throw new Error('nothing was paid')
      it.payments.set(hash, { ...payment, state: 'failed' })
    },
  },
  'I-08': {
    plants: 'a success of Lightning is never booked',
    plant: (it) => change(it, 'obligation', paid(it).id, { state: 'ready', paid_op: null }),
  },
  'I-09': {
    plants: 'what was paid is called void',
    plant: (it) => change(it, 'obligation', paid(it).id, { state: 'void', paid_op: null }),
  },
  'I-10': {
    plants: 'an order is a success and nobody was paid',
    plant: (it) => {
      const { id } = first(it, 'orders', ({ status }) => status === 'success')
      it.rows.obligation.delete(`buyer_payout:${id}`)
    },
  },
  'I-11': {
    plants: 'an order is on the book while its escrow is settled',
    plant: (it) => change(it, 'orders', settled(it).order_id, { status: 'pending' }),
  },
  'I-14': {
    plants: 'a payment is booked twice',
    plant: (it) => {
      const row = first(it, 'ledger', ({ cause }) => cause.startsWith('paid:'))
      withRow(it.rows, 'ledger', `${row.id}:again`, { ...row, id: `${row.id}:again` })
    },
  },
  'I-15': {
    plants: 'a decision is rewritten',
    plant: (it) => change(it, 'hold', settled(it).hash, { decision: 'cancel' }),
  },
  'I-16': {
    plants: 'a deadline is given a later anchor',
    plant: (it) => {
      const { id, anchor_at } = paid(it)
      change(it, 'obligation', id, { anchor_at: (anchor_at ?? 0) + 60 })
    },
  },
  'I-17': {
    plants: 'money is moved while halted',
    plant: (it) => call(it, 'settleHold', settled(it), { halted: true }),
  },
  'I-18': {
    plants: 'a second invoice is tried while the first one is on its way',
    plant: (it) => {
      repay(it, 'in-flight')
      call(it, 'pay', settled(it), { hash: payOf(it).hash })
    },
  },
  'I-19': {
    plants: 'the buyer hears that an escrow is released which is not',
    plant: (it) => told(it, 'released', canceledOrder(it).id),
  },
  'I-20': {
    plants: 'a sat leaves the node that nobody sent',
    plant: (it) => {
      it.gainMsat -= 1000
    },
  },
  'I-21': {
    plants: 'the fee of a trade is booked for another account',
    plant: (it) => {
      const fee = it.rows.account.get('fee')
      if (fee === undefined) throw new Error('no fee was earned')
      it.rows.account.set('fee', { ...fee, credit: msat(fee.credit - 1000) })
    },
  },
  'I-22': {
    plants: 'an overpaid sat goes to nobody',
    plant: (it) => {
      const { hash, held_msat } = settled(it)
      change(it, 'hold', hash, { held_msat: msat((held_msat ?? 0) + 1000) })
    },
  },
  'I-23': {
    plants: 'somebody loses a sat in a canceled trade',
    plant: (it) => {
      const [one, ...others] = it.purses()
      if (one === undefined) throw new Error('nobody has a purse')
      Object.assign(it, { purses: () => [{ ...one, lostMsat: one.lostMsat + 1000 }, ...others] })
    },
  },
  'I-24': {
    plants: 'an escrow stays held for ever',
    plant: (it) => change(it, 'hold', settled(it).hash, { rank: 2, final: null }),
  },
  'I-25': {
    plants: 'an intent is never claimable again',
    plant: (it) => change(it, 'ln_op', payOf(it).id, { state: 'unknown' }),
  },
  'I-26': {
    plants: 'a message stays queued',
    plant: (it) => {
      const [key] = it.rows.outbox_msg.keys()
      change(it, 'outbox_msg', key ?? '', { state: 0 })
    },
  },
  'I-27': {
    plants: 'a message is lost although it is called sent',
    plant: (it) => {
      const { recipient } = first(it, 'outbox_msg', () => true)
      const kept = it
        .onRelays()
        .filter(({ tags }) => !tags.some(([name, value]) => name === 'p' && value === recipient))
      Object.assign(it, { onRelays: () => kept })
    },
  },
  'I-28': {
    plants: 'an offer that came twice is on the book twice',
    plant: (it) => {
      const order = canceledOrder(it)
      withRow(it.rows, 'orders', 'another', { ...order, id: 'another' })
    },
  },
  'I-29': {
    plants: 'an intent asks Lightning again and again',
    plant: (it) => change(it, 'ln_op', payOf(it).id, { attempt: 1000 }),
  },
  'I-30': {
    plants: 'looking again writes something',
    plant: (it) => {
      it.secondSweepChanged = 1
    },
  },
  'I-31': {
    plants: 'an invoice that was given back can still be paid',
    plant: (it) => {
      const { hash } = givenBack(it)
      const invoice = it.invoices.get(hash)
      if (invoice === undefined) throw new Error('the picture has no such invoice')
      it.invoices.set(hash, { ...invoice, state: 'open' })
    },
  },
  'I-32': {
    plants: 'one invoice serves two obligations',
    plant: (it) => {
      const { hash } = payOf(it)
      const row = it.rows.payout_hash.get(hash)
      if (row === undefined) throw new Error('nothing was reserved')
      it.rows.payout_hash.set(hash, { ...row, owner: 'buyer_payout:another' })
    },
  },
  'I-33': {
    plants: 'an order waits for a refund that nothing brings',
    plant: (it) => change(it, 'orders', canceledOrder(it).id, { phase: 'refunding' }),
  },
  'I-34': {
    plants: 'a seller is timed out for a request that no relay took',
    plant: (it) => {
      const { hash, order_id } = givenBack(it)
      it.rows.hold.set(hash, { ...givenBack(it), decided_by: `duty:${order_id}:7` })
      change(it, 'orders', order_id, { status: 'waiting-payment', duty_epoch: 7, duty_ok_at: null })
      change(it, 'orders', order_id, { status: 'pending' })
    },
  },
  'I-35': {
    plants: 'a request is answered that was never sent',
    plant: (it) => {
      told(it, 'canceled', null, 7n)
      Object.assign(it, { answers: new Map([['somebody:7:canceled', 1]]) })
    },
  },
}
