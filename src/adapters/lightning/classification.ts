/**
 * The one place where a failed call gets its meaning, and the only one where a text of LND's is matched.
 *
 * LND reports most of its business errors as gRPC status 2 with free text that changes between versions and stores, so a
 * text counts only inside this closed list, and every meaning that touches money is confirmed by a look-up in its verb.
 * What no row knows is `unknown` (money-path.md 0.2, 1.1 to 1.8).
 */
import type { CallTrouble } from '../../ports/lightning.ts'
import { describeEvidence, type Evidence } from './evidence.ts'

export type Operation =
  | 'create-hold'
  | 'settle-hold'
  | 'cancel-hold'
  | 'lookup-hold'
  | 'send-payment'
  | 'track-payment'
  | 'lookup-resolution'
  | 'read'

export type Meaning =
  /** no byte of the call can have reached LND */
  | 'never-sent'
  /** LND's gate turned the call away before any handler saw it: locked, or starting up */
  | 'not-ready'
  /** the macaroon, the build or the port is wrong */
  | 'misconfigured'
  /** LND has no record under this hash */
  | 'not-found'
  /** LND has an invoice with this hash already */
  | 'duplicate'
  /** LND read the request and refuses what it asks */
  | 'refused'
  /** LND has a payment of this hash that is alive or has succeeded */
  | 'payment-exists'
  /** this invoice can not be paid by anybody, or not by us, whatever we send with it */
  | 'unpayable'
  /** the invoice is fine, our parameters are not */
  | 'bad-parameters'
  /** LND does not record what was asked for */
  | 'unsupported'
  /** everything else: it may have been executed */
  | 'unknown'

const UNKNOWN = 2
const NOT_FOUND = 5
const ALREADY_EXISTS = 6
const UNIMPLEMENTED = 12
const UNAVAILABLE = 14

type Row = {
  /** null: any operation */
  readonly of: Operation | null
  readonly code: number
  /** null: any text */
  readonly text: RegExp | null
  readonly meaning: Meaning
}

/** The first row that fits decides. */
const ROWS: readonly Row[] = [
  // every operation: transport, gates and macaroon (1.1)
  { of: null, code: UNAVAILABLE, text: /^No connection established/, meaning: 'never-sent' },
  { of: null, code: UNKNOWN, text: /^wallet locked/, meaning: 'not-ready' },
  { of: null, code: UNKNOWN, text: /^wallet not created/, meaning: 'not-ready' },
  { of: null, code: UNKNOWN, text: /^waiting to start, RPC services not available/, meaning: 'not-ready' },
  { of: null, code: UNKNOWN, text: /^the RPC server is in the process of starting up/, meaning: 'not-ready' },
  { of: null, code: UNKNOWN, text: /permission denied/, meaning: 'misconfigured' },
  { of: null, code: UNKNOWN, text: /expected 1 macaroon, got/, meaning: 'misconfigured' },
  { of: null, code: UNKNOWN, text: /cannot determine data format/, meaning: 'misconfigured' },
  { of: null, code: UNKNOWN, text: /verification failed/, meaning: 'misconfigured' },
  { of: null, code: UNKNOWN, text: /root key with id .* doesn't exist/, meaning: 'misconfigured' },

  // money-path.md 1.2
  { of: 'create-hold', code: UNKNOWN, text: /invoice with payment hash already exists/, meaning: 'duplicate' },
  { of: 'create-hold', code: UNKNOWN, text: null, meaning: 'refused' },

  // 1.5; before LND 0.20 an empty store answered with status 2
  { of: 'lookup-hold', code: NOT_FOUND, text: null, meaning: 'not-found' },
  { of: 'lookup-hold', code: UNKNOWN, text: /there are no existing invoices/, meaning: 'not-found' },

  // 1.7
  { of: 'send-payment', code: ALREADY_EXISTS, text: null, meaning: 'payment-exists' },
  { of: 'send-payment', code: UNKNOWN, text: /invoice expired/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /self-payments not allowed/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /cltv limit .* should be greater than/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /must be set to pay an AMP invoice/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /unknown required features/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /must contain either a payment address/, meaning: 'unpayable' },
  { of: 'send-payment', code: UNKNOWN, text: /amount must be specified/, meaning: 'bad-parameters' },
  { of: 'send-payment', code: UNKNOWN, text: /amount must not be specified/, meaning: 'bad-parameters' },
  { of: 'send-payment', code: UNKNOWN, text: /total time lock of .* exceeds max allowed/, meaning: 'bad-parameters' },

  // 1.8
  { of: 'track-payment', code: NOT_FOUND, text: null, meaning: 'not-found' },

  // 1.11; an HTLC that is not resolved yet is unknown to the store of resolutions
  { of: 'lookup-resolution', code: UNKNOWN, text: /store-final-htlc-resolutions/, meaning: 'unsupported' },
  { of: 'lookup-resolution', code: UNKNOWN, text: /htlc unknown/, meaning: 'not-found' },
  { of: 'lookup-resolution', code: NOT_FOUND, text: null, meaning: 'not-found' },
  { of: 'lookup-resolution', code: UNIMPLEMENTED, text: null, meaning: 'unsupported' },

  { of: null, code: UNIMPLEMENTED, text: null, meaning: 'misconfigured' },
]

/** What the failure of a call means. Total: anything unlisted is `unknown`. */
export function classify(operation: Operation, evidence: Evidence): Meaning {
  if (evidence.kind === 'kept-back') return 'never-sent'
  if (evidence.kind === 'other') return 'unknown'
  const row = ROWS.find(
    ({ of, code, text }) =>
      (of === null || of === operation) && code === evidence.code && (text === null || text.test(evidence.details)),
  )
  return row?.meaning ?? 'unknown'
}

/**
 * The outcome when the meaning alone decides it: nothing was executed, and no look-up can add to that. Null for every
 * meaning that the verb has to resolve.
 */
export function settledTrouble(meaning: Meaning, evidence: Evidence): CallTrouble | null {
  switch (meaning) {
    case 'never-sent':
    case 'not-ready':
      return { class: 'S', detail: explain(meaning, evidence) }
    case 'misconfigured':
      return { class: 'B', detail: explain(meaning, evidence) }
    default:
      return null
  }
}

/** One sentence for the operator; where the remedy is known, it names it. */
export function explain(meaning: Meaning, evidence: Evidence): string {
  const what = describeEvidence(evidence)
  switch (meaning) {
    case 'never-sent':
      return `${what}${dialHint(evidence.details)}`
    case 'not-ready':
      return `LND is not ready; unlock its wallet or wait until it has started (${what})`
    case 'misconfigured':
      return evidence.kind === 'status' && evidence.code === UNIMPLEMENTED
        ? `LND does not serve ${evidence.uri}: use a release build, with the gRPC port as socket (${what})`
        : `LND's macaroon does not allow ${evidence.uri}: bake a new one with all rights that fianza needs (${what})`
    default:
      return what
  }
}

/** What to look at when LND can not be dialled; the words are Node's. */
function dialHint(details: string): string {
  if (/ECONNREFUSED/.test(details)) return '; is LND running, and is this the socket of its gRPC listener?'
  if (/ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(details)) return '; check the host name in the socket'
  if (/certificate|altname/i.test(details))
    return "; copy LND's present tls.cert, and use a host name that it is made for"
  return ''
}
