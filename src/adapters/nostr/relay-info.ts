/** The relay's own description (NIP-11): we only want to know how large a page it gives. */
import http from 'node:http'
import https from 'node:https'
import type { Clock } from '../../ports/system.ts'
import { RELAY_LIMITS } from './limits.ts'

export type RelayInfo = {
  /** `limitation.max_limit`, a positive integer; null when the relay does not say */
  readonly maxLimit: number | null
}

/** Asks once; `done` is called at most once, never synchronously, with null on any failure. Returns how to give up. */
export type FetchRelayInfo = (url: string, done: (info: RelayInfo | null) => void) => () => void

/** Reads a NIP-11 document; null when it is none. */
export function parseRelayInfo(text: string): RelayInfo | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const limitation = 'limitation' in value ? value.limitation : null
  const maxLimit =
    typeof limitation === 'object' && limitation !== null && 'max_limit' in limitation ? limitation.max_limit : null
  return {
    maxLimit: typeof maxLimit === 'number' && Number.isSafeInteger(maxLimit) && maxLimit > 0 ? maxLimit : null,
  }
}

/** Over HTTP, bounded in time and size, without redirects. */
export const httpRelayInfo =
  (clock: Clock): FetchRelayInfo =>
  (url, done) => {
    const address = url.replace(/^ws/, 'http')
    const get = address.startsWith('https:') ? https.get : http.get
    let isOver = false
    const finish = (info: RelayInfo | null): void => {
      if (isOver) return
      isOver = true
      cancelDeadline()
      request.destroy()
      done(info)
    }
    const request = get(
      address,
      { agent: false, headers: { accept: 'application/nostr+json', 'user-agent': 'fianza' } },
      (response) => {
        if (response.statusCode !== 200) return finish(null)
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > RELAY_LIMITS.infoBytes) return finish(null)
          chunks.push(chunk)
        })
        response.on('end', () => finish(parseRelayInfo(Buffer.concat(chunks).toString())))
        response.on('error', () => finish(null))
      },
    )
    request.on('error', () => finish(null))
    const cancelDeadline = clock.after(RELAY_LIMITS.infoMs, () => finish(null))
    return () => {
      isOver = true
      cancelDeadline()
      request.destroy()
    }
  }
