/**
 * Which event an order answers in which standing, and with what: the one table behind every decision, behind
 * `docs/states.md`, and behind the test that walks all of it.
 */
import type { CantDoReason } from '../protocol.ts'
import { type Order, PHASES_OF, type Phase, STORED_STATUSES, type Status, standing } from './order.ts'

/** A status and its phase, as one word. */
export type Standing = `${Status}/${Phase}`

/** Messages of traders, and facts from Lightning, clocks and people. */
export const ORDER_EVENTS = [
  'take-sell',
  'take-buy',
  'add-invoice',
  'fiat-sent',
  'release',
  'cancel',
  'trade-pubkey',
  'escrow-adopted',
  'answer-late',
  'escrow-accepted',
  'escrow-overpaid',
  'escrow-gone',
  'escrow-settled',
  'settle-refused',
  'refund-confirmed',
  'buyer-paid',
  'window-over',
  'duty-over',
  'height-margin',
  'operator-ends',
] as const
export type OrderEvent = (typeof ORDER_EVENTS)[number]

type Rule = {
  /** where the event is taken, and where it can lead from there */
  readonly from: Readonly<Partial<Record<Standing, readonly Standing[]>>>
  /** the answer when the status is right and something is under way (DEC-24) */
  readonly otherPhase: CantDoReason | 'ignored' | 'review'
  /** the answer in every other status */
  readonly otherStatus: CantDoReason | 'ignored' | 'review' | ((status: Status) => CantDoReason)
}

const ENDED_BY_CANCEL: readonly Status[] = ['canceled', 'cooperatively-canceled', 'canceled-by-admin']

/** A person ends what is in review: given back, or paid. */
const REVIEWED: Rule['from'] = Object.fromEntries(
  STORED_STATUSES.map((status) => [`${status}/review`, ['canceled/steady', 'success/steady'] as const]),
)

/** The table. Adding a standing or an event without a rule does not compile. */
const RULES: Readonly<Record<OrderEvent, Rule>> = {
  'take-sell': {
    from: { 'pending/steady': ['waiting-buyer-invoice/steady', 'pending/opening'] },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'invalid_order_status',
  },
  'take-buy': {
    from: { 'pending/steady': ['pending/opening'] },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'invalid_order_status',
  },
  'add-invoice': {
    from: {
      'waiting-buyer-invoice/steady': ['waiting-buyer-invoice/opening', 'active/steady'],
      'settled-hold-invoice/steady': ['settled-hold-invoice/steady'],
    },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'not_allowed_by_status',
  },
  'fiat-sent': {
    from: { 'active/steady': ['fiat-sent/steady'] },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'invalid_order_status',
  },
  release: {
    from: { 'fiat-sent/steady': ['fiat-sent/releasing'], 'dispute/steady': ['dispute/releasing'] },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'not_allowed_by_status',
  },
  cancel: {
    from: {
      'pending/steady': ['canceled/steady'],
      'pending/opening': ['canceled/steady', 'pending/steady'],
      'waiting-buyer-invoice/steady': ['canceled/steady', 'canceled/refunding', 'pending/steady'],
      'waiting-buyer-invoice/opening': ['canceled/steady', 'canceled/refunding', 'pending/steady'],
      'waiting-payment/steady': ['canceled/steady', 'canceled/refunding', 'pending/steady'],
      'active/steady': ['active/steady', 'cooperatively-canceled/refunding'],
      'fiat-sent/steady': ['fiat-sent/steady', 'cooperatively-canceled/refunding'],
      'dispute/steady': ['dispute/steady', 'cooperatively-canceled/refunding'],
    },
    otherPhase: 'not_allowed_by_status',
    otherStatus: (status) => (ENDED_BY_CANCEL.includes(status) ? 'order_already_canceled' : 'not_allowed_by_status'),
  },
  'trade-pubkey': {
    from: { 'pending/steady': ['pending/steady'] },
    otherPhase: 'not_allowed_by_status',
    otherStatus: 'invalid_order_status',
  },
  'escrow-adopted': {
    from: {
      'pending/opening': ['waiting-payment/steady'],
      'waiting-buyer-invoice/opening': ['waiting-payment/steady'],
      'waiting-payment/steady': ['waiting-payment/steady'],
    },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'answer-late': { from: { 'pending/opening': ['pending/steady'] }, otherPhase: 'ignored', otherStatus: 'ignored' },
  'escrow-accepted': {
    from: { 'waiting-payment/steady': ['active/steady', 'waiting-buyer-invoice/steady'] },
    otherPhase: 'review',
    otherStatus: 'review',
  },
  'escrow-overpaid': {
    from: { 'waiting-payment/steady': ['waiting-payment/steady'] },
    otherPhase: 'review',
    otherStatus: 'review',
  },
  'escrow-gone': {
    from: {
      'waiting-payment/steady': ['waiting-payment/steady'],
      'waiting-buyer-invoice/steady': ['canceled/steady'],
      'active/steady': ['canceled/steady'],
      'fiat-sent/steady': ['fiat-sent/review'],
      'dispute/steady': ['dispute/review'],
      'fiat-sent/releasing': ['fiat-sent/review'],
      'dispute/releasing': ['dispute/review'],
      'fiat-sent/resolving': ['fiat-sent/review'],
      'dispute/resolving': ['dispute/review'],
    },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'escrow-settled': {
    from: {
      'fiat-sent/releasing': ['settled-hold-invoice/steady'],
      'dispute/releasing': ['settled-hold-invoice/steady'],
    },
    otherPhase: 'review',
    otherStatus: 'review',
  },
  'settle-refused': {
    from: { 'fiat-sent/releasing': ['fiat-sent/review'], 'dispute/releasing': ['dispute/review'] },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'refund-confirmed': {
    from: {
      'canceled/refunding': ['canceled/steady'],
      'cooperatively-canceled/refunding': ['cooperatively-canceled/steady'],
      'expired/refunding': ['expired/steady'],
    },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'buyer-paid': {
    from: { 'settled-hold-invoice/steady': ['success/steady'] },
    otherPhase: 'review',
    otherStatus: 'review',
  },
  'window-over': { from: { 'pending/steady': ['expired/steady'] }, otherPhase: 'ignored', otherStatus: 'ignored' },
  'duty-over': {
    from: {
      'waiting-payment/steady': ['canceled/steady', 'canceled/refunding', 'pending/steady'],
      'waiting-buyer-invoice/steady': ['canceled/steady', 'canceled/refunding', 'pending/steady'],
    },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'height-margin': {
    from: {
      'waiting-buyer-invoice/steady': ['canceled/refunding'],
      'active/steady': ['canceled/refunding'],
    },
    otherPhase: 'ignored',
    otherStatus: 'ignored',
  },
  'operator-ends': { from: REVIEWED, otherPhase: 'ignored', otherStatus: 'ignored' },
}

/** What the table says about an event in a standing. */
export type Verdict =
  | { readonly kind: 'goes'; readonly to: readonly Standing[] }
  | { readonly kind: 'refused'; readonly reason: CantDoReason }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'review' }

/** Looks the table up. Total: every pair of a legal standing and an event has an answer. */
export function verdict(event: OrderEvent, status: Status, phase: Phase): Verdict {
  const rule = RULES[event]
  const to = rule.from[`${status}/${phase}`]
  if (to !== undefined) return { kind: 'goes', to }
  const statusIsRight = PHASES_OF[status].some((p) => rule.from[`${status}/${p}`] !== undefined)
  const answer = statusIsRight ? rule.otherPhase : rule.otherStatus
  if (typeof answer === 'function') return { kind: 'refused', reason: answer(status) }
  if (answer === 'ignored' || answer === 'review') return { kind: answer }
  return { kind: 'refused', reason: answer }
}

/** The reason why an order does not take a trader's message now, or null when it does. */
export function refusal(event: OrderEvent, order: Order): CantDoReason | null {
  const v = verdict(event, order.status, order.phase)
  return v.kind === 'refused' ? v.reason : v.kind === 'goes' ? null : 'not_allowed_by_status'
}

/** All legal standings, in the order of a trade. */
export function standings(): readonly { readonly status: Status; readonly phase: Phase }[] {
  return STORED_STATUSES.flatMap((status) => PHASES_OF[status].map((phase) => ({ status, phase })))
}

function cell(event: OrderEvent, status: Status, phase: Phase): string {
  const v = verdict(event, status, phase)
  switch (v.kind) {
    case 'goes':
      return v.to.map((to) => `**${to.replace('/steady', '')}**`).join(' or ')
    case 'refused':
      return `\`${v.reason}\``
    case 'review':
      return 'review, alert'
    case 'ignored':
      return '–'
  }
}

/** The answers of one event: one row each, those that most standings give last. */
function table(event: OrderEvent): readonly string[] {
  const byAnswer = new Map<string, string[]>()
  for (const { status, phase } of standings()) {
    const answer = cell(event, status, phase)
    byAnswer.set(answer, [...(byAnswer.get(answer) ?? []), standing({ status, phase })])
  }
  const rows = [...byAnswer].sort(([, a], [, b]) => a.length - b.length)
  return [
    '| order | answer |',
    '|---|---|',
    ...rows.map(([answer, orders], i) => `| ${i === rows.length - 1 ? 'any other' : orders.join(', ')} | ${answer} |`),
  ]
}

/** The page `docs/states.md`. */
export function renderStates(): string {
  const lines = [
    '# States of an order',
    '',
    'What an order answers to every event, from the table that the code decides by (`src/core/order/rules.ts`). An order',
    'is named by its status, and by its phase when that is not `steady`. Bold: where the event can lead. Code: the reason',
    'of the `cant-do` answer. A dash: nothing happens. "review, alert": the fact is recorded, and a person must look.',
    '',
  ]
  for (const event of ORDER_EVENTS) lines.push(`## ${event}`, '', ...table(event), '')
  return lines.join('\n')
}
