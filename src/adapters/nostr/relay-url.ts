import { err, ok, type Result } from '../../core/result.ts'

/**
 * The one spelling of a relay's address that we compare, store and publish: lower-case scheme and host, no default
 * port, no trailing slash, no fragment. Errors: not a URL, not `ws:` or `wss:`, or credentials inside, which would be
 * published with the relay list.
 */
export function normalizeRelayUrl(text: string): Result<string, string> {
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    return err(`not a URL: ${text}`)
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return err(`not a ws:// or wss:// URL: ${text}`)
  if (url.username !== '' || url.password !== '') return err('a relay URL must not hold credentials')
  const path = url.pathname.replace(/\/+$/, '')
  return ok(`${url.protocol}//${url.host}${path}${url.search}`)
}
