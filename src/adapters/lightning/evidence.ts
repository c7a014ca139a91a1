/** What a call left behind when it brought no answer that can be used. */
export type Evidence =
  /** the adapter itself kept the call back: nothing left this process */
  | { readonly kind: 'kept-back'; readonly uri: string; readonly details: string }
  /** gRPC ended the call with a status */
  | { readonly kind: 'status'; readonly uri: string; readonly code: number; readonly details: string }
  /** anything else: a stream that ended without its message, an answer that can not be read, a thrown value */
  | { readonly kind: 'other'; readonly uri: string; readonly details: string }

/** Longest text of LND's that is kept: it ends up in rows and logs. */
const DETAILS_MAX = 300

/**
 * Turns whatever a gRPC call failed with into evidence: a status object, an `Error`, the `[code, message, { err }]`
 * arrays of the `lightning` helpers, or nothing at all (money-path.md 1.1). Never throws.
 */
export function evidenceOf(uri: string, thrown: unknown): Evidence {
  if (Array.isArray(thrown)) {
    const [code, message, cause] = thrown as unknown[]
    if (typeof cause === 'object' && cause !== null && 'err' in cause) return evidenceOf(uri, cause.err)
    return { kind: 'other', uri, details: shorten(`${String(code)} ${String(message)}`) }
  }
  if (typeof thrown !== 'object' || thrown === null) {
    return { kind: 'other', uri, details: shorten(thrown === undefined ? 'no reason given' : String(thrown)) }
  }
  const code = 'code' in thrown ? thrown.code : undefined
  const details = 'details' in thrown ? thrown.details : undefined
  if (typeof code === 'number') {
    return { kind: 'status', uri, code, details: shorten(typeof details === 'string' ? details : '') }
  }
  return { kind: 'other', uri, details: shorten(thrown instanceof Error ? thrown.message : 'an unreadable error') }
}

/** The status of a call that ended in another way, for one line of a log. */
export function describeEvidence(evidence: Evidence): string {
  const status = evidence.kind === 'status' ? `gRPC status ${evidence.code}: ` : ''
  return `${evidence.uri}: ${status}${evidence.details === '' ? 'no details' : evidence.details}`
}

function shorten(text: string): string {
  return text.length > DETAILS_MAX ? `${text.slice(0, DETAILS_MAX)}…` : text
}
