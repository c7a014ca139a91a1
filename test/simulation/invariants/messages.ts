/** What people are told: true, in order, once, and to everybody. */
import type { NostrEvent } from '../../../src/core/protocol.ts'
import { type Facts, holdsOf, looked, rowsOf } from '../facts.ts'
import { breaches, type Invariant } from './invariant.ts'

const SENT = 2
const DEAD = 3
/** Prices and the node's own facts change all the time: what is due only now is on its way. */
const JUST_NOW_S = 30
const MONEY_CALLS_PER_INTENT = 120

const recipientOf = (event: NostrEvent): string => event.tags.find(([name]) => name === 'p')?.[1] ?? ''

/** What the relays keep for each recipient. */
function mailOf(facts: Facts): ReadonlyMap<string, readonly NostrEvent[]> {
  const mail = new Map<string, NostrEvent[]>()
  for (const event of facts.onRelays()) {
    if (event.kind !== 14 && event.kind !== 1059) continue
    const to = recipientOf(event)
    if (to === facts.nodePubkey) continue
    mail.set(to, [...(mail.get(to) ?? []), event])
  }
  return mail
}

const actionOf = (body: string): string => {
  const message = JSON.parse(body) as unknown
  const inner: unknown = Array.isArray(message) ? message[0] : message
  const content = Object.values(inner as Record<string, { readonly action?: string }>)[0]
  return content?.action ?? ''
}

export const MESSAGE_INVARIANTS: readonly Invariant[] = [
  {
    name: 'I-19',
    says: 'nobody is told of sats that did not move, or that they come back when they do not',
    check: (facts) => [
      ...breaches(facts.told, ({ action, orderId, trader, pubkey }) => {
        const holds = holdsOf(facts, orderId)
        const invoices = holds.map(({ hash }) => facts.lightning.invoice(hash)?.state)
        const payout = facts.rows.obligation.get(`buyer_payout:${orderId}`)
        const op = facts.rows.ln_op.get(payout?.paid_op ?? '')
        switch (action) {
          case 'released':
          case 'hold-invoice-payment-settled':
            return invoices.includes('settled')
              ? null
              : `${trader} was told ${action}, the escrow is ${invoices.join()}`
          case 'purchase-completed':
            return facts.lightning.payment(op?.hash ?? '')?.state === 'succeeded'
              ? null
              : `${trader} was told ${action}, nothing was paid`
          case 'canceled':
          case 'cooperative-cancel-accepted': {
            const live = holds.find(({ decision, final }) => decision === 'settle' && final !== 'canceled')
            // Whose own take was undone may hear of it when somebody else's has long been paid.
            const order = facts.rows.orders.get(orderId ?? '')
            if (pubkey !== order?.maker_pubkey && pubkey !== order?.taker_pubkey) return null
            return live === undefined ? null : `${trader} was told ${action}, escrow ${live.hash} is being settled`
          }
          default:
            return null
        }
      }),
    ],
  },
  {
    name: 'I-26',
    says: 'at rest every message is with its reader, and the book at every relay is the newest',
    atRest: true,
    check: (facts) => [
      ...breaches(looked(facts, 'outbox_msg'), ({ id, state, recipient, body }) =>
        state >= SENT ? null : `message ${id} (${actionOf(body)}) to ${recipient.slice(0, 8)} is not sent`,
      ),
      ...breaches(looked(facts, 'outbox_pub'), ({ coord, want_rev, done_rev, next_at }) =>
        done_rev === want_rev || facts.nowS - next_at < JUST_NOW_S
          ? null
          : `${coord}: revision ${want_rev} is wanted, ${done_rev} is out`,
      ),
    ],
  },
  {
    name: 'I-27',
    says: 'every reader got every message once, in the order in which it was said',
    atRest: true,
    check: (facts) => {
      const found: string[] = []
      const mail = mailOf(facts)
      const said = new Map<string, number>()
      const newest = new Map<string, number>()
      for (const row of rowsOf(facts, 'outbox_msg').toSorted((a, b) => a.seq - b.seq)) {
        if (row.state !== DEAD) said.set(row.recipient, (said.get(row.recipient) ?? 0) + 1)
        if (row.ev_created_at < (newest.get(row.recipient) ?? 0))
          found.push(`message ${row.id} is older than the one before`)
        newest.set(row.recipient, row.ev_created_at)
      }
      for (const [recipient, count] of said) {
        const kept = mail.get(recipient)?.length ?? 0
        if (kept !== count) found.push(`${recipient.slice(0, 8)}: ${count} messages were said, relays keep ${kept}`)
      }
      return found
    },
  },
  {
    name: 'I-28',
    says: 'a message has one effect, however often it comes',
    check: (facts) => {
      const found: string[] = []
      const makers = new Set<string>()
      if (facts.atRest) for (const { maker_pubkey } of rowsOf(facts, 'orders')) makers.add(maker_pubkey)
      for (const { before, after } of facts.changes.orders) if (before === null) makers.add(after.maker_pubkey)
      for (const maker of makers) {
        const offers = facts.groups.of('ordersOfMaker', maker).filter(({ range_parent }) => range_parent === null)
        if (offers.length > 1) found.push(`${maker.slice(0, 8)} offered once and has ${offers.length} orders`)
      }
      if (!facts.atRest) return found
      const seen = new Set<string>()
      for (const { outer_id, inner_id, verdict } of facts.inbox()) {
        if (verdict !== 'effect') continue
        const id = inner_id ?? outer_id
        if (seen.has(id)) found.push(`message ${id} had two effects`)
        seen.add(id)
      }
      return found
    },
  },
  {
    name: 'I-29',
    says: 'Lightning is not asked again and again in vain',
    atRest: true,
    check: (facts) => [
      ...breaches(looked(facts, 'ln_op'), ({ id, attempt }) =>
        attempt > MONEY_CALLS_PER_INTENT ? `${id} was tried ${attempt} times` : null,
      ),
    ],
  },
  {
    name: 'I-30',
    says: 'looking again at a quiet world changes nothing',
    atRest: true,
    check: ({ secondSweepChanged }) =>
      secondSweepChanged === 0 ? [] : [`a second sweep changed ${secondSweepChanged} rows about money`],
  },
  {
    name: 'I-34',
    says: 'nobody is timed out before a relay took what was asked of him',
    check: (facts) => [
      ...breaches(facts.changes.orders, ({ before, after }) => {
        if (before === null || !before.status.startsWith('waiting-') || after.status === before.status) return null
        const timedOut = holdsOf(facts, after.id).some(({ decided_by }) =>
          decided_by?.startsWith(`duty:${after.id}:${before.duty_epoch}`),
        )
        return timedOut && before.duty_ok_at === null ? `${after.id} timed out although nobody heard of it` : null
      }),
    ],
  },
  {
    name: 'I-35',
    says: 'a request is answered at most once for each time it was sent',
    check: (facts) => [
      ...breaches(facts.told, ({ trader, action, requestId }) => {
        if (requestId === null) return null
        const answered = facts.answers.get(`${trader}:${requestId}:${action}`) ?? 0
        const sent = facts.asked.get(`${trader}:${requestId}`) ?? 0
        return answered > sent
          ? `${trader} sent request ${requestId} ${sent} times and heard ${action} ${answered} times`
          : null
      }),
    ],
  },
]
