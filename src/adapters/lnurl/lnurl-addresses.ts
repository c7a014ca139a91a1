import { createHash } from 'node:crypto'
import type { Msat } from '../../core/money.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Addresses, AddressFailure } from '../../ports/addresses.ts'
import { looksLikeAddress, payUrl } from './address.ts'
import { checkUrl, type GuardedGetOptions, guardedGet, type Resolve, resolveByDns } from './guarded-get.ts'

/** Far above any invoice that a wallet makes; its meaning is checked by who asked for it. */
const MAX_INVOICE_CHARS = 8192

export type LnurlOptions = {
  /** `host:port` of sandbox services that may be private and speak http; empty in production */
  readonly plainHosts?: readonly string[]
  readonly resolve?: Resolve
  readonly dnsMs?: number
  readonly connectMs?: number
  readonly totalMs?: number
}

/** A service's first answer (LUD-06), as far as we use it. */
type PayDocument = {
  readonly callback: URL
  readonly minSendable: number
  readonly maxSendable: number
  readonly metadata: string
  /** characters of comment that it takes (LUD-12) */
  readonly commentAllowed: number
}

const refused = (detail: string): Result<never, AddressFailure> => err({ kind: 'refused', detail })
const nonsense = (detail: string): Result<never, AddressFailure> => err({ kind: 'unavailable', detail })

function readPayDocument(body: unknown): Result<PayDocument, AddressFailure> {
  if (typeof body !== 'object' || body === null) return nonsense('the answer is no object')
  const { tag, callback, minSendable, maxSendable, metadata, commentAllowed } = body as Record<string, unknown>
  if (tag !== 'payRequest') return refused('the service offers no payRequest')
  if (typeof callback !== 'string' || !URL.canParse(callback)) return nonsense('callback is no url')
  if (typeof minSendable !== 'number' || typeof maxSendable !== 'number') return nonsense('limits are no numbers')
  if (typeof metadata !== 'string') return nonsense('metadata is no text')
  const comment = typeof commentAllowed === 'number' && commentAllowed > 0 ? commentAllowed : 0
  return ok({ callback: new URL(callback), minSendable, maxSendable, metadata, commentAllowed: comment })
}

function checkAmount(document: PayDocument, amountMsat: Msat): Result<void, AddressFailure> {
  const { minSendable, maxSendable } = document
  if (amountMsat >= minSendable && amountMsat <= maxSendable) return ok(undefined)
  return refused(`${amountMsat} msat is not within ${minSendable} to ${maxSendable} msat`)
}

/** The callback with our parameters in place of any of the same name that it came with. */
function callbackUrl(document: PayDocument, amountMsat: Msat, comment: string | null): URL {
  const url = new URL(document.callback)
  url.searchParams.set('amount', String(amountMsat))
  url.searchParams.delete('comment')
  const shortened = [...(comment ?? '')].slice(0, document.commentAllowed).join('')
  if (shortened !== '') url.searchParams.set('comment', shortened)
  return url
}

function readInvoice(body: unknown): Result<string, AddressFailure> {
  const request = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)['pr'] : undefined
  if (typeof request !== 'string' || request === '') return nonsense('the answer holds no invoice')
  return request.length <= MAX_INVOICE_CHARS ? ok(request) : nonsense('the invoice is too long')
}

/**
 * Asks the services behind Lightning addresses and lnurls (LUD-01, 06, 12, 16), guarded as trade.md 4.3 says. Two limits
 * are tighter: clear-text http is refused, and name resolution counts into the four seconds of a request, so that
 * `probe` ends within four seconds and `invoice` within eight.
 */
export class LnurlAddresses implements Addresses {
  readonly #options: GuardedGetOptions

  constructor(options: LnurlOptions = {}) {
    this.#options = {
      plainHosts: new Set(options.plainHosts),
      resolve: options.resolve ?? resolveByDns,
      dnsMs: options.dnsMs ?? 2000,
      connectMs: options.connectMs ?? 2000,
      totalMs: options.totalMs ?? 4000,
    }
  }

  looksLikeAddress(text: string): boolean {
    return looksLikeAddress(text)
  }

  async probe(text: string, amountMsat: Msat | null): Promise<Result<void, AddressFailure>> {
    const document = await this.#payDocument(text)
    if (!document.ok) return document
    return amountMsat === null ? ok(undefined) : checkAmount(document.value, amountMsat)
  }

  async invoice(
    text: string,
    amountMsat: Msat,
    comment: string | null,
  ): Promise<Result<{ readonly request: string; readonly descriptionHash: string }, AddressFailure>> {
    const document = await this.#payDocument(text)
    if (!document.ok) return document
    const payable = checkAmount(document.value, amountMsat)
    if (!payable.ok) return payable
    const body = await guardedGet(callbackUrl(document.value, amountMsat, comment), this.#options)
    if (!body.ok) return body
    const request = readInvoice(body.value)
    if (!request.ok) return request
    const descriptionHash = createHash('sha256').update(document.value.metadata).digest('hex')
    return ok({ request: request.value, descriptionHash })
  }

  async #payDocument(text: string): Promise<Result<PayDocument, AddressFailure>> {
    const url = payUrl(text, (host) => this.#options.plainHosts.has(host))
    if (!url.ok) return err({ kind: 'malformed', detail: url.error })
    const body = await guardedGet(url.value, this.#options)
    if (!body.ok) return body
    const document = readPayDocument(body.value)
    if (!document.ok) return document
    const callable = checkUrl(document.value.callback, this.#options.plainHosts)
    return callable.ok ? document : callable
  }
}
