/** What relays say to clients (NIP-01, NIP-42), from bytes that nobody vouches for. */
import { RELAY_LIMITS } from './limits.ts'

export type RelayFrame =
  | { readonly kind: 'event'; readonly subscription: string; readonly event: unknown }
  | { readonly kind: 'ok'; readonly eventId: string; readonly accepted: boolean; readonly message: string }
  | { readonly kind: 'eose'; readonly subscription: string }
  | { readonly kind: 'closed'; readonly subscription: string; readonly message: string }
  | { readonly kind: 'auth'; readonly challenge: string }
  | { readonly kind: 'notice'; readonly message: string }

/** One frame, or null when it is nothing that we understand. Texts for people are shortened and made printable. */
export function parseFrame(text: string): RelayFrame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(value)) return null
  const [kind, first, second, third] = value as readonly unknown[]
  if (typeof first !== 'string') return null
  switch (kind) {
    case 'EVENT':
      return { kind: 'event', subscription: first, event: second }
    case 'OK':
      return typeof second === 'boolean'
        ? { kind: 'ok', eventId: first, accepted: second, message: printable(third) }
        : null
    case 'EOSE':
      return { kind: 'eose', subscription: first }
    case 'CLOSED':
      return { kind: 'closed', subscription: first, message: printable(second) }
    case 'AUTH':
      return first.length <= RELAY_LIMITS.challengeChars ? { kind: 'auth', challenge: first } : null
    case 'NOTICE':
      return { kind: 'notice', message: printable(first) }
    default:
      return null
  }
}

/** The machine-readable word before the colon of an OK or CLOSED message; `''` when there is none. */
export const prefixOf = (message: string): string => /^([a-z][a-z-]*):/.exec(message)?.[1] ?? ''

const printable = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, RELAY_LIMITS.messageChars).replace(/\p{C}/gu, ' ') : ''
