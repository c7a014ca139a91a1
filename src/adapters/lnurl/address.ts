import { bech32 } from '@scure/base'
import { err, ok, type Result } from '../../core/result.ts'

/** Longest address or lnurl that is looked at, in characters. */
const MAX_TEXT_CHARS = 2000

const LNURL = /^(lightning:)?lnurl1/i

/** LUD-16 allows these characters before the @, and nothing else. Dots alone would climb up the path of the url. */
const ADDRESS = /^(?:lightning:)?(?!\.+@)([a-z0-9._+-]{1,64})@([a-z0-9.-]{1,253}(?::\d{1,5})?)$/i

/**
 * Whether the text is meant as a Lightning address or lnurl. It may still be a bad one: only {@link payUrl} tells.
 * No bolt11 invoice looks like it.
 */
export function looksLikeAddress(text: string): boolean {
  return LNURL.test(text) || ADDRESS.test(text)
}

function decodeLnurl(text: string): string | null {
  try {
    const { bytes } = bech32.decodeToBytes(text.replace(/^lightning:/i, ''), MAX_TEXT_CHARS)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

/**
 * Where the pay document of an address or lnurl lies (LUD-01, LUD-16).
 *
 * @param isPlainHost whether a `host` or `host:port` is spoken to without TLS
 * @returns the URL, not yet checked against any policy, or what is wrong with the text
 */
export function payUrl(text: string, isPlainHost: (host: string) => boolean): Result<URL, string> {
  if (text.length > MAX_TEXT_CHARS) return err('longer than any lnurl')
  const [, user, host] = ADDRESS.exec(text) ?? []
  let url: string | null
  if (user !== undefined && host !== undefined) {
    const scheme = isPlainHost(host.toLowerCase()) ? 'http' : 'https'
    url = `${scheme}://${host}/.well-known/lnurlp/${user.toLowerCase()}`
  } else if (LNURL.test(text)) {
    url = decodeLnurl(text)
  } else {
    return err('neither a Lightning address nor a lnurl')
  }
  return url !== null && URL.canParse(url) ? ok(new URL(url)) : err('holds no url')
}
