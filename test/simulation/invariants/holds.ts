/** The escrows: what was decided about each, once, and what Lightning made of it. */
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { type Facts, holdsOf, looked, opsOf, rowsOf } from '../facts.ts'
import { breaches, type Invariant } from './invariant.ts'

const lightningSays = (facts: Facts, hash: string): string => facts.lightning.invoice(hash)?.state ?? 'none'

const hasAlert = (facts: Facts, words: readonly string[]): boolean =>
  rowsOf(facts, 'alert').some(({ key, closed_at }) => closed_at === null && words.some((word) => key.includes(word)))

const MATRIX: Readonly<Record<string, readonly string[]>> = {
  opening: ['waiting-maker-bond', 'pending', 'waiting-taker-bond', 'waiting-buyer-invoice'],
  'timing-out': ['waiting-buyer-invoice', 'waiting-payment'],
  releasing: ['active', 'fiat-sent', 'dispute'],
  resolving: ['active', 'fiat-sent', 'dispute'],
  refunding: ['canceled', 'cooperatively-canceled', 'expired'],
}

/** The address of a public event, as the daemon keeps it. */
const coordOf = ({ kind, pubkey, tags }: NostrEvent): string =>
  `${kind}:${pubkey}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`

export const HOLD_INVARIANTS: readonly Invariant[] = [
  {
    name: 'I-03',
    says: 'every hold invoice at Lightning has its row, and was asked for by one intent',
    check: (facts) => [
      ...breaches(facts.calls, ({ verb, hash, hold, op }) =>
        verb === 'createHold' && (hold === null || op?.kind !== 'hold_create')
          ? `hold ${hash} is not written down`
          : null,
      ),
      ...breaches(looked(facts, 'hold'), ({ hash }) => {
        const creates = opsOf(facts, hash).filter(({ kind }) => kind === 'hold_create')
        return creates.length === 1 ? null : `hold ${hash} has ${creates.length} creating intents`
      }),
      ...(facts.atRest
        ? breaches(facts.lightning.invoices(), ({ hash }) =>
            facts.rows.hold.has(hash) ? null : `Lightning has an invoice ${hash} without a row`,
          )
        : []),
    ],
  },
  {
    name: 'I-04',
    says: 'settled means that settling was decided; a decided settle that Lightning canceled lies before a person',
    check: (facts) => [
      ...breaches(looked(facts, 'hold'), ({ hash, decision, final, order_id }) => {
        const says = lightningSays(facts, hash)
        if (says === 'settled' && decision !== 'settle') return `hold ${hash} is settled, decided was ${decision}`
        if (decision !== 'settle' || final !== 'canceled') return null
        const order = facts.rows.orders.get(order_id)
        return order?.phase === 'review' || order?.status === 'canceled'
          ? null
          : `hold ${hash} was lost, order ${order_id} is ${order?.status}/${order?.phase}`
      }),
    ],
  },
  {
    name: 'I-05',
    says: 'what was decided is what is asked of Lightning: settle, or cancel, never both',
    check: (facts) => [
      ...breaches(facts.calls, ({ verb, hash, hold }) => {
        if (verb !== 'settleHold' && verb !== 'cancelHold') return null
        const wanted = verb === 'settleHold' ? 'settle' : 'cancel'
        return hold?.decision === wanted ? null : `${verb} of ${hash}, decided was ${hold?.decision}`
      }),
    ],
  },
  {
    name: 'I-06',
    says: 'nobody is owed anything before the escrow that pays it is settled at Lightning',
    check: (facts) => [
      ...breaches(looked(facts, 'obligation'), ({ id, state, funded_by }) => {
        if (funded_by === null || (state !== 'ready' && state !== 'need_destination' && state !== 'paid')) return null
        const says = lightningSays(facts, funded_by)
        return says === 'settled' ? null : `${id} is ${state}, its escrow is ${says}`
      }),
    ],
  },
  {
    name: 'I-10',
    says: 'a status that says that sats moved, or never will, is true at Lightning',
    check: (facts) => [
      ...breaches(looked(facts, 'orders'), ({ id, status, phase }) => {
        if (phase === 'review') return null
        const escrows = holdsOf(facts, id).filter(({ purpose }) => purpose === 'escrow')
        const settled = escrows.some(({ hash }) => lightningSays(facts, hash) === 'settled')
        const payout = facts.rows.obligation.get(`buyer_payout:${id}`)
        switch (status) {
          case 'success':
            return settled && payout?.state === 'paid'
              ? null
              : `${id}: success, escrow settled: ${settled}, ${payout?.state}`
          case 'settled-hold-invoice':
            return settled && payout !== undefined ? null : `${id}: settled-hold-invoice, escrow settled: ${settled}`
          case 'canceled':
          case 'cooperatively-canceled':
          case 'expired': {
            const undecided = escrows.find(({ decision, final }) => decision !== 'cancel' && final !== 'canceled')
            if (settled) return `${id} is ${status} and its escrow is settled`
            return undecided === undefined ? null : `${id} is ${status}, escrow ${undecided.hash} is not given back`
          }
          case 'active':
          case 'fiat-sent': {
            const backed = escrows.some(
              ({ hash, decision, final }) =>
                lightningSays(facts, hash) === 'accepted' ||
                decision !== 'none' ||
                (facts.atRest === false && final === null),
            )
            return backed ? null : `${id} is ${status} without an escrow`
          }
          default:
            return null
        }
      }),
    ],
  },
  {
    name: 'I-11',
    says: 'an order on the book has no escrow that is held or settled',
    check: (facts) => [
      ...breaches(looked(facts, 'orders'), ({ id, status, phase }) => {
        if (status !== 'pending' || phase !== 'steady') return null
        const held = holdsOf(facts, id).find(
          ({ hash, decision }) =>
            lightningSays(facts, hash) === 'settled' ||
            (lightningSays(facts, hash) === 'accepted' && decision === 'none'),
        )
        return held === undefined ? null : `${id} is on the book with escrow ${held.hash}`
      }),
    ],
  },
  {
    name: 'I-15',
    says: 'what only rises never falls, and what has ended stays ended',
    check: (facts) => [
      ...breaches(facts.changes.hold, ({ before, after }) => {
        if (before === null) return null
        if (after.rank < before.rank) return `hold ${after.hash} fell from rank ${before.rank} to ${after.rank}`
        if (before.final !== null && after.final !== before.final) return `hold ${after.hash} was ${before.final}`
        return before.decision !== 'none' && after.decision !== before.decision
          ? `hold ${after.hash}: the decision was ${before.decision}, now ${after.decision}`
          : null
      }),
      ...breaches(facts.changes.obligation, ({ before, after }) => {
        if (before === null) return null
        if (before.state === 'paid' && after.state !== 'paid') return `${after.id} was paid, now ${after.state}`
        return after.destination_rev < before.destination_rev ? `${after.id}: the revision fell` : null
      }),
      ...breaches(facts.changes.ln_op, ({ before, after }) =>
        before !== null && after.attempt < before.attempt
          ? `${after.id}: attempt ${after.attempt} after ${before.attempt}`
          : null,
      ),
      ...breaches(facts.changes.outbox_pub, ({ before, after }) => {
        if (before === null || after.last_created_at >= before.last_created_at) return null
        // A date that relays refuse may be taken back, as long as none has a later one.
        const shown = facts.onRelays().find((e) => coordOf(e) === after.coord && e.created_at > after.last_created_at)
        return shown === undefined ? null : `${after.coord} went back in time`
      }),
    ],
  },
  {
    name: 'I-17',
    says: 'money is moved only on a verified connection of the node we trust, and never while halted',
    check: (facts) => [
      ...breaches(facts.calls, ({ verb, hash, halted, unverified }) => {
        if (halted) return `${verb} of ${hash} while halted`
        return unverified ? `${verb} of ${hash} on a connection that was not verified` : null
      }),
    ],
  },
  {
    name: 'I-31',
    says: 'nobody can pay an escrow that has ended',
    atRest: true,
    check: (facts) => [
      ...breaches(looked(facts, 'hold'), ({ hash, final }) => {
        const says = lightningSays(facts, hash)
        return final === 'canceled' && (says === 'open' || says === 'accepted')
          ? `hold ${hash} is ${says}, we say canceled`
          : null
      }),
    ],
  },
  {
    name: 'I-33',
    says: 'every status and phase fit, and a phase is explained by a hold that is on its way',
    check: (facts) => [
      ...breaches(looked(facts, 'orders'), ({ id, status, phase }) => {
        if (phase === 'steady') return null
        if (phase === 'review')
          return hasAlert(facts, [id, ...holdsOf(facts, id).map(({ hash }) => hash)])
            ? null
            : `${id} is in review and no alert says so`
        if (!MATRIX[phase]?.includes(status)) return `${id}: ${status}/${phase}`
        const decision = phase === 'releasing' ? 'settle' : phase === 'refunding' ? 'cancel' : null
        const explained = holdsOf(facts, id).some((h) => h.rank < 3 && (decision === null || h.decision === decision))
        return explained ? null : `${id} is ${status}/${phase} and no hold explains it`
      }),
    ],
  },
]
