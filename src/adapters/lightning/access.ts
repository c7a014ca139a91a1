/** The rights that fianza needs, how to get a macaroon with exactly them, and whether ours has them (money-path.md 1.11). */
import { randomBytes } from 'node:crypto'
import type { Lookup } from '../../ports/lightning.ts'
import { Channel } from './channel.ts'
import { classify, explain, type Meaning } from './classification.ts'
import type { LndTarget } from './config.ts'
import type { Evidence } from './evidence.ts'
import { knock } from './knock.ts'
import type { RpcMessages } from './messages.ts'
import { RPC_NAMES, RPCS, type RpcName, rpcUri } from './rpcs.ts'
import type { LndTimings } from './timings.ts'

/** No hash has this length, so LND refuses it before it looks for anything. */
const NO_HASH = new Uint8Array()
/** CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE */
const NO_ANSWER_CODES: readonly number[] = [1, 4, 14]

/** What a macaroon allows: the paths of RPCs that LND refused for lack of the right or does not serve. */
export type AccessReport = { readonly missing: readonly { readonly uri: string; readonly detail: string }[] }

/** The `lncli` command that bakes the minimal macaroon into a file. */
export function bakeMacaroonCommand(saveTo: string): string {
  return ['lncli bakemacaroon', `--save_to ${saveTo}`, ...RPC_NAMES.map((name) => `uri:${rpcUri(name)}`)].join(
    ' \\\n  ',
  )
}

/** One paragraph for the operator; null when nothing is missing. */
export function describeMissingAccess(report: AccessReport): string | null {
  if (report.missing.length === 0) return null
  return [
    'LND refuses calls that fianza needs:',
    ...report.missing.map(({ uri, detail }) => `  ${uri}: ${detail}`),
    'Bake a macaroon with exactly the rights it needs:',
    bakeMacaroonCommand('fianza.macaroon'),
  ].join('\n')
}

/** Requests that change nothing: reads, hashes that nobody has, and what LND's validation refuses at once. */
const PROBES: { readonly [N in RpcName]: () => RpcMessages[N]['request'] } = {
  getInfo: () => ({}),
  lookupInvoice: () => ({ r_hash: randomBytes(32) }),
  listInvoices: () => ({ pending_only: true, index_offset: '0', num_max_invoices: 1, creation_date_start: 0 }),
  listPayments: () => ({ include_incomplete: true, index_offset: '0', max_payments: 1, creation_date_start: 0 }),
  lookupHtlcResolution: () => ({ chan_id: '0', htlc_index: '0' }),
  addHoldInvoice: () => ({ hash: NO_HASH, value_msat: '0', memo: '', expiry: 0, cltv_expiry: 0 }),
  settleInvoice: () => ({ preimage: NO_HASH }),
  cancelInvoice: () => ({ payment_hash: randomBytes(32) }),
  subscribeSingleInvoice: () => ({ r_hash: NO_HASH }),
  sendPayment: () => ({
    payment_request: 'none',
    fee_limit_msat: '0',
    timeout_seconds: 1,
    max_parts: 1,
    cltv_limit: 0,
    allow_self_payment: false,
    cancelable: false,
    no_inflight_updates: false,
  }),
  trackPayment: () => ({ payment_hash: randomBytes(32), no_inflight_updates: false }),
  blocks: () => ({}),
}

/**
 * Calls a harmless instance of every RPC. LND checks the macaroon before it looks at the request, so any answer but its
 * refusal proves the right. `ok: false` when LND could not be asked. Repeat: safe, nothing is changed.
 */
export async function probeAccess(target: LndTarget, timings: LndTimings): Promise<Lookup<AccessReport>> {
  const closedDoor = await knock(target, timings.knockMs)
  if (closedDoor !== null) return { ok: false, detail: closedDoor }
  const channel = new Channel(target, timings, () => {})
  try {
    const missing: { uri: string; detail: string }[] = []
    for (const name of RPC_NAMES) {
      const evidence = await probe(channel, name, timings.readMs)
      if (evidence === null) continue
      const meaning = classify(name === 'lookupHtlcResolution' ? 'lookup-resolution' : 'read', evidence)
      if (meaning === 'misconfigured') missing.push({ uri: rpcUri(name), detail: evidence.details })
      else if (!reachedLnd(meaning, evidence)) return { ok: false, detail: explain(meaning, evidence) }
    }
    return { ok: true, value: { missing } }
  } finally {
    channel.close('the check is over')
  }
}

/** Null: LND answered what was asked. A stream is over with its first message. */
async function probe<N extends RpcName>(channel: Channel, name: N, withinMs: number): Promise<Evidence | null> {
  const request: RpcMessages[N]['request'] = PROBES[name]()
  if (RPCS[name].kind === 'unary') {
    const answer = await channel.unary(name, request)
    return answer.ok ? null : answer.error
  }
  return new Promise((resolve) => {
    const stream = channel.stream(
      name,
      request,
      {
        onMessage: () => {
          stream.cancel()
          resolve(null)
        },
        onEnd: resolve,
      },
      withinMs,
    )
  })
}

/** LND's interceptors let the request pass. A dead connection, a closed gate and silence say nothing about rights. */
function reachedLnd(meaning: Meaning, evidence: Evidence): boolean {
  if (meaning === 'never-sent' || meaning === 'not-ready' || evidence.kind !== 'status') return false
  return !NO_ANSWER_CODES.includes(evidence.code)
}
