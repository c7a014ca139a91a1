/** What is owed, and the payments that end it. */
import { createHash } from 'node:crypto'
import type { LnOpRow } from '../../../src/adapters/sqlite/schema.ts'
import { type Facts, isOpen, looked, opsOf, rowsOf } from '../facts.ts'
import { breaches, type Invariant } from './invariant.ts'

const hashesOf = (facts: Facts, obligationId: string): readonly string[] => {
  const hashes = new Set(facts.groups.of('hashesOfOwner', obligationId).map(({ hash }) => hash))
  for (const op of facts.groups.of('opsOfObligation', obligationId)) hashes.add(op.hash)
  return [...hashes]
}

const stateOf = (facts: Facts, hash: string): string => facts.lightning.payment(hash)?.state ?? 'none'
const isAlive = (state: string): boolean => state === 'initiated' || state === 'in-flight'
const isMoney = (facts: Facts, hash: string): boolean => stateOf(facts, hash) === 'succeeded'

const paysOf = function* (facts: Facts): Iterable<LnOpRow> {
  for (const op of looked(facts, 'ln_op')) if (op.kind === 'pay') yield op
}

const PAYMENT_STATES_THAT_END = new Set(['paid', 'forfeited', 'void'])

export const PAYMENT_INVARIANTS: readonly Invariant[] = [
  {
    name: 'I-01',
    says: 'an obligation is paid at most once, whatever invoices it had',
    check: (facts) => [
      ...breaches(looked(facts, 'obligation'), ({ id }) => {
        const paid = hashesOf(facts, id).filter((hash) => isMoney(facts, hash))
        return paid.length > 1 ? `${id} was paid ${paid.length} times: ${paid.join(', ')}` : null
      }),
    ],
  },
  {
    name: 'I-02',
    says: 'what is sent was written down before',
    check: (facts) => [
      ...breaches(facts.calls, ({ verb, hash, op }) =>
        verb === 'pay' && (op?.kind !== 'pay' || op.state !== 'dispatching')
          ? `pay ${hash} left without a claim`
          : null,
      ),
      ...(facts.atRest
        ? breaches(facts.lightning.payments(), ({ hash }) =>
            opsOf(facts, hash).some(({ kind }) => kind === 'pay')
              ? null
              : `Lightning has a payment ${hash} that nobody wrote down`,
          )
        : []),
    ],
  },
  {
    name: 'I-07',
    says: 'paid means that Lightning paid: this hash, this amount, within the fee',
    check: (facts) => [
      ...breaches(looked(facts, 'obligation'), ({ id, state, paid_op, amount_msat, max_fee_msat }) => {
        if (state !== 'paid') return null
        const op = facts.rows.ln_op.get(paid_op ?? '')
        const payment = op === undefined ? null : facts.lightning.payment(op.hash)
        if (payment?.state !== 'succeeded') return `${id} is paid, Lightning says ${payment?.state ?? 'nothing'}`
        const hash = createHash('sha256')
          .update(Buffer.from(payment.preimage ?? '', 'hex'))
          .digest('hex')
        if (hash !== payment.hash) return `${id} is paid with a preimage that does not fit`
        if (payment.amountMsat !== amount_msat) return `${id} owed ${amount_msat}, paid ${payment.amountMsat}`
        return payment.feeMsat > max_fee_msat ? `${id} cost ${payment.feeMsat} of routing` : null
      }),
    ],
  },
  {
    name: 'I-08',
    says: 'what Lightning paid is booked as paid, or lies before a person',
    atRest: true,
    check: (facts) => [
      ...breaches(paysOf(facts), (op) => {
        if (!isMoney(facts, op.hash)) return null
        const state = facts.rows.obligation.get(op.obligation_id ?? '')?.state
        return state === 'paid' || state === 'review' ? null : `${op.hash} succeeded, ${op.obligation_id} is ${state}`
      }),
    ],
  },
  {
    name: 'I-09',
    says: 'what nobody is owed any more was not paid and is not on its way',
    check: (facts) => [
      ...breaches(looked(facts, 'obligation'), ({ id, state }) => {
        if (state !== 'void' && state !== 'forfeited') return null
        const live = hashesOf(facts, id).find((hash) => isMoney(facts, hash) || isAlive(stateOf(facts, hash)))
        return live === undefined ? null : `${id} is ${state}, payment ${live} is ${stateOf(facts, live)}`
      }),
    ],
  },
  {
    name: 'I-16',
    says: 'the anchor of a deadline is set once, by the money, and never moves',
    check: (facts) => [
      ...breaches(facts.changes.obligation, ({ before, after }) => {
        if (before === null || before.anchor_at === null) return null
        return before.anchor_at === after.anchor_at && before.claim_until === after.claim_until
          ? null
          : `${after.id}: the anchor moved from ${before.anchor_at} to ${after.anchor_at}`
      }),
    ],
  },
  {
    name: 'I-18',
    says: 'a second invoice is tried only when the first one can never be paid',
    check: (facts) => [
      ...breaches(
        facts.calls.filter(({ verb }) => verb === 'pay'),
        ({ op, hash }) => {
          const others = hashesOf(facts, op?.obligation_id ?? '').filter((other) => other !== hash)
          const live = others.find((other) => isMoney(facts, other) || isAlive(stateOf(facts, other)))
          return live === undefined ? null : `${hash} was sent while ${live} was ${stateOf(facts, live)}`
        },
      ),
    ],
  },
  {
    name: 'I-24',
    says: 'at rest every hold is final, and every obligation has ended or lies before a person',
    atRest: true,
    check: (facts) => [
      ...breaches(looked(facts, 'hold'), ({ hash, rank, decision, request }) =>
        rank === 3 || (decision === 'cancel' && request === null) ? null : `hold ${hash} is at rank ${rank}`,
      ),
      ...breaches(looked(facts, 'obligation'), ({ id, state, window_s }) => {
        if (PAYMENT_STATES_THAT_END.has(state)) return null
        if (state === 'need_destination') return window_s === null ? null : `${id} waits for an invoice`
        if (state !== 'review') return `${id} is ${state}`
        const seen = rowsOf(facts, 'alert').some(({ key, closed_at }) => closed_at === null && key.endsWith(id))
        return seen ? null : `${id} is in review and no alert says so`
      }),
    ],
  },
  {
    name: 'I-25',
    says: 'at rest no intent is open',
    atRest: true,
    check: (facts) => [
      ...breaches(looked(facts, 'ln_op'), (op) => (isOpen(op) ? `${op.id} is ${op.state}: ${op.last_detail}` : null)),
    ],
  },
  {
    name: 'I-32',
    says: 'a payment hash serves one obligation ever, and was reserved for it',
    check: (facts) => [
      ...breaches(paysOf(facts), ({ hash, obligation_id }) => {
        const owner = facts.rows.payout_hash.get(hash)?.owner
        return owner === obligation_id ? null : `${hash} pays ${obligation_id} but is reserved for ${owner}`
      }),
    ],
  },
]
