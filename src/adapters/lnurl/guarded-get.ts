import { Resolver } from 'node:dns/promises'
import { isIP, isIPv6, type LookupFunction } from 'node:net'
import { err, ok, type Result } from '../../core/result.ts'
import type { AddressFailure } from '../../ports/addresses.ts'
import { isPublicAddress } from './public-address.ts'

const MAX_URL_CHARS = 2048
const MAX_BODY_BYTES = 64 * 1024

/** Of the addresses that a name has, how many are tried. */
const MAX_PINNED = 4

/** All IPv4 and IPv6 addresses of a host name; none when it has none. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>

/** What a request to a stranger's host may do and cost. */
export type GuardedGetOptions = {
  /** hosts (`host:port`) that may be private and are spoken to without TLS where the url says so: sandbox and tests */
  readonly plainHosts: ReadonlySet<string>
  readonly resolve: Resolve
  readonly dnsMs: number
  readonly connectMs: number
  /** for the whole request, name resolution included */
  readonly totalMs: number
}

/** Asks the system's name servers, not its hosts file, and stops asking when told to. */
export const resolveByDns: Resolve = async (host, signal) => {
  const resolver = new Resolver({ tries: 1 })
  const cancel = (): void => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

const forbidden = (detail: string): Result<never, AddressFailure> => err({ kind: 'forbidden', detail })
const unavailable = (detail: string): Result<never, AddressFailure> => err({ kind: 'unavailable', detail })
const refused = (detail: string): Result<never, AddressFailure> => err({ kind: 'refused', detail })

/** A stranger's words, safe to log. */
function quoted(text: unknown): string {
  return typeof text === 'string' ? JSON.stringify(text.slice(0, 200)) : 'no reason given'
}

/** The host as name servers and sockets know it. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** What can be said against a URL without asking anybody. */
export function checkUrl(url: URL, plainHosts: ReadonlySet<string>): Result<void, AddressFailure> {
  const isPlain = plainHosts.has(url.host)
  const host = hostOf(url)
  if (url.href.length > MAX_URL_CHARS) return forbidden('url too long')
  if (url.username !== '' || url.password !== '') return forbidden('url holds a user name')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isPlain)) return forbidden(`scheme ${url.protocol}`)
  if (isIP(host) !== 0 && !isPlain && !isPublicAddress(host)) return forbidden(`${host}: is not public`)
  return ok(undefined)
}

function rejectOn(signal: AbortSignal, why: string): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error(why)), { once: true }))
}

/** The addresses to connect to, IPv4 first. One that is not public forbids the host altogether. */
async function addressesOf(url: URL, options: GuardedGetOptions): Promise<Result<readonly string[], AddressFailure>> {
  const host = hostOf(url)
  if (isIP(host) !== 0) return ok([host])
  const signal = AbortSignal.timeout(options.dnsMs)
  let addresses: readonly string[]
  try {
    addresses = await Promise.race([
      options.resolve(host, signal),
      rejectOn(signal, 'name servers did not answer in time'),
    ])
  } catch (error) {
    return unavailable(`${host}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (addresses.length === 0) return unavailable(`${host}: has no address`)
  if (!options.plainHosts.has(url.host) && !addresses.every(isPublicAddress)) {
    return forbidden(`${host}: has an address that is not public`)
  }
  return ok([...addresses].sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b))).slice(0, MAX_PINNED))
}

/** Answers with the addresses that were checked, so that a name that changes meanwhile leads nowhere else. */
function pinned(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  return (_, { all }, callback) => {
    const [first] = answers
    if (all === true) callback(null, answers)
    else if (first === undefined) callback(new Error('no address'), '')
    else callback(null, first.address, first.family)
  }
}

function judge(host: string, status: number, body: string): Result<unknown, AddressFailure> {
  if (status >= 300 && status < 400) return forbidden(`${host}: redirects`)
  if (status >= 500 || status === 408 || status === 429) return unavailable(`${host}: status ${status}`)
  let document: unknown
  try {
    document = JSON.parse(body)
  } catch {
    return status === 200 ? unavailable(`${host}: answers no JSON`) : refused(`${host}: status ${status}`)
  }
  const { status: verdict, reason } = (document ?? {}) as { readonly status?: unknown; readonly reason?: unknown }
  if (verdict === 'ERROR') return refused(`${host}: ${quoted(reason)}`)
  return status === 200 ? ok(document) : refused(`${host}: status ${status}`)
}

/**
 * One GET for a JSON document from a host that a stranger named (trade.md 4.3): https, public addresses only, connected to
 * exactly where it was checked, no redirects, bounded in time and size. A service's `status: ERROR` is a failure. Never throws.
 * Repeat: safe.
 */
export async function guardedGet(url: URL, options: GuardedGetOptions): Promise<Result<unknown, AddressFailure>> {
  const checked = checkUrl(url, options.plainHosts)
  if (!checked.ok) return checked
  // Loaded with the first address: a start does not need it, and it is the largest part of what a start would load.
  const { Agent, request } = await import('undici')
  const signal = AbortSignal.timeout(options.totalMs)
  const addresses = await addressesOf(url, options)
  if (!addresses.ok) return addresses

  const agent = new Agent({
    maxResponseSize: MAX_BODY_BYTES,
    connect: { lookup: pinned(addresses.value), timeout: options.connectMs },
  })
  try {
    const response = await request(url, { dispatcher: agent, signal, headers: { accept: 'application/json' } })
    return judge(url.host, response.statusCode, await response.body.text())
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return forbidden(`${url.host}: answer too large`)
    return unavailable(`${url.host}: ${quoted(message)}`)
  } finally {
    await agent.destroy()
  }
}
